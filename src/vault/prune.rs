//! Dropping the backups that a policy does not keep: a plan with a reason for each, then the deed.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::event::{Event, EventKind};
use super::repository::{DatabaseLock, Repository, StoredBackup, Unreadable, Worker};
use super::retention::{Decision, Facts, Policy, Reason, Verdict, decide};
use super::seed::Seed;
use crate::error::Result;
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
    /// How many are left.
    pub kept: usize,
    /// The bytes that were given back.
    pub freed_bytes: u64,
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
        backups: judged(&listing.backups, policy, now),
        unreadable: listing.unreadable,
        repository: repository.clone(),
        database: database.map(str::to_owned),
        policy: policy.clone(),
    })
}

fn judged(backups: &[StoredBackup], policy: &Policy, now: DateTime<Utc>) -> Vec<PrunedBackup> {
    let facts: Vec<Facts> = backups.iter().map(Facts::from).collect();
    let decisions = decide(policy, &facts, now);
    let judged = backups.iter().zip(decisions).map(|(backup, decision)| PrunedBackup {
        database: backup.database().to_owned(),
        started: backup.record.started,
        stored_bytes: backup.record.stored_bytes,
        decision,
    });
    judged.collect()
}

impl PrunePlan {
    /// Returns the backups that are dropped.
    pub fn dropped(&self) -> impl Iterator<Item = &PrunedBackup> {
        self.backups.iter().filter(|backup| backup.decision.verdict == Verdict::Drop)
    }

    /// Drops them, the oldest first; each is noted in the history before it goes.
    ///
    /// What somebody has held or added meanwhile is judged again, and only what both judgements drop is dropped.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Locked`] when another run works on a database, [`crate::ErrorKind::Storage`] when
    /// something cannot be removed. What was dropped before stays dropped, and running again goes on.
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
        let planned: BTreeSet<String> =
            self.dropped().map(|backup| backup.decision.id.to_string()).collect();
        let listing = self.repository.list(self.database.as_deref())?;
        let again = judged(&listing.backups, &self.policy, now);
        let mut report = PruneReport { kept: again.len(), ..PruneReport::default() };
        // From the oldest: whatever ends the work early leaves the newer ones.
        for (backup, judged) in listing.backups.iter().zip(again).rev() {
            let is_dropped = judged.decision.verdict == Verdict::Drop
                && planned.contains(&judged.decision.id.to_string());
            if !is_dropped {
                continue;
            }
            let reasons: Vec<String> =
                judged.decision.reasons.iter().map(Reason::to_string).collect();
            let event = Event {
                reason: Some(reasons.join("; ")),
                ..Event::new(backup.id().clone(), now, EventKind::Dropped)
            };
            self.repository.append(backup.database(), &event, seed.draw())?;
            remove_folder(backup.folder())?;
            progress.info(&format!("dropped {}", backup.id()));
            report.kept -= 1;
            report.freed_bytes += judged.stored_bytes;
            report.dropped.push(judged);
        }
        Ok(report)
    }
}
