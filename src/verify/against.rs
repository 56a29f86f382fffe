//! The archive against a live database: schema, rows, sequences.
//!
//! The live side is read as a dump reads it: locks before the snapshot, one snapshot for all
//! connections, the settings that the archive was written with. Rows are compared by count and by a sum
//! of hashes that does not depend on their order, so a restore may store them in any order.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use super::large_objects;
use super::recorded::Recorded;
use super::report::{Finding, VerifyReport};
use crate::archive::{
    Manifest, ManifestData, SchemaComparison, SchemaDifference, SchemaFingerprint,
};
use crate::catalog::{Keeper, KeeperOptions, open_foreign_tables};
use crate::codec::{Fingerprint, RowHasher};
use crate::connect::{ConnectParams, Session, server_error};
use crate::ddl;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Database, Kind};
use crate::order;
use crate::progress::{Interrupt, ProgressHandle};
use crate::sql::{qualified, quote_identifier, quote_literal_for_server};

/// How the comparison is made.
pub(super) struct Comparison<'a> {
    pub(super) manifest: &'a Manifest,
    /// The root that the rows of a data entry are loaded through, for entries that have one.
    pub(super) roots: BTreeMap<i32, String>,
    pub(super) params: &'a ConnectParams,
    pub(super) jobs: usize,
    pub(super) lock_wait_timeout: Option<String>,
    pub(super) schema: SchemaComparison,
    /// Whether a subscription must be defined as in the archive.
    pub(super) subscriptions: bool,
    pub(super) progress: &'a ProgressHandle,
    pub(super) interrupt: &'a Interrupt,
}

