//! The data of one entry: rows as COPY text or INSERT statements, and large objects.

use std::io::Read;
use std::time::Instant;

use super::super::context::Context;
use super::super::data::{Load, LoadError, Loaded, load};
use super::super::report::TableReport;
use super::super::split::{self, Part, SPLIT_FROM_BYTES};
use super::super::{inserts, large_objects};
use super::{Done, Reopened, Worker};
use crate::archive::statements::loads_via_partition_root;
use crate::archive::{DataEnd, freezing_copy_statement};
use crate::connect::{is_connection_lost, server_error};
use crate::error::{Error, Result};
use crate::model::TocEntry;
use crate::progress::FailedPart;
use crate::sql::{qualified, quote_identifier};

/// Data below this is loaded with WAL although a truncation could save it.
///
/// A truncation that commits makes the server look at all of its buffers (1 to 2 ms for 2 GB of them) and
/// replace the files of the table, which ext4 answers by making every new file slow for a minute. It doubled
/// the time of 5,000 small tables. Writing 8 MiB of WAL takes about 10 ms.
const TRUNCATE_FROM_BYTES: u64 = 8 * 1024 * 1024;

/// What comes around the data of an entry.
#[derive(Debug, Default)]
pub(super) struct Around {
    pub(super) before: Vec<String>,
    /// Must be in the transaction of the data to be of any use; empty for none.
    pub(super) truncate: String,
    /// The statement that freezes the rows, where that is wanted and possible.
    pub(super) copy: Option<String>,
    after: Vec<String>,
    /// Whether others may help.
    split: bool,
}

impl Worker {
    /// Helps with a table that another connection is loading.
    pub(in crate::restore) async fn help(&mut self, context: &Context, part: Part) {
        let entry = context.entry(part.split.item);
        let before = self.around_data(context, entry).before.concat();
        let request = Load {
            what: &entry.describe(),
            item: &item_name(entry),
            copy: entry.copy_statement.as_deref().unwrap_or_default(),
            before: &before,
            after: "",
            own_transaction: true,
            expected: None,
            end: DataEnd::of(entry),
        };
        split::help(&mut self.session, part, &request, &*context.progress, &context.interrupt)
            .await;
        // Whether it was rolled back is known to who has the table.
        self.forget_state();
    }

    /// Loads the data of one entry; `reopened` stands for them when they were looked at before.
    pub(super) async fn load_data(
        &mut self,
        context: &Context,
        item: usize,
        reopened: Option<Reopened>,
    ) -> Result<Done> {
        let entry = context.entry(item);
        let table = entry.dependencies.first().and_then(|id| context.by_id.get(id)).copied();
        let tries_everything = context.options.is_stock();
        if let Some(exists) = table.and_then(|table| context.tables.failure(table))
            && (!(exists || tries_everything) || context.options.no_data_for_failed_tables)
        {
            if !tries_everything {
                context.tell_no_data(entry);
            }
            context.progress.finished(&item_name(entry));
            return Ok(Done::default());
        }
        let what = entry.describe();
        let name = item_name(entry);
        let started = Instant::now();
        let expected = context.expected.get(&entry.dump_id).copied();
        context.progress.started(&name, 0);
        context.narrate(entry);
        if entry.holds_large_objects() {
            return self.load_large_objects(context, item, &name).await;
        }
        let reader = match reopened {
            Some(reader) => reader,
            None => context
                .archive
                .open_data(entry)
                .map_err(|error| error.context(format!("could not read {what}")))?,
        };
        let mut done = Done::default();
        let around = self.around_data(context, entry);
        if context.options.freeze && around.copy.is_none() && entry.holds_rows() {
            context.progress.info(&format!(
                "the rows of {name} are not frozen: only those of tables that this restore makes can be"
            ));
        }
        let mut before = around.truncate;
        let mut after = String::new();
        // pg_restore turns triggers off and on outside of a transaction, and loads if that fails, too.
        let apart = context.options.is_stock();
        if apart {
            for statement in &around.before {
                self.try_one(context, item, statement, &mut done).await?;
            }
        } else {
            before.insert_str(0, &around.before.concat());
            after = around.after.concat();
        }
        let own = !context.options.single_transaction;
        let loaded = match around.copy.as_ref().or(entry.copy_statement.as_ref()) {
            Some(copy) => {
                let load_request = Load {
                    what: &what,
                    item: &name,
                    copy,
                    before: &before,
                    after: &after,
                    own_transaction: own,
                    expected,
                    end: DataEnd::of(entry),
                };
                let (progress, interrupt) = (&*context.progress, &context.interrupt);
                match around.split {
                    true => {
                        let (table, splits) = ((item, name.as_str()), &context.splits);
                        let session = &mut self.session;
                        split::load(
                            session,
                            reader,
                            &load_request,
                            table,
                            splits,
                            progress,
                            interrupt,
                        )
                        .await
                    }
                    false => {
                        load(&mut self.session, reader, load_request, progress, interrupt).await
                    }
                }
            }
            None => {
                let inserts = inserts::Inserts {
                    what: &what,
                    item: &name,
                    before: &before,
                    after: &after,
                    own_transaction: own,
                    standard_strings: context.setup.standard_strings,
                    end: DataEnd::of(entry),
                };
                self.load_inserts(context, item, reader, inserts, &mut done).await?
            }
        };
        if loaded.is_err() && !apart {
            self.forget_state();
        }
        context.progress.finished(&name);
        let statement = entry.copy_statement.as_deref().unwrap_or("INSERT");
        match loaded {
            Ok(loaded) if entry.holds_rows() => {
                let report = TableReport {
                    table: name,
                    rows: loaded.rows,
                    bytes: loaded.bytes,
                    stored_bytes: context.archive.data_size(entry),
                    time: started.elapsed(),
                };
                context.tables.note_loaded();
                done.loaded.push((item, report));
            }
            Ok(_) => {}
            Err(LoadError::Archive(error)) => {
                return Err(error.with_hint(
                    "run \"pgark verify\" on the archive to see everything that is damaged",
                ));
            }
            Err(LoadError::Server(error)) => {
                self.note_failure(context, item, FailedPart::Load, statement, error, &mut done)?;
            }
            Err(LoadError::Told(error)) => return Err(error),
            Err(LoadError::Rows(error)) => {
                self.note_failure(context, item, FailedPart::Rows, statement, error, &mut done)?;
            }
        }
        if apart {
            for statement in &around.after {
                self.try_one(context, item, statement, &mut done).await?;
            }
        }
        Ok(done)
    }

