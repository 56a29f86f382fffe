//! The single acts on a server: statements of the session in custody, each one transaction or repeatable.
//!
//! Who else may come in between, and why it does no harm:
//!
//! - **A session that was just logging in when the fence came up** has read that connections are allowed and shows up
//!   a moment later. [`end_sessions`] looks until nobody is there, and RENAME itself looks once more, with a lock
//!   on the database that a login needs too. Not even a superuser gets past `ALLOW_CONNECTIONS false`; one may
//!   take the fence down, and then RENAME finds the session and the swap fails as a whole.
//! - **A setting, privilege or owner that is changed while the restore runs** is not lost: the properties are
//!   read inside the transaction that renames, after the lock on the database is taken.
//! - **Nobody sees half of a swap**: names, properties, door and journal are one commit.
//! - **An outcome that nobody heard of**, because the connection went with the COMMIT, is read from the journal.

use super::journal::Journal;
use super::properties::Properties;
use crate::connect::Session;
use crate::error::{Error, ErrorKind, Result, with_causes};
use crate::sql::{quote_identifier, quote_literal_for_server};
use crate::vault::side::{door, in_transaction};

/// Returns the statement that writes a journal.
pub(super) fn comment(database: &str, journal: &Journal) -> String {
    comment_text(database, Some(&journal.text()))
}

fn comment_text(database: &str, text: Option<&str>) -> String {
    let text = text.map_or_else(|| "NULL".to_owned(), quote_literal_for_server);
    format!("COMMENT ON DATABASE {} IS {text}", quote_identifier(database))
}

/// Runs statements in one transaction.
pub(super) async fn together(
    session: &Session,
    purpose: &str,
    statements: &[String],
) -> Result<()> {
    in_transaction(session, purpose, async || {
        for statement in statements {
            session.execute(purpose, statement).await?;
        }
        Ok(())
    })
    .await
}

fn rename(from: &str, to: &str) -> String {
    format!("ALTER DATABASE {} RENAME TO {}", quote_identifier(from), quote_identifier(to))
}

/// Puts the side database in the place of the target; without a target nothing is left to carry the journal.
///
/// Then `properties` are given to it, and what the server refuses of them is returned: roles may be missing, and the
/// database is of use without.
pub(super) async fn swap(
    session: &Session,
    journal: &Journal,
    properties: &[String],
) -> Result<Vec<String>> {
    let names = journal.names();
    let purpose = format!("exchange the databases {:?} and {:?}", names.target, names.side);
    in_transaction(session, &purpose, async || {
        swap_inside(session, &purpose, journal, properties).await
    })
    .await
}

async fn swap_inside(
    session: &Session,
    purpose: &str,
    journal: &Journal,
    properties: &[String],
) -> Result<Vec<String>> {
    let names = journal.names();
    let run = async |sql: &str| session.execute(purpose, sql).await;
    if journal.target_oid.is_none() {
        run(&rename(&names.side, &names.target)).await?;
        run(&door(&names.target, true)).await?;
        run(&comment_text(&names.target, journal.comment.as_deref())).await?;
        let mut refused = Vec::new();
        for statement in properties {
            run("savepoint property").await?;
            if let Err(error) = run(statement).await {
                if session.is_closed() {
                    return Err(error);
                }
                run("rollback to savepoint property").await?;
                refused.push(format!("{}: {}", statement.trim(), with_causes(&error)));
            }
        }
        return Ok(refused);
    }
    // From here on nobody can connect to, rename or drop either of them.
    run(&rename(&names.target, &names.old)).await?;
    let properties = Properties::read(session, &names.old).await?;
    let properties = properties.ok_or_else(|| gone(&names.old))?;
    run(&rename(&names.side, &names.target)).await?;
    for statement in properties.statements(&names.target)? {
        run(&statement).await?;
    }
    run(&door(&names.target, journal.allow_connections)).await?;
    let mut journal = journal.clone();
    journal.comment = properties.comment().map(str::to_owned);
    run(&comment(&names.old, &journal)).await?;
    Ok(Vec::new())
}

/// Gives the target its old database back.
pub(super) async fn swap_back(session: &Session, journal: &Journal) -> Result<()> {
    let names = journal.names();
    let purpose = format!("give {:?} its old database back", names.target);
    let statements = [
        rename(&names.target, &names.undone),
        rename(&names.old, &names.target),
        comment_text(&names.target, journal.comment.as_deref()),
        door(&names.target, journal.allow_connections),
        comment(&names.undone, journal),
    ];
    together(session, &purpose, &statements).await
}

/// Returns the error for a database that was there a moment ago.
pub(super) fn gone(database: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("the database {database:?} is not there any more"))
}
