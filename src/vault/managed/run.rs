//! A plan carried out: one step after the other, by what `machine` says.
//!
//! What single steps do is in `steps`; what is done when one fails, in `retreat`. The server says how far a run has come:
//! when the session was lost the journal is read again, and a run that somebody else has gone on with is let alone.

use std::sync::Arc;
use std::time::Instant;

use super::found::Found;
use super::journal::Journal;
use super::machine::{Stage, Step, forwards};
use super::names::Names;
use super::options::ManagedOptions;
use super::plan::ManagedPlan;
use super::preflight;
use super::report::{ManagedReport, Outcome};
use super::server::Activity;
use crate::connect::Session;
use crate::error::{Error, ErrorKind, Result, with_causes};
use crate::progress::{Interrupt, ProgressHandle};
use crate::vault::side::Custody;

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
    /// database is as it was. What was proved by then waits for `resume`.
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
        let mut run = Run::new(options, custody, journal, report, progress);
        let params = run.custody.params(&run.names.target);
        run.create = Some(create);
        run.watch = watch;
        run.interrupt = interrupt;
        run.report.dropped = found.sweep_leftovers(run.session(), &params, &run.progress).await;
        run.forwards(None).await?;
        run.sweep_expired().await;
        Ok(run.finish(Outcome::Restored).await)
    }
}

/// A run at work.
pub(super) struct Run {
    began: Instant,
    pub(super) options: ManagedOptions,
    pub(super) custody: Custody,
    /// What the server holds, as far as is known.
    pub(super) journal: Journal,
    pub(super) names: Names,
    /// The statement that creates the side database, unless it must be made of what is there now.
    pub(super) create: Option<String>,
    pub(super) report: ManagedReport,
    /// What was written in the target when the restore began.
    pub(super) activity: Option<Activity>,
    /// The step that was begun and is not known to be done.
    pub(super) under_way: Option<Step>,
    /// Whether somebody else has gone on with the run.
    pub(super) taken_over: bool,
    pub(super) progress: ProgressHandle,
    pub(super) watch: Option<Watch>,
    pub(super) interrupt: Interrupt,
}

impl Run {
    pub(super) fn new(
        options: ManagedOptions,
        custody: Custody,
        journal: Journal,
        report: ManagedReport,
        progress: ProgressHandle,
    ) -> Run {
        Run {
            began: Instant::now(),
            names: journal.names(),
            options,
            custody,
            journal,
            create: None,
            report,
            activity: None,
            under_way: None,
            taken_over: false,
            progress,
            watch: None,
            interrupt: Interrupt::default(),
        }
    }

    pub(super) fn session(&self) -> &Session {
        self.custody.session()
    }

    /// Drops what earlier runs have kept long enough, now that the new database is proved and in its place.
    ///
    /// What cannot be dropped keeps nobody from having restored.
    async fn sweep_expired(&mut self) {
        let params = self.custody.params(&self.names.target);
        let swept = match Found::look(self.session(), &self.names.target).await {
            Ok(found) => {
                let own = &self.journal.id;
                found.sweep_expired(own, self.session(), &params, &self.progress).await
            }
            Err(error) => return self.progress.warning(&with_causes(&error)),
        };
        self.report.dropped.extend(swept.dropped);
        self.report.notes.extend(swept.notes);
    }

    pub(super) async fn finish(mut self, outcome: Outcome) -> ManagedReport {
        self.report.outcome = outcome;
        self.report.time = self.began.elapsed();
        self.custody.release().await;
        self.report
    }

    /// Goes from a stage to the restored database, or back when that fails.
    pub(super) async fn forwards(&mut self, stage: Option<Stage>) -> Result<()> {
        match self.walk(forwards(stage)).await {
            Ok(()) => Ok(()),
            Err(error) => self.go_back(error).await,
        }
    }

    pub(super) async fn walk(&mut self, steps: &[Step]) -> Result<()> {
        self.progress.phase("managed restore", steps.len() as u64, 0);
        for &step in steps {
            self.ask(step, Moment::Before)?;
            self.progress.info(match step {
                Step::Prove if !self.journal.provable => "nothing to compare it with",
                step => step.phrase(),
            });
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

    /// Does a step, with a session that was perhaps lost since the last one.
    pub(super) async fn step(&mut self, step: Step) -> Result<()> {
        self.renew().await?;
        self.under_way = Some(step);
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
        }?;
        self.under_way = None;
        Ok(())
    }

    /// Opens the session again if it was lost, and looks whether the run is where it was left.
    ///
    /// The lock was lost with the session, so somebody else may have come in between.
    pub(super) async fn renew(&mut self) -> Result<()> {
        if !self.custody.renew().await? {
            return Ok(());
        }
        let found = Found::look(self.session(), &self.names.target).await?;
        self.refuse_other(&found, &[self.written_stage()])
    }

    /// Returns the stage that the server has a journal of, as far as is known.
    pub(super) fn written_stage(&self) -> Option<Stage> {
        let stage = self.journal.stage;
        // Without an oid nothing is written down yet, or not any more.
        let is_written = self.journal.side_oid != 0;
        // Without a database that was replaced, nothing is left to carry the journal.
        let is_carried = self.journal.target_oid.is_some() || !matches!(stage, Stage::Swapped);
        (is_written && is_carried).then_some(stage)
    }

    /// Refuses when the run is at another stage than it can be at by its own doing.
    pub(super) fn refuse_other(&mut self, found: &Found, own: &[Option<Stage>]) -> Result<()> {
        let stage = found.run(&self.journal.id).map(|journal| journal.stage);
        if own.contains(&stage) {
            return Ok(());
        }
        self.taken_over = true;
        let state = stage.map_or_else(|| "gone".to_owned(), |stage| stage.to_string());
        let what = format!(
            "while there was no connection somebody else went on with the restore {}: it is {state}",
            self.journal.id
        );
        Err(Error::new(ErrorKind::Refused, what))
    }
}
