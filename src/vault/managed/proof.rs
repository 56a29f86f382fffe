//! Is what was restored equal to the backup: tables, rows, fingerprints, sequences, definitions.

use std::sync::Arc;

use super::options::ManagedOptions;
use super::report::Proof;
use crate::connect::ConnectParams;
use crate::error::{Error, ErrorKind, Result};
use crate::progress::{Interrupt, ProgressHandle};
use crate::verify::{self, Depth, VerifyOptions};

/// Findings that an error names; the rest is counted.
const SHOWN: usize = 5;

/// Compares a restored database with its backup.
///
/// An archive without a manifest tells nothing to compare with. Then the proof is that every statement succeeded, and
/// the report says that it was no more.
///
/// # Errors
///
/// [`ErrorKind::Integrity`] when they differ.
pub(super) async fn prove(
    options: &ManagedOptions,
    restored: ConnectParams,
    progress: &ProgressHandle,
    interrupt: &Interrupt,
) -> Result<Proof> {
    let archive = options.archive.clone();
    let has_manifest = tokio::task::spawn_blocking(move || {
        crate::archive::open(&archive).map(|archive| archive.manifest().is_some())
    });
    let has_manifest = has_manifest.await.map_err(|panic| {
        Error::new(ErrorKind::Internal, "could not open the archive").with_source(panic)
    })??;
    if !has_manifest {
        return Ok(Proof::default());
    }
    let wanted = VerifyOptions {
        // Its bytes were decoded before the restore began.
        depth: Depth::Quick,
        against: Some(restored),
        jobs: options.jobs,
        owners: !options.no_owner,
        privileges: !options.no_privileges,
        subscriptions: false,
        ..VerifyOptions::new(&options.archive)
    };
    let report = verify::plan(wanted, Arc::clone(progress))?.run(interrupt).await?;
    if !report.is_sound() {
        let count = report.findings.len();
        let mut what = "the restored database is not equal to the backup".to_owned();
        for finding in report.findings.iter().take(SHOWN) {
            what.push_str(&format!("\n  - {finding}"));
        }
        if count > SHOWN {
            what.push_str(&format!("\n  and {} more", count - SHOWN));
        }
        return Err(Error::new(ErrorKind::Integrity, what));
    }
    Ok(Proof {
        compared: true,
        tables: report.tables_compared,
        rows: report.live_rows,
        definitions: report.definitions_compared,
        notes: report.notes.iter().map(ToString::to_string).collect(),
    })
}
