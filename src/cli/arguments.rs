//! What was typed: the command line as clap understands it, validated and nothing more.
//!
//! Options that `pg_dump` and `pg_restore` have keep their spelling and meaning. `-h` is therefore the
//! host, as in every PostgreSQL tool, and help is `--help` or `-?`.

use std::path::PathBuf;

use clap::builder::{NonEmptyStringValueParser, TypedValueParser};
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use super::clone::CloneArguments;
use crate::archive::ArchiveVersion;
use crate::sql::text;

const AFTER_HELP: &str = "\
Without -d the connection comes from DATABASE_URL or the PG* variables, as psql takes it;
with any -d, DATABASE_URL is ignored.

\"pgark pg_dump ...\", or a link named pg_dump, takes the options of pg_dump and prints its text.

Exit codes: 0 done, 1 failure, 2 usage, 3 connection or login, 4 refused before anything was
changed, 5 declined, 6 not found, 7 locked, 8 storage, 9 verification failed, 10 partial,
130 and 143 signals.";

/// Takes paths as they were typed: what is not UTF-8 comes as text that carries it.
fn path() -> impl TypedValueParser<Value = PathBuf> {
    NonEmptyStringValueParser::new().map(|typed| text::path(&typed))
}

/// Dump, restore and prove PostgreSQL databases without any client tool
#[derive(Debug, Parser)]
#[command(
    name = "pgark",
    version,
    disable_help_flag = true,
    disable_version_flag = true,
    disable_help_subcommand = true,
    arg_required_else_help = true,
    args_override_self = true,
    after_help = AFTER_HELP,
    max_term_width = 100
)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Command,

    /// Print help
    #[arg(short = '?', long, action = ArgAction::Help, global = true, display_order = 1000)]
    pub(super) help: Option<bool>,

    /// Print the version
    #[arg(short = 'V', long, action = ArgAction::Version, display_order = 1001)]
    pub(super) version: Option<bool>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    Dump(Box<DumpArguments>),
    Restore(Box<RestoreArguments>),
    Clone(Box<CloneArguments>),
    Verify(VerifyArguments),
    Inspect(InspectArguments),
    Demo(DemoArguments),
    Completions(CompletionsArguments),
}

impl Command {
    /// Tells whether errors and results are wanted as JSON.
    pub(super) fn output(&self) -> OutputArguments {
        match self {
            Command::Dump(arguments) => arguments.output.clone(),
            Command::Restore(arguments) => arguments.output.clone(),
            Command::Clone(arguments) => arguments.output.clone(),
            Command::Verify(arguments) => arguments.output.clone(),
            Command::Demo(arguments) => arguments.output.clone(),
            Command::Inspect(arguments) => {
                OutputArguments { json: arguments.json, ..OutputArguments::default() }
            }
            Command::Completions(_) => OutputArguments::default(),
        }
    }
}

/// Where the server is and who logs in.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Connection")]
pub(super) struct ConnectionArguments {
    /// Database to connect to: a name, a connection string or a URI
    #[arg(short = 'd', long, value_name = "CONN")]
    pub(super) dbname: Option<String>,

    /// Server host or directory of its socket
    #[arg(short = 'h', long)]
    pub(super) host: Option<String>,

    /// Server port
    #[arg(short = 'p', long)]
    pub(super) port: Option<String>,

    /// Role to log in as
    #[arg(short = 'U', long, value_name = "NAME")]
    pub(super) username: Option<String>,

    /// Role to become after login
    #[arg(long, value_name = "ROLE")]
    pub(super) role: Option<String>,

    #[command(flatten)]
    pub(super) prompt: PromptArguments,
}

/// Whether a person may be asked for the password.
#[derive(Debug, Clone, Copy, Default, Args)]
#[command(next_help_heading = "Connection")]
pub(super) struct PromptArguments {
    /// Never ask for a password
    #[arg(short = 'w', long, conflicts_with = "password")]
    pub(super) no_password: bool,

    /// Ask for a password before connecting
    #[arg(short = 'W', long)]
    pub(super) password: bool,
}

/// How the command talks.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Output")]
pub(super) struct OutputArguments {
    /// How progress is shown
    ///
    /// auto: bars on a terminal and lines otherwise. json: one JSON object per line. All of it goes to
    /// standard error.
    #[arg(long, value_name = "HOW", value_enum, default_value_t)]
    pub(super) progress: ProgressChoice,

    /// Print the result, and errors, as JSON
    #[arg(long)]
    pub(super) json: bool,

    /// Say more about what is being done
    #[arg(short = 'v', long)]
    pub(super) verbose: bool,
}

