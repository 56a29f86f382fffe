//! What was typed behind `pgark dump`.

use std::path::PathBuf;

use clap::Args;

use super::{ConnectionArguments, Format, Jobs, OutputArguments, SectionArgument, path};
use crate::archive::ArchiveVersion;

/// Dump a database into an archive
///
/// Reads definitions and rows in one snapshot over several connections and writes an archive that
/// pg_restore reads too, with a manifest that proves every byte and every row of it. Nothing is left
/// behind when the dump fails.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pgark dump shop
  pgark dump -d postgres://backup@db.example/shop -f /backups/shop -j 4
  pgark dump shop -n public -T 'log_*' --exclude-table-data sessions -f small
  pgark dump shop -f shop.sql.zst
  pgark dump --all -f /backups/server
  pgark dump shop --dry-run")]
pub(in crate::cli) struct DumpArguments {
    /// Database to dump, when -d is not given
    #[arg(value_name = "DBNAME", conflicts_with = "dbname")]
    pub(in crate::cli) database: Option<String>,

    /// Dump every database of the server, its roles and its tablespaces into one folder
    ///
    /// The folder holds globals.sql (readable only by you: it has the passwords of the roles), an archive for
    /// each database and a manifest over all. A database named beside it is only the one to connect to first.
    #[arg(
        long,
        conflicts_with_all = [
            "schema", "exclude_schema", "table", "exclude_table", "filter", "format", "snapshot"
        ]
    )]
    pub(in crate::cli) all: bool,

    /// Leave out databases that match this pattern, with --all (can be repeated)
    #[arg(long, value_name = "PATTERN", requires = "all")]
    pub(in crate::cli) exclude_database: Vec<String>,

    /// Leave out the passwords of roles, with --all
    #[arg(long, requires = "all")]
    pub(in crate::cli) no_role_passwords: bool,

    /// Output path; its name decides the format [default: DBNAME-YYYYMMDDTHHMMSSZ in this directory]
    ///
    /// A custom or tar archive, or a script, may go to a pipe or a device, and with "-" to standard output;
    /// then it has no manifest.
    #[arg(short = 'f', long, value_name = "PATH", value_parser = path())]
    pub(in crate::cli) file: Option<PathBuf>,

    /// Format of the output: directory, custom, tar or plain
    ///
    /// Without it the name of the output decides: .sql, .sql.gz, .sql.zst and .sql.lz4 are plain, .dump is
    /// custom, .tar is tar and everything else a directory.
    #[arg(short = 'F', long, value_name = "FORMAT", ignore_case = true)]
    pub(in crate::cli) format: Option<Format>,

    /// Number of connections that read [default: number of cores, at most 8]
    ///
    /// A script has one order and is read over one.
    #[arg(short = 'j', long, value_name = "N")]
    pub(in crate::cli) jobs: Option<Jobs>,

    /// Compression: none, gzip, lz4 or zstd, with level and details as in zstd:9 [default: zstd]
    ///
    /// A tar archive is never compressed, and a script as the end of its name says: .gz, .zst, .lz4.
    #[arg(short = 'Z', long, value_name = "SPEC", allow_hyphen_values = true)]
    pub(in crate::cli) compress: Option<String>,

    /// Layout version of the archive: 1.14, 1.15 or 1.16 [default: the oldest that can hold it]
    ///
    /// pg_restore 12 to 15 read 1.14, 16 also 1.15, and 17 and later all of them.
    #[arg(long, value_name = "VERSION")]
    pub(in crate::cli) archive_version: Option<ArchiveVersion>,

    /// Do not wait until the output is on disk
    #[arg(long)]
    pub(in crate::cli) no_sync: bool,

    /// Do not wait longer than this for the lock of a table, such as 30s
    #[arg(long, value_name = "TIME")]
    pub(in crate::cli) lock_wait_timeout: Option<String>,

    /// Print what would be dumped, how large it is and how it would be split, and stop
    #[arg(long)]
    pub(in crate::cli) dry_run: bool,

    #[command(flatten)]
    pub(in crate::cli) connection: ConnectionArguments,

    #[command(flatten)]
    pub(in crate::cli) selection: SelectionArguments,

    #[command(flatten)]
    pub(in crate::cli) content: ContentArguments,

    #[command(flatten)]
    pub(in crate::cli) rows: RowArguments,

    #[command(flatten)]
    pub(in crate::cli) script: ScriptArguments,

    #[command(flatten)]
    pub(in crate::cli) output: OutputArguments,
}