    /// Loads rows that are INSERT statements; where pg_restore would go on behind one that fails, all are run
    /// again one by one.
    async fn load_inserts(
        &mut self,
        context: &Context,
        item: usize,
        reader: Box<dyn Read + Send>,
        inserts: inserts::Inserts<'_>,
        done: &mut Done,
    ) -> Result<Result<Loaded, LoadError>> {
        let (progress, interrupt) = (&*context.progress, &context.interrupt);
        let one_by_one = context.options.is_stock();
        if one_by_one && !inserts.own_transaction {
            self.session.execute("set a savepoint", "SAVEPOINT pgark_rows").await?;
        }
        let loaded = inserts::run(&self.session, reader, &inserts, progress, interrupt).await;
        let again = match &loaded {
            Err(LoadError::Server(error)) => one_by_one && !is_connection_lost(error),
            _ => false,
        };
        if !again || interrupt.is_set() {
            return Ok(loaded);
        }
        if !inserts.own_transaction {
            self.session.execute("go back", "ROLLBACK TO SAVEPOINT pgark_rows").await?;
        }
        let reader = context.archive.open_data(context.entry(item))?;
        let this = &*self;
        let mut failed = |statement: &str, error: Error| {
            this.note_failure(context, item, FailedPart::Load, statement, error, done)
        };
        let session = &self.session;
        Ok(inserts::run_each(session, reader, &inserts, progress, interrupt, &mut failed).await)
    }

