//! Where something lies: at a path, or under a prefix in a bucket.

use std::fmt;
use std::path::{Path, PathBuf};

use super::bucket::ObjectPlace;

/// Where something lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// On a disk.
    Path(PathBuf),
    /// In object storage.
    Object(ObjectPlace),
}

impl Location {
    /// Returns it for messages: the path, or the URL as if it were one.
    pub fn shown(&self) -> &Path {
        match self {
            Location::Path(path) => path,
            Location::Object(place) => place.shown(),
        }
    }

    /// Returns the path when it is on a disk.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Location::Path(path) => Some(path),
            Location::Object(_) => None,
        }
    }

    /// Returns the place of that name in it.
    pub fn join(&self, name: &str) -> Location {
        match self {
            Location::Path(path) => Location::Path(path.join(name)),
            Location::Object(place) => Location::Object(place.join(name)),
        }
    }
}

impl Default for Location {
    /// The empty path, where nothing is.
    fn default() -> Self {
        Location::Path(PathBuf::new())
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shown().display().fmt(f)
    }
}

impl From<PathBuf> for Location {
    fn from(path: PathBuf) -> Self {
        Location::Path(path)
    }
}

impl From<&Path> for Location {
    fn from(path: &Path) -> Self {
        Location::Path(path.to_owned())
    }
}

impl From<&PathBuf> for Location {
    fn from(path: &PathBuf) -> Self {
        Location::Path(path.clone())
    }
}

impl From<&str> for Location {
    fn from(path: &str) -> Self {
        Location::Path(path.into())
    }
}

impl From<&Location> for Location {
    fn from(location: &Location) -> Self {
        location.clone()
    }
}
