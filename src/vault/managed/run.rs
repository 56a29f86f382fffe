//! A plan carried out, and a run of before that is finished or taken back.
//!
//! The steps come from `machine`; what is here does one after the other and, when one fails, goes back. What the
//! server says about the run decides how: after a failure the journal is read again, so a step whose answer got
//! lost counts as what it really did.

use std::sync::Arc;
use std::time::Instant;

use chrono::TimeDelta;

use super::acts::{self, Sessions};
use super::custody::Custody;
use super::found::Found;
use super::journal::Journal;
use super::machine::{Stage, Step, backwards, forwards};
use super::names::{Names, RestoreId};
use super::opened::OpenedArchive;
use super::options::ManagedOptions;
use super::plan::{ManagedPlan, restore_options};
use super::preflight;
use super::proof::{Claim, prove};
use super::properties::Properties;
use super::report::{ManagedReport, Outcome};
use super::server::{self, Activity};
use crate::connect::Session;
use crate::error::{Error, ErrorKind, Result};
use crate::progress::{Interrupt, ProgressHandle};
use crate::restore;

/// When a [`Watch`] is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The step is about to be done.
    Before,
    /// The step is done.
    After,
}

/// Sees every step; an error from it counts as a failure of the step. For tests, and for whoever wants to stop.
pub type Watch = Arc<dyn Fn(Step, Moment) -> Result<()> + Send + Sync>;

impl ManagedPlan {
    /// Restores, proves and swaps.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::RolledBack`] when something failed and the database is as it was; [`ErrorKind::RollbackFailed`]
    /// when that could not be achieved; [`ErrorKind::Refused`] when somebody was connected in the end: then the
    /// database is as it was, and what was restored waits for `resume`.
    pub async fn run(self, watch: Option<Watch>, interrupt: Interrupt) -> Result<ManagedReport> {
        let ManagedPlan { options, mut custody, journal, create, progress, summary, .. } = self;
        // Somebody may have thought about the question for hours.
        custody.renew().await?;
        let found = Found::look(custody.session(), &summary.target).await?;
        found.refuse_open()?;
        let mut report = ManagedReport::new(&summary.id, &summary.target, &summary.backup.path);
        report.lsn = summary.backup.lsn;
        report.written_since = summary.backup.written_since;
        report.notes = summary.notes;
        let mut run = Run {
            began: Instant::now(),
            names: journal.names(),
            options,
            custody,
            journal,
            create: Some(create),
            report,
            activity: None,
            progress,
            watch,
            interrupt,
        };
        run.sweep(&found).await;
        run.forwards(None).await?;
        Ok(run.finish(Outcome::Restored).await)
    }
}

/// Which way an earlier run is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// With the restored database.
    Forwards,
    /// With the database that was there.
    Backwards,
}

/// Finishes an earlier run, or takes it back.
///
/// `run` names one; otherwise it is the unfinished one, or for the way back the latest. The archive and the id of
/// the options count for nothing unless a half-restored database must be made again; then the archive is the one
/// of the options, or the one that the journal names.
///
/// # Errors
///
/// [`ErrorKind::NotFound`] when there is no such run; otherwise as for [`ManagedPlan::run`].
pub async fn settle(
    mut options: ManagedOptions,
    run: Option<RestoreId>,
    direction: Direction,
    progress: ProgressHandle,
    watch: Option<Watch>,
    interrupt: Interrupt,
) -> Result<ManagedReport> {
    let target = options.connection.database().to_owned();
    let custody = Custody::take(&options.connection, &target).await?;
    let found = Found::look(custody.session(), &target).await?;
    let journal = choose(&found, run, direction, &target)?;
    if options.archive.as_os_str().is_empty() {
        options.archive = journal.backup.clone().into();
    }
    let report = ManagedReport::new(journal.id.as_str(), &target, &journal.backup);
    let stage = Some(journal.stage);
    let mut run = Run {
        began: Instant::now(),
        names: journal.names(),
        options,
        custody,
        journal,
        create: None,
        report,
        activity: None,
        progress,
        watch,
        interrupt,
    };
    match direction {
        Direction::Forwards => {
            run.forwards(stage).await?;
            Ok(run.finish(Outcome::Restored).await)
        }
        Direction::Backwards => {
            if let Err(error) = run.walk(backwards(stage)).await {
                return Err(run.stay(error).await);
            }
            Ok(run.finish(Outcome::RolledBack).await)
        }
    }
}

