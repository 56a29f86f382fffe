//! A worker: one session after the other, one piece after the other.
//!
//! Its lock on a table is taken with NOWAIT. The keeper holds the table already, so the only thing that
//! refuses it is somebody who waits for an exclusive lock: waiting behind that one, who waits for the
//! keeper, who waits for the piece, would be a deadlock that the server cannot see. The lock is let go
//! with the savepoint after each piece, so that a worker never holds more than one table's.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::run::{Run, stopped};
use super::split::{Piece, Source};
use crate::connect::{Session, is_connection_lost, server_error, sqlstate};
use crate::error::{Error, ErrorKind, Result, with_causes};

/// How often in a row a worker tries to connect, or loses its connection, before it gives up.
const ATTEMPTS: u32 = 5;

/// The pause before the second attempt; it doubles with each further one.
const PAUSE: Duration = Duration::from_millis(200);

/// Reads pieces until none is left.
///
/// A worker that cannot connect leaves with a warning: the dump goes on with one less, in the end with
/// the keeper alone.
pub(super) async fn work(run: Arc<Run>) -> Result<()> {
    let result = pieces(&run).await;
    run.queue.worker_left();
    match result {
        Err(error) if is_worth_another_try(&error) && !run.stop.is_set() => {
            run.progress
                .warning(&format!("going on with one connection less: {}", with_causes(&error)));
            Ok(())
        }
        result => result,
    }
}

async fn pieces(run: &Run) -> Result<()> {
    let mut failures = 0;
    let mut session = None;
    while run.queue.has_open() {
        let joined = match session.take() {
            Some(joined) => joined,
            None => match join(run).await {
                Ok(joined) => joined,
                // The others were quicker: the keeper has ended meanwhile, and the snapshot with it.
                Err(_) if !run.queue.has_open() => break,
                Err(error) => {
                    pause_after(run, &mut failures, error).await?;
                    continue;
                }
            },
        };
        let joined = session.insert(joined);
        let Some(piece) = run.queue.take() else { break };
        let Err(error) = one(run, joined, piece).await else {
            failures = 0;
            continue;
        };
        if error.kind() == ErrorKind::Locked {
            run.yielded.fetch_add(1, Ordering::Relaxed);
            run.progress.info(&format!(
                "somebody waits for a lock on {}: its rows are read over the keeper's connection",
                run.item(piece)
            ));
            run.queue.leave_to_keeper(piece);
        } else if is_worth_another_try(&error) && !run.stop.is_set() {
            run.again(piece, &error);
            run.queue.put_back(piece);
            if joined.is_closed() || is_connection_lost(&error) {
                session = None;
            }
            pause_after(run, &mut failures, error).await?;
        } else {
            return Err(error);
        }
    }
    if let Some(session) = session {
        session.close().await;
    }
    Ok(())
}

/// Opens a session in the snapshot of the dump.
async fn join(run: &Run) -> Result<Session> {
    tokio::select! {
        joined = run.recipe.join(&run.server, &run.snapshot) => joined,
        () = run.stop.wait() => Err(stopped()),
    }
}

/// Waits longer after each failure in a row; returns the error after the last one that is forgiven.
async fn pause_after(run: &Run, failures: &mut u32, error: Error) -> Result<()> {
    *failures += 1;
    if *failures == ATTEMPTS || !is_worth_another_try(&error) || run.stop.is_set() {
        return Err(error);
    }
    tokio::select! {
        () = tokio::time::sleep(PAUSE * 2u32.pow(*failures - 1)) => Ok(()),
        () = run.stop.wait() => Err(stopped()),
    }
}

/// Locks the table of a piece and reads it.
async fn one(run: &Run, session: &mut Session, piece: Piece) -> Result<()> {
    let Source::Table(table) = piece.source else {
        // Large objects have no lock: the snapshot keeps their pages.
        return run.read(session, piece).await;
    };
    let table = run.tables[table].table.name.sql();
    let lock =
        format!("rollback to savepoint piece; lock table only {table} in access share mode nowait");
    session.execute(&format!("lock {table}"), &lock).await?;
    run.read(session, piece).await
}

/// Tells whether the same piece may succeed when it is begun again: its connection was lost, or somebody
/// cancelled the statement.
pub(super) fn is_worth_another_try(error: &Error) -> bool {
    is_connection_lost(error)
        || error.kind() == ErrorKind::Connection
        || server_error(error).is_some_and(|error| error.sqlstate == sqlstate::QUERY_CANCELED)
}
