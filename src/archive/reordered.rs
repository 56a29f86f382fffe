//! An archive whose entries come in another order: that of a list file.

use std::io::Read;
use std::path::Path;

use super::check::ContainerChecked;
use super::{ArchiveHeader, ArchiveReader, LargeObjectFile, ManifestState, StoredData};
use crate::error::Result;
use crate::model::TocEntry;

/// An archive with its entries in an order of somebody's own.
pub struct ReorderedReader {
    archive: Box<dyn ArchiveReader>,
    entries: Vec<TocEntry>,
}

impl ReorderedReader {
    /// Takes the archive and its entries in their new order.
    pub fn new(archive: Box<dyn ArchiveReader>, entries: Vec<TocEntry>) -> Self {
        ReorderedReader { archive, entries }
    }
}

impl ArchiveReader for ReorderedReader {
    fn header(&self) -> &ArchiveHeader {
        self.archive.header()
    }

    fn entries(&self) -> &[TocEntry] {
        &self.entries
    }

    fn manifest_state(&self) -> &ManifestState {
        self.archive.manifest_state()
    }

    fn open_data(&self, entry: &TocEntry) -> Result<Box<dyn Read + Send>> {
        self.archive.open_data(entry)
    }

    fn large_objects(&self, entry: &TocEntry) -> Result<Vec<LargeObjectFile>> {
        self.archive.large_objects(entry)
    }

    fn open_large_object(&self, object: &LargeObjectFile) -> Result<Box<dyn Read + Send>> {
        self.archive.open_large_object(object)
    }

    fn data_size(&self, entry: &TocEntry) -> u64 {
        self.archive.data_size(entry)
    }

    fn path(&self) -> &Path {
        self.archive.path()
    }

    fn data_name(&self, entry: &TocEntry) -> String {
        self.archive.data_name(entry)
    }

    fn stored_data(&self, entry: &TocEntry) -> Result<Option<StoredData>> {
        self.archive.stored_data(entry)
    }

    fn stored_large_object(&self, object: &LargeObjectFile) -> Result<Option<StoredData>> {
        self.archive.stored_large_object(object)
    }

    fn check_container(&self) -> Result<ContainerChecked> {
        self.archive.check_container()
    }
}
