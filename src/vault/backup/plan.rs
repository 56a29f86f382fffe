//! The plan of a run of backups: which databases, which types, and whether there is room.

use std::fmt;
use std::path::PathBuf;

use bytesize::ByteSize;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use super::options::{BackupOptions, DatabaseChoice, TypeChoice};
use super::preflight::{SourceFacts, check_folder};
use super::report::FailedBackup;
use super::space;
use crate::dump::{self, GlobalsOptions, PasswordChoice};
use crate::error::{Error, ErrorKind, Result};
use crate::progress::{Interrupt, ProgressHandle};
use crate::vault::backup_type::BackupType;
use crate::vault::id::BackupId;
use crate::vault::lineage::{Line, Lineage, server_of};
use crate::vault::record::Excluded;
use crate::vault::repository::{Repository, StoredBackup};
use crate::vault::retention::{Facts, due};
use crate::vault::seed::Seed;

/// What a run of backups would do.
#[derive(Clone, Serialize)]
pub struct BackupPlan {
    /// The repository.
    pub repository: PathBuf,
    /// How backups are verified.
    pub verified: bool,
    /// The backups that would be made.
    pub backups: Vec<PlannedBackup>,
    /// The databases of which none can be made.
    pub failed: Vec<FailedBackup>,
    #[serde(skip)]
    pub(super) options: BackupOptions,
    #[serde(skip)]
    pub(super) progress: ProgressHandle,
}

/// A backup that would be made.
#[derive(Debug, Clone, Serialize)]
pub struct PlannedBackup {
    /// The database.
    pub database: String,
    /// The type that it would have.
    pub backup_type: BackupType,
    /// The server's version.
    pub server_version: String,
    /// What the database takes on the server.
    pub database_bytes: u64,
    /// About what the backup will take.
    pub needed_bytes: u64,
    /// What is free where it will be.
    pub free_bytes: Option<u64>,
    /// What is left out.
    #[serde(skip_serializing_if = "Excluded::is_empty")]
    pub excluded: Excluded,
    /// The newest proved backup of the database.
    pub before: Option<BackupId>,
    /// What a person should know before.
    pub warnings: Vec<String>,
}

/// Asks servers and repository what a run would do; nothing is made yet.
///
/// # Errors
///
/// [`ErrorKind::Connection`] when the server cannot be reached, [`ErrorKind::Refused`] when the repository cannot be
/// written to or has no room. That one of several databases cannot be backed up is part of the plan.
pub async fn plan(options: BackupOptions, progress: ProgressHandle) -> Result<BackupPlan> {
    check_folder(&options.repository)?;
    let databases = databases(&options, &progress).await?;
    let now = options.dump.started.with_timezone(&Utc);
    let mut backups = Vec::new();
    let mut failures: Vec<(String, Error)> = Vec::new();
    for database in databases {
        match planned(&options, &database, now).await {
            Ok(planned) => {
                for warning in &planned.warnings {
                    progress.warning(&format!("{database}: {warning}"));
                }
                backups.push(planned);
            }
            Err(error) => failures.push((database, error)),
        }
    }
    if backups.is_empty()
        && let Some((_, first)) = failures.pop()
    {
        return Err(first);
    }
    // They are made one after the other in the same place.
    let needed = backups.iter().map(|backup| backup.needed_bytes).sum();
    space::check(&options.repository, needed)?;
    Ok(BackupPlan {
        repository: options.repository.clone(),
        verified: options.verification == super::VerificationChoice::Full,
        backups,
        failed: failures.iter().map(|(name, error)| FailedBackup::of(name, error)).collect(),
        options,
        progress,
    })
}

/// Finds out which databases are meant.
async fn databases(options: &BackupOptions, progress: &ProgressHandle) -> Result<Vec<String>> {
    let connection = &options.dump.connection;
    match &options.databases {
        DatabaseChoice::OfConnection => Ok(vec![connection.database().to_owned()]),
        DatabaseChoice::Named(names) => Ok(names.clone()),
        DatabaseChoice::AllBut(patterns) => {
            let globals = GlobalsOptions {
                passwords: PasswordChoice::Never,
                role: options.dump.role.clone(),
                exclude_databases: patterns.clone(),
                ..GlobalsOptions::new(connection.clone())
            };
            let found = dump::globals(&globals, progress).await?.databases;
            match found.is_empty() {
                false => Ok(found),
                true => Err(Error::new(ErrorKind::NotFound, "no database of the server is left")),
            }
        }
    }
}

async fn planned(
    options: &BackupOptions,
    database: &str,
    now: DateTime<Utc>,
) -> Result<PlannedBackup> {
    let facts = SourceFacts::read(&options.dump.connection.with_database(database)).await?;
    let known = Known::read(options, database, &facts)?;
    Ok(PlannedBackup {
        database: database.to_owned(),
        warnings: facts.lock_slots().into_iter().collect(),
        backup_type: known.type_now(options, now),
        server_version: facts.server_version,
        database_bytes: facts.database_bytes,
        needed_bytes: space::needed(facts.database_bytes, known.newest_proved()),
        free_bytes: space::free(&options.repository),
        excluded: Excluded::of(&options.dump.selection),
        before: known.newest_proved().map(|before| before.id().clone()),
    })
}

