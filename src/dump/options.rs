//! What a dump is asked to do.

use std::path::PathBuf;

use chrono::{DateTime, Local};

use crate::codec::{Algorithm, Compression};
use crate::connect::ConnectParams;
use crate::select::SelectionRequest;

/// Which halves of a database a dump takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DumpContent {
    /// Definitions and rows.
    #[default]
    Everything,
    /// Definitions alone (`--schema-only`).
    SchemaOnly,
    /// Rows and sequence values alone (`--data-only`).
    DataOnly,
}

impl DumpContent {
    /// Tells whether definitions are dumped.
    pub fn has_schema(self) -> bool {
        self != DumpContent::DataOnly
    }

    /// Tells whether rows are dumped.
    pub fn has_data(self) -> bool {
        self != DumpContent::SchemaOnly
    }
}

/// What a dump is asked to do, complete and validated; nothing is taken from the environment.
#[derive(Debug, Clone)]
pub struct DumpOptions {
    /// The database.
    pub connection: ConnectParams,
    /// The directory to write.
    pub output: PathBuf,
    /// How many connections read at the same time; 1 reads everything over the keeper's.
    pub jobs: usize,
    /// How table data is compressed.
    pub compression: Compression,
    /// Which objects are wanted.
    pub selection: SelectionRequest,
    /// Which halves of them are wanted.
    pub content: DumpContent,
    /// Whether owners are left out of the archive.
    pub no_owner: bool,
    /// Whether privileges are left out of the archive.
    pub no_privileges: bool,
    /// How long to wait for one table's lock, in any spelling that the server understands as a time.
    pub lock_wait_timeout: Option<String>,
    /// The role to become after login.
    pub role: Option<String>,
    /// The wall clock at the start; it is written into the archive, the library has no clock.
    pub started: DateTime<Local>,
}

impl DumpOptions {
    /// Makes the options of a complete dump over one connection with the default compression.
    pub fn new(
        connection: ConnectParams,
        output: impl Into<PathBuf>,
        started: DateTime<Local>,
    ) -> Self {
        DumpOptions {
            connection,
            output: output.into(),
            jobs: 1,
            compression: Compression::new(Algorithm::Zstd),
            selection: SelectionRequest::default(),
            content: DumpContent::Everything,
            no_owner: false,
            no_privileges: false,
            lock_wait_timeout: None,
            role: None,
            started,
        }
    }
}
