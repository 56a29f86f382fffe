//! How every connection of a restore is set up: the preamble of a script, sent as statements.
//!
//! Authority: `_doSetFixedOutputState` of PostgreSQL's `pg_backup_archiver.c`. Differences: settings
//! that the target does not know are left out, settings of role or database that would change values or
//! end idle sessions are overruled, and commits do not wait for the disk. The latter cannot
//! lose part of a restore silently: [`make_durable`] waits once, at the end, for everything before it.

use super::options::{RestoreOptions, SessionSettings};
use crate::connect::{ConnectParams, Session};
use crate::error::{ErrorKind, Result};
use crate::model::{ServerVersion, TocEntry};
use crate::sql::{quote_identifier, quote_literal, quote_literal_for_server};

/// What the archive and the options say about a session.
#[derive(Debug, Clone)]
pub(super) struct SessionSetup {
    encoding: String,
    strings: String,
    search_path: Option<String>,
    role: Option<String>,
    row_security: bool,
    settings: SessionSettings,
    /// The locale that values of type `money` were written in, where the server knows it.
    money: Option<String>,
    /// Whether the database is one that the restore has made itself.
    own_database: bool,
    /// Whether `standard_conforming_strings` is on, which decides how INSERT data is cut.
    pub(super) standard_strings: bool,
}

impl SessionSetup {
    /// Takes the set-up from the archive's three special entries.
    pub(super) fn new(entries: &[TocEntry], options: &RestoreOptions) -> Self {
        let special = |desc: &str| {
            entries.iter().find(|entry| entry.desc == desc).map(|entry| entry.definition.clone())
        };
        let strings = special("STDSTRINGS").unwrap_or_else(|| {
            "SET standard_conforming_strings = 'off';\nSET escape_string_warning = off;\n".into()
        });
        SessionSetup {
            encoding: special("ENCODING").unwrap_or_default(),
            standard_strings: !strings.contains("'off'"),
            strings,
            search_path: special("SEARCHPATH"),
            role: options.role.clone(),
            row_security: options.row_security,
            settings: options.settings.clone(),
            money: None,
            own_database: false,
        }
    }

    /// Tells whether the archive was made for an empty search path; old ones need one per entry.
    pub(super) fn has_search_path(&self) -> bool {
        self.search_path.is_some()
    }

    /// Returns the encoding of the archive's text, such as `UTF8`.
    pub(super) fn encoding(&self) -> Option<&str> {
        self.encoding.split('\'').nth(1)
    }

    /// Returns the statements that set a session up.
    pub(super) fn statements(&self, version: ServerVersion) -> String {
        let mut sql = String::from(
            "SET statement_timeout = 0;\n\
             SET lock_timeout = 0;\n\
             SET idle_in_transaction_session_timeout = 0;\n",
        );
        if version.has_transaction_timeout() {
            sql.push_str("SET transaction_timeout = 0;\n");
        }
        if version.has_idle_session_timeout() {
            // A connection waits for work while another one fills a table.
            sql.push_str("SET idle_session_timeout = 0;\n");
        }
        // Off, it would make the string "NULL" of every null in an array.
        sql.push_str("SET array_nulls = on;\n");
        if let Some(locale) = &self.money {
            sql.push_str(&format!("SET lc_monetary = {};\n", quote_literal_for_server(locale)));
        }
        if self.own_database {
            // The settings of the database are there before its content.
            sql.push_str("SET default_transaction_read_only = off;\n");
        }
        sql.push_str(&self.encoding);
        sql.push_str(&self.strings);
        if let Some(role) = &self.role {
            sql.push_str(&format!("SET ROLE {};\n", quote_identifier(role)));
        }
        sql.push_str(self.search_path.as_deref().unwrap_or_default());
        sql.push_str(
            "SET check_function_bodies = false;\n\
             SET xmloption = content;\n\
             SET client_min_messages = warning;\n",
        );
        let settings = &self.settings;
        let commit = settings.synchronous_commit.as_deref().unwrap_or("off");
        let workers = settings.max_parallel_maintenance_workers.map(|count| count.to_string());
        for (name, value) in [
            ("synchronous_commit", Some(commit)),
            ("maintenance_work_mem", settings.maintenance_work_mem.as_deref()),
            ("max_parallel_maintenance_workers", workers.as_deref()),
        ] {
            if let Some(value) = value {
                let value = quote_literal(value, self.standard_strings);
                sql.push_str(&format!("SET {name} = {value};\n"));
            }
        }
        let row_security = if self.row_security { "on" } else { "off" };
        sql.push_str(&format!("SET row_security = {row_security};\n"));
        sql
    }

