//! A repository on a local disk: which backups there are, and what happened to them.
//!
//! What is listed is complete: a backup is made under a hidden name and gets its own when everything is in it.
//! Folders whose names are not those of backups are somebody else's and left alone.

mod find;
mod lock;
#[cfg(test)]
mod sample;
mod stored;
mod write;

use std::collections::HashMap;
use std::fs::ReadDir;
use std::path::{Path, PathBuf};

use serde::Serialize;

pub use find::Wanted;
pub use lock::{DatabaseLock, Worker};
#[cfg(test)]
pub(super) use sample::sample;
pub use stored::StoredBackup;
pub(super) use write::{make_folder, write_private, write_record};

use super::event::{EVENT_VERSION, Event};
use super::id::BackupId;
use super::record::{BackupRecord, RECORD_VERSION};
use super::sealed::read_sealed;
use crate::archive::file_name_of;
use crate::error::{Error, ErrorKind, Result, with_causes};

/// The folder of a backup's archive.
pub(super) const ARCHIVE_FOLDER: &str = "archive";

/// The script with roles and tablespaces.
pub(super) const GLOBALS_FILE: &str = "globals.sql";

/// The record of a backup, which is written last.
pub(super) const RECORD_FILE: &str = "backup.json";

/// The folder with the events of a database.
pub(super) const HISTORY_FOLDER: &str = "history";

/// Returns the archive of a backup whose folder is named, `None` when it is the folder of something else.
pub fn archive_in(folder: &Path) -> Option<PathBuf> {
    let archive = folder.join(ARCHIVE_FOLDER);
    (folder.join(RECORD_FILE).is_file() && archive.is_dir()).then_some(archive)
}

/// A repository on a local disk.
#[derive(Debug, Clone)]
pub struct Repository {
    folder: PathBuf,
}

/// What is in a repository.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Listing {
    /// The backups, the newest first.
    pub backups: Vec<StoredBackup>,
    /// What has the name of a backup and cannot be read as one.
    pub unreadable: Vec<Unreadable>,
}

/// Something that has the name of a backup, or of an event, and cannot be read as one.
#[derive(Debug, Clone, Serialize)]
pub struct Unreadable {
    /// Where it is.
    pub path: PathBuf,
    /// The backup that it should be, or be about.
    pub id: BackupId,
    /// What is wrong with it.
    pub what: String,
}

impl Repository {
    /// Opens the repository in a folder that exists.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] when there is no such folder.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self> {
        let folder = folder.into();
        match std::fs::metadata(&folder) {
            Ok(metadata) if metadata.is_dir() => Ok(Repository { folder }),
            Ok(_) => Err(Error::new(
                ErrorKind::Usage,
                format!("the repository \"{}\" is not a folder", folder.display()),
            )),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(Error::new(
                ErrorKind::NotFound,
                format!("there is no repository \"{}\"", folder.display()),
            )
            .with_hint("\"pgark backup\" makes it with the first backup")),
            Err(error) => Err(storage("look at the repository", &folder, error)),
        }
    }

    /// Returns the folder of the repository.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the folder that holds the backups of a database.
    pub fn database_folder(&self, database: &str) -> PathBuf {
        self.folder.join(file_name_of(database))
    }

    /// Reads what is there, of one database or of all.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Storage`] when a folder cannot be read. What is wrong with one backup is part of the answer.
    pub fn list(&self, database: Option<&str>) -> Result<Listing> {
        let folders = match database {
            Some(name) => vec![self.database_folder(name)],
            None => names(&self.folder)?.map(|name| self.folder.join(name)).collect(),
        };
        let mut listing = Listing::default();
        for folder in folders.iter().filter(|folder| folder.is_dir()) {
            self.list_folder(folder, &mut listing)?;
        }
        if let Some(name) = database {
            // A file system that knows no case has the backups of "shop" and "Shop" in one folder.
            listing.backups.retain(|backup| backup.database() == name);
        }
        listing.backups.sort_by(|one, other| other.id().cmp(one.id()));
        Ok(listing)
    }

    /// Finds a backup.
    ///
    /// # Errors
    ///
    /// As [`Repository::list`] and [`Wanted::find`]; [`ErrorKind::Integrity`] when it is there and cannot be read.
    pub fn find(&self, wanted: &Wanted, database: Option<&str>) -> Result<StoredBackup> {
        let listing = self.list(database)?;
        if let Wanted::Id(text) = wanted
            && let Some(broken) =
                listing.unreadable.iter().find(|broken| broken.id.to_string() == *text)
        {
            let message = format!("backup {text} cannot be used: {}", broken.what);
            return Err(Error::new(ErrorKind::Integrity, message));
        }
        wanted.find(&listing.backups, database).cloned()
    }

    fn list_folder(&self, folder: &Path, listing: &mut Listing) -> Result<()> {
        let mut events = read_events(folder, &mut listing.unreadable)?;
        for name in names(folder)? {
            let Ok(id) = name.parse::<BackupId>() else { continue };
            let place = folder.join(&name);
            match read_backup(&place, &id) {
                Ok(record) => {
                    let events = events.remove(&id).unwrap_or_default();
                    listing.backups.push(StoredBackup { record, folder: place, events });
                }
                Err(error) => listing.unreadable.push(Unreadable {
                    path: place,
                    id,
                    what: with_causes(&error),
                }),
            }
        }
        Ok(())
    }
}

fn read_backup(folder: &Path, id: &BackupId) -> Result<BackupRecord> {
    let record: BackupRecord = read_sealed(&folder.join(RECORD_FILE), RECORD_VERSION)?;
    if record.id != *id {
        let message = format!("its {RECORD_FILE} is that of {}", record.id);
        return Err(Error::new(ErrorKind::Integrity, message));
    }
    Ok(record)
}

/// Reads the events of a database, the oldest first.
fn read_events(
    folder: &Path,
    unreadable: &mut Vec<Unreadable>,
) -> Result<HashMap<BackupId, Vec<Event>>> {
    let folder = folder.join(HISTORY_FOLDER);
    let mut events: HashMap<BackupId, Vec<Event>> = HashMap::new();
    if !folder.is_dir() {
        return Ok(events);
    }
    for name in names(&folder)? {
        let Some(id) = name.split('.').next().and_then(|id| id.parse::<BackupId>().ok()) else {
            continue;
        };
        let path = folder.join(&name);
        match read_sealed::<Event>(&path, EVENT_VERSION) {
            Ok(event) => events.entry(event.id.clone()).or_default().push(event),
            Err(error) => unreadable.push(Unreadable { path, id, what: with_causes(&error) }),
        }
    }
    for events in events.values_mut() {
        events.sort_by_key(|event| event.at);
    }
    Ok(events)
}

/// Returns the names in a folder; those that are no text are nothing of ours.
fn names(folder: &Path) -> Result<impl Iterator<Item = String>> {
    let listing: ReadDir =
        std::fs::read_dir(folder).map_err(|error| storage("list", folder, error))?;
    let items: Vec<_> =
        listing.collect::<std::io::Result<_>>().map_err(|error| storage("list", folder, error))?;
    Ok(items.into_iter().filter_map(|item: std::fs::DirEntry| item.file_name().into_string().ok()))
}

fn storage(what: &str, path: &Path, error: std::io::Error) -> Error {
    Error::new(ErrorKind::Storage, format!("could not {what} \"{}\"", path.display()))
        .with_source(error)
}

#[cfg(test)]
mod tests;
