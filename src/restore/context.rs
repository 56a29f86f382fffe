//! What all connections of a restore share, and what they say of it to whoever follows.
//!
//! Nothing here talks to a server.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::data::Expected;
use super::large_objects;
use super::options::RestoreOptions;
use super::preflight::Target;
use super::report::IgnoredError;
use super::session::SessionSetup;
use super::split::Splits;
use crate::archive::ArchiveReader;
use crate::archive::large_object_text::{self, Command};
use crate::archive::selection::Marks;
use crate::archive::statements::{
    self, SwitchOptions, loads_via_partition_root, owner_statement, partitioned_access_method,
};
use crate::connect::{is_connection_lost, server_error};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{DumpId, TocEntry};
use crate::progress::{FailedPart, Interrupt, ProgressHandle};
use crate::sql::quote_identifier;

/// Rows of more bytes are not held in memory as a whole.
pub(super) const SMALL_BYTES: u64 = 256 * 1024;

/// What all connections of a restore share.
pub(super) struct Context {
    pub(super) archive: Arc<dyn ArchiveReader>,
    pub(super) options: RestoreOptions,
    pub(super) marks: Vec<Marks>,
    pub(super) setup: SessionSetup,
    pub(super) target: Target,
    pub(super) progress: ProgressHandle,
    pub(super) interrupt: Interrupt,
    pub(super) by_id: HashMap<DumpId, usize>,
    /// What the manifest says about the data of an entry.
    pub(super) expected: HashMap<DumpId, Expected>,
    pub(super) tables: Tables,
    pub(super) not_made: large_objects::NotMade,
    pub(super) splits: Splits,
    /// How many cores the server has, where connections have to share them.
    pub(super) server_cores: Option<usize>,
}

/// What became of the tables so far.
#[derive(Debug, Default)]
pub(super) struct Tables {
    created: Mutex<HashSet<usize>>,
    /// Tables that could not be created, and whether that is because they exist.
    failed: Mutex<HashMap<usize, bool>>,
    /// How many have their rows; also those count whose connection met an error afterwards.
    loaded: AtomicUsize,
}

impl Tables {
    pub(super) fn note_created(&self, item: usize) {
        lock(&self.created).insert(item);
    }

    pub(super) fn note_failed(&self, item: usize, exists: bool) {
        lock(&self.failed).insert(item, exists);
    }

