//! From settings to what the verbs of the backup manager are asked to do.

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use crate::cli::arguments::{
    BackupArguments, ConnectionArguments, Jobs, RepositoryArguments, RetentionArguments,
    TypeArgument,
};
use crate::cli::config::Settings;
use crate::cli::connection;
use crate::cli::world::World;
use crate::codec::Compression;
use crate::connect::ConnectParams;
use crate::error::{Error, ErrorKind, Result};
use crate::sql::text;
use crate::vault::BackupType;
use crate::vault::retention::{Keep, Policy};

/// Reads environment and file, and puts what was typed about the repository before them.
pub(in crate::cli) fn read(arguments: &RepositoryArguments, world: &World) -> Result<Settings> {
    let mut settings = Settings::read(arguments, world)?;
    let typed = arguments.repo.as_ref();
    settings.typed("path", typed.map(|path| text::decode(path.as_os_str().as_bytes())));
    Ok(settings)
}

/// Returns the folder of the repository.
///
/// # Errors
///
/// [`crate::ErrorKind::Usage`] when the file names several and nobody says which.
pub(in crate::cli) fn repository(settings: &Settings) -> Result<PathBuf> {
    settings.one_repository()?;
    Ok(settings.text("path").map(text::path).unwrap_or_default())
}

/// Returns where to connect: as typed, or else as set, or else as libpq would.
pub(in crate::cli) fn connection(
    settings: &Settings,
    arguments: &ConnectionArguments,
    world: &World,
) -> Result<ConnectParams> {
    let mut arguments = arguments.clone();
    // The settings have DATABASE_URL in its place; looked up once more it would come before them.
    let mut environment = settings.environment.clone();
    environment.variables.remove("DATABASE_URL");
    arguments.dbname = arguments.dbname.or_else(|| settings.text("connection").map(str::to_owned));
    connection::params(&World { environment, ..world.clone() }, &arguments, None)
}

/// Returns the one database that a job is about.
///
/// # Errors
///
/// [`ErrorKind::Usage`] when it is about several.
pub(in crate::cli) fn one_database(
    settings: &Settings,
    arguments: &ConnectionArguments,
    world: &World,
) -> Result<ConnectParams> {
    let params = connection(settings, arguments, world)?;
    match settings.list("databases").as_slice() {
        [] => Ok(params),
        [one] => Ok(params.with_database(one)),
        several => {
            let message = format!("the profile has several databases: {}", several.join(", "));
            Err(Error::new(ErrorKind::Usage, message).with_hint("name one with --target"))
        }
    }
}

/// Returns the queries that must be true in what is restored of a database: those of the job when it is about it.
pub(in crate::cli) fn checks(
    settings: &Settings,
    database: &str,
    world: &World,
) -> Result<Vec<String>> {
    let checks = settings.list("checks");
    if checks.is_empty() {
        return Ok(checks);
    }
    let databases = settings.list("databases");
    let is_meant = match databases.is_empty() {
        // A variable says where to go, and the file what the checks are about.
        true => match settings.overridden_connection() {
            Some(text) => connection::params_of(world, text)?.database() == database,
            None => connection(settings, &Default::default(), world)?.database() == database,
        },
        false => databases.iter().any(|name| name == database),
    };
    Ok(if is_meant { checks } else { Vec::new() })
}

/// Puts what was typed about retention before what was set.
pub(super) fn type_retention(settings: &mut Settings, arguments: &RetentionArguments) {
    let typed = [
        ("keep_all", arguments.keep_all),
        ("keep_daily", arguments.keep_daily),
        ("keep_weekly", arguments.keep_weekly),
        ("keep_monthly", arguments.keep_monthly),
        ("keep_yearly", arguments.keep_yearly),
        ("keep_pre_migration", arguments.keep_pre_migration),
        ("keep_safety", arguments.keep_safety),
        ("keep_manual", arguments.keep_manual),
    ];
    for (name, keep) in typed {
        settings.typed(name, keep.map(|keep| keep.as_typed()));
    }
    settings.typed("keep_last", arguments.keep_last);
    settings.prefer_policy();
}

/// How long backups are kept, and whether somebody said so: of backups, and how long.
pub(super) struct Retention {
    pub(super) policy: Policy,
    pub(super) is_chosen: bool,
}

/// The rules of a policy by the names of their settings.
const RULES: [(&str, BackupType); 7] = [
    ("keep_daily", BackupType::Daily),
    ("keep_weekly", BackupType::Weekly),
    ("keep_monthly", BackupType::Monthly),
    ("keep_yearly", BackupType::Yearly),
    ("keep_pre_migration", BackupType::PreMigration),
    ("keep_safety", BackupType::Safety),
    ("keep_manual", BackupType::Manual),
];

/// Returns how long backups are kept.
pub(super) fn retention(settings: &Settings) -> Result<Retention> {
    let mut policy = Policy { rules: Default::default(), ..Policy::default() };
    // How many there must be at least drops none of the others.
    let mut is_chosen = settings.is_chosen("keep_all");
    let all = settings.parsed("keep_all", str::parse::<Keep>)?;
    for (name, backup_type) in RULES {
        let own = settings.parsed(name, str::parse::<Keep>)?;
        // What is said of all counts for a type that nobody has spoken of, manual backups apart.
        let all = all.filter(|_| backup_type != BackupType::Manual);
        let rule = if settings.is_set(name) { own } else { all.or(own) };
        policy.rules.extend(rule.map(|rule| (backup_type, rule)));
        is_chosen |= settings.is_chosen(name);
    }
    if let Some(minimum) = settings.parsed("keep_last", str::parse::<u32>)? {
        policy.minimum = minimum;
    }
    Ok(Retention { policy, is_chosen })
}

