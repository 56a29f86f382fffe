//! A script carried out, piece by piece.
//!
//! ```text
//!   statement ──> sent at once ──> answers are taken in order, some statements later
//!   INSERTs   ──> gathered ──> sent as one; after an error again, each by itself
//!   SET, BEGIN, \connect, COPY ──> everything before is answered first
//! ```
//!
//! That the server is ahead of its answers changes nothing but time: each statement is its own, as in
//! psql. Where the first error ends the run, each answer is waited for.

use std::collections::VecDeque;
use std::future::Future;
use std::time::Instant;

use super::database;
use super::failure;
use super::feed::Feed;
use super::options::ScriptOptions;
use super::plan::{ScriptPlan, broken};
use super::report::{ScriptFailure, ScriptReport};
use super::rows::{self, Rows};
use super::statement::{Boundary, Kind};
use crate::archive::script_reader::{
    ClientEncoding, ExpectedRows, Piece, ScriptError, Splitter, Statement,
};
use crate::connect::{
    Canceller, Sent, Session, TransactionStatus, is_connection_lost, server_error, sqlstate,
};
use crate::error::{Error, ErrorKind, Result};
use crate::progress::{Interrupt, ProgressHandle};
use crate::restore::commit::Commit;
use crate::restore::run::{CANCEL_INTERVAL, CANCEL_PATIENCE};
use crate::restore::session::make_durable;
use crate::restore::{Mode, sequences};

/// Statements and bytes that may be under way: enough to hide the way to a server far off.
const MOST_IN_FLIGHT: usize = 64;
const MOST_BYTES_IN_FLIGHT: usize = 4 * 1024 * 1024;

/// INSERT statements are sent together in pieces of about this size.
const INSERT_BYTES: usize = 256 * 1024;

/// How many failures are described; all are counted.
const MOST_FAILURES: usize = 1000;

/// Waits for the server, unless somebody asks to stop; then what it runs is cancelled.
pub(in crate::restore) async fn wait<T>(
    interrupt: &Interrupt,
    canceller: &Canceller,
    answer: impl Future<Output = T>,
) -> Result<T> {
    let mut answer = std::pin::pin!(answer);
    tokio::select! {
        biased;
        answer = &mut answer => return Ok(answer),
        () = interrupt.wait() => {}
    }
    let patience = tokio::time::sleep(CANCEL_PATIENCE);
    let mut patience = std::pin::pin!(patience);
    loop {
        // One that does not arrive is repeated with the next round.
        let _ = canceller.cancel().await;
        tokio::select! {
            _ = &mut answer => break,
            () = &mut patience => break,
            () = tokio::time::sleep(CANCEL_INTERVAL) => {}
        }
    }
    Err(Error::new(ErrorKind::Interrupted, "the restore was interrupted"))
}

impl ScriptPlan {
    /// Runs the script.
    ///
    /// # Errors
    ///
    /// Errors of statements are in the report, unless the options say to stop at the first. An error of
    /// this function says what is left behind in the target.
    pub async fn run(self, interrupt: Interrupt) -> Result<ScriptReport> {
        let began = Instant::now();
        let ScriptPlan { options, source, head, session, progress, checked, expected, .. } = self;
        let script = source.name().to_owned();
        let has_checksum = source.proof().has_checksum();
        progress.phase("running the script", 0, source.stored_bytes());
        progress.started(&script, source.stored_bytes());
        let mut run = Run {
            report: ScriptReport { script: script.clone(), ..ScriptReport::default() },
            feed: Feed::start(source, head),
            splitter: Splitter::default(),
            session,
            in_flight: VecDeque::new(),
            bytes_in_flight: 0,
            inserts: Vec::new(),
            inserts_sent: None,
            insert_bytes: 0,
            in_transaction: false,
            commit: Commit::default(),
            checked,
            changed: false,
            fresh_rows: false,
            brings_statistics: false,
            options,
            expected,
            progress,
            interrupt,
            script,
        };
        let result = run.work().await;
        let Run { session, mut report, feed, progress, expected, .. } = match result {
            Ok(()) => run,
            Err(error) => {
                let error = run.explain(error).await;
                run.session.close().await;
                return Err(error);
            }
        };
        session.close().await;
        progress.finished(&report.script);
        report.stored_bytes = feed.stored_bytes();
        report.text_bytes = feed.text_bytes;
        report.time = began.elapsed();
        // The end of the file was reached, where it is compared.
        report.checksum_fits = has_checksum;
        if let Some(expected) = expected {
            report.expected_tables = expected.total();
            // Those that came in were compared before they were taken.
            report.proved_tables = report.tables.len();
        }
        Ok(report)
    }
}

