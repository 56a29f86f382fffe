//! The reading of a custom archive: every entry at its place, by any number of threads.
//!
//! An archive that was written to a pipe does not say where its data are; then the blocks are passed
//! over once, when the first of them is wanted.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::blocks::{FoundBlock, Scanner};
use super::{LARGE_OBJECTS_BLOCK, TABLE_BLOCK};
use crate::archive::check::ContainerChecked;
use crate::archive::primitive::FormatError;
use crate::archive::reader::{ArchiveReader, LargeObjectFile, ManifestState, Named};
use crate::archive::single_file::Beside;
use crate::archive::stored_data::{Layout, StoredData};
use crate::archive::toc::{self, PlacedToc};
use crate::archive::{ArchiveHeader, Manifest};
use crate::codec::HashingReader;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{DumpId, TocEntry};
use crate::store::{Content, FileContent, Part};

/// A custom archive, opened.
#[derive(Debug)]
pub struct CustomReader {
    path: PathBuf,
    pub(super) content: Arc<dyn Content>,
    /// The size of the file.
    pub(super) bytes: u64,
    pub(super) toc: PlacedToc,
    manifest: ManifestState,
    /// The positions of all blocks that are known, in order.
    positions: Vec<u64>,
    /// The blocks that were passed over, when somebody needed to.
    scanned: OnceLock<HashMap<DumpId, FoundBlock>>,
}

impl CustomReader {
    /// Opens a custom archive: reads its table of contents, and the manifest beside it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Archive`] when it is not an archive or its table of contents is damaged.
    pub fn open(path: &Path) -> Result<Self> {
        let shown = path.display().to_string();
        let file = File::open(path).map_err(|error| storage(&shown, error))?;
        Self::of_file(file, path, Beside::of(path).read_manifest())
    }

    /// Opens a custom archive in a file that has no name of its own, so that no manifest can be beside.
    pub(in crate::archive) fn of_file(
        file: File,
        path: &Path,
        manifest: Result<Option<Manifest>>,
    ) -> Result<Self> {
        let shown = path.display().to_string();
        let content = FileContent::new(file).map_err(|error| storage(&shown, error))?;
        let content: Arc<dyn Content> = Arc::new(content);
        let bytes = content.bytes();
        let whole = Part::whole(Arc::clone(&content));
        let toc = toc::read_placed(BufReader::with_capacity(1 << 18, whole.open()), &shown)?;
        let mut head = HashingReader::new(whole.open().take(toc.bytes));
        io::copy(&mut head, &mut io::sink()).map_err(|error| storage(&shown, error))?;
        let manifest = ManifestState::judge(manifest, &toc.toc, head.finish().0, toc.bytes);
        let mut positions: Vec<u64> = toc.positions.values().copied().flatten().collect();
        positions.sort_unstable();
        Ok(CustomReader {
            path: path.to_owned(),
            content,
            bytes,
            toc,
            manifest,
            positions,
            scanned: OnceLock::new(),
        })
    }

    /// Returns what passes over the blocks from a place on.
    pub(super) fn scanner(&self, from: u64) -> Scanner {
        let part = Part::between(Arc::clone(&self.content), from, self.bytes);
        Scanner::new(part.open(), self.toc.toc.header.int_size)
    }

    /// Returns where the block of an entry begins.
    fn position(&self, entry: &TocEntry) -> Result<u64> {
        if let Some(Some(position)) = self.toc.positions.get(&entry.dump_id) {
            return Ok(*position);
        }
        let blocks = match self.scanned.get() {
            Some(blocks) => blocks,
            None => {
                let blocks = self.scan()?;
                self.scanned.get_or_init(|| blocks)
            }
        };
        let block = blocks.get(&entry.dump_id).ok_or_else(|| {
            self.damaged(format!(
                "could not find the data of {}: the archive may be cut or damaged",
                entry.describe()
            ))
        })?;
        Ok(block.position)
    }

    fn scan(&self) -> Result<HashMap<DumpId, FoundBlock>> {
        let mut scanner = self.scanner(self.toc.bytes);
        let mut blocks = HashMap::new();
        while let Some(block) = scanner
            .next_block()
            .map_err(|error| self.at(scanner.position(), "find the data", error))?
        {
            // As for pg_restore, the first block of an entry is the one that counts.
            blocks.entry(block.dump_id).or_insert(block);
        }
        Ok(blocks)
    }