    pub(super) fn note_loaded(&self) {
        self.loaded.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn loaded(&self) -> usize {
        self.loaded.load(Ordering::Relaxed)
    }

    pub(super) fn is_created(&self, item: usize) -> bool {
        lock(&self.created).contains(&item)
    }

    pub(super) fn failure(&self, item: usize) -> Option<bool> {
        lock(&self.failed).get(&item).copied()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere leaves a set of numbers as valid as it was.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Context {
    pub(super) fn entries(&self) -> &[TocEntry] {
        self.archive.entries()
    }

    pub(super) fn entry(&self, item: usize) -> &TocEntry {
        &self.archive.entries()[item]
    }

    /// Tells whether an entry's rows are few enough to be loaded together with those of other tables.
    pub(super) fn is_small(&self, entry: &TocEntry) -> bool {
        entry.holds_rows()
            && entry.copy_statement.is_some()
            && !loads_via_partition_root(entry)
            && self.data_bytes(entry) <= SMALL_BYTES
    }

    /// Returns the bytes of an entry's COPY text; without a manifest those in the archive, which are fewer.
    pub(super) fn data_bytes(&self, entry: &TocEntry) -> u64 {
        match self.expected.get(&entry.dump_id) {
            Some(expected) => expected.raw_bytes,
            None => self.archive.data_size(entry),
        }
    }

    pub(super) fn switch_options(&self) -> SwitchOptions {
        SwitchOptions {
            no_tablespaces: self.options.no_tablespaces,
            no_table_access_method: self.options.no_table_access_method,
            unqualified_definitions: !self.setup.has_search_path(),
            ..SwitchOptions::default()
        }
    }

    /// Returns the statements of an entry in the order they run.
    ///
    /// Giving an object to the user who has just made it can be left out: it changes nothing and costs as
    /// much as making the object.
    pub(super) fn statements(&self, item: usize, unneeded: Unneeded) -> Result<Vec<String>> {
        let entry = self.entry(item);
        let definition = statements::definition(entry, self.options.no_owner);
        if entry.desc == "BLOB METADATA" {
            let no_owner = self.options.no_owner || self.options.session_authorization;
            return Ok(large_objects::definitions(entry, no_owner));
        }
        if entry.desc == "ACL" && entry.tag.starts_with("LARGE OBJECTS") {
            let metadata = entry.dependencies.first().and_then(|id| self.by_id.get(id));
            if let Some(&metadata) = metadata {
                let oids = large_object_text::oids(&self.entry(metadata).definition);
                if let Some(commands) = large_object_text::privileges(&definition) {
                    let of_all = commands.iter().flat_map(|Command { before, after }| {
                        oids.iter().map(move |oid| format!("{before}{oid}{after};"))
                    });
                    return Ok(of_all.collect());
                }
            }
        }
        let mut list = Vec::new();
        let leaves_role = definition.contains("SESSION AUTHORIZATION");
        if !definition.trim().is_empty() {
            list.push(definition.into_owned());
        }
        if self.options.detach_subscriptions && entry.desc == "SUBSCRIPTION" {
            let name = quote_identifier(&entry.tag);
            // One message is one transaction: nobody ever sees the subscription with its slot.
            if let Some(definition) = list.last_mut() {
                definition.push_str(&format!("ALTER SUBSCRIPTION {name} DISABLE;\n"));
                definition
                    .push_str(&format!("ALTER SUBSCRIPTION {name} SET (slot_name = NONE);\n"));
            }
        }
        if leaves_role && let Some(role) = &self.options.role {
            // Grants in the name of others end with a reset that takes the role of --role along.
            list.push(format!("SET ROLE {};", quote_identifier(role)));
        }
        // A comment stands for a schema that exists already; nobody has made it as its owner.
        let made_by_owner = self.options.session_authorization
            && !(entry.desc == "SCHEMA" && entry.definition.starts_with("--"));
        if !self.options.no_owner && !made_by_owner {
            let owner = owner_statement(entry).map_err(|error| {
                Error::new(ErrorKind::Archive, format!("could not restore {}", entry.describe()))
                    .with_source(error)
            })?;
            let is_ours = entry.owner.as_deref() == Some(self.target.user.as_str());
            let is_new = list.first().is_some_and(|sql| sql.trim_start().starts_with("CREATE "));
            if let Some(owner) =
                owner.filter(|_| unneeded == Unneeded::Kept || !(is_ours && is_new))
            {
                list.push(owner);
            }
        }
        if !self.options.no_table_access_method
            && self.target.version.has_partitioned_access_method()
            && let Some(method) = partitioned_access_method(entry)
        {
            list.push(method);
        }
        Ok(list)
    }

    /// Reports what failed and returns it for the final report.
    pub(super) fn tell(
        &self,
        entry: &TocEntry,
        part: FailedPart,
        statement: &str,
        error: &Error,
    ) -> IgnoredError {
        IgnoredError::tell(entry, part, statement, error, &*self.progress)
    }

    /// Tells of a statement whose error ends the run, to those who are used to hear it at once: elsewhere
    /// the error itself says it all.
    pub(super) fn tell_fatal(
        &self,
        entry: &TocEntry,
        part: FailedPart,
        statement: &str,
        error: &Error,
    ) {
        if self.options.is_stock() && server_error(error).is_some() {
            self.tell(entry, part, statement, error);
        }
    }

    /// Tells what is being done to an entry, in the words of `pg_restore`.
    pub(super) fn narrate(&self, entry: &TocEntry) {
        let marks = self.by_id.get(&entry.dump_id).map(|&item| self.marks[item]);
        let name = match &entry.namespace {
            Some(namespace) => format!("\"{namespace}.{}\"", entry.tag),
            None => format!("\"{}\"", entry.tag),
        };
        match marks {
            Some(marks) if marks.schema => {
                self.progress.info(&format!("creating {} {name}", entry.desc));
            }
            Some(marks) if marks.data && !entry.has_data => {
                self.progress.info(&format!("executing {} {}", entry.desc, entry.tag));
            }
            Some(marks) if marks.data && !entry.holds_rows() => {
                self.progress.info(&format!("processing {}", entry.desc));
            }
            Some(marks) if marks.data => {
                self.progress.info(&format!("processing data for table {name}"));
            }
            _ => {}
        }
    }

    /// Tells that the rows of a table are left out, because it could not be created.
    pub(super) fn tell_no_data(&self, entry: &TocEntry) {
        if matches!(entry.desc.as_str(), "TABLE" | "TABLE DATA") {
            self.progress.info(&format!(
                "table \"{}\" could not be created, will not restore its data",
                entry.tag
            ));
        }
    }

    /// Tells whether an error ends the run whatever the options say.
    pub(super) fn is_fatal(&self, error: &Error) -> bool {
        self.options.stops_at_first_error()
            || self.interrupt.is_set()
            || is_connection_lost(error)
            || !matches!(error.kind(), ErrorKind::Server | ErrorKind::Locked | ErrorKind::Archive)
    }
}

/// What becomes of statements that change nothing when those before them succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unneeded {
    LeftOut,
    /// They are run, for the errors they give when something has failed.
    Kept,
}
