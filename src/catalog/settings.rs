//! The settings of a session that reads a database, which shape every text that the server makes.
//!
//! Authority: `setup_connection` in `pg_dump.c` of PostgreSQL 18. The settings are sent before the
//! transaction begins, so that the locks can be taken before the first statement that needs a snapshot.

use std::collections::BTreeMap;

use crate::connect::Session;
use crate::error::Result;
use crate::model::ServerVersion;
use crate::sql::{Quoting, quote_identifier, quote_literal_for_server};

/// The settings of a reading session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionSettings {
    /// The role to become after login.
    pub role: Option<String>,
    /// The encoding of everything that is read; `None` leaves it to the connection.
    pub encoding: Option<String>,
    /// `extra_float_digits`; 3 reads every float exactly.
    pub extra_float_digits: i32,
    /// Whether identifiers that the server writes are always quoted.
    pub quoting: Quoting,
    /// Whether rows hidden by row security are left out silently instead of refused.
    pub row_security: bool,
    /// Whether also those settings are pinned that pg_dump leaves to the server and that shape the
    /// text of values and definitions: time zone, the form of binary strings, quotes where none are needed.
    /// Fingerprints need it.
    pub pinned_text: bool,
    /// Further settings by name, such as the `lc_monetary` that an archive was written with.
    pub recorded: BTreeMap<String, String>,
}

impl Default for SessionSettings {
    fn default() -> Self {
        SessionSettings {
            role: None,
            encoding: None,
            extra_float_digits: 3,
            quoting: Quoting::WhenNeeded,
            row_security: false,
            pinned_text: false,
            recorded: BTreeMap::new(),
        }
    }
}

/// The transaction that a dump reads in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Transaction {
    /// REPEATABLE READ, READ ONLY.
    #[default]
    RepeatableRead,
    /// SERIALIZABLE, READ ONLY, DEFERRABLE: waits for a snapshot that cannot see an anomaly.
    SerializableDeferrable,
}

impl Transaction {
    /// Returns the statement that begins it.
    pub fn begin(self) -> &'static str {
        match self {
            Transaction::RepeatableRead => {
                "begin transaction isolation level repeatable read, read only"
            }
            Transaction::SerializableDeferrable => {
                "begin transaction isolation level serializable, read only, deferrable"
            }
        }
    }
}

impl SessionSettings {
    /// Returns the statements that make the settings on a server of `version`, apart from the encoding.
    pub fn statements(&self, version: ServerVersion) -> String {
        let mut sql = String::from("select pg_catalog.set_config('search_path', '', false);\n");
        let mut set = |name: &str, value: &str| {
            sql.push_str("set ");
            sql.push_str(name);
            sql.push_str(" to ");
            sql.push_str(value);
            sql.push_str(";\n");
        };
        if let Some(role) = &self.role {
            set("role", &quote_identifier(role));
        }
        set("datestyle", "ISO");
        set("intervalstyle", "postgres");
        set("extra_float_digits", &self.extra_float_digits.to_string());
        set("synchronize_seqscans", "off");
        set("statement_timeout", "0");
        set("lock_timeout", "0");
        set("idle_in_transaction_session_timeout", "0");
        if version.has_transaction_timeout() {
            set("transaction_timeout", "0");
        }
        if self.quoting == Quoting::Always {
            set("quote_all_identifiers", "true");
        }
        set("row_security", if self.row_security { "on" } else { "off" });
        if self.pinned_text {
            set("timezone", &quote_literal_for_server("UTC"));
            set("bytea_output", "hex");
            if self.quoting == Quoting::WhenNeeded {
                // Definitions are compared as text with those of a database that has another setting.
                set("quote_all_identifiers", "off");
            }
        }
        for (name, value) in &self.recorded {
            set(&quote_identifier(name), &quote_literal_for_server(value));
        }
        // Late minor releases know this one; asking pg_settings keeps the others from failing.
        sql.push_str(
            "select pg_catalog.set_config(name, 'view, foreign-table', false) \
             from pg_catalog.pg_settings where name = 'restrict_nonsystem_relation_kind';\n",
        );
        sql
    }

    /// Makes the settings in a session.
    ///
    /// The encoding comes first: names and texts in the server's own arrive as they are, also where
    /// they cannot be converted.
    pub async fn apply(&self, session: &Session) -> Result<()> {
        session.set_client_encoding(self.encoding.as_deref()).await?;
        session.execute("set up the session", &self.statements(session.version())).await
    }
}

/// Lets a session read foreign tables, or forbids it again.
///
/// Late minor releases keep dumps from them, because whoever owns one could have code run by whoever dumps.
///
/// # Errors
///
/// Those of the statement.
pub async fn open_foreign_tables(session: &Session, open: bool) -> Result<()> {
    let kinds = if open { "view" } else { "view, foreign-table" };
    let sql = format!(
        "select pg_catalog.set_config(name, '{kinds}', false) from pg_catalog.pg_settings
        where name = 'restrict_nonsystem_relation_kind'"
    );
    session.execute("allow or forbid foreign tables", &sql).await
}
