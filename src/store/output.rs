//! Where something is written to: a path, a bucket or standard output.

use std::fmt;
use std::path::{Path, PathBuf};

use super::{Location, ObjectPlace};

/// Where something is written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// To a file, or to a directory for the directory format.
    Path(PathBuf),
    /// Under a prefix in a bucket, for the directory format.
    Object(ObjectPlace),
    /// To standard output, where the format allows it.
    Stdout,
}

impl Output {
    /// Returns the path, unless it is standard output.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Output::Path(path) => Some(path),
            Output::Object(_) | Output::Stdout => None,
        }
    }
}

impl<P: Into<PathBuf>> From<P> for Output {
    fn from(path: P) -> Self {
        Output::Path(path.into())
    }
}

impl From<Location> for Output {
    fn from(location: Location) -> Self {
        match location {
            Location::Path(path) => Output::Path(path),
            Location::Object(place) => Output::Object(place),
        }
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Output::Path(path) => path.display().fmt(f),
            Output::Object(place) => place.fmt(f),
            Output::Stdout => f.write_str("standard output"),
        }
    }
}
