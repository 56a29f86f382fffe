//! What came of a managed restore.

use std::time::Duration;

use serde::Serialize;

use crate::restore::TableReport;
use crate::vault::side::Proof;

/// How a run ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The restored database stands under its name.
    Restored,
    /// The database that was there stands under its name again.
    RolledBack,
    /// What was restored beside it is dropped; the database was not replaced in the first place.
    GivenUp,
}

/// What a run did.
#[derive(Debug, Clone, Serialize)]
pub struct ManagedReport {
    /// The run.
    pub id: String,
    /// How it ended.
    pub outcome: Outcome,
    /// The database.
    pub database: String,
    /// What was restored.
    pub backup: String,
    /// Where the database is that was replaced, or that was taken back.
    pub kept: Option<String>,
    /// Until when.
    pub kept_until: Option<chrono::DateTime<chrono::Utc>>,
    /// Rows that were restored in this run.
    pub rows: u64,
    /// Tables that were loaded in this run.
    pub tables: Vec<TableReport>,
    /// The proof, when this run made it.
    pub proof: Option<Proof>,
    /// Rows that were written in the old database while the new one was restored: they are in the old one alone.
    pub rows_written_meanwhile: Option<i64>,
    /// Sessions that were ended.
    pub sessions_ended: usize,
    /// Subscriptions that are there without their slots.
    pub detached_subscriptions: Vec<String>,
    /// Databases of earlier runs that were dropped.
    pub dropped: Vec<String>,
    /// The position of the log up to which the backup holds everything.
    pub lsn: Option<String>,
    /// Bytes of log that the server had written since then, for all its databases together.
    pub written_since: Option<u64>,
    /// What a person should know.
    pub notes: Vec<String>,
    /// How long it took.
    #[serde(rename = "seconds", serialize_with = "crate::progress::serialize_seconds")]
    pub time: Duration,
}

impl ManagedReport {
    pub(super) fn new(id: &str, database: &str, backup: &str) -> Self {
        ManagedReport {
            id: id.to_owned(),
            outcome: Outcome::Restored,
            database: database.to_owned(),
            backup: backup.to_owned(),
            kept: None,
            kept_until: None,
            rows: 0,
            tables: Vec::new(),
            proof: None,
            rows_written_meanwhile: None,
            sessions_ended: 0,
            detached_subscriptions: Vec::new(),
            dropped: Vec::new(),
            lsn: None,
            written_since: None,
            notes: Vec::new(),
            time: Duration::ZERO,
        }
    }
}
