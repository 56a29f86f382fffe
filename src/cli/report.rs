//! The closing reports for people: what was done, how much of it, how long it took.

use std::time::Duration;

use super::progress::{bytes, count, visible};
use crate::clone::CloneReport;
use crate::dump::{ClusterDumpReport, DumpReport};
use crate::restore::script::ScriptReport;
use crate::restore::{ClusterRestoreReport, RestoreReport, SequenceFinding};
use crate::sql::qualified;
use crate::vault::drill::DrillReport;
use crate::vault::managed::{ManagedReport, Outcome, Proof};
use crate::verify::VerifyReport;

/// More findings than this are counted: the first ones tell what happened, and `--json` has all.
const MOST_FINDINGS: usize = 50;

/// A report in lines of a name and a value.
pub(super) struct Lines(pub(super) String);

impl Lines {
    pub(super) fn new(title: &str) -> Self {
        let mut lines = Lines(String::new());
        lines.title(title);
        lines
    }

    /// Begins a part with a title of its own.
    pub(super) fn title(&mut self, title: &str) {
        self.0 += &format!("{}\n", visible(title));
    }

    pub(super) fn line(&mut self, name: &str, value: &str) {
        self.0 += &format!("  {name:<10} {}\n", visible(value));
    }
}

/// Returns the report of a dump.
pub(super) fn dumped(report: &DumpReport) -> String {
    let mut lines = Lines::new(&format!(
        "dumped {} to {} in {}",
        report.database,
        report.output,
        seconds(report.elapsed)
    ));
    lines.line("entries", &count(report.entries as u64));
    lines.line("tables", &count(report.tables.len() as u64));
    lines.line("rows", &count(report.rows));
    lines.line("data", &stored(report.raw_bytes, report.stored_bytes));
    let objects = report.large_objects;
    if objects.objects > 0 {
        let size = stored(objects.raw_bytes, objects.stored_bytes);
        lines.line("large", &format!("{} objects, {size}", count(objects.objects)));
    }
    lines.line("speed", &speed(report.raw_bytes + objects.raw_bytes, report.elapsed));
    if let Some(table) = report.slowest_table() {
        let name = qualified(&table.schema, &table.name);
        lines.line("slowest", &format!("{name} ({})", seconds(table.reading)));
    }
    if report.restarts > 0 {
        let again = format!("{} after a lost connection", count(report.restarts));
        lines.line("repeated", &again);
    }
    if report.yielded > 0 {
        let number = count(report.yielded);
        lines.line("yielded", &format!("{number} pieces whose tables somebody waits to change"));
    }
    lines.0
}

/// Returns the report of a dump of a whole server.
pub(super) fn dumped_cluster(report: &ClusterDumpReport) -> String {
    let databases = &report.databases;
    let mut lines = Lines::new(&format!(
        "dumped {} databases to {} in {}",
        databases.len(),
        report.output,
        seconds(report.elapsed)
    ));
    let all = |amount: fn(&DumpReport) -> u64| databases.iter().map(amount).sum::<u64>();
    lines.line("tables", &count(all(|database| database.tables.len() as u64)));
    lines.line("rows", &count(all(|database| database.rows)));
    let (raw, kept) = (all(|database| database.raw_bytes), all(|database| database.stored_bytes));
    lines.line("data", &stored(raw, kept));
    let passwords = if report.passwords { "in globals.sql" } else { "not dumped" };
    lines.line("passwords", passwords);
    for database in databases {
        let rows = format!("{} ({} rows)", database.database, count(database.rows));
        lines.line("database", &rows);
    }
    lines.0
}

