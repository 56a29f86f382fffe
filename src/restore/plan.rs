//! From options to a plan: the archive is opened, entries are selected, the target is looked at.
//!
//! Nothing is changed here, neither in the target nor in the archive.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use super::contents::Contents;
use super::data::Expected;
use super::options::{Mode, RestoreOptions};
use super::preflight::{self, Request, Target};
use super::report::IgnoredError;
use super::session::SessionSetup;
use super::worker::item_name;
use crate::archive::selection::Marks;
use crate::archive::{self, ArchiveReader};
use crate::catalog::ServerIdentity;
use crate::connect::{Session, server_error};
use crate::error::{Error, ErrorKind, Result};
use crate::model::DumpId;
use crate::progress::ProgressHandle;

/// A restore that has been checked and not begun.
pub struct RestorePlan {
    pub(super) options: RestoreOptions,
    pub(super) archive: Arc<dyn ArchiveReader>,
    pub(super) marks: Vec<Marks>,
    pub(super) setup: SessionSetup,
    pub(super) target: Target,
    pub(super) session: Session,
    pub(super) expected: HashMap<DumpId, Expected>,
    /// What has failed and is ignored already.
    pub(super) ignored: Vec<IgnoredError>,
    pub(super) progress: ProgressHandle,
    summary: PlanSummary,
}

/// What a plan says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlanSummary {
    /// The archive.
    pub archive: String,
    /// The database the archive was made of.
    pub source_database: String,
    /// The server version the archive was made of.
    pub source_version: String,
    /// Where it goes: host, port, user and database.
    pub target: String,
    /// The database that will be created, if one is.
    pub creates_database: Option<String>,
    /// The target's server version.
    pub target_version: String,
    /// Connections.
    pub jobs: usize,
    /// Entries that will be restored, by kind.
    pub entries: Vec<(String, usize)>,
    /// Tables that get data, the largest first.
    pub tables: Vec<PlannedTable>,
    /// Objects that will be dropped first.
    pub drops: usize,
    /// Whether everything is one transaction.
    pub single_transaction: bool,
    /// Whether rows and fingerprints are compared with the manifest.
    pub checked: bool,
    /// What a person should know before saying yes.
    pub warnings: Vec<String>,
}

/// One table of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedTable {
    /// The table, quoted and qualified.
    pub table: String,
    /// Bytes in the archive.
    pub stored_bytes: u64,
    /// Bytes of COPY text, when the manifest knows.
    pub bytes: Option<u64>,
    /// Rows, when the manifest knows.
    pub rows: Option<u64>,
}

/// Makes the plan of a restore.
///
/// # Errors
///
/// [`ErrorKind::Usage`] for options that exclude each other, [`ErrorKind::NotFound`] and
/// [`ErrorKind::Archive`] when the archive is not there or cannot be read, [`ErrorKind::Integrity`] when
/// its manifest is gone or does not fit, [`ErrorKind::Connection`] when the target cannot be reached,
/// [`ErrorKind::Refused`] when something on the target stands in the way: all that does, at once.
pub async fn plan(options: RestoreOptions, progress: ProgressHandle) -> Result<RestorePlan> {
    refuse_conflict(&options)?;
    let request = options.contents();
    let reports = Arc::clone(&progress);
    let opened = tokio::task::spawn_blocking(move || request.open(&*reports)).await;
    let contents = match opened {
        Ok(contents) => contents?,
        Err(panic) => {
            let error = Error::new(ErrorKind::Internal, "could not open the archive");
            return Err(error.with_source(panic));
        }
    };
    plan_contents(options, contents, progress).await
}

/// Makes the plan of a restore of something that is opened already; the path in the options is not used.
///
/// # Errors
///
/// As for [`plan`].
pub async fn plan_of(
    archive: Box<dyn ArchiveReader>,
    options: RestoreOptions,
    progress: ProgressHandle,
) -> Result<RestorePlan> {
    refuse_conflict(&options)?;
    let contents = options.contents().of(archive, &*progress)?;
    plan_contents(options, contents, progress).await
}

fn refuse_conflict(options: &RestoreOptions) -> Result<()> {
    match options.conflict() {
        Some(conflict) => Err(Error::new(ErrorKind::Usage, conflict)),
        None => Ok(()),
    }
}

