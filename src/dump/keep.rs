//! The keeper while data is read: it stays connected, and it reads what the workers cannot.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::run::{Run, stopped};
use super::split::Piece;
use super::work::is_worth_another_try;
use crate::connect::{Session, is_connection_lost, server_error, sqlstate};
use crate::error::{Error, ErrorKind, Result};

/// Firewalls and proxies forget connections that are silent for some minutes.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(20);

/// How long the loss of the connection may go unnoticed while nothing is asked over it.
pub(super) const GLANCE: Duration = Duration::from_millis(250);

/// How long the end of a dump that failed may wait for the keeper's answer.
const LAST_ANSWER: Duration = Duration::from_secs(2);

/// How often a piece is begun again after somebody cancelled its statement.
const ATTEMPTS: u32 = 5;

/// Holds the snapshot and the locks until everything is read.
pub(super) async fn keep(run: Arc<Run>, mut session: Session) -> Result<()> {
    let result = until_done(&run, &mut session).await;
    if result.is_ok() {
        session.close().await;
    }
    result.map_err(|error| explain(error, &run))
}

async fn until_done(run: &Run, session: &mut Session) -> Result<()> {
    session.execute("set a savepoint", "savepoint piece").await?;
    let mut beat = Instant::now();
    loop {
        tokio::select! {
            biased;
            () = run.stop.wait() => {
                return Err(last_word(session).await);
            }
            piece = run.queue.take_as_keeper() => match piece {
                Some(piece) => {
                    read(run, session, piece).await?;
                    beat = Instant::now();
                }
                // A connection may be gone without a word. From then on a table could be emptied before it
                // was read, so the locks must have held until the last row.
                None => return ask(run, session).await,
            },
            () = sleep(GLANCE) => {
                if session.is_closed() || beat.elapsed() >= HEARTBEAT {
                    ask(run, session).await?;
                    beat = Instant::now();
                }
            }
        }
    }
}

/// Asks the server something, to hear that it still holds snapshot and locks.
async fn ask(run: &Run, session: &Session) -> Result<()> {
    tokio::select! {
        answer = session.execute("keep the snapshot", "select 1") => answer,
        // A network that swallows everything lets us wait for a quarter of an hour.
        () = run.stop.wait() => Err(stopped()),
    }
}

/// Says why the keeper stops: the loss of its connection explains what the others ran into, and they may
/// have heard of it first (a worker that comes late is refused the snapshot). So it asks, and does not trust
/// what it has heard so far.
async fn last_word(session: &Session) -> Error {
    let asked = timeout(LAST_ANSWER, session.execute("keep the snapshot", "select 1")).await;
    match asked {
        Ok(Err(error)) => error,
        Ok(Ok(())) | Err(_) => stopped(),
    }
}

async fn read(run: &Run, session: &mut Session, piece: Piece) -> Result<()> {
    let mut attempt = 1;
    while let Err(error) = run.read(session, piece).await {
        let again = is_worth_another_try(&error) && !is_connection_lost(&error);
        if !again || attempt == ATTEMPTS || run.stop.is_set() {
            return Err(error);
        }
        run.again(piece, &error);
        // Without the savepoint the snapshot would be lost with the transaction.
        session.execute("go back to the savepoint", "rollback to savepoint piece").await?;
        attempt += 1;
    }
    Ok(())
}

/// Says what the loss of this one connection means.
fn explain(error: Error, run: &Run) -> Error {
    let error = explain_conflict(error);
    if !is_connection_lost(&error) && error.kind() != ErrorKind::Connection {
        return error;
    }
    error
        .context(format!(
            "lost the connection that holds the snapshot and the locks of the dump, {}: nothing was written",
            run.snapshot
        ))
        .with_hint("run the dump again: the rows read so far cannot be completed without the snapshot")
}

/// Adds what helps when a standby could not keep the snapshot.
pub(super) fn explain_conflict(error: Error) -> Error {
    let conflict =
        server_error(&error).is_some_and(|error| error.sqlstate == sqlstate::SERIALIZATION_FAILURE);
    if !conflict {
        return error;
    }
    error.with_hint(
        "the standby had to replay changes to rows that the snapshot still sees: set hot_standby_feedback or raise max_standby_streaming_delay there, or dump the primary",
    )
}
