//! Whether an archive is what it claims to be: every checksum, every byte, every count.
//!
//! Two depths. *Quick* compares stored bytes with their checksums. *Full* also decompresses every block
//! and compares sizes, row counts and fingerprints, so it proves that the data can be read. An archive
//! without a manifest (pg_dump's) has nothing to compare with; there *full* proves that everything
//! decompresses and that each table's data end as they should.
//!
//! A finding is a value, not an error: a check goes on and names everything it finds.

mod large_objects;

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;
use serde::Serialize;

use self::large_objects::Group;
use super::manifest::{Block, ManifestData};
use super::stored_data::StoredData;
use super::{ArchiveReader, COPY_END, DataEnd};
use crate::codec::{Fingerprint, HashingReader, RowHasher, Sha256Digest};
use crate::error::{ErrorKind, Result, with_causes};
use crate::model::TocEntry;
use crate::progress::{Interrupt, ProgressHandle};

/// A block that claims to be larger than this is none of ours: they hold about 1 MiB.
const BLOCK_RAW_BYTES_MAX: u64 = 256 << 20;

/// How much decompressed data is held at once while a large table is checked on all cores.
const BATCH_RAW_BYTES: u64 = 32 << 20;

/// Tables with more blocks than this use all cores for themselves; the others are checked side by side.
const BLOCKS_FOR_ALL_CORES: usize = 16;

/// How much is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Checksums of what is stored.
    Quick,
    /// Also that all of it decompresses to what was dumped.
    Full,
}

/// What is wrong, as a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// The archive's maker writes a manifest and there is none.
    ManifestGone,
    /// The manifest is damaged or belongs to something else.
    ManifestDamaged,
    /// A file is missing.
    FileMissing,
    /// There is a file that does not belong to the archive.
    FileExtra,
    /// A file cannot be read.
    FileUnreadable,
    /// A file has another size than it had.
    SizeDiffers,
    /// A file has another checksum than it had.
    ChecksumDiffers,
    /// Stored bytes do not decompress.
    DataDamaged,
    /// Data do not end with the end marker.
    DataIncomplete,
    /// The decompressed size is another one.
    RawSizeDiffers,
    /// The number of rows is another one.
    RowsDiffer,
    /// The rows are other ones.
    FingerprintDiffers,
    /// The large objects are other ones.
    LargeObjectsDiffer,
}

/// One thing that is wrong with an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckFinding {
    /// Its class.
    pub kind: FindingKind,
    /// The file, by its name in the archive.
    pub file: String,
    /// Where in the stored file the damaged part begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// The toc entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<i32>,
    /// The table, as `schema.table`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// What is wrong with it.
    pub what: String,
}

impl CheckFinding {
    /// Makes a finding about a file as a whole.
    pub(super) fn file(kind: FindingKind, file: &str, what: impl Into<String>) -> Self {
        CheckFinding {
            kind,
            file: file.to_owned(),
            offset: None,
            entry: None,
            table: None,
            what: what.into(),
        }
    }

    /// Names what the finding is about, as `file 12.dat.zst (table public.orders)`.
    pub fn subject(&self) -> String {
        match &self.table {
            Some(table) => format!("file {} (table {table})", self.file),
            None => format!("file {}", self.file),
        }
    }
}

impl fmt::Display for CheckFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.subject())?;
        if let Some(offset) = self.offset {
            write!(f, " at offset {offset}")?;
        }
        write!(f, ": {}", self.what)
    }
}

/// The outcome of a check.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// What is wrong; empty when nothing is.
    pub findings: Vec<CheckFinding>,
    /// How many data files of tables were looked at.
    pub data_entries: u64,
    /// How many large objects were looked at.
    pub large_objects: u64,
    /// How many stored bytes were read.
    pub stored_bytes: u64,
    /// How many bytes they decompressed to; 0 in a quick check.
    pub raw_bytes: u64,
    /// How many rows there were; 0 in a quick check.
    pub rows: u64,
    /// Whether there were checksums to compare with.
    pub has_checksums: bool,
}

