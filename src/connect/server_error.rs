//! What a server says when it refuses or remarks on something: ErrorResponse and NoticeResponse.
//!
//! Fields are decoded lossily: before login and in SQL_ASCII databases they may be in any encoding, and
//! an unreadable character is better than an unreadable error.
//! Authority: "Error and Notice Message Fields" of the protocol documentation.

use std::error::Error as StdError;
use std::fmt;

use super::rows::Reader;
use crate::error::Error;

/// SQLSTATE codes that pgark tells apart.
pub mod sqlstate {
    /// A lock was not to be had in time or at once.
    pub const LOCK_NOT_AVAILABLE: &str = "55P03";
    /// The statement was cancelled, by request or by a timeout.
    pub const QUERY_CANCELED: &str = "57014";
    /// The backend is ending because an administrator said so.
    pub const ADMIN_SHUTDOWN: &str = "57P01";
    /// The backend is ending because another one crashed.
    pub const CRASH_SHUTDOWN: &str = "57P02";
    /// The server is starting up, shutting down or recovering.
    pub const CANNOT_CONNECT_NOW: &str = "57P03";
    /// The database was dropped under the session.
    pub const DATABASE_DROPPED: &str = "57P04";
    /// The session was idle in a transaction for too long.
    pub const IDLE_IN_TRANSACTION_TIMEOUT: &str = "25P03";
    /// A permission is missing.
    pub const INSUFFICIENT_PRIVILEGE: &str = "42501";
    /// The table does not exist.
    pub const UNDEFINED_TABLE: &str = "42P01";
    /// The object (of a kind without a code of its own) does not exist.
    pub const UNDEFINED_OBJECT: &str = "42704";
    /// A relation of that name exists.
    pub const DUPLICATE_TABLE: &str = "42P07";
    /// An object of that name exists.
    pub const DUPLICATE_OBJECT: &str = "42710";
    /// The transaction could not be serialized, or a standby's replay conflicts with it.
    pub const SERIALIZATION_FAILURE: &str = "40001";
    /// Two sessions wait for each other.
    pub const DEADLOCK_DETECTED: &str = "40P01";
    /// Shared memory is used up; for a dump this means the lock table.
    pub const OUT_OF_MEMORY: &str = "53200";
    /// The disk of the server is full.
    pub const DISK_FULL: &str = "53100";
    /// No connection slot is free.
    pub const TOO_MANY_CONNECTIONS: &str = "53300";
    /// The database does not exist.
    pub const INVALID_CATALOG_NAME: &str = "3D000";
    /// The password is wrong.
    pub const INVALID_PASSWORD: &str = "28P01";
    /// Login was refused for another reason than the password.
    pub const INVALID_AUTHORIZATION: &str = "28000";
    /// The transaction has failed before; nothing but its end is accepted.
    pub const IN_FAILED_TRANSACTION: &str = "25P02";
    /// A byte sequence that is not valid in the encoding.
    pub const CHARACTER_NOT_IN_REPERTOIRE: &str = "22021";
    /// A character that the other encoding does not have.
    pub const UNTRANSLATABLE_CHARACTER: &str = "22P05";
    /// Something needs another state of the object, for example a wal_level.
    pub const OBJECT_NOT_IN_PREREQUISITE_STATE: &str = "55000";
}

/// An error or a notice as the server sent it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerError {
    /// `ERROR`, `FATAL`, `PANIC`, `WARNING`, `NOTICE`, `DEBUG`, `INFO` or `LOG`, never translated.
    pub severity: String,
    /// The five characters of the SQLSTATE.
    pub sqlstate: String,
    /// The message itself.
    pub message: String,
    /// More about it.
    pub detail: Option<String>,
    /// What the server suggests to do.
    pub hint: Option<String>,
    /// The character of the statement it points at, counted from 1.
    pub position: Option<u32>,
    /// The statement that the server made itself and that failed.
    pub internal_query: Option<String>,
    /// The call stack, such as the line of a COPY.
    pub context: Option<String>,
    /// The schema of the object concerned.
    pub schema: Option<String>,
    /// The table concerned.
    pub table: Option<String>,
    /// The column concerned.
    pub column: Option<String>,
    /// The data type concerned.
    pub data_type: Option<String>,
    /// The constraint concerned.
    pub constraint: Option<String>,
    /// The statement that was refused, where it was at hand: no server sends it back.
    pub statement: Option<String>,
    /// It ended a COPY to us that had begun: rows may have come before it.
    pub in_copy: bool,
}

