//! Entries as a plain SQL script, the text that pg_dump and pg_restore of PostgreSQL 18 print.
//!
//! Authority: `RestoreArchive`, `_doSetFixedOutputState`, `_printTocEntry` in `pg_backup_archiver.c`.
//!
//! ```text
//! banner, \restrict, versions, SET ...      preamble
//! DROP ...                                  with --clean, backwards
//! -- Name: t; Type: TABLE; ...              every entry: settings, banner, definition, owner
//! banner, \unrestrict                       trailer
//! ```

use std::io::{self, Write};

use super::statements::{
    self, Pass, StatementError, SwitchOptions, Switches, is_database_entry, is_session_entry,
};
use crate::model::TocEntry;
use crate::sql::{Quoting, text};

/// What whoever asks for a script may choose about it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScriptChoices {
    /// The key of `\restrict`, letters and digits only.
    pub restrict_key: String,
    /// What exists is dropped first.
    pub clean: bool,
    /// Drops do not fail when there is nothing to drop.
    pub if_exists: bool,
    /// The database itself is created.
    pub create: bool,
    /// Triggers are off while the rows of a table are loaded, when no definitions are in the script.
    pub disable_triggers: bool,
    /// Who turns triggers off and on; `None` is whoever runs the script.
    pub superuser: Option<String>,
    /// Objects are made by their owners instead of given to them.
    pub session_authorization: bool,
    /// Comments tell the ids of the entries and what they depend on.
    pub verbose: bool,
}

/// What a script looks like, apart from its entries.
#[derive(Debug, Clone, Default)]
pub struct ScriptOptions {
    /// What was chosen.
    pub choices: ScriptChoices,
    /// The version text of the server the data came from.
    pub server_version: String,
    /// The version text of what made the dump.
    pub dumper_version: String,
    /// Owners are not set.
    pub no_owner: bool,
    /// `row_security` is left on.
    pub row_security: bool,
    /// The settings that are not switched between entries.
    pub no_tablespaces: bool,
    /// No `SET default_table_access_method`.
    pub no_table_access_method: bool,
    /// How identifiers are quoted in what is not part of an entry's own text.
    pub quoting: Quoting,
}

/// Why a script could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// The output could not be written.
    #[error("could not write the script")]
    Write(#[from] io::Error),
    /// An entry cannot be expressed.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// The database's name cannot be written into a `\connect` line.
    #[error("database name contains a newline or carriage return: {0:?}")]
    UnsafeName(String),
}

/// Writes entries as a script; all of them are printed, so the caller has selected before.
///
/// `write_data` is called for every entry with data, after its banner, and writes the rows with what
/// goes before and after them.
///
/// # Errors
///
/// When the output refuses bytes, when an entry has an owner and an unknown kind, and what
/// `write_data` returns.
pub fn write_script(
    output: &mut dyn Write,
    entries: &[TocEntry],
    options: &ScriptOptions,
    write_data: &mut dyn FnMut(&TocEntry, &mut dyn Write) -> io::Result<()>,
) -> Result<(), ScriptError> {
    let mut script = Script { output, entries, options, switches: Switches::default() };
    script.preamble()?;
    if options.choices.clean {
        script.drops()?;
    }
    for pass in [Pass::Main, Pass::Acl, Pass::PostAcl] {
        for entry in entries.iter().filter(|entry| statements::pass(entry) == pass) {
            if !is_session_entry(entry) {
                script.entry(entry, write_data)?;
            }
        }
    }
    script.trailer()?;
    Ok(())
}

struct Script<'a> {
    output: &'a mut dyn Write,
    entries: &'a [TocEntry],
    options: &'a ScriptOptions,
    switches: Switches,
}