/// A statement whose answer has not been taken.
struct InFlight {
    sent: Sent,
    statement: Statement,
}

struct Run {
    options: ScriptOptions,
    script: String,
    feed: Feed,
    splitter: Splitter,
    session: Session,
    in_flight: VecDeque<InFlight>,
    bytes_in_flight: usize,
    /// INSERT statements that wait to be sent together.
    inserts: Vec<Statement>,
    insert_bytes: usize,
    /// Those that were sent; nothing is sent after them before they are known to have worked.
    inserts_sent: Option<(Sent, Vec<Statement>)>,
    in_transaction: bool,
    /// The one transaction, if everything is to be one.
    commit: Commit,
    /// Whether this database is known to be fit for the script.
    checked: bool,
    /// Whether the script has changed anything anywhere.
    changed: bool,
    /// Whether rows came into this database.
    fresh_rows: bool,
    brings_statistics: bool,
    report: ScriptReport,
    /// The rows that a manifest promises and that have not come.
    expected: Option<ExpectedRows>,
    progress: ProgressHandle,
    interrupt: Interrupt,
}

impl Run {
    async fn work(&mut self) -> Result<()> {
        self.enter().await?;
        loop {
            let piece = self.splitter.next_piece();
            match piece.map_err(|error| broken(&self.script, error)) {
                // What came before is whole and may still fail.
                Err(error) => {
                    self.settle().await?;
                    return Err(error);
                }
                Ok(Piece::NeedMore) => match self.feed.next(&self.interrupt).await? {
                    Some(chunk) => {
                        self.splitter.push(&chunk);
                        self.progress.advanced(&self.script, self.feed.advanced(), 0);
                    }
                    None => self.splitter.finish(),
                },
                Ok(Piece::Statement(statement)) => self.run_statement(statement).await?,
                Ok(Piece::Connect { arguments, line }) => self.connect(&arguments, line).await?,
                Ok(Piece::Encoding { name, line }) => self.set_encoding(&name, line).await?,
                Ok(Piece::End) => break,
                Ok(Piece::Rows(_) | Piece::EndOfRows(_)) => {
                    return Err(Error::new(ErrorKind::Internal, "rows without a COPY"));
                }
            }
        }
        self.settle().await?;
        if self.feed.ending.is_missing() {
            return Err(Error::new(
                ErrorKind::Integrity,
                format!(
                    "\"{}\" was cut off: the closing comment of the program that wrote it is missing",
                    self.script
                ),
            ));
        }
        self.check_missing()?;
        if self.options.single_transaction {
            self.commit = Commit::Asked;
            self.execute("commit", "COMMIT").await?;
            self.commit = Commit::Done;
        }
        self.leave().await?;
        make_durable(&self.session).await
    }

    /// Refuses an end at which rows that were promised have not come.
    fn check_missing(&self) -> Result<()> {
        let missing = self.expected.as_ref().and_then(|expected| expected.missing().next());
        match missing {
            Some(table) => Err(Error::new(
                ErrorKind::Integrity,
                format!(
                    "the rows of {table}, which the manifest lists, are not in \"{}\"",
                    self.script
                ),
            )),
            None => Ok(()),
        }
    }

    async fn execute(&self, purpose: &str, sql: &str) -> Result<()> {
        let canceller = self.session.canceller();
        wait(&self.interrupt, &canceller, self.session.execute(purpose, sql)).await?
    }

