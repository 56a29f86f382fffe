//! The making of backups.

use std::path::Path;
use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};

use super::growth;
use super::options::{BackupOptions, RetentionChoice, VerificationChoice};
use super::plan::{BackupPlan, Known};
use super::preflight::SourceFacts;
use super::report::{Afterwards, BackupReport, FailedBackup, MadeBackup};
use super::space;
use crate::archive::cluster::manifest_sha256;
use crate::archive::{self, ArchiveReader};
use crate::codec::{Sha256Digest, sha256};
use crate::ddl::cluster::{header, trailer};
use crate::dump::{self, DumpOptions, DumpPlan, DumpReport, GlobalsOptions};
use crate::error::{Error, ErrorKind, Result};
use crate::progress::{Interrupt, ProgressHandle};
use crate::sql::text;
use crate::store::{Durability, StagedDirectory, sweep_leftovers};
use crate::vault::check;
use crate::vault::event::Proof;
use crate::vault::id::BackupId;
use crate::vault::prune;
use crate::vault::record::{BackupRecord, Excluded, RECORD_VERSION, SourceRecord};
use crate::vault::repository::{
    ARCHIVE_FOLDER, DatabaseLock, GLOBALS_FILE, RECORD_FILE, Repository, Wanted, make_folder,
    write_private, write_record,
};
use crate::vault::seed::Seed;
use crate::verify::{self, VerifyOptions};

/// More findings than this tell nobody anything.
const MOST_FINDINGS: usize = 5;

/// The globals as they are written beside each archive.
struct GlobalsScript {
    bytes: Vec<u8>,
    passwords: bool,
}

impl GlobalsScript {
    /// Reads what the databases of the server share, as it was at the moment of a dump.
    async fn read(dump: &DumpPlan, options: &GlobalsOptions) -> Result<GlobalsScript> {
        let read = dump.globals(options).await?;
        let script = format!("{}{}{}", header(), read.script, trailer());
        let bytes = text::encode(&script).into_owned();
        Ok(GlobalsScript { bytes, passwords: read.with_passwords })
    }
}

impl BackupPlan {
    /// Makes the backups, one database after the other.
    ///
    /// With several databases the failure of one does not keep the others from being backed up; it is in the report.
    ///
    /// # Errors
    ///
    /// What keeps the backup of a single database from being made, or every one of several.
    /// [`ErrorKind::Integrity`] when what was written turns out not to be whole. Nothing is left of a backup that
    /// failed, and no older one was dropped.
    pub async fn run(self, interrupt: &Interrupt) -> Result<BackupReport> {
        let began = Instant::now();
        let BackupPlan { options, progress, backups, failed, .. } = self;
        let repository = Repository::create(&options.repository)?;
        let seed = options.seed.clone();
        let count = backups.len() + failed.len();
        let mut run = Run { options, repository, progress, began, seed };
        let mut report = BackupReport { failed, ..BackupReport::default() };
        for failed in &report.failed {
            let FailedBackup { database, message, .. } = failed;
            run.progress.warning(&format!("could not back up database \"{database}\": {message}"));
        }
        let mut failures = Vec::new();
        for database in backups.iter().map(|backup| &backup.database) {
            match run.back_up(database, interrupt).await {
                Ok(made) => report.backups.push(made),
                Err(error) if error.kind() == ErrorKind::Interrupted => return Err(error),
                Err(error) if count == 1 => return Err(error),
                Err(error) => {
                    let failed = FailedBackup::of(database, &error);
                    run.progress.warning(&format!(
                        "could not back up database \"{database}\": {}",
                        failed.message
                    ));
                    report.failed.push(failed);
                    failures.push(error);
                }
            }
        }
        match failures.into_iter().next() {
            Some(first) if report.backups.is_empty() => {
                return Err(first.context(format!(
                    "none of the {count} databases could be backed up; the first failure"
                )));
            }
            _ => {}
        }
        report.elapsed = began.elapsed();
        Ok(report)
    }
}

/// A run at work.
struct Run {
    options: BackupOptions,
    repository: Repository,
    progress: ProgressHandle,
    began: Instant,
    seed: Seed,
}

impl Run {
    /// Returns the time by the clock that was handed in.
    fn now(&self) -> DateTime<Utc> {
        let passed = TimeDelta::from_std(self.began.elapsed()).unwrap_or_default();
        self.options.dump.started.with_timezone(&Utc) + passed
    }

