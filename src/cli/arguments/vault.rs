//! What was typed behind the verbs of the backup manager.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{ConnectionArguments, Jobs, OutputArguments, path};
use crate::vault::BackupType;
use crate::vault::retention::Keep;

/// Which repository.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Repository")]
pub(in crate::cli) struct RepositoryArguments {
    /// Folder with the backups [default: ./backups]
    #[arg(long, value_name = "DIR", value_parser = path())]
    pub(in crate::cli) repo: Option<PathBuf>,

    /// File with settings [default: pgark.toml here, in ~/.config/pgark or in /etc/pgark]
    #[arg(long, value_name = "FILE", value_parser = path())]
    pub(in crate::cli) config: Option<PathBuf>,

    /// The job of that file whose settings count [default: the only one, or the one called default]
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) profile: Option<String>,
}

/// How long backups are kept.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Retention")]
pub(in crate::cli) struct RetentionArguments {
    /// Keep backups of the types below so long where nothing else is said, manual ones apart
    #[arg(long, value_name = "HOW_LONG")]
    pub(in crate::cli) keep_all: Option<Keep>,

    /// Keep daily and full backups so long: 30d is an age, 7 a number of days with a backup, 30d,7 both
    /// [default: 30d]
    #[arg(long, value_name = "HOW_LONG")]
    pub(in crate::cli) keep_daily: Option<Keep>,

    /// Keep one backup of each week so long [default: 84d]
    #[arg(long, value_name = "HOW_LONG")]
    pub(in crate::cli) keep_weekly: Option<Keep>,

    /// Keep one backup of each month so long [default: 365d]
    #[arg(long, value_name = "HOW_LONG")]
    pub(in crate::cli) keep_monthly: Option<Keep>,

    /// Keep one backup of each year so long [default: yearly backups are kept for ever]
    #[arg(long, value_name = "HOW_LONG")]
    pub(in crate::cli) keep_yearly: Option<Keep>,

    /// Keep backups made before migrations so long [default: 90d]
    #[arg(long, value_name = "HOW_LONG")]
    pub(in crate::cli) keep_pre_migration: Option<Keep>,

    /// Keep safety backups so long [default: 30d]
    #[arg(long, value_name = "HOW_LONG")]
    pub(in crate::cli) keep_safety: Option<Keep>,

    /// Keep manual backups so long [default: for ever]
    #[arg(long, value_name = "HOW_LONG")]
    pub(in crate::cli) keep_manual: Option<Keep>,

    /// Keep so many of the newest proved backups of each database, whatever their age [default: 1]
    #[arg(long, value_name = "N")]
    pub(in crate::cli) keep_last: Option<u32>,
}

/// Make a proved backup and keep it in a repository
///
/// Dumps the database into a folder of its own in the repository, keeps roles and tablespaces with it, reads
/// everything back and only then lets it count. Older backups that are not kept any longer are named, and
/// dropped when a --keep option or a variable says how long backups are kept.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  DATABASE_URL=postgres://backup@db.example/shop pgark backup
  pgark backup shop blog --repo /backups
  pgark backup --all --exclude-database 'test*'
  pgark backup shop --type pre-migration --hold 'migration 12'
  pgark backup shop --keep-daily 14d --keep-weekly 8w
  pgark backup shop --dry-run")]
pub(in crate::cli) struct BackupArguments {
    /// Databases to back up [default: the one of the connection]
    #[arg(value_name = "DBNAME")]
    pub(in crate::cli) databases: Vec<String>,

    /// Back up every database of the server that accepts connections, each for itself
    #[arg(long, conflicts_with = "databases")]
    pub(in crate::cli) all: bool,

    /// With --all, leave out these databases (can be repeated)
    #[arg(long, value_name = "PATTERN", conflicts_with = "databases")]
    pub(in crate::cli) exclude_database: Vec<String>,

    /// What the backup is made for [default: auto]
    ///
    /// auto: the longest of daily, weekly, monthly and yearly that is kept and whose current day, week, month or
    /// year has no proved backup yet, so that a missed Sunday is caught up with. full, daily, weekly, monthly,
    /// yearly, pre-migration, manual, safety: that.
    #[arg(long = "type", value_name = "TYPE")]
    pub(in crate::cli) backup_type: Option<TypeArgument>,

    /// Do not read the backup again when it is written
    ///
    /// It does not count as proved then until "pgark verify" has looked at it.
    #[arg(long)]
    pub(in crate::cli) no_verify: bool,

    /// Do not drop it, however old, before "pgark mark ID verified" or release
    #[arg(long, value_name = "REASON", num_args = 0..=1, default_missing_value = "until it is verified")]
    pub(in crate::cli) hold: Option<String>,

    /// Number of connections that read [default: number of cores, at most 8]
    #[arg(short = 'j', long, value_name = "N")]
    pub(in crate::cli) jobs: Option<Jobs>,

    /// Compression: none, gzip, lz4 or zstd, with level and details as in zstd:9 [default: zstd]
    #[arg(short = 'Z', long, value_name = "SPEC", allow_hyphen_values = true)]
    pub(in crate::cli) compress: Option<String>,

    /// Do not back up these schemas (can be repeated)
    #[arg(short = 'N', long, value_name = "PATTERN")]
    pub(in crate::cli) exclude_schema: Vec<String>,

    /// Do not back up these tables, views and sequences (can be repeated)
    #[arg(short = 'T', long, value_name = "PATTERN")]
    pub(in crate::cli) exclude_table: Vec<String>,