    /// Prepares the session of a database.
    async fn enter(&mut self) -> Result<()> {
        database::set_up(&self.session, &self.options).await?;
        let name = self.session.same_server().database().to_owned();
        if self.report.databases.last() != Some(&name) {
            self.report.databases.push(name);
        }
        if self.options.single_transaction {
            self.execute("begin the transaction", "BEGIN").await?;
        }
        self.look_at_session();
        Ok(())
    }

    /// Does what is to be done when a database has got everything.
    async fn leave(&mut self) -> Result<()> {
        if self.options.fix_sequences {
            let found = sequences::fix(&self.session).await?;
            self.report.sequences.extend(found);
        }
        if self.options.analyze && self.fresh_rows && !self.brings_statistics {
            match self.execute("analyze the database", "ANALYZE").await {
                Ok(()) => self.report.analyzed += 1,
                Err(error) if is_fatal(&error) => return Err(error),
                // The data is complete without statistics, which autovacuum will collect.
                Err(error) => self.progress.warning(&error.to_string()),
            }
        }
        self.fresh_rows = false;
        Ok(())
    }

    /// Tells the splitter how the server reads text from here on.
    fn look_at_session(&mut self) {
        self.splitter.settings(self.standard_strings(), self.encoding());
        self.in_transaction = self.session.transaction_status() != TransactionStatus::Idle;
    }

    fn standard_strings(&self) -> bool {
        self.session.parameter("standard_conforming_strings").as_deref() != Some("off")
    }

    fn encoding(&self) -> ClientEncoding {
        let name = self.session.parameter("client_encoding").unwrap_or_default();
        ClientEncoding::from_name(&name)
    }

    async fn run_statement(&mut self, statement: Statement) -> Result<()> {
        let kind = Kind::of(&statement.text);
        if kind.is_local() {
            self.check_database().await?;
        }
        if statement.rows_follow {
            return self.copy(&statement).await;
        }
        match kind {
            Kind::Setting if self.is_unknown_setting(&statement) => {
                self.report.skipped += 1;
                return Ok(());
            }
            Kind::Transaction(boundary) if self.options.single_transaction => {
                return self.stay_in_transaction(&statement, boundary);
            }
            Kind::Insert if !self.in_transaction => return self.gather(statement).await,
            Kind::Insert => self.fresh_rows = true,
            Kind::Statistics => self.brings_statistics = true,
            _ => {}
        }
        self.send(statement).await?;
        if matches!(kind, Kind::Setting | Kind::Transaction(_)) {
            self.settle().await?;
            self.look_at_session();
        } else {
            self.changed = true;
        }
        Ok(())
    }

    /// Looks at a database before the first statement that changes it.
    async fn check_database(&mut self) -> Result<()> {
        if self.checked {
            return Ok(());
        }
        self.settle().await?;
        if self.options.mode == Mode::Fresh {
            let found = database::check_empty(&self.session).await;
            found.map_err(|error| match self.changed {
                true => {
                    Error::new(ErrorKind::Partial, "the script cannot go on").with_source(error)
                }
                false => error,
            })?;
        }
        self.checked = true;
        Ok(())
    }

    /// Tells whether a setting is one that dumps of newer versions make and the target does not know.
    fn is_unknown_setting(&self, statement: &Statement) -> bool {
        let unknown = !self.session.version().has_transaction_timeout()
            && statement.setting().is_some_and(|(name, _)| name == "transaction_timeout");
        if unknown {
            self.progress.info(&format!(
                "line {}: the target does not know the setting transaction_timeout",
                statement.line
            ));
        }
        unknown
    }

