//! What was typed behind `pgark restore`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::super::input::STANDARD_INPUT;
use super::{
    ConnectionArguments, Format, Jobs, OutputArguments, RepositoryArguments, SectionArgument, path,
};
use crate::restore::SessionSettings;

/// Put a backup in the place of a database, or load an archive into one
///
/// Without -d, -f and -l the archive is restored beside the database that DATABASE_URL, the PG*
/// variables or --target name, proved equal to the archive there, and only then takes its place; the
/// old database is kept for a while. It asks first, or needs --yes.
///
/// With -d it is loaded into that database, and nothing is asked. Definitions, rows, indexes and
/// constraints are loaded over several connections as soon as what they
/// need is there. A plain script of pg_dump or pg_dumpall, also compressed, runs over one connection in
/// its own order; options that choose or change objects need an archive. A database that already holds
/// objects is refused unless an option says otherwise.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pgark restore --latest --target shop
  pgark restore shop-20260131T020000Z --target shop
  pgark restore --rollback --target shop
  pgark restore -d shop_copy shop-20260131T020000Z
  pgark restore -d postgres -C -j 4 shop-20260131T020000Z
  pgark restore -d shop --clean --if-exists shop-20260131T020000Z
  pgark restore -d shop_copy shop.sql.gz
  pgark restore -l shop.dump > list
  pgark restore -d shop_copy -L list shop.dump
  pgark restore -f orders.sql -t orders shop.dump")]
pub(in crate::cli) struct RestoreArguments {
    /// Archive or script, or the id of a backup [default: standard input, which - means too]
    #[arg(
        value_name = "ARCHIVE",
        default_value = STANDARD_INPUT,
        hide_default_value = true,
        value_parser = path()
    )]
    pub(in crate::cli) archive: PathBuf,

    /// Number of connections that load [default: number of cores, at most 8]
    #[arg(short = 'j', long, value_name = "N")]
    pub(in crate::cli) jobs: Option<Jobs>,

    /// Print the table of contents and stop; with a selection, what it selects
    #[arg(short = 'l', long)]
    pub(in crate::cli) list: bool,

    /// Write a script instead of restoring; - is standard output
    ///
    /// It is the script of pg_restore 18, compressed when its name ends with .gz, .zst or .lz4.
    #[arg(
        short = 'f',
        long,
        value_name = "PATH",
        value_parser = path(),
        conflicts_with_all = ["dbname", "dry_run"]
    )]
    pub(in crate::cli) file: Option<PathBuf>,

    /// Format of the archive, which is found out anyway: custom, directory or tar
    #[arg(short = 'F', long, value_name = "FORMAT", ignore_case = true)]
    pub(in crate::cli) format: Option<Format>,

    /// Drop the objects of the archive before they are made
    #[arg(short = 'c', long, conflicts_with = "data_only")]
    pub(in crate::cli) clean: bool,

    /// Do not complain about objects to drop that are not there
    #[arg(long, requires = "clean")]
    pub(in crate::cli) if_exists: bool,

    /// Create the database of the archive, and restore into it
    #[arg(short = 'C', long, conflicts_with = "single_transaction")]
    pub(in crate::cli) create: bool,

    /// Restore everything in one transaction, over one connection
    #[arg(short = '1', long, conflicts_with = "jobs")]
    pub(in crate::cli) single_transaction: bool,

    /// Commit after about so many entries, and stop at the first error
    #[arg(
        long,
        value_name = "N",
        conflicts_with = "single_transaction",
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub(in crate::cli) transaction_size: Option<u32>,

    /// Stop at the first error
    #[arg(short = 'e', long)]
    pub(in crate::cli) exit_on_error: bool,

    /// Do not load rows into tables that could not be created
    #[arg(long)]
    pub(in crate::cli) no_data_for_failed_tables: bool,

    /// Disable triggers while rows are loaded (with --data-only)
    #[arg(long)]
    pub(in crate::cli) disable_triggers: bool,

    /// Superuser who disables the triggers
    #[arg(short = 'S', long, value_name = "NAME")]
    pub(in crate::cli) superuser: Option<String>,

    /// Load rows under the row security of their tables
    #[arg(long)]
    pub(in crate::cli) enable_row_security: bool,

    /// Move sequences that lie behind their column
    #[arg(long)]
    pub(in crate::cli) fix_sequences: bool,

    /// Do not run ANALYZE at the end
    #[arg(long)]
    pub(in crate::cli) no_analyze: bool,

    #[command(flatten)]
    pub(in crate::cli) loading: LoadingArguments,

    /// What to do with a database that already holds objects
    #[arg(long, value_name = "MODE", value_enum)]
    pub(in crate::cli) mode: Option<RestoreModeArgument>,

    /// Print what would be restored and stop
    #[arg(long)]
    pub(in crate::cli) dry_run: bool,

    #[command(flatten)]
    pub(in crate::cli) managed: ManagedArguments,

    #[command(flatten)]
    pub(in crate::cli) connection: ConnectionArguments,

    #[command(flatten)]
    pub(in crate::cli) selection: RestoreSelectionArguments,

    #[command(flatten)]
    pub(in crate::cli) shape: RestoreShapeArguments,

    #[command(flatten)]
    pub(in crate::cli) output: OutputArguments,
}

