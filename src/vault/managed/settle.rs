//! An earlier run that is finished or taken back: which one, what that takes, and doing it.

use std::fmt;

use serde::Serialize;

use super::found::Found;
use super::journal::Journal;
use super::machine::{Stage, Step, backwards, forwards};
use super::options::ManagedOptions;
use super::plan::verify;
use super::report::{ManagedReport, Outcome};
use super::run::{Run, Watch};
use super::words::in_words;
use crate::error::{Error, ErrorKind, Result};
use crate::progress::{Interrupt, ProgressHandle};
use crate::vault::Reading;
use crate::vault::side::{Custody, OpenedArchive, RestoreId};

/// Which way an earlier run is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// With the restored database.
    Forwards,
    /// With the database that was there.
    Backwards,
}

/// The end of an earlier run, not begun yet; the lock on the target is held as long as it is there.
pub struct SettlePlan {
    options: ManagedOptions,
    custody: Custody,
    journal: Journal,
    direction: Direction,
    progress: ProgressHandle,
    summary: SettleSummary,
    /// Nobody removes the backup while it may be restored from again.
    _reading: Option<Reading>,
}

/// What such a plan says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SettleSummary {
    /// The run.
    pub id: String,
    /// Which way it is to end.
    pub direction: Direction,
    /// How far it has come.
    pub stage: Stage,
    /// The database.
    pub target: String,
    /// Where it is: host, port, user.
    pub server: String,
    /// What was restored.
    pub backup: String,
    /// When it began, by the server's clock.
    pub began: chrono::DateTime<chrono::Utc>,
    /// Why, in the words of whoever started it.
    pub reason: Option<String>,
    /// What is done.
    pub steps: Vec<String>,
    /// Whether a database is taken out of use that people may have worked with.
    pub takes_away: bool,
    /// What a person should know before saying yes.
    pub notes: Vec<String>,
}

/// Finds an earlier run and what it takes to finish it, or to take it back. Nothing is changed.
///
/// `run` names one; otherwise it is the only unfinished one, or for the way back the latest. The id of the options counts
/// for nothing, and their archive only when a half-restored database must be made again and it was moved.
///
/// # Errors
///
/// [`ErrorKind::NotFound`] when there is no such run; [`ErrorKind::Usage`] when several can be meant;
/// [`ErrorKind::Locked`] when it is at work.
pub async fn settle(
    mut options: ManagedOptions,
    run: Option<RestoreId>,
    direction: Direction,
    progress: ProgressHandle,
    interrupt: &Interrupt,
) -> Result<SettlePlan> {
    let target = options.connection.database().to_owned();
    let custody = Custody::take(&options.connection, &target).await?;
    let found = Found::look(custody.session(), &target).await?;
    let journal = choose(&found, run, direction, &target)?.clone();
    if options.archive.as_os_str().is_empty() {
        options.archive = journal.backup.clone().into();
    }
    options.no_owner = journal.no_owner;
    options.no_privileges = journal.no_privileges;
    let mut reading = None;
    if direction == Direction::Forwards && journal.stage == Stage::Restoring {
        reading = Reading::of(&options.archive)?;
        // It is restored from the beginning, maybe weeks after the backup was looked at.
        verify(&options, &progress, interrupt).await?;
        let mark = OpenedArchive::open(&options.archive).await?.mark();
        if journal.mark.is_some() && mark != journal.mark {
            let archive = options.archive.display();
            let what = format!("\"{archive}\" is not the backup that the restore was begun with");
            return Err(Error::new(ErrorKind::Refused, what)
                .with_hint(format!("that one was at {}", journal.backup))
                .with_hint("--rollback gives the restore up; then another one can be begun"));
        }
    }
    let summary = SettleSummary {
        id: journal.id.to_string(),
        direction,
        stage: journal.stage,
        target,
        server: options.connection.describe_server(),
        backup: journal.backup.clone(),
        began: journal.began,
        reason: journal.reason.clone(),
        steps: steps(direction, journal.stage)
            .iter()
            .filter_map(|step| in_words(*step, &journal, &options))
            .collect(),
        takes_away: takes_away(direction, journal.stage),
        notes: notes(direction, &journal),
    };
    Ok(SettlePlan { options, custody, journal, direction, progress, summary, _reading: reading })
}

fn steps(direction: Direction, stage: Stage) -> &'static [Step] {
    match direction {
        Direction::Forwards => forwards(Some(stage)),
        Direction::Backwards => backwards(Some(stage)),
    }
}

fn takes_away(direction: Direction, stage: Stage) -> bool {
    direction == Direction::Backwards && matches!(stage, Stage::Swapped | Stage::Kept)
}

fn notes(direction: Direction, journal: &Journal) -> Vec<String> {
    let names = journal.names();
    match (direction, journal.stage) {
        (Direction::Backwards, Stage::Swapped | Stage::Kept | Stage::Returning) => vec![format!(
            "rows that were written since the restore are in {:?} alone then, closed, until a later run drops it",
            names.undone
        )],
        (Direction::Backwards, Stage::Restoring | Stage::Proved | Stage::Fenced) => vec![format!(
            "the content of {:?} was not replaced yet: what was restored beside it is dropped",
            names.target
        )],
        _ => Vec::new(),
    }
}

