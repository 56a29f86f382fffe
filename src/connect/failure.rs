//! Why a connection did not come about: the step that failed, what was said, and what to do about it.

use std::fmt;
use std::io;

use super::params::{ConnectParams, PasswordOrigin};
use super::server_error::{ServerError, sqlstate};
use crate::error::{Error, ErrorKind};

/// How far an attempt had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Finding the address of the host name.
    Lookup,
    /// Opening the socket.
    Socket,
    /// Asking the server for TLS.
    TlsRequest,
    /// The TLS handshake, the look at the certificate included.
    Handshake,
    /// Everything from the first message to the last before a statement may be sent.
    Login,
    /// The session works, and is not of the wanted kind.
    Target,
}

/// One attempt that failed.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) step: Step,
    pub(super) cause: Cause,
    /// Whether the server had asked who we are.
    pub(super) was_asked: bool,
    pub(super) password: Option<PasswordOrigin>,
    pub(super) encrypted: bool,
}

#[derive(Debug)]
pub(super) enum Cause {
    Io(io::Error),
    /// The server said no.
    Server(Box<ServerError>),
    /// We said no.
    Refused(String),
    /// The session is not of the wanted kind: in our words and in libpq's.
    Unwanted(&'static str, &'static str),
    /// The server wants a password and there is none.
    PasswordMissing,
    /// `connect_timeout` is over.
    Timeout,
    /// Something local is wrong, such as a certificate file; the error is complete.
    Complete(Error),
}

/// Marks, as the source of an error, that a password would have helped.
#[derive(Debug)]
struct PasswordMissing;

impl fmt::Display for PasswordMissing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the server asks for a password, and none was given")
    }
}

impl std::error::Error for PasswordMissing {}

/// Tells whether a connection failed only because the server wanted a password and none was known.
///
/// Whoever can ask a person does so and tries again with [`ConnectParams::with_password`].
pub fn needs_password(error: &Error) -> bool {
    super::server_error::find::<PasswordMissing>(error).is_some()
}

impl Failure {
    pub(super) fn new(step: Step, error: io::Error) -> Failure {
        Failure::because(step, Cause::Io(error))
    }

    pub(super) fn because(step: Step, cause: Cause) -> Failure {
        Failure { step, cause, was_asked: false, password: None, encrypted: false }
    }

    /// Tells whether the same host may take us with another kind of encryption.
    ///
    /// After the server has asked for a password it is the password that is wrong.
    pub(super) fn may_depend_on_encryption(&self) -> bool {
        match self.step {
            Step::TlsRequest | Step::Handshake => true,
            Step::Login => matches!(self.cause, Cause::Server(_)) && !self.was_asked,
            Step::Lookup | Step::Socket | Step::Target => false,
        }
    }

    /// Tells whether the next host is worth a try; as in libpq a wrong password ends the search.
    pub(super) fn may_depend_on_host(&self) -> bool {
        match (self.step, &self.cause) {
            (_, Cause::Timeout) => true,
            (Step::Lookup | Step::Socket | Step::Target, _) => true,
            (_, Cause::Server(error)) => error.sqlstate == sqlstate::CANNOT_CONNECT_NOW,
            _ => false,
        }
    }

    /// Makes the error of the attempt to reach `place`.
    pub(super) fn into_error(self, place: &str, params: &ConnectParams) -> Error {
        let who = format!("{place}, user \"{}\", database \"{}\"", params.user, params.database);
        let message = match self.step {
            Step::Lookup => format!("could not find the address of {who}"),
            Step::Socket => format!("could not connect to {who}"),
            Step::TlsRequest | Step::Handshake => format!("could not set up TLS with {who}"),
            Step::Login => format!("could not log in to {who}"),
            Step::Target => format!("did not stay connected to {who}"),
        };
        let hints = self.hints(place, params);
        let mut error = Error::new(ErrorKind::Connection, message);
        error = match self.cause {
            Cause::Complete(complete) => complete.context(error.message()),
            Cause::Io(source) => error.with_source(source),
            Cause::Server(source) => error.with_source(*source),
            Cause::Refused(why) => error.with_source(why),
            Cause::Unwanted(why, _) => error.with_source(why),
            Cause::PasswordMissing => error.with_source(PasswordMissing),
            Cause::Timeout => error.with_source("there was no answer within connect_timeout"),
        };
        hints.into_iter().fold(error, Error::with_hint)
    }

    /// Adds the cause of a cancel request's failure to its error.
    pub(super) fn into_cancel_error(self, error: Error) -> Error {
        match self.cause {
            Cause::Io(source) => error.with_source(source),
            Cause::Complete(source) => error.with_source(source),
            _ => error,
        }
    }

