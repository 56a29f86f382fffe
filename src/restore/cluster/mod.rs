//! A whole server out of one folder: the globals, then each database out of its archive.
//!
//! Databases are created, except the two that every server has: those are filled. What stands in the way is
//! found before anything is changed. An archive without any object of its own is passed over.

mod globals;

use std::collections::HashSet;
use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::Serialize;

use self::globals::Tablespaces;
use super::options::{Mode, RestoreOptions};
use super::plan::plan as plan_database;
use super::report::{IgnoredError, RestoreReport, partial};
use super::user_objects;
use crate::archive::cluster::ClusterManifest;
use crate::archive::statements::{is_database_entry, is_session_entry};
use crate::archive::{self, ArchiveReader};
use crate::connect::Session;
use crate::ddl::cluster::exists_everywhere;
use crate::error::{Error, ErrorKind, Result};
use crate::model::TocEntry;
use crate::progress::{Interrupt, ProgressHandle};
use crate::sql::quote_identifier;

/// What the restore of a server is asked to do.
#[derive(Debug, Clone)]
pub struct ClusterRestoreOptions {
    /// The folder.
    pub folder: PathBuf,
    /// How each database is restored; the connection is that to begin with.
    pub databases: RestoreOptions,
}

/// What becomes of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DatabaseStep {
    /// It is created and filled.
    Create,
    /// It is there and filled.
    Fill,
    /// Its archive holds nothing.
    PassOver,
}

/// A database in a plan.
#[derive(Debug, Clone, Serialize)]
pub struct PlannedDatabase {
    /// Its name.
    pub database: String,
    /// What becomes of it.
    pub step: DatabaseStep,
    #[serde(skip)]
    archive: PathBuf,
}

/// What the restore of a server would do.
pub struct ClusterRestorePlan {
    options: ClusterRestoreOptions,
    globals: Vec<u8>,
    databases: Vec<PlannedDatabase>,
    session: Session,
    progress: ProgressHandle,
}

/// What the restore of a server did.
#[derive(Debug, Clone, Serialize)]
pub struct ClusterRestoreReport {
    /// Statements about roles, tablespaces and so on that ran.
    pub globals: u64,
    /// Roles and tablespaces that were there and were left as they are.
    pub existing: Vec<String>,
    /// Statements about them that failed.
    pub ignored: Vec<IgnoredError>,
    /// The databases that were filled.
    pub databases: Vec<RestoreReport>,
    /// How long it took.
    #[serde(rename = "seconds", serialize_with = "crate::progress::serialize_seconds")]
    pub time: Duration,
}

/// Opens the folder and looks at the target.
///
/// # Errors
///
/// [`ErrorKind::Usage`] for options that make no sense here, [`ErrorKind::Integrity`] when the folder is not what was
/// written, [`ErrorKind::Connection`] when the target cannot be reached, [`ErrorKind::Refused`] when
/// databases are there already.
pub async fn plan_cluster(
    mut options: ClusterRestoreOptions,
    progress: ProgressHandle,
) -> Result<ClusterRestorePlan> {
    if options.databases.names_objects() || options.databases.single_transaction {
        return Err(Error::new(
            ErrorKind::Usage,
            "the folder of a whole server is restored as a whole",
        )
        .with_hint("restore one of the archives in its folder \"databases\" to choose from it"));
    }
    let manifest = ClusterManifest::open(&options.folder)?;
    let globals = manifest.read_globals(&options.folder)?;
    let session = Session::connect(&options.databases.connection).await?;
    options.databases.connection = session.same_server().clone();
    let present = present_databases(&session).await?;
    let may_exist = options.databases.mode == Mode::Append;
    let mut obstacles = Vec::new();
    let mut databases = Vec::new();
    for listed in &manifest.databases {
        let database = listed.database.clone();
        if listed.present_manifest(&options.folder)? != listed.manifest_sha256 {
            return Err(Error::new(
                ErrorKind::Integrity,
                format!("the archive of database \"{database}\" is not the one that was written"),
            ));
        }
        let archive = listed.archive(&options.folder);
        let exists = present.contains(&database);
        let fills = exists && (may_exist || exists_everywhere(&database));
        let step = match fills {
            true if is_empty(&*archive::open(&archive)?) => DatabaseStep::PassOver,
            true => DatabaseStep::Fill,
            false => DatabaseStep::Create,
        };
        if step == DatabaseStep::Create && exists && !options.databases.clean {
            obstacles.push(format!("database \"{database}\" exists already"));
        }
        if step == DatabaseStep::Fill && !may_exist && !options.databases.clean {
            let params = options.databases.connection.with_database(&database);
            let session = Session::connect(&params).await?;
            let found = user_objects::read(&session).await?;
            if !found.is_empty() {
                let listed = user_objects::listed(&found);
                obstacles.push(format!("database \"{database}\" is not empty: {listed}"));
            }
            session.close().await;
        }
        databases.push(PlannedDatabase { database, step, archive });
    }
    if !obstacles.is_empty() {
        let message =
            format!("cannot restore to {}: {}", session.description(), obstacles.join("; "));
        return Err(Error::new(ErrorKind::Refused, message)
            .with_hint("--clean drops databases first; --mode append adds to what is there"));
    }
    Ok(ClusterRestorePlan { options, globals, databases, session, progress })
}

