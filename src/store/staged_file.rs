//! A file that appears under its name only when it is complete.

use std::fs::{File, Metadata, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Gid, Uid};

use super::lock;
use super::{
    Durability, Output, PARTIAL_SUFFIX, Place, exists_already, in_use, is_directory,
    partial_prefix, rename_new, storage, sync_directory,
};
use crate::error::{Error, ErrorKind, Result};

/// What to do about a file that is already there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// Refuse to start.
    Refuse,
    /// Replace it, at the moment the new one is complete.
    Replace,
    /// Write in place behind what it holds, for a script that several write one after the other.
    Append,
}

/// A file in the making.
///
/// Devices, pipes and other things that are not files are written to directly, because a rename would
/// put a file in their place.
#[derive(Debug)]
pub struct StagedFile {
    file: File,
    /// The hidden name, `None` for what is written in place.
    work: Option<PathBuf>,
    place: PathBuf,
    parent: PathBuf,
    existing: Existing,
    durability: Durability,
}

impl StagedFile {
    /// Begins what is to be written to a path or to standard output.
    ///
    /// # Errors
    ///
    /// Those of [`StagedFile::create`].
    pub fn open(output: &Output, existing: Existing) -> Result<Self> {
        match output {
            Output::Path(path) => Self::create(path, existing),
            Output::Object(place) => Err(Error::new(
                ErrorKind::Usage,
                format!("\"{place}\" takes directory archives only"),
            )
            .with_hint("choose --format directory")),
            Output::Stdout => Self::stdout(),
        }
    }

