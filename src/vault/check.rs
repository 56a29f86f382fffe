//! Looking at backups again, and noting in the history what was found.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::event::{Event, EventKind, Proof};
use super::id::BackupId;
use super::repository::{Reading, Repository, StoredBackup};
use crate::archive::cluster::manifest_sha256;
use crate::codec::sha256;
use crate::error::{Error, ErrorKind, Result, with_causes};
use crate::progress::{Interrupt, ProgressHandle};
use crate::verify::{self, Depth, Finding, VerifyOptions, VerifyReport};

/// A history keeps the first findings; they tell what happened.
const MOST_FINDINGS: usize = 20;

/// What a look at a backup has found.
#[derive(Debug, Clone, Serialize)]
pub struct CheckedBackup {
    /// The backup.
    pub id: BackupId,
    /// The database.
    pub database: String,
    /// What was proved; nothing when it is damaged.
    pub proof: Proof,
    /// What was found.
    #[serde(flatten)]
    pub report: VerifyReport,
}

impl CheckedBackup {
    /// Tells whether the backup is whole.
    pub fn is_whole(&self) -> bool {
        self.report.is_sound()
    }
}

/// Looks at a backup: its record against its files, then every byte of its archive. Nobody removes it meanwhile.
///
/// # Errors
///
/// What keeps the look from being taken, such as an interruption or a disk that does not answer;
/// [`ErrorKind::NotFound`] when it is gone. What is wrong with the backup is in the answer.
pub async fn check(
    backup: &StoredBackup,
    depth: Depth,
    progress: &ProgressHandle,
    interrupt: &Interrupt,
) -> Result<CheckedBackup> {
    let Some(_reading) = Reading::of(backup.folder())? else {
        let message = format!("backup {} is gone", backup.id());
        return Err(Error::new(ErrorKind::NotFound, message));
    };
    let mut findings = of_record(backup)?;
    let options = VerifyOptions { depth, ..VerifyOptions::new(backup.archive()) };
    let mut report = match verify::plan(options, progress.clone()) {
        Ok(plan) => plan.run(interrupt).await?,
        Err(error) if is_damage(error.kind()) => {
            findings.push(Finding::new("archive", with_causes(&error)));
            VerifyReport::default()
        }
        Err(error) => return Err(error),
    };
    if report.out_of_reach && findings.is_empty() {
        let first = report.findings.first().map(Finding::to_string).unwrap_or_default();
        let message = format!("backup {} cannot be read", backup.id());
        return Err(
            Error::new(ErrorKind::Storage, message).with_source(std::io::Error::other(first))
        );
    }
    findings.append(&mut report.findings);
    report.findings = findings;
    let proof = match (report.is_sound(), depth) {
        (false, _) => Proof::None,
        (true, Depth::Quick) => Proof::Stored,
        (true, Depth::Full) => Proof::Decoded,
    };
    Ok(CheckedBackup {
        id: backup.id().clone(),
        database: backup.database().to_owned(),
        proof,
        report,
    })
}

/// Notes what was found in the history.
///
/// # Errors
///
/// As [`Repository::append`].
pub fn note(
    repository: &Repository,
    checked: &CheckedBackup,
    at: DateTime<Utc>,
    took: Duration,
    random: [u8; 3],
) -> Result<()> {
    let kind = if checked.is_whole() { EventKind::Verified } else { EventKind::Damaged };
    let findings = checked.report.findings.iter().take(MOST_FINDINGS).map(Finding::to_string);
    let event = Event {
        proof: checked.is_whole().then_some(checked.proof),
        findings: findings.collect(),
        seconds: Some((took.as_secs_f64() * 1000.0).round() / 1000.0),
        ..Event::new(checked.id.clone(), at, kind)
    };
    repository.append(&checked.database, &event, random)
}

/// Notes in the history that a backup was restored and was equal, and how long that took.
///
/// # Errors
///
/// As [`Repository::append`].
pub fn note_restored(
    repository: &Repository,
    backup: &StoredBackup,
    reason: String,
    took: Duration,
    at: DateTime<Utc>,
    random: [u8; 3],
) -> Result<()> {
    let event = Event {
        proof: Some(Proof::Restored),
        reason: Some(reason),
        seconds: Some(took.as_secs_f64()),
        ..Event::new(backup.id().clone(), at, EventKind::Verified)
    };
    repository.append(backup.database(), &event, random)
}

/// Compares what the record says about the files that the archive itself does not speak of.
///
/// # Errors
///
/// [`ErrorKind::Storage`] when a file is there and cannot be read: that says nothing about what is in it.
pub(super) fn of_record(backup: &StoredBackup) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    match manifest_sha256(&backup.archive()) {
        Ok(found) if found == backup.record.manifest_sha256 => {}
        Ok(_) => findings.push(Finding::new("manifest.json", "it is not the one of this backup")),
        Err(error) if is_damage(error.kind()) || is_missing(&error) => {
            findings.push(Finding::new("manifest.json", with_causes(&error)));
        }
        Err(error) => return Err(error),
    }
    if let (Some(path), Some(expected)) = (backup.globals(), backup.record.globals_sha256) {
        match std::fs::read(&path) {
            Ok(bytes) if sha256(&bytes) == expected => {}
            Ok(_) => {
                findings.push(Finding::new("globals.sql", "its SHA-256 is not the recorded one"))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                findings.push(Finding::new("globals.sql", "it is gone"));
            }
            Err(error) => {
                let message = format!("could not read \"{}\"", path.display());
                return Err(Error::new(ErrorKind::Storage, message).with_source(error));
            }
        }
    }
    Ok(findings)
}

/// Tells whether a file could not be read because there is none.
fn is_missing(error: &Error) -> bool {
    let cause = std::error::Error::source(error).and_then(|it| it.downcast_ref::<std::io::Error>());
    cause.is_some_and(|cause| cause.kind() == std::io::ErrorKind::NotFound)
}

/// Tells whether an archive that cannot be opened is damaged, and not only out of reach.
fn is_damage(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Archive | ErrorKind::Integrity | ErrorKind::NotFound)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::progress::Silent;
    use crate::vault::backup_type::BackupType;
    use crate::vault::repository::sample;

    #[test]
    fn a_backup_that_is_gone_is_not_damaged() {
        let now = DateTime::from_timestamp(1_790_000_000, 0).expect("a moment");
        let mut backup = sample("shop", BackupId::new("shop", BackupType::Daily, now, [0; 3]));
        backup.folder = "/nowhere/at/all".into();
        let progress: ProgressHandle = Arc::new(Silent);
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let interrupt = Interrupt::default();
        let looked = check(&backup, Depth::Full, &progress, &interrupt);
        let error = runtime.block_on(looked).expect_err("it is gone");
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
}
