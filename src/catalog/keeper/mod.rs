//! The session that holds the locks and the snapshot of a dump, and how it comes to hold them.
//!
//! ```text
//! list of tables -> BEGIN -> LOCK ... -> snapshot exported -> list again -+-> equal: go on
//!        ^                                                               |
//!        +------------------------- ROLLBACK <---------------------------+   otherwise
//! ```
//!
//! pg_dump takes its snapshot first and its locks after. A table that is truncated in between is then
//! locked in its new state and read with a snapshot older than that: it has no rows, and nobody is told.
//! Here the snapshot is younger than every lock, so what is locked is what is seen.

mod candidates;
mod lock;
mod session;

use std::collections::BTreeMap;
use std::fmt;

use self::candidates::{Candidates, Purpose};
use self::lock::{Locked, Locker};
use super::{CatalogOptions, PatternEncoding, SessionSettings, Transaction, read};
use crate::connect::{ConnectParams, Session};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Database, Oid};
use crate::progress::{Interrupt, ProgressHandle};
use crate::select::{Selection, SelectionRequest};
use crate::sql::quote_literal_for_server;

pub use self::candidates::{Obstacles, TableName};
pub use self::session::{ServerIdentity, SessionRecipe};

/// How often to begin again because tables came, went or were exchanged meanwhile. A database that
/// changes faster than this cannot be listed at all.
const ATTEMPTS: usize = 20;

/// From how many tables on a second session helps to read the catalogs. It takes 15 ms to be there, while the
/// catalogs of 500 tables take the server 100.
const MANY_TABLES: usize = 500;

/// How a keeper reads.
#[derive(Debug, Clone, Default)]
pub struct KeeperOptions {
    /// The settings of its session and of those that join it.
    pub settings: SessionSettings,
    /// The transaction it reads in.
    pub transaction: Transaction,
    /// How long to wait for each lock, in any form the server understands; `None` waits for ever.
    pub lock_wait_timeout: Option<String>,
    /// A snapshot exported by somebody else. It is older than the locks then, and a table truncated in
    /// between is read as empty: only its exporter can know that nothing was.
    pub snapshot: Option<String>,
    /// Which objects are wanted.
    pub request: SelectionRequest,
    /// How the patterns of the request are to be read.
    pub pattern_encoding: PatternEncoding,
    /// What is wanted of them.
    pub catalog: CatalogOptions,
    /// What is done about wanted relations that the role may not read.
    pub unreadable: Unreadable,
    /// Ends the waiting.
    pub interrupt: Interrupt,
}

/// What is done about wanted relations that the role may not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unreadable {
    /// They are looked for before anything is locked, and refused all at once, with the remedy.
    #[default]
    Refuse,
    /// They are asked for all the same: the server's first refusal, in its own words, is the answer.
    LeaveToServer,
}

/// A session that holds locks and snapshot.
pub struct Keeper {
    /// The session, inside its transaction.
    pub session: Session,
    /// How other sessions join it.
    pub recipe: SessionRecipe,
    /// The server it is connected to.
    pub identity: ServerIdentity,
    /// The name under which others import the snapshot.
    pub snapshot: String,
    /// A position of the write-ahead log not before the snapshot.
    pub snapshot_lsn: Option<String>,
    /// The patterns of the request, resolved under the snapshot.
    pub selection: Selection,
    /// The database, not yet sorted.
    pub database: Database,
    /// The tables that are locked.
    pub locked: BTreeMap<Oid, TableName>,
}