/// The forms of progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum ProgressChoice {
    /// Bars on a terminal, lines otherwise.
    #[default]
    Auto,
    /// Bars, redrawn in place.
    Bar,
    /// Log lines.
    Plain,
    /// One JSON object per line.
    Json,
    /// Nothing but warnings.
    None,
}

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
  pgark dump shop -n public -T 'log_*' --exclude-table-data sessions -f shop-small
  pgark dump shop -f shop.sql.zst
  pgark dump --all -f /backups/server
  pgark dump shop --dry-run")]
pub(super) struct DumpArguments {
    /// Database to dump, when -d is not given
    #[arg(value_name = "DBNAME", conflicts_with = "dbname")]
    pub(super) database: Option<String>,

    /// Dump every database of the server, its roles and its tablespaces into one folder
    ///
    /// The folder holds globals.sql (readable only by you: it has the passwords of the roles), an archive for
    /// each database and a manifest over all. A database named beside it is only the one to connect to first.
    #[arg(
        long,
        conflicts_with_all = ["schema", "exclude_schema", "table", "exclude_table", "format"]
    )]
    pub(super) all: bool,

    /// Leave out databases that match this pattern, with --all (can be repeated)
    #[arg(long, value_name = "PATTERN", requires = "all")]
    pub(super) exclude_database: Vec<String>,

    /// Leave out the passwords of roles, with --all
    #[arg(long, requires = "all")]
    pub(super) no_role_passwords: bool,

    /// Output path; its name decides the format [default: DBNAME-YYYYMMDDTHHMMSSZ in this directory]
    ///
    /// A custom or tar archive, or a script, may go to a pipe or a device, and with "-" to standard output;
    /// then it has no manifest.
    #[arg(short = 'f', long, value_name = "PATH", value_parser = path())]
    pub(super) file: Option<PathBuf>,

    /// Format of the output: directory, custom, tar or plain
    ///
    /// Without it the name of the output decides: .sql, .sql.gz, .sql.zst and .sql.lz4 are plain, .dump is
    /// custom, .tar is tar and everything else a directory.
    #[arg(short = 'F', long, value_name = "FORMAT", ignore_case = true)]
    pub(super) format: Option<Format>,

    /// Number of connections that read [default: number of cores, at most 8]
    ///
    /// A script has one order and is read over one.
    #[arg(short = 'j', long, value_name = "N")]
    pub(super) jobs: Option<Jobs>,

    /// Compression: none, gzip, lz4 or zstd, with level and details as in zstd:9 [default: zstd]
    ///
    /// A tar archive is never compressed, and a script as the end of its name says: .gz, .zst, .lz4.
    #[arg(short = 'Z', long, value_name = "SPEC", allow_hyphen_values = true)]
    pub(super) compress: Option<String>,

    /// Layout version of the archive: 1.14, 1.15 or 1.16 [default: the oldest that can hold it]
    ///
    /// pg_restore 12 to 15 read 1.14, 16 also 1.15, and 17 and later all of them.
    #[arg(long, value_name = "VERSION")]
    pub(super) archive_version: Option<ArchiveVersion>,

    /// Do not wait longer than this for the lock of a table, such as 30s
    #[arg(long, value_name = "TIME")]
    pub(super) lock_wait_timeout: Option<String>,

    /// Print what would be dumped, how large it is and how it would be split, and stop
    #[arg(long)]
    pub(super) dry_run: bool,

    #[command(flatten)]
    pub(super) connection: ConnectionArguments,

    #[command(flatten)]
    pub(super) selection: SelectionArguments,

    #[command(flatten)]
    pub(super) output: OutputArguments,
}

/// Which objects a dump takes.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Selection")]
pub(super) struct SelectionArguments {
    /// Dump only these schemas (can be repeated)
    #[arg(short = 'n', long, value_name = "PATTERN")]
    pub(super) schema: Vec<String>,

    /// Do not dump these schemas (can be repeated)
    #[arg(short = 'N', long, value_name = "PATTERN")]
    pub(super) exclude_schema: Vec<String>,

    /// Dump only these tables, views and sequences (can be repeated)
    #[arg(short = 't', long, value_name = "PATTERN")]
    pub(super) table: Vec<String>,

    /// As --table, with their partitions and inheritance children (can be repeated)
    #[arg(long, value_name = "PATTERN")]
    pub(super) table_and_children: Vec<String>,

    /// Do not dump these tables, views and sequences (can be repeated)
    #[arg(short = 'T', long, value_name = "PATTERN")]
    pub(super) exclude_table: Vec<String>,

