//! What a run of backups has done.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::error::{Error, ErrorKind, with_causes};
use crate::vault::id::BackupId;
use crate::vault::prune::PrunedBackup;
use crate::vault::record::BackupRecord;

/// What a run of backups has done.
#[derive(Debug, Clone, Default, Serialize)]
pub struct BackupReport {
    /// The backups that were made.
    pub backups: Vec<MadeBackup>,
    /// The databases of which none was made.
    pub failed: Vec<FailedBackup>,
    /// How long everything took, in seconds.
    #[serde(rename = "elapsed_seconds", serialize_with = "crate::progress::serialize_seconds")]
    pub elapsed: Duration,
}

/// A backup that was made.
#[derive(Debug, Clone, Serialize)]
pub struct MadeBackup {
    /// Its record.
    #[serde(flatten)]
    pub record: BackupRecord,
    /// Its folder.
    pub folder: PathBuf,
    /// How long it took, in seconds.
    #[serde(rename = "elapsed_seconds", serialize_with = "crate::progress::serialize_seconds")]
    pub elapsed: Duration,
    /// How long it took of that to read it again, in seconds.
    #[serde(rename = "verify_seconds", serialize_with = "crate::progress::serialize_seconds")]
    pub verifying: Duration,
    /// The newest proved backup that has rows, when this one has none.
    pub rows_vanished_since: Option<BackupId>,
    /// The backups that the policy does not keep.
    pub expired: Vec<PrunedBackup>,
    /// Whether they were dropped.
    pub expired_are_dropped: bool,
    /// Why they were not although they should be.
    pub not_dropped: Option<String>,
    /// What went wrong when the backup was made and whole.
    pub afterwards: Option<Afterwards>,
    /// How many backups of the database there are now.
    pub kept: usize,
}

/// Something that went wrong when a backup was made and whole; the backup is there.
#[derive(Debug, Clone, Serialize)]
pub struct Afterwards {
    /// The class of the failure.
    #[serde(skip)]
    pub kind: ErrorKind,
    /// The stable word for it.
    pub code: &'static str,
    /// What went wrong, with its causes.
    pub message: String,
}

impl Afterwards {
    /// Takes down a failure.
    pub(super) fn of(error: &Error) -> Self {
        let kind = error.kind();
        Afterwards { kind, code: kind.code(), message: with_causes(error) }
    }
}

/// A database of which no backup was made.
#[derive(Debug, Clone, Serialize)]
pub struct FailedBackup {
    /// The database.
    pub database: String,
    /// The stable word for the kind of failure.
    pub code: &'static str,
    /// What went wrong, with its causes.
    pub message: String,
}

impl FailedBackup {
    /// Takes down a failure.
    pub(super) fn of(database: &str, error: &Error) -> Self {
        FailedBackup {
            database: database.to_owned(),
            code: error.kind().code(),
            message: with_causes(error),
        }
    }
}
