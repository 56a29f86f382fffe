//! Which host is tried when, with which encryption, and whether what answers is what was wanted.
//!
//! Authority: `PQconnectPoll`, `select_next_encryption_method` and the states after it in
//! `src/interfaces/libpq/fe-connect.c` (18).

use std::sync::Arc;

use super::endpoint::{Encryption, Endpoint, shuffle};
use super::failure::{Cause, Failure, Step};
use super::libpq_words;
use super::login::{self, Login};
use super::outgoing::TAKES_BYTES;
use super::params::{ConnectParams, Host, TargetSession};
use super::session::Session;
use super::tls::{Connector, SslMode};
use crate::error::{Error, ErrorKind, Result};

/// Opens a session with the first host that takes us and is of the wanted kind.
pub(super) async fn connect(params: &ConnectParams) -> Result<Session> {
    let passes: &[TargetSession] = match &params.target {
        TargetSession::PreferStandby => &[TargetSession::Standby, TargetSession::Any],
        target => std::slice::from_ref(target),
    };
    let mut hosts: Vec<_> = params.hosts.iter().collect();
    if params.shuffle {
        shuffle(&mut hosts);
    }
    let mut search = Search { params, failures: Vec::new(), words: Vec::new() };
    for target in passes {
        search.failures.clear();
        search.words.clear();
        for host in &hosts {
            let endpoints = match within(params, Step::Lookup, Endpoint::find(params, host)).await {
                Ok(endpoints) => endpoints,
                Err(failure) => {
                    search.note(failure, host, None);
                    continue;
                }
            };
            for endpoint in &endpoints {
                match search.attempt(endpoint, *target).await? {
                    Attempt::Connected(session) => return Ok(*session),
                    Attempt::TryNext => {}
                    Attempt::GiveUp => return Err(search.into_error()),
                }
            }
        }
    }
    Err(search.into_error())
}

enum Attempt {
    Connected(Box<Session>),
    TryNext,
    GiveUp,
}

/// What was tried so far.
struct Search<'a> {
    params: &'a ConnectParams,
    failures: Vec<Error>,
    /// The same in libpq's words.
    words: Vec<String>,
}

impl Search<'_> {
    /// Tries one address, with one encryption after the other.
    async fn attempt(&mut self, endpoint: &Endpoint, target: TargetSession) -> Result<Attempt> {
        let choices = choices(self.params, endpoint);
        let mut next = Attempt::TryNext;
        for (index, choice) in choices.iter().enumerate() {
            let login = match self.log_in(endpoint, *choice).await {
                Ok(login) => login,
                Err(failure) => {
                    let is_last = index + 1 == choices.len();
                    // A server that does not offer TLS has already been asked without.
                    let was_plain = *choice == Choice::IfOffered
                        && failure.step == Step::Login
                        && !failure.encrypted;
                    let goes_on = failure.may_depend_on_encryption() && !is_last && !was_plain;
                    next = if failure.may_depend_on_host() {
                        Attempt::TryNext
                    } else {
                        Attempt::GiveUp
                    };
                    self.note(failure, &endpoint.host, Some(endpoint));
                    if goes_on {
                        continue;
                    }
                    return Ok(next);
                }
            };
            let session = Session::begin(login)?;
            if session.parameter("client_encoding").as_deref() == Some(TAKES_BYTES) {
                // The login has done without conversion; from here on text is what it always is.
                session.execute("set the encoding", "set client_encoding to 'UTF8'").await?;
            }
            return match mismatch(&session, target).await? {
                None => Ok(Attempt::Connected(Box::new(session))),
                Some((why, words)) => {
                    session.close().await;
                    self.note(
                        Failure::because(Step::Target, Cause::Unwanted(why, words)),
                        &endpoint.host,
                        Some(endpoint),
                    );
                    Ok(Attempt::TryNext)
                }
            };
        }
        Ok(next)
    }

    async fn log_in(&self, endpoint: &Endpoint, choice: Choice) -> Result<Login, Failure> {
        let encryption = match choice {
            Choice::Off => Encryption::Off,
            Choice::IfOffered => Encryption::IfOffered(self.connector(endpoint)?),
            Choice::On if self.params.tls.direct => Encryption::Direct(self.connector(endpoint)?),
            Choice::On => Encryption::On(self.connector(endpoint)?),
        };
        let login = login::log_in(self.params, endpoint, &encryption);
        within(self.params, Step::Socket, login).await
    }

    fn connector(&self, endpoint: &Endpoint) -> Result<Arc<Connector>, Failure> {
        match self.params.tls.prepare(&endpoint.host.name) {
            Ok(connector) => Ok(Arc::new(connector)),
            Err(error) => Err(Failure::because(Step::Handshake, Cause::Complete(error))),
        }
    }

    fn note(&mut self, failure: Failure, host: &Host, endpoint: Option<&Endpoint>) {
        let address = endpoint.and_then(Endpoint::ip_address);
        self.words.push(libpq_words::of_attempt(&failure, host, address));
        let place = endpoint.map_or_else(|| host.to_string(), Endpoint::to_string);
        self.failures.push(failure.into_error(&place, self.params));
    }

    /// Makes one error of all: the last one, with what came before as hints.
    fn into_error(mut self) -> Error {
        let Some(last) = self.failures.pop() else {
            return Error::new(ErrorKind::Usage, "there is no host to connect to");
        };
        let last = last.in_stock_words(self.words.join("\n"));
        let mut told = vec![in_one_line(&last)];
        self.failures.iter().map(in_one_line).fold(last, |error, earlier| {
            if told.contains(&earlier) {
                return error;
            }
            told.push(earlier.clone());
            error.with_hint(format!("before that: {earlier}"))
        })
    }
}