async fn plan_contents(
    options: RestoreOptions,
    contents: Contents,
    progress: ProgressHandle,
) -> Result<RestorePlan> {
    if options.strict_names && options.is_stock() {
        contents.require_names()?;
    } else if options.strict_names && !contents.missing.is_empty() {
        let missing = contents.missing.join(", ");
        return Err(Error::new(
            ErrorKind::NotFound,
            format!("not everything that was named is in the archive: {missing}"),
        )
        .with_hint(
            "names are exact, case-sensitive and without quotes, as \"pgark inspect\" lists them",
        ));
    }
    let Contents { archive, mut marks, .. } = contents;
    let archive: Arc<dyn ArchiveReader> = Arc::from(archive);
    if !options.is_stock() {
        archive.require_manifest()?;
    }
    for marks in &mut marks {
        // What sets up sessions is sent to every one of them, whatever is selected.
        marks.special = false;
    }
    let mut options = options;
    let mut ignored = Vec::new();
    let mut setup = SessionSetup::new(archive.entries(), &options);

    let session = Session::connect(&options.connection).await?;
    session.check_no_pooler().await?;
    // A list of hosts, or a name with several addresses, would lead the other connections elsewhere.
    options.connection = session.same_server().clone();
    let (target, mut warnings) = if options.is_stock() {
        progress.info("executing SELECT pg_catalog.set_config('search_path', '', false);");
        let role = setup.apply_role(&session).await;
        if let Err(error) = role {
            if server_error(&error).is_none() {
                return Err(error);
            }
            // As pg_restore, which counts the error and goes on as whoever logged in.
            options.role = None;
            let statement = setup.take_role().unwrap_or_default();
            ignored.push(IgnoredError::tell_of_session(&statement, &error, &*progress));
            if options.stops_at_first_error() {
                return Err(error);
            }
        }
        setup.apply(&session).await?;
        (Target::read(&session).await?, Vec::new())
    } else {
        let request = Request { options: &options, entries: archive.entries(), marks: &marks };
        let (target, mut warnings) = look_at_target(&session, &setup, &request).await?;
        if let Some(locale) = archive.money_locale()
            && !setup.read_money(&session, locale).await?
            && archive.entries().iter().any(|entry| entry.definition.contains("money"))
        {
            warnings.push(format!(
                "the target does not know the locale {locale:?}, in which values of type money were written: they may be refused or read as others"
            ));
        }
        (target, warnings)
    };
    if target.version.is_untested() {
        warnings.push(format!(
            "the target runs PostgreSQL {}, which is newer than anything pgark is tested with",
            target.version.major()
        ));
    }
    if !target.version.has_statistics_import() {
        let mut dropped = 0;
        for marks in marks.iter_mut().filter(|marks| marks.statistics) {
            marks.statistics = false;
            dropped += 1;
        }
        if dropped > 0 {
            warnings.push(format!(
                "the archive holds statistics of {dropped} relations, which the target cannot take; ANALYZE makes them anew"
            ));
        }
    }
    let expected: HashMap<DumpId, Expected> = archive
        .manifest()
        .filter(|_| !options.is_stock())
        .map(|manifest| {
            let expected = |data: &archive::ManifestData| Expected {
                fingerprint: data.fingerprint,
                raw_bytes: data.raw_bytes,
            };
            manifest.data.iter().map(|data| (DumpId(data.dump_id), expected(data))).collect()
        })
        .unwrap_or_default();
    let summary = summarize(&options, &*archive, &marks, &session, warnings);
    for warning in &summary.warnings {
        progress.warning(warning);
    }
    Ok(RestorePlan {
        options,
        archive,
        marks,
        setup,
        target,
        session,
        expected,
        ignored,
        progress,
        summary,
    })
}

/// Looks for what stands in the way of the restore, refuses if there is anything, and returns what is
/// worth a warning.
async fn look_at_target(
    session: &Session,
    setup: &SessionSetup,
    request: &Request<'_>,
) -> Result<(Target, Vec<String>)> {
    let mut findings = preflight::check_encoding(session, request.options, setup).await?;
    if findings.has_obstacles() {
        setup.apply_role(session).await?;
    } else {
        setup.apply(session).await?;
    }
    if request.options.create {
        findings.forget_obstacles();
    }
    let target = Target::read(session).await?;
    let mut findings = preflight::check(session, &target, request, findings).await?;
    findings.refuse(session)?;
    Ok((target, findings.warnings))
}

