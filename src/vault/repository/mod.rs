//! A repository on a local disk: which backups there are, and what happened to them.
//!
//! What is listed is complete: a backup is made under a hidden name and gets its own when everything is in it.
//! Folders whose names are not those of backups are somebody else's and left alone.

mod find;
mod list;
mod lock;
mod reading;
#[cfg(test)]
mod sample;
mod stored;
mod write;

use std::path::{Path, PathBuf};

pub use find::{Choice, Wanted, Which};
pub use list::{Listing, Part, Unreadable};
pub use lock::{DatabaseLock, Worker};
pub use reading::Reading;
pub(super) use reading::Removing;
#[cfg(test)]
pub(super) use sample::sample;
pub use stored::StoredBackup;
pub(super) use write::{make_folder, write_private, write_record};

use crate::archive::file_name_of;
use crate::error::{Error, ErrorKind, Result};

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
}

fn storage(what: &str, path: &Path, error: std::io::Error) -> Error {
    Error::new(ErrorKind::Storage, format!("could not {what} \"{}\"", path.display()))
        .with_source(error)
}

#[cfg(test)]
mod tests;
