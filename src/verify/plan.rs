//! What will be checked, and the checking.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use super::against::{Comparison, no_manifest};
use super::{Depth, Finding, VerifyOptions, VerifyReport, script};
use crate::archive::check::{CheckFinding, FindingKind};
use crate::archive::script_reader::{Opened, ScriptSource};
use crate::archive::statements::partition_root;
use crate::archive::{self, ArchiveReader, Manifest, SchemaComparison};
use crate::error::{Error, ErrorKind, Result};
use crate::progress::{Interrupt, ProgressHandle};

/// Opens the archive and decides what will be checked.
///
/// # Errors
///
/// When the archive cannot be opened, [`ErrorKind::Integrity`] when its manifest is gone or does not
/// fit, and [`ErrorKind::Refused`] when a database is to be compared with an archive without one.
pub fn plan(options: VerifyOptions, progress: ProgressHandle) -> Result<VerifyPlan> {
    let opened = match options.archive.path() {
        Some(path) => ScriptSource::open(path)?,
        // Scripts are kept as files.
        None => Opened::Archive,
    };
    let subject = match opened {
        Opened::Script(source) => return plan_script(options, source, progress),
        Opened::Stream(_) => {
            let shown = options.archive;
            let message = format!("\"{shown}\" is a pipe, and an archive is read in any order");
            return Err(Error::new(ErrorKind::Archive, message));
        }
        Opened::Archive => {
            let archive: Arc<dyn ArchiveReader> = Arc::from(archive::open(&options.archive)?);
            archive.require_manifest()?;
            if options.against.is_some() && archive.manifest().is_none() {
                return Err(no_manifest());
            }
            Subject::Archive(archive)
        }
    };
    Ok(VerifyPlan { options, subject, progress })
}

/// As [`plan`], for a script that is opened already, such as one that comes through a pipe.
///
/// # Errors
///
/// [`ErrorKind::Refused`] when a database is to be compared with a script without a manifest.
pub fn plan_script(
    options: VerifyOptions,
    source: ScriptSource,
    progress: ProgressHandle,
) -> Result<VerifyPlan> {
    if options.against.is_some() && source.proof().manifest.is_none() {
        return Err(no_manifest());
    }
    Ok(VerifyPlan { options, subject: Subject::Script(source), progress })
}

/// What will be checked; displaying it tells a person.
pub struct VerifyPlan {
    options: VerifyOptions,
    subject: Subject,
    progress: ProgressHandle,
}

/// What is checked.
enum Subject {
    Archive(Arc<dyn ArchiveReader>),
    Script(ScriptSource),
}

impl fmt::Display for VerifyPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let depth = match self.options.depth {
            Depth::Full => "decode every byte",
            Depth::Quick => "compare checksums",
        };
        let what = match &self.subject {
            Subject::Archive(archive) => {
                let data = archive.entries().iter().filter(|entry| entry.has_data).count();
                format!("{data} data entries in")
            }
            Subject::Script(_) => "the script".to_owned(),
        };
        write!(f, "{depth} of {what} {}", self.options.archive)?;
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
        let VerifyPlan { options, subject, progress } = self;
        let mut report = match subject {
            Subject::Archive(archive) => {
                let check = ArchiveCheck { options, archive, progress };
                check.run(interrupt).await?
            }
            Subject::Script(source) => {
                let (path, depth) = (options.archive.shown().to_owned(), options.depth);
                let (watching, stop) = (progress.clone(), interrupt.clone());
                let (mut report, manifest) = blocking(move || {
                    let manifest = source.proof().manifest.clone();
                    Ok((script::check(source, &path, depth, &watching, &stop)?, manifest))
                })
                .await?;
                if let Some(manifest) = &manifest {
                    let roots = roots(manifest);
                    compare(&options, manifest, roots, &progress, interrupt, &mut report).await?;
                }
                report
            }
        };
        report.elapsed = began.elapsed();
        Ok(report)
    }
}

/// Does what waits for the disk on a thread that may.
async fn blocking<T: Send + 'static>(
    check: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(check).await.map_err(|source| {
        Error::new(ErrorKind::Internal, "the check ended unexpectedly").with_source(source)
    })?
}