impl Keeper {
    /// Connects, locks what is wanted, takes the snapshot, exports it and reads the catalogs.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Refused`] when the role may not read everything that is wanted, when a pooler stands
    /// in front of the server or when the server is out of lock slots; [`ErrorKind::Locked`] when a lock
    /// was not granted in time, naming who holds it; [`ErrorKind::NotFound`] when the request matches
    /// nothing.
    pub async fn open(
        params: &ConnectParams,
        options: &KeeperOptions,
        progress: &ProgressHandle,
    ) -> Result<Keeper> {
        let interrupt = &options.interrupt;
        let session = Session::connect(params).await?;
        session.check_no_pooler().await?;
        // Of several hosts or addresses the others follow to the one that answered.
        let recipe = SessionRecipe::new(session.same_server().clone(), options.settings.clone());
        if session.version().is_untested() {
            progress.warning(&format!(
                "the server's version {} is newer than any that pgark was tested with",
                session.version_text()
            ));
        }
        let identity = ServerIdentity::ask(&session).await?;
        recipe.set_up(&session).await?;
        for _ in 0..ATTEMPTS {
            interrupt.check()?;
            let before = Candidates::read(&session, options, Purpose::Lock).await?;
            if options.unreadable == Unreadable::Refuse {
                before.refuse_if_incomplete(&session).await?;
            }
            progress.phase("locking tables", before.tables.len() as u64, 0);
            session.execute("begin the transaction", options.transaction.begin()).await?;
            if let Some(snapshot) = &options.snapshot {
                let set =
                    format!("set transaction snapshot {}", quote_literal_for_server(snapshot));
                session.execute("import the snapshot", &set).await?;
            }
            let locker = Locker {
                keeper: &session,
                recipe: &recipe,
                timeout: options.lock_wait_timeout.as_deref(),
                unreadable: options.unreadable,
                progress,
                interrupt,
            };
            if locker.lock(&before).await? == Locked::All {
                let (snapshot, snapshot_lsn) = export_snapshot(&session).await?;
                let joining = async {
                    if before.tables.len() < MANY_TABLES {
                        return None;
                    }
                    // Who may not open another session reads everything over this one.
                    recipe.join(&identity, &snapshot).await.ok()
                };
                let (after, second) =
                    tokio::join!(Candidates::read(&session, options, Purpose::Compare), joining);
                let after = after?;
                if after.tables == before.tables || options.snapshot.is_some() {
                    progress.phase("reading catalogs", 0, 0);
                    let database = tokio::select! {
                        biased;
                        database = read(&session, second.as_ref(), &options.catalog, &after.selection) => database?,
                        () = interrupt.wait() => return Err(interrupted(&session, "reading the catalogs").await),
                    };
                    return Ok(Keeper {
                        session,
                        recipe,
                        identity,
                        database,
                        snapshot,
                        snapshot_lsn,
                        selection: after.selection,
                        locked: before.tables,
                    });
                }
            }
            progress.info("the list of tables changed while they were locked: beginning again");
            session.execute("begin again", "rollback").await?;
        }
        Err(Error::new(
            ErrorKind::Locked,
            format!("the list of tables changed {ATTEMPTS} times while they were being locked"),
        )
        .with_hint("dump when no migration is running, or leave changing schemas out with --exclude-schema"))
    }

    /// Lets go of what was read and keeps session and snapshot: of many tables it is half of all that a dump
    /// has in memory, and once the entries are made nobody asks for it.
    pub fn forget_catalogs(&mut self) {
        self.database = Database::new(self.database.facts.clone());
        self.locked = BTreeMap::new();
    }
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The model of a database fills many pages.
        f.debug_struct("Keeper")
            .field("session", &self.session)
            .field("snapshot", &self.snapshot)
            .field("locked", &self.locked.len())
            .finish_non_exhaustive()
    }
}

/// Stops what a session is doing and says what was interrupted.
async fn interrupted(session: &Session, doing: &str) -> Error {
    // If the request does not arrive the server notices the closed connection a little later.
    let _ = session.canceller().cancel().await;
    Error::new(ErrorKind::Interrupted, format!("interrupted while {doing}"))
}

/// Takes the snapshot, which is the first thing in the transaction that needs one, and exports it.
async fn export_snapshot(session: &Session) -> Result<(String, Option<String>)> {
    const QUERY: &str = "select pg_catalog.pg_export_snapshot() as snapshot,
        case when pg_catalog.pg_is_in_recovery() then pg_catalog.pg_last_wal_replay_lsn()
            else pg_catalog.pg_current_wal_insert_lsn() end as lsn";
    let rows = session.query("export the snapshot", QUERY).await?;
    let row = rows.single()?;
    Ok((row.text("snapshot")?.to_owned(), row.optional("lsn").map(str::to_owned)))
}