    fn hints(&self, place: &str, params: &ConnectParams) -> Vec<String> {
        match &self.cause {
            Cause::Server(error) => self.server_hints(error, params),
            Cause::PasswordMissing => {
                vec!["give it with PGPASSWORD, a password file or a service file, or let it be asked for with -W".to_owned()]
            }
            Cause::Timeout => vec![
                "check address and firewall, or give it more time with connect_timeout".to_owned(),
            ],
            Cause::Io(error) => self.io_hints(error, place),
            Cause::Refused(_) | Cause::Unwanted(..) | Cause::Complete(_) => Vec::new(),
        }
    }

    fn io_hints(&self, error: &io::Error, place: &str) -> Vec<String> {
        let hint = match (self.step, error.kind()) {
            (Step::Lookup, _) => {
                "check the spelling of the host name, and that this machine can look names up"
            }
            (Step::Socket, io::ErrorKind::NotFound) if place.starts_with("socket") => {
                "is a server running on this machine? -h names the directory of its socket, or a host"
            }
            (Step::Socket, io::ErrorKind::ConnectionRefused) => {
                "is the server running there, and does it listen on that address and port (listen_addresses, port)?"
            }
            (
                Step::Socket,
                io::ErrorKind::TimedOut
                | io::ErrorKind::HostUnreachable
                | io::ErrorKind::NetworkUnreachable,
            ) => "check the address, the network and the firewall between here and the server",
            (Step::TlsRequest, io::ErrorKind::Other) => {
                "the server has to be set up for TLS (ssl = on), or sslmode must be weaker than require"
            }
            (Step::Handshake, _) => return certificate_hints(error),
            (Step::Login, io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) => {
                "the server's own log says why it hung up"
            }
            _ => return Vec::new(),
        };
        vec![hint.to_owned()]
    }

    fn server_hints(&self, error: &ServerError, params: &ConnectParams) -> Vec<String> {
        let hint = match error.sqlstate.as_str() {
            sqlstate::INVALID_PASSWORD => match &self.password {
                Some(origin) => format!("the password came from {origin}"),
                None => "no password was given".to_owned(),
            },
            sqlstate::INVALID_AUTHORIZATION if error.message.contains("pg_hba.conf") => {
                let encryption = if self.encrypted { "with TLS" } else { "without TLS" };
                format!(
                    "the server's pg_hba.conf has to allow user \"{}\" in database \"{}\" from this address {encryption}",
                    params.user, params.database
                )
            }
            sqlstate::INVALID_AUTHORIZATION if error.message.contains("does not exist") => {
                "-U, PGUSER or user= name the role to log in as".to_owned()
            }
            sqlstate::INVALID_CATALOG_NAME => {
                "-d, PGDATABASE or dbname= name the database; it has to exist".to_owned()
            }
            sqlstate::TOO_MANY_CONNECTIONS => {
                "wait until other sessions end, use fewer jobs (-j), or raise max_connections"
                    .to_owned()
            }
            _ if error.message.contains("unsupported startup parameter") => {
                "this looks like a connection pooler; use the address of the PostgreSQL server itself".to_owned()
            }
            sqlstate::CANNOT_CONNECT_NOW => {
                "the server is starting or stopping; try again".to_owned()
            }
            _ => return Vec::new(),
        };
        vec![hint]
    }
}

fn certificate_hints(error: &io::Error) -> Vec<String> {
    use rustls::CertificateError as Certificate;
    let Some(rustls::Error::InvalidCertificate(reason)) =
        error.get_ref().and_then(|inner| inner.downcast_ref())
    else {
        return Vec::new();
    };
    let hint = match reason {
        Certificate::UnknownIssuer | Certificate::BadSignature => {
            "the server's certificate does not come from an authority that is trusted here: sslrootcert names the file with its certificate"
        }
        Certificate::NotValidForName | Certificate::NotValidForNameContext { .. } => {
            "use the name that is in the server's certificate, or sslmode=verify-ca if any server of that authority will do"
        }
        Certificate::Expired | Certificate::ExpiredContext { .. } => {
            "the server's certificate has to be renewed"
        }
        Certificate::NotValidYet | Certificate::NotValidYetContext { .. } => {
            "check the clock of this machine"
        }
        Certificate::Revoked => {
            "the certificate was revoked by its authority; the server needs a new one"
        }
        Certificate::UnknownRevocationStatus => {
            "sslcrl must hold a list of every authority in the chain"
        }
        _ => return Vec::new(),
    };
    vec![hint.to_owned()]
}