fn choose<'a>(
    found: &'a Found,
    run: Option<RestoreId>,
    direction: Direction,
    target: &str,
) -> Result<&'a Journal> {
    let missing = |what: String| {
        let error = Error::new(ErrorKind::NotFound, what);
        found.runs.iter().fold(error, |error, run| {
            error.with_hint(format!("there is {}, which is {}", run.id, run.stage))
        })
    };
    let journal = match run {
        Some(id) => found.run(&id).ok_or_else(|| {
            missing(format!("there is no restore {id} of the database {target:?} on this server"))
        })?,
        None => only_one(found, direction, target)?.ok_or_else(|| {
            missing(match direction {
                Direction::Forwards => {
                    format!("no restore of the database {target:?} is unfinished")
                }
                Direction::Backwards => {
                    format!("there is no restore of the database {target:?} to take back")
                }
            })
        })?,
    };
    if direction == Direction::Forwards && !journal.stage.is_open() {
        return Err(missing(format!("the restore {} is finished", journal.id)));
    }
    if direction == Direction::Backwards && journal.stage == Stage::Undone {
        return Err(missing(format!("the restore {} was taken back already", journal.id)));
    }
    Ok(journal)
}

/// Returns the run that is meant when none is named: the unfinished one, or for the way back what was finished last.
///
/// Where there are both, to drop what is half restored and to take a database out of use are too far apart to guess.
fn only_one<'a>(
    found: &'a Found,
    direction: Direction,
    target: &str,
) -> Result<Option<&'a Journal>> {
    let mut meant: Vec<&Journal> = found.open().collect();
    if direction == Direction::Backwards {
        meant.extend(found.runs.iter().rfind(|run| run.stage == Stage::Kept));
    }
    if meant.len() < 2 {
        return Ok(meant.pop());
    }
    let option = match direction {
        Direction::Forwards => "--resume",
        Direction::Backwards => "--rollback",
    };
    let what = format!("several restores of the database {target:?} can be meant");
    let error = Error::new(ErrorKind::Usage, what);
    Err(meant.into_iter().fold(error, |error, run| {
        let does = match (direction, run.stage) {
            (Direction::Forwards, _) => "finishes it",
            (_, Stage::Restoring | Stage::Proved | Stage::Fenced) => "drops what it has restored",
            _ => "puts the database back that was there before it",
        };
        error.with_hint(format!("{option}={}, which is {}, {does}", run.id, run.stage))
    }))
}

impl SettlePlan {
    /// Returns what the plan says about itself.
    pub fn summary(&self) -> &SettleSummary {
        &self.summary
    }

    /// Lets go of the lock without doing anything.
    pub async fn give_up(self) {
        self.custody.release().await;
    }

    /// Does it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::RollbackFailed`] when the database is left closed; otherwise as for [`ManagedPlan::run`].
    ///
    /// [`ManagedPlan::run`]: super::ManagedPlan::run
    pub async fn run(self, watch: Option<Watch>, interrupt: Interrupt) -> Result<ManagedReport> {
        let SettlePlan { options, custody, journal, direction, progress, summary, _reading } = self;
        let report = ManagedReport::new(&summary.id, &summary.target, &summary.backup);
        let mut run = Run::new(options, custody, journal, report, progress);
        run.watch = watch;
        run.interrupt = interrupt;
        // Somebody may have thought about the question for hours.
        run.renew().await?;
        let stage = summary.stage;
        let is_swapped = matches!(stage, Stage::Swapped | Stage::Kept | Stage::Returning);
        match direction {
            Direction::Forwards if !is_swapped => run.forwards(Some(stage)).await?,
            // People may have worked with the new database for days: a failure takes nothing back.
            _ => {
                if let Err(error) = run.walk(steps(direction, stage)).await {
                    run.stay(error, direction).await?;
                }
            }
        }
        let outcome = match direction {
            Direction::Forwards => Outcome::Restored,
            Direction::Backwards if !is_swapped => Outcome::GivenUp,
            Direction::Backwards => {
                run.report.kept = Some(run.names.undone.clone());
                run.report.kept_until = run.journal.keep_until;
                Outcome::RolledBack
            }
        };
        Ok(run.finish(outcome).await)
    }
}

impl fmt::Display for SettleSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match self.direction {
            Direction::Forwards => "finish   ",
            Direction::Backwards => "take back",
        };
        writeln!(f, "{verb} the restore {}, which is {}", self.id, self.stage)?;
        let began = self.began.format("%Y-%m-%d %H:%M:%S UTC");
        writeln!(f, "          of {}, begun {began}", self.backup)?;
        if let Some(reason) = &self.reason {
            writeln!(f, "          because: {reason}")?;
        }
        writeln!(f, "over      database {:?}", self.target)?;
        writeln!(f, "          {}", self.server)?;
        writeln!(f)?;
        for (number, step) in self.steps.iter().enumerate() {
            writeln!(f, "{:>3}  {step}", number + 1)?;
        }
        for note in &self.notes {
            writeln!(f, "\nnote: {note}")?;
        }
        Ok(())
    }
}