    /// As --exclude-table, with their partitions and inheritance children (can be repeated)
    #[arg(long, value_name = "PATTERN")]
    pub(super) exclude_table_and_children: Vec<String>,

    /// Dump the definition of these tables and not their rows (can be repeated)
    #[arg(long, value_name = "PATTERN")]
    pub(super) exclude_table_data: Vec<String>,

    /// As --exclude-table-data, with their partitions and inheritance children (can be repeated)
    #[arg(long, value_name = "PATTERN")]
    pub(super) exclude_table_data_and_children: Vec<String>,

    /// Dump only these extensions (can be repeated)
    #[arg(short = 'e', long, value_name = "PATTERN")]
    pub(super) extension: Vec<String>,

    /// Do not dump these extensions (can be repeated)
    #[arg(long, value_name = "PATTERN")]
    pub(super) exclude_extension: Vec<String>,

    /// Dump large objects also when only a part of the database is dumped
    ///
    /// A complete dump has them anyway. They are data: a dump of definitions never has them.
    #[arg(short = 'b', long, alias = "blobs")]
    pub(super) large_objects: bool,

    /// Dump no large objects
    #[arg(short = 'B', long, alias = "no-blobs")]
    pub(super) no_large_objects: bool,

    /// Fail when one of the patterns that include matches nothing
    #[arg(long)]
    pub(super) strict_names: bool,

    /// Dump definitions and no rows
    #[arg(short = 's', long, conflicts_with = "data_only")]
    pub(super) schema_only: bool,

    /// Dump rows and no definitions
    #[arg(short = 'a', long)]
    pub(super) data_only: bool,

    /// Dump also what the planner knows about the rows; servers from 18 on can take it
    #[arg(long, conflicts_with_all = ["schema_only", "data_only"])]
    pub(super) statistics: bool,

    /// Dump what the planner knows about the rows, and neither rows nor definitions
    #[arg(long, conflicts_with_all = ["schema_only", "data_only"])]
    pub(super) statistics_only: bool,

    /// Leave out who owns the objects
    #[arg(short = 'O', long)]
    pub(super) no_owner: bool,

    /// Leave out privileges
    #[arg(short = 'x', long, visible_alias = "no-acl")]
    pub(super) no_privileges: bool,
}

/// Load an archive or a plain script into a database
///
/// Definitions, rows, indexes and constraints are loaded over several connections as soon as what they
/// need is there. A plain script of pg_dump or pg_dumpall, also compressed, runs over one connection in
/// its own order; options that choose or change objects need an archive. A database that already holds
/// objects is refused unless an option says otherwise.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pgark restore -d shop_copy shop-20260131T020000Z
  pgark restore -d postgres -C -j 4 shop-20260131T020000Z
  pgark restore -d shop --clean --if-exists shop-20260131T020000Z
  pgark restore -d shop_copy shop.sql.gz")]
pub(super) struct RestoreArguments {
    /// Archive or script to load; - reads a script from standard input
    #[arg(value_name = "ARCHIVE", value_parser = path())]
    pub(super) archive: PathBuf,

    /// Number of connections that load [default: number of cores, at most 8]
    #[arg(short = 'j', long, value_name = "N")]
    pub(super) jobs: Option<Jobs>,

    /// Print the table of contents and stop
    #[arg(short = 'l', long)]
    pub(super) list: bool,

    /// Drop the objects of the archive before they are made
    #[arg(short = 'c', long, conflicts_with = "data_only")]
    pub(super) clean: bool,

    /// Do not complain about objects to drop that are not there
    #[arg(long, requires = "clean")]
    pub(super) if_exists: bool,

    /// Create the database of the archive, and restore into it
    #[arg(short = 'C', long, conflicts_with = "single_transaction")]
    pub(super) create: bool,

    /// Restore everything in one transaction, over one connection
    #[arg(short = '1', long, conflicts_with = "jobs")]
    pub(super) single_transaction: bool,

    /// Stop at the first error
    #[arg(short = 'e', long)]
    pub(super) exit_on_error: bool,

    /// Disable triggers while rows are loaded (with --data-only)
    #[arg(long)]
    pub(super) disable_triggers: bool,

    /// Move sequences that lie behind their column
    #[arg(long)]
    pub(super) fix_sequences: bool,

    /// Do not run ANALYZE at the end
    #[arg(long)]
    pub(super) no_analyze: bool,

    /// What to do with a database that already holds objects
    #[arg(long, value_name = "MODE", value_enum)]
    pub(super) mode: Option<RestoreModeArgument>,

    /// Print what would be restored and stop
    #[arg(long)]
    pub(super) dry_run: bool,

    #[command(flatten)]
    pub(super) connection: ConnectionArguments,