    /// Begins a file that will be called `path`.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Refused`] when it exists and is not to be replaced, [`crate::ErrorKind::Locked`] when
    /// another run is writing to the same path, [`crate::ErrorKind::Storage`] otherwise.
    pub fn create(path: &Path, existing: Existing) -> Result<Self> {
        match std::fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => return Err(is_directory(path)),
            Ok(metadata) if !metadata.is_file() || existing == Existing::Append => {
                // By the name that was given: /dev/stdout leads to what has no path of its own.
                let file = OpenOptions::new()
                    .write(true)
                    .append(existing == Existing::Append)
                    .open(path)
                    .map_err(|error| storage(path, "open", error))?;
                return Ok(StagedFile {
                    file,
                    work: None,
                    place: path.to_owned(),
                    parent: PathBuf::new(),
                    existing,
                    durability: Durability::default(),
                });
            }
            Ok(_) if existing == Existing::Refuse => return Err(exists_already(path)),
            _ => {}
        }
        let replaced = replaced(path)?;
        let place = Place::resolve(path)?;
        let guard = lock::lock_folder(&place.parent);
        lock::sweep(&place.parent, &place.name, path)?;
        // As pg_dump: the permissions an ordinary new file gets, so the process's umask decides.
        let made = tempfile::Builder::new()
            .prefix(&partial_prefix(&place.name))
            .suffix(PARTIAL_SUFFIX)
            .rand_bytes(12)
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(&place.parent)
            .map_err(|error| storage(&place.parent, "create a file in", error))?;
        if let Err(std::fs::TryLockError::WouldBlock) = made.as_file().try_lock() {
            return Err(in_use(path));
        }
        if let Some(replaced) = &replaced {
            take_after(made.as_file(), replaced)
                .map_err(|error| storage(path, "keep the permissions of", error))?;
        }
        let (file, work) =
            made.keep().map_err(|error| storage(&place.parent, "create a file in", error.error))?;
        drop(guard);
        Ok(StagedFile {
            file,
            work: Some(work),
            place: place.path,
            parent: place.parent,
            existing,
            durability: Durability::default(),
        })
    }

    /// Begins writing to standard output, in place.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Storage`] when it is closed.
    pub fn stdout() -> Result<Self> {
        let place = PathBuf::from("standard output");
        let descriptor = io::stdout().as_fd().try_clone_to_owned();
        let file = File::from(descriptor.map_err(|error| storage(&place, "open", error))?);
        Ok(StagedFile {
            file,
            work: None,
            parent: PathBuf::new(),
            place,
            existing: Existing::Replace,
            durability: Durability::default(),
        })
    }

    /// Chooses whether [`StagedFile::commit`] waits for the disk, as it does otherwise.
    pub fn with_durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Tells whether this is a file of its own, which appears under its name at the end.
    pub fn is_staged(&self) -> bool {
        self.work.is_some()
    }

    /// Returns where the file will be found; for messages when it is none.
    pub fn final_path(&self) -> &Path {
        &self.place
    }

    /// Returns the file for reading back or seeking; it is the hidden one until [`StagedFile::commit`].
    pub fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Returns an error when something lies under the name that is not to be replaced.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Refused`].
    pub fn check_place(&self) -> Result<()> {
        let taken = || std::fs::symlink_metadata(&self.place).is_ok();
        match self.is_staged() && self.existing == Existing::Refuse && taken() {
            true => Err(exists_already(&self.place)),
            false => Ok(()),
        }
    }

    /// Makes the content durable, then makes the file appear.
    ///
    /// # Errors
    ///
    /// As [`super::StagedDirectory::commit`].
    pub fn commit(mut self) -> Result<()> {
        self.file.flush().map_err(|error| storage(&self.place, "write", error))?;
        let Some(work) = &self.work else { return Ok(()) };
        if self.durability == Durability::Synced {
            self.file.sync_all().map_err(|error| storage(&self.place, "sync", error))?;
        }
        let renamed = match self.existing {
            Existing::Refuse => rename_new(work, &self.place),
            Existing::Replace | Existing::Append => std::fs::rename(work, &self.place),
        };
        renamed.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => exists_already(&self.place),
            _ => storage(&self.place, "move into place", error),
        })?;
        self.work = None;
        match self.durability {
            Durability::Synced => sync_directory(&self.parent),
            Durability::Unsynced => Ok(()),
        }
    }
}

/// Returns what is known of the file that will be replaced, if there is one, unless it must not be written.
///
/// A rename would get past the protection of a file that its owner has made read-only.
fn replaced(path: &Path) -> Result<Option<Metadata>> {
    match OpenOptions::new().write(true).open(path).and_then(|file| file.metadata()) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(storage(path, "open", error)),
    }
}

/// Gives a new file the owner and the permissions of the one it will replace: what only its owner could read
/// stays so, as if it had been written in place.
fn take_after(file: &File, replaced: &Metadata) -> io::Result<()> {
    let owner = (Uid::from_raw(replaced.uid()), Gid::from_raw(replaced.gid()));
    // Only the superuser may give files away; for others the owner is right already, or it is ours to be.
    let _ = rustix::fs::fchown(file, Some(owner.0), Some(owner.1));
    file.set_permissions(Permissions::from_mode(replaced.permissions().mode() & 0o7777))
}

impl Write for StagedFile {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.file.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for StagedFile {
    fn drop(&mut self) {
        if let Some(work) = &self.work {
            lock::remove(work);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn a_file_appears_when_committed_and_replaces_only_when_told() {
        let folder = tempfile::tempdir().expect("temp");
        let path = folder.path().join("out.sql");
        let mut staged = StagedFile::create(&path, Existing::Refuse).expect("creates");
        staged.write_all(b"new").expect("writes");
        let busy = StagedFile::create(&path, Existing::Replace).expect_err("two runs");
        assert_eq!(busy.kind(), ErrorKind::Locked);
        assert!(!path.exists());
        staged.commit().expect("commits");
        let refused = StagedFile::create(&path, Existing::Refuse).expect_err("exists");
        assert_eq!(refused.kind(), ErrorKind::Refused);

        let mut failed = StagedFile::create(&path, Existing::Replace).expect("creates");
        failed.write_all(b"half").expect("writes");
        drop(failed);
        assert_eq!(std::fs::read(&path).expect("reads"), b"new");

        let mut staged = StagedFile::create(&path, Existing::Replace).expect("creates");
        staged.write_all(b"newer").expect("writes");
        staged.commit().expect("commits");
        assert_eq!(std::fs::read(&path).expect("reads"), b"newer");
        assert_eq!(std::fs::read_dir(folder.path()).expect("lists").count(), 1);
    }

    #[test]
    fn a_file_that_replaces_another_takes_its_permissions() {
        let folder = tempfile::tempdir().expect("temp");
        let path = folder.path().join("out.sql");
        std::fs::write(&path, "secret").expect("writes");
        for mode in [0o600, 0o662] {
            std::fs::set_permissions(&path, Permissions::from_mode(mode)).expect("allowed");
            let staged = StagedFile::create(&path, Existing::Replace).expect("creates");
            staged.commit().expect("commits");
            let metadata = std::fs::metadata(&path).expect("there");
            assert_eq!(metadata.permissions().mode() & 0o777, mode);
        }
    }

    #[test]
    fn devices_are_written_in_place() {
        let mut staged =
            StagedFile::create(Path::new("/dev/null"), Existing::Refuse).expect("opens");
        staged.write_all(b"gone").expect("writes");
        staged.commit().expect("commits");
        assert!(!std::fs::metadata("/dev/null").expect("still there").is_file());
    }
}
