//! One connection at work: it runs the statements of a batch of entries, or loads one entry's data.
//!
//! A batch goes to the server as one transaction. If that fails it is rolled back and run again entry
//! by entry, each statement by itself, so that every error belongs to an entry and the others still
//! succeed: what `pg_restore` gets by never doing more than one statement at a time.

use std::collections::{HashMap, HashSet};
use std::io::Read;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::data::{Expected, Load, LoadError, Loaded, load};
use super::options::RestoreOptions;
use super::preflight::Target;
use super::report::{IgnoredError, TableReport};
use super::schedule::Job;
use super::session::SessionSetup;
use super::{inserts, large_objects};
use crate::archive::large_object_text::{self, Command};
use crate::archive::selection::Marks;
use crate::archive::statements::{
    self, Pass, SwitchOptions, Switches, loads_via_partition_root, owner_statement,
    partitioned_access_method, pass,
};
use crate::archive::{ArchiveReader, DataEnd};
use crate::connect::{
    Canceller, ConnectParams, Session, is_connection_lost, server_error, sqlstate,
};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{DumpId, TocEntry};
use crate::progress::{FailedPart, Interrupt, ProgressHandle};
use crate::sql::{qualified, quote_identifier, quote_literal};

/// How often a statement is tried that lost against another session of this or another program.
const ATTEMPTS: usize = 4;

/// Statements are sent in pieces of about this size: the server parses a piece as a whole.
const PIECE_BYTES: usize = 256 * 1024;

/// Data below this is loaded with WAL although a truncation could save it.
///
/// A truncation that commits makes the server look at all of its buffers (1 to 2 ms for 2 GB of them) and
/// replace the files of the table, which ext4 answers by making every new file slow for a minute. It doubled
/// the time of 5,000 small tables. Writing 8 MiB of WAL takes about 10 ms.
const TRUNCATE_FROM_BYTES: u64 = 8 * 1024 * 1024;

/// The beginning of the statement that makes the session somebody else's.
const BECOME: &str = "SET SESSION AUTHORIZATION";

/// What all connections of a restore share.
pub(super) struct Context {
    pub(super) archive: Arc<dyn ArchiveReader>,
    pub(super) options: RestoreOptions,
    pub(super) marks: Vec<Marks>,
    pub(super) setup: SessionSetup,
    pub(super) target: Target,
    pub(super) progress: ProgressHandle,
    pub(super) interrupt: Interrupt,
    pub(super) by_id: HashMap<DumpId, usize>,
    /// What the manifest says about the data of an entry.
    pub(super) expected: HashMap<DumpId, Expected>,
    pub(super) tables: Tables,
}

/// What became of the tables so far.
#[derive(Debug, Default)]
pub(super) struct Tables {
    created: Mutex<HashSet<usize>>,
    /// Tables that could not be created, and whether that is because they exist.
    failed: Mutex<HashMap<usize, bool>>,
}

impl Tables {
    fn note_created(&self, item: usize) {
        lock(&self.created).insert(item);
    }

    fn note_failed(&self, item: usize, exists: bool) {
        lock(&self.failed).insert(item, exists);
    }

    fn is_created(&self, item: usize) -> bool {
        lock(&self.created).contains(&item)
    }