/// What a restore without -d is told besides.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "In the place of a database (without -d)")]
pub(in crate::cli) struct ManagedArguments {
    /// Database to replace: a name, a connection string or a URI [default: DATABASE_URL, PG*]
    #[arg(long, value_name = "CONN", conflicts_with = "dbname")]
    pub(in crate::cli) target: Option<String>,

    /// Restore the newest proved backup of the database
    #[arg(long, conflicts_with_all = ["dbname", "at"])]
    pub(in crate::cli) latest: bool,

    /// Restore the newest proved backup that began at or before this time, as in
    /// "2026-01-31 02:00"
    #[arg(long, value_name = "TIME", conflicts_with = "dbname")]
    pub(in crate::cli) at: Option<String>,

    #[command(flatten)]
    pub(in crate::cli) repository: RepositoryArguments,

    /// Ask nothing
    #[arg(long, visible_alias = "force")]
    pub(in crate::cli) yes: bool,

    /// End the sessions that are connected to the database
    #[arg(long, conflicts_with = "dbname")]
    pub(in crate::cli) terminate_connections: bool,

    /// How long the old database is kept, as in 90min or 7d; a later restore drops it
    #[arg(
        long,
        value_name = "TIME",
        default_value = "24h",
        value_parser = humantime::parse_duration
    )]
    pub(in crate::cli) keep_old: std::time::Duration,

    /// Take an archive that holds only a part of a database
    #[arg(long, conflicts_with = "dbname")]
    pub(in crate::cli) allow_partial: bool,

    /// Why this is done, for the journal
    #[arg(long, value_name = "TEXT", conflicts_with = "dbname")]
    pub(in crate::cli) reason: Option<String>,

    /// Finish a restore that was cut off: the unfinished one, or that of an id
    #[arg(
        long,
        value_name = "ID",
        num_args = 0..=1,
        default_missing_value = "",
        require_equals = true,
        conflicts_with = "dbname"
    )]
    pub(in crate::cli) resume: Option<String>,

    /// Put the old database back: of the unfinished or last restore, or that of an id
    #[arg(
        long,
        value_name = "ID",
        num_args = 0..=1,
        default_missing_value = "",
        require_equals = true,
        conflicts_with_all = ["dbname", "resume"]
    )]
    pub(in crate::cli) rollback: Option<String>,
}

/// What a restore does with a database that is not empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum RestoreModeArgument {
    /// Add to what is there.
    Append,
    /// Restore beside the database, prove it, and exchange the names (without -d).
    Swap,
}

/// How the server takes what is loaded.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Loading")]
pub(in crate::cli) struct LoadingArguments {
    /// Freeze the rows of tables that the restore makes
    ///
    /// No vacuum has to write these tables again to freeze them. Rows of tables that were there before are
    /// loaded as always, and a note says so. Each table is truncated before its rows come, also the small ones.
    #[arg(long, conflicts_with = "disable_triggers")]
    pub(in crate::cli) freeze: bool,

    /// Load a large table over all connections that have nothing else to do
    ///
    /// Its rows then lie in another order than in the source. Only tables that the restore makes are loaded like
    /// this; nothing of them is kept unless all of it arrives. Servers with wal_level = minimal write the log that
    /// they can leave out otherwise.
    #[arg(long, conflicts_with_all = ["freeze", "disable_triggers", "single_transaction"])]
    pub(in crate::cli) split_load: bool,

    /// Memory of an index that is built, as in 1GB [default: the server's setting]
    ///
    /// More makes indexes of numbers and times faster, and those of text slower.
    #[arg(long, value_name = "SIZE")]
    pub(in crate::cli) maintenance_work_mem: Option<String>,

    /// Processes of the server that help to build an index [default: the server's setting]
    ///
    /// Without this option they are not used on this machine while as many connections are at work as it has
    /// cores: sharing a sort costs a fifth more than doing it alone.
    #[arg(long, value_name = "N")]
    pub(in crate::cli) max_parallel_maintenance_workers: Option<u32>,

    /// What a commit waits for: off, local, remote_write, on or remote_apply [default: off]
    ///
    /// In its end a restore waits for the disk anyway, once for everything.
    #[arg(long, value_name = "LEVEL", value_parser = ["off", "local", "remote_write", "on", "remote_apply"])]
    pub(in crate::cli) synchronous_commit: Option<String>,
}

