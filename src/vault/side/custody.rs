//! The session that a managed restore works through, and the lock that makes it the only one.
//!
//! Every step that changes names, comments or doors is a statement of this one session, which holds an
//! advisory lock on the name of the target. When the process is killed, the server finishes the statement
//! that is under way before it lets go of the lock: whoever gets it next finds the work of the dead run done or
//! undone, never under way. Advisory locks count within one database, so everybody must come through the same one:
//! `postgres`, or `template1` where that does not exist or may not be entered. Any other refusal may be over in a moment, and
//! two runs that came through different doors would not see each other.

use std::time::{Duration, Instant};

use crate::connect::{ConnectParams, Session, server_error, sqlstate};
use crate::error::{Error, ErrorKind, Result};
use crate::sql::quote_literal_for_server;

/// How long a dead run may take to let go of the lock: its server process notices within this time.
const PATIENCE: Duration = Duration::from_secs(5);

const PAUSE: Duration = Duration::from_millis(50);

/// The first half of the lock's key, `pgrk`, keeps it apart from the locks of others.
const LOCK_CLASS: i32 = 0x7067_726b;

/// The lock on a target, and the session that holds it.
#[derive(Debug)]
pub(in crate::vault) struct Custody {
    params: ConnectParams,
    target: String,
    session: Session,
}

impl Custody {
    /// Connects and takes the lock on `target`, a database of the server that `params` leads to.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Locked`] when another run has it; those of a login.
    pub(in crate::vault) async fn take(params: &ConnectParams, target: &str) -> Result<Custody> {
        let session = connect(params, target).await?;
        let custody = Custody { params: params.clone(), target: target.to_owned(), session };
        custody.lock().await?;
        Ok(custody)
    }

    /// Returns the session.
    pub(in crate::vault) fn session(&self) -> &Session {
        &self.session
    }

    /// Returns parameters that lead to a database of the very server that the lock is on.
    pub(in crate::vault) fn params(&self, database: &str) -> ConnectParams {
        self.session.same_server().with_database(database)
    }

    /// Connects and takes the lock again if the session was lost.
    ///
    /// Returns whether it was. Somebody else may have had the lock then, so what is known must be read again.
    pub(in crate::vault) async fn renew(&mut self) -> Result<bool> {
        let is_lost = self.session.is_closed();
        if is_lost {
            self.session = connect(&self.params, &self.target).await?;
            self.lock().await?;
        }
        Ok(is_lost)
    }

    /// Lets go of the lock.
    pub(in crate::vault) async fn release(self) {
        self.session.close().await;
    }

    /// Takes the lock on another name too, if nobody has it; it is held as long as the session lives.
    pub(in crate::vault) async fn try_lock(&self, name: &str) -> Result<bool> {
        let sql = format!("select pg_catalog.pg_try_advisory_lock({}) as taken", key(name));
        let rows = self.session.query("take the lock of the restore", &sql).await?;
        rows.single()?.boolean("taken")
    }

    async fn lock(&self) -> Result<()> {
        let began = Instant::now();
        loop {
            if self.try_lock(&self.target).await? {
                return Ok(());
            }
            if began.elapsed() > PATIENCE {
                return Err(self.locked(&key(&self.target)).await?);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn locked(&self, key: &str) -> Result<Error> {
        let sql = format!(
            "select a.pid, coalesce(a.usename, '') as usename,
                coalesce(pg_catalog.host(a.client_addr), 'this host') as host,
                pg_catalog.date_trunc('second', pg_catalog.now() - a.backend_start) as age
            from pg_catalog.pg_locks l join pg_catalog.pg_stat_activity a on a.pid = l.pid
            where l.locktype = 'advisory' and l.granted
              and l.classid::int8 = {LOCK_CLASS} and l.objid = ({})::pg_catalog.oid
              and l.database = (select oid from pg_catalog.pg_database where datname = current_database())",
            key.split_once(", ").map_or(key, |(_, hash)| hash)
        );
        let rows = self.session.query("ask who holds the lock", &sql).await?;
        let holder = match rows.first() {
            Some(row) => format!(
                ": user {}, from {}, server process {}, since {}",
                row.text("usename")?,
                row.text("host")?,
                row.text("pid")?,
                row.text("age")?
            ),
            None => String::new(),
        };
        let what = format!("another restore of the database {:?} is running{holder}", self.target);
        Ok(Error::new(ErrorKind::Locked, what))
    }
}

/// Returns both halves of the key of the lock on a name.
fn key(name: &str) -> String {
    format!("{LOCK_CLASS}, pg_catalog.hashtext({})", quote_literal_for_server(name))
}

/// Connects to the database that everybody comes through.
async fn connect(params: &ConnectParams, target: &str) -> Result<Session> {
    let mut refused = None;
    for database in ["postgres", "template1"].into_iter().filter(|name| *name != target) {
        match Session::connect(&params.with_database(database)).await {
            Ok(session) => {
                session.check_no_pooler().await?;
                set_up(&session).await?;
                return Ok(session);
            }
            Err(error) if is_shut_for_good(&error) => refused = refused.or(Some(error)),
            Err(error) => return Err(error),
        }
    }
    let error = Error::new(
        ErrorKind::Connection,
        format!("could not connect to another database than {target:?}, from which to replace it"),
    );
    Err(match refused {
        Some(refusal) => error.with_source(refusal),
        None => error,
    })
}

/// Tells whether this door is shut to everybody who comes as we do, and not only full or closed for the moment.
fn is_shut_for_good(error: &Error) -> bool {
    const SHUT: [&str; 3] = [
        sqlstate::INVALID_CATALOG_NAME,
        sqlstate::INSUFFICIENT_PRIVILEGE,
        // Also what pg_hba.conf says about a database.
        sqlstate::INVALID_AUTHORIZATION,
    ];
    server_error(error).is_some_and(|refusal| SHUT.contains(&refusal.sqlstate.as_str()))
}

/// Makes the settings that the statements of a restore rely on.
async fn set_up(session: &Session) -> Result<()> {
    let sql = "select pg_catalog.set_config('search_path', '', false);
        set statement_timeout to 0; set lock_timeout to 0; set idle_in_transaction_session_timeout to 0;
        set synchronous_commit to on; set client_min_messages to warning; set timezone to 'UTC'";
    session.execute("set up the session", sql).await?;
    if let Some(setting) = idle_timeout(session).await? {
        session.execute("set up the session", &setting).await?;
    }
    session.have_connection_watched().await
}

/// A restore may take hours, and this session is idle meanwhile; servers before 14 do not end such sessions.
async fn idle_timeout(session: &Session) -> Result<Option<String>> {
    let sql = "select 'set idle_session_timeout to 0' as sql from pg_catalog.pg_settings
        where name = 'idle_session_timeout'";
    let rows = session.query("look for a limit of idle sessions", sql).await?;
    Ok(rows.first().and_then(|row| row.at(0)).map(str::to_owned))
}
