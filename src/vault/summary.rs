//! A backup in a line, for lists.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::backup_type::BackupType;
use super::event::Proof;
use super::id::BackupId;
use super::record::Excluded;
use super::repository::StoredBackup;

/// What a list says about a backup.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BackupSummary {
    /// Its name.
    pub id: BackupId,
    /// The database.
    pub database: String,
    /// Its type.
    pub backup_type: BackupType,
    /// When it began.
    pub started: DateTime<Utc>,
    /// How long ago that is.
    pub age_seconds: i64,
    /// Where it comes from: host, port, user.
    pub server: String,
    /// What was left out of it.
    #[serde(skip_serializing_if = "Excluded::is_empty")]
    pub excluded: Excluded,
    /// The rows of all tables.
    pub rows: u64,
    /// All of its files.
    pub stored_bytes: u64,
    /// The best that was ever proved of it.
    pub proof: Proof,
    /// Whether the last look found it damaged.
    pub damaged: bool,
    /// When somebody last looked.
    pub looked_at: Option<DateTime<Utc>>,
    /// Why it must not be dropped, when it must not.
    pub hold: Option<String>,
    /// Whether somebody has said that no more backups will come from its server.
    pub retired: bool,
    /// What a person should know about it.
    pub warnings: Vec<String>,
    /// Its folder.
    pub folder: PathBuf,
}

impl BackupSummary {
    /// Says what there is to say at a moment.
    pub fn of(backup: &StoredBackup, now: DateTime<Utc>) -> Self {
        let record = &backup.record;
        BackupSummary {
            id: record.id.clone(),
            database: record.source.database.clone(),
            backup_type: record.backup_type,
            started: record.started,
            age_seconds: (now - record.started).num_seconds(),
            server: record.source.server.clone(),
            excluded: record.excluded.clone(),
            rows: record.rows,
            stored_bytes: record.stored_bytes,
            proof: backup.proof(),
            damaged: backup.is_damaged(),
            looked_at: backup.looked_at(),
            hold: backup.hold().map(str::to_owned),
            retired: backup.is_retired(),
            warnings: record.warnings.clone(),
            folder: backup.folder().to_owned(),
        }
    }
}
