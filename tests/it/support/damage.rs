//! Ways to damage an archive, each on a copy.

use std::fs;
use std::path::{Path, PathBuf};

/// Copies an archive, a file or a directory of files, beside itself under another name.
pub(crate) fn copy(archive: &Path, name: &str) -> PathBuf {
    let target = archive.with_file_name(name);
    if archive.is_dir() {
        fs::create_dir(&target).expect("a new directory");
        for file in files(archive) {
            let name = file.file_name().expect("a file has a name");
            fs::copy(&file, target.join(name)).expect("a copy");
        }
    } else {
        fs::copy(archive, &target).expect("a copy");
    }
    target
}

/// Returns the files of a directory archive in the order of their names.
pub(crate) fn files(archive: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(archive).expect("a directory");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
}

/// Turns the lowest bit of one byte around.
pub(crate) fn flip(file: &Path, offset: usize) {
    let mut bytes = fs::read(file).expect("a file");
    bytes[offset] ^= 1;
    fs::write(file, bytes).expect("written");
}

/// Cuts a file off after `length` bytes.
pub(crate) fn truncate(file: &Path, length: u64) {
    let handle = fs::OpenOptions::new().write(true).open(file).expect("a file");
    handle.set_len(length).expect("cut off");
}

/// Removes a file.
pub(crate) fn remove(file: &Path) {
    fs::remove_file(file).expect("removed");
}
