//! Ways to damage an archive, each on a copy, and a disk that is soon full.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Copies an archive, a file or a directory of files, beside itself under another name.
pub(crate) fn copy(archive: &Path, name: &str) -> PathBuf {
    copy_to(archive, &archive.with_file_name(name))
}

/// Copies an archive to another place, and returns that.
pub(crate) fn copy_to(archive: &Path, target: &Path) -> PathBuf {
    let target = target.to_owned();
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

/// A small tmpfs in the place of a directory, until the value goes.
#[derive(Debug)]
pub(crate) struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts it; `None` where that is not allowed (it takes root and a capability).
    pub(crate) fn mount(directory: &Path, options: &str) -> Option<SmallDisk> {
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", options, "pgark-test"]).arg(directory);
        let mounted = command.output().is_ok_and(|output| output.status.success());
        mounted.then(|| SmallDisk(directory.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a server may still have files open there.
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}
