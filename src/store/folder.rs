//! A folder that is read: named files, on disk or in a bucket.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Mode, OFlags, openat};

use super::content::{Content, FileContent};
use super::{Location, storage};
use crate::error::{Error, ErrorKind, Result};

/// Named files in one place. Nothing outside of it can be reached.
pub trait Folder: fmt::Debug + Send + Sync {
    /// Returns the place, for messages.
    fn place(&self) -> &Path;

    /// Finds a file by its exact name; `None` when it does not exist.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Storage`] when it cannot be opened, [`ErrorKind::Archive`] when it is no file.
    fn find(&self, name: &OsStr) -> Result<Option<Arc<dyn Content>>>;

    /// Returns the names of everything in it, in the order of their bytes.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Storage`] when it cannot be listed.
    fn names(&self) -> Result<Vec<OsString>>;
}

/// Opens a folder.
///
/// # Errors
///
/// [`ErrorKind::Storage`] when it cannot be opened.
pub fn open_folder(location: &Location) -> Result<Box<dyn Folder>> {
    Ok(match location {
        Location::Path(path) => Box::new(DiskFolder::open(path)?),
        Location::Object(place) => Box::new(place.open_folder()?),
    })
}

/// A folder on disk; symbolic links in it are not followed.
#[derive(Debug)]
struct DiskFolder {
    path: PathBuf,
    directory: File,
}

impl DiskFolder {
    fn open(path: &Path) -> Result<Self> {
        let directory = File::open(path).map_err(|error| storage(path, "open", error))?;
        Ok(DiskFolder { path: path.to_owned(), directory })
    }
}

impl Folder for DiskFolder {
    fn place(&self) -> &Path {
        &self.path
    }

    fn find(&self, name: &OsStr) -> Result<Option<Arc<dyn Content>>> {
        let shown = || self.path.join(name);
        let refused = |reason: &str| {
            Error::new(ErrorKind::Archive, format!("\"{}\" is {reason}", shown().display()))
        };
        // Without NONBLOCK, opening a pipe would wait for somebody to write into it.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        match openat(&self.directory, name, flags, Mode::empty()) {
            Ok(descriptor) => {
                let file = File::from(descriptor);
                let metadata = file.metadata().map_err(|error| storage(&shown(), "read", error))?;
                if !metadata.is_file() {
                    return Err(refused("not a file"));
                }
                let content =
                    FileContent::new(file).map_err(|error| storage(&shown(), "read", error))?;
                Ok(Some(Arc::new(content)))
            }
            Err(rustix::io::Errno::NOENT) => Ok(None),
            Err(rustix::io::Errno::LOOP) => Err(refused("a symbolic link, which is not followed")),
            Err(errno) => Err(storage(&shown(), "read", errno.into())),
        }
    }

    fn names(&self) -> Result<Vec<OsString>> {
        let failed = |error| storage(&self.path, "list", io::Error::from(error));
        let mut names = Vec::new();
        for item in rustix::fs::Dir::read_from(&self.directory).map_err(failed)? {
            let name = item.map_err(failed)?.file_name().to_bytes().to_owned();
            if name != b"." && name != b".." {
                names.push(OsString::from_vec(name));
            }
        }
        names.sort();
        Ok(names)
    }
}