async fn present_databases(session: &Session) -> Result<HashSet<String>> {
    let query = "select datname from pg_catalog.pg_database";
    let rows = session.query("read the names of the databases", query).await?;
    rows.iter().map(|row| Ok(row.text("datname")?.to_owned())).collect()
}

/// Tells whether an archive holds nothing but its database.
fn is_empty(archive: &dyn ArchiveReader) -> bool {
    let is_about_database = |entry: &TocEntry| {
        is_session_entry(entry)
            || is_database_entry(entry)
            || (matches!(entry.desc.as_str(), "COMMENT" | "ACL" | "SECURITY LABEL")
                && entry.tag.starts_with("DATABASE "))
    };
    archive.entries().iter().all(is_about_database)
}

impl ClusterRestorePlan {
    /// Returns what becomes of the databases.
    pub fn databases(&self) -> &[PlannedDatabase] {
        &self.databases
    }

    /// Restores everything.
    ///
    /// # Errors
    ///
    /// Those of restoring a database, with its name; what was done before stays.
    pub async fn run(self, interrupt: Interrupt) -> Result<ClusterRestoreReport> {
        let ClusterRestorePlan { options, globals, databases, session, progress } = self;
        let began = Instant::now();
        if let Some(role) = &options.databases.role {
            let set = format!("SET ROLE {}", quote_identifier(role));
            session.execute("become the role", &set).await?;
        }
        progress.phase("globals", 0, 0);
        let tablespaces = match options.databases.no_tablespaces {
            true => Tablespaces::LeftOut,
            false => Tablespaces::Made,
        };
        let outcome = globals::apply(
            &session,
            &globals,
            tablespaces,
            options.databases.exit_on_error,
            &*progress,
            &interrupt,
        )
        .await?;
        session.close().await;
        let mut reports = Vec::new();
        for PlannedDatabase { database, step, archive } in databases {
            let connection = &options.databases.connection;
            let creates = match step {
                DatabaseStep::Create => true,
                DatabaseStep::Fill => false,
                DatabaseStep::PassOver => continue,
            };
            let options = RestoreOptions {
                archive: archive.into(),
                connection: match creates {
                    true => connection.clone(),
                    false => connection.with_database(&database),
                },
                create: creates,
                ..options.databases.clone()
            };
            let named =
                |error: Error| error.context(format!("could not restore database \"{database}\""));
            let plan = plan_database(options, progress.clone()).await.map_err(named)?;
            reports.push(plan.run(interrupt.clone()).await.map_err(named)?);
        }
        Ok(ClusterRestoreReport {
            globals: outcome.statements,
            existing: outcome.existing,
            ignored: outcome.ignored,
            databases: reports,
            time: began.elapsed(),
        })
    }
}

impl ClusterRestoreReport {
    /// Returns the failure that all ignored errors together amount to: kind [`ErrorKind::Partial`].
    pub fn partial(&self) -> Option<Error> {
        let databases = self.databases.iter().flat_map(|database| &database.ignored);
        partial(self.ignored.iter().chain(databases))
    }
}

impl fmt::Debug for ClusterRestorePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterRestorePlan")
            .field("databases", &self.databases)
            .finish_non_exhaustive()
    }
}
