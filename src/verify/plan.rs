//! What will be checked, and the checking.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use super::against::{Comparison, no_manifest};
use super::{Depth, Finding, VerifyOptions, VerifyReport};
use crate::archive::statements::loads_via_partition_root;
use crate::archive::{self, ArchiveReader, SchemaComparison};
use crate::error::{Error, ErrorKind, Result};
use crate::progress::{Interrupt, ProgressHandle};

/// Opens the archive and decides what will be checked.
///
/// # Errors
///
/// When the archive cannot be opened, [`ErrorKind::Integrity`] when its manifest is gone or does not
/// fit, and [`ErrorKind::Refused`] when a database is to be compared with an archive without one.
pub fn plan(options: VerifyOptions, progress: ProgressHandle) -> Result<VerifyPlan> {
    let archive: Arc<dyn ArchiveReader> = Arc::from(archive::open(&options.archive)?);
    archive.require_manifest()?;
    if options.against.is_some() && archive.manifest().is_none() {
        return Err(no_manifest());
    }
    Ok(VerifyPlan { options, archive, progress })
}

/// What will be checked; displaying it tells a person.
pub struct VerifyPlan {
    options: VerifyOptions,
    archive: Arc<dyn ArchiveReader>,
    progress: ProgressHandle,
}

impl fmt::Display for VerifyPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let data = self.archive.entries().iter().filter(|entry| entry.has_data).count();
        let depth = match self.options.depth {
            Depth::Full => "decode every byte",
            Depth::Quick => "compare checksums",
        };
        write!(f, "{depth} of {data} data entries in {}", self.options.archive.display())?;
        if let Some(params) = &self.options.against {
            write!(f, ", then compare with {}", params.describe())?;
        }
        Ok(())
    }
}

impl VerifyPlan {
    /// Checks.
    ///
    /// # Errors
    ///
    /// What keeps the checks from being made: files that cannot be read, a server that is not there,
    /// an interruption.
    pub async fn run(self, interrupt: &Interrupt) -> Result<VerifyReport> {
        let began = Instant::now();
        let mut report = VerifyReport::default();
        self.check_bytes(interrupt, &mut report).await?;
        if let (Some(params), Some(manifest)) = (&self.options.against, self.archive.manifest()) {
            let comparison = Comparison {
                manifest,
                roots: self.partition_roots(),
                params,
                jobs: self.options.jobs,
                lock_wait_timeout: self.options.lock_wait_timeout.clone(),
                schema: SchemaComparison {
                    owners: self.options.owners && !manifest.options.contains_key("no-owner"),
                    privileges: self.options.privileges
                        && !manifest.options.contains_key("no-privileges"),
                },
                progress: &self.progress,
                interrupt,
            };
            comparison.run(&mut report).await?;
        }
        report.elapsed = began.elapsed();
        Ok(report)
    }

    /// Checks the archive alone, on threads that may block.
    async fn check_bytes(&self, interrupt: &Interrupt, report: &mut VerifyReport) -> Result<()> {
        let archive = self.archive.clone();
        let depth = match self.options.depth {
            Depth::Full => archive::check::Depth::Full,
            Depth::Quick => archive::check::Depth::Quick,
        };
        let progress = self.progress.clone();
        let interrupt = interrupt.clone();
        let checked = tokio::task::spawn_blocking(move || {
            archive::check::check(archive.as_ref(), depth, &progress, &interrupt)
        })
        .await
        .map_err(|source| {
            Error::new(ErrorKind::Internal, "the check ended unexpectedly").with_source(source)
        })??;
        if !checked.has_checksums {
            report.notes.push(Finding::new(
                "checksums",
                "the archive has none, because pg_dump writes none: only what the format itself tells was checked",
            ));
        }
        report.data_entries = checked.data_entries;
        report.stored_bytes = checked.stored_bytes;
        report.rows = checked.rows;
        report.findings.extend(
            checked
                .findings
                .into_iter()
                .map(|finding| Finding::new(finding.subject(), finding.what)),
        );
        Ok(())
    }

    fn partition_roots(&self) -> BTreeMap<i32, String> {
        self.archive
            .entries()
            .iter()
            .filter(|entry| entry.has_data && loads_via_partition_root(entry))
            .map(|entry| {
                let marker = entry.definition.lines().next().unwrap_or_default();
                let root = marker.trim_start_matches("-- load via partition root ");
                (entry.dump_id.0, root.to_owned())
            })
            .collect()
    }
}