impl ServerError {
    /// Reads the body of an ErrorResponse or NoticeResponse; what is malformed is left out.
    pub(super) fn parse(body: &[u8]) -> ServerError {
        let mut error = ServerError::default();
        let mut severity_untranslated = false;
        let mut body = Reader(body);
        while let Some(code) = body.u8() {
            if code == 0 {
                break;
            }
            let Some(value) = body.cstr() else { break };
            let value = String::from_utf8_lossy(value).into_owned();
            match code {
                b'S' if !severity_untranslated => error.severity = value,
                b'V' => {
                    severity_untranslated = true;
                    error.severity = value;
                }
                b'C' => error.sqlstate = value,
                b'M' => error.message = value,
                b'D' => error.detail = Some(value),
                b'H' => error.hint = Some(value),
                b'P' => error.position = value.parse().ok(),
                b'q' => error.internal_query = Some(value),
                b'W' => error.context = Some(value),
                b's' => error.schema = Some(value),
                b't' => error.table = Some(value),
                b'c' => error.column = Some(value),
                b'd' => error.data_type = Some(value),
                b'n' => error.constraint = Some(value),
                _ => {}
            }
        }
        error
    }

    /// Tells whether the session ends with this error.
    pub fn is_fatal(&self) -> bool {
        matches!(self.severity.as_str(), "FATAL" | "PANIC")
    }
}

impl ServerError {
    /// Returns the text as libpq puts it together: two blanks behind each word.
    pub fn libpq_text(&self) -> String {
        self.parts().map(|(word, part)| format!("{word}:  {part}")).collect::<Vec<_>>().join("\n")
    }

    fn parts(&self) -> impl Iterator<Item = (&str, &str)> {
        let more = [("DETAIL", &self.detail), ("HINT", &self.hint), ("CONTEXT", &self.context)];
        let more = more.into_iter().filter_map(|(word, part)| Some((word, part.as_deref()?)));
        std::iter::once((self.severity.as_str(), self.message.as_str())).chain(more)
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, (word, part)) in self.parts().enumerate() {
            let separator = if position == 0 { "" } else { "\n" };
            write!(f, "{separator}{word}: {part}")?;
        }
        Ok(())
    }
}

impl StdError for ServerError {}

/// Returns what the server said, if a server's refusal is at the bottom of `error`.
pub fn server_error(error: &Error) -> Option<&ServerError> {
    find(error)
}

/// Tells whether `error` means that the conversation broke, so that a new connection may go on.
pub fn is_connection_lost(error: &Error) -> bool {
    find::<ConnectionLost>(error).is_some()
}

pub(super) fn find<T: StdError + 'static>(error: &Error) -> Option<&T> {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        cause = error.source();
    }
    None
}

/// The conversation broke: the server ended it, the network did, or what came was no protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ConnectionLost {
    /// How it was noticed.
    pub(super) reason: String,
    /// What the server said before, if it said anything.
    pub(super) server: Option<ServerError>,
}

impl fmt::Display for ConnectionLost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl StdError for ConnectionLost {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.server.as_ref().map(|error| error as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use proptest::prelude::*;

    const BODY: &[u8] = b"SFEHLER\0VERROR\0C55P03\0MSperre\xff nicht erhalten\0Dweil\0P17\0n\0\0";

    #[test]
    fn fields_are_read_and_unknown_bytes_do_not_hurt() {
        let error = ServerError::parse(BODY);
        assert_eq!(error.severity, "ERROR");
        assert_eq!(error.sqlstate, sqlstate::LOCK_NOT_AVAILABLE);
        assert_eq!(error.message, "Sperre\u{fffd} nicht erhalten");
        assert_eq!(error.position, Some(17));
        assert_eq!(error.to_string(), "ERROR: Sperre\u{fffd} nicht erhalten\nDETAIL: weil");
    }

    #[test]
    fn the_server_error_is_found_below_contexts() {
        let error = Error::new(ErrorKind::Server, "could not lock")
            .with_source(ServerError::parse(BODY))
            .context("could not dump");
        assert_eq!(server_error(&error).map(|found| found.sqlstate.as_str()), Some("55P03"));
        assert!(!is_connection_lost(&error));
        let lost = ConnectionLost { reason: "gone".into(), server: Some(ServerError::parse(BODY)) };
        let error =
            Error::new(ErrorKind::Connection, "lost").with_source(lost).context("could not dump");
        assert!(is_connection_lost(&error));
        assert!(server_error(&error).is_some());
    }

    proptest! {
        #[test]
        fn noise_never_panics(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = ServerError::parse(&body).to_string();
        }
    }
}