fn choose(
    found: &Found,
    run: Option<RestoreId>,
    direction: Direction,
    target: &str,
) -> Result<Journal> {
    let missing = |what: String| {
        let error = Error::new(ErrorKind::NotFound, what);
        found.runs.iter().fold(error, |error, run| {
            error.with_hint(format!("there is {}, which is {:?}", run.id, run.stage).to_lowercase())
        })
    };
    let chosen = match &run {
        Some(id) => found.run(id),
        // What is unfinished is meant first, then, for the way back, what was finished last.
        None => found.open().last().or_else(|| match direction {
            Direction::Forwards => None,
            Direction::Backwards => found.runs.iter().rfind(|run| run.stage == Stage::Kept),
        }),
    };
    let Some(journal) = chosen else {
        return Err(missing(match run {
            Some(id) => {
                format!("there is no restore {id} of the database {target:?} on this server")
            }
            None if direction == Direction::Forwards => {
                format!("no restore of the database {target:?} is unfinished")
            }
            None => format!("there is no restore of the database {target:?} to take back"),
        }));
    };
    if direction == Direction::Forwards && !journal.stage.is_open() {
        return Err(missing(format!("the restore {} is finished", journal.id)));
    }
    if direction == Direction::Backwards && journal.stage == Stage::Undone {
        return Err(missing(format!("the restore {} was taken back already", journal.id)));
    }
    Ok(journal.clone())
}

struct Run {
    began: Instant,
    options: ManagedOptions,
    custody: Custody,
    journal: Journal,
    names: Names,
    /// The statement that creates the side database, unless it must be made of what is there now.
    create: Option<String>,
    report: ManagedReport,
    /// What was written in the target when the restore began.
    activity: Option<Activity>,
    progress: ProgressHandle,
    watch: Option<Watch>,
    interrupt: Interrupt,
}

impl Run {
    fn session(&self) -> &Session {
        self.custody.session()
    }

    /// Drops what earlier runs have left and nobody needs.
    ///
    /// What cannot be dropped keeps nobody from restoring.
    async fn sweep(&mut self, found: &Found) {
        let params = self.custody.params(&self.names.target);
        self.report.dropped = found.sweep(self.session(), &params, &self.progress).await;
    }

    async fn finish(mut self, outcome: Outcome) -> ManagedReport {
        self.report.outcome = outcome;
        self.report.time = self.began.elapsed();
        self.custody.release().await;
        self.report
    }

