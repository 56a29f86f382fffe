//! Locks on files and directories, held as long as their handle lives, whatever kills the process.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::{Duration, Instant};

use super::{PARTIAL_SUFFIX, in_use, is_partial, partial_prefix, storage};
use crate::error::Result;

/// How long to wait for somebody else who is just making or sweeping an output in the same folder;
/// that takes milliseconds.
const FOLDER_PATIENCE: Duration = Duration::from_secs(5);

/// The outcome of trying to lock something.
pub(super) enum Attempt {
    /// It is ours while the handle lives.
    Locked(File),
    /// Somebody else holds it.
    Held,
    /// The file system knows no locks.
    Unsupported(File),
}

/// Tries to lock a file or directory.
pub(super) fn try_lock(path: &Path) -> std::io::Result<Attempt> {
    let handle = File::open(path)?;
    Ok(match handle.try_lock() {
        Ok(()) => Attempt::Locked(handle),
        Err(TryLockError::WouldBlock) => Attempt::Held,
        Err(TryLockError::Error(_)) => Attempt::Unsupported(handle),
    })
}

/// Locks a folder for the moment of making an output in it, so that nobody sweeps what is not yet
/// locked.
///
/// Returns `None` when the folder cannot be locked in time; then only that moment is unprotected. A folder that is
/// itself in the making is held by the run that makes it, for as long as it makes it: there is nobody to wait for.
pub(super) fn lock_folder(path: &Path) -> Option<File> {
    if path.file_name().is_some_and(|name| is_partial(&name.to_string_lossy())) {
        return None;
    }
    let deadline = Instant::now() + FOLDER_PATIENCE;
    loop {
        match try_lock(path).ok()? {
            Attempt::Locked(handle) => return Some(handle),
            Attempt::Unsupported(_) => return None,
            Attempt::Held if Instant::now() > deadline => return None,
            Attempt::Held => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

/// Removes the leftovers of killed runs for the output `name` in `folder`.
///
/// # Errors
///
/// [`crate::ErrorKind::Locked`] when a living run is at work on the same output, `path`.
pub(super) fn sweep(folder: &Path, name: &str, path: &Path) -> Result<()> {
    let prefix = partial_prefix(name);
    let listing = std::fs::read_dir(folder).map_err(|error| storage(folder, "list", error))?;
    for item in listing {
        let item = item.map_err(|error| storage(folder, "list", error))?;
        let item_name = item.file_name();
        let item_name = item_name.to_string_lossy();
        if !item_name.starts_with(&prefix) || !item_name.ends_with(PARTIAL_SUFFIX) {
            continue;
        }
        // What vanishes under our eyes was another run's, which has just ended.
        match try_lock(&item.path()) {
            Ok(Attempt::Held) => return Err(in_use(path)),
            Ok(Attempt::Locked(_)) => remove(&item.path()),
            Ok(Attempt::Unsupported(_)) | Err(_) => {}
        }
    }
    Ok(())
}

/// Removes a file or a folder with all it holds, as well as it goes.
pub(super) fn remove(path: &Path) {
    let is_directory = std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir());
    let _ = if is_directory { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_in_the_making_is_not_waited_for() {
        let folder = tempfile::tempdir().expect("temp");
        let place = folder.path().join(".backup.pgark-0123456789ab.partial");
        std::fs::create_dir(&place).expect("creates");
        let held = try_lock(&place).expect("opens");
        assert!(matches!(held, Attempt::Locked(_)));
        let began = Instant::now();
        assert!(lock_folder(&place).is_none());
        assert!(began.elapsed() < FOLDER_PATIENCE);
        assert!(lock_folder(folder.path()).is_some());
    }
}