    async fn back_up(&mut self, database: &str, interrupt: &Interrupt) -> Result<MadeBackup> {
        let began = Instant::now();
        let lock = self.repository.lock(database, &self.options.worker)?;
        let folder = self.repository.database_folder(database);
        make_folder(&folder)?;
        sweep_leftovers(&folder)?;
        let connection = self.options.dump.connection.with_database(database);
        let facts = SourceFacts::read(&connection).await?;
        let known = Known::read(&self.options, database, &facts)?;
        let started = self.now();
        let backup_type = known.type_now(&self.options, started);
        let id = known.next_id(database, backup_type, started, &mut self.seed);
        if id.moment() > started {
            self.progress.warning(&format!(
                "the clock is behind that of the newest backup; the new one is named {id}"
            ));
        }
        space::check(&folder, space::needed(facts.database_bytes, known.newest_proved()))?;

        let durability = match self.options.dump.sync {
            true => Durability::Synced,
            false => Durability::Unsynced,
        };
        let staged =
            StagedDirectory::create(&folder.join(id.to_string()))?.with_durability(durability);
        let archive = staged.path().join(ARCHIVE_FOLDER);
        let options = DumpOptions {
            connection,
            output: archive.clone().into(),
            started: self.options.dump.started
                + TimeDelta::from_std(self.began.elapsed()).unwrap_or_default(),
            ..self.options.dump.clone()
        };
        let plan = dump::plan(options, self.progress.clone(), interrupt).await?;
        let globals = match &self.options.globals {
            Some(options) => Some(GlobalsScript::read(&plan, options).await?),
            None => None,
        };
        let dumped = plan.run(interrupt.clone()).await?;
        if let Some(globals) = &globals {
            let path = staged.path().join(GLOBALS_FILE);
            write_private(&path, &globals.bytes, Durability::Unsynced)?;
        }
        let verifying = Instant::now();
        if self.options.verification == VerificationChoice::Full {
            self.verify(&archive, interrupt).await?;
        }
        let verifying = verifying.elapsed();
        let mut record = self.record(&id, &facts, &dumped, globals.as_ref(), &archive, started)?;
        let clocks = facts.clock_difference(started);
        record.warnings.extend(clocks.clone());
        let with_rows = known.line().newest_with_rows();
        record.warnings.extend(growth::warnings(&record, known.newest_proved(), with_rows));
        for warning in &record.warnings {
            self.progress.warning(&format!("{id}: {warning}"));
        }
        // The archive is on disk already, what lies beside it is when the folder is given its name.
        write_record(&staged.path().join(RECORD_FILE), &record, Durability::Unsynced)?;
        let place = staged.final_path().to_owned();
        staged.commit(RECORD_FILE)?;
        let vanished = with_rows.filter(|_| record.rows == 0);
        let doubt = match (vanished, clocks) {
            (Some(_), _) => Some("the new backup holds no rows".to_owned()),
            (None, Some(clocks)) => Some(clocks),
            (None, None) if durability == Durability::Unsynced => {
                Some("the new backup may not be on disk yet".to_owned())
            }
            (None, None) => None,
        };
        let mut made = MadeBackup {
            record,
            folder: place,
            elapsed: began.elapsed(),
            verifying,
            rows_vanished_since: vanished.map(|before| before.id().clone()),
            expired: Vec::new(),
            expired_are_dropped: false,
            not_dropped: None,
            afterwards: None,
            kept: 0,
        };
        // The backup is there: what fails from here on is told with it.
        let settled = self
            .read_back(&made.record, database)
            .and_then(|()| self.retain(&mut made, database, lock, doubt));
        made.afterwards = settled.err().map(|error| Afterwards::of(&error));
        Ok(made)
    }

    /// Reads the whole archive again, before it has a name.
    async fn verify(&self, archive: &Path, interrupt: &Interrupt) -> Result<()> {
        let plan = verify::plan(VerifyOptions::new(archive), self.progress.clone())?;
        let report = plan.run(interrupt).await?;
        if report.is_sound() {
            return Ok(());
        }
        let findings = report.findings.iter().take(MOST_FINDINGS).map(ToString::to_string);
        let findings: Vec<String> = findings.collect();
        let message = "the backup is not what was written: it does not count and was removed";
        Err(Error::new(ErrorKind::Integrity, message)
            .with_source(std::io::Error::other(findings.join("; ")))
            .with_hint("look for errors of the disk or the memory, then run it again"))
    }

