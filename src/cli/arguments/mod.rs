//! What was typed: the command line as clap understands it, validated and nothing more.
//!
//! Options that `pg_dump` and `pg_restore` have keep their spelling and meaning. `-h` is therefore the
//! host, as in every PostgreSQL tool, and help is `--help` or `-?`.

mod dump;
mod restore;
mod vault;

use std::path::PathBuf;

use clap::builder::{NonEmptyStringValueParser, TypedValueParser};
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

pub(super) use self::dump::{
    ContentArguments, DumpArguments, RowArguments, ScriptArguments, SelectionArguments,
};
pub(super) use self::restore::{RestoreArguments, RestoreModeArgument};
pub(super) use self::vault::{
    BackupArguments, ConfigAction, ConfigArguments, ListArguments, MarkArgument, MarkArguments,
    PruneArguments, RepositoryArguments, RetentionArguments, StatusArguments, TypeArgument,
};
use super::clone::CloneArguments;
use super::drill::DrillArguments;
use super::input::STANDARD_INPUT;
use crate::model::Section;
use crate::sql::text;

const AFTER_HELP: &str = "\
Without -d the connection comes from DATABASE_URL or the PG* variables, as psql
takes it; with any -d, DATABASE_URL is ignored.

\"pgark pg_dump ...\", or a link named pg_dump, takes the options of pg_dump and
prints its text. So do pg_restore and pg_dumpall.

Exit codes: 0 done, 1 failure, 2 usage, 3 connection or login, 4 refused before
anything was changed, 5 declined, 6 not found, 7 locked, 8 storage,
9 verification failed, 10 partial, 11 failed and taken back, 12 taking back
failed, 130 and 143 signals.";

/// Takes paths as they were typed: what is not UTF-8 comes as text that carries it.
pub(super) fn path() -> impl TypedValueParser<Value = PathBuf> {
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
    Verify(Box<VerifyArguments>),
    Inspect(InspectArguments),
    Backup(Box<BackupArguments>),
    List(ListArguments),
    Status(Box<StatusArguments>),
    Prune(Box<PruneArguments>),
    Mark(MarkArguments),
    Config(ConfigArguments),
    Drill(DrillArguments),
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
            Command::Drill(arguments) => arguments.output.clone(),
            Command::Demo(arguments) => arguments.output.clone(),
            Command::Backup(arguments) => arguments.output.clone(),
            Command::Prune(arguments) => arguments.output.clone(),
            Command::Inspect(InspectArguments { json, .. })
            | Command::List(ListArguments { json, .. })
            | Command::Mark(MarkArguments { json, .. })
            | Command::Config(ConfigArguments { json, .. }) => OutputArguments::of_json(*json),
            Command::Status(arguments) => OutputArguments::of_json(arguments.json),
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

impl OutputArguments {
    /// Makes those of a verb that shows no progress.
    fn of_json(json: bool) -> Self {
        OutputArguments { json, ..OutputArguments::default() }
    }
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

impl From<SectionArgument> for Section {
    fn from(section: SectionArgument) -> Self {
        match section {
            SectionArgument::PreData => Section::PreData,
            SectionArgument::Data => Section::Data,
            SectionArgument::PostData => Section::PostData,
        }
    }
}

/// Prove that an archive or a kept backup is whole, or equal to a database
///
/// Decodes every byte, checks every checksum and counts every row. With --against, the definitions,
/// rows and sequences of a live database are compared with those of the archive and every difference
/// is named. What is found about a backup of a repository is noted in its history.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pgark verify shop-20260131T020000Z
  pgark verify shop-20260131T020000Z --quick
  pgark verify shop-20260131T020000Z --against shop_copy
  pgark verify --latest --repo /backups
  pgark verify --all shop")]
pub(super) struct VerifyArguments {
    /// Archive to check, or the id of a backup [default: standard input, which - means too]
    ///
    /// What is no file and looks like an id, or like the six digits at the end of one, is a backup of the
    /// repository. With --latest or --all it is the database whose backups are meant.
    #[arg(
        value_name = "ARCHIVE",
        default_value = STANDARD_INPUT,
        hide_default_value = true,
        value_parser = path()
    )]
    pub(super) archive: PathBuf,

    /// Check the newest backup of the repository
    #[arg(long, conflicts_with_all = ["all", "against"])]
    pub(super) latest: bool,

    /// Check all backups of the repository
    #[arg(long, conflicts_with = "against")]
    pub(super) all: bool,

    #[command(flatten)]
    pub(super) repository: RepositoryArguments,

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
    /// Archive to look into [default: standard input, which - means too]
    #[arg(
        value_name = "ARCHIVE",
        default_value = STANDARD_INPUT,
        hide_default_value = true,
        value_parser = path()
    )]
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