/// What a container says about everything that is not an entry's data.
#[derive(Debug, Default)]
pub struct ContainerChecked {
    /// What is wrong.
    pub findings: Vec<CheckFinding>,
    /// The checksums that files should have, by name, where no manifest tells them.
    pub sums: BTreeMap<String, Sha256Digest>,
    /// Whether there is anything to compare with.
    pub has_checksums: bool,
}

/// Checks an archive.
///
/// # Errors
///
/// [`ErrorKind::Interrupted`] when asked to stop. Damage is no error but a
/// finding.
pub fn check(
    reader: &dyn ArchiveReader,
    depth: Depth,
    progress: &ProgressHandle,
    interrupt: &Interrupt,
) -> Result<Checked> {
    let check = Check {
        reader,
        progress,
        interrupt,
        findings: Mutex::default(),
        stored_bytes: AtomicU64::new(0),
        raw_bytes: AtomicU64::new(0),
        rows: AtomicU64::new(0),
        large_objects: AtomicU64::new(0),
    };
    check.run(depth)
}

struct Check<'a> {
    reader: &'a dyn ArchiveReader,
    progress: &'a ProgressHandle,
    interrupt: &'a Interrupt,
    findings: Mutex<Vec<CheckFinding>>,
    stored_bytes: AtomicU64,
    raw_bytes: AtomicU64,
    rows: AtomicU64,
    large_objects: AtomicU64,
}

/// A data file with what is known about it.
struct DataFile<'a> {
    entry: &'a TocEntry,
    table: String,
    /// The name it should have.
    name: String,
    /// What the manifest says.
    data: Option<&'a ManifestData>,
    /// What it should hash to.
    digest: Option<Sha256Digest>,
    /// Its size as expected or, when nobody knows, as found.
    bytes: u64,
}

