//! A directory that appears under its name only when it is complete.

use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;

use super::lock::{self, Attempt};
use super::{
    Durability, PARTIAL_SUFFIX, Place, exists_already, in_use, partial_prefix, rename_new, storage,
    sync_directory,
};
use crate::error::{Error, ErrorKind, Result};

/// From this many files on, one sync of the whole file system is cheaper than one for each file.
const FILES_FOR_FULL_SYNC: usize = 32;

/// A directory in the making.
///
/// Its files are written under [`StagedDirectory::path`]. [`StagedDirectory::commit`] makes it appear;
/// dropping it removes everything. A directory that exists and is empty is filled in place: the files
/// are made in a hidden folder inside it and moved up at the end.
#[derive(Debug)]
pub struct StagedDirectory {
    /// Where the files are written.
    work: PathBuf,
    place: PathBuf,
    parent: PathBuf,
    in_place: bool,
    committed: AtomicBool,
    durability: Durability,
    /// The lock on `work`, and on the existing directory when it is filled in place.
    _locks: Vec<File>,
}

impl StagedDirectory {
    /// Begins a directory that will be called `path`; it is readable only by its owner.
    ///
    /// Leftovers of killed runs on the same path are removed.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Refused`] when something other than an empty directory is there,
    /// [`ErrorKind::Locked`] when another run is writing to the same path, [`ErrorKind::Storage`] when
    /// the folder cannot be written to.
    pub fn create(path: &Path) -> Result<Self> {
        let place = Place::resolve(path)?;
        match std::fs::metadata(&place.path) {
            Ok(metadata) if metadata.is_dir() => Self::create_inside(path, place),
            Ok(_) => Err(exists_already(path)),
            Err(_) => Self::create_beside(path, place),
        }
    }

    fn create_beside(path: &Path, place: Place) -> Result<Self> {
        let guard = lock::lock_folder(&place.parent);
        lock::sweep(&place.parent, &place.name, path)?;
        let (work, lock) = make_work(&place.parent, &place.name)?;
        drop(guard);
        Ok(StagedDirectory {
            work,
            place: place.path,
            parent: place.parent,
            in_place: false,
            committed: AtomicBool::new(false),
            durability: Durability::default(),
            _locks: vec![lock],
        })
    }

    fn create_inside(path: &Path, place: Place) -> Result<Self> {
        let folder_lock = match lock::try_lock(&place.path) {
            Ok(Attempt::Locked(handle) | Attempt::Unsupported(handle)) => handle,
            Ok(Attempt::Held) => return Err(in_use(path)),
            Err(error) => return Err(storage(path, "open directory", error)),
        };
        lock::sweep(&place.path, "", path)?;
        let mut listing =
            std::fs::read_dir(&place.path).map_err(|error| storage(path, "list", error))?;
        if listing.next().is_some() {
            return Err(exists_already(path));
        }
        let (work, lock) = make_work(&place.path, "")?;
        Ok(StagedDirectory {
            work,
            place: place.path,
            parent: place.parent,
            in_place: true,
            committed: AtomicBool::new(false),
            durability: Durability::default(),
            _locks: vec![lock, folder_lock],
        })
    }

    /// Chooses whether [`StagedDirectory::commit`] waits for the disk, as it does otherwise.
    pub fn with_durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Returns where the files are to be written.
    pub fn path(&self) -> &Path {
        &self.work
    }

    /// Returns where the directory will be found.
    pub fn final_path(&self) -> &Path {
        &self.place
    }

    /// Makes everything durable, then makes the directory appear.
    ///
    /// `last` is the file whose presence makes the directory what it is; where files must be moved one
    /// by one it is moved last.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Storage`] when the disk fails; [`ErrorKind::Refused`] when something has appeared
    /// under the name in the meantime. In both cases nothing is there under the name.
    pub fn commit(self, last: &str) -> Result<()> {
        self.appear(last)
    }

    /// As [`StagedDirectory::commit`], for who cannot give it away.
    pub(super) fn appear(&self, last: &str) -> Result<()> {
        let mut names = Vec::new();
        let listing =
            std::fs::read_dir(&self.work).map_err(|error| storage(&self.work, "list", error))?;
        for item in listing {
            names.push(item.map_err(|error| storage(&self.work, "list", error))?.file_name());
        }
        self.sync(&names)?;
        if self.in_place {
            names.sort_by_key(|name| name == last);
            let mut moved = Vec::new();
            for name in &names {
                let target = self.place.join(name);
                if let Err(error) = rename_new(&self.work.join(name), &target) {
                    moved.iter().for_each(|path: &PathBuf| lock::remove(path));
                    return Err(storage(&target, "move into place", error));
                }
                moved.push(target);
            }
            lock::remove(&self.work);
            self.committed.store(true, Ordering::Release);
            return self.sync_names(&self.place);
        }
        rename_new(&self.work, &self.place).map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists | std::io::ErrorKind::DirectoryNotEmpty => {
                exists_already(&self.place)
            }
            _ => storage(&self.place, "move into place", error),
        })?;
        self.committed.store(true, Ordering::Release);
        self.sync_names(&self.parent)
    }

    /// Removes everything, unless it has appeared.
    pub(super) fn give_up(&self) {
        if !self.committed.load(Ordering::Acquire) {
            lock::remove(&self.work);
        }
    }

    fn sync_names(&self, folder: &Path) -> Result<()> {
        match self.durability {
            Durability::Synced => sync_directory(folder),
            Durability::Unsynced => Ok(()),
        }
    }

    fn sync(&self, names: &[std::ffi::OsString]) -> Result<()> {
        if self.durability == Durability::Unsynced {
            return Ok(());
        }
        let open = |path: &Path| File::open(path).map_err(|error| storage(path, "open", error));
        if names.len() >= FILES_FOR_FULL_SYNC && rustix::fs::syncfs(open(&self.work)?).is_ok() {
            return Ok(());
        }
        names.par_iter().try_for_each(|name| {
            let path = self.work.join(name);
            open(&path)?.sync_all().map_err(|error| storage(&path, "sync", error))
        })?;
        sync_directory(&self.work)
    }
}

