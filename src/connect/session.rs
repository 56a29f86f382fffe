//! One conversation with a server after login: queries, COPY, what the server reports on the way.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::channel::mpsc;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::attempt;
use super::cancel::Canceller;
use super::copy::{CopyIn, CopyOut};
use super::driver::{self, Driver, Failure, Outcome, Request};
use super::login::Login;
use super::params::ConnectParams;
use super::pooler;
use super::rows::Rows;
use super::server_error::{ConnectionLost, ServerError, sqlstate};
use crate::error::{Error, ErrorKind, Result};
use crate::model::ServerVersion;
use crate::sql::{quote_literal_for_server, text};

/// Notices beyond this number are counted by nobody: a function that raises one per row is not news.
const NOTICES_KEPT: usize = 1000;

/// One conversation with a server.
///
/// Questions take `&self`: those that are asked together (`futures::join!`) go out back to back and cost
/// one round trip. A COPY takes `&mut self`, because nothing else can be said meanwhile. The `purpose` of
/// a statement completes the sentence "could not ...", such as `read the indexes`; every error carries it.
///
/// Dropping a future leaves the session usable, except that a COPY TO that is dropped before its end
/// closes it. Dropping the session hangs up; a statement that still runs goes on until the server
/// notices, so [`Canceller::cancel`] it first.
#[derive(Debug)]
pub struct Session {
    requests: mpsc::UnboundedSender<Request>,
    driver: JoinHandle<()>,
    shared: Arc<Shared>,
    canceller: Canceller,
    version: ServerVersion,
    backend_pid: i32,
    address: String,
    description: String,
    encrypted: bool,
    same_server: Arc<ConnectParams>,
}

/// Statements that were sent and whose answer nobody has waited for yet.
#[derive(Debug)]
pub struct Sent {
    purpose: String,
    answer: oneshot::Receiver<Outcome<Rows>>,
}

/// A question that was sent and whose answer is still to be taken.
#[derive(Debug)]
pub struct Asked {
    sql: String,
    answer: oneshot::Receiver<Outcome<Rows>>,
}

/// Where a session stands with respect to transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionStatus {
    /// No transaction block is open.
    Idle,
    /// A transaction block is open.
    Open,
    /// A transaction block is open and has failed; only its end is accepted.
    Failed,
}

impl Session {
    /// Opens a connection and logs in.
    ///
    /// Hosts are tried in the order of libpq. A failure is of kind [`ErrorKind::Connection`] and tells
    /// host, port, user, database and the step that failed; a server older than
    /// [`ServerVersion::OLDEST`] is refused. Must be called inside a tokio runtime.
    pub async fn connect(params: &ConnectParams) -> Result<Session> {
        attempt::connect(params).await
    }

    /// Takes over a conversation that has logged in.
    pub(super) fn begin(login: Login) -> Result<Session> {
        let Login {
            wire,
            arrived,
            parameters,
            notices,
            backend_pid,
            canceller,
            address,
            description,
            encrypted,
            same_server,
        } = login;
        let version_text = parameters.get("server_version").cloned().unwrap_or_default();
        let version = parse_version(&version_text).ok_or_else(|| {
            Error::new(
                ErrorKind::Connection,
                format!(
                    "{description} reports a version that cannot be understood: {version_text:?}"
                ),
            )
        })?;
        if version.is_too_old() {
            return Err(Error::new(
                ErrorKind::Refused,
                format!(
                    "{description} runs PostgreSQL {version_text}, which is older than {}",
                    ServerVersion::OLDEST.major()
                ),
            )
            .with_hint("dump it with the pg_dump of its own or the next newer version"));
        }
        let shared = Arc::new(Shared {
            parameters: Mutex::new(parameters),
            notices: Mutex::new(notices),
            lost: Mutex::new(None),
            transaction: AtomicU8::new(b'I'),
        });
        let (requests, receiver) = mpsc::unbounded();
        let driver = Driver::new(wire, arrived, receiver, Arc::clone(&shared));
        Ok(Session {
            requests,
            driver: tokio::spawn(driver.run()),
            shared,
            canceller,
            version,
            backend_pid,
            address,
            description,
            encrypted,
            same_server: Arc::new(same_server),
        })
    }

    /// Returns the server's version.
    pub fn version(&self) -> ServerVersion {
        self.version
    }

    /// Returns the server's version as it writes it itself, with the distribution's suffix.
    pub fn version_text(&self) -> String {
        self.parameter("server_version").unwrap_or_default()
    }