/// Returns the report of a restore of a whole server.
pub(super) fn restored_cluster(report: &ClusterRestoreReport) -> String {
    let databases = &report.databases;
    let title = format!("restored {} databases in {}", databases.len(), seconds(report.time));
    let mut lines = Lines::new(&title);
    lines.line("globals", &format!("{} statements", count(report.globals)));
    for existing in report.existing.iter().take(MOST_FINDINGS) {
        lines.line("note", &format!("{existing} exists already and is left as it is"));
    }
    for database in databases {
        let rows = format!("{} ({} rows)", database.database, count(database.rows));
        lines.line("database", &rows);
    }
    let ignored = databases.iter().flat_map(|database| {
        database.ignored.iter().map(|error| (Some(&database.database), error))
    });
    let all: Vec<_> = report.ignored.iter().map(|error| (None, error)).chain(ignored).collect();
    for (database, error) in all.iter().take(MOST_FINDINGS) {
        let place = database.map(|name| format!("{name}: ")).unwrap_or_default();
        lines.line("error", &format!("{place}{}: {}", error.entry, error.message));
    }
    more(&mut lines, all.len());
    lines.0
}

/// Returns the report of a restore.
pub(super) fn restored(report: &RestoreReport) -> String {
    let mut lines =
        Lines::new(&format!("restored into {} in {}", report.database, seconds(report.time)));
    made(&mut lines, report);
    lines.line("data", &stored(report.bytes, report.stored_bytes));
    lines.line("speed", &speed(report.bytes, report.time));
    if let Some(table) = report.slowest_table() {
        lines.line("slowest", &format!("{} ({})", table.table, seconds(table.time)));
    }
    if report.analyzed > 0 {
        lines.line("analyzed", &format!("{} tables", count(report.analyzed)));
    }
    let proof = match report.checked {
        true => compared(report.tables.len(), report.wanted_tables),
        false => "none: the archive has no manifest".to_owned(),
    };
    lines.line("proof", &proof);
    sequences(&mut lines, &report.sequences);
    ignored(&mut lines, report);
    lines.0
}

/// Returns the report of a managed restore, or of what became of an earlier one.
pub(super) fn replaced(report: &ManagedReport) -> String {
    let database = &report.database;
    let title = match report.outcome {
        Outcome::Restored => format!("restored the database {database}"),
        Outcome::RolledBack => format!("the database {database} is the old one again"),
        Outcome::GivenUp => format!("gave up the restore of the database {database}"),
    };
    let mut lines = Lines::new(&format!("{title} in {}", seconds(report.time)));
    lines.line("restore", &report.id);
    lines.line("backup", &report.backup);
    if report.outcome == Outcome::GivenUp {
        lines.line("database", "as it was; what was restored beside it is dropped");
    }
    if !report.tables.is_empty() {
        lines.line("tables", &count(report.tables.len() as u64));
        lines.line("rows", &count(report.rows));
    }
    if let Some(proof) = &report.proof {
        prove(&mut lines, proof);
    }
    if let Some(lsn) = &report.lsn {
        lines.line("contains", &format!("everything up to {lsn} of its server's log"));
    }
    if let Some(bytes_since) = report.written_since {
        lines.line("since", &format!("{} of log, of all databases together", bytes(bytes_since)));
    }
    match report.rows_written_meanwhile {
        Some(0) => {
            lines.line("meanwhile", "the counters of the old database tell of no row written")
        }
        Some(written) => lines.line(
            "meanwhile",
            &format!("about {written} rows were written in the old database; they are there alone"),
        ),
        None => {}
    }
    if report.sessions_ended > 0 {
        lines.line("ended", &format!("{} sessions", report.sessions_ended));
    }
    for subscription in &report.detached_subscriptions {
        lines.line(
            "detached",
            &format!("subscription {subscription}: disabled, and without its slot"),
        );
    }
    if let Some(kept) = &report.kept {
        lines.line("kept", kept);
        let until = report.kept_until.map_or_else(String::new, |until| {
            format!(" until {}, then dropped by a later run", until.format("%Y-%m-%d %H:%M UTC"))
        });
        lines.line("", &format!("closed for connections{until}"));
    }
    for dropped in &report.dropped {
        lines.line("dropped", dropped);
    }
    for note in &report.notes {
        lines.line("note", note);
    }
    if let (Outcome::RolledBack, Some(undone)) = (report.outcome, &report.kept) {
        lines.line("note", &format!("rows written since the restore are in {undone} alone"));
    }
    if report.outcome == Outcome::Restored && report.kept.is_some() {
        lines.line("undo", &format!("pgark restore --rollback={}", report.id));
    }
    lines.0
}

