//! A plan carried out: the leader hands jobs to connections and collects what came of them.
//!
//! ```text
//!   drop (--clean) -> schedule over all connections -> sequences -> ANALYZE -> wait for the disk
//! ```
//!
//! The leader only decides; every statement runs on a [`Worker`]. When something ends the run, what the
//! other connections are doing is cancelled and rolled back before the error is returned.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::{Id, JoinSet};

use super::analyze::{self, Analyze};
use super::commit::Commit;
use super::context::{Context, Tables};
use super::large_objects::NotMade;
use super::plan::RestorePlan;
use super::report::{IgnoredError, RestoreReport, TableReport};
use super::schedule::{ExistingKeys, Item, Job, Limits, Order, Schedule};
use super::session::make_durable;
use super::split::Splits;
use super::worker::{Done, Help, Worker};
use super::{clean, create, sequences};
use crate::archive::statements::{is_database_entry, pass};
use crate::connect::{Canceller, ConnectParams, is_connection_lost};
use crate::error::{Error, ErrorKind, Result};
use crate::model::Section;
use crate::progress::Interrupt;

/// Statements of one transaction: more gains nothing (the server takes the same time for each), and
/// less is lost when one of them fails.
const ENTRIES_TOGETHER: usize = 200;

/// How often a cancel request is repeated: one that arrives between two statements is lost.
pub(super) const CANCEL_INTERVAL: Duration = Duration::from_millis(200);

/// How long cancelled connections get to roll back before they are cut.
pub(super) const CANCEL_PATIENCE: Duration = Duration::from_secs(30);

impl RestorePlan {
    /// Restores.
    ///
    /// # Errors
    ///
    /// Errors of single entries are in the report, unless the options say to stop at the first. An
    /// error of this function says what is left behind in the target.
    pub async fn run(self, interrupt: Interrupt) -> Result<RestoreReport> {
        let began = Instant::now();
        let RestorePlan {
            options,
            archive,
            marks,
            mut setup,
            target,
            session,
            expected,
            ignored,
            progress,
            ..
        } = self;
        let mut params = options.connection.clone();
        let wanted =
            archive.entries().iter().zip(&marks).filter(|(entry, marks)| {
                marks.data && entry.has_data && !entry.holds_large_objects()
            });
        let mut report = RestoreReport {
            checked: archive.manifest().is_some(),
            wanted_tables: wanted.count(),
            ignored,
            ..RestoreReport::default()
        };
        let mut session = session;
        if options.create {
            interrupt.check()?;
            if !options.is_stock() {
                setup.own_database();
            }
            let archive = &*archive;
            let created = if options.is_stock() {
                create::create_as_stock(session, &params, &options, &setup, archive, &*progress)
                    .await?
            } else {
                create::create_database(session, &params, &options, &setup, archive, &*progress)
                    .await?
            };
            session = created.session;
            params = created.params;
            report.ignored.extend(created.ignored);
        }
        report.database = params.database().to_owned();
        let by_id = archive
            .entries()
            .iter()
            .enumerate()
            .map(|(position, entry)| (entry.dump_id, position))
            .collect();
        let context = Arc::new(Context {
            server_cores: options.cores_of_server(&session),
            archive,
            options,
            marks,
            setup,
            target,
            progress,
            interrupt,
            by_id,
            expected,
            tables: Tables::default(),
            not_made: NotMade::default(),
            splits: Splits::default(),
        });
        let mut crew = Crew {
            context: Arc::clone(&context),
            params,
            idle: vec![Worker::new(session)],
            report,
            errors: Vec::new(),
            loaded: Vec::new(),
            total_tables: 0,
            commit: Commit::default(),
        };
        let result = crew.work().await;
        for worker in crew.idle.drain(..) {
            worker.session.close().await;
        }
        match result {
            Ok(()) => {
                crew.errors.sort_by_key(|(item, _)| *item);
                crew.report.ignored.extend(crew.errors.into_iter().map(|(_, error)| error));
                crew.loaded.sort_by_key(|(item, _)| *item);
                crew.report.tables = crew.loaded.into_iter().map(|(_, table)| table).collect();
                crew.report.time = began.elapsed();
                Ok(crew.report)
            }
            Err(error) => Err(crew.explain(error)),
        }
    }
}