    /// Returns a setting that the server reports by itself, such as `server_encoding`.
    pub fn parameter(&self, name: &str) -> Option<String> {
        lock(&self.shared.parameters).get(name).cloned()
    }

    /// Returns the process id of the backend.
    pub fn backend_pid(&self) -> i32 {
        self.backend_pid
    }

    /// Returns the address that was used: an IP address and port, or the path of a socket.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Tells whether the server is on this machine, as far as its address says.
    pub fn is_local(&self) -> bool {
        match self.address.parse::<SocketAddr>() {
            Ok(address) => address.ip().is_loopback(),
            Err(_) => true,
        }
    }

    /// Tells whether the conversation is encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.encrypted
    }

    /// Returns what a person should know about the server although it is no error.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.version.is_untested() {
            warnings.push(format!(
                "the server runs PostgreSQL {}, which is newer than {}, the newest that pgark is tested with",
                self.version_text(),
                ServerVersion::NEWEST_MAJOR
            ));
        }
        warnings
    }

    /// Returns parameters that lead to the very address that this session uses.
    ///
    /// A host name may stand for several servers, and a snapshot is worth something on one of them only.
    pub fn same_server(&self) -> &ConnectParams {
        &self.same_server
    }

    /// Has the server notice soon that this program was killed (14 and newer).
    ///
    /// Otherwise its process reads on to the end of a table, or builds an index that nobody wants. Platforms
    /// that cannot watch a socket refuse the setting; then it stays as it is. Must not be called inside a
    /// transaction.
    pub async fn have_connection_watched(&self) -> Result<()> {
        if !self.version().has_connection_check() {
            return Ok(());
        }
        let set = "set client_connection_check_interval to '5s'";
        match self.execute("have the server watch the connection", set).await {
            Err(error) if error.kind() != ErrorKind::Server => Err(error),
            _ => Ok(()),
        }
    }

    /// Makes sure that the session keeps its server process for as long as it lasts.
    ///
    /// A pooler in front that shares server processes is an error of kind [`ErrorKind::Refused`]. Must not
    /// be called inside a transaction.
    pub async fn check_no_pooler(&self) -> Result<()> {
        pooler::check(self, &self.same_server).await
    }

    /// Returns host, port, user and database in words, for messages.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// Returns the state of the transaction after the last statement that was answered.
    pub fn transaction_status(&self) -> TransactionStatus {
        match self.shared.transaction.load(Ordering::Acquire) {
            b'T' => TransactionStatus::Open,
            b'E' => TransactionStatus::Failed,
            _ => TransactionStatus::Idle,
        }
    }

    /// Returns the notices and warnings that came since the last call.
    pub fn take_notices(&self) -> Vec<ServerError> {
        lock(&self.shared.notices).drain(..).collect()
    }

    /// Returns what can cancel the statement that this session is running.
    pub fn canceller(&self) -> Canceller {
        self.canceller.clone()
    }

    /// Tells whether the conversation is over.
    pub fn is_closed(&self) -> bool {
        self.requests.is_closed() || lock(&self.shared.lost).is_some()
    }

    /// Says good-bye and waits until the socket is closed.
    pub async fn close(self) {
        let Session { requests, driver, .. } = self;
        drop(requests);
        // A server that does not take our good-bye within a second does not get a longer one.
        let _ = tokio::time::timeout(Duration::from_secs(1), driver).await;
    }

    /// Sets the encoding of everything that is sent and received.
    ///
    /// The first of these that is there: `chosen`, what was asked for with `client_encoding` or
    /// `PGCLIENTENCODING`, the server's own, which is what a session of libpq begins in.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`] when the server does not know the encoding or cannot convert to it.
    pub async fn set_client_encoding(&self, chosen: Option<&str>) -> Result<()> {
        let asked_for = chosen.or_else(|| self.same_server().client_encoding()).map(str::to_owned);
        let Some(encoding) = asked_for.or_else(|| self.parameter("server_encoding")) else {
            return Ok(());
        };
        if self.parameter("client_encoding").as_deref() == Some(&encoding) {
            return Ok(());
        }
        let sql = format!("set client_encoding to {}", quote_literal_for_server(&encoding));
        self.execute("set the encoding", &sql).await.map_err(|error| match error.kind() {
            ErrorKind::Server => Error::new(
                ErrorKind::Usage,
                format!("invalid client encoding \"{encoding}\" specified"),
            )
            .with_source(error),
            _ => error,
        })
    }

    /// Runs one or several statements and drops what they return.
    pub async fn execute(&self, purpose: &str, sql: &str) -> Result<()> {
        let sent = self.submit(purpose, &text::encode(sql))?;
        match self.outcome(sent.answer).await {
            Ok(_) => Ok(()),
            Err(failure) => Err(self.refused(purpose, sql, failure)),
        }
    }

    /// Sends one or several statements, in any encoding, and does not wait for the answer.
    ///
    /// Those that are sent before it are answered before it. Whoever waits for none of them gets no
    /// error; [`settle`](Self::settle) waits.
    pub fn submit(&self, purpose: &str, sql: &[u8]) -> Result<Sent> {
        let message = query_message(purpose, sql)?;
        let (reply, answer) = oneshot::channel();
        self.send(Request::Query { message, keep_rows: false, reply });
        Ok(Sent { purpose: purpose.to_owned(), answer })
    }

    /// Waits until what was sent has been run.
    pub async fn settle(&self, sent: Sent) -> Result<()> {
        match self.outcome(sent.answer).await {
            Ok(_) => Ok(()),
            Err(failure) => Err(self.error(&sent.purpose, failure)),
        }
    }

    /// Runs one or several statements and returns the last result set, as text.
    pub async fn query(&self, purpose: &str, sql: &str) -> Result<Rows> {
        self.ask(purpose, sql).await.map(|rows| rows.with_purpose(purpose))
    }

    async fn ask(&self, purpose: &str, sql: &str) -> Result<Rows> {
        let asked = self.ask_ahead(purpose, sql)?;
        let outcome = self.outcome(asked.answer).await;
        outcome.map_err(|failure| self.refused(purpose, sql, failure))
    }

    /// Sends a query and does not wait: [`answer`](Self::answer) takes what it returns.
    ///
    /// The server works on the queries of a session in the order in which they were sent, and their
    /// rows are kept here until they are taken.
    pub fn ask_ahead(&self, purpose: &str, sql: &str) -> Result<Asked> {
        let message = query_message(purpose, &text::encode(sql))?;
        let (reply, answer) = oneshot::channel();
        self.send(Request::Query { message, keep_rows: true, reply });
        Ok(Asked { sql: sql.to_owned(), answer })
    }

    /// Waits for the answer to a query that was sent before.
    pub async fn answer(&self, purpose: &str, asked: Asked) -> Result<Rows> {
        match self.outcome(asked.answer).await {
            Ok(rows) => Ok(rows.with_purpose(purpose)),
            Err(failure) => Err(self.refused(purpose, &asked.sql, failure)),
        }
    }

    /// Begins a `COPY ... TO STDOUT`.
    pub async fn copy_out(&mut self, purpose: &str, sql: &str) -> Result<CopyOut<'_>> {
        let message = query_message(purpose, &text::encode(sql))?;
        let (started, starting) = oneshot::channel();
        let (done, outcome) = oneshot::channel();
        let (chunks, receiver) = mpsc::channel(1);
        self.send(Request::CopyOut { message, started, chunks, done });
        match starting.await {
            Ok(()) => Ok(CopyOut::new(self, purpose, receiver, outcome)),
            Err(_) => Err(self.not_started(purpose, sql, outcome).await),
        }
    }

    /// Begins a `COPY ... FROM STDIN`.
    pub async fn copy_in(&mut self, purpose: &str, sql: &str) -> Result<CopyIn<'_>> {
        let message = query_message(purpose, &text::encode(sql))?;
        let (started, starting) = oneshot::channel();
        let (done, outcome) = oneshot::channel();
        let (sender, data) = mpsc::channel(1);
        self.send(Request::CopyIn { message, started, data, done });
        match starting.await {
            Ok(()) => Ok(CopyIn::new(self, purpose, sender, outcome)),
            Err(_) => Err(self.not_started(purpose, sql, outcome).await),
        }
    }

    async fn not_started(
        &self,
        purpose: &str,
        sql: &str,
        outcome: oneshot::Receiver<Outcome<u64>>,
    ) -> Error {
        let failure = match self.outcome(outcome).await {
            Err(failure) => failure,
            Ok(_) => Failure::Unexpected("the COPY did not begin"),
        };
        self.refused(purpose, sql, failure)
    }

    pub(super) fn send(&self, request: Request) {
        // If the driver is gone the request is dropped and its answer channel with it: `outcome` sees that.
        let _ = self.requests.unbounded_send(request);
    }

    pub(super) async fn outcome<T>(&self, answer: oneshot::Receiver<Outcome<T>>) -> Outcome<T> {
        match answer.await {
            Ok(outcome) => outcome,
            Err(_) => Err(Failure::Lost(Box::new(self.shared.lost()))),
        }
    }

    /// As [`error`](Self::error), about a statement that is at hand.
    fn refused(&self, purpose: &str, sql: &str, mut failure: Failure) -> Error {
        if let Failure::Server(error) = &mut failure {
            error.statement = Some(sql.to_owned());
        }
        self.error(purpose, failure)
    }

    pub(super) fn error(&self, purpose: &str, failure: Failure) -> Error {
        let message = format!("could not {purpose}");
        match failure {
            Failure::Server(error) if ends_session(&error) => self.lost_error(
                message,
                ConnectionLost {
                    reason: "the server ended the session".into(),
                    server: Some(*error),
                },
            ),
            Failure::Server(error) => {
                let kind = match error.sqlstate.as_str() {
                    sqlstate::LOCK_NOT_AVAILABLE => ErrorKind::Locked,
                    _ => ErrorKind::Server,
                };
                Error::new(kind, message).with_source(*error)
            }
            Failure::Lost(lost) => self.lost_error(message, *lost),
            Failure::Unexpected(what) => {
                Error::new(ErrorKind::Server, format!("{message}: {what}"))
            }
        }
    }

    fn lost_error(&self, message: String, lost: ConnectionLost) -> Error {
        Error::new(
            ErrorKind::Connection,
            format!("{message}: the connection to {} was lost", self.description),
        )
        .with_source(lost)
    }
}