    fn record(
        &self,
        id: &BackupId,
        facts: &SourceFacts,
        dumped: &DumpReport,
        globals: Option<&GlobalsScript>,
        archive: &Path,
        started: DateTime<Utc>,
    ) -> Result<BackupRecord> {
        let manifest = manifest_of(archive)?;
        Ok(BackupRecord {
            version: RECORD_VERSION,
            id: id.clone(),
            backup_type: id.backup_type(),
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            source: SourceRecord {
                database: dumped.database.clone(),
                database_oid: facts.database_oid,
                database_bytes: Some(facts.database_bytes),
                system_identifier: facts.system_identifier.clone(),
                server_version: facts.server_version.clone(),
                server: facts.server.clone(),
            },
            excluded: Excluded::of(&self.options.dump.selection),
            started,
            finished: self.now(),
            snapshot_lsn: manifest.snapshot_lsn,
            tables: dumped.tables.len() as u64,
            rows: dumped.rows,
            raw_bytes: dumped.raw_bytes + dumped.large_objects.raw_bytes,
            stored_bytes: bytes_in(archive) + globals.map_or(0, |it| it.bytes.len() as u64),
            manifest_sha256: manifest.sha256,
            globals_sha256: globals.map(|globals| sha256(&globals.bytes)),
            passwords: globals.is_some_and(|globals| globals.passwords),
            proof: match self.options.verification {
                VerificationChoice::Full => Proof::Decoded,
                VerificationChoice::None => Proof::None,
            },
            hold: self.options.hold.clone(),
            warnings: dumped.warnings.clone(),
        })
    }

    /// Makes sure that whoever looks finds what was written.
    fn read_back(&self, record: &BackupRecord, database: &str) -> Result<()> {
        let wanted = Wanted::Id(record.id.to_string());
        let found = self.repository.find(&wanted, Some(database))?.backup;
        if found.record == *record && check::of_record(&found)?.is_empty() {
            return Ok(());
        }
        let message = format!("backup {} reads back as something else", record.id);
        Err(Error::new(ErrorKind::Integrity, message)
            .with_hint(format!("run \"pgark verify {}\"", record.id)))
    }

    /// Judges the backups of the database; a new backup is there by now.
    ///
    /// A doubt about the new one, or about the time, keeps the older ones.
    fn retain(
        &mut self,
        made: &mut MadeBackup,
        database: &str,
        lock: DatabaseLock,
        doubt: Option<String>,
    ) -> Result<()> {
        let now = self.now();
        let plan = prune::plan(&self.repository, Some(database), &self.options.policy, now)?;
        for broken in &plan.unreadable {
            let path = broken.path.display();
            self.progress.warning(&format!("\"{path}\" cannot be read: {}", broken.what));
        }
        made.kept = plan.backups.len();
        made.expired = plan.dropped().cloned().collect();
        if self.options.retention == RetentionChoice::Show || made.expired.is_empty() {
            return Ok(());
        }
        let itself = made.expired.iter().any(|expired| expired.decision.id == made.record.id);
        let doubt = doubt.or_else(|| {
            itself.then(|| {
                "the rules would drop the new backup itself, which is not proved".to_owned()
            })
        });
        if doubt.is_some() {
            made.not_dropped = doubt;
            return Ok(());
        }
        let pruned = plan.run_locked(&[lock], now, &mut self.seed, &self.progress)?;
        made.kept = pruned.kept;
        made.expired = pruned.dropped;
        made.expired_are_dropped = true;
        Ok(())
    }
}

/// What the record takes from the manifest.
struct ManifestFacts {
    sha256: Sha256Digest,
    snapshot_lsn: Option<String>,
}

fn manifest_of(archive: &Path) -> Result<ManifestFacts> {
    let reader: Box<dyn ArchiveReader> = archive::open(archive)?;
    reader.require_manifest()?;
    let snapshot_lsn = reader.manifest().and_then(|manifest| manifest.snapshot_lsn.clone());
    Ok(ManifestFacts { sha256: manifest_sha256(archive)?, snapshot_lsn })
}

/// Adds up the files of an archive; what cannot be looked at counts nothing.
fn bytes_in(folder: &Path) -> u64 {
    let listing = std::fs::read_dir(folder).into_iter().flatten().flatten();
    listing
        .filter_map(|item| item.metadata().ok())
        .filter(|file| file.is_file())
        .map(|file| file.len())
        .sum()
}
