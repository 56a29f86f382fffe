//! The reports of the backup manager for people.

use crate::cli::progress::{bytes, count, visible};
use crate::cli::report::{Lines, seconds};
use crate::vault::backup::{BackupReport, MadeBackup};
use crate::vault::check::CheckedBackup;
use crate::vault::prune::{PrunePlan, PruneReport, PrunedBackup};
use crate::vault::retention::{Reason, Verdict};
use crate::vault::status::{DatabaseStatus, Status};
use crate::vault::{BackupSummary, Proof, Unreadable};

/// Lists of what expired, and of findings, are cut after so many lines; `--json` has all.
const MOST_LINES: usize = 20;

/// Returns the report of a run of backups.
pub(super) fn made(report: &BackupReport) -> String {
    let mut lines = Lines(String::new());
    for backup in &report.backups {
        one_made(&mut lines, backup);
    }
    for failed in &report.failed {
        lines.title(&format!("no backup of {}", failed.database));
        lines.line("error", &failed.message);
    }
    lines.0
}

fn one_made(lines: &mut Lines, backup: &MadeBackup) {
    let record = &backup.record;
    let database = &record.source.database;
    let kind = record.backup_type;
    lines.title(&format!("{kind} backup of {database} in {}", seconds(backup.elapsed)));
    lines.line("id", &record.id.to_string());
    lines.line("folder", &backup.folder.display().to_string());
    let roles = if record.globals_sha256.is_some() { ", with roles" } else { "" };
    lines.line(
        "size",
        &format!("{} of text in {}{roles}", bytes(record.raw_bytes), bytes(record.stored_bytes)),
    );
    lines.line("rows", &format!("{} in {}", count(record.rows), tables(record.tables)));
    if !record.excluded.is_empty() {
        lines.line("without", &record.excluded.to_string());
    }
    let proof = match record.proof {
        Proof::None => format!("none: run \"pgark verify {}\"", record.id),
        _ => format!("every byte read again in {}", seconds(backup.verifying)),
    };
    lines.line("proof", &proof);
    if let Some(hold) = &record.hold {
        lines.line("held", hold);
    }
    for warning in &record.warnings {
        lines.line("warning", warning);
    }
    let (done, advice) = match backup.expired_are_dropped {
        true => ("dropped", ""),
        false => ("expired", "; \"pgark prune --apply\" drops it"),
    };
    for expired in backup.expired.iter().take(MOST_LINES) {
        lines.line(done, &format!("{} ({}){advice}", expired.decision.id, reasons(expired)));
    }
    more(lines, backup.expired.len());
    if let Some(why) = &backup.not_dropped {
        lines.line("", &format!("none was dropped: {why}"));
    }
    lines.line("kept", &format!("{} of {database}", backups(backup.kept as u64)));
}

/// Returns a list of backups.
pub(super) fn listed(
    summaries: &[BackupSummary],
    unreadable: &[Unreadable],
    place: &str,
) -> String {
    let total = summaries.iter().map(|backup| backup.stored_bytes).sum();
    let number = backups(summaries.len() as u64);
    let mut text = format!("{} in {}, {}\n", number, visible(place), bytes(total));
    let width = summaries.iter().map(|backup| backup.id.to_string().len()).max().unwrap_or(0);
    if width > 0 {
        text += &format!("  {:<width$}  {:>6}  {:>9}  PROOF\n", "ID", "AGE", "SIZE");
    }
    for backup in summaries {
        let proof = if backup.damaged { "damaged".to_owned() } else { backup.proof.to_string() };
        let line = format!(
            "  {:<width$}  {:>6}  {:>9}  {proof}",
            backup.id,
            age(backup.age_seconds),
            bytes(backup.stored_bytes),
        );
        text += &line;
        text.push('\n');
        if !backup.excluded.is_empty() {
            text += &format!("    without {}\n", visible(&backup.excluded.to_string()));
        }
        if let Some(why) = &backup.hold {
            text += &format!("    held: {}\n", visible(why));
        }
    }
    text + &broken(unreadable)
}

fn broken(unreadable: &[Unreadable]) -> String {
    let line = |broken: &Unreadable| {
        format!(
            "  unreadable {}: {}\n",
            visible(&broken.path.display().to_string()),
            visible(&broken.what)
        )
    };
    unreadable.iter().map(line).collect()
}

/// Returns how a repository stands.
pub(super) fn status(status: &Status) -> String {
    let mut lines = Lines(String::new());
    for database in &status.databases {
        of_database(&mut lines, database);
    }
    if status.databases.is_empty() {
        lines.title("there are no backups");
    }
    lines.0 + &broken(&status.unreadable)
}