/// Tells whether a server error means that the backend goes away.
fn ends_session(error: &ServerError) -> bool {
    error.is_fatal()
}

pub(super) fn query_message(purpose: &str, sql: &[u8]) -> Result<Bytes> {
    if sql.contains(&0) {
        return Err(Error::new(
            ErrorKind::Internal,
            format!("could not {purpose}: the statement holds a zero byte"),
        ));
    }
    Ok(driver::message(b'Q', sql))
}

/// Reads the number out of `server_version`: `18.6 (Debian 18.6-1)`, `12.22`, `19devel`, `18beta1`.
fn parse_version(text: &str) -> Option<ServerVersion> {
    let number =
        text.split(|character: char| !character.is_ascii_digit() && character != '.').next()?;
    let mut parts = number.split('.');
    let major: u32 = parts.next()?.parse().ok().filter(|major| *major < 10_000)?;
    let minor: u32 = parts.next().and_then(|minor| minor.parse().ok()).unwrap_or(0);
    let patch: u32 = parts.next().and_then(|patch| patch.parse().ok()).unwrap_or(0);
    // Before 10 two numbers made the major version: 9.6.24 is 90624.
    Some(ServerVersion(if major >= 10 {
        major * 10_000 + minor.min(9_999)
    } else {
        major * 10_000 + minor.min(99) * 100 + patch.min(99)
    }))
}