impl LoadingArguments {
    /// Returns what sessions set.
    pub(in crate::cli) fn settings(&self) -> SessionSettings {
        SessionSettings {
            maintenance_work_mem: self.maintenance_work_mem.clone(),
            max_parallel_maintenance_workers: self.max_parallel_maintenance_workers,
            synchronous_commit: self.synchronous_commit.clone(),
        }
    }
}

/// Which parts of an archive a restore takes.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Selection")]
pub(in crate::cli) struct RestoreSelectionArguments {
    /// Restore only this section: pre-data, data or post-data (can be repeated)
    #[arg(long, value_name = "SECTION", value_enum)]
    pub(in crate::cli) section: Vec<SectionArgument>,

    /// Restore only this schema (can be repeated)
    #[arg(short = 'n', long, value_name = "NAME")]
    pub(in crate::cli) schema: Vec<String>,

    /// Do not restore this schema (can be repeated)
    #[arg(short = 'N', long, value_name = "NAME")]
    pub(in crate::cli) exclude_schema: Vec<String>,

    /// Restore only this table, view or sequence (can be repeated)
    #[arg(short = 't', long, value_name = "NAME")]
    pub(in crate::cli) table: Vec<String>,

    /// Restore only this index (can be repeated)
    #[arg(short = 'I', long, value_name = "NAME")]
    pub(in crate::cli) index: Vec<String>,

    /// Restore only this function: name(type, type) (can be repeated)
    #[arg(short = 'P', long, value_name = "NAME(ARGS)")]
    pub(in crate::cli) function: Vec<String>,

    /// Restore only this trigger, as --list names it: "TABLE NAME" (can be repeated)
    #[arg(short = 'T', long, value_name = "NAME")]
    pub(in crate::cli) trigger: Vec<String>,

    /// Restore the entries that a file lists, in its order; --list prints such
    /// a file
    #[arg(short = 'L', long, value_name = "FILE", value_parser = path())]
    pub(in crate::cli) use_list: Option<PathBuf>,

    /// Take names from a file, one include or exclude in each line; - is
    /// standard input (can be repeated)
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) filter: Vec<String>,

    /// Fail when a name is not in the archive, as pgark does anyway
    #[arg(long)]
    pub(in crate::cli) strict_names: bool,

    /// Restore definitions and no rows
    #[arg(short = 's', long, conflicts_with = "data_only")]
    pub(in crate::cli) schema_only: bool,

    /// Restore rows and no definitions
    #[arg(short = 'a', long)]
    pub(in crate::cli) data_only: bool,

    /// Restore what the planner knew about the rows, and nothing else
    #[arg(long, conflicts_with_all = ["schema_only", "data_only"])]
    pub(in crate::cli) statistics_only: bool,

    /// Restore no definitions
    #[arg(long, conflicts_with = "schema_only")]
    pub(in crate::cli) no_schema: bool,

    /// Restore no rows
    #[arg(long, conflicts_with = "data_only")]
    pub(in crate::cli) no_data: bool,

    /// Restore nothing of what the planner knew about the rows
    #[arg(long, conflicts_with = "statistics_only")]
    pub(in crate::cli) no_statistics: bool,
}

/// What of the objects is left out or made otherwise.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Shape")]
pub(in crate::cli) struct RestoreShapeArguments {
    /// Leave objects to the role that restores
    #[arg(short = 'O', long)]
    pub(in crate::cli) no_owner: bool,

    /// Do not restore privileges
    #[arg(short = 'x', long, visible_alias = "no-acl")]
    pub(in crate::cli) no_privileges: bool,

    /// Do not restore comments
    #[arg(long)]
    pub(in crate::cli) no_comments: bool,

    /// Do not restore row security policies
    #[arg(long)]
    pub(in crate::cli) no_policies: bool,

    /// Do not restore publications
    #[arg(long)]
    pub(in crate::cli) no_publications: bool,

    /// Do not restore subscriptions
    #[arg(long)]
    pub(in crate::cli) no_subscriptions: bool,

    /// Do not restore security labels
    #[arg(long)]
    pub(in crate::cli) no_security_labels: bool,

    /// Put everything into the default tablespace
    #[arg(long)]
    pub(in crate::cli) no_tablespaces: bool,

    /// Give tables the default access method
    #[arg(long)]
    pub(in crate::cli) no_table_access_method: bool,

    /// Make objects as their owners instead of giving them away
    #[arg(long)]
    pub(in crate::cli) use_set_session_authorization: bool,

    /// Key of the restricted mode of psql, with --file [default: random]
    #[arg(long, value_name = "KEY", requires = "file", conflicts_with = "dbname")]
    pub(in crate::cli) restrict_key: Option<String>,
}
