//! Nobody removes a backup while somebody reads it.
//!
//! Whoever reads holds a shared lock on the folder of the backup, whoever removes it an exclusive one. The locks are
//! those of the system, as for [`super::DatabaseLock`]: they end with the process. Where the file system knows none,
//! nobody is kept out.

use std::fs::{File, TryLockError};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::{RECORD_FILE, storage};
use crate::error::{Error, ErrorKind, Result};

/// That a backup is not removed as long as this lives.
#[derive(Debug)]
pub struct Reading {
    _folder: File,
}

impl Reading {
    /// Keeps a backup from being removed; `path` is its folder or its archive. None when it is neither.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] when it is being removed, [`ErrorKind::Storage`] when it cannot be opened.
    pub fn of(path: &Path) -> Result<Option<Reading>> {
        let is_backup = |folder: &&Path| folder.join(RECORD_FILE).is_file();
        let parent = path.parent().map(|parent| match parent.as_os_str().is_empty() {
            true => Path::new("."),
            false => parent,
        });
        let Some(folder) = [Some(path), parent].into_iter().flatten().find(is_backup) else {
            return Ok(None);
        };
        let gone = || {
            let what = format!("the backup \"{}\" has just been removed", folder.display());
            Error::new(ErrorKind::NotFound, what)
                .with_hint("run \"pgark list\" to see which there are")
        };
        let Some(file) = open(folder)? else { return Err(gone()) };
        let is_refused = matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock));
        match !is_refused && is_there(&file, folder) {
            true => Ok(Some(Reading { _folder: file })),
            false => Err(gone()),
        }
    }
}

/// That nobody reads a backup, and nobody begins to.
#[derive(Debug)]
pub(in crate::vault) struct Removing {
    _folder: File,
}

impl Removing {
    /// Keeps everybody from reading a backup; none when somebody does, or when it is gone.
    pub(in crate::vault) fn of(folder: &Path) -> Result<Option<Removing>> {
        let Some(file) = open(folder)? else { return Ok(None) };
        let is_refused = matches!(file.try_lock(), Err(TryLockError::WouldBlock));
        Ok((!is_refused && is_there(&file, folder)).then_some(Removing { _folder: file }))
    }
}

fn open(folder: &Path) -> Result<Option<File>> {
    match File::open(folder) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(storage("open", folder, error)),
    }
}

/// Tells whether a folder still has the name that it was opened by.
fn is_there(opened: &File, folder: &Path) -> bool {
    let same = || {
        let (opened, named) = (opened.metadata()?, std::fs::metadata(folder)?);
        std::io::Result::Ok((opened.dev(), opened.ino()) == (named.dev(), named.ino()))
    };
    same().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_reads_keeps_others_from_removing_and_no_reader_from_reading() {
        let folder = tempfile::tempdir().expect("temp");
        let backup = folder.path().join("backup");
        std::fs::create_dir_all(backup.join("archive")).expect("a folder");
        assert!(Reading::of(&backup).expect("looks").is_none(), "it is no backup yet");
        std::fs::write(backup.join(RECORD_FILE), "{}").expect("a file");

        let one = Reading::of(&backup).expect("reads").expect("a backup");
        let other = Reading::of(&backup.join("archive")).expect("reads").expect("its archive");
        assert!(Removing::of(&backup).expect("looks").is_none());
        drop((one, other));
        let removing = Removing::of(&backup).expect("looks").expect("nobody reads");
        let refused = Reading::of(&backup).expect_err("it is being removed");
        assert_eq!(refused.kind(), ErrorKind::NotFound);
        drop(removing);
        std::fs::remove_dir_all(&backup).expect("removes");
        assert!(Removing::of(&backup).expect("looks").is_none(), "it is gone");
    }
}
