//! The transactions of a script that commits after so many statements (`pg_restore --transaction-size`).
//!
//! Statements are counted as pg_restore counts them, because the text must be equal: an entry is one, the
//! semicolons in its definition beyond the first are one each, and every command for a large object is.

use super::options::Transactions;
use crate::model::TocEntry;

/// Counts what is done since the last commit, and says what to write.
#[derive(Debug)]
pub(super) struct Counter {
    limit: Option<usize>,
    done: usize,
}

impl Counter {
    pub(super) fn new(transactions: Transactions) -> Self {
        let limit = match transactions {
            Transactions::Every(limit) => Some(limit),
            Transactions::None | Transactions::Single => None,
        };
        Counter { limit, done: 0 }
    }

    /// A connection's settings are made, and its first transaction begins.
    pub(super) fn begin(&mut self) -> &'static str {
        self.done = 0;
        if self.limit.is_some() { "\nBEGIN;\n" } else { "" }
    }

    /// A statement comes that is not allowed in a transaction: the drop of a database.
    pub(super) fn leave(&self) -> &'static str {
        if self.limit.is_some() { "COMMIT;\n" } else { "" }
    }

    /// As [`Counter::leave`], for what makes a database.
    pub(super) fn leave_with_blank_line(&self) -> &'static str {
        if self.limit.is_some() { "COMMIT;\n\n" } else { "" }
    }

    /// That statement is done.
    pub(super) fn enter(&mut self) -> &'static str {
        self.done = 0;
        if self.limit.is_some() { "BEGIN;\n" } else { "" }
    }

    /// An object was dropped.
    pub(super) fn dropped(&mut self) -> &'static str {
        if self.count(1) { "COMMIT;\nBEGIN;\n" } else { "" }
    }

    /// A definition was written, which may hold several statements.
    pub(super) fn definition(&mut self, entry: &TocEntry) {
        // The bodies of functions are full of semicolons.
        if !matches!(entry.desc.as_str(), "FUNCTION" | "PROCEDURE") {
            self.done += entry.definition.matches(';').count().saturating_sub(1);
        }
    }

    /// So many statements are complete.
    pub(super) fn finished(&mut self, statements: usize) -> &'static str {
        if self.count(statements) { "COMMIT;\nBEGIN;\n\n" } else { "" }
    }

    fn count(&mut self, statements: usize) -> bool {
        self.done += statements;
        let full = self.limit.is_some_and(|limit| self.done >= limit);
        if full {
            self.done = 0;
        }
        full
    }
}