impl Comparison<'_> {
    /// Compares and adds what differs to the report.
    pub(super) async fn run(&self, report: &mut VerifyReport) -> Result<()> {
        let recorded = self.recorded_settings(report).await?;
        let keeper = self.open(recorded).await?;
        self.note_version(&keeper.database, report);
        // A dump of rows alone has no definitions to compare.
        if !self.manifest.schema.items.is_empty() {
            self.compare_schema(&keeper.database, report)?;
        }
        self.compare_sequences(&keeper.database, report);
        self.compare_rows(&keeper, report).await?;
        large_objects::compare(self, &keeper, report).await?;
        keeper.session.close().await;
        Ok(())
    }

    /// Returns the settings of the archive's own session that are not pinned in every session: the
    /// encoding, the form of strings in definitions, and the form of money.
    ///
    /// The locale of money values may be missing on the server; then money columns may look different
    /// without being so, which is said.
    async fn recorded_settings(
        &self,
        report: &mut VerifyReport,
    ) -> Result<BTreeMap<String, String>> {
        /// What every server can be told.
        const KNOWN: [&str; 2] = ["client_encoding", "standard_conforming_strings"];
        const NAME: &str = "lc_monetary";
        let mut recorded = BTreeMap::new();
        for name in KNOWN {
            if let Some(value) = self.manifest.settings.get(name) {
                recorded.insert(name.to_owned(), value.clone());
            }
        }
        let Some(value) = self.manifest.settings.get(NAME) else { return Ok(recorded) };
        let session = Session::connect(self.params).await?;
        let sql = format!("set {NAME} to {}", quote_literal_for_server(value));
        match session.execute("use the archive's money format", &sql).await {
            Ok(()) => {
                recorded.insert(NAME.to_owned(), value.clone());
            }
            Err(error) if error.kind() == ErrorKind::Server => report.notes.push(Finding::new(
                NAME,
                format!(
                    "the server does not know {value}: columns of type money may seem to differ"
                ),
            )),
            Err(error) => return Err(error),
        }
        session.close().await;
        Ok(recorded)
    }

    fn recorded(&self) -> Recorded<'_> {
        Recorded(self.manifest)
    }

    async fn open(&self, recorded: BTreeMap<String, String>) -> Result<Keeper> {
        let options = KeeperOptions {
            settings: self.recorded().settings(recorded),
            lock_wait_timeout: self.lock_wait_timeout.clone(),
            request: self.recorded().selection()?,
            catalog: self.recorded().catalog(self.schema.privileges),
            interrupt: self.interrupt.clone(),
            ..KeeperOptions::default()
        };
        Keeper::open(self.params, &options, self.progress).await
    }

    /// Servers of different majors print some definitions differently; that is said rather than hidden.
    fn note_version(&self, live: &Database, report: &mut VerifyReport) {
        let archived = self.manifest.server_version_num / 10_000;
        let live = live.facts.version.major();
        if archived != live {
            report.notes.push(Finding::new(
                "server version",
                format!(
                    "the archive is from major {archived}, the database is on {live}: definitions may \
                     differ in wording without differing in meaning"
                ),
            ));
        }
    }

    fn compare_schema(&self, live: &Database, report: &mut VerifyReport) -> Result<()> {
        let mut sorted = live.clone();
        let order =
            order::sort(&mut sorted, &mut |warning| self.progress.info(&warning.to_string()));
        let options = self.recorded().ddl(self.schema.privileges);
        let entries = self.recorded().in_sections(ddl::entries(&sorted, &order, &options)?);
        let theirs = SchemaFingerprint::of(&entries);
        report.definitions_compared = self.manifest.schema.items.len() as u64;
        let same_major = self.manifest.server_version_num / 10_000 == live.facts.version.major();
        for (item, difference) in self.manifest.schema.differences(&theirs, self.schema) {
            let detached = item.desc == "SUBSCRIPTION" && !self.subscriptions;
            if detached && difference == SchemaDifference::Definition {
                continue;
            }
            let name = match item.namespace.as_str() {
                "" => quote_identifier(&item.tag),
                namespace => format!("{}.{}", quote_identifier(namespace), item.tag),
            };
            let what = match difference {
                SchemaDifference::Missing => "is in the archive and not in the database".to_owned(),
                SchemaDifference::Extra => "is in the database and not in the archive".to_owned(),
                SchemaDifference::Definition if same_major => "is defined differently".to_owned(),
                SchemaDifference::Definition => {
                    "is worded differently; the major versions differ".to_owned()
                }
                SchemaDifference::Owner => format!("has another owner than {}", item.owner),
            };
            let finding = Finding::new(format!("{} {name}", item.desc.to_lowercase()), what);
            // What only the version explains is not proof of a difference.
            if !same_major && difference == SchemaDifference::Definition {
                report.notes.push(finding);
            } else {
                report.findings.push(finding);
            }
        }
        Ok(())
    }

    fn compare_sequences(&self, live: &Database, report: &mut VerifyReport) {
        let found: HashMap<(&str, &str), _> = live
            .objects()
            .iter()
            .filter_map(|object| match &object.kind {
                Kind::Table(table) => table.sequence.as_ref().map(|sequence| {
                    ((object.schema.as_deref().unwrap_or(""), object.name.as_str()), sequence)
                }),
                _ => None,
            })
            .collect();
        for archived in &self.manifest.sequences {
            let subject = format!("sequence {}", qualified(&archived.schema, &archived.name));
            let Some(sequence) = found.get(&(archived.schema.as_str(), archived.name.as_str()))
            else {
                report.findings.push(Finding::new(subject, "does not exist in the database"));
                continue;
            };
            let Some((last, called)) = sequence.value else {
                report
                    .findings
                    .push(Finding::new(subject, "has no readable value in the database"));
                continue;
            };
            if (last, called) == (archived.last_value, archived.is_called) {
                continue;
            }
            let step = sequence.increment;
            let next =
                |value: i64, called: bool| if called { value.saturating_add(step) } else { value };
            let (live, ours) = (next(last, called), next(archived.last_value, archived.is_called));
            let ahead = if step < 0 { live <= ours } else { live >= ours };
            let what = format!(
                "stands at {last} (called: {called}) in the database, at {} (called: {}) in the archive",
                archived.last_value, archived.is_called
            );
            if ahead && !sequence.cycle {
                report.notes.push(Finding::new(
                    subject,
                    format!("{what}; ahead is right for a database in use"),
                ));
            } else {
                report.findings.push(Finding::new(subject, what));
            }
        }
    }

    /// Reads every table of the archive on all connections and compares count and fingerprint.
    async fn compare_rows(&self, keeper: &Keeper, report: &mut VerifyReport) -> Result<()> {
        let mut tables: Vec<&ManifestData> = self.manifest.data.iter().collect();
        // Largest first, so that the last one does not keep the others waiting.
        tables.sort_by_key(|table| std::cmp::Reverse(table.raw_bytes));
        let total = tables.iter().map(|table| table.raw_bytes).sum();
        self.progress.phase("comparing rows", tables.len() as u64, total);
        let queue: Arc<Mutex<VecDeque<&ManifestData>>> = Arc::new(Mutex::new(tables.into()));
        let workers = (0..self.jobs.max(1)).map(|_| self.read_tables(keeper, queue.clone()));
        let mut live: BTreeMap<i32, LiveRows> = BTreeMap::new();
        for read in futures::future::try_join_all(workers).await? {
            live.extend(read);
        }
        report.tables_compared = live.len() as u64;
        self.judge(&live, report);
        Ok(())
    }

    async fn read_tables(
        &self,
        keeper: &Keeper,
        queue: Arc<Mutex<VecDeque<&ManifestData>>>,
    ) -> Result<Vec<(i32, LiveRows)>> {
        let mut session = keeper.recipe.join(&keeper.identity, &keeper.snapshot).await?;
        if !self.recorded().selection()?.foreign_servers.is_empty() {
            open_foreign_tables(&session, true).await?;
        }
        let mut results = Vec::new();
        loop {
            let next = match queue.lock() {
                Ok(mut queue) => queue.pop_front(),
                Err(_) => None,
            };
            let Some(table) = next else { break };
            results.push((table.dump_id, self.read_table(&mut session, table).await?));
        }
        session.close().await;
        Ok(results)
    }

    async fn read_table(&self, session: &mut Session, table: &ManifestData) -> Result<LiveRows> {
        let name = qualified(&table.schema, &table.table);
        self.progress.started(&name, table.raw_bytes);
        session.execute("set a savepoint", "savepoint pgark_table").await?;
        let read = self.copy(session, table, &name).await;
        let rows = match read {
            Ok(fingerprint) => {
                session.execute("release the savepoint", "release savepoint pgark_table").await?;
                LiveRows::Read(fingerprint)
            }
            Err(error) if error.kind() == ErrorKind::Server => {
                session.execute("go back", "rollback to savepoint pgark_table").await?;
                let message = server_error(&error).map(|error| error.message.clone());
                LiveRows::Unreadable(message.unwrap_or_else(|| error.to_string()))
            }
            Err(error) => return Err(error),
        };
        self.progress.finished(&name);
        Ok(rows)
    }

    async fn copy(
        &self,
        session: &mut Session,
        table: &ManifestData,
        name: &str,
    ) -> Result<Fingerprint> {
        let columns: Vec<String> =
            table.columns.iter().map(|column| quote_identifier(column)).collect();
        let columns = columns.join(", ");
        let far = !self.recorded().selection()?.foreign_servers.is_empty();
        let sql = if far && table.filter.is_empty() {
            // Which of the tables are foreign is not recorded, and this reads both kinds.
            let list = if columns.is_empty() { "*" } else { &columns };
            format!("copy (select {list} from only {name}) to stdout")
        } else if !table.filter.is_empty() {
            let list = if columns.is_empty() { "*" } else { &columns };
            format!("copy (select {list} from {name} {}) to stdout", table.filter)
        } else if columns.is_empty() {
            format!("copy {name} to stdout")
        } else {
            format!("copy {name} ({columns}) to stdout")
        };
        let mut hasher = RowHasher::new();
        let mut copy = session.copy_out(&format!("read the rows of {name}"), &sql).await?;
        while let Some(chunk) = copy.next().await? {
            self.interrupt.check()?;
            let before = hasher.rows();
            hasher.feed(&chunk);
            self.progress.advanced(name, chunk.len() as u64, hasher.rows() - before);
        }
        Ok(hasher.finish())
    }

    /// Compares what was read with what the archive holds.
    ///
    /// Rows that are loaded through the root of a partitioned table may lie in another partition than
    /// in the source, so the partitions of such a root are compared together.
    fn judge(&self, live: &BTreeMap<i32, LiveRows>, report: &mut VerifyReport) {
        let mut roots: BTreeMap<&str, (Fingerprint, Fingerprint)> = BTreeMap::new();
        for table in &self.manifest.data {
            let subject = format!("table {}", qualified(&table.schema, &table.table));
            let found = match live.get(&table.dump_id) {
                Some(LiveRows::Read(found)) => *found,
                Some(LiveRows::Unreadable(why)) => {
                    report.findings.push(Finding::new(subject, format!("cannot be read: {why}")));
                    continue;
                }
                None => {
                    report.findings.push(Finding::new(subject, "was not compared"));
                    continue;
                }
            };
            report.live_rows += found.rows;
            if let Some(root) = self.roots.get(&table.dump_id) {
                let (ours, theirs) = roots.entry(root.as_str()).or_default();
                ours.merge(table.fingerprint);
                theirs.merge(found);
            } else {
                compare(subject, table.fingerprint, found, report);
            }
        }
        for (root, (ours, theirs)) in roots {
            compare(format!("partitioned table {root}"), ours, theirs, report);
        }
    }
}

/// What reading a live table gave.
enum LiveRows {
    Read(Fingerprint),
    Unreadable(String),
}

fn compare(subject: String, archived: Fingerprint, live: Fingerprint, report: &mut VerifyReport) {
    if archived == live {
        return;
    }
    let what = if archived.rows == live.rows {
        format!("its {} rows differ in content", archived.rows)
    } else {
        format!("has {} rows in the archive and {} in the database", archived.rows, live.rows)
    };
    report.findings.push(Finding::new(subject, what));
}

/// Returns the error for an archive that cannot be compared with anything.
pub(super) fn no_manifest() -> Error {
    Error::new(
        ErrorKind::Refused,
        "the archive has no manifest, so there is nothing to compare the database with",
    )
    .with_hint("archives made by \"pgark dump\" have one; restore this one and dump it with pgark")
}
