//! What came of running a script.

use std::time::Duration;

use serde::Serialize;

use crate::error::{Error, ErrorKind};
use crate::restore::{SequenceFinding, TableReport};

/// A statement that failed without ending the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ScriptFailure {
    /// The line of the script the error is about.
    pub line: u64,
    /// The character in that line, counted from 1, when the server pointed at one.
    pub column: Option<u64>,
    /// The beginning of the statement.
    pub statement: String,
    /// The SQLSTATE, when the server refused.
    pub sqlstate: Option<String>,
    /// What the server said.
    pub message: String,
}

/// What the restore of a script did.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ScriptReport {
    /// The script.
    pub script: String,
    /// The databases it ran in, in the order of the script.
    pub databases: Vec<String>,
    /// Statements that succeeded.
    pub statements: u64,
    /// Statements that were not run, because their transaction had failed or the target does not know
    /// the setting.
    pub skipped: u64,
    /// The tables whose rows came with COPY, in the order of the script.
    pub tables: Vec<TableReport>,
    /// Rows that came with COPY.
    pub rows: u64,
    /// Bytes of these rows.
    pub bytes: u64,
    /// Bytes of the script as it is stored.
    pub stored_bytes: u64,
    /// Bytes of the script's text.
    pub text_bytes: u64,
    /// How many statements failed.
    pub errors: u64,
    /// The first of them; a script can fail in every line.
    pub ignored: Vec<ScriptFailure>,
    /// The tables whose rows a manifest beside the script promises; none when there is no manifest, or when
    /// the rows are INSERT statements.
    pub expected_tables: usize,
    /// How many of them were loaded with exactly these rows.
    pub proved_tables: usize,
    /// Whether the script has the checksum that was written beside it.
    pub checksum_fits: bool,
    /// Sequences that lay behind their column.
    pub sequences: Vec<SequenceFinding>,
    /// Databases whose optimizer statistics were collected at the end.
    pub analyzed: u64,
    /// How long it took.
    #[serde(rename = "seconds", serialize_with = "crate::progress::serialize_seconds")]
    pub time: Duration,
}

impl ScriptReport {
    /// Returns the table that took longest.
    pub fn slowest_table(&self) -> Option<&TableReport> {
        self.tables.iter().max_by_key(|table| table.time)
    }

    /// Returns the failure that the ignored errors amount to: kind [`ErrorKind::Partial`].
    pub fn partial(&self) -> Option<Error> {
        let first = self.ignored.first()?;
        let plural = if self.errors == 1 { "" } else { "s" };
        let what = format!("restored with {} error{plural} ignored", self.errors);
        Some(
            Error::new(ErrorKind::Partial, what)
                .with_hint(format!(
                    "the first was at {}:{}: {}",
                    self.script, first.line, first.message
                ))
                .with_hint("--exit-on-error stops at the first one"),
        )
    }
}
