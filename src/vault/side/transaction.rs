//! One transaction of the session in custody, and the statements in it that both the restore and the drill need.

use crate::connect::Session;
use crate::error::Result;
use crate::sql::quote_identifier;

/// How long a rename waits for logins that are under way.
const LOCK_TIMEOUT: &str = "set local lock_timeout = '15s'";

/// Returns the statement that opens or closes a database.
pub(in crate::vault) fn door(database: &str, open: bool) -> String {
    format!("ALTER DATABASE {} ALLOW_CONNECTIONS {open}", quote_identifier(database))
}

/// Does work in one transaction.
pub(in crate::vault) async fn in_transaction<T>(
    session: &Session,
    purpose: &str,
    work: impl AsyncFnOnce() -> Result<T>,
) -> Result<T> {
    session.execute(purpose, "begin").await?;
    let done = match session.execute(purpose, LOCK_TIMEOUT).await {
        Ok(()) => work().await,
        Err(error) => Err(error),
    };
    match done {
        Ok(done) => session.execute(purpose, "commit").await.map(|()| done),
        Err(error) => {
            if !session.is_closed() {
                // The first error is the one to report.
                let _ = session.execute("roll back", "rollback").await;
            }
            Err(error)
        }
    }
}
