//! What each step of a managed restore does on the server.

use std::sync::Arc;

use chrono::TimeDelta;

use super::acts;
use super::found::Found;
use super::journal::Journal;
use super::machine::Stage;
use super::plan::restore_options;
use super::preflight;
use super::properties::Properties;
use super::run::Run;
use super::server;
use crate::connect::Session;
use crate::error::{Error, ErrorKind, Result, with_causes};
use crate::restore;
use crate::vault::side::{
    Claim, OpenedArchive, Sessions, databases, door, drop_database, end_sessions, prove,
    refuse_connected, subscriptions,
};

impl Run {
    pub(super) async fn create_side(&mut self) -> Result<()> {
        let side = &self.names.side;
        let purpose = format!("create the database {side:?}");
        let statement = match self.create.take() {
            Some(statement) => statement,
            None => self.create_statement().await?,
        };
        self.session().execute(&purpose, &statement).await?;
        let found = databases(self.session()).await?;
        let created = found.iter().find(|database| database.name == *side);
        let mut journal = self.journal.at(Stage::Restoring);
        journal.side_oid = created.ok_or_else(|| acts::gone(side))?.oid;
        self.session().execute(&purpose, &acts::comment(side, &journal)).await?;
        self.journal = journal;
        Ok(())
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

    pub(super) async fn restore(&mut self) -> Result<()> {
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
        self.renew().await?;
        self.report.rows = restored.rows;
        self.report.tables = restored.tables;
        self.report.detached_subscriptions = subscriptions(self.session(), side.database()).await?;
        Ok(())
    }

    pub(super) async fn prove(&mut self) -> Result<()> {
        let claim = Claim {
            archive: self.options.archive.clone(),
            restored: self.custody.params(&self.names.side),
            jobs: self.options.jobs,
            no_owner: self.options.no_owner,
            no_privileges: self.options.no_privileges,
        };
        let proof = prove(&claim, &self.progress, &self.interrupt).await?;
        self.report.proof = Some(proof);
        self.renew().await?;
        let journal = self.journal.at(Stage::Proved);
        let comment = acts::comment(&self.names.side, &journal);
        self.session().execute("write down that the database is proved", &comment).await?;
        self.journal = journal;
        Ok(())
    }

    pub(super) async fn fence(&mut self) -> Result<()> {
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
    pub(super) async fn expect_target(&self, oid: u32, which: &str) -> Result<()> {
        let target = &self.names.target;
        let found = databases(self.session()).await?;
        if found.iter().any(|database| database.name == *target && database.oid == oid) {
            return Ok(());
        }
        let what = format!("the database {target:?} is not the one any more {which}");
        Err(Error::new(ErrorKind::Refused, what))
    }

    pub(super) async fn refuse_connected(&self) -> Result<()> {
        if self.options.sessions == Sessions::Ended {
            return Ok(());
        }
        refuse_connected(self.session(), &self.names.target).await
    }

    /// Opens or closes what stands under the target's name and says so in the journal, in one transaction.
    pub(super) async fn close_or_open(
        &mut self,
        stage: Stage,
        purpose: &str,
        open: bool,
    ) -> Result<()> {
        let journal = self.journal.at(stage);
        let mut statements = vec![acts::comment(&journal.place(), &journal)];
        if matches!(stage, Stage::Fenced | Stage::Proved) {
            // Who watches every database of a server would keep the new one from being renamed.
            statements.push(door(&self.names.side, stage == Stage::Proved));
        }
        if self.journal.target_oid.is_some() {
            statements.push(door(&self.names.target, open));
        }
        acts::together(self.session(), purpose, &statements).await?;
        self.journal = journal;
        Ok(())
    }

    pub(super) async fn end_sessions(&mut self) -> Result<()> {
        let target = &self.names.target;
        let ended = end_sessions(self.session(), target, self.options.sessions).await?;
        self.report.sessions_ended += ended;
        // The side database is ours, and so is the right to send others away.
        end_sessions(self.session(), &self.names.side, Sessions::Ended).await?;
        Ok(())
    }

    pub(super) async fn swap(&mut self) -> Result<()> {
        if let Some(before) = &self.activity {
            let now = server::activity(self.session(), &self.names.target).await?;
            self.report.rows_written_meanwhile =
                Some(now.rows_written.saturating_sub(before.rows_written).max(0));
        }
        let mut journal = self.journal.at(Stage::Swapped);
        self.keep(&mut journal).await?;
        let properties = match self.journal.target_oid {
            Some(_) => Vec::new(),
            None => self.properties_of_backup().await,
        };
        let refused = acts::swap(self.session(), &journal, &properties).await?;
        let refused = refused.iter().map(|what| format!("not taken over from the backup: {what}"));
        self.report.notes.extend(refused);
        self.journal = journal;
        if self.journal.target_oid.is_some() {
            self.report.kept = Some(self.names.old.clone());
            self.report.kept_until = self.journal.keep_until;
        }
        Ok(())
    }

    /// Returns the statements that make the database what it was when it was backed up.
    async fn properties_of_backup(&mut self) -> Vec<String> {
        match OpenedArchive::open(&self.options.archive).await {
            Ok(opened) if opened.database == self.names.target => {
                opened.property_statements(self.options.no_owner, self.options.no_privileges)
            }
            Ok(_) => Vec::new(),
            // The archive was moved since it was restored from.
            Err(error) => {
                self.report.notes.push(format!(
                    "owner, privileges, comment and settings of the database itself are not taken over: {}",
                    with_causes(&error)
                ));
                Vec::new()
            }
        }
    }

    async fn keep(&self, journal: &mut Journal) -> Result<()> {
        let now = Found::look(self.session(), &self.names.target).await?.now;
        let keep = TimeDelta::try_seconds(journal.keep_seconds);
        journal.keep_until = keep.and_then(|keep| now.checked_add_signed(keep));
        Ok(())
    }

    pub(super) async fn accept(&mut self) -> Result<()> {
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
        let journal = written.at(Stage::Kept);
        self.report.kept = Some(self.names.old.clone());
        self.report.kept_until = journal.keep_until;
        let comment = acts::comment(&self.names.old, &journal);
        self.session().execute("write down that the new database is there", &comment).await?;
        self.journal = journal;
        Ok(())
    }

    pub(super) async fn drop_side(&mut self) -> Result<()> {
        let params = self.custody.params(&self.names.side);
        let slots = drop_database(self.session(), &params, &self.names.side).await?;
        self.report.notes.extend(slots);
        self.journal.side_oid = 0;
        Ok(())
    }

    pub(super) async fn swap_back(&mut self) -> Result<()> {
        let mut journal = self.journal.at(Stage::Undone);
        self.keep(&mut journal).await?;
        acts::swap_back(self.session(), &journal).await?;
        self.journal = journal;
        self.report.kept = Some(self.names.undone.clone());
        self.report.kept_until = self.journal.keep_until;
        Ok(())
    }
}