/// Returns the report of a drill.
pub(super) fn drilled(report: &DrillReport) -> String {
    let title = format!("drilled {} in {}", report.database, seconds(report.time));
    let mut lines = Lines::new(&title);
    lines.line("drill", &report.id);
    lines.line("backup", &report.backup);
    lines.line("server", &format!("{} (PostgreSQL {})", report.server, report.server_version));
    lines.line("recovery", &format!("{} until the database was there", seconds(report.recovery)));
    prove(&mut lines, &report.proof);
    let keys = match report.foreign_keys {
        1 => "one foreign key holds".to_owned(),
        keys => format!("{} foreign keys hold", count(keys)),
    };
    lines.line("keys", &keys);
    if report.checks > 0 {
        lines.line("checks", &format!("{} are true", count(report.checks)));
    }
    for note in report.notes.iter().take(MOST_FINDINGS) {
        lines.line("note", note);
    }
    for swept in &report.swept {
        lines.line("removed", &format!("{swept}, of an earlier drill"));
    }
    lines.0
}

fn prove(lines: &mut Lines, proof: &Proof) {
    if !proof.compared {
        lines.line("proof", "every statement succeeded; the archive has no manifest");
        return;
    }
    let (tables, rows) = (count(proof.tables), count(proof.rows));
    let tables =
        if proof.tables == 1 { "one table".to_owned() } else { format!("{tables} tables") };
    lines.line("proof", &format!("{rows} rows in {tables} are equal to the backup"));
    let definitions = format!("{} definitions too, and every sequence", count(proof.definitions));
    lines.line("", &definitions);
    for note in proof.notes.iter().take(MOST_FINDINGS) {
        lines.line("note", note);
    }
}

fn made(lines: &mut Lines, report: &RestoreReport) {
    lines.line("entries", &count(report.entries));
    lines.line("tables", &count(report.tables.len() as u64));
    lines.line("rows", &count(report.rows));
    if report.large_objects > 0 {
        lines.line("large", &format!("{} objects", count(report.large_objects)));
    }
}

fn ignored(lines: &mut Lines, report: &RestoreReport) {
    for ignored in report.ignored.iter().take(MOST_FINDINGS) {
        lines.line("error", &format!("{}: {}", ignored.entry, ignored.message));
    }
    more(lines, report.ignored.len());
}

fn sequences(lines: &mut Lines, findings: &[SequenceFinding]) {
    for finding in findings {
        let moved = if finding.moved { "moved" } else { "not moved" };
        lines.line(
            "sequence",
            &format!(
                "{} would have given {}, {} holds {}: {moved}",
                finding.sequence, finding.next_value, finding.column, finding.column_value
            ),
        );
    }
}

/// Returns the report of a clone.
pub(super) fn cloned(report: &CloneReport) -> String {
    let restored = &report.restored;
    let title = format!(
        "cloned {} into {} in {}",
        report.source,
        restored.database,
        seconds(report.elapsed)
    );
    let mut lines = Lines::new(&title);
    made(&mut lines, restored);
    lines.line("data", &bytes(restored.bytes));
    lines.line("speed", &speed(restored.bytes, report.moved));
    let proof = match &report.proof {
        None if restored.ignored.is_empty() => "not asked for".to_owned(),
        None => "none: not everything could be restored".to_owned(),
        Some(proof) if proof.is_sound() => format!("equal in {}", compared_parts(proof)),
        Some(_) => "both differ".to_owned(),
    };
    lines.line("proof", &proof);
    if let Some(proof) = &report.proof {
        findings(&mut lines, proof);
    }
    ignored(&mut lines, restored);
    lines.0
}

