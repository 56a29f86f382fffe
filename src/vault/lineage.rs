//! Which backups are of the same thing: one database of one server, with the same left out of it.
//!
//! Everything that compares backups asks here: what is kept, what is due, which is the latest, what is too old.
//! Two servers may have a database of one name, and a backup without some tables stands for no whole one.

use std::collections::BTreeMap;

use super::record::{BackupRecord, Excluded};
use super::repository::StoredBackup;

/// What a backup is of; backups are compared with those of an equal lineage only.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lineage {
    /// The database.
    pub database: String,
    /// The cluster's identifier; where that could not be read, the place of the server and who logged in.
    pub server: String,
    /// What was left out.
    pub excluded: Excluded,
}

impl Lineage {
    /// Returns the lineage of a backup.
    pub fn of(record: &BackupRecord) -> Self {
        let source = &record.source;
        Lineage {
            database: source.database.clone(),
            server: server_of(source.system_identifier.as_deref(), &source.server),
            excluded: record.excluded.clone(),
        }
    }

    /// Tells whether nothing was left out.
    pub fn is_whole(&self) -> bool {
        self.excluded == Excluded::default()
    }
}

/// Returns what tells a server from others.
pub(super) fn server_of(system_identifier: Option<&str>, place: &str) -> String {
    system_identifier.unwrap_or(place).to_owned()
}

/// The backups of one lineage, the newest first; there is at least one.
#[derive(Debug, Clone)]
pub struct Line<'a> {
    /// What they are of.
    pub lineage: Lineage,
    backups: Vec<&'a StoredBackup>,
}

impl<'a> Line<'a> {
    /// Sorts backups, which come with the newest first, into lines.
    pub fn all(backups: impl IntoIterator<Item = &'a StoredBackup>) -> Vec<Line<'a>> {
        let mut lines: BTreeMap<Lineage, Vec<&StoredBackup>> = BTreeMap::new();
        for backup in backups {
            lines.entry(Lineage::of(&backup.record)).or_default().push(backup);
        }
        lines.into_iter().map(|(lineage, backups)| Line { lineage, backups }).collect()
    }

    /// Returns the backups of one lineage, none of them when there are none.
    pub fn one(backups: &'a [StoredBackup], lineage: &Lineage) -> Line<'a> {
        let own = backups.iter().filter(|backup| Lineage::of(&backup.record) == *lineage);
        Line { lineage: lineage.clone(), backups: own.collect() }
    }

    /// Returns the backups, the newest first.
    pub fn backups(&self) -> &[&'a StoredBackup] {
        &self.backups
    }

    /// Returns the newest backup, proved or not.
    pub fn newest(&self) -> Option<&'a StoredBackup> {
        self.backups.first().copied()
    }

    /// Returns the proved backups, the newest first.
    pub fn proved(&self) -> impl Iterator<Item = &'a StoredBackup> {
        self.backups.iter().copied().filter(|backup| backup.is_proved())
    }

    /// Returns the newest proved backup that has rows, unless somebody has said of a newer one that it is right to
    /// have none.
    pub fn newest_with_rows(&self) -> Option<&'a StoredBackup> {
        let mut proved = self.proved();
        let found = proved.find(|backup| backup.record.rows > 0 || backup.is_confirmed());
        found.filter(|backup| backup.record.rows > 0)
    }

    /// Tells whether somebody has said that no more backups of it will come.
    ///
    /// When one comes all the same, what was said is over.
    pub fn is_retired(&self) -> bool {
        self.newest().is_some_and(StoredBackup::is_retired)
    }
}

/// Returns the lines that speak for the databases: of each database and server the whole one, or when there is
/// none, all that leave something out. Those that are retired speak for nothing.
pub(super) fn speaking<'a, 'b>(lines: &'b [Line<'a>]) -> impl Iterator<Item = &'b Line<'a>> {
    let is_whole = |one: &Line, other: &Line| {
        other.lineage.is_whole()
            && !other.is_retired()
            && (&one.lineage.database, &one.lineage.server)
                == (&other.lineage.database, &other.lineage.server)
    };
    lines.iter().filter(move |line| {
        !line.is_retired()
            && (line.lineage.is_whole() || !lines.iter().any(|other| is_whole(line, other)))
    })
}
