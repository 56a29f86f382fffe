//! A backup in a repository: its record and what happened to it since.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{ARCHIVE_FOLDER, GLOBALS_FILE};
use crate::vault::event::{Event, EventKind, Proof};
use crate::vault::id::BackupId;
use crate::vault::record::BackupRecord;

/// A backup in a repository.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StoredBackup {
    /// What was known when it was made.
    pub record: BackupRecord,
    /// Its folder.
    pub folder: PathBuf,
    /// What happened since, the oldest first.
    pub events: Vec<Event>,
    /// How many events of it cannot be read.
    pub unreadable_events: usize,
}

/// Returns the best that events have proved.
fn best(events: &[Event]) -> Proof {
    let proved = events.iter().map(|event| match event.kind {
        EventKind::Verified => event.proof.unwrap_or(Proof::Stored),
        EventKind::Confirmed => Proof::Stored,
        _ => Proof::None,
    });
    proved.max().unwrap_or(Proof::None)
}

impl StoredBackup {
    /// Returns its name.
    pub fn id(&self) -> &BackupId {
        &self.record.id
    }

    /// Returns the database it is of.
    pub fn database(&self) -> &str {
        &self.record.source.database
    }

    /// Returns where its archive is, for restore, verify and inspect.
    pub fn archive(&self) -> PathBuf {
        self.folder.join(ARCHIVE_FOLDER)
    }

    /// Returns where its globals are, when it has some.
    pub fn globals(&self) -> Option<PathBuf> {
        self.record.globals_sha256.map(|_| self.folder.join(GLOBALS_FILE))
    }

    /// Returns its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Tells whether it was found damaged, and no look since has read all of it and found it whole.
    pub fn is_damaged(&self) -> bool {
        self.since_damage().is_some_and(|since| best(since) < Proof::Decoded)
    }

    /// Returns what happened since it was last found damaged; none when it never was.
    fn since_damage(&self) -> Option<&[Event]> {
        let last = self.events.iter().rposition(|event| event.kind == EventKind::Damaged)?;
        self.events.get(last + 1..)
    }

    /// Returns the best that was proved of it since it was last found damaged.
    ///
    /// What a person confirms counts as much as the stored bytes being right, and neither of them outweighs that
    /// somebody found damage: that takes a look at every byte. While part of its history cannot be read nothing is
    /// proved, because that part may tell of damage.
    pub fn proof(&self) -> Proof {
        if self.unreadable_events > 0 || self.is_damaged() {
            return Proof::None;
        }
        match self.since_damage() {
            Some(since) => best(since),
            None => self.record.proof.max(best(&self.events)),
        }
    }

    /// Tells whether it counts: it was proved, and nothing speaks against it since.
    pub fn is_proved(&self) -> bool {
        self.proof() > Proof::None
    }

    /// Returns when somebody last looked at it, whatever was found.
    pub fn looked_at(&self) -> Option<DateTime<Utc>> {
        let looks = self.events.iter().rev();
        let mut looks = looks
            .filter(|event| matches!(event.kind, EventKind::Verified | EventKind::Damaged))
            .map(|event| event.at);
        looks.next().or((self.record.proof > Proof::None).then_some(self.record.finished))
    }

    /// Returns why it must not be dropped, when it must not.
    ///
    /// A hold that it was made with ends when somebody confirms what it was made for; one that came later ends
    /// when it is released.
    pub fn hold(&self) -> Option<&str> {
        let mut made_with = self.record.hold.as_deref();
        let mut later = None;
        for event in &self.events {
            match event.kind {
                EventKind::Held => later = Some(event.reason.as_deref().unwrap_or("held")),
                EventKind::Confirmed => made_with = None,
                EventKind::Released => (made_with, later) = (None, None),
                _ => {}
            }
        }
        later.or(made_with)
    }

    /// Tells whether a person has said that it is good.
    pub fn is_confirmed(&self) -> bool {
        self.events.iter().any(|event| event.kind == EventKind::Confirmed)
    }

    /// Tells whether a person has said that no more backups of its database will come from its server.
    pub fn is_retired(&self) -> bool {
        self.events.iter().any(|event| event.kind == EventKind::Retired)
    }
}
