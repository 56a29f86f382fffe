//! What `backup.json` says about a backup.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::backup_type::BackupType;
use super::event::Proof;
use super::id::BackupId;
use crate::codec::Sha256Digest;
use crate::select::{SelectionRequest, TablePattern};

/// The version of records that is written here and the only one that is read.
pub const RECORD_VERSION: u32 = 1;

/// What is known about a backup when it is made; it is never changed afterwards.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BackupRecord {
    /// [`RECORD_VERSION`].
    pub version: u32,
    /// Its name.
    pub id: BackupId,
    /// What it was made for.
    pub backup_type: BackupType,
    /// The version of pgark that made it.
    pub tool_version: String,
    /// Where it comes from.
    pub source: SourceRecord,
    /// What of the database was left out.
    #[serde(default, skip_serializing_if = "Excluded::is_empty")]
    pub excluded: Excluded,
    /// When it began. What it holds is no older than that.
    pub started: DateTime<Utc>,
    /// When it was complete.
    pub finished: DateTime<Utc>,
    /// The position in the write-ahead log that it contains, when the server told it.
    pub snapshot_lsn: Option<String>,
    /// The tables with rows in it.
    pub tables: u64,
    /// The rows of all tables.
    pub rows: u64,
    /// The rows and large objects as text.
    pub raw_bytes: u64,
    /// All of its files.
    pub stored_bytes: u64,
    /// The SHA-256 of the archive's manifest, which has those of all its files.
    pub manifest_sha256: Sha256Digest,
    /// The SHA-256 of the globals; none when there are none.
    pub globals_sha256: Option<Sha256Digest>,
    /// Whether the globals have the passwords of roles.
    pub passwords: bool,
    /// How well it was proved before it was given its name.
    pub proof: Proof,
    /// Why it must not be dropped until somebody confirms what it was made for.
    pub hold: Option<String>,
    /// What a person should know about it.
    pub warnings: Vec<String>,
}

/// Where a backup comes from; there is no secret in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceRecord {
    /// The database.
    pub database: String,
    /// Its oid.
    pub database_oid: u32,
    /// Its size on the server.
    pub database_bytes: Option<u64>,
    /// The cluster's identifier, when it could be read.
    pub system_identifier: Option<String>,
    /// The server's version as it prints it.
    pub server_version: String,
    /// Where the server was and who logged in, in words.
    pub server: String,
}

/// What of a database was left out of a backup on purpose, as patterns.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Excluded {
    /// Schemas.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schemas: Vec<String>,
    /// Tables, views and sequences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<String>,
    /// Tables whose rows were left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub table_data: Vec<String>,
}

impl Excluded {
    /// Returns what a dump leaves out; the order of patterns says nothing.
    pub fn of(selection: &SelectionRequest) -> Self {
        let texts = |patterns: &[TablePattern]| {
            sorted(patterns.iter().map(|pattern| pattern.text.clone()).collect())
        };
        Excluded {
            schemas: sorted(selection.exclude_schemas.clone()),
            tables: texts(&selection.exclude_tables),
            table_data: texts(&selection.exclude_table_data),
        }
    }

    /// Tells whether nothing was left out.
    pub fn is_empty(&self) -> bool {
        *self == Excluded::default()
    }
}

fn sorted(mut patterns: Vec<String>) -> Vec<String> {
    patterns.sort();
    patterns.dedup();
    patterns
}

impl fmt::Display for Excluded {
    /// Writes `schema x, table y, rows of z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words =
            [("schema", &self.schemas), ("table", &self.tables), ("rows of", &self.table_data)];
        let parts = words.into_iter().flat_map(|(word, patterns)| {
            patterns.iter().map(move |pattern| format!("{word} {pattern}"))
        });
        f.write_str(&parts.collect::<Vec<_>>().join(", "))
    }
}
