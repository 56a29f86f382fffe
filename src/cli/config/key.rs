//! What can be set: one row for each setting, with the names it goes by.

/// Where in the file a setting stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Section {
    /// What is backed up: `[source.NAME]`.
    Source,
    /// Where backups are kept: `[repo.NAME]`.
    Repo,
    /// How, and how long: `[job.NAME]` and `[defaults]`.
    Job,
}

/// How the value of a variable that others have named becomes one of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Meaning {
    /// As it is.
    Same,
    /// A number of days.
    Days,
    /// A number of weeks.
    Weeks,
    /// A number of months.
    Months,
}

/// Something that can be set.
#[derive(Debug, Clone, Copy)]
pub(in crate::cli) struct Key {
    /// Its name in the file; that of the option has dashes.
    pub(in crate::cli) name: &'static str,
    /// Its option, without dashes in front; also the name of its variable.
    pub(in crate::cli) option: &'static str,
    pub(in crate::cli) section: Section,
    /// The value when nobody sets it.
    pub(in crate::cli) default: Option<&'static str>,
    /// Variables of others, the first that is set counts.
    pub(in crate::cli) aliases: &'static [(&'static str, Meaning)],
}

impl Key {
    /// Tells whether it says how long backups are kept.
    pub(in crate::cli) fn is_retention(&self) -> bool {
        self.name.starts_with("keep_")
    }

    /// Tells whether it says how long, and not only how many there must be at least.
    pub(in crate::cli) fn is_policy(&self) -> bool {
        self.is_retention() && self.name != "keep_last"
    }

    /// Returns the name of its own variable.
    pub(in crate::cli) fn variable(&self) -> String {
        format!("PGARK_{}", self.option.to_uppercase().replace('-', "_"))
    }
}

const fn key(
    name: &'static str,
    option: &'static str,
    section: Section,
    default: Option<&'static str>,
    aliases: &'static [(&'static str, Meaning)],
) -> Key {
    Key { name, option, section, default, aliases }
}

use self::Meaning::{Days, Months, Same, Weeks};
use self::Section::{Job, Repo, Source};

/// All settings, in the order in which they are shown.
pub(in crate::cli) const KEYS: &[Key] = &[
    key("connection", "dbname", Source, None, &[("DATABASE_URL", Same)]),
    key("databases", "databases", Source, None, &[]),
    key("all_databases", "all", Source, Some("false"), &[]),
    key("exclude_databases", "exclude-database", Source, None, &[]),
    key("role", "role", Source, None, &[]),
    key("exclude_schemas", "exclude-schema", Source, None, &[]),
    key("exclude_tables", "exclude-table", Source, None, &[]),
    key("exclude_table_data", "exclude-table-data", Source, None, &[]),
    key("path", "repo", Repo, Some("backups"), &[("BACKUP_DIR", Same)]),
    key("type", "type", Job, Some("auto"), &[]),
    key("verify", "verify", Job, Some("true"), &[]),
    key("globals", "globals", Job, Some("true"), &[]),
    key("role_passwords", "role-passwords", Job, Some("true"), &[]),
    key("jobs", "jobs", Job, None, &[]),
    key("compress", "compress", Job, Some("zstd"), &[]),
    key("lock_wait_timeout", "lock-wait-timeout", Job, None, &[]),
    key("max_age", "max-age", Job, Some("26h"), &[]),
    key("checks", "check", Job, None, &[]),
    key(
        "keep_all",
        "keep-all",
        Job,
        None,
        &[("BACKUP_RETENTION_DAYS", Days), ("RETENTION_DAYS", Days)],
    ),
    key(
        "keep_daily",
        "keep-daily",
        Job,
        Some("30d"),
        &[("BACKUP_KEEP_DAYS", Days), ("DAILY_RETENTION", Days)],
    ),
    key(
        "keep_weekly",
        "keep-weekly",
        Job,
        Some("84d"),
        &[("BACKUP_KEEP_WEEKS", Weeks), ("WEEKLY_RETENTION", Days)],
    ),
    key(
        "keep_monthly",
        "keep-monthly",
        Job,
        Some("365d"),
        &[("BACKUP_KEEP_MONTHS", Months), ("MONTHLY_RETENTION", Days)],
    ),
    key("keep_yearly", "keep-yearly", Job, None, &[]),
    key("keep_pre_migration", "keep-pre-migration", Job, Some("90d"), &[]),
    key("keep_safety", "keep-safety", Job, Some("30d"), &[]),
    key("keep_manual", "keep-manual", Job, None, &[]),
    key("keep_last", "keep-last", Job, Some("1"), &[("MIN_SAVED_FILE", Same)]),
];

