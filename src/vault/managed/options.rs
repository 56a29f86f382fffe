//! What a managed restore is asked to do.

use std::path::PathBuf;
use std::time::Duration;

use crate::connect::ConnectParams;
use crate::vault::side::{RestoreId, Sessions};

/// How long the replaced database is kept when nothing else is said.
pub const KEEP_OLD: Duration = Duration::from_secs(24 * 3600);

/// A server that restarts is there again within this time.
const PATIENCE: Duration = Duration::from_secs(60);

/// The options of a managed restore.
#[derive(Debug, Clone)]
pub struct ManagedOptions {
    /// The archive to restore.
    pub archive: PathBuf,
    /// The server that the backup was made on, in words, when a repository knows it.
    pub source: Option<String>,
    /// The database that is replaced.
    pub connection: ConnectParams,
    /// The run: new, and unique on the server.
    pub id: RestoreId,
    /// The number of connections.
    pub jobs: usize,
    /// What is done with those who are connected to the database that is replaced.
    pub sessions: Sessions,
    /// How long the replaced database is kept.
    pub keep_old: Duration,
    /// How long a server that is gone, or a lock, is waited for when something must be taken back.
    pub patience: Duration,
    /// Refuses a backup of a database of another name.
    pub same_name: bool,
    /// Takes an archive that holds only a part of a database.
    pub partial: bool,
    /// Why this is done, for the journal.
    pub reason: Option<String>,
    /// Leaves ownership of objects to the connecting user.
    pub no_owner: bool,
    /// Restores no GRANT and REVOKE.
    pub no_privileges: bool,
    /// Collects statistics for the planner at the end.
    pub analyze: bool,
}

impl ManagedOptions {
    /// Makes the options of an ordinary run.
    pub fn new(archive: impl Into<PathBuf>, connection: ConnectParams, id: RestoreId) -> Self {
        ManagedOptions {
            archive: archive.into(),
            source: None,
            connection,
            id,
            jobs: 1,
            sessions: Sessions::default(),
            keep_old: KEEP_OLD,
            patience: PATIENCE,
            same_name: false,
            partial: false,
            reason: None,
            no_owner: false,
            no_privileges: false,
            analyze: true,
        }
    }
}
