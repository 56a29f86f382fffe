//! What is added to a repository; nothing in it is ever changed.

use std::fs::{DirBuilder, Permissions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use chrono::TimeDelta;
use serde::Serialize;

use super::{HISTORY_FOLDER, Repository, storage};
use crate::error::Result;
use crate::store::{Durability, Existing, StagedFile};
use crate::vault::event::Event;
use crate::vault::id::{random_text, stamp};
use crate::vault::sealed::sealed;

impl Repository {
    /// Opens the repository in a folder, which is made when it is not there, for its owner alone.
    ///
    /// # Errors
    ///
    /// As [`Repository::open`], and [`crate::ErrorKind::Storage`] when the folder cannot be made.
    pub fn create(folder: impl Into<PathBuf>) -> Result<Self> {
        let folder = folder.into();
        if std::fs::metadata(&folder).is_err() {
            make_folder(&folder)?;
        }
        Repository::open(folder)
    }

    /// Adds an event to the history of its backup; `random` tells two of the same second apart.
    ///
    /// What is added last comes last, also when the clock went back: the order decides what holds.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Storage`] when it cannot be written.
    pub fn append(&self, database: &str, event: &Event, random: [u8; 3]) -> Result<()> {
        let folder = self.database_folder(database).join(HISTORY_FOLDER);
        make_folder(&folder)?;
        let before = self.events_of(database, &event.id)?;
        let after = before.last().map(|last| last.at + TimeDelta::milliseconds(1));
        let at = after.map_or(event.at, |after| after.max(event.at));
        let Event { id, kind, .. } = event;
        let name = format!("{id}.{}-{kind}-{}.json", stamp(at), random_text(random));
        let event = Event { at, ..event.clone() };
        write_record(&folder.join(name), &event, Durability::Synced)
    }
}

/// Makes a folder that only its owner can look into, with those above it.
pub(in crate::vault) fn make_folder(folder: &Path) -> Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| storage("make the folder", folder, error))
}

/// Writes a sealed file that only its owner can read; it appears under its name when it is complete.
pub(in crate::vault) fn write_record(
    path: &Path,
    value: &impl Serialize,
    durability: Durability,
) -> Result<()> {
    write_private(path, &sealed(value)?, durability)
}

/// Writes a file that only its owner can read; it appears under its name when it is complete.
pub(in crate::vault) fn write_private(
    path: &Path,
    content: &[u8],
    durability: Durability,
) -> Result<()> {
    let mut file = StagedFile::create(path, Existing::Refuse)?.with_durability(durability);
    let written = file
        .file()
        .set_permissions(Permissions::from_mode(0o600))
        .and_then(|()| file.file().write_all(content));
    written.map_err(|error| storage("write", path, error))?;
    file.commit()
}
