//! What came of a restore.

use std::time::Duration;

use serde::Serialize;

use crate::connect::server_error;
use crate::error::{Error, ErrorKind};
use crate::model::{DumpId, TocEntry};
use crate::progress::{FailedPart, Failure, Progress};

/// An error that did not end the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IgnoredError {
    /// The number of the entry; 0 for what belongs to none.
    pub dump_id: i32,
    /// The entry in words: kind, schema and name.
    pub entry: String,
    /// The statement that failed.
    pub statement: String,
    /// The SQLSTATE, when the server refused.
    pub sqlstate: Option<String>,
    /// What the server said.
    pub message: String,
}

impl IgnoredError {
    /// Reports what failed and returns it for the final report.
    pub(super) fn tell(
        entry: &TocEntry,
        part: FailedPart,
        statement: &str,
        error: &Error,
        progress: &dyn Progress,
    ) -> Self {
        let ignored = Self::new(entry, statement, error);
        let listed = format!(
            "{}; {} {} {} {} {}",
            entry.dump_id,
            entry.catalog_id.class,
            entry.catalog_id.oid,
            entry.desc,
            entry.tag,
            entry.owner.as_deref().unwrap_or("(no owner)")
        );
        progress.failed(&Failure {
            entry: &ignored.entry,
            tag: &entry.tag,
            listed: &listed,
            part,
            statement,
            message: &ignored.message,
            error,
        });
        ignored
    }

    /// Reports a statement that failed before any entry's.
    pub(super) fn tell_of_session(statement: &str, error: &Error, progress: &dyn Progress) -> Self {
        let entry = TocEntry::new(DumpId(0), "", "");
        let ignored = IgnoredError { entry: String::new(), ..Self::new(&entry, statement, error) };
        progress.failed(&Failure {
            entry: "",
            tag: "",
            listed: "",
            part: FailedPart::Load,
            statement,
            message: &ignored.message,
            error,
        });
        ignored
    }

    fn new(entry: &TocEntry, statement: &str, error: &Error) -> Self {
        let server = server_error(error);
        IgnoredError {
            dump_id: entry.dump_id.0,
            entry: entry.describe(),
            statement: statement.trim().to_owned(),
            sqlstate: server.map(|server| server.sqlstate.clone()),
            message: match server {
                Some(server) => server.to_string(),
                None => error.to_string(),
            },
        }
    }

    /// Returns the number of the entry.
    pub fn dump_id(&self) -> DumpId {
        DumpId(self.dump_id)
    }
}

/// A sequence that lay behind the column it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SequenceFinding {
    /// The sequence, quoted and qualified.
    pub sequence: String,
    /// The column, as `schema.table.column`.
    pub column: String,
    /// The value the sequence would have given next.
    pub next_value: i64,
    /// The outermost value in the column.
    pub column_value: i64,
    /// Whether it was moved; a cycling sequence or one at its limit is not.
    pub moved: bool,
}

/// One table's share of the work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TableReport {
    /// The table, quoted and qualified.
    pub table: String,
    /// Rows the server has stored.
    pub rows: u64,
    /// Bytes of COPY text.
    pub bytes: u64,
    /// Bytes in the archive.
    pub stored_bytes: u64,
    /// How long loading took.
    #[serde(rename = "seconds", serialize_with = "crate::progress::serialize_seconds")]
    pub time: Duration,
}

/// What a restore did.
#[derive(Debug, Clone, Default, Serialize)]
pub struct RestoreReport {
    /// The database that was restored into.
    pub database: String,
    /// Every table whose data was loaded, in the order of the archive.
    pub tables: Vec<TableReport>,
    /// Large objects that were loaded.
    pub large_objects: u64,
    /// Rows of all tables.
    pub rows: u64,
    /// Bytes of all tables, as COPY text.
    pub bytes: u64,
    /// Bytes of all tables in the archive.
    pub stored_bytes: u64,
    /// Definitions, privileges and other statements that ran, counted by entry.
    pub entries: u64,
    /// Whether row counts and fingerprints were compared with a manifest while loading.
    pub checked: bool,
    /// How many tables should have got rows.
    pub wanted_tables: usize,
    /// How long it took.
    #[serde(rename = "seconds", serialize_with = "crate::progress::serialize_seconds")]
    pub time: Duration,
    /// Errors that were ignored, in the order of the archive.
    pub ignored: Vec<IgnoredError>,
    /// Sequences that lay behind their column.
    pub sequences: Vec<SequenceFinding>,
    /// Tables that were analyzed at the end.
    pub analyzed: u64,
}

impl RestoreReport {
    /// Returns the table that took longest.
    pub fn slowest_table(&self) -> Option<&TableReport> {
        self.tables.iter().max_by_key(|table| table.time)
    }

    /// Returns the failure that the ignored errors amount to: kind [`ErrorKind::Partial`].
    pub fn partial(&self) -> Option<Error> {
        partial(self.ignored.iter())
    }
}

/// Returns the failure that ignored errors amount to, if there are any.
pub(super) fn partial<'a>(mut ignored: impl Iterator<Item = &'a IgnoredError>) -> Option<Error> {
    let first = ignored.next()?;
    let count = 1 + ignored.count();
    let plural = if count == 1 { "" } else { "s" };
    Some(
        Error::new(ErrorKind::Partial, format!("restored with {count} error{plural} ignored"))
            .with_hint(format!("the first was at {}: {}", first.entry, first.message))
            .with_hint("--exit-on-error stops at the first one"),
    )
}
