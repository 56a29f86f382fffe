//! A COPY that the server broke off after it had begun.
//!
//! Whoever tells errors may want to tell this one apart: rows may have been sent, and pg_dump has words of
//! its own for it.

use std::error::Error as StdError;
use std::fmt;

use super::plan::PlannedTable;
use crate::connect::{ServerError, server_error};
use crate::error::Error;

/// The cause of an error: the rows of a table stopped coming.
#[derive(Debug)]
pub struct BrokenCopy {
    /// The raw name of the table, without its schema.
    pub table: String,
    /// The statement that had begun.
    pub statement: String,
    /// What the server said.
    pub server: ServerError,
}

impl fmt::Display for BrokenCopy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the server stopped in the middle")
    }
}

impl StdError for BrokenCopy {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.server)
    }
}

impl BrokenCopy {
    /// Returns it, if `error` has this cause.
    pub fn of(error: &Error) -> Option<&BrokenCopy> {
        StdError::source(error)?.downcast_ref()
    }
}

/// Names table and statement in an error of the server about a COPY that had begun.
pub(super) fn explain(error: Error, table: &PlannedTable, statement: &str) -> Error {
    let Some(server) = server_error(&error).filter(|server| server.in_copy) else { return error };
    let broken = BrokenCopy {
        table: table.name.name.clone(),
        statement: statement.to_owned(),
        server: server.clone(),
    };
    let mut explained = Error::new(error.kind(), error.message()).with_source(broken);
    for hint in error.hints() {
        explained = explained.with_hint(hint);
    }
    explained
}