    /// Opens the block of an entry and returns where its content begins.
    fn enter(&self, entry: &TocEntry, expected: u8) -> Result<Scanner> {
        let position = self.position(entry)?;
        let what = format!("read the data of {}", entry.describe());
        if position < self.toc.bytes || position >= self.bytes {
            return Err(self.damaged(format!(
                "could not {what}: they should be at offset {position} of {} bytes",
                self.bytes
            )));
        }
        let mut scanner = self.scanner(position);
        let (_, kind, dump_id) = scanner.head().map_err(|error| self.at(position, &what, error))?;
        if dump_id != entry.dump_id || kind != expected {
            return Err(self.damaged(format!(
                "could not {what}: at offset {position} there is a block of type {kind} for toc entry {dump_id}"
            )));
        }
        Ok(scanner)
    }

    fn damaged(&self, what: String) -> Error {
        Error::new(ErrorKind::Archive, format!("\"{}\": {what}", self.path.display()))
    }

    fn at(&self, offset: u64, what: &str, source: FormatError) -> Error {
        let kind = match &source {
            FormatError::Io(error) if !toc::is_damage(error) => ErrorKind::Storage,
            _ => ErrorKind::Archive,
        };
        let shown = self.path.display();
        Error::new(kind, format!("\"{shown}\": could not {what} at offset {offset}"))
            .with_source(source)
    }

    /// Returns where the content of a block ends at the latest when only its position is known.
    fn end_after(&self, position: u64) -> u64 {
        let next = self.positions.partition_point(|&other| other <= position);
        self.positions.get(next).copied().unwrap_or(self.bytes).min(self.bytes)
    }

    fn data_at(&self, offset: u64, end: u64) -> StoredData {
        let header = &self.toc.toc.header;
        StoredData {
            bytes: Part::between(Arc::clone(&self.content), offset, end),
            algorithm: header.algorithm,
            layout: Layout::Chunks { int_size: header.int_size },
        }
    }

    fn named(&self, data: &StoredData) -> Box<dyn Read + Send> {
        Box::new(Named::new(data.open(), self.path.clone()))
    }
}

fn storage(shown: &str, source: io::Error) -> Error {
    Error::new(ErrorKind::Storage, format!("could not read archive \"{shown}\""))
        .with_source(source)
}

impl ArchiveReader for CustomReader {
    fn header(&self) -> &ArchiveHeader {
        &self.toc.toc.header
    }

    fn entries(&self) -> &[TocEntry] {
        &self.toc.toc.entries
    }

    fn manifest_state(&self) -> &ManifestState {
        &self.manifest
    }

    fn open_data(&self, entry: &TocEntry) -> Result<Box<dyn Read + Send>> {
        if !entry.has_data {
            return Err(self.damaged(format!("{} has no data", entry.describe())));
        }
        let data = self.enter(entry, TABLE_BLOCK)?.position();
        Ok(self.named(&self.data_at(data, self.bytes)))
    }

    fn large_objects(&self, entry: &TocEntry) -> Result<Vec<LargeObjectFile>> {
        let mut scanner = self.enter(entry, LARGE_OBJECTS_BLOCK)?;
        let mut objects = Vec::new();
        while let Some(object) = scanner.next_object().map_err(|error| {
            self.at(scanner.position(), &format!("list {}", entry.describe()), error)
        })? {
            objects.push(LargeObjectFile {
                oid: object.oid,
                file: format!("blob_{}.dat", object.oid),
                position: object.data,
            });
        }
        Ok(objects)
    }

    fn open_large_object(&self, object: &LargeObjectFile) -> Result<Box<dyn Read + Send>> {
        Ok(self.named(&self.data_at(object.position, self.bytes)))
    }

    fn data_size(&self, entry: &TocEntry) -> u64 {
        match self.toc.positions.get(&entry.dump_id) {
            Some(Some(position)) => self.end_after(*position).saturating_sub(*position),
            _ => 0,
        }
    }

    fn path(&self) -> &Path {
        &self.path
    }

    fn data_name(&self, _entry: &TocEntry) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    fn stored_data(&self, entry: &TocEntry) -> Result<Option<StoredData>> {
        let position = self.position(entry)?;
        let kind = if entry.holds_large_objects() { LARGE_OBJECTS_BLOCK } else { TABLE_BLOCK };
        let start = self.enter(entry, kind)?.position();
        let end = match self.scanned.get().and_then(|blocks| blocks.get(&entry.dump_id)) {
            Some(block) => block.end,
            None => self.end_after(position),
        };
        Ok(Some(self.data_at(start, end.max(start))))
    }

    fn stored_large_object(&self, object: &LargeObjectFile) -> Result<Option<StoredData>> {
        Ok(Some(self.data_at(object.position, self.bytes)))
    }

    fn check_container(&self) -> Result<ContainerChecked> {
        super::check::check(self)
    }
}