    /// Returns what comes before and after the data.
    ///
    /// Truncating a table that this run created lets a server with `wal_level = minimal` load it
    /// without WAL. Elsewhere, and for little data, it would only cost: see [`TRUNCATE_FROM_BYTES`].
    /// It also is what lets rows be frozen: nobody can have looked at the table since then.
    pub(super) fn around_data(&mut self, context: &Context, entry: &TocEntry) -> Around {
        let made_by = entry.dependencies.first().and_then(|id| context.by_id.get(id));
        let created = made_by.is_some_and(|&table| context.tables.is_created(table));
        let mut around = Around::default();
        let table = table_name(entry);
        if let Some(table) = table.as_deref() {
            around.before.extend(self.switch_triggers(context, table, "DISABLE"));
        }
        for switch in self.before(context, entry) {
            around.before.push(switch + "\n");
        }
        let Some(table) = table else { return around };
        let is_ours = created && !loads_via_partition_root(entry);
        if context.options.freeze && is_ours {
            around.copy = entry.copy_statement.as_deref().and_then(freezing_copy_statement);
        }
        let pays = context.target.minimal_wal && context.data_bytes(entry) >= TRUNCATE_FROM_BYTES;
        let wanted = pays || around.copy.is_some();
        around.split = is_ours
            && context.options.split_load
            && context.options.jobs > 1
            && DataEnd::of(entry).has_mark()
            && context.data_bytes(entry) >= SPLIT_FROM_BYTES;
        // In a single transaction the table was made in it. Who empties a table has it alone.
        if is_ours && wanted && !around.split && !context.options.single_transaction {
            around.truncate = format!("TRUNCATE TABLE ONLY {table};\n");
        }
        around.after.extend(self.switch_triggers(context, &table, "ENABLE"));
        around
    }

    /// Returns the statements that turn the triggers of a table off or on.
    fn switch_triggers(&mut self, context: &Context, table: &str, verb: &str) -> Vec<String> {
        // As in pg_restore, triggers are only in the way of tables that this run does not create.
        let schema_wanted = context.marks.iter().any(|marks| marks.schema);
        if !context.options.disable_triggers || schema_wanted {
            return Vec::new();
        }
        let statement = format!("ALTER TABLE {table} {verb} TRIGGER ALL;");
        let superuser = context.options.superuser.clone();
        if context.options.is_stock() {
            let superuser = superuser.unwrap_or_default();
            // pg_restore stays who it has become, and restores the rows as well as the superuser.
            let become_it = self.become_user(context, &superuser);
            return become_it.into_iter().chain([statement]).collect();
        }
        let statement = statement + "\n";
        let Some(superuser) = superuser else { return vec![statement] };
        // It ends as whoever logged in.
        self.user = None;
        let user = quote_identifier(&superuser);
        let mut sql = format!(
            "SET SESSION AUTHORIZATION {user};\n{statement}SET SESSION AUTHORIZATION DEFAULT;\n"
        );
        if let Some(role) = &context.options.role {
            sql.push_str(&format!("SET ROLE {};\n", quote_identifier(role)));
        }
        vec![sql]
    }

    async fn load_large_objects(
        &mut self,
        context: &Context,
        item: usize,
        name: &str,
    ) -> Result<Done> {
        let entry = context.entry(item);
        let mut done = Done::default();
        for statement in self.before(context, entry) {
            self.try_one(context, item, &statement, &mut done).await?;
        }
        let making = match context.archive.header().version.has_large_object_entries() {
            true => large_objects::Making::Made,
            false => large_objects::Making::Here { clean: context.options.clean },
        };
        let loaded = large_objects::load(
            &self.session,
            large_objects::Load {
                archive: &context.archive,
                entry,
                item: name,
                own_transaction: !context.options.single_transaction,
                making,
                not_made: &context.not_made,
            },
            &*context.progress,
            &context.interrupt,
        )
        .await;
        context.progress.finished(name);
        match loaded {
            Ok(oids) => {
                if context.options.is_stock() {
                    for oid in &oids {
                        let what = format!("restoring large object with OID {oid}");
                        context.progress.info(&what);
                    }
                    let plural = if oids.len() == 1 { "" } else { "s" };
                    let what = format!("restored {} large object{plural}", oids.len());
                    context.progress.info(&what);
                }
                Ok(Done { large_objects: oids.len() as u64, ..done })
            }
            Err(LoadError::Archive(error) | LoadError::Told(error)) => Err(error),
            // pg_restore goes on behind every error but this.
            Err(LoadError::Server(error) | LoadError::Rows(error))
                if context.options.is_stock() && server_error(&error).is_some() =>
            {
                Err(large_objects::not_opened(error))
            }
            Err(LoadError::Server(error) | LoadError::Rows(error)) => {
                self.note_failure(context, item, FailedPart::Load, "lo_put", error, &mut done)?;
                Ok(done)
            }
        }
    }
}

/// Returns the name under which the data of an entry is reported.
pub(in crate::restore) fn item_name(entry: &TocEntry) -> String {
    table_name(entry).unwrap_or_else(|| entry.describe())
}

fn table_name(entry: &TocEntry) -> Option<String> {
    entry.namespace.as_deref().map(|namespace| qualified(namespace, &entry.tag))
}
