//! One connection at work: it runs the statements of a batch of entries, or loads one entry's data.
//!
//! What both have in common is here: as whom and with which settings the session works, and what becomes of
//! an error.

use std::io::Read;

use super::context::Context;
use super::report::{IgnoredError, TableReport};
use super::schedule::Job;
use crate::archive::statements::{Pass, Switches, pass};
use crate::connect::{Canceller, ConnectParams, Session, server_error, sqlstate};
use crate::error::{Error, Result};
use crate::model::TocEntry;
use crate::progress::FailedPart;
use crate::sql::quote_literal;

mod definitions;
mod rows;
mod small;

pub(super) use rows::item_name;

/// How often a statement is tried that lost against another session of this or another program.
const ATTEMPTS: usize = 4;

/// What stands for the data of an entry when something of them was read before.
type Reopened = Box<dyn Read + Send>;

/// The beginning of the statement that makes the session somebody else's.
const BECOME: &str = "SET SESSION AUTHORIZATION";

/// What a job came to.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// Ignored errors and the entries they belong to.
    pub(super) ignored: Vec<(usize, IgnoredError)>,
    /// The tables that were loaded.
    pub(super) loaded: Vec<(usize, TableReport)>,
    pub(super) large_objects: u64,
    /// Entries whose statements ran.
    pub(super) entries: u64,
}

impl Done {
    /// Adds what another job came to.
    fn add(&mut self, other: Done) {
        self.ignored.extend(other.ignored);
        self.loaded.extend(other.loaded);
        self.large_objects += other.large_objects;
        self.entries += other.entries;
    }
}

/// Whether other processes of the server help to build an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Help {
    /// The connections keep all cores busy, and sharing a sort costs more than doing it alone.
    None,
    AsTheServerHasIt,
}

/// A connection and what it has been told to use by default.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) session: Session,
    switches: Switches,
    /// Who the session is; empty for who logged in, nothing when that is not known.
    user: Option<String>,
    help: Help,
}

impl Worker {
    /// Takes a session that is set up.
    pub(super) fn new(session: Session) -> Self {
        Worker { session, switches: Switches::default(), user: None, help: Help::AsTheServerHasIt }
    }

    /// Opens a connection and sets it up.
    pub(super) async fn connect(context: &Context, params: &ConnectParams) -> Result<Self> {
        Ok(Worker::new(context.setup.connect(params).await?))
    }

    pub(super) fn canceller(&self) -> Canceller {
        self.session.canceller()
    }

    /// Does a job; an error ends the whole run.
    pub(super) async fn perform(
        &mut self,
        context: &Context,
        job: &Job,
        help: Help,
    ) -> Result<Done> {
        context.interrupt.check()?;
        if let Job::Statements(_) = job {
            self.set_help(help)?;
        }
        let done = match job {
            Job::Statements(items) => self.run_statements(context, items).await,
            Job::Data(item) => self.load_data(context, *item, None).await,
            Job::SmallData(items) => self.load_small(context, items).await,
        };
        self.tell_notices(context);
        done
    }

    /// Decides whether other processes of the server help with the indexes that come.
    fn set_help(&mut self, help: Help) -> Result<()> {
        if self.help != help {
            let sql = match help {
                Help::None => "SET max_parallel_maintenance_workers = 0",
                Help::AsTheServerHasIt => "RESET max_parallel_maintenance_workers",
            };
            // It costs no round trip: nobody waits for the answer.
            self.session.submit("set up the session", sql.as_bytes())?;
            self.help = help;
        }
        Ok(())
    }

    fn tell_notices(&self, context: &Context) {
        for notice in self.session.take_notices() {
            let text = match context.options.is_stock() {
                true => notice.libpq_text(),
                false => notice.to_string(),
            };
            context.progress.info(&text);
        }
    }

    async fn attempt(&mut self, context: &Context, name: &str, statement: &str) -> Result<()> {
        let purpose = format!("restore {name}");
        let mut attempt = 1;
        loop {
            let result = self.session.execute(&purpose, statement).await;
            self.tell_notices(context);
            match result {
                Err(error)
                    if attempt < ATTEMPTS
                        && lost_a_race(&error)
                        && !context.options.single_transaction =>
                {
                    attempt += 1;
                    context.interrupt.check()?;
                }
                other => return other,
            }
        }
    }

    /// Returns the statements that the session must be brought into the state for an entry with.
    fn before(&mut self, context: &Context, entry: &TocEntry) -> Vec<String> {
        let mut statements = Vec::new();
        if context.options.session_authorization && !context.options.no_owner {
            let owner = entry.owner.as_deref().unwrap_or_default();
            statements.extend(self.become_user(context, owner));
            if pass(entry) == Pass::Acl {
                // Grants in the name of others leave the session as who logged in.
                self.user = None;
            }
        }
        statements.extend(self.switches.before(entry, context.switch_options()));
        statements
    }

    /// Runs a statement whose failure is counted and changes nothing else.
    async fn try_one(
        &mut self,
        context: &Context,
        item: usize,
        statement: &str,
        done: &mut Done,
    ) -> Result<()> {
        match self.attempt(context, &context.entry(item).describe(), statement).await {
            Ok(()) => Ok(()),
            Err(error) => {
                self.note_failure(context, item, FailedPart::Definition, statement, error, done)
            }
        }
    }

    /// Counts a failure of an entry, or ends the run with it.
    fn note_failure(
        &self,
        context: &Context,
        item: usize,
        part: FailedPart,
        statement: &str,
        error: Error,
        done: &mut Done,
    ) -> Result<()> {
        let entry = context.entry(item);
        if becomes_somebody(statement) && context.options.is_stock() {
            return Err(not_allowed_to_become(statement, error));
        }
        if context.is_fatal(&error) || becomes_somebody(statement) {
            context.tell_fatal(entry, part, statement, &error);
            return Err(error);
        }
        done.ignored.push((item, context.tell(entry, part, statement, &error)));
        Ok(())
    }

    /// Forgets in which state the session is: what brought it there was rolled back.
    fn forget_state(&mut self) {
        self.switches.forget();
        self.user = None;
    }

    /// Returns the statement that makes the session a user's, unless it is; empty for who logged in.
    fn become_user(&mut self, context: &Context, user: &str) -> Option<String> {
        if self.user.as_deref() == Some(user) {
            return None;
        }
        let value = match user {
            "" => "DEFAULT".to_owned(),
            _ => quote_literal(user, context.setup.standard_strings),
        };
        self.user = Some(user.to_owned());
        Some(format!("{BECOME} {value};"))
    }
}

/// Tells whether a statement failed only because another session did something at the same moment.
fn lost_a_race(error: &Error) -> bool {
    server_error(error).is_some_and(|error| {
        error.sqlstate == sqlstate::DEADLOCK_DETECTED
            || error.message.contains("tuple concurrently")
    })
}

/// Tells whether a statement decides as whom the following ones are done.
fn becomes_somebody(statement: &str) -> bool {
    statement.starts_with(BECOME) && !statement.trim_end().contains('\n')
}

/// Makes the error that ends a restore like pg_restore's when it may not work as somebody.
fn not_allowed_to_become(statement: &str, error: Error) -> Error {
    let user = statement.trim_end().trim_start_matches(BECOME).trim_matches([' ', ';', '\'']);
    error.context(format!("could not set session user to \"{user}\""))
}

/// Returns the beginning of a statement, for messages.
pub(super) fn shortened(statement: &str) -> String {
    const LONGEST: usize = 200;
    let text = statement.trim();
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}
