//! Files that are out of the way while something else takes its place, and come back when it does not.

use std::io;
use std::path::{Path, PathBuf};

use super::{PARTIAL_SUFFIX, lock, partial_prefix, rename_new, storage};
use crate::error::Result;

/// Files under hidden names beside their own.
///
/// Dropping it puts each back under its name, unless somebody has put another one there; what a crash leaves
/// behind is swept away by the next run that writes there.
#[derive(Debug, Default)]
pub struct SetAside {
    /// Name and hidden name of each.
    files: Vec<(PathBuf, PathBuf)>,
}

impl SetAside {
    /// Sets aside those of the files that exist.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Storage`] when a file cannot be renamed; those before it are put back.
    pub fn take<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Result<Self> {
        let mut aside = SetAside::default();
        for path in paths {
            let hidden = hidden_name(path)?;
            match std::fs::rename(path, &hidden) {
                Ok(()) => aside.files.push((path.to_owned(), hidden)),
                Err(error) => {
                    lock::remove(&hidden);
                    if error.kind() != io::ErrorKind::NotFound {
                        return Err(storage(path, "replace", error));
                    }
                }
            }
        }
        Ok(aside)
    }

    /// Removes the files: what they belonged to is gone.
    pub fn discard(mut self) {
        for (_, hidden) in self.files.drain(..) {
            lock::remove(&hidden);
        }
    }
}

impl Drop for SetAside {
    fn drop(&mut self) {
        for (path, hidden) in self.files.drain(..) {
            if rename_new(&hidden, &path).is_err() {
                lock::remove(&hidden);
            }
        }
    }
}

/// Makes a hidden name that nobody else uses, by making the file that is renamed over.
fn hidden_name(path: &Path) -> Result<PathBuf> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let made = tempfile::Builder::new()
        .prefix(&partial_prefix(&name))
        .suffix(PARTIAL_SUFFIX)
        .rand_bytes(12)
        .tempfile_in(folder)
        .map_err(|error| storage(folder, "create a file in", error))?;
    made.into_temp_path().keep().map_err(|error| storage(folder, "create a file in", error.error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(folder: &Path) -> Vec<(String, String)> {
        let mut files: Vec<_> = std::fs::read_dir(folder)
            .expect("lists")
            .map(|item| item.expect("item").path())
            .map(|path| {
                let name = path.file_name().expect("a name").to_string_lossy().into_owned();
                (name, std::fs::read_to_string(path).expect("reads"))
            })
            .collect();
        files.sort();
        files
    }

    #[test]
    fn what_is_set_aside_comes_back_or_goes() {
        let folder = tempfile::tempdir().expect("temp");
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        std::fs::write(&one, "1").expect("writes");
        let aside = SetAside::take([one.as_path(), &two]).expect("renames");
        assert!(!one.exists());
        drop(aside);
        assert_eq!(files(folder.path()), [("one".into(), "1".into())]);

        let aside = SetAside::take([one.as_path(), &two]).expect("renames");
        std::fs::write(&one, "newer").expect("writes");
        drop(aside);
        assert_eq!(files(folder.path()), [("one".into(), "newer".into())]);

        SetAside::take([one.as_path()]).expect("renames").discard();
        assert!(files(folder.path()).is_empty());
    }
}
