//! The plan of a clone, and its run.
//!
//! The plan holds the source's locks and snapshot and has looked at the target; nothing is changed.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::reader::LiveReader;
use super::report::CloneReport;
use crate::connect::Session;
use crate::dump::{self, DumpOptions, LiveSource};
use crate::error::{Error, ErrorKind, Result};
use crate::progress::{Interrupt, ProgressHandle};
use crate::restore::{self, Mode, RestoreOptions, RestorePlan, RestoreReport};
use crate::store::Location;
use crate::verify::{self, Depth, Finding, VerifyOptions, VerifyReport};

/// How long the loss of the source may go unnoticed while nothing is read of it.
const GLANCE: Duration = Duration::from_millis(250);

/// A database that is locked and read up to its rows. Clones are the same one.
#[derive(Clone)]
pub struct CloneSource {
    source: Arc<LiveSource>,
    shown: String,
    proof: bool,
    progress: ProgressHandle,
}

/// A clone that has been checked and not begun.
pub struct ClonePlan {
    reader: LiveReader,
    target: RestorePlan,
    proof: bool,
    progress: ProgressHandle,
}

impl CloneSource {
    /// Locks a database and reads its catalogs. Where `options` write, and how they compress, is not used.
    ///
    /// With `proof` everything that passes is hashed, and compared with the target in the end.
    ///
    /// # Errors
    ///
    /// As for [`dump::plan`].
    pub async fn open(
        options: DumpOptions,
        proof: bool,
        progress: ProgressHandle,
        interrupt: &Interrupt,
    ) -> Result<CloneSource> {
        let shown = format!("source {}", options.connection.describe());
        let plan = dump::plan(options, progress.clone(), interrupt).await?;
        Ok(CloneSource { source: Arc::new(plan.into_source().await?), shown, proof, progress })
    }

    /// Looks at the target. Which archive the options name is not used.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Refused`] when both are the same database, and as for [`restore::plan`].
    pub async fn plan_into(&self, mut options: RestoreOptions) -> Result<ClonePlan> {
        let binary = match self.may_go_binary(&mut options).await? {
            true => self.source.entries_with_binary_form().await?,
            false => HashSet::new(),
        };
        // A table that was there already may have other types, which only text can cross.
        options.no_data_for_failed_tables |= !binary.is_empty();
        let reader = LiveReader::new(Arc::clone(&self.source), &self.shown, self.proof, binary);
        let archive = Box::new(reader.clone());
        let target = restore::plan_of(archive, options, self.progress.clone()).await?;
        refuse_same(&reader, &target).await?;
        Ok(ClonePlan { reader, target, proof: self.proof, progress: self.progress.clone() })
    }

    /// Tells whether rows may go in binary form: both majors are equal, and every table is made here, with
    /// every type in it.
    ///
    /// What `--clean` leaves in a database may hold a domain of the same name over another type, whose bytes would
    /// be taken for what they are not; text is read or refused.
    ///
    /// The proof needs the text of all rows anyway; where there is one, reading them twice would cost the
    /// source more than the target saves.
    async fn may_go_binary(&self, options: &mut RestoreOptions) -> Result<bool> {
        let tables_are_new = options.mode == Mode::Fresh
            && (options.create || !options.clean)
            && !(options.data_only || options.no_schema || !options.sections.is_empty())
            && self.source.entries().iter().any(|entry| entry.desc == "TABLE");
        if self.proof || !tables_are_new {
            return Ok(false);
        }
        let session = Session::connect(&options.connection).await?;
        let major = session.version().major();
        // What was asked here holds for this server and no other.
        options.connection = session.same_server().clone();
        session.close().await;
        Ok(major == self.source.database().facts.version.major())
    }
}

/// Refuses to carry a database into itself, which with `--clean` would drop what is to be read.
async fn refuse_same(reader: &LiveReader, target: &RestorePlan) -> Result<()> {
    let source = &reader.source().database().facts.database;
    let created = target.summary().creates_database.as_deref();
    let into = created.unwrap_or(target.options().connection.database());
    if into == source && target.server_identity().await?.is_same_server(reader.source().identity())
    {
        return Err(Error::new(
            ErrorKind::Refused,
            format!("source and target are the same database {source:?}"),
        )
        .with_hint("name another target; with --create the target has the name of the source"));
    }
    Ok(())
}

impl ClonePlan {
    /// Returns what will be done to the target.
    pub fn target(&self) -> &RestorePlan {
        &self.target
    }

