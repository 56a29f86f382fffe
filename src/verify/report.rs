//! What a verification found.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// Something that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is about, such as `table public.orders` or `toc.dat`.
    pub subject: String,
    /// What is wrong with it.
    pub what: String,
}

impl Finding {
    /// Makes a finding.
    pub fn new(subject: impl Into<String>, what: impl Into<String>) -> Self {
        Finding { subject: subject.into(), what: what.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.what)
    }
}

/// The result of a verification.
#[derive(Debug, Clone, Default, Serialize)]
pub struct VerifyReport {
    /// What is wrong; empty when the archive is whole and the database equal to it.
    pub findings: Vec<Finding>,
    /// Whether nothing was found but files that cannot be read, which says nothing about what is in them.
    pub out_of_reach: bool,
    /// What a person should know although nothing is wrong.
    pub notes: Vec<Finding>,
    /// Data entries that were checked.
    pub data_entries: u64,
    /// Stored bytes that were read.
    pub stored_bytes: u64,
    /// Rows that were counted in the archive.
    pub rows: u64,
    /// Large objects that were checked.
    pub large_objects: u64,
    /// Large objects compared with the live database.
    pub large_objects_compared: u64,
    /// Tables compared with the live database.
    pub tables_compared: u64,
    /// Rows read from the live database.
    pub live_rows: u64,
    /// Definitions compared with the live database.
    pub definitions_compared: u64,
    /// How long it took.
    #[serde(serialize_with = "crate::progress::serialize_seconds")]
    pub elapsed: Duration,
}

impl VerifyReport {
    /// Tells whether nothing was found.
    pub fn is_sound(&self) -> bool {
        self.findings.is_empty()
    }
}
