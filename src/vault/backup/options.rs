//! What a backup is asked to do.

use std::path::PathBuf;

use crate::dump::{DumpOptions, GlobalsOptions};
use crate::vault::backup_type::BackupType;
use crate::vault::repository::Worker;
use crate::vault::retention::Policy;
use crate::vault::seed::Seed;

/// What a backup is asked to do, complete and validated.
#[derive(Debug, Clone)]
pub struct BackupOptions {
    /// The folder of the repository; it is made when it is not there.
    pub repository: PathBuf,
    /// The databases.
    pub databases: DatabaseChoice,
    /// What the backup is made for.
    pub backup_type: TypeChoice,
    /// How each database is dumped, its moment the one of the run; database and output are replaced.
    pub dump: DumpOptions,
    /// How roles and tablespaces are read, over the session of each dump; `None` leaves them out.
    pub globals: Option<GlobalsOptions>,
    /// Whether the archive is read again before the backup counts.
    pub verification: VerificationChoice,
    /// Why the backup must not be dropped until somebody confirms what it was made for.
    pub hold: Option<String>,
    /// How long backups are kept.
    pub policy: Policy,
    /// What is done about those that are not.
    pub retention: RetentionChoice,
    /// Who works, for those who are kept out meanwhile.
    pub worker: Worker,
    /// Where the random digits of names come from.
    pub seed: Seed,
}

/// Which databases are backed up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseChoice {
    /// The one that the connection names.
    OfConnection,
    /// These.
    Named(Vec<String>),
    /// All of the server that accept connections, but for those that match a pattern.
    AllBut(Vec<String>),
}

/// What a backup is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TypeChoice {
    /// For the longest tier of the policy whose current period has none yet.
    Due,
    /// For this.
    Fixed(BackupType),
}

/// Whether the archive is read again before the backup counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum VerificationChoice {
    /// Every byte is decoded; rows and fingerprints are compared.
    #[default]
    Full,
    /// It is not; the backup counts as proved when somebody verifies it.
    None,
}

/// What is done about the backups that a policy does not keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetentionChoice {
    /// They are dropped.
    Apply,
    /// They are told.
    Show,
}
