//! Where something is written to: a path or standard output.

use std::fmt;
use std::path::{Path, PathBuf};

/// Where something is written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// To a file, or to a directory for the directory format.
    Path(PathBuf),
    /// To standard output, where the format allows it.
    Stdout,
}

impl Output {
    /// Returns the path, unless it is standard output.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Output::Path(path) => Some(path),
            Output::Stdout => None,
        }
    }
}

impl<P: Into<PathBuf>> From<P> for Output {
    fn from(path: P) -> Self {
        Output::Path(path.into())
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Output::Path(path) => path.display().fmt(f),
            Output::Stdout => f.write_str("standard output"),
        }
    }
}