    fn failure(&self, item: usize) -> Option<bool> {
        lock(&self.failed).get(&item).copied()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere leaves a set of numbers as valid as it was.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Context {
    pub(super) fn entries(&self) -> &[TocEntry] {
        self.archive.entries()
    }

    pub(super) fn entry(&self, item: usize) -> &TocEntry {
        &self.archive.entries()[item]
    }

    /// Returns the bytes of an entry's COPY text; without a manifest those in the archive, which are fewer.
    fn data_bytes(&self, entry: &TocEntry) -> u64 {
        match self.expected.get(&entry.dump_id) {
            Some(expected) => expected.raw_bytes,
            None => self.archive.data_size(entry),
        }
    }

    fn switch_options(&self) -> SwitchOptions {
        SwitchOptions {
            no_tablespaces: self.options.no_tablespaces,
            no_table_access_method: self.options.no_table_access_method,
            unqualified_definitions: !self.setup.has_search_path(),
            ..SwitchOptions::default()
        }
    }

    /// Returns the statements of an entry in the order they run.
    ///
    /// Giving an object to the user who has just made it can be left out: it changes nothing and costs as
    /// much as making the object.
    pub(super) fn statements(&self, item: usize, unneeded: Unneeded) -> Result<Vec<String>> {
        let entry = self.entry(item);
        let definition = statements::definition(entry, self.options.no_owner);
        if entry.desc == "BLOB METADATA" {
            let no_owner = self.options.no_owner || self.options.session_authorization;
            return Ok(large_objects::definitions(entry, no_owner));
        }
        if entry.desc == "ACL" && entry.tag.starts_with("LARGE OBJECTS") {
            let metadata = entry.dependencies.first().and_then(|id| self.by_id.get(id));
            if let Some(&metadata) = metadata {
                let oids = large_object_text::oids(&self.entry(metadata).definition);
                if let Some(commands) = large_object_text::privileges(&definition) {
                    let of_all = commands.iter().flat_map(|Command { before, after }| {
                        oids.iter().map(move |oid| format!("{before}{oid}{after};"))
                    });
                    return Ok(of_all.collect());
                }
            }
        }
        let mut list = Vec::new();
        let leaves_role = definition.contains("SESSION AUTHORIZATION");
        if !definition.trim().is_empty() {
            list.push(definition.into_owned());
        }
        if self.options.detach_subscriptions && entry.desc == "SUBSCRIPTION" {
            let name = quote_identifier(&entry.tag);
            // One message is one transaction: nobody ever sees the subscription with its slot.
            if let Some(definition) = list.last_mut() {
                definition.push_str(&format!("ALTER SUBSCRIPTION {name} DISABLE;\n"));
                definition
                    .push_str(&format!("ALTER SUBSCRIPTION {name} SET (slot_name = NONE);\n"));
            }
        }
        if leaves_role && let Some(role) = &self.options.role {
            // Grants in the name of others end with a reset that takes the role of --role along.
            list.push(format!("SET ROLE {};", quote_identifier(role)));
        }
        // A comment stands for a schema that exists already; nobody has made it as its owner.
        let made_by_owner = self.options.session_authorization
            && !(entry.desc == "SCHEMA" && entry.definition.starts_with("--"));
        if !self.options.no_owner && !made_by_owner {
            let owner = owner_statement(entry).map_err(|error| {
                Error::new(ErrorKind::Archive, format!("could not restore {}", entry.describe()))
                    .with_source(error)
            })?;
            let is_ours = entry.owner.as_deref() == Some(self.target.user.as_str());
            let is_new = list.first().is_some_and(|sql| sql.trim_start().starts_with("CREATE "));
            if let Some(owner) =
                owner.filter(|_| unneeded == Unneeded::Kept || !(is_ours && is_new))
            {
                list.push(owner);
            }
        }
        if !self.options.no_table_access_method
            && self.target.version.has_partitioned_access_method()
            && let Some(method) = partitioned_access_method(entry)
        {
            list.push(method);
        }
        Ok(list)
    }

    /// Reports what failed and returns it for the final report.
    pub(super) fn tell(
        &self,
        entry: &TocEntry,
        part: FailedPart,
        statement: &str,
        error: &Error,
    ) -> IgnoredError {
        IgnoredError::tell(entry, part, statement, error, &*self.progress)
    }

    /// Tells of a statement whose error ends the run, to those who are used to hear it at once: elsewhere
    /// the error itself says it all.
    pub(super) fn tell_fatal(
        &self,
        entry: &TocEntry,
        part: FailedPart,
        statement: &str,
        error: &Error,
    ) {
        if self.options.is_stock() && server_error(error).is_some() {
            self.tell(entry, part, statement, error);
        }
    }

    /// Tells what is being done to an entry, in the words of `pg_restore`.
    fn narrate(&self, entry: &TocEntry) {
        let marks = self.by_id.get(&entry.dump_id).map(|&item| self.marks[item]);
        let name = match &entry.namespace {
            Some(namespace) => format!("\"{namespace}.{}\"", entry.tag),
            None => format!("\"{}\"", entry.tag),
        };
        match marks {
            Some(marks) if marks.schema => {
                self.progress.info(&format!("creating {} {name}", entry.desc));
            }
            Some(marks) if marks.data && !entry.has_data => {
                self.progress.info(&format!("executing {} {}", entry.desc, entry.tag));
            }
            Some(marks) if marks.data && !entry.holds_rows() => {
                self.progress.info(&format!("processing {}", entry.desc));
            }
            Some(marks) if marks.data => {
                self.progress.info(&format!("processing data for table {name}"));
            }
            _ => {}
        }
    }

    /// Tells that the rows of a table are left out, because it could not be created.
    fn tell_no_data(&self, entry: &TocEntry) {
        if matches!(entry.desc.as_str(), "TABLE" | "TABLE DATA") {
            self.progress.info(&format!(
                "table \"{}\" could not be created, will not restore its data",
                entry.tag
            ));
        }
    }

    /// Tells whether an error ends the run whatever the options say.
    fn is_fatal(&self, error: &Error) -> bool {
        self.options.stops_at_first_error()
            || self.interrupt.is_set()
            || is_connection_lost(error)
            || !matches!(error.kind(), ErrorKind::Server | ErrorKind::Locked | ErrorKind::Archive)
    }
}

/// What becomes of statements that change nothing when those before them succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unneeded {
    LeftOut,
    /// They are run, for the errors they give when something has failed.
    Kept,
}

/// What a job came to.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// Ignored errors and the entries they belong to.
    pub(super) ignored: Vec<(usize, IgnoredError)>,
    /// The table that was loaded.
    pub(super) loaded: Option<(usize, TableReport)>,
    pub(super) large_objects: u64,
    /// Entries whose statements ran.
    pub(super) entries: u64,
}

