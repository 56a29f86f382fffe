//! A failed attempt to connect in libpq's words, which logs and scripts know.
//!
//! Authority: `emitHostIdentityInfo`, `connectFailureMessage` and `PQconnectPoll` of
//! `src/interfaces/libpq/fe-connect.c` (18).

use std::error::Error as StdError;
use std::io;
use std::net::IpAddr;

use super::failure::{Cause, Failure, Step};
use super::params::Host;

/// Says what libpq says of an attempt to reach a host at an address; several are divided by line breaks.
pub(super) fn of_attempt(failure: &Failure, host: &Host, address: Option<IpAddr>) -> String {
    if failure.step == Step::Lookup
        && let Cause::Io(error) = &failure.cause
    {
        let name = host.address.as_deref().unwrap_or(&host.name);
        return format!(
            "could not translate host name \"{name}\" to address: {}",
            looked_up(error)
        );
    }
    format!("{} failed: {}", server(host, address), cause(failure, host))
}

fn server(host: &Host, address: Option<IpAddr>) -> String {
    if let Some(socket) = host.socket() {
        return format!("connection to server on socket \"{socket}\"");
    }
    let name = host.address.as_deref().unwrap_or(&host.name);
    match address.map(|address| address.to_string()) {
        Some(address) if address != name => {
            format!("connection to server at \"{name}\" ({address}), port {}", host.port)
        }
        _ => format!("connection to server at \"{name}\", port {}", host.port),
    }
}

fn cause(failure: &Failure, host: &Host) -> String {
    match (&failure.cause, failure.step) {
        (Cause::Io(error), Step::Socket) if error.raw_os_error().is_some() => {
            let question = match host.socket() {
                Some(_) => {
                    "Is the server running locally and accepting connections on that socket?"
                }
                None => "Is the server running on that host and accepting TCP/IP connections?",
            };
            format!("{}\n\t{question}", system_words(error))
        }
        (Cause::Io(error), Step::TlsRequest) if error.kind() == io::ErrorKind::Other => {
            "server does not support SSL, but SSL was required".to_owned()
        }
        (Cause::Io(error), Step::Login)
            if matches!(
                error.kind(),
                io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset
            ) =>
        {
            "server closed the connection unexpectedly\n\
             \tThis probably means the server terminated abnormally\n\
             \tbefore or while processing the request."
                .to_owned()
        }
        (Cause::Io(error), _) => system_words(error),
        (Cause::Server(error), _) => error.libpq_text(),
        (Cause::Refused(why), _) => why.clone(),
        (Cause::Unwanted(_, words), _) => (*words).to_owned(),
        (Cause::PasswordMissing, _) => "fe_sendauth: no password supplied".to_owned(),
        (Cause::Timeout, _) => "timeout expired".to_owned(),
        (Cause::Complete(error), _) => {
            let mut text = error.message().to_owned();
            let mut next = StdError::source(error);
            while let Some(cause) = next {
                text.push_str(&format!(": {cause}"));
                next = cause.source();
            }
            text
        }
    }
}

/// Returns what the C library says, without the number that Rust adds.
fn system_words(error: &io::Error) -> String {
    let text = error.to_string();
    let number = error.raw_os_error().map(|number| format!(" (os error {number})"));
    match number.and_then(|number| text.strip_suffix(&number).map(str::to_owned)) {
        Some(words) => words,
        None => text,
    }
}

/// Returns the resolver's words, which Rust wraps.
fn looked_up(error: &io::Error) -> String {
    let text = error.to_string();
    text.strip_prefix("failed to lookup address information: ").unwrap_or(&text).to_owned()
}
