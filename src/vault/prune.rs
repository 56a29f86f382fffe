//! Dropping the backups that a policy does not keep: a plan with a reason for each, then the deed.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::event::{Event, EventKind};
use super::id::BackupId;
use super::repository::{DatabaseLock, Removing, Repository, StoredBackup, Unreadable, Worker};
use super::retention::{Decision, Facts, Policy, Reason, Verdict, decide};
use super::seed::Seed;
use crate::error::{Error, ErrorKind, Result};
use crate::progress::ProgressHandle;
use crate::store::{remove_folder, sweep_leftovers};

/// What the policy says about each backup.
#[derive(Debug, Clone, Serialize)]
pub struct PrunePlan {
    /// The backups, the newest first, each with what becomes of it.
    pub backups: Vec<PrunedBackup>,
    /// What has the name of a backup and cannot be read as one; it is never dropped.
    pub unreadable: Vec<Unreadable>,
    #[serde(skip)]
    repository: Repository,
    #[serde(skip)]
    database: Option<String>,
    #[serde(skip)]
    policy: Policy,
}

/// What becomes of a backup.
#[derive(Debug, Clone, Serialize)]
pub struct PrunedBackup {
    /// The database.
    pub database: String,
    /// When it began.
    pub started: DateTime<Utc>,
    /// The bytes that dropping it gives back.
    pub stored_bytes: u64,
    /// Its name, whether it is kept, and why.
    #[serde(flatten)]
    pub decision: Decision,
}

/// What was dropped.
#[derive(Debug, Clone, Default, Serialize)]
pub struct PruneReport {
    /// The backups that are gone.
    pub dropped: Vec<PrunedBackup>,
    /// The backups that should be gone and are left for the next run.
    pub skipped: Vec<SkippedBackup>,
    /// How many are left.
    pub kept: usize,
    /// The bytes that were given back.
    pub freed_bytes: u64,
}

/// A backup that should be gone and is not.
#[derive(Debug, Clone, Serialize)]
pub struct SkippedBackup {
    /// Its name.
    pub id: BackupId,
    /// Why it is left alone.
    pub why: String,
}

/// Judges the backups of one database or of all.
///
/// # Errors
///
/// As [`Repository::list`].
pub fn plan(
    repository: &Repository,
    database: Option<&str>,
    policy: &Policy,
    now: DateTime<Utc>,
) -> Result<PrunePlan> {
    let listing = repository.list(database)?;
    Ok(PrunePlan {
        backups: judged(&listing.backups, policy, now)?,
        unreadable: listing.unreadable,
        repository: repository.clone(),
        database: database.map(str::to_owned),
        policy: policy.clone(),
    })
}

fn judged(
    backups: &[StoredBackup],
    policy: &Policy,
    now: DateTime<Utc>,
) -> Result<Vec<PrunedBackup>> {
    let mut seen = BTreeSet::new();
    if let Some(twice) = backups.iter().find(|backup| !seen.insert(backup.id())) {
        // The one would be the reason to drop the other.
        let message = format!("backup {} is there twice", twice.id());
        return Err(Error::new(ErrorKind::Internal, message));
    }
    let facts: Vec<Facts> = backups.iter().map(Facts::from).collect();
    let decisions = decide(policy, &facts, now);
    let judged = backups.iter().zip(decisions).map(|(backup, decision)| PrunedBackup {
        database: backup.database().to_owned(),
        started: backup.record.started,
        stored_bytes: backup.record.stored_bytes,
        decision,
    });
    Ok(judged.collect())
}

impl PrunePlan {
    /// Returns the backups that are dropped.
    pub fn dropped(&self) -> impl Iterator<Item = &PrunedBackup> {
        self.backups.iter().filter(|backup| backup.decision.verdict == Verdict::Drop)
    }

    /// Drops them, the oldest first; each is noted in the history before it goes.
    ///
    /// Before each one everything is read and judged again: what somebody has held, found damaged or added meanwhile
    /// counts, and only what both judgements drop is dropped. What somebody reads at that moment stays for the next
    /// run.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Locked`] when another run works on a database, [`ErrorKind::Storage`] when something cannot be
    /// removed. What was dropped before stays dropped, and running again goes on.
    pub fn run(
        self,
        worker: &Worker,
        now: DateTime<Utc>,
        seed: &mut Seed,
        progress: &ProgressHandle,
    ) -> Result<PruneReport> {
        let databases: BTreeSet<&str> =
            self.dropped().map(|backup| backup.database.as_str()).collect();
        let mut locks = Vec::new();
        for database in databases {
            locks.push(self.repository.lock(database, worker)?);
            sweep_leftovers(&self.repository.database_folder(database))?;
        }
        self.run_locked(&locks, now, seed, progress)
    }

    /// As [`PrunePlan::run`], for who holds the locks already.
    ///
    /// # Errors
    ///
    /// As [`PrunePlan::run`].
    pub(super) fn run_locked(
        self,
        _locks: &[DatabaseLock],
        now: DateTime<Utc>,
        seed: &mut Seed,
        progress: &ProgressHandle,
    ) -> Result<PruneReport> {
        let mut report = PruneReport::default();
        // From the oldest: whatever ends the work early leaves the newer ones.
        let planned: Vec<&PrunedBackup> = self.dropped().collect();
        for planned in planned.into_iter().rev() {
            match self.drop_one(planned, now, seed)? {
                Dropped::Gone(judged) => {
                    progress.info(&format!("dropped {}", judged.decision.id));
                    report.freed_bytes += judged.stored_bytes;
                    report.dropped.push(judged);
                }
                Dropped::Skipped(why) => {
                    let id = planned.decision.id.clone();
                    progress.warning(&format!("{id} was not dropped: {why}"));
                    report.skipped.push(SkippedBackup { id, why: why.to_owned() });
                }
                Dropped::Kept => {}
            }
        }
        report.kept = self.repository.list(self.database.as_deref())?.backups.len();
        Ok(report)
    }

    /// Drops one backup if it is still to be dropped.
    fn drop_one(
        &self,
        planned: &PrunedBackup,
        now: DateTime<Utc>,
        seed: &mut Seed,
    ) -> Result<Dropped> {
        let listing = self.repository.list(Some(&planned.database))?;
        let judged = judged(&listing.backups, &self.policy, now)?;
        let mut found = listing.backups.iter().zip(judged);
        let found = found.find(|(backup, _)| *backup.id() == planned.decision.id);
        let Some((backup, judged)) = found else { return Ok(Dropped::Kept) };
        if judged.decision.verdict != Verdict::Drop {
            return Ok(Dropped::Kept);
        }
        if backup.folder().is_symlink() {
            return Ok(Dropped::Skipped("its folder is a symbolic link, and may be anywhere"));
        }
        let Some(_nobody_reads) = Removing::of(backup.folder())? else {
            return Ok(Dropped::Skipped("somebody is reading it"));
        };
        let reasons: Vec<String> = judged.decision.reasons.iter().map(Reason::to_string).collect();
        let event = Event {
            reason: Some(reasons.join("; ")),
            ..Event::new(backup.id().clone(), now, EventKind::Dropped)
        };
        self.repository.append(backup.database(), &event, seed.draw())?;
        remove_folder(backup.folder())?;
        Ok(Dropped::Gone(judged))
    }
}

/// What became of a backup that was to be dropped.
enum Dropped {
    Gone(PrunedBackup),
    Skipped(&'static str),
    /// It is kept by now, or was gone already.
    Kept,
}
