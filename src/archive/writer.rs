//! The writing of archives, whatever their container.
//!
//! ```text
//! create(TOC) -> data_file(entry) -> piece(0..n) -> write_block ... finish -> finish(manifest)
//! ```
//!
//! A format is an implementation of [`ArchiveWriter`] and an arm of [`create`], the only place that
//! chooses by format.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::toc::Toc;
use super::{
    ArchiveFormat, CustomWriter, DataFileWriter, DirectoryWriter, LargeObjectsWriter, Manifest,
    TarWriter,
};
use crate::codec::Compression;
use crate::error::{Error, ErrorKind, Result};
use crate::model::DumpId;
use crate::store::{Durability, Existing, Location, Output};

/// An archive in the making.
///
/// Nothing appears under its name before [`ArchiveWriter::finish`] has succeeded; dropping it removes
/// everything. Entries may be written side by side and in any order.
pub trait ArchiveWriter: fmt::Debug + Send + Sync {
    /// Begins the data of an entry.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Storage`] when there is no place for it.
    fn data_file(&self, dump_id: DumpId) -> Result<DataFileWriter>;

    /// Begins the large objects of an entry.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Storage`] when there is no place for them.
    fn large_objects(&self, dump_id: DumpId) -> Result<Box<dyn LargeObjectsWriter>>;

    /// Tells in which order entries are best completed.
    fn order(&self) -> DataOrder {
        DataOrder::Any
    }

    /// Completes the archive and makes it durable.
    ///
    /// The manifest's fields about the archive itself are set here. Without a manifest (a drop-in run)
    /// neither it nor the checksums are written.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Storage`] when the disk fails, [`ErrorKind::Refused`] when something has appeared
    /// under the archive's name, [`ErrorKind::Internal`] when entries and data do not fit together.
    fn finish(self: Box<Self>, manifest: Option<Manifest>) -> Result<()>;
}

/// In which order an archive takes data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataOrder {
    /// In any.
    Any,
    /// In that of the entries: what is complete before its turn waits on disk.
    OfEntries,
}

/// Where an archive is written.
#[derive(Debug, Clone)]
pub struct ArchivePlace {
    /// A path, a bucket for directories, or standard output for formats that are a single file.
    pub output: Output,
    /// What becomes of a file that is already there; a directory is never replaced.
    pub existing: Existing,
    /// Where data may wait when the output is no file with a folder of its own.
    pub spool_folder: PathBuf,
    /// Whether to wait for the disk.
    pub durability: Durability,
}

impl ArchivePlace {
    /// Tells whether a manifest can lie with the archive: not when it goes to a pipe or a device.
    pub fn keeps_manifest(&self) -> bool {
        match &self.output {
            Output::Path(path) => {
                std::fs::metadata(path).map_or(true, |found| found.is_file() || found.is_dir())
            }
            Output::Object(_) => true,
            Output::Stdout => false,
        }
    }
}

impl<P: Into<PathBuf>> From<P> for ArchivePlace {
    /// A path at which nothing may be yet.
    fn from(path: P) -> Self {
        let path = path.into();
        ArchivePlace {
            spool_folder: path.parent().unwrap_or(Path::new(".")).to_owned(),
            output: path.into(),
            existing: Existing::Refuse,
            durability: Durability::Synced,
        }
    }
}

/// Begins an archive in the format that its header names.
///
/// # Errors
///
/// [`ErrorKind::Refused`] when something is there already, [`ErrorKind::Locked`] when another run is
/// writing to the same path, [`ErrorKind::Storage`] when it cannot be written to, [`ErrorKind::Usage`]
/// when the format cannot be written there.
pub fn create(
    place: &ArchivePlace,
    toc: Arc<Toc>,
    compression: Compression,
) -> Result<Box<dyn ArchiveWriter>> {
    let directory = |location: &Location| -> Result<Box<dyn ArchiveWriter>> {
        let (durability, spool_folder) = (place.durability, &place.spool_folder);
        let toc = Arc::clone(&toc);
        let writer = DirectoryWriter::create(location, durability, spool_folder, toc, compression)?;
        Ok(Box::new(writer))
    };
    match toc.header.format {
        ArchiveFormat::Directory => match &place.output {
            Output::Path(path) => directory(&path.into()),
            Output::Object(prefix) => directory(&Location::Object(prefix.clone())),
            Output::Stdout => Err(Error::new(
                ErrorKind::Usage,
                "a directory cannot be written to standard output",
            )
            .with_hint("name a directory with -f, or choose --format custom")),
        },
        ArchiveFormat::Custom => Ok(Box::new(CustomWriter::create(place, toc, compression)?)),
        ArchiveFormat::Tar => Ok(Box::new(TarWriter::create(place, toc, compression)?)),
        ArchiveFormat::Plain => {
            Err(Error::new(ErrorKind::Internal, "a script is no archive with a table of contents"))
        }
    }
}
