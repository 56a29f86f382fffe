//! A whole server into one folder: the globals, then each database as an archive of its own.
//!
//! Each database is dumped in a snapshot of its own, as pg_dumpall does it: no snapshot reaches across
//! databases. Nothing appears under the folder's name before everything is in it.

use std::fmt;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use serde::Serialize;

use super::globals::{Globals, GlobalsOptions, globals};
use super::options::DumpOptions;
use super::plan::plan as plan_database;
use super::report::DumpReport;
use crate::archive::cluster::{
    ClusterDatabase, ClusterManifest, DATABASES_FOLDER, GLOBALS_FILE, manifest_sha256, paths,
};
use crate::archive::manifest::MANIFEST_FILE;
use crate::codec::sha256;
use crate::ddl::cluster::{header, trailer};
use crate::error::{Context, ErrorKind, Result};
use crate::progress::{Interrupt, ProgressHandle};
use crate::sql::text;
use crate::store::StagedDirectory;

/// What the dump of a server is asked to do.
#[derive(Debug, Clone)]
pub struct ClusterDumpOptions {
    /// The folder to write.
    pub folder: PathBuf,
    /// The globals.
    pub globals: GlobalsOptions,
    /// How each database is dumped; its connection and output are replaced.
    pub databases: DumpOptions,
}

/// What the dump of a server would do.
pub struct ClusterDumpPlan {
    options: ClusterDumpOptions,
    globals: Globals,
    progress: ProgressHandle,
}

/// The outcome of a dump that succeeded.
#[derive(Debug, Clone, Serialize)]
pub struct ClusterDumpReport {
    /// The folder.
    pub output: String,
    /// The server's version.
    pub server_version: String,
    /// Whether the globals hold the passwords of roles.
    pub passwords: bool,
    /// The databases, in the order in which they are restored.
    pub databases: Vec<DumpReport>,
    /// How long everything took, in seconds.
    #[serde(rename = "elapsed_seconds", serialize_with = "crate::progress::serialize_seconds")]
    pub elapsed: Duration,
}

/// Reads the globals and the names of the databases.
///
/// # Errors
///
/// As [`globals`].
pub async fn plan_cluster(
    options: ClusterDumpOptions,
    progress: ProgressHandle,
) -> Result<ClusterDumpPlan> {
    let globals = globals(&options.globals, &progress).await?;
    Ok(ClusterDumpPlan { options, globals, progress })
}

impl ClusterDumpPlan {
    /// Returns the databases that will be dumped.
    pub fn databases(&self) -> &[String] {
        &self.globals.databases
    }

    /// Dumps everything.
    ///
    /// # Errors
    ///
    /// Those of dumping a database, with its name; [`ErrorKind::Refused`] when the folder exists. Whatever
    /// the reason, nothing is left.
    pub async fn run(self, interrupt: Interrupt) -> Result<ClusterDumpReport> {
        let ClusterDumpPlan { options, globals, progress } = self;
        let began = Instant::now();
        let now = |began: Instant| {
            options.databases.started + TimeDelta::from_std(began.elapsed()).unwrap_or_default()
        };
        let staged = StagedDirectory::create(&options.folder)?;
        let folder = staged.path();
        let script = format!("{}{}{}", header(), globals.script, trailer());
        let script = text::encode(&script);
        write_file(&folder.join(GLOBALS_FILE), &script)?;
        let archives = folder.join(DATABASES_FOLDER);
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&archives)
            .context(ErrorKind::Storage, || {
                format!("could not create directory \"{}\"", archives.display())
            })?;

        let mut reports = Vec::new();
        let mut listed = Vec::new();
        let names = globals.databases.iter().map(String::as_str);
        for (database, path) in globals.databases.iter().zip(paths(names)) {
            let output = folder.join(&path);
            progress.info(&format!("dumping database \"{database}\""));
            let options = DumpOptions {
                connection: options.globals.connection.with_database(database),
                output: output.clone().into(),
                started: now(began),
                ..options.databases.clone()
            };
            let named = |error: crate::Error| {
                error.context(format!("could not dump database \"{database}\""))
            };
            let plan = plan_database(options, progress.clone(), &interrupt).await.map_err(named)?;
            let mut report = plan.run(interrupt.clone()).await.map_err(named)?;
            listed.push(ClusterDatabase {
                database: database.clone(),
                manifest_sha256: manifest_sha256(&output)?,
                tables: report.tables.len() as u64,
                rows: report.rows,
                raw_bytes: report.raw_bytes,
                stored_bytes: report.stored_bytes,
                path: path.clone(),
            });
            // The report tells where things are at the end, not where they were written.
            report.output = staged.final_path().join(&path).display().to_string();
            reports.push(report);
        }
        let times = (options.databases.started.with_timezone(&Utc), now(began).with_timezone(&Utc));
        let manifest = ClusterManifest::new(
            &globals.server_version,
            times,
            globals.with_passwords,
            &script,
            listed,
        );
        describe(folder, &manifest)?;
        let output = staged.final_path().display().to_string();
        staged.commit(MANIFEST_FILE)?;
        Ok(ClusterDumpReport {
            output,
            server_version: globals.server_version,
            passwords: globals.with_passwords,
            databases: reports,
            elapsed: began.elapsed(),
        })
    }
}

/// Writes the manifest and the sums, the manifest read back.
fn describe(folder: &Path, manifest: &ClusterManifest) -> Result<()> {
    let path = folder.join(MANIFEST_FILE);
    let mut bytes = Vec::new();
    manifest
        .write(&mut bytes)
        .context(ErrorKind::Internal, || "could not write the manifest".to_owned())?;
    write_file(&path, &bytes)?;
    let mut sums = format!("{}  {GLOBALS_FILE}\n", manifest.globals.sha256);
    for database in &manifest.databases {
        sums.push_str(&format!(
            "{}  {}/{MANIFEST_FILE}\n",
            database.manifest_sha256, database.path
        ));
    }
    sums.push_str(&format!("{}  {MANIFEST_FILE}\n", sha256(&bytes)));
    write_file(&folder.join("SHA256SUMS"), sums.as_bytes())?;
    ClusterManifest::open(folder)?.read_globals(folder).map(drop)
}

/// Writes a file that only its owner may read: globals hold passwords.
fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(bytes))
        .context(ErrorKind::Storage, || format!("could not write \"{}\"", path.display()))
}

impl fmt::Debug for ClusterDumpPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterDumpPlan")
            .field("databases", &self.databases())
            .finish_non_exhaustive()
    }
}