    /// Carries everything over, and compares both sides.
    ///
    /// Locks and snapshot of the source are held until its last row is read: indexes may take hours to build,
    /// and a snapshot keeps a server from cleaning up.
    ///
    /// # Errors
    ///
    /// What a restore can meet; [`ErrorKind::Connection`] when the source is lost while rows are still to
    /// come. Differences that the proof finds are in the report.
    pub async fn run(self, interrupt: Interrupt) -> Result<CloneReport> {
        let began = Instant::now();
        let ClonePlan { reader, target, proof, progress } = self;
        let options = target.options().clone();
        let restored = carry(&reader, target, &interrupt).await?;
        let moved = began.elapsed();
        // What was left out because of an error is known to differ.
        let proof = match proof && restored.ignored.is_empty() {
            true => Some(prove(&reader, &options, &restored, &progress, &interrupt).await?),
            false => None,
        };
        let report = CloneReport {
            source: reader.source().database().facts.database.clone(),
            binary_tables: reader.binary_tables(),
            restored,
            proof,
            moved,
            elapsed: began.elapsed(),
        };
        reader.source().close().await;
        Ok(report)
    }
}

/// Restores while the source is kept alive.
async fn carry(
    reader: &LiveReader,
    target: RestorePlan,
    interrupt: &Interrupt,
) -> Result<RestoreReport> {
    // The restore is told to stop rather than dropped, so that it rolls back what it is doing.
    let stop = Interrupt::default();
    let wanted = target.summary().tables.len();
    let restoring = target.run(stop.clone());
    tokio::pin!(restoring);
    let mut lost = None;
    let mut released = false;
    let result = loop {
        tokio::select! {
            result = &mut restoring => break result,
            () = interrupt.wait(), if !stop.is_set() => stop.trigger(),
            () = tokio::time::sleep(GLANCE), if !(released || stop.is_set()) => {
                // No load begins again, so what was read is not read again.
                let all_read = reader.entries_read() == wanted;
                match held(reader.source(), all_read, interrupt).await {
                    Ok(()) if all_read => {
                        reader.source().close().await;
                        released = true;
                    }
                    Ok(()) => {}
                    Err(error) => {
                        // Without its locks, tables that are not read yet may change under the snapshot.
                        lost = Some(error);
                        stop.trigger();
                    }
                }
            }
        }
    };
    if result.is_ok() && !released && lost.is_none() {
        lost = held(reader.source(), true, interrupt).await.err();
    }
    let was_lost = lost.is_some();
    match (result, lost.or_else(|| reader.take_failure())) {
        (Ok(_), Some(lost)) if was_lost => Err(lost
            .context("could not be sure of what was read of the source")
            .with_hint("tables that were read last may lack rows in the target: clone again")),
        (Ok(restored), _) => Ok(restored),
        (Err(error), _) if interrupt.is_set() => Err(error),
        (Err(restoring), Some(mut reason)) => {
            for hint in restoring.hints() {
                reason = reason.with_hint(hint.clone());
            }
            Err(reason.context("could not read the source to its end"))
        }
        (Err(error), None) => Err(error),
    }
}

/// Asks whether the source still holds its locks: when everything is read in any case, before that from time
/// to time.
async fn held(source: &LiveSource, all_read: bool, interrupt: &Interrupt) -> Result<()> {
    let asking = async {
        match all_read {
            true => source.still_held().await,
            false => source.keep_alive().await,
        }
    };
    tokio::select! {
        held = asking => held,
        // A network that swallows everything lets us wait for a quarter of an hour.
        () = interrupt.wait() => Err(Error::new(ErrorKind::Interrupted, "interrupted")),
    }
}

/// Compares the target with what was read of the source.
async fn prove(
    reader: &LiveReader,
    options: &RestoreOptions,
    restored: &RestoreReport,
    progress: &ProgressHandle,
    interrupt: &Interrupt,
) -> Result<VerifyReport> {
    progress.phase("comparing both", restored.tables.len() as u64, 0);
    let manifest = reader.manifest_of_read()?;
    let compared = VerifyOptions {
        archive: Location::default(),
        depth: Depth::Quick,
        against: Some(options.connection.with_database(&restored.database)),
        jobs: options.jobs,
        lock_wait_timeout: None,
        owners: !options.no_owner,
        privileges: !options.no_privileges,
        subscriptions: true,
    };
    let mut report = verify::compare_manifest(&manifest, &compared, progress, interrupt).await?;
    let entries = reader.source().entries();
    for entry in entries.iter().filter(|entry| entry.has_data && !entry.holds_large_objects()) {
        // Who is asked for no data has read nothing.
        if reader.rows_read(entry.dump_id).is_none() && !restored.tables.is_empty() {
            let what = "was not read from the source";
            report.findings.push(Finding::new(entry.describe(), what));
        }
    }
    Ok(report)
}

impl fmt::Debug for ClonePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClonePlan").field("target", &self.target).finish_non_exhaustive()
    }
}

impl fmt::Display for ClonePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.target.fmt(f)
    }
}
