//! How the backups of each database stand: pure, from what a repository lists.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use super::backup_type::BackupType;
use super::lineage::{Line, Lineage, speaking};
use super::record::Excluded;
use super::repository::{Listing, Part, StoredBackup, Unreadable};
use super::retention::{Facts, Policy, due};
use super::summary::BackupSummary;
use crate::archive::file_name_of;

/// How a repository stands.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// The databases by name, those of one name by server, and those of one server by what is left out.
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
    /// What is left out of these backups.
    #[serde(skip_serializing_if = "Excluded::is_empty")]
    pub excluded: Excluded,
    /// Whether somebody has said that no more of them will come.
    pub retired: bool,
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
    ///
    /// Backups of a server that is retired, and those that leave something out where whole ones are made, are told
    /// of and not judged.
    pub fn of(listing: &Listing, policy: &Policy, max_age: Duration, now: DateTime<Utc>) -> Self {
        let max_age = TimeDelta::from_std(max_age).unwrap_or(TimeDelta::MAX);
        let lines = Line::all(&listing.backups);
        let judged: Vec<&Lineage> = speaking(&lines).map(|line| &line.lineage).collect();
        let databases = lines.iter().map(|line| {
            let is_judged = judged.contains(&&line.lineage);
            of_line(line, policy, is_judged.then_some(max_age), now)
        });
        Status { databases: databases.collect(), unreadable: listing.unreadable.clone() }
    }

    /// Returns the names of databases, as folders have them, of which nothing can be read.
    pub fn lost(&self) -> BTreeSet<&str> {
        let known: BTreeSet<String> =
            self.databases.iter().map(|it| file_name_of(&it.database)).collect();
        let broken = self.unreadable.iter().filter(|it| it.part == Part::Backup);
        let folders = broken.map(|it| it.id.database_folder());
        folders.filter(|folder| !known.contains(*folder)).collect()
    }

    /// Tells whether a database has no proved backup that is young enough.
    pub fn is_stale(&self) -> bool {
        self.databases.iter().any(|database| database.stale)
    }
}

/// A clock that is ahead by more than this is wrong.
const CLOCK_TOLERANCE: TimeDelta = TimeDelta::hours(1);

/// Judges the backups of one lineage; without a limit none is too old.
fn of_line(
    line: &Line,
    policy: &Policy,
    max_age: Option<TimeDelta>,
    now: DateTime<Utc>,
) -> DatabaseStatus {
    let summary = |backup: &StoredBackup| BackupSummary::of(backup, now);
    let backups = line.backups();
    let proved = line.proved().next();
    let newest = line.newest();
    let facts: Vec<Facts> = backups.iter().map(|backup| Facts::from(*backup)).collect();
    let mut counts = BTreeMap::new();
    for fact in &facts {
        *counts.entry(fact.backup_type).or_default() += 1;
    }
    let count =
        |is: fn(&StoredBackup) -> bool| backups.iter().filter(|backup| is(backup)).count() as u64;
    // One from the future may be of any age.
    let is_young = |backup: &StoredBackup, max_age: TimeDelta| {
        let age = now - backup.record.started;
        age <= max_age && age >= -CLOCK_TOLERANCE
    };
    DatabaseStatus {
        database: line.lineage.database.clone(),
        server: newest.map(|backup| backup.record.source.server.clone()).unwrap_or_default(),
        excluded: line.lineage.excluded.clone(),
        retired: line.is_retired(),
        newest_proved: proved.map(summary),
        newest: newest
            .filter(|newest| proved.is_none_or(|proved| proved.id() != newest.id()))
            .map(summary),
        stale: max_age
            .is_some_and(|max_age| !proved.is_some_and(|backup| is_young(backup, max_age))),
        counts,
        unproved: count(|backup| !backup.is_proved()),
        held: count(|backup| backup.hold().is_some()),
        stored_bytes: backups.iter().map(|backup| backup.record.stored_bytes).sum(),
        due: due(policy, &facts, now),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::id::BackupId;
    use crate::vault::repository::sample;

    fn status(backups: Vec<StoredBackup>) -> Vec<(String, bool)> {
        let listing = Listing { backups, ..Listing::default() };
        let max_age = Duration::from_secs(26 * 3600);
        let status = Status::of(&listing, &Policy::default(), max_age, now());
        let line = |it: &DatabaseStatus| (format!("{}{}", it.server, it.excluded), it.stale);
        status.databases.iter().map(line).collect()
    }

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_790_000_000, 0).expect("a moment")
    }

    fn backup(server: &str, minutes: i64, without: &[&str]) -> StoredBackup {
        let started = now() + TimeDelta::minutes(minutes);
        let mut made = sample("shop", BackupId::new("shop", BackupType::Daily, started, [0; 3]));
        made.record.source.server = server.to_owned();
        made.record.excluded.schemas = without.iter().map(|&it| it.to_owned()).collect();
        made
    }

    #[test]
    fn a_backup_from_the_future_is_not_young() {
        for (minutes, stale) in
            [(0, false), (30, false), (90, true), (-25 * 60, false), (-27 * 60, true)]
        {
            assert_eq!(status(vec![backup("h", minutes, &[])])[0].1, stale, "{minutes}");
        }
    }

    #[test]
    fn each_server_is_judged_and_of_one_server_what_is_whole() {
        let old = -100 * 60;
        let found = status(vec![
            backup("a", 0, &[]),
            backup("b", old, &[]),
            backup("a", old, &["log"]),
            backup("c", old, &["log"]),
        ]);
        let expected = [("a", false), ("aschema log", false), ("b", true), ("cschema log", true)];
        assert_eq!(found, expected.map(|(line, stale)| (line.to_owned(), stale)));
    }
}