/// The connections of a restore and what they have done.
struct Crew {
    context: Arc<Context>,
    params: ConnectParams,
    idle: Vec<Worker>,
    report: RestoreReport,
    errors: Vec<(usize, IgnoredError)>,
    loaded: Vec<(usize, TableReport)>,
    total_tables: usize,
    commit: Commit,
}

impl Crew {
    async fn work(&mut self) -> Result<()> {
        let context = Arc::clone(&self.context);
        let alone = context.options.single_transaction;
        if alone {
            self.first()?.session.execute("begin the transaction", "BEGIN").await?;
        }
        let result = self.work_inside().await;
        if alone {
            if result.is_ok() {
                self.commit = Commit::Asked;
            }
            let worker = self.first()?;
            match &result {
                Ok(()) => {
                    worker.session.execute("commit", "COMMIT").await?;
                    self.commit = Commit::Done;
                }
                Err(_) if worker.session.is_closed() => {}
                // The first error is the one to report.
                Err(_) => drop(worker.session.execute("roll back", "ROLLBACK").await),
            }
        }
        result?;
        context.interrupt.check()?;
        if context.options.analyze {
            self.analyze().await?;
        }
        make_durable(&self.first()?.session).await
    }

    async fn work_inside(&mut self) -> Result<()> {
        let context = Arc::clone(&self.context);
        if context.options.clean && !context.options.create {
            let dropped = clean::drop_objects(self.first()?, &context).await?;
            self.errors.extend(dropped);
        }
        self.connect_others().await;
        self.restore_entries().await?;
        if context.options.fix_sequences {
            context.progress.phase("sequences", 0, 0);
            self.report.sequences = sequences::fix(&self.first()?.session).await?;
            for finding in &self.report.sequences {
                let done = if finding.moved { "was moved" } else { "was left as it is" };
                context.progress.info(&format!(
                    "sequence {} would have given {} although {} holds {}; it {done}",
                    finding.sequence, finding.next_value, finding.column, finding.column_value
                ));
            }
        }
        Ok(())
    }

    fn first(&mut self) -> Result<&mut Worker> {
        self.idle
            .first_mut()
            .ok_or_else(|| Error::new(ErrorKind::Internal, "no connection is left"))
    }

    /// Opens the other connections; a server that has no more to give makes the restore slower, not fail.
    async fn connect_others(&mut self) {
        let wanted = self.context.marks.iter().filter(|marks| marks.any()).count();
        let missing = self.context.options.jobs.min(wanted.max(1)).saturating_sub(self.idle.len());
        let attempts = (0..missing).map(|_| Worker::connect(&self.context, &self.params));
        let mut failure = None;
        for attempt in futures::future::join_all(attempts).await {
            match attempt {
                Ok(worker) => self.idle.push(worker),
                Err(error) => failure = Some(error),
            }
        }
        if let Some(error) = failure {
            self.context.progress.warning(&format!(
                "only {} of {} connections could be opened: {}",
                self.idle.len(),
                self.context.options.jobs,
                rendered(&error)
            ));
        }
    }

    async fn restore_entries(&mut self) -> Result<()> {
        let context = Arc::clone(&self.context);
        let entries = context.entries();
        let together = context.options.loads_tables_together();
        let items: Vec<Item<'_>> = entries
            .iter()
            .zip(&context.marks)
            .map(|(entry, marks)| {
                let is_data = marks.data && entry.has_data;
                Item {
                    entry,
                    pass: pass(entry),
                    wanted: marks.any() && !is_database_entry(entry),
                    is_data,
                    size: if entry.has_data { context.archive.data_size(entry) } else { 0 },
                    small: is_data && together && context.is_small(entry),
                }
            })
            .collect();
        let wanted = items.iter().filter(|item| item.wanted).count();
        self.total_tables = items.iter().filter(|item| item.wanted && item.is_data).count();
        let bytes = context.archive.manifest().map_or(0, |manifest| {
            items
                .iter()
                .filter(|item| item.wanted && item.is_data)
                .filter_map(|item| manifest.data_entry(item.entry.dump_id))
                .map(|data| data.raw_bytes)
                .sum()
        });
        context.progress.phase("restore", wanted as u64, bytes);
        let connections = self.idle.len().max(1);
        // Rows for tables that exist follow their foreign keys, which the archive's order does not.
        let defines =
            items.iter().any(|item| item.wanted && item.entry.section == Section::PreData);
        let order = match context.options.jobs {
            1 if defines || context.options.is_stock() => Order::Archive,
            _ => Order::Parallel(connections),
        };
        let locks = (context.target.lock_share / connections).max(8);
        let together = context.options.transaction_size.unwrap_or(ENTRIES_TOGETHER);
        let existing_keys = match context.options.disable_triggers {
            true => ExistingKeys::Disabled,
            false => ExistingKeys::InForce,
        };
        let limits = Limits { entries: together, locks, existing_keys };
        let schedule = Schedule::new(&items, order, limits);
        self.hand_out(schedule).await
    }