impl Check<'_> {
    fn run(&self, depth: Depth) -> Result<Checked> {
        let container = self.reader.check_container()?;
        container.findings.into_iter().for_each(|finding| self.report(finding));
        let data_files = self.data_files(&container.sums);
        let groups = self.large_object_groups(&container.sums);
        let total = data_files.iter().map(|file| file.bytes).sum::<u64>()
            + groups.iter().map(Group::bytes).sum::<u64>();
        let phase = match depth {
            Depth::Quick => "checking checksums",
            Depth::Full => "checking data",
        };
        self.progress.phase(phase, (data_files.len() + groups.len()) as u64, total);
        let (mut large, small): (Vec<&DataFile<'_>>, Vec<_>) =
            data_files.iter().partition(|file| {
                file.data.is_some_and(|data| data.blocks.len() > BLOCKS_FOR_ALL_CORES)
            });
        large.sort_by_key(|file| std::cmp::Reverse(file.bytes));
        let work = |file: &DataFile<'_>| -> Result<()> {
            self.interrupt.check()?;
            self.progress.started(&file.table, file.bytes);
            self.check_data(file, depth)?;
            self.progress.finished(&file.table);
            Ok(())
        };
        match depth {
            // Hashing one file cannot use several cores.
            Depth::Quick => data_files.par_iter().try_for_each(work)?,
            Depth::Full => {
                large.into_iter().try_for_each(work)?;
                small.into_par_iter().try_for_each(work)?;
            }
        }
        groups.iter().try_for_each(|group| self.check_group(group, depth))?;
        let mut findings =
            std::mem::take(&mut *self.findings.lock().unwrap_or_else(PoisonError::into_inner));
        findings
            .sort_by(|a, b| (&a.entry, &a.file, &a.offset).cmp(&(&b.entry, &b.file, &b.offset)));
        Ok(Checked {
            findings,
            data_entries: data_files.len() as u64,
            large_objects: self.large_objects.load(Ordering::Relaxed),
            stored_bytes: self.stored_bytes.load(Ordering::Relaxed),
            raw_bytes: self.raw_bytes.load(Ordering::Relaxed),
            rows: self.rows.load(Ordering::Relaxed),
            has_checksums: container.has_checksums,
        })
    }

    fn report(&self, finding: CheckFinding) {
        self.findings.lock().unwrap_or_else(PoisonError::into_inner).push(finding);
    }

    fn report_data(&self, kind: FindingKind, file: &DataFile<'_>, offset: Option<u64>, what: &str) {
        self.report(CheckFinding {
            kind,
            file: file.name.clone(),
            offset,
            entry: Some(file.entry.dump_id.0),
            // The name of a large object's file says which it is.
            table: (!file.entry.holds_large_objects()).then(|| file.table.clone()),
            what: what.to_owned(),
        });
    }

    fn data_files(&self, sums: &BTreeMap<String, Sha256Digest>) -> Vec<DataFile<'_>> {
        let manifest = self.reader.manifest();
        let mut files = Vec::new();
        let of_tables = |entry: &&TocEntry| entry.has_data && !entry.holds_large_objects();
        for entry in self.reader.entries().iter().filter(of_tables) {
            let data = manifest.and_then(|manifest| manifest.data_entry(entry.dump_id));
            let name = self.reader.data_name(entry);
            files.push(DataFile {
                entry,
                table: match &entry.namespace {
                    Some(namespace) => format!("{namespace}.{}", entry.tag),
                    None => format!("{} {}", entry.desc, entry.tag),
                },
                digest: data.map(|data| data.sha256).or_else(|| sums.get(&name).copied()),
                bytes: data.map_or_else(|| self.reader.data_size(entry), |data| data.stored_bytes),
                data,
                name,
            });
        }
        files
    }

    fn check_data(&self, file: &DataFile<'_>, depth: Depth) -> Result<()> {
        let opened = match self.reader.stored_data(file.entry) {
            Ok(Some(opened)) => opened,
            Ok(None) => {
                self.report_data(FindingKind::FileMissing, file, None, "it is missing");
                return Ok(());
            }
            // A link, or a file that is no part of an archive, was read well enough.
            Err(error) if error.kind() != ErrorKind::Storage => {
                self.report_data(FindingKind::DataDamaged, file, None, &with_causes(&error));
                return Ok(());
            }
            Err(error) => {
                self.unreadable(file, &error);
                return Ok(());
            }
        };
        let bytes = opened.bytes();
        if let Some(data) = file.data
            && data.stored_bytes != bytes
        {
            let what = format!("it should have {} bytes and has {bytes}", data.stored_bytes);
            self.report_data(FindingKind::SizeDiffers, file, None, &what);
        }
        self.stored_bytes.fetch_add(bytes, Ordering::Relaxed);
        match (depth, file.data) {
            (Depth::Quick, _) => self.check_sum(file, &opened, Report::Yes),
            (Depth::Full, Some(data)) => {
                let (sum, decoded) = rayon::join(
                    || self.check_sum(file, &opened, Report::No),
                    || self.check_blocks(file, data, &opened),
                );
                sum?;
                decoded
            }
            (Depth::Full, None) => {
                self.check_sum(file, &opened, Report::No)?;
                self.check_stream(file, &opened)
            }
        }
    }

    fn unreadable(&self, file: &DataFile<'_>, error: &dyn std::error::Error) {
        let what = with_causes(error);
        self.report_data(FindingKind::FileUnreadable, file, None, &what);
    }

    /// Compares the SHA-256 of the stored file.
    fn check_sum(&self, file: &DataFile<'_>, opened: &StoredData, report: Report) -> Result<()> {
        let Some(expected) = file.digest else { return Ok(()) };
        let mut reader = HashingReader::new(opened.stored());
        let mut buffer =
            vec![0; usize::try_from(opened.bytes()).unwrap_or(usize::MAX).clamp(1, 1 << 18)];
        loop {
            self.interrupt.check()?;
            match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) if report == Report::Yes => {
                    self.progress.advanced(&file.table, count as u64, 0);
                }
                Ok(_) => {}
                Err(error) => {
                    self.unreadable(file, &error);
                    return Ok(());
                }
            }
        }
        if reader.finish().0 != expected {
            self.report_data(FindingKind::ChecksumDiffers, file, None, "the SHA-256 differs");
        }
        Ok(())
    }

    /// Decompresses a file block by block, on all cores when there are many, and compares everything.
    fn check_blocks(
        &self,
        file: &DataFile<'_>,
        data: &ManifestData,
        opened: &StoredData,
    ) -> Result<()> {
        let bytes = opened.bytes();
        let mut rows = RowHasher::new();
        let mut raw_bytes = 0;
        let mut damaged = false;
        let ends = data.blocks.iter().skip(1).map(|block| block.offset).chain([bytes]);
        let blocks: Vec<(Block, u64)> = data.blocks.iter().copied().zip(ends).collect();
        let (last, blocks) = match (blocks.split_last(), file.entry.copy_statement.is_some()) {
            (Some((last, others)), true) => (Some(*last), others),
            _ => (None, blocks.as_slice()),
        };
        let mut rest = blocks;
        while !rest.is_empty() {
            self.interrupt.check()?;
            let mut batch_bytes = 0;
            let length = rest
                .iter()
                .take_while(|(block, _)| {
                    batch_bytes += block.raw_bytes.min(BLOCK_RAW_BYTES_MAX);
                    batch_bytes <= BATCH_RAW_BYTES
                })
                .count()
                .max(1);
            let (batch, others) = rest.split_at(length);
            rest = others;
            let decode = |&(block, end): &(Block, u64)| decode_block(opened, block, end);
            let decoded: Vec<_> = if batch.len() > 1 && rest.len() + length > BLOCKS_FOR_ALL_CORES {
                batch.par_iter().map(decode).collect()
            } else {
                batch.iter().map(decode).collect()
            };
            for (&(block, end), decoded) in batch.iter().zip(decoded) {
                match decoded {
                    Ok(text) => {
                        raw_bytes += text.raw_bytes;
                        text.add_to(&mut rows);
                    }
                    Err(what) => {
                        damaged = true;
                        self.report_data(FindingKind::DataDamaged, file, Some(block.offset), &what);
                    }
                }
                let stored = end.saturating_sub(block.offset);
                self.progress.advanced(&file.table, stored, block.rows);
            }
        }
        if let Some((block, end)) = last {
            raw_bytes += block.raw_bytes;
            if decode_bytes(opened, block, end).as_deref() != Ok(COPY_END) {
                damaged = true;
                let what = "the end marker is missing or damaged";
                self.report_data(FindingKind::DataIncomplete, file, Some(block.offset), what);
            }
        } else if data.blocks.is_empty() && bytes > 0 {
            damaged = true;
            let what = "the manifest has no block index";
            self.report_data(FindingKind::DataIncomplete, file, None, what);
        }
        let fingerprint = rows.finish();
        self.raw_bytes.fetch_add(raw_bytes, Ordering::Relaxed);
        self.rows.fetch_add(fingerprint.rows, Ordering::Relaxed);
        if !damaged {
            self.compare(file, data, raw_bytes, fingerprint);
        }
        Ok(())
    }

    fn compare(
        &self,
        file: &DataFile<'_>,
        data: &ManifestData,
        raw_bytes: u64,
        fingerprint: Fingerprint,
    ) {
        if raw_bytes != data.raw_bytes {
            let what = format!(
                "the data should have {} decompressed bytes and have {raw_bytes}",
                data.raw_bytes
            );
            self.report_data(FindingKind::RawSizeDiffers, file, None, &what);
        }
        // INSERT statements have no rows that could be told apart here.
        if file.entry.copy_statement.is_none() {
            return;
        }
        if fingerprint.rows != data.rows {
            let what =
                format!("the table should have {} rows and has {}", data.rows, fingerprint.rows);
            self.report_data(FindingKind::RowsDiffer, file, None, &what);
        } else if fingerprint != data.fingerprint {
            let what = "the rows are other ones than were dumped";
            self.report_data(FindingKind::FingerprintDiffers, file, None, what);
        }
    }

    /// Decompresses a file about which nothing is known but how it ends.
    fn check_stream(&self, file: &DataFile<'_>, opened: &StoredData) -> Result<()> {
        let copy = file.entry.copy_statement.is_some();
        let stored_total = file.bytes;
        let mut input = opened.open();
        let mut buffer = vec![0; 1 << 18];
        let mut end = DataEnd::of(file.entry);
        // Data that do not end well are read all the same: what decompression finds is worth more.
        let mut ended = Ok(());
        let mut raw_bytes = 0_u64;
        loop {
            self.interrupt.check()?;
            match input.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => {
                    let text = &buffer[..count];
                    raw_bytes += count as u64;
                    ended = ended.and_then(|()| end.feed(text));
                }
                Err(error) => {
                    let what = format!("after {raw_bytes} decompressed bytes: {error}");
                    self.report_data(FindingKind::DataDamaged, file, None, &what);
                    return Ok(());
                }
            }
        }
        let rows = end.rows();
        self.progress.advanced(&file.table, stored_total, if copy { rows } else { 0 });
        self.raw_bytes.fetch_add(raw_bytes, Ordering::Relaxed);
        match ended.and_then(|()| end.finish()) {
            Err(error) => {
                self.report_data(FindingKind::DataIncomplete, file, None, &error.to_string());
            }
            Ok(()) if copy => {
                self.rows.fetch_add(rows, Ordering::Relaxed);
            }
            Ok(()) => {}
        }
        Ok(())
    }
}