    /// Goes from a stage to the restored database, or back when that fails.
    async fn forwards(&mut self, stage: Option<Stage>) -> Result<()> {
        match self.walk(forwards(stage)).await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.go_back(error).await),
        }
    }

    async fn walk(&mut self, steps: &[Step]) -> Result<()> {
        self.progress.phase("managed restore", steps.len() as u64, 0);
        for &step in steps {
            self.ask(step, Moment::Before)?;
            self.progress.info(step.phrase());
            self.step(step).await?;
            self.ask(step, Moment::After)?;
        }
        Ok(())
    }

    fn ask(&self, step: Step, moment: Moment) -> Result<()> {
        // Behind the swap nobody is helped by stopping: one look is all that is left.
        if moment == Moment::Before && !matches!(step, Step::Accept | Step::SwapBack) {
            self.interrupt.check()?;
        }
        self.watch.as_ref().map_or(Ok(()), |watch| watch(step, moment))
    }

    async fn step(&mut self, step: Step) -> Result<()> {
        self.custody.renew().await?;
        match step {
            Step::CreateSide => self.create_side().await,
            Step::Restore => self.restore().await,
            Step::Prove => self.prove().await,
            Step::Fence => self.fence().await,
            Step::EndSessions => self.end_sessions().await,
            Step::Swap => self.swap().await,
            Step::Accept => self.accept().await,
            Step::DropSide => self.drop_side().await,
            Step::Unfence => {
                let open = self.journal.allow_connections;
                self.close_or_open(Stage::Proved, "open the database again", open).await
            }
            Step::Close => {
                let which = "that this restore had put there; take back the later restore first";
                self.expect_target(self.journal.side_oid, which).await?;
                preflight::check_ties(self.session(), &self.names.target).await?;
                self.refuse_connected().await?;
                self.close_or_open(Stage::Returning, "close the new database", false).await
            }
            Step::Reopen => {
                let open = self.journal.allow_connections;
                self.close_or_open(Stage::Swapped, "open the new database again", open).await
            }
            Step::SwapBack => self.swap_back().await,
        }
    }

    async fn create_side(&mut self) -> Result<()> {
        let side = &self.names.side;
        let purpose = format!("create the database {side:?}");
        let statement = match self.create.take() {
            Some(statement) => statement,
            None => self.create_statement().await?,
        };
        self.session().execute(&purpose, &statement).await?;
        let databases = server::databases(self.session()).await?;
        let created = databases.iter().find(|database| database.name == *side);
        self.journal.side_oid = created.ok_or_else(|| acts::gone(side))?.oid;
        self.journal.stage = Stage::Restoring;
        self.session().execute(&purpose, &acts::comment(side, &self.journal)).await
    }

    /// Returns how the side database is created when it must be made again.
    async fn create_statement(&self) -> Result<String> {
        let target = &self.names.target;
        match Properties::read(self.session(), target).await? {
            Some(properties) => properties.create_statement(&self.names.side),
            None => {
                let opened = OpenedArchive::open(&self.options.archive).await?;
                Ok(opened.create_statement(&self.names.side, self.session().version()))
            }
        }
    }

    async fn restore(&mut self) -> Result<()> {
        self.activity = Some(server::activity(self.session(), &self.names.target).await?);
        let side = self.custody.params(&self.names.side);
        let options = restore_options(&self.options, side.clone());
        let plan = restore::plan(options, Arc::clone(&self.progress)).await?;
        // What it says should be done with a half-restored database is done here.
        let restored = plan.run(self.interrupt.clone()).await.map_err(|error| {
            let what = format!("could not restore into {:?}", self.names.side);
            Error::new(error.kind(), what).with_source(error)
        })?;
        if let Some(error) = restored.partial() {
            return Err(error);
        }
        self.report.rows = restored.rows;
        self.report.tables = restored.tables;
        self.report.detached_subscriptions =
            acts::subscriptions(self.session(), side.database()).await?;
        Ok(())
    }

    async fn prove(&mut self) -> Result<()> {
        let claim = Claim {
            archive: self.options.archive.clone(),
            restored: self.custody.params(&self.names.side),
            jobs: self.options.jobs,
            no_owner: self.options.no_owner,
            no_privileges: self.options.no_privileges,
        };
        let proof = prove(&claim, &self.progress, &self.interrupt).await?;
        self.report.proof = Some(proof);
        self.custody.renew().await?;
        self.journal.stage = Stage::Proved;
        let comment = acts::comment(&self.names.side, &self.journal);
        self.session().execute("write down that the database is proved", &comment).await
    }

    async fn fence(&mut self) -> Result<()> {
        let Some(oid) = self.journal.target_oid else {
            return self.close_or_open(Stage::Fenced, "begin the swap", false).await;
        };
        // Hours may have passed since the preflight.
        self.expect_target(oid, "that was to be replaced").await?;
        preflight::check_ties(self.session(), &self.names.target).await?;
        // Before the door is closed: whoever is refused should not have kept others out meanwhile.
        self.refuse_connected().await?;
        self.close_or_open(Stage::Fenced, "close the database for new connections", false).await
    }

    /// Refuses when another database than that of `oid` stands under the target's name by now.
    async fn expect_target(&self, oid: u32, which: &str) -> Result<()> {
        let target = &self.names.target;
        let databases = server::databases(self.session()).await?;
        if databases.iter().any(|database| database.name == *target && database.oid == oid) {
            return Ok(());
        }
        let what = format!("the database {target:?} is not the one any more {which}");
        Err(Error::new(ErrorKind::Refused, what))
    }

    async fn refuse_connected(&self) -> Result<()> {
        if self.options.sessions == Sessions::Ended {
            return Ok(());
        }
        acts::refuse_connected(self.session(), &self.names.target).await
    }

    /// Opens or closes what stands under the target's name and says so in the journal, in one transaction.
    async fn close_or_open(&mut self, stage: Stage, purpose: &str, open: bool) -> Result<()> {
        let journal = self.journal.at(stage);
        let mut statements = vec![acts::comment(&journal.place(), &journal)];
        if matches!(stage, Stage::Fenced | Stage::Proved) {
            // Who watches every database of a server would keep the new one from being renamed.
            statements.push(acts::door(&self.names.side, stage == Stage::Proved));
        }
        if self.journal.target_oid.is_some() {
            statements.push(acts::door(&self.names.target, open));
        }
        acts::together(self.session(), purpose, &statements).await?;
        self.journal = journal;
        Ok(())
    }

    async fn end_sessions(&mut self) -> Result<()> {
        let target = &self.names.target;
        let ended = acts::end_sessions(self.session(), target, self.options.sessions).await?;
        self.report.sessions_ended += ended;
        // The side database is ours, and so is the right to send others away.
        acts::end_sessions(self.session(), &self.names.side, Sessions::Ended).await?;
        Ok(())
    }

    async fn swap(&mut self) -> Result<()> {
        if let Some(before) = &self.activity {
            let now = server::activity(self.session(), &self.names.target).await?;
            self.report.rows_written_meanwhile =
                Some(now.rows_written.saturating_sub(before.rows_written));
        }
        let mut journal = self.journal.at(Stage::Swapped);
        self.keep(&mut journal).await?;
        acts::swap(self.session(), &journal).await?;
        self.journal = journal;
        if self.journal.target_oid.is_some() {
            self.report.kept = Some(self.names.old.clone());
            self.report.kept_until = self.journal.keep_until;
        }
        Ok(())
    }

    async fn keep(&self, journal: &mut Journal) -> Result<()> {
        let now = Found::look(self.session(), &self.names.target).await?.now;
        let keep = TimeDelta::try_seconds(journal.keep_seconds);
        journal.keep_until = keep.and_then(|keep| now.checked_add_signed(keep));
        Ok(())
    }

    async fn accept(&mut self) -> Result<()> {
        let (target, oid) = (&self.names.target, self.journal.side_oid);
        let found = Found::look(self.session(), target).await?;
        let database = found.database(target).filter(|database| database.oid == oid);
        let database = database.ok_or_else(|| acts::gone(target))?;
        if database.allow_connections {
            match Session::connect(&self.custody.params(target)).await {
                Ok(session) => session.close().await,
                // A full server or one that lets others in only does not speak against the database.
                Err(error) => self.report.notes.push(format!(
                    "the new database could not be connected to: {}",
                    crate::error::with_causes(&error)
                )),
            }
        }
        // The journal that the server holds has the comment of the old database, which the swap has read.
        let Some(written) = found.run(&self.journal.id) else { return Ok(()) };
        self.journal = written.at(Stage::Kept);
        self.report.kept = Some(self.names.old.clone());
        self.report.kept_until = self.journal.keep_until;
        let comment = acts::comment(&self.names.old, &self.journal);
        self.session().execute("write down that the new database is there", &comment).await
    }

    async fn drop_side(&mut self) -> Result<()> {
        let params = self.custody.params(&self.names.side);
        acts::drop_database(self.session(), &params, &self.names.side).await
    }

    async fn swap_back(&mut self) -> Result<()> {
        let mut journal = self.journal.at(Stage::Undone);
        self.keep(&mut journal).await?;
        acts::swap_back(self.session(), &journal).await?;
        self.journal = journal;
        self.report.kept = Some(self.names.undone.clone());
        self.report.kept_until = self.journal.keep_until;
        Ok(())
    }

    /// Opens the new database again when the way back was refused behind its closed door.
    async fn stay(&mut self, error: Error) -> Error {
        if error.kind() != ErrorKind::Refused || self.journal.stage != Stage::Returning {
            return error;
        }
        self.watch = None;
        match self.walk(forwards(Some(Stage::Returning))).await {
            Ok(()) => error.with_hint("the restored database is in its place, as before"),
            Err(failure) => {
                let failure = crate::error::with_causes(&failure);
                error.with_hint(format!("the restored database is closed, and stays so: {failure}"))
            }
        }
    }

    /// Takes back what was done, and returns the error to end with.
    async fn go_back(&mut self, error: Error) -> Error {
        let target = self.names.target.clone();
        match self.return_to_start(&error).await {
            Ok(Back::Original) if error.kind() == ErrorKind::Interrupted => {
                error.context(format!("interrupted; the database {target:?} is as it was"))
            }
            Ok(Back::Original) => {
                let what = format!("the restore failed, and the database {target:?} is as it was");
                hinted(Error::new(ErrorKind::RolledBack, what), error)
            }
            Ok(Back::Proved) => error
                .with_hint(format!("the database {target:?} is as it was; the restored one is proved and waits"))
                .with_hint("\"pgark restore --resume\" swaps them without restoring again, --rollback drops it"),
            Err(failure) => {
                let failure = crate::error::with_causes(&failure);
                let what = format!("the restore failed, and taking it back failed too: {failure}");
                hinted(Error::new(ErrorKind::RollbackFailed, what), error)
                    .with_hint(format!("\"pgark restore --rollback={}\" tries again", self.journal.id))
            }
        }
    }

    async fn return_to_start(&mut self, error: &Error) -> Result<Back> {
        // What has to be cleaned up is cleaned up also after an interrupt.
        self.interrupt = Interrupt::default();
        self.watch = None;
        self.custody.renew().await?;
        let found = Found::look(self.session(), &self.names.target).await?;
        let Some(journal) = found.run(&self.journal.id).cloned() else {
            // Nothing of the run is there, or only the empty database that it had just created.
            if found.database(&self.names.side).is_some_and(|side| side.comment.is_none()) {
                self.drop_side().await?;
            }
            return Ok(Back::Original);
        };
        self.journal = journal;
        let stage = self.journal.stage;
        if error.kind() == ErrorKind::Refused && matches!(stage, Stage::Proved | Stage::Fenced) {
            // Somebody is connected, or something has come up that a person can settle.
            if stage == Stage::Fenced {
                self.step(Step::Unfence).await?;
            }
            return Ok(Back::Proved);
        }
        self.walk(backwards(Some(stage))).await?;
        Ok(Back::Original)
    }
}

/// What the way back has led to.
enum Back {
    /// Nothing of the run is left.
    Original,
    /// The original is in its place, and the restored database waits.
    Proved,
}

/// Puts an error in front of its cause and carries the hints over.
fn hinted(error: Error, cause: Error) -> Error {
    let hints: Vec<String> = cause.hints().to_vec();
    let error = error.with_source(cause);
    hints.into_iter().fold(error, Error::with_hint)
}