/// Returns the roots that the rows of tables are loaded through, for those that have one.
fn roots(manifest: &Manifest) -> BTreeMap<i32, String> {
    let loaded = manifest.data.iter();
    loaded.filter_map(|data| Some((data.dump_id, data.loaded_into.clone()?))).collect()
}

/// Compares what a manifest says with the live database, when there is one to compare with.
async fn compare(
    options: &VerifyOptions,
    manifest: &Manifest,
    roots: BTreeMap<i32, String>,
    progress: &ProgressHandle,
    interrupt: &Interrupt,
    report: &mut VerifyReport,
) -> Result<()> {
    let Some(params) = &options.against else { return Ok(()) };
    let left_out = |option: &str| manifest.options.contains_key(option);
    let comparison = Comparison {
        manifest,
        roots,
        params,
        jobs: options.jobs,
        lock_wait_timeout: options.lock_wait_timeout.clone(),
        schema: SchemaComparison {
            owners: options.owners && !left_out("no-owner"),
            privileges: options.privileges && !left_out("no-privileges"),
        },
        subscriptions: options.subscriptions,
        progress,
        interrupt,
    };
    comparison.run(report).await
}

/// Compares the live database of the options with a manifest that belongs to no archive; their archive is not
/// used.
///
/// # Errors
///
/// As for [`VerifyPlan::run`].
pub async fn compare_manifest(
    manifest: &Manifest,
    options: &VerifyOptions,
    progress: &ProgressHandle,
    interrupt: &Interrupt,
) -> Result<VerifyReport> {
    let began = Instant::now();
    let mut report = VerifyReport::default();
    compare(options, manifest, roots(manifest), progress, interrupt, &mut report).await?;
    report.elapsed = began.elapsed();
    Ok(report)
}

/// The check of an archive.
struct ArchiveCheck {
    options: VerifyOptions,
    archive: Arc<dyn ArchiveReader>,
    progress: ProgressHandle,
}

impl ArchiveCheck {
    async fn run(self, interrupt: &Interrupt) -> Result<VerifyReport> {
        let mut report = VerifyReport::default();
        self.check_bytes(interrupt, &mut report).await?;
        if let Some(manifest) = self.archive.manifest() {
            let roots = self.partition_roots();
            let (options, progress) = (&self.options, &self.progress);
            compare(options, manifest, roots, progress, interrupt, &mut report).await?;
        }
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
        let checked =
            blocking(move || archive::check::check(archive.as_ref(), depth, &progress, &interrupt))
                .await?;
        if !checked.has_checksums {
            report.notes.push(Finding::new(
                "checksums",
                "the archive has none, because pg_dump writes none: only what the format itself tells was checked",
            ));
        }
        report.data_entries = checked.data_entries;
        report.large_objects = checked.large_objects;
        report.stored_bytes = checked.stored_bytes;
        report.rows = checked.rows;
        report.out_of_reach = is_out_of_reach(&checked.findings);
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
            .filter(|entry| entry.has_data)
            .filter_map(|entry| Some((entry.dump_id.0, partition_root(entry)?.to_owned())))
            .collect()
    }
}

/// Tells whether all findings are about files that could not be read, be it that the same file was not understood.
fn is_out_of_reach(findings: &[CheckFinding]) -> bool {
    let unread = |file: &str| {
        findings.iter().any(|it| it.kind == FindingKind::FileUnreadable && it.file == file)
    };
    !findings.is_empty() && findings.iter().all(|finding| unread(&finding.file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_does_not_answer_says_nothing_about_what_is_on_it() {
        let found = |kinds: &[(FindingKind, &str)]| {
            let findings: Vec<CheckFinding> = kinds
                .iter()
                .map(|&(kind, file)| CheckFinding {
                    kind,
                    file: file.to_owned(),
                    offset: None,
                    entry: None,
                    table: None,
                    what: String::new(),
                })
                .collect();
            is_out_of_reach(&findings)
        };
        use FindingKind::{ChecksumDiffers, DataDamaged, FileUnreadable};
        assert!(found(&[(FileUnreadable, "1"), (FileUnreadable, "2")]));
        assert!(
            found(&[(DataDamaged, "1"), (FileUnreadable, "1")]),
            "its blocks came to nothing too"
        );
        assert!(!found(&[(FileUnreadable, "1"), (ChecksumDiffers, "2")]));
        assert!(!found(&[]));
    }
}
