//! From options to a plan: the lock is taken, the backup verified, the server looked at. Nothing is changed.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use super::found::Found;
use super::journal::Journal;
use super::machine::{Step, forwards};
use super::names::Names;
use super::options::ManagedOptions;
use super::preflight;
use super::properties::Properties;
use super::room;
use super::server;
use super::words::in_words;
use crate::connect::ConnectParams;
use crate::error::{Error, ErrorKind, Result};
use crate::progress::{Interrupt, ProgressHandle};
use crate::restore::{self, Mode, RestoreOptions};
use crate::vault::side::{self, Backup, Custody, OpenedArchive, Sessions, connected};
use crate::verify::{self, VerifyOptions};

/// What is lost where a database of another name is made anew.
pub(super) const OTHERS_PROPERTIES: &str = "owner, privileges, comment and settings of the database itself are \
     not taken over from the backup, because it is one of another database";

/// A managed restore that has been checked and not begun.
pub struct ManagedPlan {
    pub(super) options: ManagedOptions,
    pub(super) custody: Custody,
    pub(super) journal: Journal,
    /// How an empty database like the target is created.
    pub(super) create: String,
    pub(super) progress: ProgressHandle,
    pub(super) summary: ManagedSummary,
}

/// What a plan says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ManagedSummary {
    /// The run.
    pub id: String,
    /// What is restored.
    pub backup: Backup,
    /// The database that is replaced.
    pub target: String,
    /// Where it is: host, port, user.
    pub server: String,
    /// The server's version.
    pub server_version: String,
    /// The size of the database that is replaced; none when there is no such database.
    pub target_bytes: Option<u64>,
    /// What is free on the disk of the server; none when that cannot be seen from here.
    pub free_bytes: Option<u64>,
    /// Who is connected to it.
    pub connected: Vec<String>,
    /// What will be done, in order.
    pub steps: Vec<String>,
    /// The number of the first step that touches the database.
    pub touches: usize,
    /// Databases that earlier runs have left half restored, which are dropped first.
    pub drops: Vec<String>,
    /// Databases that were kept long enough, which are dropped when the new one is in its place.
    pub expired: Vec<String>,
    /// What a person should know before saying yes.
    pub notes: Vec<String>,
}

/// Makes the plan of a managed restore; the lock on the target is held as long as the plan is.
///
/// # Errors
///
/// [`ErrorKind::Locked`] when another run works on the target; [`ErrorKind::Refused`] when something stands in the
/// way of it, on the server or on the target: all that does, at once; [`ErrorKind::Integrity`] when the backup is
/// not whole; and what opening an archive and logging in can fail with.
pub async fn plan(
    options: ManagedOptions,
    progress: ProgressHandle,
    interrupt: &Interrupt,
) -> Result<ManagedPlan> {
    let target = options.connection.database().to_owned();
    let custody = Custody::take(&options.connection, &target).await?;
    let session = custody.session();
    let found = Found::look(session, &target).await?;
    let properties = Properties::read(session, &target).await?;
    preflight::check(session, &found, properties.as_ref(), &target).await?;
    let connected = connected(session, &target).await?;

    let names = Names::new(&target, &options.id);
    let opened = OpenedArchive::open(&options.archive).await?;
    let is_other = !opened.database.is_empty() && opened.database != target;
    if is_other && options.same_name {
        let what =
            format!("the backup is one of the database {:?}, not of {target:?}", opened.database);
        return Err(Error::new(ErrorKind::Refused, what)
            .with_hint("--target says that it is meant for another one, or leave --yes out"));
    }
    if properties.is_some() && !options.partial {
        opened.refuse_parts()?;
    }
    let create = match &properties {
        Some(properties) => properties.create_statement(&names.side)?,
        None => opened.create_statement(&names.side, session.version()),
    };
    let target_bytes = server::size(session, &target).await?;
    let free_bytes = room::free_beside(session, &target).await?;
    let doubt = room::check(free_bytes, target_bytes, opened.backup(0).bytes)?;
    check_target(&options, &custody, &found, &progress).await?;
    let verified = verify(&options, &progress, interrupt).await?;

    let mut journal = Journal::new(
        options.id.clone(),
        &target,
        &options.archive.display().to_string(),
        found.now,
    );
    journal.reason = options.reason.clone();
    journal.provable = opened.is_provable();
    journal.mark = opened.mark();
    journal.no_owner = options.no_owner;
    journal.no_privileges = options.no_privileges;
    journal.keep_seconds = i64::try_from(options.keep_old.as_secs()).unwrap_or(i64::MAX);
    let database = found.database(&target);
    journal.target_oid = database.map(|database| database.oid);
    journal.allow_connections = database.is_none_or(|database| database.allow_connections);

    let mut notes = opened.notes();
    notes.extend(doubt);
    let written_since = opened.written_since(session).await?;
    if properties.is_none() {
        notes.push(format!(
            "there is no database {target:?}: nothing is replaced, and nothing kept"
        ));
        if is_other {
            notes.push(OTHERS_PROPERTIES.to_owned());
        }
    }
    if is_other {
        notes.push(format!("the backup is one of the database {:?}", opened.database));
    }
    if !connected.is_empty() && options.sessions == Sessions::Respected {
        notes.push(format!(
            "who is connected keeps the new database waiting, ready, until \"pgark restore --resume\"; \
             --terminate-connections ends the sessions of {target:?}, and no others"
        ));
    }
    let summary = ManagedSummary {
        id: options.id.to_string(),
        backup: Backup { written_since, server: options.source.clone(), ..opened.backup(verified) },
        server: options.connection.describe_server(),
        server_version: session.version_text(),
        target_bytes,
        free_bytes,
        connected: connected.into_iter().map(|session| session.who).collect(),
        touches: forwards(None).iter().position(|step| *step == Step::Fence).map_or(0, |at| at + 1),
        steps: forwards(None)
            .iter()
            .filter_map(|step| in_words(*step, &journal, &options))
            .collect(),
        drops: found.leftovers().map(Journal::place).collect(),
        expired: found.expired().map(Journal::place).collect(),
        notes,
        target,
    };
    Ok(ManagedPlan { options, custody, journal, create, progress, summary })
}

