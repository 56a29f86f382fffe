//! What happened to a backup after it was made: a file for each event in the history of its database.
//!
//! Events are never changed or removed with the backup they are about, so that the history tells also of
//! backups that are gone.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::id::BackupId;

/// The version of events that is written here and the only one that is read.
pub(super) const EVENT_VERSION: u32 = 1;

/// How well a backup is known to be whole, from the least to the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Proof {
    /// Nobody has looked at it since it was written.
    None,
    /// The stored bytes are those that were written.
    Stored,
    /// Every byte was decoded; rows and fingerprints are those that were read from the server.
    Decoded,
    /// It was restored, and the result was equal.
    Restored,
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Proof::None => "none",
            Proof::Stored => "stored",
            Proof::Decoded => "decoded",
            Proof::Restored => "restored",
        })
    }
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventKind {
    /// It was looked at and is whole.
    Verified,
    /// It was looked at and is not whole.
    Damaged,
    /// A person says that it is good, or that what it was kept for went well.
    Confirmed,
    /// It is not to be dropped until it is released.
    Held,
    /// It may be dropped again.
    Released,
    /// No more backups will come of its database from its server.
    Retired,
    /// It was dropped.
    Dropped,
}

impl EventKind {
    /// Returns the name, as names of files have it.
    pub fn name(self) -> &'static str {
        match self {
            EventKind::Verified => "verified",
            EventKind::Damaged => "damaged",
            EventKind::Confirmed => "confirmed",
            EventKind::Held => "held",
            EventKind::Released => "released",
            EventKind::Retired => "retired",
            EventKind::Dropped => "dropped",
        }
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Something that happened to a backup.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// The version of this form; set when it is written.
    #[serde(default)]
    pub version: u32,
    /// The backup.
    pub id: BackupId,
    /// When it happened.
    pub at: DateTime<Utc>,
    /// What happened.
    pub kind: EventKind,
    /// What a verification has proved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Proof>,
    /// Why, in the words of a person or of the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What a verification has found wrong, the first of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<String>,
    /// How long it took, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
}

impl Event {
    /// Makes an event that says no more than what happened and when.
    pub fn new(id: BackupId, at: DateTime<Utc>, kind: EventKind) -> Self {
        Event {
            version: EVENT_VERSION,
            id,
            at,
            kind,
            proof: None,
            reason: None,
            findings: Vec::new(),
            seconds: None,
        }
    }
}
