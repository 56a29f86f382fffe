//! An archive without a name: what came through a pipe and was gathered in a file that has none.
//!
//! Nothing can lie beside it, so a manifest that its maker wrote is not gone but out of reach.

use std::io::Read;
use std::path::Path;

use super::check::{ContainerChecked, FindingKind};
use super::{ArchiveHeader, ArchiveReader, LargeObjectFile, ManifestState, StoredData};
use crate::error::Result;
use crate::model::TocEntry;

/// The folders whose names are descriptors of the process and no places in a file system.
const DESCRIPTORS: [&str; 2] = ["/proc/self/fd", "/dev/fd"];

/// Tells whether a path names a descriptor.
pub(super) fn is_descriptor(path: &Path) -> bool {
    path == Path::new("/dev/stdin") || DESCRIPTORS.iter().any(|folder| path.starts_with(folder))
}

/// An archive beside which nothing can lie.
pub(super) struct UnnamedReader {
    archive: Box<dyn ArchiveReader>,
}

impl UnnamedReader {
    pub(super) fn new(archive: Box<dyn ArchiveReader>) -> Self {
        UnnamedReader { archive }
    }
}

impl ArchiveReader for UnnamedReader {
    fn header(&self) -> &ArchiveHeader {
        self.archive.header()
    }

    fn entries(&self) -> &[TocEntry] {
        self.archive.entries()
    }

    fn manifest_state(&self) -> &ManifestState {
        match self.archive.manifest_state() {
            ManifestState::Gone => &ManifestState::NotExpected,
            known => known,
        }
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
        Path::new("standard input")
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
        let mut checked = self.archive.check_container()?;
        checked.findings.retain(|finding| finding.kind != FindingKind::ManifestGone);
        Ok(checked)
    }
}