    #[command(flatten)]
    pub(super) selection: RestoreSelectionArguments,

    #[command(flatten)]
    pub(super) output: OutputArguments,
}

/// What a restore does with a database that is not empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum RestoreModeArgument {
    /// Add to what is there.
    Append,
}

/// Which parts of an archive a restore takes.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Selection")]
pub(super) struct RestoreSelectionArguments {
    /// Restore only this section: pre-data, data or post-data (can be repeated)
    #[arg(long, value_name = "SECTION", value_enum)]
    pub(super) section: Vec<SectionArgument>,

    /// Restore only this schema (can be repeated)
    #[arg(short = 'n', long, value_name = "NAME")]
    pub(super) schema: Vec<String>,

    /// Do not restore this schema (can be repeated)
    #[arg(short = 'N', long, value_name = "NAME")]
    pub(super) exclude_schema: Vec<String>,

    /// Restore only this table, view or sequence (can be repeated)
    #[arg(short = 't', long, value_name = "NAME")]
    pub(super) table: Vec<String>,

    /// Restore definitions and no rows
    #[arg(short = 's', long, conflicts_with = "data_only")]
    pub(super) schema_only: bool,

    /// Restore rows and no definitions
    #[arg(short = 'a', long)]
    pub(super) data_only: bool,

    /// Leave objects to the role that restores
    #[arg(short = 'O', long)]
    pub(super) no_owner: bool,

    /// Do not restore privileges
    #[arg(short = 'x', long, visible_alias = "no-acl")]
    pub(super) no_privileges: bool,
}

/// A section of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum SectionArgument {
    /// Definitions that rows need.
    PreData,
    /// Rows, sequence values.
    Data,
    /// Indexes, constraints, triggers and the rest.
    PostData,
}

/// Prove that an archive is whole, or equal to a database
///
/// Decodes every byte, checks every checksum and counts every row. With --against, the definitions,
/// rows and sequences of a live database are compared with those of the archive and every difference
/// is named.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pgark verify shop-20260131T020000Z
  pgark verify shop-20260131T020000Z --quick
  pgark verify shop-20260131T020000Z --against shop_copy")]
pub(super) struct VerifyArguments {
    /// Archive to check
    #[arg(value_name = "ARCHIVE", value_parser = path())]
    pub(super) archive: PathBuf,

    /// Check the checksums of the files and nothing inside them
    #[arg(long)]
    pub(super) quick: bool,

    /// Database to compare with: a name, a connection string or a URI
    #[arg(long, value_name = "CONN")]
    pub(super) against: Option<String>,

    /// Leave out who owns the objects, because the archive was restored so
    #[arg(short = 'O', long, requires = "against")]
    pub(super) no_owner: bool,

    /// Leave out privileges, because the archive was restored so
    #[arg(short = 'x', long, visible_alias = "no-acl", requires = "against")]
    pub(super) no_privileges: bool,

    /// Number of files, and of connections, that are read at the same time [default: number of cores, at most 8]
    #[arg(short = 'j', long, value_name = "N")]
    pub(super) jobs: Option<Jobs>,

    #[command(flatten)]
    pub(super) prompt: PromptArguments,

    #[command(flatten)]
    pub(super) output: OutputArguments,
}

/// Show what an archive holds
///
/// Without options the table of contents with rows, sizes and ratios. No server is needed, except to
/// compare with a live database.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pgark inspect shop.dump
  pgark inspect shop.dump --extract sales.orders
  pgark inspect shop.dump --extract sales.orders --as csv > orders.csv
  pgark inspect shop.dump --diff postgres://localhost/shop")]
pub(super) struct InspectArguments {
    /// Archive to look into
    #[arg(value_name = "ARCHIVE", value_parser = path())]
    pub(super) archive: PathBuf,

    /// Print the table of contents in the form of pg_restore --list
    #[arg(short = 'l', long, conflicts_with = "json")]
    pub(super) list: bool,

    /// Print one object: a table, view, function, type, index ...
    ///
    /// As SQL, with everything that belongs to it (defaults, constraints, indexes, triggers, comments,
    /// privileges), or its rows with --as. Names are read as in SQL: sales.orders, "Odd name",
    /// total(integer).
    #[arg(long, value_name = "NAME", conflicts_with_all = ["list", "json", "diff"])]
    pub(super) extract: Option<String>,

    /// What to print of the object
    ///
    /// sql: its definition. copy, csv: the rows of the table, as COPY text or CSV.
    #[arg(long = "as", value_name = "FORM", value_enum, default_value_t, requires = "extract")]
    pub(super) form: ExtractForm,

