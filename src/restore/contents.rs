//! What of an archive is wanted: it is opened, brought into the order of a list file, and marked.

use std::path::PathBuf;

use crate::archive::selection::{self, Marks, RestoreSelection};
use crate::archive::{self, ArchiveReader, ReorderedReader, listing};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::progress::Progress;
use crate::store::Location;

/// An archive and what is wanted of it.
#[derive(Debug, Clone, Default)]
pub struct ContentsRequest {
    /// Where the archive is.
    pub archive: Location,
    /// The file that lists the only entries to take, in their order (`-L`).
    pub list: Option<PathBuf>,
    /// What is wanted.
    pub selection: RestoreSelection,
}

/// An opened archive, with its entries in the order in which they are wanted.
pub struct Contents {
    /// The archive.
    pub archive: Box<dyn ArchiveReader>,
    /// What is wanted of each of its entries.
    pub marks: Vec<Marks>,
    /// The names of the selection that are not in the archive, as `table "x" not found`.
    pub missing: Vec<String>,
}

impl ContentsRequest {
    /// Opens the archive and marks its entries; reads files and therefore blocks.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`], [`ErrorKind::Storage`] and [`ErrorKind::Archive`] when the archive or the
    /// list cannot be read, [`ErrorKind::NotFound`] for listed entries that are not in the archive.
    pub fn open(self, progress: &dyn Progress) -> Result<Contents> {
        let archive = archive::open(&self.archive)?;
        self.of(archive, progress)
    }

    /// Marks the entries of an archive that is opened already.
    ///
    /// # Errors
    ///
    /// As for [`open`](Self::open), of the list.
    pub fn of(
        self,
        mut archive: Box<dyn ArchiveReader>,
        progress: &dyn Progress,
    ) -> Result<Contents> {
        let mut selection = self.selection;
        if let Some(path) = &self.list {
            let shown = path.display();
            let file = std::fs::read(path)
                .context(ErrorKind::Storage, || format!("could not open TOC file \"{shown}\""))?;
            let list = listing::read_use_list(&file, archive.entries())
                .map_err(|error| Error::new(ErrorKind::NotFound, error.to_string()))?;
            for line in &list.ignored {
                progress.warning(&format!("line ignored: {line}"));
            }
            let entries = listing::in_listed_order(archive.entries(), &list.ids);
            archive = Box::new(ReorderedReader::new(archive, entries));
            selection.listed = Some(list.ids.into_iter().collect());
        }
        let missing = selection::unmatched_names(archive.entries(), &selection);
        let marks = selection::marks(archive.entries(), &selection);
        Ok(Contents { archive, marks, missing })
    }
}

impl Contents {
    /// Returns an error, in the words of `pg_restore --strict-names`, unless every name is in the archive.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] with the first name that is missing.
    pub fn require_names(&self) -> Result<()> {
        match self.missing.first() {
            Some(missing) => Err(Error::new(ErrorKind::NotFound, missing.clone())),
            None => Ok(()),
        }
    }
}
