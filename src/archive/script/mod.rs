//! Entries as a plain SQL script, the text that pg_dump and pg_restore of PostgreSQL 18 print.
//!
//! Authority: `RestoreArchive`, `restore_toc_entry`, `_doSetFixedOutputState`, `_printTocEntry` in
//! `pg_backup_archiver.c`; `pg_backup_null.c` for large objects.
//!
//! ```text
//! banner, \restrict, versions, SET ...      preamble
//! DROP ...                                  with --clean, backwards
//! -- Name: t; Type: TABLE; ...              every entry: settings, banner, definition, owner, rows
//! banner, \unrestrict                       trailer
//! ```

mod file;
mod options;
mod source;
mod transactions;

use std::collections::HashMap;
use std::io::{self, Write};

use self::transactions::Counter;
use super::large_object_text::{self, Command};
use super::selection::is_data_without_file;
use super::statements::{
    self, Pass, StatementError, SwitchOptions, Switches, is_database_entry, is_session_entry,
};
use crate::model::{DumpId, TocEntry};
use crate::sql::{quote_literal, text};

pub use file::ScriptFile;
pub use options::{ScriptChoices, ScriptOptions, Transactions};
pub use source::{LargeObjectScript, ScriptSource};

/// Why a script could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// The output could not be written, or the data not be read.
    #[error("could not write the script")]
    Write(#[from] io::Error),
    /// An entry cannot be expressed.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// The database's name cannot be written into a `\connect` line.
    #[error("database name contains a newline or carriage return: {0:?}")]
    UnsafeName(String),
    /// The privileges of large objects whose entry is missing or cannot be understood.
    #[error("the privileges on {0} cannot be repeated for each large object")]
    LargeObjectPrivileges(String),
}

/// Writes entries as a script; all of them are printed, so the caller has selected before.
///
/// # Errors
///
/// When the output refuses bytes, when an entry has an owner and an unknown kind, and what `source`
/// returns.
pub fn write_script(
    output: &mut dyn Write,
    entries: &[TocEntry],
    options: &ScriptOptions,
    source: &mut dyn ScriptSource,
) -> Result<(), ScriptError> {
    let mut script = Script {
        output,
        entries,
        options,
        source,
        groups: group_definitions(entries),
        switches: Switches::default(),
        user: None,
        counter: Counter::new(options.choices.transactions),
    };
    script.preamble()?;
    if options.choices.clean {
        script.drops()?;
    }
    for pass in [Pass::Main, Pass::Acl, Pass::PostAcl] {
        for entry in entries.iter().filter(|entry| statements::pass(entry) == pass) {
            if !is_session_entry(entry) {
                script.entry(entry)?;
            }
        }
    }
    script.trailer()?;
    Ok(())
}

/// Returns the lists of the entries that stand for many large objects.
fn group_definitions(entries: &[TocEntry]) -> HashMap<DumpId, &str> {
    let groups = entries.iter().filter(|entry| entry.desc == "BLOB METADATA");
    groups.map(|entry| (entry.dump_id, entry.definition.as_str())).collect()
}

struct Script<'a> {
    output: &'a mut dyn Write,
    entries: &'a [TocEntry],
    options: &'a ScriptOptions,
    source: &'a mut dyn ScriptSource,
    groups: HashMap<DumpId, &'a str>,
    switches: Switches,
    /// Who the script is at this point; empty for whoever runs it, `None` when that is not known.
    user: Option<String>,
    counter: Counter,
}