/// Which objects a dump takes.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Selection")]
pub(in crate::cli) struct SelectionArguments {
    /// Dump only these schemas (can be repeated)
    #[arg(short = 'n', long, value_name = "PATTERN")]
    pub(in crate::cli) schema: Vec<String>,

    /// Do not dump these schemas (can be repeated)
    #[arg(short = 'N', long, value_name = "PATTERN")]
    pub(in crate::cli) exclude_schema: Vec<String>,

    /// Dump only these tables, views and sequences (can be repeated)
    #[arg(short = 't', long, value_name = "PATTERN")]
    pub(in crate::cli) table: Vec<String>,

    /// As --table, with their partitions and inheritance children (can be repeated)
    #[arg(long, value_name = "PATTERN")]
    pub(in crate::cli) table_and_children: Vec<String>,

    /// Do not dump these tables, views and sequences (can be repeated)
    #[arg(short = 'T', long, value_name = "PATTERN")]
    pub(in crate::cli) exclude_table: Vec<String>,

    /// As --exclude-table, with their partitions and inheritance children (can be repeated)
    #[arg(long, value_name = "PATTERN")]
    pub(in crate::cli) exclude_table_and_children: Vec<String>,

    /// Dump the definition of these tables and not their rows (can be repeated)
    #[arg(long, value_name = "PATTERN")]
    pub(in crate::cli) exclude_table_data: Vec<String>,

    /// As --exclude-table-data, with their partitions and inheritance children (can be repeated)
    #[arg(long, value_name = "PATTERN")]
    pub(in crate::cli) exclude_table_data_and_children: Vec<String>,

    /// Dump only these extensions (can be repeated)
    #[arg(short = 'e', long, value_name = "PATTERN")]
    pub(in crate::cli) extension: Vec<String>,

    /// Do not dump these extensions (can be repeated)
    #[arg(long, value_name = "PATTERN")]
    pub(in crate::cli) exclude_extension: Vec<String>,

    /// Dump the rows of the foreign tables of these servers (can be repeated)
    ///
    /// They are read over one connection, whatever --jobs says: other servers know nothing of the snapshot.
    #[arg(long, value_name = "PATTERN")]
    pub(in crate::cli) include_foreign_data: Vec<String>,

    /// Take patterns from a file, one include or exclude in each line; - is
    /// standard input (can be repeated)
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) filter: Vec<String>,

    /// Fail when one of the patterns that include matches nothing
    #[arg(long)]
    pub(in crate::cli) strict_names: bool,
}

/// What of the objects a dump takes.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Content")]
pub(in crate::cli) struct ContentArguments {
    /// Dump only this section: pre-data, data or post-data (can be repeated)
    #[arg(long, value_name = "SECTION", value_enum)]
    pub(in crate::cli) section: Vec<SectionArgument>,

    /// Dump definitions and no rows
    #[arg(short = 's', long, conflicts_with = "data_only")]
    pub(in crate::cli) schema_only: bool,

    /// Dump rows and no definitions
    #[arg(short = 'a', long)]
    pub(in crate::cli) data_only: bool,

    /// Dump also what the planner knows about the rows; servers from 18 on can take it
    #[arg(long, conflicts_with_all = ["schema_only", "data_only"])]
    pub(in crate::cli) statistics: bool,

    /// Dump what the planner knows about the rows, and neither rows nor definitions
    #[arg(long, conflicts_with_all = ["schema_only", "data_only"])]
    pub(in crate::cli) statistics_only: bool,

    /// Leave out who owns the objects
    #[arg(short = 'O', long)]
    pub(in crate::cli) no_owner: bool,

    /// Leave out privileges
    #[arg(short = 'x', long, visible_alias = "no-acl")]
    pub(in crate::cli) no_privileges: bool,

    /// Dump no definitions
    #[arg(long, conflicts_with = "schema_only")]
    pub(in crate::cli) no_schema: bool,

    /// Dump no rows
    #[arg(long, conflicts_with = "data_only")]
    pub(in crate::cli) no_data: bool,

    /// Dump nothing of what the planner knows, as without options
    #[arg(long, conflicts_with_all = ["statistics", "statistics_only"])]
    pub(in crate::cli) no_statistics: bool,

    /// Dump the values of sequences also without rows
    #[arg(long)]
    pub(in crate::cli) sequence_data: bool,

    /// Dump large objects also when only a part of the database is dumped
    ///
    /// A complete dump has them anyway. They are data: a dump of definitions never has them.
    #[arg(short = 'b', long, alias = "blobs")]
    pub(in crate::cli) large_objects: bool,

