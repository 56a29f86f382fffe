//! What crosses the crate boundary when something fails: [`Error`], its [`ErrorKind`] and its hints.
//!
//! Modules keep small error enums of their own beside their code and convert them into this one.
//! Exit codes and the decision to retry follow the kind, never the text. A message says what could
//! not be done and to what, in lower case and without a final period; it does not repeat its source,
//! because whoever prints the error walks the chain.

use std::error::Error as StdError;
use std::fmt;

/// The result of everything in pgark that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The class of a failure, which decides the exit code and whether trying again makes sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request itself is wrong: an unknown option, options that exclude each other.
    Usage,
    /// No conversation with the server came about, or it broke: DNS, TCP, TLS, login.
    Connection,
    /// The plan was refused before anything was changed: the target is not empty, a table cannot be read.
    Refused,
    /// A person was asked and said no.
    Declined,
    /// What was named does not exist: an archive, a table in it.
    NotFound,
    /// Somebody else holds what is needed: a table lock, another run on the same output.
    Locked,
    /// Reading or writing files failed: disk full, permission, missing directory.
    Storage,
    /// The server refused a statement.
    Server,
    /// The archive cannot be understood: wrong magic, unknown version, a length that lies.
    Archive,
    /// The archive can be understood and is not what it claims to be, or the data differ.
    Integrity,
    /// The work was done in part: errors were ignored and counted.
    Partial,
    /// The work failed and what it had changed was taken back.
    RolledBack,
    /// The work failed and so did taking it back.
    RollbackFailed,
    /// A signal ended the run.
    Interrupted,
    /// An invariant of pgark itself does not hold; please report it.
    Internal,
}

impl ErrorKind {
    /// Returns the exit code of the program for a failure of this kind.
    ///
    /// The numbers are stable. Signals are not here: the command line turns an interruption into
    /// 130 or 143 itself, because only it knows which signal arrived.
    pub fn exit_code(self) -> u8 {
        match self {
            ErrorKind::Server | ErrorKind::Archive | ErrorKind::Internal => 1,
            ErrorKind::Usage => 2,
            ErrorKind::Connection => 3,
            ErrorKind::Refused => 4,
            ErrorKind::Declined => 5,
            ErrorKind::NotFound => 6,
            ErrorKind::Locked => 7,
            ErrorKind::Storage => 8,
            ErrorKind::Integrity => 9,
            ErrorKind::Partial => 10,
            ErrorKind::RolledBack => 11,
            ErrorKind::RollbackFailed => 12,
            ErrorKind::Interrupted => 130,
        }
    }

    /// Returns the stable word for this kind that machine-readable output carries.
    pub fn code(self) -> &'static str {
        match self {
            ErrorKind::Usage => "usage",
            ErrorKind::Connection => "connection",
            ErrorKind::Refused => "refused",
            ErrorKind::Declined => "declined",
            ErrorKind::NotFound => "not_found",
            ErrorKind::Locked => "locked",
            ErrorKind::Storage => "storage",
            ErrorKind::Server => "server",
            ErrorKind::Archive => "archive",
            ErrorKind::Integrity => "integrity",
            ErrorKind::Partial => "partial",
            ErrorKind::RolledBack => "rolled_back",
            ErrorKind::RollbackFailed => "rollback_failed",
            ErrorKind::Interrupted => "interrupted",
            ErrorKind::Internal => "internal",
        }
    }
}

/// A failure: its class, what could not be done, why, and what to do next.
#[derive(Debug)]
pub struct Error {
    inner: Box<Inner>,
}

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
    hints: Vec<String>,
    stock_words: Option<String>,
}

impl Error {
    /// Makes an error of a kind with a message.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error {
            inner: Box::new(Inner {
                kind,
                message: message.into(),
                source: None,
                hints: Vec::new(),
                stock_words: None,
            }),
        }
    }

    /// Adds the cause, which is printed after the message.
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.inner.source = Some(source.into());
        self
    }

    /// Adds a next step for the person who reads the error.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.inner.hints.push(hint.into());
        self
    }

    /// Adds what PostgreSQL's own tools say in this case, for the verbs that stand in for them.
    pub(crate) fn in_stock_words(mut self, words: impl Into<String>) -> Self {
        self.inner.stock_words = Some(words.into());
        self
    }

    /// Wraps this error into one that says what was being done, keeping its kind and its hints.
    pub fn context(self, message: impl Into<String>) -> Self {
        let kind = self.kind();
        let mut source = self;
        let hints = std::mem::take(&mut source.inner.hints);
        let stock_words = source.inner.stock_words.take();
        Error {
            inner: Box::new(Inner {
                kind,
                message: message.into(),
                source: Some(Box::new(source)),
                hints,
                stock_words,
            }),
        }
    }

    /// Returns the class of the failure.
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// Returns the message without its causes.
    pub fn message(&self) -> &str {
        &self.inner.message
    }

    /// Returns what PostgreSQL's own tools say in this case, where it is known.
    pub(crate) fn stock_words(&self) -> Option<&str> {
        self.inner.stock_words.as_deref()
    }

    /// Returns the next steps, in the order they were added.
    pub fn hints(&self) -> &[String] {
        &self.inner.hints
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.inner.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.inner.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

/// Returns a message with its causes in one line.
pub(crate) fn with_causes(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// Adds what was being done to any failure.
pub trait Context<T> {
    /// Turns a failure into an [`Error`] of `kind` whose message is made by `message`.
    fn context(self, kind: ErrorKind, message: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: StdError + Send + Sync + 'static> Context<T> for std::result::Result<T, E> {
    fn context(self, kind: ErrorKind, message: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|source| Error::new(kind, message()).with_source(source))
    }
}