impl Script<'_> {
    fn write(&mut self, words: &str) -> io::Result<()> {
        self.output.write_all(&text::encode(words))
    }

    fn preamble(&mut self) -> io::Result<()> {
        let ScriptOptions { choices, server_version, dumper_version, started, .. } = self.options;
        let restrict = match choices.restrict_key.as_str() {
            "" => String::new(),
            key => format!("\\restrict {key}\n\n"),
        };
        self.write(&format!(
            "--\n-- PostgreSQL database dump\n--\n\n{restrict}\
             -- Dumped from database version {server_version}\n\
             -- Dumped by pg_dump version {dumper_version}\n\n"
        ))?;
        if let Some(started) = started.as_ref().filter(|_| choices.verbose) {
            self.write(&format!("-- Started on {started}\n\n"))?;
        }
        if choices.transactions == Transactions::Single {
            self.write("BEGIN;\n\n")?;
        }
        self.settings()
    }

    /// Tells whether backslashes are ordinary characters in the literals of the archive.
    fn has_standard_strings(&self) -> bool {
        // The archive writes the value of this one as a literal, a script does not.
        !self.session_setting("STDSTRINGS").is_some_and(|setting| setting.contains("'off'"))
    }

    fn session_setting(&self, desc: &str) -> Option<&str> {
        let entry = self.entries.iter().find(|entry| entry.desc == desc)?;
        Some(entry.definition.as_str())
    }

    /// Writes the settings that every connection begins with.
    fn settings(&mut self) -> io::Result<()> {
        let standard = self.has_standard_strings();
        let mut lines = String::from(
            "SET statement_timeout = 0;\nSET lock_timeout = 0;\n\
             SET idle_in_transaction_session_timeout = 0;\n",
        );
        if !self.options.no_transaction_timeout {
            lines.push_str("SET transaction_timeout = 0;\n");
        }
        let encoding = self.session_setting("ENCODING");
        lines.push_str(encoding.unwrap_or("SET client_encoding = 'SQL_ASCII';\n"));
        let on = |setting: bool| if setting { "on" } else { "off" };
        lines.push_str(&format!("SET standard_conforming_strings = {};\n", on(standard)));
        if let Some(role) = &self.options.choices.role {
            lines.push_str(&format!("SET ROLE {};\n", self.options.quoting.identifier(role)));
        }
        lines.push_str(self.session_setting("SEARCHPATH").unwrap_or(""));
        lines.push_str(
            "SET check_function_bodies = false;\nSET xmloption = content;\n\
             SET client_min_messages = warning;\n",
        );
        if !standard {
            lines.push_str("SET escape_string_warning = off;\n");
        }
        lines.push_str(&format!("SET row_security = {};\n", on(self.options.row_security)));
        lines.push_str(self.counter.begin());
        lines.push('\n');
        self.write(&lines)
    }

    fn switch_options(&self) -> SwitchOptions {
        SwitchOptions {
            no_tablespaces: self.options.no_tablespaces,
            no_table_access_method: self.options.no_table_access_method,
            unqualified_definitions: self.session_setting("SEARCHPATH").is_none(),
            quoting: self.options.quoting,
        }
    }

    fn drops(&mut self) -> io::Result<()> {
        for entry in self.entries.iter().rev() {
            let of_database = is_database_entry(entry);
            // With --create the connection is elsewhere, so the database goes as a whole or not at all.
            if self.options.choices.create && !of_database {
                continue;
            }
            if entry.drop_statement.is_none() {
                continue;
            }
            self.source.info(&format!("dropping {} {}", entry.desc, entry.tag));
            if of_database {
                let leave = self.counter.leave();
                self.write(leave)?;
            }
            self.become_owner(entry)?;
            let only_schema = SwitchOptions {
                no_tablespaces: true,
                no_table_access_method: true,
                ..self.switch_options()
            };
            for statement in self.switches.before(entry, only_schema) {
                self.write(&format!("{statement}\n\n"))?;
            }
            if entry.desc == "BLOB METADATA" {
                let command = match self.options.choices.if_exists {
                    true => Command {
                        before: "SELECT pg_catalog.lo_unlink(oid) FROM \
                                 pg_catalog.pg_largeobject_metadata WHERE oid = '",
                        after: "'",
                    },
                    false => Command { before: "SELECT pg_catalog.lo_unlink('", after: "')" },
                };
                self.per_large_object(&entry.definition, command)?;
            } else if let Some(drop) =
                statements::drop_statement(entry, self.options.choices.if_exists)
            {
                self.write(&drop)?;
            }
            let next = if of_database { self.counter.enter() } else { self.counter.dropped() };
            self.write(next)?;
        }
        // The schema that was selected last may be gone now.
        self.switches.forget();
        Ok(())
    }

    fn entry(&mut self, entry: &TocEntry) -> Result<(), ScriptError> {
        let of_database = is_database_entry(entry);
        if of_database {
            let leave = self.counter.leave_with_blank_line();
            self.write(leave)?;
        }
        self.announce(entry);
        self.definition(entry)?;
        if of_database {
            self.source.info(&format!("connecting to new database \"{}\"", entry.tag));
            self.reconnect(&entry.tag)?;
        }
        if entry.has_data {
            match entry.desc.as_str() {
                "BLOBS" => self.large_objects(entry)?,
                "BLOB COMMENTS" => self.large_object_comments(entry)?,
                _ => self.rows(entry)?,
            }
        }
        let next = self.counter.finished(1);
        self.write(next)?;
        Ok(())
    }

    /// Says what is being written, as pg_dump does with `--verbose`.
    fn announce(&mut self, entry: &TocEntry) {
        if entry.has_data || entry.desc == "STATISTICS DATA" {
            return;
        }
        let message = match (&entry.namespace, is_data_without_file(entry)) {
            (_, true) => format!("executing {} {}", entry.desc, entry.tag),
            (Some(namespace), _) => {
                format!("creating {} \"{namespace}.{}\"", entry.desc, entry.tag)
            }
            (None, _) => format!("creating {} \"{}\"", entry.desc, entry.tag),
        };
        self.source.info(&message);
    }

    /// Writes the settings an entry needs, its banner, its definition and its owner.
    fn definition(&mut self, entry: &TocEntry) -> Result<(), ScriptError> {
        self.become_owner(entry)?;
        let options = self.switch_options();
        for statement in self.switches.before(entry, options) {
            self.write(&format!("{statement}\n\n"))?;
        }
        self.banner(entry)?;
        let quoting = self.options.quoting;
        let of_group = entry.desc == "BLOB METADATA";
        let privileges = matches!(entry.desc.as_str(), "ACL" | "ACL LANGUAGE" | "DEFAULT ACL");
        if of_group {
            let create = Command { before: "SELECT pg_catalog.lo_create('", after: "')" };
            self.per_large_object(&entry.definition, create)?;
        } else if privileges && entry.tag.starts_with("LARGE OBJECTS") {
            self.large_object_privileges(entry)?;
        } else if !entry.definition.is_empty() {
            let definition =
                statements::definition_quoted(entry, self.options.no_owner, self.options.quoting);
            self.write(&definition)?;
            self.write("\n\n")?;
            self.counter.definition(entry);
        }
        // A comment stands for a schema that exists already; nobody has made it in this script.
        let made_by_owner = self.options.choices.session_authorization
            && !(entry.desc == "SCHEMA" && entry.definition.starts_with("--"));
        if !self.options.no_owner && !made_by_owner {
            if of_group {
                if let Some(owner) = entry.owner.as_deref().filter(|owner| !owner.is_empty()) {
                    let after = format!(" OWNER TO {}", quoting.identifier(owner));
                    let command = Command { before: "ALTER LARGE OBJECT ", after: &after };
                    self.per_large_object(&entry.definition, command)?;
                }
            } else if let Some(statement) = statements::owner_statement_quoted(entry, quoting)? {
                self.write(&format!("{statement}\n\n"))?;
            }
        }
        if !self.options.no_table_access_method
            && let Some(statement) = statements::partitioned_access_method_quoted(entry, quoting)
        {
            self.write(&format!("{statement}\n\n"))?;
        }
        if privileges {
            // They may hold SET SESSION AUTHORIZATION.
            self.user = None;
        }
        Ok(())
    }

    /// Writes a command for each large object that a list names.
    fn per_large_object(&mut self, list: &str, command: Command<'_>) -> io::Result<()> {
        let Command { before, after } = command;
        for oid in large_object_text::oids(list) {
            self.write(&format!("{before}{oid}{after};\n"))?;
            let next = self.counter.finished(1);
            self.write(next)?;
        }
        self.write("\n")
    }

    /// Repeats the privileges on the first large object of a group for all of them.
    fn large_object_privileges(&mut self, entry: &TocEntry) -> Result<(), ScriptError> {
        let list = entry.dependencies.first().and_then(|id| self.groups.get(id).copied());
        let commands = large_object_text::privileges(&entry.definition);
        let (Some(list), Some(commands)) = (list, commands) else {
            return Err(ScriptError::LargeObjectPrivileges(entry.tag.clone()));
        };
        for command in commands {
            self.per_large_object(list, command)?;
        }
        Ok(())
    }

    fn rows(&mut self, entry: &TocEntry) -> Result<(), ScriptError> {
        self.switch_triggers(entry, "DISABLE")?;
        self.become_owner(entry)?;
        let namespace = entry.namespace.as_deref().unwrap_or_default();
        self.source.info(&format!("processing data for table \"{namespace}.{}\"", entry.tag));
        if let Some(copy) = &entry.copy_statement {
            self.write(copy)?;
        }
        self.source.write_rows(entry, self.output)?;
        self.switch_triggers(entry, "ENABLE")?;
        Ok(())
    }

    /// Says that large objects follow, whose functions are those of the system.
    fn begin_large_objects(&mut self, entry: &TocEntry) -> io::Result<()> {
        self.source.info(&format!("processing {}", entry.desc));
        let options = self.switch_options();
        match self.switches.select_schema("pg_catalog", options) {
            Some(statement) => self.write(&format!("{statement}\n\n")),
            None => Ok(()),
        }
    }

    /// Writes the comments of an archive that has them apart (before 1.12).
    fn large_object_comments(&mut self, entry: &TocEntry) -> Result<(), ScriptError> {
        self.begin_large_objects(entry)?;
        Ok(self.source.write_rows(entry, self.output)?)
    }

    fn large_objects(&mut self, entry: &TocEntry) -> Result<(), ScriptError> {
        self.begin_large_objects(entry)?;
        // Large objects are open only inside a transaction.
        let own_transaction = self.options.choices.transactions == Transactions::None;
        if own_transaction {
            self.write("BEGIN;\n\n")?;
        }
        let standard = self.has_standard_strings();
        let mut objects = LargeObjectScript::new(
            self.output,
            standard,
            self.options.creates_large_objects,
            self.options.choices.clean,
        );
        self.source.write_large_objects(entry, &mut objects)?;
        if own_transaction {
            self.write("COMMIT;\n\n")?;
        }
        Ok(())
    }

    /// Turns the triggers of a table off or on, where the script does not make them itself.
    fn switch_triggers(&mut self, entry: &TocEntry, word: &str) -> io::Result<()> {
        let choices = &self.options.choices;
        if !choices.disable_triggers || !self.options.without_schema {
            return Ok(());
        }
        let doing = if word == "DISABLE" { "disabling" } else { "enabling" };
        self.source.info(&format!("{doing} triggers for {}", entry.tag));
        self.become_user(choices.superuser.as_deref().unwrap_or_default())?;
        let quoting = self.options.quoting;
        let table = match &entry.namespace {
            Some(namespace) => quoting.qualified(namespace, &entry.tag),
            None => quoting.identifier(&entry.tag),
        };
        self.write(&format!("ALTER TABLE {table} {word} TRIGGER ALL;\n\n"))
    }

    fn become_owner(&mut self, entry: &TocEntry) -> io::Result<()> {
        if self.options.no_owner || !self.options.choices.session_authorization {
            return Ok(());
        }
        self.become_user(entry.owner.as_deref().unwrap_or_default())
    }

    /// Becomes somebody for the statements that follow, or whoever runs the script again.
    fn become_user(&mut self, user: &str) -> io::Result<()> {
        if self.user.as_deref() == Some(user) {
            return Ok(());
        }
        let value = match user {
            "" => "DEFAULT".to_owned(),
            _ => quote_literal(user, self.has_standard_strings()),
        };
        self.user = Some(user.to_owned());
        self.write(&format!("SET SESSION AUTHORIZATION {value};\n\n"))
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
        let (mut ids, mut place) = (String::new(), String::new());
        if self.options.choices.verbose {
            let catalog = entry.catalog_id;
            ids = format!(
                "-- TOC entry {} (class {} OID {})\n",
                entry.dump_id, catalog.class, catalog.oid
            );
            if !entry.dependencies.is_empty() {
                ids.push_str("-- Dependencies:");
                for dependency in &entry.dependencies {
                    ids.push_str(&format!(" {dependency}"));
                }
                ids.push('\n');
            }
            place = self.source.place(entry).map(|line| format!("{line}\n")).unwrap_or_default();
        }
        self.write(&format!(
            "--\n{ids}-- {prefix}Name: {}; Type: {}; Schema: {}; Owner: {owner}{tablespace}\n{place}--\n\n",
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
        match key.as_str() {
            "" => self.write(&format!("{connect}\n"))?,
            key => self.write(&format!("\\unrestrict {key}\n{connect}\\restrict {key}\n\n"))?,
        }
        self.switches.forget();
        self.user = None;
        self.settings()?;
        Ok(())
    }

    fn trailer(&mut self) -> io::Result<()> {
        let choices = &self.options.choices;
        if choices.transactions != Transactions::None {
            self.write("COMMIT;\n\n")?;
        }
        if choices.verbose
            && let Some(now) = self.source.now()
        {
            self.write(&format!("-- Completed on {now}\n\n"))?;
        }
        let unrestrict = match choices.restrict_key.as_str() {
            "" => String::new(),
            key => format!("\\unrestrict {key}\n\n"),
        };
        self.write(&format!("--\n-- PostgreSQL database dump complete\n--\n\n{unrestrict}"))
    }
}