impl BackupPlan {
    /// Plans the dump of each database, which locks its tables and finds what cannot be read, and lets go again.
    ///
    /// # Errors
    ///
    /// As [`dump::plan`].
    pub async fn rehearse(&self, interrupt: &Interrupt) -> Result<()> {
        for backup in &self.backups {
            let options = dump::DumpOptions {
                connection: self.options.dump.connection.with_database(&backup.database),
                output: self.repository.join("nothing is written here").into(),
                ..self.options.dump.clone()
            };
            dump::plan(options, self.progress.clone(), interrupt).await?;
        }
        Ok(())
    }
}

/// What the repository has of a database.
pub(super) struct Known {
    /// The newest first; those of other servers are there too.
    backups: Vec<StoredBackup>,
    lineage: Lineage,
}

impl Known {
    pub(super) fn read(
        options: &BackupOptions,
        database: &str,
        facts: &SourceFacts,
    ) -> Result<Known> {
        let backups = match options.repository.exists() {
            true => Repository::open(&options.repository)?.list(Some(database))?.backups,
            false => Vec::new(),
        };
        let lineage = Lineage {
            database: database.to_owned(),
            server: server_of(facts.system_identifier.as_deref(), &facts.server),
            excluded: Excluded::of(&options.dump.selection),
        };
        Ok(Known { backups, lineage })
    }

    /// Returns the backups of this database on this server, with the same left out.
    pub(super) fn line(&self) -> Line<'_> {
        Line::one(&self.backups, &self.lineage)
    }

    /// Returns the newest proved one of them.
    pub(super) fn newest_proved(&self) -> Option<&StoredBackup> {
        self.line().proved().next()
    }

    /// Returns the type of a backup that begins now.
    pub(super) fn type_now(&self, options: &BackupOptions, now: DateTime<Utc>) -> BackupType {
        match options.backup_type {
            TypeChoice::Fixed(backup_type) => backup_type,
            TypeChoice::Due => {
                let line = self.line();
                let facts: Vec<Facts> = line.backups().iter().map(|it| Facts::from(*it)).collect();
                due(&options.policy, &facts, now)
            }
        }
    }

    /// Returns an id that comes after all there are, also when the clock went back.
    pub(super) fn next_id(
        &self,
        database: &str,
        backup_type: BackupType,
        now: DateTime<Utc>,
        seed: &mut Seed,
    ) -> BackupId {
        let after = self.backups.first().map(|newest| newest.id().moment() + TimeDelta::seconds(1));
        let moment = after.map_or(now, |after| after.max(now));
        BackupId::new(database, backup_type, moment, seed.draw())
    }
}

impl fmt::Display for BackupPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for backup in &self.backups {
            let PlannedBackup { database, backup_type, server_version, .. } = backup;
            writeln!(
                f,
                "would make a {backup_type} backup of {database} ({}, PostgreSQL {server_version})",
                ByteSize(backup.database_bytes)
            )?;
            let free = backup.free_bytes.map_or("unknown".to_owned(), |free| {
                format!("{} of {} free", ByteSize(backup.needed_bytes), ByteSize(free))
            });
            writeln!(f, "  in         {}", self.repository.display())?;
            writeln!(f, "  needs      about {free}")?;
            if !backup.excluded.is_empty() {
                writeln!(f, "  without    {}", backup.excluded)?;
            }
            match &backup.before {
                Some(before) => writeln!(f, "  newest     {before}")?,
                None => writeln!(f, "  newest     none that is proved")?,
            }
        }
        for failed in &self.failed {
            writeln!(f, "cannot make a backup of {}: {}", failed.database, failed.message)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_comes_after_all_others_also_when_the_clock_went_back() {
        let mut seed = Seed::new([0; 16]);
        let lineage = || Lineage {
            database: "shop".to_owned(),
            server: "1".to_owned(),
            excluded: Default::default(),
        };
        let none = Known { backups: Vec::new(), lineage: lineage() };
        let now = DateTime::from_timestamp(1_790_000_000, 999).expect("a moment");
        let first = none.next_id("shop", BackupType::Daily, now, &mut seed);
        let first = crate::vault::repository::sample("shop", first);
        let known = Known { backups: vec![first.clone()], lineage: lineage() };
        for clock in [now, now - TimeDelta::hours(1)] {
            let next = known.next_id("shop", BackupType::Daily, clock, &mut seed);
            assert!(next > *first.id(), "{next} after {}", first.id());
            assert_eq!(next.moment(), first.id().moment() + TimeDelta::seconds(1));
        }
        let later = now + TimeDelta::hours(1);
        let next = known.next_id("shop", BackupType::Daily, later, &mut seed);
        assert_eq!(next.moment(), DateTime::from_timestamp(1_790_003_600, 0).expect("a moment"));
    }
}
