//! Where the bytes of an archive live, and how nothing half-done ever looks done.
//!
//! On a disk, output is written under a random hidden name beside its place, locked, synced, and then renamed.
//! Whatever ends a run early leaves at most a hidden leftover that the next run sweeps away, because
//! nobody holds its lock any more. In a bucket, where nothing can be renamed, the object that makes an output
//! what it is appears last. Nothing here knows what an archive is.

mod bucket;
mod content;
mod folder;
mod leftover;
mod location;
mod lock;
mod new_folder;
mod output;
mod set_aside;
mod staged_directory;
mod staged_file;

pub use bucket::{BucketOptions, ObjectPlace, is_object_url};
pub use content::{Content, FileContent, Part, PartReader};
pub use folder::{Folder, open_folder};
pub use leftover::{remove_folder, sweep_leftovers};
pub use location::Location;
pub use new_folder::{FileKind, NewFile, NewFolder};
pub use output::Output;
pub use set_aside::SetAside;
pub use staged_directory::StagedDirectory;
pub use staged_file::{Existing, StagedFile};

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Context, Error, ErrorKind, Result};

/// When what was written is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// Before it appears under its name.
    #[default]
    Synced,
    /// When the system gets round to it: faster, and lost in a crash soon after.
    Unsynced,
}

/// What every hidden name ends with: `.NAME.pgark-XXXXXXXX.partial`.
const PARTIAL_SUFFIX: &str = ".partial";

/// What stands in every hidden name behind that of the output.
const PARTIAL_MARK: &str = ".pgark-";

/// What every hidden name for an output called `name` begins with.
fn partial_prefix(name: &str) -> String {
    format!(".{name}{PARTIAL_MARK}")
}

/// Tells whether a name is that of an output in the making, or of one that is being removed.
fn is_partial(name: &str) -> bool {
    name.starts_with('.') && name.contains(PARTIAL_MARK) && name.ends_with(PARTIAL_SUFFIX)
}

/// Wraps an I/O error with the path it is about.
fn storage(path: &Path, what: &str, source: io::Error) -> Error {
    Error::new(ErrorKind::Storage, format!("could not {what} \"{}\"", path.display()))
        .with_source(source)
}

/// Makes the names in a directory durable.
fn sync_directory(path: &Path) -> Result<()> {
    let directory = File::open(path).map_err(|error| storage(path, "open directory", error))?;
    match directory.sync_all() {
        // Some network file systems cannot sync a directory; there the rename is all one can have.
        Err(error) if matches!(error.raw_os_error(), Some(code) if code == rustix::io::Errno::INVAL.raw_os_error()) => {
            Ok(())
        }
        other => other.map_err(|error| storage(path, "sync directory", error)),
    }
}

/// Renames `from` to `to` and fails when `to` exists.
///
/// On file systems without an atomic form (some network ones) `to` is looked up first.
fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    use rustix::io::Errno;
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(()),
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
            if std::fs::symlink_metadata(to).is_ok() {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            std::fs::rename(from, to)
        }
        Err(errno) => Err(errno.into()),
    }
}

/// The place of an output: its final path with symbolic links resolved, split into folder and name.
struct Place {
    path: PathBuf,
    parent: PathBuf,
    name: String,
}

impl Place {
    /// Resolves `path`, which may not exist yet but whose folder must.
    fn resolve(path: &Path) -> Result<Place> {
        let resolved = match std::fs::canonicalize(path) {
            Ok(existing) => existing,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let target = follow_dangling_link(path)?;
                let name = target.file_name().ok_or_else(|| {
                    Error::new(
                        ErrorKind::Usage,
                        format!("output path \"{}\" has no file name", path.display()),
                    )
                })?;
                let parent = match target.parent() {
                    Some(parent) if !parent.as_os_str().is_empty() => parent,
                    _ => Path::new("."),
                };
                let parent = std::fs::canonicalize(parent).context(ErrorKind::Storage, || {
                    format!("could not find the folder of output path \"{}\"", path.display())
                })?;
                parent.join(name)
            }
            Err(error) => return Err(storage(path, "look up output path", error)),
        };
        let name = resolved
            .file_name()
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let parent = resolved.parent().unwrap_or(Path::new("/")).to_owned();
        Ok(Place { path: resolved, parent, name })
    }
}

/// Returns where a symbolic link to something that does not exist points, any other path as it is.
fn follow_dangling_link(path: &Path) -> Result<PathBuf> {
    let mut path = path.to_owned();
    // The kernel's own limit.
    for _ in 0..40 {
        match std::fs::read_link(&path) {
            Ok(target) => path = path.parent().unwrap_or(Path::new(".")).join(target),
            Err(_) => return Ok(path),
        }
    }
    Err(Error::new(
        ErrorKind::Storage,
        format!("too many symbolic links at output path \"{}\"", path.display()),
    ))
}

fn exists_already(path: &Path) -> Error {
    Error::new(ErrorKind::Refused, format!("output path \"{}\" already exists", path.display()))
        .with_hint("choose another output path, or move the existing one away")
}

fn is_directory(path: &Path) -> Error {
    Error::new(ErrorKind::Refused, format!("output path \"{}\" is a directory", path.display()))
        .with_hint("name a file in it, or choose the directory format")
}

fn in_use(path: &Path) -> Error {
    Error::new(
        ErrorKind::Locked,
        format!("another run is writing to output path \"{}\"", path.display()),
    )
    .with_hint("wait for the other run to end, or choose another output path")
}