/// Gives an attempt no more time than `connect_timeout`.
async fn within<T>(
    params: &ConnectParams,
    step: Step,
    attempt: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let Some(limit) = params.connect_timeout else { return attempt.await };
    match tokio::time::timeout(limit, attempt).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Failure::because(step, Cause::Timeout)),
    }
}

fn in_one_line(error: &Error) -> String {
    let mut text = error.message().to_owned();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    Off,
    IfOffered,
    On,
}

fn choices(params: &ConnectParams, endpoint: &Endpoint) -> &'static [Choice] {
    if !endpoint.can_encrypt() {
        return &[Choice::Off];
    }
    match params.tls.mode {
        SslMode::Disable => &[Choice::Off],
        SslMode::Allow => &[Choice::Off, Choice::On],
        SslMode::Prefer => &[Choice::IfOffered, Choice::Off],
        SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => &[Choice::On],
    }
}

/// Tells why a session is not of the wanted kind, if it is not: in our words and in libpq's.
async fn mismatch(
    session: &Session,
    target: TargetSession,
) -> Result<Option<(&'static str, &'static str)>> {
    if target == TargetSession::Any {
        return Ok(None);
    }
    let on = |name: &str| session.parameter(name).map(|value| value == "on");
    let (is_standby, is_read_only) =
        match (on("in_hot_standby"), on("default_transaction_read_only")) {
            (Some(is_standby), Some(is_read_only)) => (is_standby, is_standby || is_read_only),
            // Servers before 14 do not report these by themselves.
            _ => {
                let rows = session
                    .query(
                        "ask whether the server is a standby",
                        "select pg_catalog.pg_is_in_recovery() as is_standby, \
                     pg_catalog.current_setting('transaction_read_only') = 'on' as is_read_only",
                    )
                    .await?;
                let row = rows.single()?;
                (row.boolean("is_standby")?, row.boolean("is_read_only")?)
            }
        };
    Ok(match target {
        TargetSession::ReadWrite if is_read_only => Some((
            "target_session_attrs=read-write, and the session is read-only",
            "session is read-only",
        )),
        TargetSession::ReadOnly if !is_read_only => Some((
            "target_session_attrs=read-only, and the session is not read-only",
            "session is not read-only",
        )),
        TargetSession::Primary if is_standby => Some((
            "target_session_attrs=primary, and the server is a standby",
            "server is in hot standby mode",
        )),
        TargetSession::Standby if !is_standby => Some((
            "target_session_attrs asks for a standby, and the server is none",
            "server is not in hot standby mode",
        )),
        _ => None,
    })
}