/// What comes around the data of an entry.
#[derive(Debug, Default)]
struct Around {
    before: Vec<String>,
    /// Must be in the transaction of the data to be of any use; empty for none.
    truncate: String,
    after: Vec<String>,
}

/// A connection and what it has been told to use by default.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) session: Session,
    switches: Switches,
    /// Who the session is; empty for who logged in, nothing when that is not known.
    user: Option<String>,
}

impl Worker {
    /// Takes a session that is set up.
    pub(super) fn new(session: Session) -> Self {
        Worker { session, switches: Switches::default(), user: None }
    }

    /// Opens a connection and sets it up.
    pub(super) async fn connect(context: &Context, params: &ConnectParams) -> Result<Self> {
        Ok(Worker::new(context.setup.connect(params).await?))
    }

    pub(super) fn canceller(&self) -> Canceller {
        self.session.canceller()
    }

    /// Does a job; an error ends the whole run.
    pub(super) async fn perform(&mut self, context: &Context, job: &Job) -> Result<Done> {
        context.interrupt.check()?;
        let done = match job {
            Job::Statements(items) => self.run_statements(context, items).await,
            Job::Data(item) => self.load_data(context, *item).await,
        };
        self.tell_notices(context);
        done
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

    async fn run_statements(&mut self, context: &Context, items: &[usize]) -> Result<Done> {
        let mut scripts = Vec::with_capacity(items.len());
        let mut done = Done::default();
        for &item in items {
            match context.statements(item, Unneeded::LeftOut) {
                Ok(list) => scripts.push((item, list)),
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

    fn note_table(&self, context: &Context, item: usize, failure: Option<bool>) {
        if context.entry(item).desc == "TABLE" {
            match failure {
                None => context.tables.note_created(item),
                Some(exists) => context.tables.note_failed(item, exists),
            }
        }
    }

    async fn load_data(&mut self, context: &Context, item: usize) -> Result<Done> {
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
        let reader = context
            .archive
            .open_data(entry)
            .map_err(|error| error.context(format!("could not read {what}")))?;
        let mut done = Done::default();
        let created = table.is_some_and(|table| context.tables.is_created(table));
        let around = self.around_data(context, entry, created);
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
        let loaded = match &entry.copy_statement {
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
                load(
                    &mut self.session,
                    reader,
                    load_request,
                    &*context.progress,
                    &context.interrupt,
                )
                .await
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
                done.loaded = Some((item, report));
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

    /// Returns what comes before and after the data.
    ///
    /// Truncating a table that this run created lets a server with `wal_level = minimal` load it
    /// without WAL. Elsewhere, and for little data, it would only cost: see [`TRUNCATE_FROM_BYTES`].
    fn around_data(&mut self, context: &Context, entry: &TocEntry, created: bool) -> Around {
        let mut around = Around::default();
        let table = table_name(entry);
        if let Some(table) = table.as_deref() {
            around.before.extend(self.switch_triggers(context, table, "DISABLE"));
        }
        for switch in self.before(context, entry) {
            around.before.push(switch + "\n");
        }
        let Some(table) = table else { return around };
        let truncate = created
            && context.target.minimal_wal
            && context.data_bytes(entry) >= TRUNCATE_FROM_BYTES
            && !context.options.single_transaction
            && !loads_via_partition_root(entry);
        if truncate {
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

/// Puts back the statements that were left out because they change nothing when those before them succeed.
fn keep_all(context: &Context, scripts: &mut [(usize, Vec<String>)]) -> Result<()> {
    for (item, list) in scripts {
        *list = context.statements(*item, Unneeded::Kept)?;
    }
    Ok(())
}

/// Returns the name under which the data of an entry is reported.
pub(super) fn item_name(entry: &TocEntry) -> String {
    table_name(entry).unwrap_or_else(|| entry.describe())
}

fn table_name(entry: &TocEntry) -> Option<String> {
    entry.namespace.as_deref().map(|namespace| qualified(namespace, &entry.tag))
}

/// Tells whether the time of an entry's statement depends on the data, so that it is worth watching
/// and not worth doing twice.
fn takes_long(entry: &TocEntry) -> bool {
    matches!(
        entry.desc.as_str(),
        "INDEX" | "CONSTRAINT" | "FK CONSTRAINT" | "CHECK CONSTRAINT" | "MATERIALIZED VIEW DATA"
    )
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