    /// Back up the definition of these tables and not their rows (can be repeated)
    #[arg(long, value_name = "PATTERN")]
    pub(in crate::cli) exclude_table_data: Vec<String>,

    /// Do not keep roles and tablespaces with it
    #[arg(long)]
    pub(in crate::cli) no_globals: bool,

    /// Leave out the passwords of roles
    #[arg(long)]
    pub(in crate::cli) no_role_passwords: bool,

    /// Do not wait until the backup is on disk
    #[arg(long)]
    pub(in crate::cli) no_sync: bool,

    /// Do not wait longer than this for the lock of a table, such as 30s
    #[arg(long, value_name = "TIME")]
    pub(in crate::cli) lock_wait_timeout: Option<String>,

    /// Do not drop backups that are not kept any longer; name them
    #[arg(long)]
    pub(in crate::cli) no_prune: bool,

    /// Check everything that a backup needs, print what would be made, and stop
    #[arg(long)]
    pub(in crate::cli) dry_run: bool,

    #[command(flatten)]
    pub(in crate::cli) repository: RepositoryArguments,

    #[command(flatten)]
    pub(in crate::cli) retention: RetentionArguments,

    #[command(flatten)]
    pub(in crate::cli) connection: ConnectionArguments,

    #[command(flatten)]
    pub(in crate::cli) output: OutputArguments,
}

/// What a backup is made for, as it is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum TypeArgument {
    Auto,
    Fixed(BackupType),
}

impl std::fmt::Display for TypeArgument {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            TypeArgument::Auto => f.write_str("auto"),
            TypeArgument::Fixed(backup_type) => backup_type.fmt(f),
        }
    }
}

impl std::str::FromStr for TypeArgument {
    type Err = crate::Error;

    fn from_str(text: &str) -> Result<Self, crate::Error> {
        match text {
            "auto" => Ok(TypeArgument::Auto),
            other => other.parse().map(TypeArgument::Fixed),
        }
    }
}

/// List the backups of a repository
///
/// The newest first, with type, size, what is proved of each and why it is held.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pgark list
  pgark list shop --repo /backups --json")]
pub(in crate::cli) struct ListArguments {
    /// Only the backups of this database
    #[arg(value_name = "DBNAME")]
    pub(in crate::cli) database: Option<String>,

    #[command(flatten)]
    pub(in crate::cli) repository: RepositoryArguments,

    /// Print as JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// Tell how each database stands: newest backup, counts, sizes, what is due
///
/// Ends with exit code 9 when a database has no proved backup that is younger than --max-age.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pgark status
  pgark status shop --max-age 26h --json")]
pub(in crate::cli) struct StatusArguments {
    /// Only this database
    #[arg(value_name = "DBNAME")]
    pub(in crate::cli) database: Option<String>,

    /// The newest proved backup must be younger than this [default: 26h]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(in crate::cli) max_age: Option<std::time::Duration>,

    #[command(flatten)]
    pub(in crate::cli) repository: RepositoryArguments,

    #[command(flatten)]
    pub(in crate::cli) retention: RetentionArguments,

    /// Print as JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// Show which backups are not kept any longer, or drop them
///
/// Prints a reason for every backup, kept or dropped. Nothing is dropped without --apply.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pgark prune
  pgark prune shop --keep-daily 7 --keep-weekly 4 --apply")]
pub(in crate::cli) struct PruneArguments {
    /// Only the backups of this database
    #[arg(value_name = "DBNAME")]
    pub(in crate::cli) database: Option<String>,

    /// Drop them
    #[arg(long)]
    pub(in crate::cli) apply: bool,

    #[command(flatten)]
    pub(in crate::cli) repository: RepositoryArguments,

    #[command(flatten)]
    pub(in crate::cli) retention: RetentionArguments,

    #[command(flatten)]
    pub(in crate::cli) output: OutputArguments,
}

/// Say of a backup that it is good, that it must stay, or that it is the last
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pgark mark 4f09ac verified
  pgark mark 4f09ac hold --reason 'audit of 2026'
  pgark mark 4f09ac release")]
pub(in crate::cli) struct MarkArguments {
    /// The backup: its id, the six digits at its end, or the beginning of its id
    #[arg(value_name = "ID")]
    pub(in crate::cli) id: String,

    /// What to say
    #[arg(value_name = "WHAT", value_enum)]
    pub(in crate::cli) mark: MarkArgument,

    /// Why, for whoever reads it later
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) reason: Option<String>,

    #[command(flatten)]
    pub(in crate::cli) repository: RepositoryArguments,

    /// Print as JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// Show every setting and where it comes from, or check that all of them can be read
///
/// show: the settings of a profile, passwords left out. check: reads every value of every profile, without a server.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pgark config show --profile shop
  pgark config check --config /etc/pgark/pgark.toml")]
pub(in crate::cli) struct ConfigArguments {
    /// What to do
    #[arg(value_name = "ACTION", value_enum)]
    pub(in crate::cli) action: ConfigAction,

    #[command(flatten)]
    pub(in crate::cli) repository: RepositoryArguments,

    /// Print as JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// What is done with settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum ConfigAction {
    /// Print each with its origin
    Show,
    /// Read all of them
    Check,
}

/// What is said about a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum MarkArgument {
    /// It is good, or what it was made for went well; ends the hold that it was made with
    Verified,
    /// It must not be dropped
    Hold,
    /// It may be dropped again, as the policy says
    Release,
    /// It is the last one of its database from its server: status waits for no more, --latest looks elsewhere
    Retired,
}
