//! What is done when a step has failed: the way back, and if that fails too, at least an open database.
//!
//! The first rule is that nobody is left in front of a closed door without being told. So whatever went wrong, an
//! interrupt counts no more, a lost connection is made again, and the journal decides what there is to do.

use std::time::{Duration, Instant};

use super::found::Found;
use super::machine::{Stage, Step, backwards, forwards};
use super::run::Run;
use super::settle::Direction;
use crate::connect::is_connection_lost;
use crate::error::{Error, ErrorKind, Result, with_causes};
use crate::progress::Interrupt;
use crate::sql::quote_identifier;
use crate::vault::side::is_bare;

/// Between two looks for a server that is gone.
const PAUSE: Duration = Duration::from_millis(500);

/// What the way back has led to.
enum Back {
    /// Nothing of the run is left.
    Original,
    /// The original is in its place, and the restored database waits.
    Proved,
    /// The original is in its place again; what was restored is kept.
    Undone,
    /// The restored database stands where none stood, and only the answer was lost.
    Replaced,
}

impl Run {
    /// Takes back what was done, and returns the error to end with; none when all was done in fact.
    pub(super) async fn go_back(&mut self, error: Error) -> Result<()> {
        if self.taken_over {
            return Err(error);
        }
        self.insist();
        let limit = Instant::now() + self.options.patience;
        let mut outcome = self.return_to_start().await;
        while let Err(failure) = &outcome
            && may_pass(failure)
            && Instant::now() < limit
        {
            tokio::time::sleep(PAUSE).await;
            outcome = self.return_to_start().await;
        }
        let target = self.names.target.clone();
        match outcome {
            Ok(Back::Replaced) => {
                self.report.notes.push(format!(
                    "the restored database stands in its place, but its last look failed: {}",
                    with_causes(&error)
                ));
                Ok(())
            }
            Ok(Back::Original) => Err(as_it_was(&target, error)),
            Ok(Back::Undone) => Err(as_it_was(&target, error).with_hint(format!(
                "rows that were written after the exchange are in {:?} alone",
                self.names.undone
            ))),
            Ok(Back::Proved) => {
                let error = match error.kind() {
                    ErrorKind::Refused => {
                        error.with_hint(format!("the database {target:?} is as it was"))
                    }
                    _ => as_it_was(&target, error),
                };
                Err(error
                    .with_hint(format!("what was restored is whole and waits in {:?}", self.names.side))
                    .with_hint("\"pgark restore --resume\" swaps them without restoring again, --rollback drops it"))
            }
            Err(failure) if self.taken_over => Err(hinted(failure, error)),
            Err(failure) => Err(self.not_taken_back(error, &failure, limit).await),
        }
    }

    /// Opens the door again when an earlier run could not be brought to the end that was asked for.
    ///
    /// Nothing is taken back here: it may have been finished long ago. Returns the error to end with; none when the end
    /// is reached, and only the answer got lost.
    pub(super) async fn stay(&mut self, error: Error, aim: Direction) -> Result<()> {
        if self.taken_over {
            return Err(error);
        }
        self.insist();
        let limit = Instant::now() + self.options.patience;
        match self.stand(limit).await {
            Ok(None | Some(Stage::Undone)) if aim == Direction::Backwards => Ok(()),
            Ok(Some(Stage::Kept)) if aim == Direction::Forwards => Ok(()),
            Ok(Some(Stage::Swapped | Stage::Kept | Stage::Returning)) => {
                Err(error.with_hint("the restored database is in its place, as before"))
            }
            Ok(_) => {
                let target = &self.names.target;
                Err(error.with_hint(format!("the database {target:?} is as it was")))
            }
            Err(failure) if self.taken_over => Err(hinted(failure, error)),
            Err(failure) => {
                let verb = match aim {
                    Direction::Forwards => "finished",
                    Direction::Backwards => "taken back",
                };
                let what = format!(
                    "the restore {} could not be {verb}{}: {}",
                    self.journal.id,
                    self.door_in_words(),
                    with_causes(&failure)
                );
                Err(self.advised(hinted(Error::new(ErrorKind::RollbackFailed, what), error)))
            }
        }
    }

    async fn not_taken_back(&mut self, error: Error, failure: &Error, limit: Instant) -> Error {
        let failure = with_causes(failure);
        let what = "the restore failed, and taking it back failed too";
        match self.stand(limit).await {
            Ok(stage) => {
                let what = format!("{what}: {failure}");
                let error = hinted(Error::new(ErrorKind::RollbackFailed, what), error);
                let stands = match stage {
                    Some(Stage::Swapped | Stage::Kept | Stage::Returning) => "the restored one",
                    _ => "the one that was there",
                };
                let target = &self.names.target;
                error.with_hint(format!("the database {target:?} is {stands}")).with_hint(format!(
                    "\"pgark restore --rollback={}\" tries again",
                    self.journal.id
                ))
            }
            Err(_) => {
                let what = format!("{what}{}: {failure}", self.door_in_words());
                self.advised(hinted(Error::new(ErrorKind::RollbackFailed, what), error))
            }
        }
    }

    /// Lets nothing stop the way back.
    fn insist(&mut self) {
        self.interrupt = Interrupt::default();
        self.watch = None;
    }

