//! What came of a clone.

use std::time::Duration;

use serde::Serialize;

use crate::restore::RestoreReport;
use crate::verify::VerifyReport;

/// What came of a clone.
#[derive(Debug, Clone, Serialize)]
pub struct CloneReport {
    /// The source's database.
    pub source: String,
    /// How many tables went in binary form.
    pub binary_tables: usize,
    /// What the target's side did.
    pub restored: RestoreReport,
    /// What the comparison found; none when it was not wanted, or when errors were ignored.
    pub proof: Option<VerifyReport>,
    /// How long carrying over took.
    #[serde(serialize_with = "crate::progress::serialize_seconds")]
    pub moved: Duration,
    /// How long everything took.
    #[serde(serialize_with = "crate::progress::serialize_seconds")]
    pub elapsed: Duration,
}
