//! What a dump has done.

use std::fmt;
use std::time::Duration;

use bytesize::ByteSize;
use serde::Serialize;

use crate::archive::ManifestLargeObjects;
use crate::codec::Fingerprint;

/// The outcome of a dump that succeeded.
#[derive(Debug, Clone, Serialize)]
pub struct DumpReport {
    /// The archive.
    pub output: String,
    /// The database.
    pub database: String,
    /// The server's version.
    pub server_version: String,
    /// The entries of the table of contents.
    pub entries: usize,
    /// The rows of all tables.
    pub rows: u64,
    /// The bytes of COPY text of all tables.
    pub raw_bytes: u64,
    /// The bytes of all data files.
    pub stored_bytes: u64,
    /// How long everything took, in seconds.
    #[serde(rename = "elapsed_seconds", serialize_with = "crate::progress::serialize_seconds")]
    pub elapsed: Duration,
    /// How often a connection was lost and its piece read again.
    pub restarts: u64,
    /// How many pieces the keeper had to read because somebody waited for their table's lock.
    pub yielded: u64,
    /// The tables, in the order of the archive.
    pub tables: Vec<TableReport>,
    /// The large objects.
    pub large_objects: LargeObjectsReport,
    /// What a person should know.
    pub warnings: Vec<String>,
}

/// What was dumped of large objects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct LargeObjectsReport {
    /// How many there are.
    pub objects: u64,
    /// Their bytes.
    pub raw_bytes: u64,
    /// The bytes of their files.
    pub stored_bytes: u64,
}

impl LargeObjectsReport {
    /// Adds up what the manifest says.
    pub(super) fn of(entries: &[ManifestLargeObjects]) -> Self {
        let mut report = LargeObjectsReport::default();
        for object in entries.iter().flat_map(|entry| &entry.objects) {
            report.objects += 1;
            report.raw_bytes += object.raw_bytes;
            report.stored_bytes += object.stored_bytes;
        }
        report
    }
}

impl fmt::Display for LargeObjectsReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (raw, stored) = (ByteSize(self.raw_bytes), ByteSize(self.stored_bytes));
        write!(f, "{} large objects, {raw} stored in {stored}", self.objects)
    }
}

/// What was dumped of one table.
#[derive(Debug, Clone, Serialize)]
pub struct TableReport {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Its rows and what they are.
    pub fingerprint: Fingerprint,
    /// The bytes of its COPY text.
    pub raw_bytes: u64,
    /// The bytes of its data file.
    pub stored_bytes: u64,
    /// The time that connections spent reading it, in seconds; more than the wall clock when several
    /// read it at once.
    #[serde(rename = "reading_seconds", serialize_with = "crate::progress::serialize_seconds")]
    pub reading: Duration,
}

impl DumpReport {
    /// Returns the table that took longest.
    pub fn slowest_table(&self) -> Option<&TableReport> {
        self.tables.iter().max_by_key(|table| table.reading)
    }
}

impl fmt::Display for DumpReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.elapsed.as_secs_f64();
        writeln!(f, "dumped {} to {}", self.database, self.output)?;
        writeln!(
            f,
            "{} entries, {} tables, {} rows, {} of rows stored in {}",
            self.entries,
            self.tables.len(),
            self.rows,
            ByteSize(self.raw_bytes),
            ByteSize(self.stored_bytes)
        )?;
        if self.large_objects.objects > 0 {
            writeln!(f, "{}", self.large_objects)?;
        }
        let speed = ByteSize(
            ((self.raw_bytes + self.large_objects.raw_bytes) as f64 / seconds.max(0.001)) as u64,
        );
        write!(f, "{seconds:.1} s, {speed}/s")?;
        if let Some(table) = self.slowest_table() {
            write!(
                f,
                ", longest: {} ({:.1} s)",
                crate::sql::qualified(&table.schema, &table.name),
                table.reading.as_secs_f64()
            )?;
        }
        writeln!(f)?;
        if self.restarts > 0 {
            writeln!(f, "{} pieces were read again after a lost connection", self.restarts)?;
        }
        Ok(())
    }
}