/// What the driver and the session both see.
#[derive(Debug, Default)]
pub(super) struct Shared {
    parameters: Mutex<HashMap<String, String>>,
    notices: Mutex<VecDeque<ServerError>>,
    lost: Mutex<Option<ConnectionLost>>,
    transaction: AtomicU8,
}

impl Shared {
    pub(super) fn notice(&self, notice: ServerError) {
        let mut notices = lock(&self.notices);
        if notices.len() < NOTICES_KEPT {
            notices.push_back(notice);
        }
    }

    pub(super) fn set_parameter(&self, name: &str, value: &str) {
        lock(&self.parameters).insert(name.to_owned(), value.to_owned());
    }

    pub(super) fn set_transaction_status(&self, status: u8) {
        self.transaction.store(status, Ordering::Release);
    }

    pub(super) fn set_lost(&self, lost: ConnectionLost) {
        *lock(&self.lost) = Some(lost);
    }

    fn lost(&self) -> ConnectionLost {
        lock(&self.lost).clone().unwrap_or_else(|| ConnectionLost {
            reason: "the conversation ended".into(),
            server: None,
        })
    }
}

/// A thread that panicked with the lock held leaves plain data behind; it stays usable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_servers_print() {
        for (text, number) in [
            ("18.6", 180_006),
            ("18.6 (Debian 18.6-1.pgdg12+1)", 180_006),
            ("12.22", 120_022),
            ("19devel", 190_000),
            ("18beta1", 180_000),
            ("9.6.24", 90_624),
            ("9.2", 90_200),
        ] {
            assert_eq!(parse_version(text), Some(ServerVersion(number)), "{text}");
        }
        assert_eq!(parse_version("PostgreSQL"), None);
        assert_eq!(parse_version(""), None);
    }
}
