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

    /// Tells whether the last look at it found it damaged.
    pub fn is_damaged(&self) -> bool {
        let looks = |event: &&Event| matches!(event.kind, EventKind::Verified | EventKind::Damaged);
        let last = self.events.iter().rev().find(looks);
        last.is_some_and(|event| event.kind == EventKind::Damaged)
    }

    /// Returns the best that was ever proved of it; nothing is when it turned out to be damaged.
    ///
    /// What a person confirms counts as much as the stored bytes being right.
    pub fn proof(&self) -> Proof {
        if self.is_damaged() {
            return Proof::None;
        }
        let proved = self.events.iter().map(|event| match event.kind {
            EventKind::Verified => event.proof.unwrap_or(Proof::Stored),
            EventKind::Confirmed => Proof::Stored,
            _ => Proof::None,
        });
        proved.fold(self.record.proof, Proof::max)
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
}
