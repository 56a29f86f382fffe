//! Questions that are sent before their answers are needed, so that server and client work at the same time.
//!
//! ```text
//! keeper   relations ──── checks ─ indexes ── ...                                      what may open a table
//! second   functions ─ types ─ dependencies ─ ... ─ columns ─ defaults ─ foreign keys  what does not
//! client      relations, functions, types ... ── columns ─ defaults ─ checks ─ indexes ── ...
//! ```
//!
//! The order in which answers are used does not change, because it gives the dump ids. A question is known by
//! its text: one that was sent ahead and would be asked otherwise by now is simply not used.
//!
//! Only the keeper's session holds the locks of the dump. The second one must never wait for a
//! lock on a table, not even for that of a moment which `pg_get_expr` takes: it would wait behind an ALTER TABLE that
//! waits for the keeper, and the server could not see that the keeper waits for us.

use std::collections::HashMap;

use crate::connect::{Asked, Rows, Session, server_error, sqlstate};
use crate::error::{Error, ErrorKind, Result};

/// Who is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Voice {
    /// The session that holds the locks.
    Keeper,
    /// The one beside it, if there is one; for questions that lock nothing but catalogs.
    Second,
}

/// The sessions of one reading and what they were asked ahead.
pub(crate) struct Questions<'a> {
    keeper: &'a Session,
    second: Option<&'a Session>,
    asked: HashMap<String, Ahead>,
}

/// A question that was sent ahead.
struct Ahead {
    voice: Voice,
    purpose: &'static str,
    asked: Asked,
}

impl<'a> Questions<'a> {
    pub(crate) fn new(keeper: &'a Session, second: Option<&'a Session>) -> Self {
        Questions { keeper, second, asked: HashMap::new() }
    }

    fn session(&self, voice: Voice) -> &'a Session {
        match voice {
            Voice::Second => self.second.unwrap_or(self.keeper),
            Voice::Keeper => self.keeper,
        }
    }

    /// Sends a question whose answer will be wanted.
    ///
    /// Without a second session its questions are not sent ahead: those of the keeper, which the client waits
    /// for first, would stand behind them.
    pub(crate) fn ahead(&mut self, voice: Voice, purpose: &'static str, sql: String) -> Result<()> {
        if voice == Voice::Second && self.second.is_none() {
            return Ok(());
        }
        let asked = self.session(voice).ask_ahead(purpose, &sql)?;
        self.asked.insert(sql, Ahead { voice, purpose, asked });
        Ok(())
    }

    /// Tells whether a question was sent ahead and its answer not taken yet.
    pub(crate) fn was_asked(&self, sql: &str) -> bool {
        self.asked.contains_key(sql)
    }

    /// Returns the answer to a question, which is asked now unless it was sent ahead.
    pub(crate) async fn ask(&mut self, purpose: &str, sql: &str) -> Result<Rows> {
        let answer = match self.asked.remove(sql) {
            None => self.keeper.query(purpose, sql).await,
            Some(Ahead { voice, asked, .. }) => {
                match self.session(voice).answer(purpose, asked).await {
                    // Losing the second session costs time only.
                    Err(error)
                        if voice == Voice::Second && error.kind() == ErrorKind::Connection =>
                    {
                        self.keeper.query(purpose, sql).await
                    }
                    answer => answer,
                }
            }
        };
        match answer {
            Err(error) if is_consequence(&error) => Err(self.cause().await.unwrap_or(error)),
            answer => answer,
        }
    }

    /// Returns the refusal of a question sent ahead that made the server refuse the ones behind it.
    async fn cause(&mut self) -> Option<Error> {
        for Ahead { voice, purpose, asked } in std::mem::take(&mut self.asked).into_values() {
            if let Err(error) = self.session(voice).answer(purpose, asked).await
                && !is_consequence(&error)
            {
                return Some(error);
            }
        }
        None
    }
}

/// Tells whether a question was refused only because one before it was.
fn is_consequence(error: &Error) -> bool {
    server_error(error).is_some_and(|refusal| refusal.sqlstate == sqlstate::IN_FAILED_TRANSACTION)
}
