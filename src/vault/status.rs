//! How the backups of each database stand: pure, from what a repository lists.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use super::backup_type::BackupType;
use super::repository::{Listing, StoredBackup, Unreadable};
use super::retention::{Facts, Policy, due};
use super::summary::BackupSummary;

/// How a repository stands.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// The databases by name, and those of one name by server.
    pub databases: Vec<DatabaseStatus>,
    /// What has the name of a backup and cannot be read as one.
    pub unreadable: Vec<Unreadable>,
}

/// How the backups of a database stand.
#[derive(Debug, Clone, Serialize)]
pub struct DatabaseStatus {
    /// The database.
    pub database: String,
    /// The server, as the newest backup knew it.
    pub server: String,
    /// The newest backup that is proved.
    pub newest_proved: Option<BackupSummary>,
    /// The newest of all, when that is another one.
    pub newest: Option<BackupSummary>,
    /// Whether there is no proved backup that is young enough.
    pub stale: bool,
    /// How many there are of each type.
    pub counts: BTreeMap<BackupType, u64>,
    /// How many are not proved, or damaged.
    pub unproved: u64,
    /// How many are held.
    pub held: u64,
    /// All of their files.
    pub stored_bytes: u64,
    /// The type that a backup of now should have.
    pub due: BackupType,
}

impl Status {
    /// Judges what is listed; a proved backup must be younger than `max_age`.
    pub fn of(listing: &Listing, policy: &Policy, max_age: Duration, now: DateTime<Utc>) -> Self {
        let mut groups: BTreeMap<(String, Option<String>), Vec<&StoredBackup>> = BTreeMap::new();
        for backup in &listing.backups {
            groups.entry(Facts::from(backup).group).or_default().push(backup);
        }
        let max_age = TimeDelta::from_std(max_age).unwrap_or(TimeDelta::MAX);
        let databases =
            groups.into_values().map(|backups| of_group(&backups, policy, max_age, now));
        Status { databases: databases.collect(), unreadable: listing.unreadable.clone() }
    }

    /// Tells whether a database has no proved backup that is young enough.
    pub fn is_stale(&self) -> bool {
        self.databases.iter().any(|database| database.stale)
    }
}

/// Judges the backups of one database, the newest first; there is at least one.
fn of_group(
    backups: &[&StoredBackup],
    policy: &Policy,
    max_age: TimeDelta,
    now: DateTime<Utc>,
) -> DatabaseStatus {
    let summary = |backup: &&StoredBackup| BackupSummary::of(backup, now);
    let proved = backups.iter().find(|backup| backup.is_proved());
    let newest = backups.first();
    let facts: Vec<Facts> = backups.iter().map(|backup| Facts::from(*backup)).collect();
    let mut counts = BTreeMap::new();
    for fact in &facts {
        *counts.entry(fact.backup_type).or_default() += 1;
    }
    let count =
        |is: fn(&StoredBackup) -> bool| backups.iter().filter(|backup| is(backup)).count() as u64;
    DatabaseStatus {
        database: newest.map(|backup| backup.database().to_owned()).unwrap_or_default(),
        server: newest.map(|backup| backup.record.source.server.clone()).unwrap_or_default(),
        newest_proved: proved.map(summary),
        newest: newest
            .filter(|newest| proved.is_none_or(|proved| proved.id() != newest.id()))
            .map(summary),
        stale: proved.is_none_or(|backup| now - backup.record.started > max_age),
        counts,
        unproved: count(|backup| !backup.is_proved()),
        held: count(|backup| backup.hold().is_some()),
        stored_bytes: backups.iter().map(|backup| backup.record.stored_bytes).sum(),
        due: due(policy, &facts, now),
    }
}
