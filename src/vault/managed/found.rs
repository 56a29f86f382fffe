//! What earlier runs have left on a server, by their journals.

use chrono::{DateTime, Utc};

use super::journal::Journal;
use super::machine::Stage;
use super::names::Names;
use crate::connect::{ConnectParams, Session};
use crate::error::{Error, ErrorKind, Result, with_causes};
use crate::progress::ProgressHandle;
use crate::vault::side::{FoundDatabase, RestoreId, databases, drop_database, id_behind, is_bare};

/// The databases of a server and the runs that concern one of them.
#[derive(Debug, Clone)]
pub(super) struct Found {
    /// All of them.
    pub(super) databases: Vec<FoundDatabase>,
    /// The runs on the target, the latest last.
    pub(super) runs: Vec<Journal>,
    /// Side databases that were created and not written down: their name is ours, and that is all there is.
    nameless: Vec<FoundDatabase>,
    /// The server's clock.
    pub(super) now: DateTime<Utc>,
}

impl Found {
    /// Looks at a server.
    pub(super) async fn look(session: &Session, target: &str) -> Result<Found> {
        let databases = databases(session).await?;
        let mut runs: Vec<Journal> = databases
            .iter()
            .filter_map(|found| Journal::read(&found.name, found.comment.as_deref()?))
            .filter(|journal| journal.target == target)
            .collect();
        runs.sort_by(|one, other| one.id.cmp(&other.id));
        let of_a_run = |found: &&FoundDatabase| {
            let id = id_behind(&found.name, "__restore_");
            found.comment.is_none()
                && id.is_some_and(|id| Names::new(target, &id).side == found.name)
        };
        let nameless = databases.iter().filter(of_a_run).cloned().collect();
        let rows = session
            .query(
                "ask for the time",
                "select pg_catalog.date_part('epoch', pg_catalog.clock_timestamp())::int8 as now",
            )
            .await?;
        let now = DateTime::from_timestamp(rows.single()?.integer("now")?, 0).unwrap_or_default();
        Ok(Found { databases, runs, nameless, now })
    }

    /// Returns a database by its name.
    pub(super) fn database(&self, name: &str) -> Option<&FoundDatabase> {
        self.databases.iter().find(|database| database.name == name)
    }

    /// Returns the run of an id.
    pub(super) fn run(&self, id: &RestoreId) -> Option<&Journal> {
        self.runs.iter().find(|journal| journal.id == *id)
    }

    /// Returns runs that wait for somebody to say how they end.
    pub(super) fn open(&self) -> impl Iterator<Item = &Journal> {
        self.runs.iter().filter(|journal| journal.stage.is_open())
    }

    /// Refuses when an earlier run was left with a restored database or a closed one.
    ///
    /// One that was left while it restored is no obstacle: what there is of it is swept.
    pub(super) fn refuse_open(&self) -> Result<()> {
        let Some(open) = self.open().find(|run| run.stage != Stage::Restoring) else {
            return Ok(());
        };
        let state = match open.stage {
            Stage::Restoring | Stage::Proved => "has restored, and did not swap",
            Stage::Fenced => "has closed the database and did not swap",
            Stage::Swapped | Stage::Kept => "has swapped, and did not look at the result",
            Stage::Returning | Stage::Undone => "was being taken back",
        };
        let target = &open.target;
        let what =
            format!("the restore {} of the database {target:?} is unfinished: it {state}", open.id);
        Err(Error::new(ErrorKind::Refused, what)
            .with_hint("\"pgark restore --resume\" finishes it")
            .with_hint("\"pgark restore --rollback\" takes it back"))
    }

    /// Returns the runs that were left half restored; what there is of them is of no use.
    pub(super) fn leftovers(&self) -> impl Iterator<Item = &Journal> {
        self.runs.iter().filter(|run| run.stage == Stage::Restoring)
    }

    /// Returns the runs whose kept database was kept long enough and may be dropped.
    pub(super) fn expired(&self) -> impl Iterator<Item = &Journal> {
        self.outlived().filter(|run| self.is_replaced(run))
    }

    fn outlived(&self) -> impl Iterator<Item = &Journal> {
        let is_over = |run: &&Journal| run.keep_until.is_some_and(|until| until <= self.now);
        let is_kept = |run: &&Journal| matches!(run.stage, Stage::Kept | Stage::Undone);
        self.runs.iter().filter(is_kept).filter(is_over)
    }

    /// Tells whether a kept database is the very one that its journal is about, and what it gave way to is still there.
    fn is_replaced(&self, run: &Journal) -> bool {
        let (own, other) = match (run.stage, run.target_oid) {
            (Stage::Kept, Some(target)) => (target, run.side_oid),
            (Stage::Undone, Some(target)) => (run.side_oid, target),
            _ => return false,
        };
        self.database(&run.place()).is_some_and(|found| found.oid == own) && self.is_in_use(other)
    }

    /// Tells whether a database stands under the name of the target, or stood there and another run keeps it.
    fn is_in_use(&self, oid: u32) -> bool {
        self.databases.iter().filter(|found| found.oid == oid).any(|found| {
            let keeps =
                |run: &Journal| run.target_oid == Some(oid) && run.names().old == found.name;
            self.runs.iter().any(|run| run.target == found.name || keeps(run))
        })
    }

    /// Drops what was half restored, and returns the names; what cannot be dropped is told.
    pub(super) async fn sweep_leftovers(
        &self,
        session: &Session,
        params: &ConnectParams,
        progress: &ProgressHandle,
    ) -> Vec<String> {
        let mut names: Vec<String> = self.leftovers().map(Journal::place).collect();
        for found in &self.nameless {
            if is_bare(params, found).await.unwrap_or(false) {
                names.push(found.name.clone());
            }
        }
        drop_all(session, params, names, progress).await.dropped
    }

    /// Drops what was kept long enough; what the run `own` has kept a moment ago is for a later one.
    pub(super) async fn sweep_expired(
        &self,
        own: &RestoreId,
        session: &Session,
        params: &ConnectParams,
        progress: &ProgressHandle,
    ) -> Swept {
        let names = self.expired().filter(|run| run.id != *own).map(Journal::place).collect();
        let mut swept = drop_all(session, params, names, progress).await;
        for run in self.outlived().filter(|run| run.id != *own && !self.is_replaced(run)) {
            swept.notes.push(format!(
                "{:?} was kept long enough, but the database that it made room for is gone: drop it yourself",
                run.place()
            ));
        }
        swept
    }
}

/// What was dropped, and what should be known about it.
#[derive(Debug, Default)]
pub(super) struct Swept {
    pub(super) dropped: Vec<String>,
    pub(super) notes: Vec<String>,
}

async fn drop_all(
    session: &Session,
    params: &ConnectParams,
    names: Vec<String>,
    progress: &ProgressHandle,
) -> Swept {
    let mut swept = Swept::default();
    for name in names {
        match drop_database(session, params, &name).await {
            Ok(slots) => {
                swept.notes.extend(slots.iter().map(|slot| {
                    format!("{slot}, of the database {name:?} that was dropped, is left where it publishes: drop it there if nobody reads from it")
                }));
                swept.dropped.push(name);
            }
            Err(error) => progress.warning(&with_causes(&error)),
        }
    }
    swept
}