impl Drop for StagedDirectory {
    fn drop(&mut self) {
        self.give_up();
    }
}

/// Makes and locks a hidden directory for the output `name` in `folder`.
fn make_work(folder: &Path, name: &str) -> Result<(PathBuf, File)> {
    let work = tempfile::Builder::new()
        .prefix(&partial_prefix(name))
        .suffix(PARTIAL_SUFFIX)
        .rand_bytes(12)
        .permissions(std::fs::Permissions::from_mode(0o700))
        .tempdir_in(folder)
        .map_err(|error| storage(folder, "create a directory in", error))?;
    let lock = match lock::try_lock(work.path()) {
        Ok(Attempt::Locked(handle) | Attempt::Unsupported(handle)) => handle,
        Ok(Attempt::Held) => {
            return Err(Error::new(
                ErrorKind::Locked,
                format!("could not lock \"{}\"", work.path().display()),
            ));
        }
        Err(error) => return Err(storage(work.path(), "open", error)),
    };
    Ok((work.keep(), lock))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .expect("lists")
            .map(|item| item.expect("item").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_directory_appears_when_committed() {
        let folder = tempfile::tempdir().expect("temp");
        let path = folder.path().join("out");
        let staged = StagedDirectory::create(&path).expect("creates");
        std::fs::write(staged.path().join("toc.dat"), "x").expect("writes");
        assert!(!path.exists());
        staged.commit("toc.dat").expect("commits");
        assert_eq!(names(folder.path()), ["out"]);
        assert_eq!(names(&path), ["toc.dat"]);
        let mode = std::fs::metadata(&path).expect("metadata").permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn a_dropped_directory_leaves_nothing() {
        let folder = tempfile::tempdir().expect("temp");
        let staged = StagedDirectory::create(&folder.path().join("out")).expect("creates");
        std::fs::write(staged.path().join("1.dat"), "x").expect("writes");
        drop(staged);
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn an_empty_directory_is_filled_in_place() {
        let folder = tempfile::tempdir().expect("temp");
        let path = folder.path().join("out");
        std::fs::create_dir(&path).expect("creates");
        drop(StagedDirectory::create(&path).expect("creates"));
        assert!(names(&path).is_empty(), "dropped");
        let staged = StagedDirectory::create(&path).expect("creates");
        let busy = StagedDirectory::create(&path).expect_err("two runs");
        assert_eq!(busy.kind(), ErrorKind::Locked);
        std::fs::write(staged.path().join("toc.dat"), "x").expect("writes");
        std::fs::write(staged.path().join("1.dat"), "x").expect("writes");
        staged.commit("toc.dat").expect("commits");
        assert_eq!(names(&path), ["1.dat", "toc.dat"]);
    }

    #[test]
    fn what_exists_is_refused() {
        let folder = tempfile::tempdir().expect("temp");
        std::fs::write(folder.path().join("file"), "x").expect("writes");
        std::fs::create_dir(folder.path().join("full")).expect("creates");
        std::fs::write(folder.path().join("full/.hidden"), "x").expect("writes");
        for name in ["file", "full"] {
            let error = StagedDirectory::create(&folder.path().join(name)).expect_err(name);
            assert_eq!(error.kind(), ErrorKind::Refused);
        }
        let path = folder.path().join("late");
        let staged = StagedDirectory::create(&path).expect("creates");
        std::fs::create_dir(&path).expect("somebody else is faster");
        std::fs::write(path.join("file"), "x").expect("writes");
        assert_eq!(staged.commit("toc.dat").expect_err("late").kind(), ErrorKind::Refused);
        assert_eq!(names(folder.path()), ["file", "full", "late"]);
    }

    #[test]
    fn a_second_run_finds_the_first_and_sweeps_only_the_dead() {
        let folder = tempfile::tempdir().expect("temp");
        let path = folder.path().join("out");
        let dead = folder.path().join(".out.pgark-dead.partial");
        std::fs::create_dir(&dead).expect("creates");
        let other = folder.path().join(".out2.pgark-dead.partial");
        std::fs::create_dir(&other).expect("creates");
        let first = StagedDirectory::create(&path).expect("creates");
        assert!(!dead.exists() && other.exists());
        let second = StagedDirectory::create(&path).expect_err("two runs");
        assert_eq!(second.kind(), ErrorKind::Locked);
        drop(first);
        StagedDirectory::create(&path).expect("the first has ended");
    }

    #[test]
    fn symbolic_links_are_resolved() {
        let folder = tempfile::tempdir().expect("temp");
        std::fs::create_dir(folder.path().join("disk")).expect("creates");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("disk/real", &link).expect("links");
        let staged = StagedDirectory::create(&link).expect("creates");
        std::fs::write(staged.path().join("toc.dat"), "x").expect("writes");
        staged.commit("toc.dat").expect("commits");
        assert_eq!(names(&folder.path().join("disk")), ["real"]);
        assert!(link.join("toc.dat").exists());
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let error = StagedDirectory::create(Path::new("/no/such/folder/out")).expect_err("missing");
        assert_eq!(error.kind(), ErrorKind::Storage);
        assert!(error.message().contains("/no/such/folder/out"));
    }
}