fn summarize(
    options: &RestoreOptions,
    archive: &dyn ArchiveReader,
    marks: &[Marks],
    session: &Session,
    warnings: Vec<String>,
) -> PlanSummary {
    let mut kinds: HashMap<&str, usize> = HashMap::new();
    let mut tables = Vec::new();
    let mut drops = 0;
    for (entry, marks) in archive.entries().iter().zip(marks) {
        if !marks.any() {
            continue;
        }
        *kinds.entry(entry.desc.as_str()).or_default() += 1;
        drops += usize::from(
            options.clean && entry.drop_statement.as_deref().is_some_and(|drop| !drop.is_empty()),
        );
        if marks.data && entry.has_data {
            let known = archive.manifest().and_then(|manifest| manifest.data_entry(entry.dump_id));
            tables.push(PlannedTable {
                table: item_name(entry),
                stored_bytes: archive.data_size(entry),
                bytes: known.map(|data| data.raw_bytes),
                rows: known.map(|data| data.rows),
            });
        }
    }
    tables.sort_by_key(|table| std::cmp::Reverse(table.stored_bytes));
    let mut entries: Vec<(String, usize)> =
        kinds.into_iter().map(|(kind, count)| (kind.to_owned(), count)).collect();
    entries.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
    let database = archive.entries().iter().find(|entry| entry.desc == "DATABASE");
    PlanSummary {
        archive: archive.path().display().to_string(),
        source_database: archive.header().database.clone(),
        source_version: archive.header().server_version.clone(),
        target: session.description().to_owned(),
        creates_database: database.filter(|_| options.create).map(|entry| entry.tag.clone()),
        target_version: session.version_text(),
        jobs: options.jobs,
        entries,
        tables,
        drops,
        single_transaction: options.single_transaction,
        checked: archive.manifest().is_some(),
        warnings,
    }
}

impl RestorePlan {
    /// Asks which server the target is on.
    ///
    /// # Errors
    ///
    /// As for every query.
    pub async fn server_identity(&self) -> Result<ServerIdentity> {
        ServerIdentity::ask(&self.session).await
    }

    /// Gives the plan up and waits until its connection is closed.
    pub async fn close(self) {
        self.session.close().await;
    }

    /// Returns what the plan says about itself.
    pub fn summary(&self) -> &PlanSummary {
        &self.summary
    }

    /// Returns the options the plan was made of.
    pub fn options(&self) -> &RestoreOptions {
        &self.options
    }
}

impl fmt::Debug for RestorePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RestorePlan").field("summary", &self.summary).finish_non_exhaustive()
    }
}

/// How many tables a printed plan names.
const TABLES_LISTED: usize = 20;

impl fmt::Display for RestorePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let summary = &self.summary;
        writeln!(
            f,
            "restore {} (database {:?}, PostgreSQL {})",
            summary.archive, summary.source_database, summary.source_version
        )?;
        match &summary.creates_database {
            Some(database) => writeln!(
                f,
                "into the new database {database:?}, created through {} (PostgreSQL {})",
                summary.target, summary.target_version
            )?,
            None => writeln!(f, "into {} (PostgreSQL {})", summary.target, summary.target_version)?,
        }
        let connections = match summary.jobs {
            1 => "1 connection".to_owned(),
            jobs => format!("{jobs} connections"),
        };
        let transaction =
            if summary.single_transaction { ", everything in one transaction" } else { "" };
        writeln!(f, "over {connections}{transaction}")?;
        if self.options.mode == Mode::Append {
            writeln!(f, "adding to what the database holds")?;
        }
        if summary.drops > 0 {
            writeln!(f, "after dropping {} objects", summary.drops)?;
        }
        writeln!(f)?;
        for (kind, count) in &summary.entries {
            writeln!(f, "{count:>8}  {kind}")?;
        }
        if !summary.tables.is_empty() {
            writeln!(f)?;
            writeln!(f, "{:>12}  {:>12}  table", "stored", "rows")?;
        }
        for table in summary.tables.iter().take(TABLES_LISTED) {
            let size = bytesize::ByteSize(table.stored_bytes).to_string();
            let rows = table.rows.map_or_else(|| "?".into(), |rows| rows.to_string());
            writeln!(f, "{size:>12}  {rows:>12}  {}", table.table)?;
        }
        if summary.tables.len() > TABLES_LISTED {
            writeln!(f, "{:>26}  and {} more", "", summary.tables.len() - TABLES_LISTED)?;
        }
        if !summary.checked && !summary.tables.is_empty() {
            writeln!(f, "\nthe archive has no manifest: row counts are not compared")?;
        }
        Ok(())
    }
}