    /// Hands jobs to idle connections until the schedule is done or something ends the run.
    async fn hand_out(&mut self, mut schedule: Schedule) -> Result<()> {
        let mut running: JoinSet<(Worker, Option<Job>, Result<Done>)> = JoinSet::new();
        let mut cancellers: HashMap<Id, Canceller> = HashMap::new();
        let mut stop: Option<Error> = None;
        let interrupt = self.context.interrupt.clone();
        let mut patience: Option<Instant> = None;
        loop {
            let mut given = Vec::new();
            while stop.is_none() {
                let Some(worker) = self.idle.pop() else { break };
                let Some(job) = schedule.next() else {
                    self.idle.push(worker);
                    break;
                };
                given.push((worker, job));
            }
            let cores = self.context.server_cores;
            let help = match cores.is_some_and(|cores| running.len() + given.len() >= cores) {
                true => Help::None,
                false => Help::AsTheServerHasIt,
            };
            for (mut worker, job) in given {
                let canceller = worker.canceller();
                let context = Arc::clone(&self.context);
                let task = running.spawn(async move {
                    let result = worker.perform(&context, &job, help).await;
                    (worker, Some(job), result)
                });
                cancellers.insert(task.id(), canceller);
            }
            while stop.is_none() && !self.idle.is_empty() {
                let Some(part) = self.context.splits.join() else { break };
                let Some(mut worker) = self.idle.pop() else { break };
                let canceller = worker.canceller();
                let context = Arc::clone(&self.context);
                let task = running.spawn(async move {
                    worker.help(&context, part).await;
                    (worker, None, Ok(Done::default()))
                });
                cancellers.insert(task.id(), canceller);
            }
            if running.is_empty() {
                break;
            }
            if stop.is_some() {
                let since = *patience.get_or_insert_with(Instant::now);
                if since.elapsed() > CANCEL_PATIENCE {
                    running.abort_all();
                }
                let requests = cancellers.values().map(Canceller::cancel);
                // One that does not arrive is repeated with the next round.
                let _ = futures::future::join_all(requests).await;
            }
            let finished = tokio::select! {
                finished = running.join_next_with_id() => finished,
                () = interrupt.wait(), if stop.is_none() => {
                    stop = Some(Error::new(ErrorKind::Interrupted, "the restore was interrupted"));
                    None
                }
                () = tokio::time::sleep(CANCEL_INTERVAL), if stop.is_some() => None,
                () = self.context.splits.news(), if stop.is_none() => None,
            };
            match finished {
                None => {}
                Some(Ok((id, (worker, job, result)))) => {
                    cancellers.remove(&id);
                    if !worker.session.is_closed() {
                        self.idle.push(worker);
                    }
                    match result {
                        Ok(done) => {
                            self.note(done);
                            if let Some(job) = job {
                                schedule.finish(&job);
                            }
                        }
                        Err(error) => {
                            if stop.is_none() {
                                stop = Some(error);
                            }
                        }
                    }
                }
                Some(Err(error)) => {
                    cancellers.remove(&error.id());
                    if stop.is_none() && !error.is_cancelled() {
                        stop = Some(
                            Error::new(ErrorKind::Internal, "a connection's task broke off")
                                .with_source(error),
                        );
                    }
                }
            }
        }
        match stop {
            Some(error) => Err(error),
            None if schedule.is_done() => Ok(()),
            None => Err(Error::new(ErrorKind::Internal, "entries are left that nothing waits for")),
        }
    }

    fn note(&mut self, done: Done) {
        self.report.entries += done.entries;
        self.report.large_objects += done.large_objects;
        for (item, error) in done.ignored {
            self.errors.push((item, error));
        }
        for (item, table) in done.loaded {
            self.report.rows += table.rows;
            self.report.bytes += table.bytes;
            self.report.stored_bytes += table.stored_bytes;
            self.loaded.push((item, table));
        }
    }