/// Returns the report of a script's restore.
pub(super) fn script_restored(report: &ScriptReport) -> String {
    let into = report.databases.join(", ");
    let mut lines =
        Lines::new(&format!("ran {} into {into} in {}", report.script, seconds(report.time)));
    lines.line("statements", &count(report.statements));
    if report.skipped > 0 {
        lines.line("left out", &count(report.skipped));
    }
    lines.line("tables", &count(report.tables.len() as u64));
    lines.line("rows", &count(report.rows));
    lines.line("text", &stored(report.text_bytes, report.stored_bytes));
    lines.line("speed", &speed(report.text_bytes, report.time));
    if let Some(table) = report.slowest_table() {
        lines.line("slowest", &format!("{} ({})", table.table, seconds(table.time)));
    }
    if report.analyzed > 0 {
        let plural = if report.analyzed == 1 { "database" } else { "databases" };
        lines.line("analyzed", &format!("{} {plural}", count(report.analyzed)));
    }
    lines.line("proof", &script_proof(report));
    sequences(&mut lines, &report.sequences);
    for ignored in report.ignored.iter().take(MOST_FINDINGS) {
        lines.line("error", &format!("line {}: {}", ignored.line, ignored.message));
    }
    more(&mut lines, report.errors as usize);
    lines.0
}

/// Returns what a manifest or a checksum beside a script has proved.
fn script_proof(report: &ScriptReport) -> String {
    let ScriptReport { expected_tables, proved_tables, checksum_fits, .. } = *report;
    match (expected_tables, checksum_fits) {
        (0, false) => "none: no manifest lies beside the script".to_owned(),
        (0, true) => "the script has the checksum beside it".to_owned(),
        (all, _) => compared(proved_tables, all),
    }
}

/// Returns of how many tables the rows were compared with the manifest.
fn compared(proved: usize, all: usize) -> String {
    let what = "rows and fingerprints equal the manifest's";
    match proved == all {
        true => what.to_owned(),
        false => {
            format!("{what} for {} of {} tables", count(proved as u64), count(all as u64))
        }
    }
}

/// Returns the report of a verification.
pub(super) fn verified(report: &VerifyReport, compared: bool) -> String {
    let verdict = match (report.is_sound(), compared) {
        (true, false) => "the archive is whole",
        (true, true) => "the archive is whole and the database equal to it",
        (false, false) => "the archive is damaged",
        (false, true) => "the archive and the database are not equal",
    };
    let mut lines = Lines::new(&format!("{verdict} ({})", seconds(report.elapsed)));
    lines.line("tables", &count(report.data_entries));
    if report.rows > 0 {
        lines.line("rows", &count(report.rows));
    }
    if report.large_objects > 0 {
        lines.line("large", &format!("{} objects", count(report.large_objects)));
    }
    lines.line("read", &bytes(report.stored_bytes));
    if compared {
        lines.line("compared", &compared_parts(report));
    }
    findings(&mut lines, report);
    lines.0
}

fn compared_parts(report: &VerifyReport) -> String {
    format!(
        "{} definitions, {} tables, {} rows of the database",
        count(report.definitions_compared),
        count(report.tables_compared),
        count(report.live_rows)
    )
}

fn findings(lines: &mut Lines, report: &VerifyReport) {
    for note in &report.notes {
        lines.line("note", &note.to_string());
    }
    for finding in report.findings.iter().take(MOST_FINDINGS) {
        lines.line("finding", &finding.to_string());
    }
    more(lines, report.findings.len());
}

fn more(lines: &mut Lines, all: usize) {
    if all > MOST_FINDINGS {
        lines.line("", &format!("... and {} more", all - MOST_FINDINGS));
    }
}

fn stored(raw: u64, stored: u64) -> String {
    let mut text = format!("{} of text, {} stored", bytes(raw), bytes(stored));
    if raw > 0 {
        text += &format!(" ({:.0}%)", stored as f64 / raw as f64 * 100.0);
    }
    text
}

fn speed(bytes_read: u64, elapsed: Duration) -> String {
    let seconds = elapsed.as_secs_f64().max(0.001);
    format!("{}/s", bytes((bytes_read as f64 / seconds) as u64))
}

pub(super) fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}
