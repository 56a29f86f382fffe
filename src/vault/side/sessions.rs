//! Who is connected to a database, and seeing to it that nobody is.

use std::time::{Duration, Instant};

use crate::connect::Session;
use crate::error::{Error, ErrorKind, Result};
use crate::sql::quote_literal_for_server;

/// How long ended sessions get to roll back and leave.
const LEAVING: Duration = Duration::from_secs(30);

/// How long a session may take that has been closed already.
const PASSING: Duration = Duration::from_secs(3);

const PAUSE: Duration = Duration::from_millis(50);

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

/// Somebody who is connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::vault) struct Connected {
    /// The process.
    pub(in crate::vault) pid: i32,
    /// In words: application, user, since when.
    pub(in crate::vault) who: String,
}

/// Lists who is connected to a database.
///
/// Also background processes that work in it, such as those of subscriptions; not autovacuum, which
/// gives way by itself. Its kind is hidden from roles without pg_read_all_stats, but everybody else has a user.
pub(in crate::vault) async fn connected(
    session: &Session,
    database: &str,
) -> Result<Vec<Connected>> {
    let sql = format!(
        "select pid, coalesce(usename, '') as usename, coalesce(application_name, '') as application,
            coalesce(backend_type, '') as kind,
            coalesce(pg_catalog.to_char(backend_start, 'YYYY-MM-DD HH24:MI:SS'), '') as since
        from pg_catalog.pg_stat_activity
        where datname = {} and pid <> pg_catalog.pg_backend_pid()
          and backend_type is distinct from 'autovacuum worker'
          and not (backend_type is null and usesysid is null)
        order by backend_start, pid",
        quote_literal_for_server(database)
    );
    let rows = session.query("list who is connected", &sql).await?;
    rows.iter()
        .map(|row| {
            let application = match (row.text("application")?, row.text("kind")?) {
                ("", kind) => kind,
                (application, _) => application,
            };
            let (user, since) = (row.text("usename")?, row.text("since")?);
            let pid = row.integer("pid")?;
            Ok(Connected { pid, who: format!("{application} ({user}, pid {pid}, since {since})") })
        })
        .collect()
}

/// Refuses when somebody is connected to a database, and stays.
///
/// A server process outlives the session that its client has ended by a moment; our own do too.
pub(in crate::vault) async fn refuse_connected(session: &Session, database: &str) -> Result<()> {
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
pub(in crate::vault) async fn end_sessions(
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