/// Variables of others about how long something is kept, which need not be backups: logs and metrics have them too.
///
/// They shape what is told, and nothing is dropped because of them alone.
pub(in crate::cli) const FOR_ANYTHING: &[&str] = &[
    "RETENTION_DAYS",
    "DAILY_RETENTION",
    "WEEKLY_RETENTION",
    "MONTHLY_RETENTION",
    "MIN_SAVED_FILE",
];

/// Variables of others for libpq's, which come after libpq's own.
pub(in crate::cli) const CONNECTION_ALIASES: &[(&str, &[&str])] = &[
    ("PGHOST", &["POSTGRES_HOST", "DB_HOST"]),
    ("PGPORT", &["POSTGRES_PORT", "DB_PORT"]),
    ("PGDATABASE", &["POSTGRES_DB", "DB_NAME"]),
    ("PGUSER", &["POSTGRES_USER", "DB_USER"]),
    ("PGPASSWORD", &["POSTGRES_PASSWORD", "DB_PASSWORD"]),
];

/// Variables of others that mean nothing here, each with the way to have it.
pub(in crate::cli) const WITHOUT_MEANING: &[(&[&str], &str)] = &[
    (
        &["BACKUP_SCHEDULE", "SCHEDULE", "CRON_SCHEDULE", "BACKUP_CRON_EXPRESSION"],
        "pgark has no schedule of its own yet: run it from cron or systemd (docs/backups.md)",
    ),
    (
        &["S3_BACKUP_BUCKET", "AWS_S3_BUCKET", "AWS_S3_BUCKET_NAME", "S3_PREFIX", "AWS_S3_PATH"],
        "backups are kept in folders only: nothing is uploaded",
    ),
    (
        &["AGE_PUBLIC_KEYS", "AGE_PASSPHRASE", "PASSPHRASE", "GPG_PASSPHRASE"],
        "backups are not encrypted yet",
    ),
    (
        &["POSTGRES_EXTRA_OPTS", "DUMP_ARGS", "RESTORE_ARGS"],
        "options are given to pgark itself, or stand in pgark.toml",
    ),
];

/// Variables of our own that are no settings of a job.
pub(in crate::cli) const OTHER_VARIABLES: &[&str] =
    &["PGARK_CONFIG", "PGARK_PROFILE", "PGARK_POSTGRES_BIN"];

/// Returns a setting by its name in the file.
pub(in crate::cli) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_name_is_there_twice() {
        let names: BTreeSet<&str> = KEYS.iter().map(|key| key.name).collect();
        let variables: BTreeSet<String> = KEYS.iter().map(Key::variable).collect();
        let aliases: Vec<&str> =
            KEYS.iter().flat_map(|key| key.aliases.iter().map(|alias| alias.0)).collect();
        assert_eq!((names.len(), variables.len()), (KEYS.len(), KEYS.len()));
        assert_eq!(aliases.iter().collect::<BTreeSet<_>>().len(), aliases.len());
        assert_eq!(
            find("keep_pre_migration").map(Key::variable).as_deref(),
            Some("PGARK_KEEP_PRE_MIGRATION")
        );
    }
}