    /// Print how the schema differs from another archive's or a live database's
    ///
    /// What exists as a file or directory is an archive, anything else a database name, a connection string or
    /// a URI. Lines with - are in ARCHIVE, lines with + in the other one.
    #[arg(long, value_name = "OTHER", conflicts_with = "list")]
    pub(super) diff: Option<String>,

    /// End with exit code 9 when the schemas differ
    #[arg(long, requires = "diff")]
    pub(super) exit_code: bool,

    /// Leave out who owns the objects
    #[arg(short = 'O', long, requires = "diff")]
    pub(super) no_owner: bool,

    /// Leave out privileges
    #[arg(short = 'x', long, visible_alias = "no-acl", requires = "diff")]
    pub(super) no_privileges: bool,

    #[command(flatten)]
    pub(super) prompt: PromptArguments,

    /// Print as JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// In which form an object is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum ExtractForm {
    #[default]
    Sql,
    Copy,
    Csv,
}

/// Show the whole tour on a throw-away server
///
/// Starts a server from installed binaries, loads the sample database that is built into pgark, dumps
/// it, verifies the archive, restores it to a second database, compares both and cleans up. With
/// DATABASE_URL that server is used, after a question, and nothing is left behind on it.
#[derive(Debug, Args)]
pub(super) struct DemoArguments {
    /// Rows in the large tables of the sample database
    #[arg(long, value_name = "N", default_value_t = 200_000)]
    pub(super) rows: u64,

    /// Number of connections [default: number of cores, at most 8]
    #[arg(short = 'j', long, value_name = "N")]
    pub(super) jobs: Option<Jobs>,

    /// Compression of the archive
    #[arg(
        short = 'Z',
        long,
        value_name = "SPEC",
        default_value = "zstd",
        allow_hyphen_values = true
    )]
    pub(super) compress: String,

    /// Directory with initdb and postgres [default: PGARK_POSTGRES_BIN, then the usual places]
    #[arg(long, value_name = "DIR", value_parser = path())]
    pub(super) binaries: Option<PathBuf>,

    /// Use the server of DATABASE_URL without asking
    #[arg(short = 'y', long)]
    pub(super) yes: bool,

    /// Keep the archive in this directory
    #[arg(long, value_name = "PATH", value_parser = path())]
    pub(super) keep: Option<PathBuf>,

    #[command(flatten)]
    pub(super) output: OutputArguments,
}

/// Print a completion script for a shell
#[derive(Debug, Args)]
pub(super) struct CompletionsArguments {
    /// The shell
    #[arg(value_enum)]
    pub(super) shell: clap_complete::Shell,
}

/// The formats of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// One SQL script.
    #[value(alias = "p")]
    Plain,
    /// One file with a table of contents.
    #[value(alias = "c")]
    Custom,
    /// A directory with a file for each table.
    #[value(alias = "d")]
    Directory,
    /// A tar file.
    #[value(alias = "t")]
    Tar,
}

/// A number of connections, at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Jobs(pub(super) usize);

impl std::str::FromStr for Jobs {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim().parse::<usize>() {
            // No server has this many slots; more would only be a mistake found out late.
            Ok(jobs) if (1..=1000).contains(&jobs) => Ok(Jobs(jobs)),
            _ => Err("a number from 1 to 1000 is expected".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn pg_dump_spellings_are_understood() {
        let line = "pgark dump -h db -p 5433 -U me -w -Fd -j2 -Zgzip:6 -f out -n a -n b -N c -t t -T u \
                    --exclude-table-data v -O -x --no-acl --lock-wait-timeout 5s shop";
        let arguments = Arguments::try_parse_from(line.split_whitespace());
        let Ok(Arguments { command: Command::Dump(dump), .. }) = arguments else {
            panic!("{arguments:?}")
        };
        assert_eq!(dump.connection.host.as_deref(), Some("db"));
        assert_eq!(dump.jobs, Some(Jobs(2)));
        assert_eq!(dump.format, Some(Format::Directory));
        assert_eq!(dump.compress.as_deref(), Some("gzip:6"));
        assert_eq!(dump.selection.schema, ["a", "b"]);
        assert_eq!(dump.database.as_deref(), Some("shop"));
    }

    #[test]
    fn contradictions_are_refused() {
        for line in [
            "pgark dump -s -a",
            "pgark dump -w -W",
            "pgark dump -d a b",
            "pgark dump -j 0",
            "pgark restore -d a --if-exists x",
            "pgark restore -d a -1 -j 2 x",
        ] {
            assert!(Arguments::try_parse_from(line.split_whitespace()).is_err(), "{line}");
        }
    }
}
