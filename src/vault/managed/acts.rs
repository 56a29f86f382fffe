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

use std::time::{Duration, Instant};

use super::journal::Journal;
use super::properties::Properties;
use super::server::{Connected, connected};
use crate::connect::{ConnectParams, Row, Session};
use crate::error::{Error, ErrorKind, Result, with_causes};
use crate::sql::{quote_identifier, quote_literal_for_server};

/// How long ended sessions get to roll back and leave.
const LEAVING: Duration = Duration::from_secs(30);

/// How long a session may take that has been closed already.
const PASSING: Duration = Duration::from_secs(3);

const PAUSE: Duration = Duration::from_millis(50);

/// How long a rename waits for logins that are under way.
const LOCK_TIMEOUT: &str = "set local lock_timeout = '15s'";

/// Names shown of those who are connected.
const SHOWN: usize = 10;

/// Whether sessions that are in the way are ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sessions {
    /// They are somebody's, and the restore is refused.
    #[default]
    Respected,
    /// They are ended.
    Ended,
}

/// Returns the statement that writes a journal.
pub(super) fn comment(database: &str, journal: &Journal) -> String {
    comment_text(database, Some(&journal.text()))
}

fn comment_text(database: &str, text: Option<&str>) -> String {
    let text = text.map_or_else(|| "NULL".to_owned(), quote_literal_for_server);
    format!("COMMENT ON DATABASE {} IS {text}", quote_identifier(database))
}

/// Returns the statement that opens or closes a database.
pub(super) fn door(database: &str, open: bool) -> String {
    format!("ALTER DATABASE {} ALLOW_CONNECTIONS {open}", quote_identifier(database))
}

fn rename(from: &str, to: &str) -> String {
    format!("ALTER DATABASE {} RENAME TO {}", quote_identifier(from), quote_identifier(to))
}

/// Runs statements in one transaction.
pub(super) async fn together(
    session: &Session,
    purpose: &str,
    statements: &[String],
) -> Result<()> {
    session.execute(purpose, "begin").await?;
    session.execute(purpose, LOCK_TIMEOUT).await?;
    for statement in statements {
        if let Err(error) = session.execute(purpose, statement).await {
            if !session.is_closed() {
                // The first error is the one to report.
                let _ = session.execute("roll back", "rollback").await;
            }
            return Err(error);
        }
    }
    session.execute(purpose, "commit").await
}

