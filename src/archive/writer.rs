//! The writing of archives, whatever their container.
//!
//! ```text
//! create(TOC) -> data_file(entry) -> piece(0..n) -> write_block ... finish -> finish(manifest)
//! ```
//!
//! A format is an implementation of [`ArchiveWriter`] and an arm of [`create`], the only place that
//! chooses by format.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::toc::Toc;
use super::{ArchiveFormat, DataFileWriter, DirectoryWriter, Manifest};
use crate::codec::Compression;
use crate::error::{Error, ErrorKind, Result};
use crate::model::DumpId;

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

/// Begins an archive at `path` in the format that its header names.
///
/// # Errors
///
/// [`ErrorKind::Refused`] when something is there already, [`ErrorKind::Locked`] when another run is
/// writing to the same path, [`ErrorKind::Storage`] when it cannot be written to.
pub fn create(
    path: &Path,
    toc: Arc<Toc>,
    compression: Compression,
) -> Result<Box<dyn ArchiveWriter>> {
    match toc.header.format {
        ArchiveFormat::Directory => Ok(Box::new(DirectoryWriter::create(path, toc, compression)?)),
        ArchiveFormat::Custom | ArchiveFormat::Tar => Err(Error::new(
            ErrorKind::Usage,
            format!("archives in {} format are not written", toc.header.format.word()),
        )),
    }
}