    /// Leaves out the transactions that a script opens for its large objects: there is one already.
    fn stay_in_transaction(&mut self, statement: &Statement, boundary: Boundary) -> Result<()> {
        if boundary != Boundary::Other {
            self.report.skipped += 1;
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Archive,
            format!(
                "line {} of \"{}\" divides or gives up a transaction, which one transaction for all does not allow",
                statement.line, self.script
            ),
        )
        .with_hint("run the script without --single-transaction"))
    }

    /// Sends a statement behind those that are under way.
    async fn send(&mut self, statement: Statement) -> Result<()> {
        self.settle_inserts().await?;
        let purpose =
            format!("run the statement in line {} of \"{}\"", statement.line, self.script);
        let sent = self.session.submit(&purpose, &statement.text)?;
        self.bytes_in_flight += statement.text.len();
        self.in_flight.push_back(InFlight { sent, statement });
        let most = if self.options.stops_at_first_error() { 0 } else { MOST_IN_FLIGHT };
        while self.in_flight.len() > most || self.bytes_in_flight > MOST_BYTES_IN_FLIGHT {
            self.settle_first().await?;
        }
        Ok(())
    }

    /// Takes the answer that is due next.
    async fn settle_first(&mut self) -> Result<()> {
        let Some(InFlight { sent, statement }) = self.in_flight.pop_front() else { return Ok(()) };
        self.bytes_in_flight -= statement.text.len();
        let canceller = self.session.canceller();
        let answer = wait(&self.interrupt, &canceller, self.session.settle(sent)).await?;
        for notice in self.session.take_notices() {
            self.progress.info(&notice.to_string());
        }
        match answer {
            Ok(()) => {
                self.report.statements += 1;
                Ok(())
            }
            Err(error) => {
                let failure = failure::of_statement(&statement, &error, self.encoding());
                self.failed(failure, error)
            }
        }
    }

    /// Waits until everything that was sent or gathered has been run.
    async fn settle(&mut self) -> Result<()> {
        self.settle_inserts().await?;
        while !self.in_flight.is_empty() {
            self.settle_first().await?;
        }
        Ok(())
    }

    /// Adds an INSERT to those that are sent together.
    async fn gather(&mut self, statement: Statement) -> Result<()> {
        self.changed = true;
        self.fresh_rows = true;
        self.insert_bytes += statement.text.len();
        self.inserts.push(statement);
        if self.insert_bytes >= INSERT_BYTES { self.send_inserts().await } else { Ok(()) }
    }

    /// Sends what was gathered, once what went before it is known to have worked.
    async fn send_inserts(&mut self) -> Result<()> {
        self.settle_sent_inserts().await?;
        while !self.in_flight.is_empty() {
            self.settle_first().await?;
        }
        let inserts = std::mem::take(&mut self.inserts);
        self.insert_bytes = 0;
        let (Some(first), Some(last)) = (inserts.first(), inserts.last()) else { return Ok(()) };
        let purpose = format!("run lines {} to {} of \"{}\"", first.line, last.line, self.script);
        let mut together = Vec::with_capacity(INSERT_BYTES + last.text.len() + inserts.len());
        for statement in &inserts {
            together.extend_from_slice(&statement.text);
            together.push(b'\n');
        }
        let sent = self.session.submit(&purpose, &together)?;
        self.inserts_sent = Some((sent, inserts));
        Ok(())
    }

    async fn settle_inserts(&mut self) -> Result<()> {
        if !self.inserts.is_empty() {
            self.send_inserts().await?;
        }
        self.settle_sent_inserts().await
    }

    /// Takes the answer to the INSERT statements that were sent together.
    ///
    /// The server has run them as one transaction. If one has failed none has been run, and each is run
    /// by itself, so that the others are stored and the error belongs to its line.
    async fn settle_sent_inserts(&mut self) -> Result<()> {
        let Some((sent, inserts)) = self.inserts_sent.take() else { return Ok(()) };
        let canceller = self.session.canceller();
        match wait(&self.interrupt, &canceller, self.session.settle(sent)).await? {
            Ok(()) => {
                self.report.statements += inserts.len() as u64;
                return Ok(());
            }
            Err(error) if is_fatal(&error) => return Err(error),
            Err(_) => {}
        }
        for statement in inserts {
            let purpose =
                format!("run the statement in line {} of \"{}\"", statement.line, self.script);
            let sent = self.session.submit(&purpose, &statement.text)?;
            self.bytes_in_flight += statement.text.len();
            self.in_flight.push_back(InFlight { sent, statement });
            self.settle_first().await?;
        }
        Ok(())
    }

    async fn copy(&mut self, statement: &Statement) -> Result<()> {
        self.settle().await?;
        self.changed = true;
        let advanced = |bytes, rows| self.progress.advanced(&self.script, bytes, rows);
        let rows = Rows {
            script: &self.script,
            feed: &mut self.feed,
            splitter: &mut self.splitter,
            expected: self.expected.as_mut(),
            interrupt: &self.interrupt,
            advanced: &advanced,
        };
        match rows::copy(&mut self.session, statement, rows).await? {
            Ok(table) => {
                self.report.statements += 1;
                self.report.rows += table.rows;
                self.report.bytes += table.bytes;
                self.fresh_rows |= table.rows > 0;
                self.report.tables.push(table);
                Ok(())
            }
            Err((failure, error)) => self.failed(failure, error),
        }
    }

    /// Counts a failure, or ends the run with it.
    fn failed(&mut self, failure: ScriptFailure, error: Error) -> Result<()> {
        if is_fatal(&error) {
            return Err(error);
        }
        let follows = server_error(&error)
            .is_some_and(|server| server.sqlstate == sqlstate::IN_FAILED_TRANSACTION);
        if follows && self.report.errors > 0 {
            self.report.skipped += 1;
            return Ok(());
        }
        let place = match failure.column {
            Some(column) => format!("{}:{}:{column}", self.script, failure.line),
            None => format!("{}:{}", self.script, failure.line),
        };
        if self.options.stops_at_first_error() {
            return Err(error.context(format!("could not run the script: error at {place}")));
        }
        self.report.errors += 1;
        if self.report.ignored.len() < MOST_FAILURES {
            self.progress.warning(&format!("{place}: {}", failure.message));
            self.report.ignored.push(failure);
        }
        Ok(())
    }

    async fn set_encoding(&mut self, name: &str, line: u64) -> Result<()> {
        self.settle().await?;
        let sql = format!("SET client_encoding = {}", crate::sql::quote_literal_for_server(name));
        self.execute(&format!("set the encoding of line {line}"), &sql).await?;
        self.look_at_session();
        Ok(())
    }

    /// Goes to another database of the server.
    async fn connect(&mut self, arguments: &[String], line: u64) -> Result<()> {
        self.settle().await?;
        let refused = |why: &str| {
            broken(
                &self.script,
                ScriptError::MetaCommand { line, name: "connect".into(), why: why.into() },
            )
        };
        let params = database::reconnected(self.session.same_server(), arguments)
            .map_err(|why| refused(&why))?;
        if self.options.single_transaction {
            return Err(refused(
                "leaves the database, which one transaction for all does not allow",
            ));
        }
        self.leave().await?;
        let session = tokio::select! {
            session = Session::connect(&params) => session,
            () = self.interrupt.wait() => self.interrupt.check().and_then(|()| {
                Err(Error::new(ErrorKind::Interrupted, "interrupted"))
            }),
        };
        let session = session
            .map_err(|error| error.context(format!("could not follow \\connect in line {line}")))?;
        std::mem::replace(&mut self.session, session).close().await;
        self.checked = false;
        self.brings_statistics = false;
        self.enter().await
    }

    /// Rolls back what can be, and adds to an error what it leaves behind.
    async fn explain(&mut self, error: Error) -> Error {
        if self.options.single_transaction {
            if !self.session.is_closed() {
                // The first error is the one to report, and the server rolls back by itself.
                let _ = self.session.execute("roll back", "ROLLBACK").await;
            }
            return self.commit.explain(error);
        }
        if error.kind() == ErrorKind::Refused || !self.changed {
            return error;
        }
        let line = self.splitter.line();
        let database = self.session.same_server().database().to_owned();
        error
            .context(format!("the restore into {database:?} is incomplete"))
            .with_hint(format!(
                "the script was run up to about line {line}: {} statements, {} of them COPY",
                self.report.statements,
                self.report.tables.len()
            ))
            .with_hint(
                "drop the database before the script is run again, or use --single-transaction",
            )
    }
}

/// Tells whether an error ends the run whatever the options say.
fn is_fatal(error: &Error) -> bool {
    is_connection_lost(error) || !matches!(error.kind(), ErrorKind::Server | ErrorKind::Locked)
}
