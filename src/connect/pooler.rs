//! Finding out whether a pooler that changes backends between transactions stands in front of the server.
//!
//! A dump needs one backend per session: its snapshot, its locks and its settings live there. A pooler
//! cannot hand out a backend's true cancel key, so the process id of the login differs from what the
//! backend says of itself. That alone is no harm (a pooler may keep one backend per session); so a second
//! session then takes a backend for itself, and if it was ours, or if we get none any more, the pooler
//! shares them. Without a pooler all this costs one question.

use std::time::Duration;

use super::params::ConnectParams;
use super::session::Session;
use crate::error::{Error, ErrorKind, Result};

/// A pooler that has no backend left makes us wait; a server that runs answers sooner.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) async fn check(session: &Session, params: &ConnectParams) -> Result<()> {
    let first = backend_pid(session).await?;
    if first == session.backend_pid() {
        return Ok(());
    }
    let other = Session::connect(params).await?;
    let verdict = shares_backends(session, &other, first).await;
    other.close().await;
    match verdict? {
        false => Ok(()),
        true => Err(refusal(session)),
    }
}

async fn shares_backends(session: &Session, other: &Session, first: i32) -> Result<bool> {
    // Poolers give the backend that became free last: that is ours.
    let taken = tokio::time::timeout(PATIENCE, other.execute("hold a backend", "begin")).await;
    match taken {
        // Also when transactions are refused altogether, as a pooler of single statements does.
        Err(_) | Ok(Err(_)) => return Ok(true),
        Ok(Ok(())) => {}
    }
    // The transaction makes sure that "begin" has reached a backend and not only the pooler.
    let theirs = tokio::time::timeout(PATIENCE, backend_pid(other)).await;
    let ours = tokio::time::timeout(PATIENCE, backend_pid(session)).await;
    Ok(
        !matches!((theirs, ours), (Ok(Ok(theirs)), Ok(Ok(ours))) if ours == first && theirs != first),
    )
}

async fn backend_pid(session: &Session) -> Result<i32> {
    let rows = session
        .query("ask for the backend's process id", "select pg_catalog.pg_backend_pid() as pid")
        .await?;
    rows.single()?.integer("pid")
}

fn refusal(session: &Session) -> Error {
    Error::new(
        ErrorKind::Refused,
        format!(
            "{} is a connection pooler that changes server processes between transactions; snapshot, locks and settings would be lost",
            session.description()
        ),
    )
    .with_hint("use the address of the PostgreSQL server itself, or a pool that keeps one server process per session")
}