impl Script<'_> {
    fn write(&mut self, words: &str) -> io::Result<()> {
        self.output.write_all(&text::encode(words))
    }

    fn preamble(&mut self) -> io::Result<()> {
        let ScriptOptions { choices, server_version, dumper_version, .. } = self.options;
        let restrict_key = &choices.restrict_key;
        self.write(&format!(
            "--\n-- PostgreSQL database dump\n--\n\n\\restrict {restrict_key}\n\n\
             -- Dumped from database version {server_version}\n\
             -- Dumped by pg_dump version {dumper_version}\n\n"
        ))?;
        self.settings()
    }

    /// Writes the settings that every connection begins with.
    fn settings(&mut self) -> io::Result<()> {
        let session = |desc: &str| {
            self.entries
                .iter()
                .find(|entry| entry.desc == desc)
                .map(|entry| entry.definition.as_str())
        };
        // The archive writes the value of this one as a literal, a script does not.
        let standard = !session("STDSTRINGS").is_some_and(|setting| setting.contains("'off'"));
        let mut lines = String::from(
            "SET statement_timeout = 0;\nSET lock_timeout = 0;\n\
             SET idle_in_transaction_session_timeout = 0;\nSET transaction_timeout = 0;\n",
        );
        lines.push_str(session("ENCODING").unwrap_or("SET client_encoding = 'SQL_ASCII';\n"));
        let on = |setting: bool| if setting { "on" } else { "off" };
        lines.push_str(&format!("SET standard_conforming_strings = {};\n", on(standard)));
        lines.push_str(session("SEARCHPATH").unwrap_or(""));
        lines.push_str(
            "SET check_function_bodies = false;\nSET xmloption = content;\n\
             SET client_min_messages = warning;\n",
        );
        if !standard {
            lines.push_str("SET escape_string_warning = off;\n");
        }
        lines.push_str(&format!("SET row_security = {};\n\n", on(self.options.row_security)));
        self.write(&lines)
    }

    fn drops(&mut self) -> io::Result<()> {
        for entry in self.entries.iter().rev() {
            // With --create the connection is elsewhere, so the database goes as a whole or not at all.
            if self.options.choices.create && !is_database_entry(entry) {
                continue;
            }
            if let Some(drop) = statements::drop_statement(entry, self.options.choices.if_exists) {
                self.write(&drop)?;
            }
        }
        Ok(())
    }

    fn entry(
        &mut self,
        entry: &TocEntry,
        write_data: &mut dyn FnMut(&TocEntry, &mut dyn Write) -> io::Result<()>,
    ) -> Result<(), ScriptError> {
        let switches = SwitchOptions {
            no_tablespaces: self.options.no_tablespaces,
            no_table_access_method: self.options.no_table_access_method,
            unqualified_definitions: !self.entries.iter().any(|entry| entry.desc == "SEARCHPATH"),
            quoting: self.options.quoting,
        };
        for statement in self.switches.before(entry, switches) {
            self.write(&format!("{statement}\n\n"))?;
        }
        self.banner(entry)?;
        if !entry.definition.is_empty() {
            let definition =
                statements::definition_quoted(entry, self.options.no_owner, self.options.quoting);
            self.write(&definition)?;
            self.write("\n\n")?;
        }
        if entry.has_data {
            write_data(entry, self.output)?;
            return Ok(());
        }
        if !self.options.no_owner
            && let Some(statement) =
                statements::owner_statement_quoted(entry, self.options.quoting)?
        {
            self.write(&format!("{statement}\n\n"))?;
        }
        if !self.options.no_table_access_method
            && let Some(statement) =
                statements::partitioned_access_method_quoted(entry, self.options.quoting)
        {
            self.write(&format!("{statement}\n\n"))?;
        }
        if is_database_entry(entry) {
            self.reconnect(&entry.tag)?;
        }
        Ok(())
    }

    fn banner(&mut self, entry: &TocEntry) -> io::Result<()> {
        let one_line = |text: &str| text.replace(['\n', '\r'], " ");
        let prefix = match entry.desc.as_str() {
            "STATISTICS DATA" => "Statistics for ",
            _ if entry.has_data => "Data for ",
            _ => "",
        };
        let owner = match &entry.owner {
            Some(owner) if !self.options.no_owner => one_line(owner),
            _ => "-".to_owned(),
        };
        let tablespace = match entry.tablespace.as_deref() {
            Some(name) if !name.is_empty() && !self.options.no_tablespaces => {
                format!("; Tablespace: {}", one_line(name))
            }
            _ => String::new(),
        };
        self.write(&format!(
            "--\n-- {prefix}Name: {}; Type: {}; Schema: {}; Owner: {owner}{tablespace}\n--\n\n",
            one_line(&entry.tag),
            entry.desc,
            one_line(entry.namespace.as_deref().unwrap_or("-")),
        ))
    }

    /// Connects to the database that was just made, leaving restricted mode for the one command that
    /// is not allowed in it.
    fn reconnect(&mut self, database: &str) -> Result<(), ScriptError> {
        if database.contains(['\n', '\r']) {
            return Err(ScriptError::UnsafeName(database.to_owned()));
        }
        let key = self.options.choices.restrict_key.clone();
        let simple = !database.is_empty()
            && database.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.".contains(&byte));
        let connect = if simple {
            format!("\\connect {}\n", self.options.quoting.identifier(database))
        } else {
            let value = database.replace('\\', "\\\\").replace('\'', "\\'");
            let conninfo = format!("dbname='{value}'").replace('"', "\"\"");
            format!("\\encoding SQL_ASCII\n\\connect -reuse-previous=on \"{conninfo}\"\n")
        };
        self.write(&format!("\\unrestrict {key}\n{connect}\\restrict {key}\n\n"))?;
        self.switches.forget();
        self.settings()?;
        Ok(())
    }

    fn trailer(&mut self) -> io::Result<()> {
        let key = self.options.choices.restrict_key.clone();
        self.write(&format!(
            "--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict {key}\n\n"
        ))
    }
}