/// Refuses when somebody is connected to a database, and stays.
///
/// A server process outlives the session that its client has ended by a moment; our own do too.
pub(super) async fn refuse_connected(session: &Session, database: &str) -> Result<()> {
    let began = Instant::now();
    loop {
        let found = connected(session, database).await?;
        if found.is_empty() || began.elapsed() > PASSING {
            return refuse_sessions(database, &found);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn refuse_sessions(database: &str, found: &[Connected]) -> Result<()> {
    if found.is_empty() {
        return Ok(());
    }
    let mut message = match found.len() {
        1 => format!("one session is connected to {database:?}"),
        count => format!("{count} sessions are connected to {database:?}"),
    };
    for session in found.iter().take(SHOWN) {
        message.push_str(&format!("\n  - {}", session.who));
    }
    if found.len() > SHOWN {
        message.push_str(&format!("\n  and {} more", found.len() - SHOWN));
    }
    Err(Error::new(ErrorKind::Refused, message)
        .with_hint("--terminate-connections ends the sessions of this database, and no others"))
}

/// Sees to it that nobody is connected to a database that takes no new connections.
pub(super) async fn end_sessions(
    session: &Session,
    database: &str,
    manner: Sessions,
) -> Result<usize> {
    let began = Instant::now();
    let mut ended = 0;
    loop {
        let found = connected(session, database).await?;
        if found.is_empty() {
            return Ok(ended);
        }
        if manner == Sessions::Respected {
            return refuse_connected(session, database).await.map(|()| ended);
        }
        if began.elapsed() > LEAVING {
            let error = refuse_sessions(database, &found).err();
            let what = format!("the sessions of {database:?} were told to end and did not");
            let failed = Error::new(ErrorKind::Locked, what);
            return Err(match error {
                Some(error) => failed.with_source(error),
                None => failed,
            });
        }
        ended = ended.max(found.len());
        let pids: Vec<String> = found.iter().map(|one| one.pid.to_string()).collect();
        // By name as well: a number may belong to somebody else by now.
        let sql = format!(
            "select pg_catalog.pg_terminate_backend(pid) from pg_catalog.pg_stat_activity
            where pid in ({}) and datname = {}",
            pids.join(", "),
            quote_literal_for_server(database)
        );
        session.query(&format!("end the sessions of {database:?}"), &sql).await?;
        tokio::time::sleep(PAUSE).await;
    }
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
    session.execute(&purpose, "begin").await?;
    let swapped = swap_inside(session, &purpose, journal, properties).await;
    match swapped {
        Ok(refused) => session.execute(&purpose, "commit").await.map(|()| refused),
        Err(error) => {
            if !session.is_closed() {
                // The first error is the one to report.
                let _ = session.execute("roll back", "rollback").await;
            }
            Err(error)
        }
    }
}

async fn swap_inside(
    session: &Session,
    purpose: &str,
    journal: &Journal,
    properties: &[String],
) -> Result<Vec<String>> {
    let names = journal.names();
    let run = async |sql: &str| session.execute(purpose, sql).await;
    run(LOCK_TIMEOUT).await?;
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

/// Drops a database of our own, with everything that is connected to it.
///
/// Its subscriptions are taken away from their slots first. Dropping a subscription that has a slot drops the
/// slot too, on the server of the publication, where the database that is in use may be reading from it. Returns
/// these slots in words: nobody but a person knows whether they are needed, and each keeps log on its server.
pub(in crate::vault) async fn drop_database(
    session: &Session,
    params: &ConnectParams,
    database: &str,
) -> Result<Vec<String>> {
    let purpose = format!("drop the database {database:?}");
    let slots = slots_of_subscriptions(session, database).await?;
    let subscriptions = subscriptions(session, database).await?;
    if !subscriptions.is_empty() {
        session.execute(&purpose, &door(database, true)).await?;
        detach(&params.with_database(database), &subscriptions).await?;
    }
    session.execute(&purpose, &door(database, false)).await?;
    end_sessions(session, database, Sessions::Ended).await?;
    session.execute(&purpose, &format!("DROP DATABASE {}", quote_identifier(database))).await?;
    Ok(slots)
}

async fn slots_of_subscriptions(session: &Session, database: &str) -> Result<Vec<String>> {
    let sql = format!(
        "select s.subname, s.subslotname from pg_catalog.pg_subscription s
        join pg_catalog.pg_database d on d.oid = s.subdbid
        where d.datname = {} and s.subslotname is not null order by 1",
        quote_literal_for_server(database)
    );
    let rows = session.query("look for the slots of subscriptions", &sql).await?;
    let told = |row: Row<'_>| -> Result<String> {
        let (name, slot) = (row.text("subname")?, row.text("subslotname")?);
        Ok(format!("the replication slot {slot:?} of the subscription {name:?}"))
    };
    rows.iter().map(told).collect()
}

/// Lists the subscriptions of a database.
pub(in crate::vault) async fn subscriptions(
    session: &Session,
    database: &str,
) -> Result<Vec<String>> {
    let sql = format!(
        "select s.subname from pg_catalog.pg_subscription s
        join pg_catalog.pg_database d on d.oid = s.subdbid where d.datname = {} order by 1",
        quote_literal_for_server(database)
    );
    let rows = session.query("look for subscriptions", &sql).await?;
    Ok(rows.iter().filter_map(|row| row.at(0)).map(str::to_owned).collect())
}

async fn detach(params: &ConnectParams, subscriptions: &[String]) -> Result<()> {
    let session = Session::connect(params).await?;
    for name in subscriptions {
        let name = quote_identifier(name);
        for statement in [
            format!("ALTER SUBSCRIPTION {name} DISABLE"),
            format!("ALTER SUBSCRIPTION {name} SET (slot_name = NONE)"),
            format!("DROP SUBSCRIPTION {name}"),
        ] {
            let purpose = format!("take the subscription {name} away from its slot");
            session.execute(&purpose, &statement).await?;
        }
    }
    session.close().await;
    Ok(())
}

/// Tells whether nobody has made anything in a database yet.
pub(in crate::vault) async fn is_untouched(params: &ConnectParams, database: &str) -> Result<bool> {
    let session = Session::connect(&params.with_database(database)).await?;
    let sql = "select not exists (select from pg_catalog.pg_class where oid >= 16384)
        and not exists (select from pg_catalog.pg_proc where oid >= 16384) as untouched";
    let rows = session.query("look whether the database is empty", sql).await?;
    let untouched = rows.single()?.boolean("untouched")?;
    session.close().await;
    Ok(untouched)
}

/// Returns the error for a database that was there a moment ago.
pub(super) fn gone(database: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("the database {database:?} is not there any more"))
}