/// Looks whether the archive could be restored on this server: roles, tablespaces, extensions.
async fn check_target(
    options: &ManagedOptions,
    custody: &Custody,
    found: &Found,
    progress: &ProgressHandle,
) -> Result<()> {
    // The target has the encoding that the side database will have; without one any database will do.
    let target = options.connection.database();
    let is_open = found.database(target).is_some_and(|database| database.allow_connections);
    let connection = match is_open {
        true => custody.params(target),
        false => custody.session().same_server().clone(),
    };
    let options = RestoreOptions { mode: Mode::Append, ..restore_options(options, connection) };
    let plan = restore::plan(options, Arc::clone(progress)).await?;
    plan.close().await;
    Ok(())
}

/// Returns how the backup is restored into a database of our own.
pub(super) fn restore_options(
    options: &ManagedOptions,
    connection: ConnectParams,
) -> RestoreOptions {
    RestoreOptions {
        jobs: options.jobs,
        no_owner: options.no_owner,
        no_privileges: options.no_privileges,
        analyze: options.analyze,
        ..side::restore_options(&options.archive, connection)
    }
}

/// Reads every byte of the backup, and returns its rows.
pub(super) async fn verify(
    options: &ManagedOptions,
    progress: &ProgressHandle,
    interrupt: &Interrupt,
) -> Result<u64> {
    let wanted = VerifyOptions { jobs: options.jobs, ..VerifyOptions::new(&options.archive) };
    let report = verify::plan(wanted, Arc::clone(progress))?.run(interrupt).await?;
    let Some(first) = report.findings.first() else { return Ok(report.rows) };
    let what = format!("the backup \"{}\" is not whole: {first}", options.archive.display());
    let error = Error::new(ErrorKind::Integrity, what)
        .with_hint("\"pgark verify\" lists everything that is wrong with it")
        .with_hint("nothing was changed; restore the next older backup");
    Err(error)
}

impl ManagedPlan {
    /// Returns what the plan says about itself.
    pub fn summary(&self) -> &ManagedSummary {
        &self.summary
    }

    /// Lets go of the lock without doing anything.
    pub async fn give_up(self) {
        self.custody.release().await;
    }
}

impl fmt::Display for ManagedSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let backup = &self.backup;
        writeln!(f, "restore  {}", backup.path)?;
        writeln!(
            f,
            "         database {:?}, PostgreSQL {}, {} rows",
            backup.database, backup.server_version, backup.rows
        )?;
        if let Some(server) = &backup.server {
            writeln!(f, "         of {server}")?;
        }
        if let Some(taken) = backup.taken {
            writeln!(f, "         taken {}", taken.format("%Y-%m-%d %H:%M:%S UTC"))?;
        }
        if let Some(lsn) = &backup.lsn {
            writeln!(f, "         holds everything up to {lsn} of its server's log")?;
        }
        if let Some(bytes) = backup.written_since {
            let size = bytesize::ByteSize(bytes);
            writeln!(f, "         since then {size} of log, of all databases together")?;
        }
        let size = match self.target_bytes {
            Some(bytes) => format!(", {}", bytesize::ByteSize(bytes)),
            None => ", which does not exist".to_owned(),
        };
        writeln!(f, "over     database {:?}{size}", self.target)?;
        writeln!(f, "         {} (PostgreSQL {})", self.server, self.server_version)?;
        let needed = self.target_bytes.max(backup.bytes).unwrap_or_default();
        let free = match self.free_bytes {
            Some(bytes) => format!("{} are free", bytesize::ByteSize(bytes)),
            None => "what is free cannot be seen from here".to_owned(),
        };
        writeln!(f, "needs    about {} beside it; {free}", bytesize::ByteSize(needed))?;
        for who in &self.connected {
            writeln!(f, "         connected: {who}")?;
        }
        writeln!(f)?;
        for (number, step) in self.steps.iter().enumerate() {
            writeln!(f, "{:>3}  {step}", number + 1)?;
        }
        writeln!(
            f,
            "\nUntil step {} the database is not touched. What fails is taken back; what was ready by then waits.",
            self.touches
        )?;
        for name in &self.drops {
            writeln!(f, "     dropped first, half restored: {name}")?;
        }
        for name in &self.expired {
            writeln!(f, "     dropped at the end, kept long enough: {name}")?;
        }
        for note in &self.notes {
            writeln!(f, "\nnote: {note}")?;
        }
        Ok(())
    }
}