/// Whether reading is told to whoever watches, or somebody else tells it already.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Report {
    Yes,
    No,
}

/// The text of one block, ready to be joined with its neighbours: rows may span blocks.
struct BlockText {
    raw_bytes: u64,
    /// Up to and with the first newline; the whole block when it has none.
    head: Vec<u8>,
    /// The rows that begin and end in the block.
    whole: Fingerprint,
    /// What follows the last newline.
    tail: Vec<u8>,
}

impl BlockText {
    fn new(text: &[u8]) -> Self {
        let first = memchr::memchr(b'\n', text).map_or(text.len(), |newline| newline + 1);
        let last = memchr::memrchr(b'\n', text).map_or(text.len(), |newline| newline + 1);
        let mut whole = RowHasher::new();
        if first < last {
            whole.feed(&text[first..last]);
        }
        BlockText {
            raw_bytes: text.len() as u64,
            head: text[..first].to_vec(),
            whole: whole.finish(),
            tail: text[last.max(first)..].to_vec(),
        }
    }

    fn add_to(&self, rows: &mut RowHasher) {
        rows.feed(&self.head);
        rows.add_complete(self.whole);
        rows.feed(&self.tail);
    }
}

fn decode_block(opened: &StoredData, block: Block, end: u64) -> Result<BlockText, String> {
    let text = decode_bytes(opened, block, end)?;
    let rows = memchr::memchr_iter(b'\n', &text).count() as u64;
    if rows != block.rows {
        return Err(format!("the block should have {} rows and has {rows}", block.rows));
    }
    Ok(BlockText::new(&text))
}

/// Decompresses what stands between a block's offset and the next one's.
fn decode_bytes(opened: &StoredData, block: Block, end: u64) -> Result<Vec<u8>, String> {
    if block.raw_bytes > BLOCK_RAW_BYTES_MAX || end < block.offset {
        return Err("the block index is impossible".to_owned());
    }
    let mut text = Vec::with_capacity(block.raw_bytes.min(4 << 20) as usize);
    // One byte more than expected, so that more than expected is noticed without reading all of it.
    opened
        .open_block(block.offset, end)
        .take(block.raw_bytes + 1)
        .read_to_end(&mut text)
        .map_err(|error| error.to_string())?;
    if text.len() as u64 != block.raw_bytes {
        return Err(format!(
            "the block should have {} decompressed bytes and has {}{}",
            block.raw_bytes,
            if text.len() as u64 > block.raw_bytes { "at least " } else { "" },
            text.len()
        ));
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