    /// Collects statistics of what was loaded, on all connections.
    async fn analyze(&mut self) -> Result<()> {
        let context = Arc::clone(&self.context);
        let entries = context.entries();
        let mut loaded: Vec<(usize, u64)> =
            self.loaded.iter().map(|(item, table)| (*item, table.bytes)).collect();
        let failed: Vec<usize> = self.errors.iter().map(|(item, _)| *item).collect();
        loaded.extend(
            entries
                .iter()
                .enumerate()
                .filter(|(item, entry)| {
                    entry.desc == "MATERIALIZED VIEW DATA"
                        && context.marks[*item].any()
                        && !failed.contains(item)
                })
                .map(|(item, _)| (item, 0)),
        );
        let restored = |item: usize| context.marks[item].statistics && !failed.contains(&item);
        let known = analyze::known(entries, restored);
        let statements = analyze::statements(entries, &loaded, &known, context.target.version);
        if statements.is_empty() {
            return Ok(());
        }
        context.progress.phase("analyze", statements.len() as u64, 0);
        let queue: Arc<Mutex<VecDeque<Analyze>>> = Arc::new(Mutex::new(statements.into()));
        let mut running: JoinSet<(Worker, u64, Result<()>)> = JoinSet::new();
        let mut cancellers = Vec::new();
        for worker in self.idle.drain(..) {
            cancellers.push(worker.canceller());
            let (context, queue) = (Arc::clone(&context), Arc::clone(&queue));
            running.spawn(async move {
                let (count, result) = analyze_some(&worker, &context, &queue).await;
                (worker, count, result)
            });
        }
        let mut failure = None;
        while !running.is_empty() {
            let finished = tokio::select! {
                finished = running.join_next() => finished,
                () = context.interrupt.wait(), if failure.is_none() => {
                    failure = Some(Error::new(ErrorKind::Interrupted, "interrupted while analyzing"));
                    None
                }
                () = tokio::time::sleep(CANCEL_INTERVAL), if failure.is_some() => {
                    let requests = cancellers.iter().map(Canceller::cancel);
                    let _ = futures::future::join_all(requests).await;
                    None
                }
            };
            match finished {
                None => {}
                Some(Ok((worker, count, result))) => {
                    self.report.analyzed += count;
                    if !worker.session.is_closed() {
                        self.idle.push(worker);
                    }
                    if let (Err(error), None) = (result, &failure) {
                        failure = Some(error);
                    }
                }
                Some(Err(error)) => {
                    failure = Some(
                        Error::new(ErrorKind::Internal, "a connection's task broke off")
                            .with_source(error),
                    );
                }
            }
        }
        failure.map_or(Ok(()), Err)
    }

    /// Adds to an error that ended the run what it leaves behind.
    fn explain(&self, error: Error) -> Error {
        let context = &self.context;
        if context.options.single_transaction {
            return self.commit.explain(error);
        }
        let tables = format!(
            "{} of {} tables are loaded completely, the others are empty or missing",
            context.tables.loaded(),
            self.total_tables
        );
        let again = match (context.options.create, context.options.clean) {
            (true, false) => format!(
                "the database {:?} was created; add --clean to run again from the start",
                self.report.database
            ),
            (_, true) => "it is safe to run the same command again".into(),
            (false, false) => {
                "run again with --clean --if-exists to start over, or drop the database".into()
            }
        };
        error
            .context(format!("the restore into {:?} is incomplete", self.report.database))
            .with_hint(tables)
            .with_hint(again)
    }
}

async fn analyze_some(
    worker: &Worker,
    context: &Context,
    queue: &Mutex<VecDeque<Analyze>>,
) -> (u64, Result<()>) {
    let mut count = 0;
    loop {
        if let Err(error) = context.interrupt.check() {
            return (count, Err(error));
        }
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let Some(analyze) = next else { return (count, Ok(())) };
        let purpose = format!("analyze {}", analyze.table);
        match worker.session.execute(&purpose, &analyze.statement).await {
            Ok(()) => count += 1,
            Err(error) if is_connection_lost(&error) => return (count, Err(error)),
            // The data is complete without statistics, which autovacuum will collect.
            Err(error) => context.progress.warning(&rendered(&error)),
        }
        context.progress.finished(&analyze.table);
    }
}

/// Returns an error and its causes on one line.
fn rendered(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}