    /// Has values of type `money` read in the locale they were written in: in another one, the comma of
    /// `12,50` may divide thousands. Tells whether the server knows it.
    pub(super) async fn read_money(&mut self, session: &Session, locale: &str) -> Result<bool> {
        let sql = format!("SET lc_monetary = {};", quote_literal_for_server(locale));
        match session.execute("use the archive's form of money", &sql).await {
            Ok(()) => {
                self.money = Some(locale.to_owned());
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::Server => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Goes on with a database that the restore makes, and fills whatever its settings say.
    pub(super) fn own_database(&mut self) {
        self.own_database = true;
    }

    /// Opens a connection and sets it up.
    pub(super) async fn connect(&self, params: &ConnectParams) -> Result<Session> {
        let session = Session::connect(params).await?;
        self.apply(&session).await?;
        Ok(session)
    }

    /// Works as whoever logged in from here on; returns the statement that would have chosen another role.
    pub(super) fn take_role(&mut self) -> Option<String> {
        Some(format!("SET ROLE {};", quote_identifier(&self.role.take()?)))
    }

    /// Sets only the role, for a connection that cannot speak the archive's encoding.
    pub(super) async fn apply_role(&self, session: &Session) -> Result<()> {
        let Some(role) = &self.role else { return Ok(()) };
        let sql = format!("SET ROLE {}", quote_identifier(role));
        session.execute(&format!("work as role {role}"), &sql).await
    }

    /// Sets a connection up.
    pub(super) async fn apply(&self, session: &Session) -> Result<()> {
        session.execute("set up the session", &self.statements(session.version())).await?;
        session.have_connection_watched().await
    }
}

/// Waits until everything that was committed without waiting is on disk.
///
/// A commit that writes to the log and does wait takes all that stands in the log before it along.
pub(super) async fn make_durable(session: &Session) -> Result<()> {
    session
        .execute(
            "write the restored data to disk",
            "begin;\n\
             set local synchronous_commit = on;\n\
             select pg_catalog.pg_logical_emit_message(true, 'pgark', 'restored');\n\
             commit;\n",
        )
        .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DumpId;

    #[test]
    fn the_preamble_leaves_out_what_the_target_does_not_know() {
        let mut encoding = TocEntry::new(DumpId(1), "ENCODING", "ENCODING");
        encoding.definition = "SET client_encoding = 'LATIN1';\n".into();
        let server = ConnectParams::parse("postgresql://me@localhost").expect("parameters");
        let mut options = RestoreOptions::new("archive", server);
        options.role = Some("Loader".into());
        options.settings.maintenance_work_mem = Some("1GB".into());
        let setup = SessionSetup::new(&[encoding], &options);
        assert_eq!(setup.encoding(), Some("LATIN1"));
        assert!(!setup.has_search_path() && !setup.standard_strings);
        let old = setup.statements(ServerVersion(150_018));
        assert!(!old.contains("transaction_timeout") && old.contains("SET ROLE \"Loader\";"));
        assert!(
            old.contains("SET synchronous_commit = 'off';\nSET maintenance_work_mem = '1GB';\n"),
            "{old}"
        );
        assert!(!old.contains("max_parallel_maintenance_workers"));
        assert!(setup.statements(ServerVersion(180_006)).contains("SET transaction_timeout = 0;"));
    }
}
