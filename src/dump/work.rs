//! A worker: one session after the other, one piece after the other.
//!
//! Its lock on a table is taken with NOWAIT. The keeper holds the table already, so the only thing that
//! refuses it is somebody who waits for an exclusive lock: waiting behind that one, who waits for the
//! keeper, who waits for the piece, would be a deadlock that the server cannot see. The lock is let go
//! with the savepoint after each piece, so that a worker never holds more than one table's.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::run::{Run, stopped, with_causes};
use super::split::Piece;
use crate::connect::{Session, is_connection_lost, server_error, sqlstate};
use crate::error::{Error, ErrorKind, Result};

/// How often a piece is begun by a worker before it is left to the keeper.
const ATTEMPTS: u32 = 5;

/// The pause before the second attempt; it doubles with each further one.
const PAUSE: Duration = Duration::from_millis(200);

/// Reads pieces until none is left.
pub(super) async fn work(run: Arc<Run>) -> Result<()> {
    let mut session = None;
    let result = pieces(&run, &mut session).await;
    run.queue.worker_left();
    if let Some(session) = session {
        session.close().await;
    }
    result
}

async fn pieces(run: &Run, session: &mut Option<Session>) -> Result<()> {
    while let Some(piece) = run.queue.take() {
        let mut attempt = 1;
        while let Err(error) = one(run, session, piece).await {
            if run.stop.is_set() {
                return Err(error);
            }
            if error.kind() == ErrorKind::Locked {
                run.yielded.fetch_add(1, Ordering::Relaxed);
                run.progress.info(&format!(
                    "somebody waits for a lock on {}: its rows are read over the keeper's connection",
                    run.tables[piece.table].table.name.sql()
                ));
                run.queue.leave_to_keeper(piece);
                break;
            }
            if !worth_another_try(&error) {
                return Err(error);
            }
            if is_connection_lost(&error) || error.kind() == ErrorKind::Connection {
                *session = None;
            }
            if attempt == ATTEMPTS {
                run.progress.warning(&format!(
                    "going on with one connection less: {}",
                    with_causes(&error)
                ));
                run.queue.leave_to_keeper(piece);
                return Ok(());
            }
            run.again(piece, &error);
            let pause = PAUSE * 2u32.pow(attempt - 1);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = run.stop.wait() => return Err(stopped()),
            }
            attempt += 1;
        }
    }
    Ok(())
}

/// Reads one piece, connecting first if there is no session.
async fn one(run: &Run, session: &mut Option<Session>, piece: Piece) -> Result<()> {
    let joined = match session.take() {
        Some(joined) => joined,
        None => tokio::select! {
            joined = run.recipe.join(&run.server, &run.snapshot) => joined?,
            () = run.stop.wait() => return Err(stopped()),
        },
    };
    let joined = session.insert(joined);
    let table = run.tables[piece.table].table.name.sql();
    let lock =
        format!("rollback to savepoint piece; lock table only {table} in access share mode nowait");
    joined.execute(&format!("lock {table}"), &lock).await?;
    run.read(joined, piece).await
}

/// Tells whether the same piece may succeed when it is begun again: its connection was lost, or somebody
/// cancelled the statement.
pub(super) fn worth_another_try(error: &Error) -> bool {
    is_connection_lost(error)
        || error.kind() == ErrorKind::Connection
        || server_error(error).is_some_and(|error| error.sqlstate == sqlstate::QUERY_CANCELED)
}
