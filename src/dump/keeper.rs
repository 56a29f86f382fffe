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

use crate::catalog::Transaction;
use crate::connect::Session;
use crate::error::{Error, ErrorKind, Result};
use crate::model::Oid;
use crate::progress::{Interrupt, ProgressHandle};
use crate::select::Selection;

use super::candidates::{Candidates, TableName};
use super::lock::{Locked, Locker};
use super::options::DumpOptions;
use super::session::{ServerIdentity, SessionRecipe};

/// How often to begin again because tables came, went or were exchanged meanwhile. A database that
/// changes faster than this cannot be listed at all.
const ATTEMPTS: usize = 20;

/// A session that holds locks and snapshot.
#[derive(Debug)]
pub(super) struct Keeper {
    pub(super) session: Session,
    pub(super) recipe: SessionRecipe,
    pub(super) server: ServerIdentity,
    /// The name under which others import the snapshot.
    pub(super) snapshot: String,
    /// A position of the write-ahead log not before the snapshot.
    pub(super) snapshot_lsn: Option<String>,
    /// The patterns of the request, resolved under the snapshot.
    pub(super) selection: Selection,
    /// The tables that are locked.
    pub(super) locked: std::collections::BTreeMap<Oid, TableName>,
}

impl Keeper {
    /// Connects, locks what the options want and exports the snapshot.
    pub(super) async fn open(
        options: &DumpOptions,
        progress: &ProgressHandle,
        interrupt: &Interrupt,
    ) -> Result<Keeper> {
        let recipe = SessionRecipe::new(options.connection.clone(), options.role.clone());
        let session = recipe.connect().await?;
        session.check_no_pooler().await?;
        if session.version().is_untested() {
            progress.warning(&format!(
                "the server's version {} is newer than any that pgark was tested with",
                session.version_text()
            ));
        }
        let server = ServerIdentity::ask(&session).await?;
        recipe.set_up(&session).await?;
        for _ in 0..ATTEMPTS {
            interrupt.check()?;
            let before =
                Candidates::read(&session, &options.selection, options.content).await?;
            before.refuse_if_incomplete(&session).await?;
            progress.phase("locking tables", before.tables.len() as u64, 0);
            session.execute("begin the transaction", Transaction::RepeatableRead.begin()).await?;
            let locker = Locker {
                keeper: &session,
                recipe: &recipe,
                timeout: options.lock_wait_timeout.as_deref(),
                progress,
                interrupt,
            };
            if locker.lock(&before).await? == Locked::All {
                let (snapshot, snapshot_lsn) = export_snapshot(&session).await?;
                let after =
                    Candidates::read(&session, &options.selection, options.content).await?;
                if after.tables == before.tables {
                    return Ok(Keeper {
                        session,
                        recipe,
                        server,
                        snapshot,
                        snapshot_lsn,
                        selection: after.selection,
                        locked: after.tables,
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
