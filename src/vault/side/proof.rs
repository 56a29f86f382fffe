//! Is what was restored equal to the backup: tables, rows, fingerprints, sequences, definitions.

use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

use super::opened::OpenedArchive;
use crate::connect::ConnectParams;
use crate::error::{Error, ErrorKind, Result};
use crate::progress::{Interrupt, ProgressHandle};
use crate::verify::{self, Depth, VerifyOptions};

/// Findings that an error names; the rest is counted.
const SHOWN: usize = 5;

/// What was compared before the restored database took its place.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Proof {
    /// Whether the backup could tell what must be there.
    pub compared: bool,
    /// Tables whose rows and fingerprints are those of the backup.
    pub tables: u64,
    /// Their rows.
    pub rows: u64,
    /// Definitions that were compared.
    pub definitions: u64,
    /// What a person should know although nothing is wrong.
    pub notes: Vec<String>,
}

/// What is compared with what.
#[derive(Debug, Clone)]
pub(in crate::vault) struct Claim {
    /// The backup.
    pub(in crate::vault) archive: PathBuf,
    /// The database that was restored from it.
    pub(in crate::vault) restored: ConnectParams,
    /// The number of connections.
    pub(in crate::vault) jobs: usize,
    /// Whether it was restored without owners.
    pub(in crate::vault) no_owner: bool,
    /// Whether it was restored without privileges.
    pub(in crate::vault) no_privileges: bool,
}

/// Compares a restored database with its backup.
///
/// An archive without a manifest tells nothing to compare with. Then the proof is that every statement succeeded, and
/// the report says that it was no more.
///
/// # Errors
///
/// [`ErrorKind::Integrity`] when they differ.
pub(in crate::vault) async fn prove(
    claim: &Claim,
    progress: &ProgressHandle,
    interrupt: &Interrupt,
) -> Result<Proof> {
    let has_manifest = OpenedArchive::open(&claim.archive).await?.is_provable();
    if !has_manifest {
        return Ok(Proof::default());
    }
    let wanted = VerifyOptions {
        // Its bytes were decoded before the restore began.
        depth: Depth::Quick,
        against: Some(claim.restored.clone()),
        jobs: claim.jobs,
        owners: !claim.no_owner,
        privileges: !claim.no_privileges,
        subscriptions: false,
        ..VerifyOptions::new(&claim.archive)
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
