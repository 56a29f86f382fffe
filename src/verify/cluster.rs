//! The folder of a whole server: its manifest, its globals and every archive in it.

use std::time::Instant;

use super::options::VerifyOptions;
use super::plan::plan;
use super::report::{Finding, VerifyReport};
use crate::archive::cluster::{ClusterManifest, GLOBALS_FILE};
use crate::error::{Error, ErrorKind, Result};
use crate::progress::{Interrupt, ProgressHandle};

/// Checks the folder that `options` name as archive; with a connection, each database of that server is compared
/// with its archive.
///
/// # Errors
///
/// [`ErrorKind::Integrity`] when the manifest itself is damaged or gone; what keeps the checks from being made.
pub async fn verify_cluster(
    options: &VerifyOptions,
    progress: &ProgressHandle,
    interrupt: &Interrupt,
) -> Result<VerifyReport> {
    let began = Instant::now();
    // Backups of whole servers are kept on disks.
    let folder = options.archive.shown();
    let manifest = ClusterManifest::open(folder)?;
    let mut report = VerifyReport::default();
    match manifest.read_globals(folder) {
        Err(error) if error.kind() == ErrorKind::Integrity => {
            report.findings.push(Finding::new(GLOBALS_FILE, "its checksum is wrong"));
        }
        globals => report.stored_bytes += globals?.len() as u64,
    }
    for database in &manifest.databases {
        let name = format!("database {}", database.database);
        let archive = database.archive(folder);
        if !archive.is_dir() {
            report.findings.push(Finding::new(&name, "its archive is missing"));
            continue;
        }
        if !database.present_manifest(folder).is_ok_and(|found| found == database.manifest_sha256) {
            report
                .findings
                .push(Finding::new(&name, "its manifest is not the one that was written"));
        }
        let options = VerifyOptions {
            archive: archive.into(),
            against: options
                .against
                .as_ref()
                .map(|params| params.with_database(&database.database)),
            ..options.clone()
        };
        let found = match plan(options, progress.clone()) {
            Ok(plan) => plan.run(interrupt).await,
            Err(error) => Err(error),
        };
        match found {
            Ok(found) => merge(&mut report, &name, found),
            Err(error) if is_damage(&error) => {
                report.findings.push(Finding::new(&name, crate::error::with_causes(&error)));
            }
            Err(error) => return Err(error.context(format!("could not verify {name}"))),
        }
    }
    report.elapsed = began.elapsed();
    Ok(report)
}

/// Tells whether an archive that was there when it was written is so no more.
fn is_damage(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Archive | ErrorKind::Integrity | ErrorKind::NotFound)
}

/// Adds what was found in one archive, with the name of its database.
fn merge(report: &mut VerifyReport, name: &str, found: VerifyReport) {
    let named =
        |finding: Finding| Finding::new(format!("{name}: {}", finding.subject), finding.what);
    report.findings.extend(found.findings.into_iter().map(named));
    report.notes.extend(found.notes.into_iter().map(named));
    report.data_entries += found.data_entries;
    report.stored_bytes += found.stored_bytes;
    report.rows += found.rows;
    report.tables_compared += found.tables_compared;
    report.live_rows += found.live_rows;
    report.definitions_compared += found.definitions_compared;
}
