//! What killed runs leave behind, and removing a folder so that no half of it is ever seen.

use std::path::Path;

use super::lock::{self, Attempt};
use super::{PARTIAL_SUFFIX, is_partial, partial_prefix, storage, sync_directory};
use crate::error::Result;

/// Removes all leftovers in a folder that no living run holds, whatever they were to become.
///
/// # Errors
///
/// [`crate::ErrorKind::Storage`] when the folder cannot be read.
pub fn sweep_leftovers(folder: &Path) -> Result<()> {
    let listing = std::fs::read_dir(folder).map_err(|error| storage(folder, "list", error))?;
    for item in listing {
        let item = item.map_err(|error| storage(folder, "list", error))?;
        let name = item.file_name();
        let name = name.to_string_lossy();
        if is_partial(&name)
            && let Ok(Attempt::Locked(_)) = lock::try_lock(&item.path())
        {
            lock::remove(&item.path());
        }
    }
    Ok(())
}

/// Removes a folder with all it holds: first its name goes, at once, then the files.
///
/// A run that is killed in between leaves a leftover that is swept away.
///
/// # Errors
///
/// [`crate::ErrorKind::Storage`] when it cannot be renamed, and then all of it is still there, or when files
/// cannot be removed, and then they are a leftover.
pub fn remove_folder(path: &Path) -> Result<()> {
    let parent = path.parent().unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let hidden = tempfile::Builder::new()
        .prefix(&partial_prefix(&name))
        .suffix(PARTIAL_SUFFIX)
        .rand_bytes(12)
        .tempdir_in(parent)
        .map_err(|error| storage(parent, "create a folder in", error))?;
    // Over the empty folder, which is what POSIX allows.
    std::fs::rename(path, hidden.path()).map_err(|error| storage(path, "remove", error))?;
    sync_directory(parent)?;
    hidden.close().map_err(|error| storage(path, "remove the files of", error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StagedDirectory;

    #[test]
    fn leftovers_go_and_what_is_held_stays() {
        let folder = tempfile::tempdir().expect("temp");
        let held = StagedDirectory::create(&folder.path().join("held")).expect("creates");
        for name in [".gone.pgark-0123456789ab.partial", ".other.partial", "kept.pgark-0.partial"] {
            std::fs::create_dir_all(folder.path().join(name).join("inside")).expect("creates");
        }
        sweep_leftovers(folder.path()).expect("sweeps");
        assert!(held.path().exists());
        let mut names: Vec<_> = std::fs::read_dir(folder.path())
            .expect("lists")
            .map(|item| item.expect("item").file_name().to_string_lossy().into_owned())
            .filter(|name| !name.starts_with(".held"))
            .collect();
        names.sort();
        assert_eq!(names, [".other.partial", "kept.pgark-0.partial"]);
    }

    #[test]
    fn a_folder_goes_with_what_it_holds() {
        let folder = tempfile::tempdir().expect("temp");
        let path = folder.path().join("backup");
        std::fs::create_dir_all(path.join("archive")).expect("creates");
        std::fs::write(path.join("archive/toc.dat"), "x").expect("writes");
        remove_folder(&path).expect("removes");
        assert_eq!(std::fs::read_dir(folder.path()).expect("lists").count(), 0);
        assert!(remove_folder(&path).is_err());
        assert_eq!(std::fs::read_dir(folder.path()).expect("lists").count(), 0);
    }
}
