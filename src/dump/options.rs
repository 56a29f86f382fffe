//! What a dump is asked to do.

use std::path::PathBuf;

use chrono::{DateTime, Local};

use crate::archive::script::ScriptChoices;
use crate::archive::{ArchiveFormat, ArchivePlace, ArchiveVersion};
use crate::catalog::Transaction;
use crate::codec::{Algorithm, Compression};
use crate::connect::ConnectParams;
use crate::ddl::{Fidelity, RowForm};
use crate::model::Section;
use crate::select::{LargeObjectChoice, SelectionRequest};
use crate::sql::Quoting;
use crate::store::{Durability, Existing, Output};

/// Which halves of a database a dump takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DumpContent {
    /// Definitions.
    pub schema: bool,
    /// Rows, large objects and the values of sequences.
    pub data: bool,
    /// What the planner knows about the data.
    pub statistics: bool,
    /// The values of sequences also without rows (`--sequence-data`).
    pub sequence_values: bool,
}

impl DumpContent {
    /// Definitions and rows, as without options.
    pub const EVERYTHING: DumpContent =
        DumpContent { schema: true, data: true, statistics: false, sequence_values: false };
    /// Definitions alone (`--schema-only`).
    pub const SCHEMA_ONLY: DumpContent = DumpContent { data: false, ..DumpContent::EVERYTHING };
    /// Rows and sequence values alone (`--data-only`).
    pub const DATA_ONLY: DumpContent = DumpContent { schema: false, ..DumpContent::EVERYTHING };

    /// What the planner knows, alone (`--statistics-only`).
    pub const STATISTICS_ONLY: DumpContent =
        DumpContent { schema: false, statistics: true, ..DumpContent::SCHEMA_ONLY };

    /// Tells whether the values of sequences are dumped.
    pub fn has_sequence_values(self) -> bool {
        self.data || self.sequence_values
    }
}

/// Kinds of things that are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Omissions {
    /// Who owns the objects (`-O`).
    pub owners: bool,
    /// Privileges (`-x`).
    pub privileges: bool,
    /// Comments.
    pub comments: bool,
    /// Security labels.
    pub security_labels: bool,
    /// Policies and row security flags.
    pub policies: bool,
    /// Publications.
    pub publications: bool,
    /// Subscriptions.
    pub subscriptions: bool,
    /// The compression methods of columns.
    pub toast_compression: bool,
    /// Tablespaces.
    pub tablespaces: bool,
    /// Table access methods.
    pub access_methods: bool,
    /// The rows of unlogged tables.
    pub unlogged_data: bool,
}

/// What a dump is asked to do, complete and validated; nothing is taken from the environment.
#[derive(Debug, Clone)]
pub struct DumpOptions {
    /// The database.
    pub connection: ConnectParams,
    /// Where to write.
    pub output: Output,
    /// What becomes of a file that is already there; directories are never replaced.
    pub existing: Existing,
    /// What to write.
    pub format: ArchiveFormat,
    /// The version of the archive's layout; `None` is the oldest that can hold the content.
    pub archive_version: Option<ArchiveVersion>,
    /// How many connections read at the same time; 1 reads everything over the keeper's.
    pub jobs: usize,
    /// How table data is compressed, and a script as a whole.
    pub compression: Compression,
    /// Which objects are wanted.
    pub selection: SelectionRequest,
    /// Which halves of them are wanted.
    pub content: DumpContent,
    /// When large objects are wanted.
    pub large_objects: LargeObjectChoice,
    /// Which sections are written; empty for all.
    pub sections: Vec<Section>,
    /// What is left out of them.
    pub omit: Omissions,
    /// Whether the result is pg_dump's to the byte, or better where that is possible.
    ///
    /// With [`Fidelity::PgDump`] the settings of the session are pg_dump's too, and the archive names
    /// pg_dump and its newest version as its origin.
    pub fidelity: Fidelity,
    /// Where data may wait that do not wait beside the output, because it is no file.
    pub spool_folder: PathBuf,
    /// Whether a manifest proves the result; output to a pipe has none.
    pub manifest: bool,
    /// Whether to wait until the result is on disk.
    pub sync: bool,
    /// When identifiers are quoted.
    pub quoting: Quoting,
    /// Whether the bodies of functions are quoted with dollars.
    pub dollar_quoting: bool,
    /// How rows are written.
    pub row_form: RowForm,
    /// Whether the rows of all partitions are loaded through the root of their table.
    pub load_via_partition_root: bool,
    /// Whether row security hides rows instead of ending the dump.
    pub row_security: bool,
    /// `extra_float_digits`; 3 reads every float exactly.
    pub extra_float_digits: i32,
    /// The encoding of the dump; `None` leaves it to the connection.
    pub encoding: Option<String>,
    /// A snapshot that somebody else exported.
    pub snapshot: Option<String>,
    /// The transaction to read in.
    pub transaction: Transaction,
    /// Whether the dump is for pg_upgrade, with the oids and files of everything.
    pub binary_upgrade: bool,
    /// What a script looks like, apart from what the options above say.
    pub script: ScriptChoices,
    /// How long to wait for one table's lock, in any spelling that the server understands as a time.
    pub lock_wait_timeout: Option<String>,
    /// The role to become after login.
    pub role: Option<String>,
    /// The wall clock at the start; it is written into the archive, the library has no clock.
    pub started: DateTime<Local>,
}

impl DumpOptions {
    /// Tells whether the database itself is part of the output: an archive can always make it, a script
    /// does so when asked.
    pub(super) fn creates_database(&self) -> bool {
        self.format != ArchiveFormat::Plain || self.script.create
    }

    /// Makes the options of a complete dump into a directory, over one connection, with the default
    /// compression.
    pub fn new(
        connection: ConnectParams,
        output: impl Into<Output>,
        started: DateTime<Local>,
    ) -> Self {
        DumpOptions {
            connection,
            output: output.into(),
            existing: Existing::Refuse,
            format: ArchiveFormat::Directory,
            archive_version: None,
            jobs: 1,
            compression: Compression::new(Algorithm::Zstd),
            selection: SelectionRequest::default(),
            content: DumpContent::EVERYTHING,
            large_objects: LargeObjectChoice::WithEverything,
            sections: Vec::new(),
            omit: Omissions::default(),
            fidelity: Fidelity::Corrected,
            spool_folder: PathBuf::from("/tmp"),
            manifest: true,
            sync: true,
            quoting: Quoting::WhenNeeded,
            dollar_quoting: true,
            row_form: RowForm::Copy,
            load_via_partition_root: false,
            row_security: false,
            extra_float_digits: 3,
            encoding: None,
            snapshot: None,
            transaction: Transaction::RepeatableRead,
            binary_upgrade: false,
            script: ScriptChoices::default(),
            lock_wait_timeout: None,
            role: None,
            started,
        }
    }

    /// Returns where the result is written, and how.
    pub(super) fn place(&self) -> ArchivePlace {
        ArchivePlace {
            output: self.output.clone(),
            existing: self.existing,
            spool_folder: self.spool_folder.clone(),
            durability: if self.sync { Durability::Synced } else { Durability::Unsynced },
        }
    }
}
