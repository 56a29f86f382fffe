//! The statements of a batch of entries.
//!
//! A batch goes to the server as one transaction. If that fails it is rolled back and run again entry
//! by entry, each statement by itself, so that every error belongs to an entry and the others still
//! succeed: what `pg_restore` gets by never doing more than one statement at a time.

use super::super::context::{Context, Unneeded};
use super::{Done, Worker, becomes_somebody, not_allowed_to_become, shortened};
use crate::connect::{is_connection_lost, server_error, sqlstate};
use crate::error::Result;
use crate::model::TocEntry;
use crate::progress::FailedPart;

/// Statements are sent in pieces of about this size: the server parses a piece as a whole.
const PIECE_BYTES: usize = 256 * 1024;

impl Worker {
    pub(super) async fn run_statements(
        &mut self,
        context: &Context,
        items: &[usize],
    ) -> Result<Done> {
        let mut scripts = Vec::with_capacity(items.len());
        let mut done = Done::default();
        for &item in items {
            match context.statements(item, Unneeded::LeftOut) {
                Ok(mut list) => {
                    let entry = context.entry(item);
                    list.retain(|statement| !context.not_made.concerns(entry, statement));
                    scripts.push((item, list));
                }
                Err(error) if context.is_fatal(&error) => return Err(error),
                Err(error) => {
                    let entry = context.entry(item);
                    let ignored = context.tell(entry, FailedPart::Definition, "", &error);
                    done.ignored.push((item, ignored));
                }
            }
        }
        done.entries = scripts.len() as u64;
        let count: usize = scripts.iter().map(|(_, list)| list.len()).sum();
        let worthwhile = !context.options.single_transaction
            && count > 1
            && (scripts.len() > 1 || !takes_long(context.entry(items[0])));
        // Who follows each step hears of it, and what the server says to it, when it is done.
        let together = worthwhile && !context.options.narrated;
        let mut in_transaction =
            worthwhile && !together && context.options.transaction_size.is_some();
        if !together && context.options.is_stock() && !context.options.single_transaction {
            // A statement too little to go together with others: nobody knows yet whether it succeeds.
            keep_all(context, &mut scripts)?;
        }
        if together {
            match self.run_together(context, &scripts).await {
                Ok(()) => return Ok(done),
                Err(error) if is_connection_lost(&error) || context.interrupt.is_set() => {
                    return Err(error);
                }
                Err(error) => {
                    if context.options.is_stock() {
                        keep_all(context, &mut scripts)?;
                    } else {
                        let message = server_error(&error)
                            .map_or_else(|| error.to_string(), |e| e.message.clone());
                        context.progress.info(&format!(
                            "a batch of {count} statements failed ({message}) and is run again one by one"
                        ));
                    }
                    // What belongs together stays so: the session that fails takes it all back.
                    in_transaction = context.options.transaction_size.is_some();
                }
            }
        }
        if in_transaction {
            self.session.execute("begin a transaction", "BEGIN").await?;
        }
        for (item, list) in &scripts {
            self.run_one(context, *item, list, &mut done).await?;
        }
        if in_transaction {
            self.session.execute("commit", "COMMIT").await?;
        }
        Ok(done)
    }

    /// Runs the statements of all entries in one transaction.
    async fn run_together(
        &mut self,
        context: &Context,
        scripts: &[(usize, Vec<String>)],
    ) -> Result<()> {
        let before = (self.switches.clone(), self.user.clone());
        let result = self.send_together(context, scripts).await;
        match &result {
            Ok(()) => {
                for (item, _) in scripts {
                    context.narrate(context.entry(*item));
                    self.note_table(context, *item, None);
                    context.progress.finished(&context.entry(*item).describe());
                }
            }
            Err(_) => {
                (self.switches, self.user) = before;
                if !self.session.is_closed() {
                    self.session.execute("roll back", "ROLLBACK").await?;
                }
            }
        }
        result
    }

    async fn send_together(
        &mut self,
        context: &Context,
        scripts: &[(usize, Vec<String>)],
    ) -> Result<()> {
        let purpose = format!("restore {} entries together", scripts.len());
        let mut piece = String::from("BEGIN;\n");
        for (item, list) in scripts {
            for switch in self.before(context, context.entry(*item)) {
                piece.push_str(&switch);
                piece.push('\n');
            }
            for statement in list {
                piece.push_str(statement);
                piece.push('\n');
            }
            if piece.len() > PIECE_BYTES {
                self.session.execute(&purpose, &piece).await?;
                piece.clear();
            }
        }
        piece.push_str("COMMIT;\n");
        self.session.execute(&purpose, &piece).await
    }

    /// Runs the statements of one entry, each by itself.
    async fn run_one(
        &mut self,
        context: &Context,
        item: usize,
        list: &[String],
        done: &mut Done,
    ) -> Result<()> {
        let entry = context.entry(item);
        let name = entry.describe();
        let watched = takes_long(entry);
        if watched {
            context.progress.started(&name, 0);
        }
        context.narrate(entry);
        let switches = self.before(context, entry);
        let mut failed = false;
        for (position, statement) in switches.iter().chain(list).enumerate() {
            if context.not_made.concerns(entry, statement) {
                continue;
            }
            let Err(error) = self.attempt(context, &name, statement).await else { continue };
            if becomes_somebody(statement) && context.options.is_stock() {
                return Err(not_allowed_to_become(statement, error));
            }
            // What followed would be done as somebody else.
            if context.is_fatal(&error) || becomes_somebody(statement) {
                context.tell_fatal(entry, FailedPart::Definition, statement, &error);
                return Err(error.with_hint(format!("the statement was: {}", shortened(statement))));
            }
            let ignored = context.tell(entry, FailedPart::Definition, statement, &error);
            done.ignored.push((item, ignored));
            failed = true;
            if !context.options.is_stock() && context.not_made.note(statement) {
                // The other objects of the entry are made all the same.
                continue;
            }
            if position == switches.len() && !context.options.is_stock() {
                // What follows would only repeat that the object is not there, or worse, give away an
                // object of that name that somebody else made.
                let exists = server_error(&error)
                    .is_some_and(|error| error.sqlstate == sqlstate::DUPLICATE_TABLE);
                self.note_table(context, item, Some(exists));
                context.progress.finished(&name);
                return Ok(());
            }
        }
        if failed && context.options.is_stock() && context.options.no_data_for_failed_tables {
            context.tell_no_data(entry);
        }
        // Whatever of it failed, pg_restore takes a table for one that it could not create.
        let failure = (failed && context.options.is_stock()).then_some(false);
        self.note_table(context, item, failure);
        context.progress.finished(&name);
        Ok(())
    }

    fn note_table(&self, context: &Context, item: usize, failure: Option<bool>) {
        if context.entry(item).desc == "TABLE" {
            match failure {
                None => context.tables.note_created(item),
                Some(exists) => context.tables.note_failed(item, exists),
            }
        }
    }
}

/// Puts back the statements that were left out because they change nothing when those before them succeed.
fn keep_all(context: &Context, scripts: &mut [(usize, Vec<String>)]) -> Result<()> {
    for (item, list) in scripts {
        *list = context.statements(*item, Unneeded::Kept)?;
    }
    Ok(())
}

/// Tells whether the time of an entry's statement depends on the data, so that it is worth watching
/// and not worth doing twice.
fn takes_long(entry: &TocEntry) -> bool {
    matches!(
        entry.desc.as_str(),
        "INDEX" | "CONSTRAINT" | "FK CONSTRAINT" | "CHECK CONSTRAINT" | "MATERIALIZED VIEW DATA"
    )
}