/// How a backup is made, as far as it can be set.
pub(super) struct Making {
    pub(super) databases: Vec<String>,
    pub(super) all_databases: bool,
    pub(super) exclude_databases: Vec<String>,
    pub(super) backup_type: TypeArgument,
    pub(super) verify: bool,
    pub(super) globals: bool,
    pub(super) role_passwords: bool,
    pub(super) jobs: Option<Jobs>,
    pub(super) compression: Compression,
    pub(super) lock_wait_timeout: Option<String>,
    pub(super) role: Option<String>,
    pub(super) exclude_schemas: Vec<String>,
    pub(super) exclude_tables: Vec<String>,
    pub(super) exclude_table_data: Vec<String>,
}

/// Puts what was typed about a backup before what was set.
pub(super) fn type_backup(settings: &mut Settings, arguments: &BackupArguments) {
    type_retention(settings, &arguments.retention);
    settings.typed("databases", &arguments.databases);
    settings.typed("all_databases", arguments.all.then_some(true));
    settings.typed("exclude_databases", &arguments.exclude_database);
    settings.typed("exclude_schemas", &arguments.exclude_schema);
    settings.typed("exclude_tables", &arguments.exclude_table);
    settings.typed("exclude_table_data", &arguments.exclude_table_data);
    settings.typed("type", arguments.backup_type.as_ref());
    settings.typed("compress", arguments.compress.as_ref());
    settings.typed("jobs", arguments.jobs.map(|Jobs(jobs)| jobs));
    settings.typed("lock_wait_timeout", arguments.lock_wait_timeout.as_ref());
    settings.typed("role", arguments.connection.role.as_ref());
    settings.typed("verify", arguments.no_verify.then_some(false));
    settings.typed("globals", arguments.no_globals.then_some(false));
    settings.typed("role_passwords", arguments.no_role_passwords.then_some(false));
}

/// Returns how a backup is made.
pub(super) fn making(settings: &Settings) -> Result<Making> {
    let text = |name| settings.text(name).map(str::to_owned);
    Ok(Making {
        databases: settings.list("databases"),
        all_databases: settings.flag("all_databases")?,
        exclude_databases: settings.list("exclude_databases"),
        backup_type: settings
            .parsed("type", str::parse::<TypeArgument>)?
            .unwrap_or(TypeArgument::Auto),
        verify: settings.flag("verify")?,
        globals: settings.flag("globals")?,
        role_passwords: settings.flag("role_passwords")?,
        jobs: settings.parsed("jobs", str::parse::<Jobs>)?,
        compression: settings
            .parsed("compress", str::parse::<Compression>)?
            .unwrap_or(Compression::NONE),
        lock_wait_timeout: text("lock_wait_timeout"),
        role: text("role"),
        exclude_schemas: settings.list("exclude_schemas"),
        exclude_tables: settings.list("exclude_tables"),
        exclude_table_data: settings.list("exclude_table_data"),
    })
}

/// Returns how old the newest proved backup may be.
pub(super) fn max_age(settings: &Settings, typed: Option<Duration>) -> Result<Duration> {
    let set = settings.parsed("max_age", humantime::parse_duration)?;
    Ok(typed.or(set).unwrap_or(Duration::MAX))
}

/// Reads every setting with whatever will use it.
///
/// # Errors
///
/// [`crate::ErrorKind::Usage`] for the first that cannot be read.
pub(in crate::cli) fn check(settings: &Settings) -> Result<()> {
    making(settings)?;
    retention(settings)?;
    max_age(settings, None).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connect::Environment;

    fn settings(variables: &[(&str, &str)]) -> Settings {
        let variables =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let world = World {
            environment: Environment { variables: variables.collect(), home: None, user: None },
            can_ask: false,
            stderr_is_terminal: false,
            color: false,
            cores: 1,
            host: "here".to_owned(),
            temporary_directory: PathBuf::from("/tmp"),
        };
        read(&RepositoryArguments::default(), &world).expect("settings")
    }

    #[test]
    fn a_policy_is_chosen_by_who_speaks_of_backups_and_of_how_long() {
        for (name, is_chosen) in [
            ("RETENTION_DAYS", false),
            ("WEEKLY_RETENTION", false),
            ("MIN_SAVED_FILE", false),
            ("PGARK_KEEP_LAST", false),
            ("BACKUP_KEEP_DAYS", true),
            ("BACKUP_RETENTION_DAYS", true),
            ("PGARK_KEEP_ALL", true),
            ("PGARK_KEEP_SAFETY", true),
        ] {
            let found = retention(&settings(&[(name, "7")])).expect("a policy");
            assert_eq!(found.is_chosen, is_chosen, "{name}");
        }
    }

    #[test]
    fn what_is_typed_is_not_mixed_with_what_happens_to_be_around() {
        let mut settings = settings(&[("RETENTION_DAYS", "1"), ("MIN_SAVED_FILE", "9")]);
        let typed = RetentionArguments { keep_daily: Some(Keep::days(7)), ..Default::default() };
        type_retention(&mut settings, &typed);
        let found = retention(&settings).expect("a policy");
        assert!(found.is_chosen);
        let expected =
            Policy::default().rules.into_iter().chain([(BackupType::Daily, Keep::days(7))]);
        assert_eq!(found.policy, Policy { rules: expected.collect(), minimum: 1 });
    }
}