fn of_database(lines: &mut Lines, database: &DatabaseStatus) {
    let verdict = match (database.stale, database.retired) {
        (true, _) => "STALE",
        (false, true) => "retired",
        (false, false) => "ok",
    };
    lines.title(&format!("{}: {verdict}", database.database));
    if !database.excluded.is_empty() {
        lines.line("without", &database.excluded.to_string());
    }
    let about = |backup: &BackupSummary| {
        format!("{} ({} ago, {})", backup.id, age(backup.age_seconds), backup.proof)
    };
    match &database.newest_proved {
        Some(backup) => lines.line("latest", &about(backup)),
        None => lines.line("latest", "none that is proved"),
    }
    if let Some(backup) = &database.newest {
        let word = if backup.damaged { "damaged" } else { "unproved" };
        lines.line(word, &format!("{} ({} ago)", backup.id, age(backup.age_seconds)));
    }
    let counts: Vec<String> =
        database.counts.iter().map(|(kind, number)| format!("{number} {kind}")).collect();
    let mut counts = counts.join(", ");
    for (number, what) in [(database.held, "held"), (database.unproved, "not proved")] {
        if number > 0 {
            counts += &format!(", {number} {what}");
        }
    }
    lines.line("backups", &counts);
    lines.line("size", &bytes(database.stored_bytes));
    lines.line("due", &format!("a {} one", database.due));
    lines.line("server", &database.server);
}

/// Returns what a policy says about each backup.
pub(super) fn pruning(plan: &PrunePlan) -> String {
    let mut text = String::new();
    let width = plan.backups.iter().map(|backup| backup.decision.id.to_string().len());
    let width = width.max().unwrap_or(0);
    for backup in &plan.backups {
        let verdict = match backup.decision.verdict {
            Verdict::Keep => "keep",
            Verdict::Drop => "drop",
        };
        // The first reason is the strongest; the others are in the JSON.
        let why = backup.decision.reasons.first().map(Reason::to_string).unwrap_or_default();
        let why = visible(&why);
        text += &format!("{verdict}  {:<width$}  {why}\n", backup.decision.id);
    }
    let dropped: Vec<&PrunedBackup> = plan.dropped().collect();
    let size = dropped.iter().map(|backup| backup.stored_bytes).sum();
    text += &match dropped.len() {
        0 => "nothing to drop\n".to_owned(),
        number => format!(
            "{} would be dropped, {}: run it again with --apply\n",
            backups(number as u64),
            bytes(size)
        ),
    };
    text + &broken(&plan.unreadable)
}

/// Returns what was dropped.
pub(super) fn pruned(report: &PruneReport) -> String {
    let mut text = String::new();
    for backup in &report.dropped {
        text += &format!("dropped  {}  {}\n", backup.decision.id, visible(&reasons(backup)));
    }
    for backup in &report.skipped {
        text += &format!("skipped  {}  {}\n", backup.id, backup.why);
    }
    let (dropped, kept) = (backups(report.dropped.len() as u64), count(report.kept as u64));
    text + &format!("{dropped} dropped, {} freed, {kept} kept\n", bytes(report.freed_bytes))
}

/// Returns what looks at backups have found.
pub(super) fn checked(checked: &[CheckedBackup]) -> String {
    let mut lines = Lines(String::new());
    for backup in checked {
        let verdict = if backup.is_whole() { "is whole" } else { "is DAMAGED" };
        let took = seconds(backup.report.elapsed);
        lines.title(&format!("{} {verdict} ({took})", backup.id));
        if backup.is_whole() {
            let rows = count(backup.report.rows);
            lines.line(
                "proof",
                &format!(
                    "{}: {} read, {rows} rows",
                    backup.proof,
                    bytes(backup.report.stored_bytes)
                ),
            );
        }
        for finding in backup.report.findings.iter().take(MOST_LINES) {
            lines.line("finding", &finding.to_string());
        }
        more(&mut lines, backup.report.findings.len());
    }
    lines.0
}

fn reasons(backup: &PrunedBackup) -> String {
    let reasons: Vec<String> = backup.decision.reasons.iter().map(Reason::to_string).collect();
    reasons.join("; ")
}

fn more(lines: &mut Lines, all: usize) {
    if all > MOST_LINES {
        lines.line("", &format!("... and {} more", all - MOST_LINES));
    }
}

fn backups(number: u64) -> String {
    match number {
        1 => "1 backup".to_owned(),
        number => format!("{} backups", count(number)),
    }
}

fn tables(number: u64) -> String {
    match number {
        1 => "1 table".to_owned(),
        number => format!("{} tables", count(number)),
    }
}

/// Returns an age in one unit.
fn age(seconds: i64) -> String {
    match seconds {
        ..0 => "ahead".to_owned(),
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_have_one_unit() {
        let ages = [-1, 0, 119, 120, 7_199, 7_200, 172_799, 172_800].map(age);
        assert_eq!(ages, ["ahead", "0 s", "119 s", "2 min", "119 min", "2 h", "47 h", "2 d"]);
    }
}