    async fn return_to_start(&mut self) -> Result<Back> {
        let found = self.look_again().await?;
        let Some(stage) = self.adopt(&found)? else {
            return self.without_a_journal(&found).await;
        };
        match stage {
            Stage::Proved => Ok(Back::Proved),
            // Hours of work are in it, and what went wrong may be gone tomorrow.
            Stage::Fenced => self.step(Step::Unfence).await.map(|()| Back::Proved),
            Stage::Restoring => self.walk(backwards(Some(stage))).await.map(|()| Back::Original),
            Stage::Swapped | Stage::Kept | Stage::Returning | Stage::Undone => {
                self.walk(backwards(Some(stage))).await.map(|()| Back::Undone)
            }
        }
    }

    async fn without_a_journal(&mut self, found: &Found) -> Result<Back> {
        let (side, target) = (&self.names.side, &self.names.target);
        let is_replaced = self.journal.target_oid.is_none()
            && self.journal.side_oid != 0
            && found.database(target).is_some_and(|found| found.oid == self.journal.side_oid);
        if is_replaced {
            return Ok(Back::Replaced);
        }
        // Nothing of the run is there, or only the empty database that it had just created.
        if let Some(side) = found.database(side)
            && is_bare(&self.custody.params(&side.name), side).await?
        {
            self.drop_side().await?;
        }
        Ok(Back::Original)
    }

    /// Sees to it that what stands under the target's name takes connections, whichever it is.
    async fn stand(&mut self, limit: Instant) -> Result<Option<Stage>> {
        loop {
            match self.open_up().await {
                Err(failure) if may_pass(&failure) && Instant::now() < limit => {
                    tokio::time::sleep(PAUSE).await;
                }
                outcome => return outcome,
            }
        }
    }

    async fn open_up(&mut self) -> Result<Option<Stage>> {
        let found = self.look_again().await?;
        let stage = self.adopt(&found)?;
        match stage {
            Some(Stage::Fenced) => self.step(Step::Unfence).await?,
            Some(Stage::Returning) => self.walk(forwards(stage)).await?,
            _ => return Ok(stage),
        }
        Ok(Some(self.journal.stage))
    }

    async fn look_again(&mut self) -> Result<Found> {
        self.custody.renew().await?;
        Found::look(self.session(), &self.names.target).await
    }

    /// Believes the server about the stage: a step whose answer got lost counts as what it really did.
    fn adopt(&mut self, found: &Found) -> Result<Option<Stage>> {
        let mut own = vec![self.written_stage()];
        own.extend(self.under_way.map(|step| step.leads_to(self.journal.stage)));
        if self.under_way == Some(Step::Swap) && self.journal.target_oid.is_none() {
            own.push(None);
        }
        self.refuse_other(found, &own)?;
        let Some(journal) = found.run(&self.journal.id).cloned() else { return Ok(None) };
        self.journal = journal;
        self.under_way = None;
        Ok(Some(self.journal.stage))
    }

    /// Tells whether the database is closed, when nothing could be done about it any more.
    fn door_in_words(&self) -> String {
        let target = &self.names.target;
        let was_open = self.journal.allow_connections && self.journal.target_oid.is_some();
        match (self.journal.stage, self.under_way) {
            _ if !was_open => String::new(),
            (Stage::Fenced | Stage::Returning, _) => {
                format!(", and the database {target:?} is CLOSED: nobody can connect to it")
            }
            (_, Some(Step::Fence | Step::Close)) => {
                format!(", and the database {target:?} may be CLOSED for new connections")
            }
            _ => String::new(),
        }
    }

    /// Says what a person can do about a database that is closed.
    fn advised(&self, error: Error) -> Error {
        let id = &self.journal.id;
        if self.door_in_words().is_empty() {
            return error.with_hint(format!("\"pgark restore --rollback={id}\" tries again"));
        }
        let target = quote_identifier(&self.names.target);
        error
            .with_hint(format!(
                "\"pgark restore --rollback={id}\" opens it with what was there before"
            ))
            .with_hint(format!("\"pgark restore --resume={id}\" opens it with what was restored"))
            .with_hint(format!("ALTER DATABASE {target} ALLOW_CONNECTIONS true; opens it as it is"))
    }
}

/// Tells whether a failure may be gone in a moment: the server is gone, or somebody holds what is needed.
fn may_pass(error: &Error) -> bool {
    is_connection_lost(error) || matches!(error.kind(), ErrorKind::Connection | ErrorKind::Locked)
}

/// Returns the error of a run that has left no trace under the target's name.
fn as_it_was(target: &str, error: Error) -> Error {
    if error.kind() == ErrorKind::Interrupted {
        return error.context(format!("interrupted; the database {target:?} is as it was"));
    }
    let what = format!("the restore failed, and the database {target:?} is as it was");
    hinted(Error::new(ErrorKind::RolledBack, what), error)
}

/// Puts an error in front of its cause and carries the hints over.
fn hinted(error: Error, cause: Error) -> Error {
    let hints: Vec<String> = cause.hints().to_vec();
    let error = error.with_source(cause);
    hints.into_iter().fold(error, Error::with_hint)
}