    /// Dump no large objects
    #[arg(short = 'B', long, alias = "no-blobs")]
    pub(in crate::cli) no_large_objects: bool,

    /// Leave out comments
    #[arg(long)]
    pub(in crate::cli) no_comments: bool,

    /// Leave out row security policies
    #[arg(long)]
    pub(in crate::cli) no_policies: bool,

    /// Leave out publications
    #[arg(long)]
    pub(in crate::cli) no_publications: bool,

    /// Leave out subscriptions
    #[arg(long)]
    pub(in crate::cli) no_subscriptions: bool,

    /// Leave out security labels
    #[arg(long)]
    pub(in crate::cli) no_security_labels: bool,

    /// Leave out tablespaces
    #[arg(long)]
    pub(in crate::cli) no_tablespaces: bool,

    /// Leave out table access methods
    #[arg(long)]
    pub(in crate::cli) no_table_access_method: bool,

    /// Leave out the compression methods of columns
    #[arg(long)]
    pub(in crate::cli) no_toast_compression: bool,

    /// Leave out the rows of unlogged tables
    #[arg(long)]
    pub(in crate::cli) no_unlogged_table_data: bool,
}

/// How rows are read and written.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Rows")]
pub(in crate::cli) struct RowArguments {
    /// Write rows as INSERT statements, which any database can read
    #[arg(long)]
    pub(in crate::cli) inserts: bool,

    /// Write rows as INSERT statements that name the columns
    #[arg(long, visible_alias = "attribute-inserts")]
    pub(in crate::cli) column_inserts: bool,

    /// Write so many rows in each INSERT statement
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(in crate::cli) rows_per_insert: Option<u32>,

    /// Let the INSERT statements pass over rows that exist
    #[arg(long)]
    pub(in crate::cli) on_conflict_do_nothing: bool,

    /// Load the rows of partitions through the root of their table
    #[arg(long)]
    pub(in crate::cli) load_via_partition_root: bool,

    /// Leave out rows that row security hides, instead of failing
    #[arg(long)]
    pub(in crate::cli) enable_row_security: bool,

    /// Digits of floating-point numbers, as in extra_float_digits [default: 3]
    #[arg(
        long,
        value_name = "N",
        allow_hyphen_values = true,
        value_parser = clap::value_parser!(i32).range(-15..=3)
    )]
    pub(in crate::cli) extra_float_digits: Option<i32>,

    /// Encoding of the dump [default: that of the database]
    #[arg(short = 'E', long, value_name = "ENCODING")]
    pub(in crate::cli) encoding: Option<String>,

    /// Read in a snapshot that another session has exported
    ///
    /// The tables are locked after that snapshot was taken: what was truncated or rewritten in between is empty
    /// in it.
    #[arg(long, value_name = "ID")]
    pub(in crate::cli) snapshot: Option<String>,

    /// Wait for a moment at which a serializable transaction sees no anomaly
    #[arg(long, conflicts_with = "snapshot")]
    pub(in crate::cli) serializable_deferrable: bool,
}

/// What the text looks like; most of it matters to scripts only.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Text, and scripts")]
pub(in crate::cli) struct ScriptArguments {
    /// Quote identifiers also where they need none
    #[arg(long)]
    pub(in crate::cli) quote_all_identifiers: bool,

    /// Quote the bodies of functions without dollars
    #[arg(long)]
    pub(in crate::cli) disable_dollar_quoting: bool,

    /// Let the script drop the objects before it makes them
    #[arg(short = 'c', long, conflicts_with = "data_only")]
    pub(in crate::cli) clean: bool,

    /// Let the script drop only what exists
    #[arg(long, requires = "clean")]
    pub(in crate::cli) if_exists: bool,

    /// Let the script create the database, and go to it
    #[arg(short = 'C', long)]
    pub(in crate::cli) create: bool,

    /// Let the script disable triggers while it loads rows (with --data-only)
    #[arg(long)]
    pub(in crate::cli) disable_triggers: bool,

    /// Superuser who disables the triggers
    #[arg(short = 'S', long, value_name = "NAME")]
    pub(in crate::cli) superuser: Option<String>,

    /// Let the script make objects as their owners instead of giving them away
    #[arg(long)]
    pub(in crate::cli) use_set_session_authorization: bool,

    /// Key of the restricted mode of psql, letters and digits [default: random]
    #[arg(long, value_name = "KEY")]
    pub(in crate::cli) restrict_key: Option<String>,
}
