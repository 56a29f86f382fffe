//! A dump as a script: entries in their order, rows as they come, all over the keeper's session.
//!
//! ```text
//! thread: write_script --- wants entry 217 ---> task: keeper's session, COPY ... TO STDOUT
//!                      <-- chunks (bounded) --        or the bytes of large objects
//! ```
//!
//! A script has one order, so there is nothing to read side by side. Memory is a few chunks whatever
//! the size of a table or a row.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::broken_copy;
use super::describe;
use super::keep;
use super::large_object_text;
use super::plan::{DumpPlan, PlannedTable};
use super::report::{DumpReport, LargeObjectsReport, TableReport};
use super::run::{opened, stopped};
use super::split::PieceRange;
use crate::archive::script::{
    LargeObjectScript, ScriptError, ScriptFile, ScriptOptions, ScriptSource, write_script,
};
use crate::archive::{COPY_END, DataFileSummary, ManifestLargeObjects};
use crate::catalog::{Keeper, LargeObjectMetadata, open_foreign_tables};
use crate::codec::Sha256Digest;
use crate::ddl::inserts::{INSERTS_END, InsertWriter};
use crate::ddl::{self, Fidelity};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::model::{DumpId, TocEntry};
use crate::progress::{Interrupt, ProgressHandle};

/// Chunks on their way to the writer: enough to hide a slow moment of either side.
const CHUNKS_IN_FLIGHT: usize = 8;

/// The checksum of data that are no file of their own.
const NO_FILE: Sha256Digest = Sha256Digest([0; 32]);

/// What the reading task sends to the writing thread.
pub(super) enum Answer {
    /// Rows, cut anywhere.
    Rows(Bytes),
    /// A large object begins.
    LargeObject(u32),
    /// Bytes of it.
    LargeObjectBytes(Vec<u8>),
    /// It is complete.
    LargeObjectEnd,
    /// The data of the entry are complete.
    Done,
}

/// Writes the plan's entries as a script.
pub(super) async fn run(plan: DumpPlan, interrupt: Interrupt) -> Result<DumpReport> {
    let began = Instant::now();
    let DumpPlan { options, mut keeper, progress, entries, tables, warnings, .. } = plan;
    let facts = keeper.database.facts.clone();
    let sequences = describe::sequences(&keeper.database, &entries);
    let place = options.place();
    let has_manifest = options.manifest && place.keeps_manifest();
    let settings = match has_manifest {
        true => describe::settings(&keeper.session).await?,
        false => BTreeMap::new(),
    };
    let bytes = tables.iter().map(|table| table.size.cost()).sum();
    progress.phase("dumping table data", tables.len() as u64, bytes);
    let compression = options.compression;
    let output = opened(&interrupt, move || ScriptFile::create(&place, compression)).await?;
    let output = if has_manifest { output.with_checksum() } else { output };
    let script_options = ScriptOptions {
        choices: options.script.clone(),
        server_version: facts.version_text.clone(),
        dumper_version: describe::dumper_version(&options, has_manifest),
        started: Some(describe::moment(options.started)),
        no_owner: options.omit.owners,
        without_schema: !options.content.schema,
        row_security: options.row_security,
        // What the source does not know its own kind of server need not be told.
        no_transaction_timeout: options.fidelity == Fidelity::Corrected
            && !facts.version.has_transaction_timeout(),
        no_tablespaces: options.omit.tablespaces,
        no_table_access_method: options.omit.access_methods,
        creates_large_objects: false,
        quoting: options.quoting,
    };
    let entries = Arc::new(entries);
    let (wants, wanted) = mpsc::channel(1);
    let (answers, chunks) = mpsc::channel(CHUNKS_IN_FLIGHT);
    let feed =
        Feed { wants, chunks, progress: Arc::clone(&progress), began: (options.started, began) };
    let objects = large_object_groups(&keeper, &entries);
    let large_object_metadata = match has_manifest {
        true => LargeObjectMetadata::of(&keeper.database)?,
        false => LargeObjectMetadata::default(),
    };
    keeper.forget_catalogs();
    let printed = Arc::clone(&entries);
    let writing =
        tokio::task::spawn_blocking(move || write(output, &printed, &script_options, feed));
    let mut reader = Reader {
        keeper,
        progress,
        interrupt: interrupt.clone(),
        answers,
        tables: tables.into_iter().map(|table| (table.dump_id, table)).collect(),
        objects,
        inserts: options.row_form != ddl::RowForm::Copy,
        data: Vec::new(),
        reports: Vec::new(),
        large_objects: Vec::new(),
    };
    let read = reader.serve(wanted).await;
    let Reader { keeper, data, reports, large_objects, answers, .. } = reader;
    // Without it the writer would wait for ever after a failure here.
    drop(answers);
    let written = writing
        .await
        .map_err(|error| Error::new(ErrorKind::Internal, "the writer failed").with_source(error))?;
    let output = match (read, written) {
        // Whoever could not go on because the other had stopped has nothing to tell.
        (Err(error), Ok(_)) => return Err(error),
        (Err(error), Err(_)) if error.kind() != ErrorKind::Interrupted || interrupt.is_set() => {
            return Err(keep::explain_conflict(error));
        }
        (_, Err(error)) => return Err(error),
        (Ok(()), Ok(output)) => output,
    };
    interrupt.check()?;
    keeper.session.close().await;
    let large_objects_report = LargeObjectsReport::of(&large_objects);
    let manifest = || {
        describe::manifest(describe::Facts {
            options: &options,
            session: &facts,
            system_identifier: keeper.identity.system_identifier.as_deref(),
            snapshot_lsn: keeper.snapshot_lsn.as_deref(),
            elapsed: began.elapsed(),
            settings,
            sequences,
            entries: &entries,
            data,
            large_objects,
            large_object_metadata,
        })
    };
    let manifest = has_manifest.then(manifest);
    let finish = move || output.finish(manifest);
    let stored_bytes = tokio::task::spawn_blocking(finish)
        .await
        .context(ErrorKind::Internal, || "the script could not be completed".to_owned())??;
    Ok(DumpReport {
        output: options.output.to_string(),
        database: facts.database,
        server_version: facts.version_text,
        entries: entries.len(),
        rows: reports.iter().map(|table| table.fingerprint.rows).sum(),
        raw_bytes: reports.iter().map(|table| table.raw_bytes).sum(),
        stored_bytes,
        elapsed: began.elapsed(),
        restarts: 0,
        yielded: 0,
        tables: reports,
        large_objects: large_objects_report,
        warnings,
    })
}

fn write(
    mut output: ScriptFile,
    entries: &[TocEntry],
    options: &ScriptOptions,
    mut feed: Feed,
) -> Result<ScriptFile> {
    match write_script(&mut output, entries, options, &mut feed) {
        Ok(()) => Ok(output),
        Err(ScriptError::Write(error)) => {
            Err(Error::new(ErrorKind::Storage, "could not write the script").with_source(error))
        }
        Err(error) => {
            Err(Error::new(ErrorKind::Refused, "could not express the database as a script")
                .with_source(error))
        }
    }
}

fn large_object_groups(keeper: &Keeper, entries: &[TocEntry]) -> HashMap<DumpId, Vec<u32>> {
    let groups = entries.iter().filter(|entry| entry.has_data && entry.desc == "BLOBS");
    groups
        .map(|entry| {
            let oids = ddl::large_objects_of(&keeper.database, entry);
            (entry.dump_id, oids.into_iter().map(|oid| oid.0).collect())
        })
        .collect()
}

/// The data of a script: what the thread that writes asks the task that reads for.
struct Feed {
    wants: mpsc::Sender<DumpId>,
    chunks: mpsc::Receiver<Answer>,
    progress: ProgressHandle,
    began: (chrono::DateTime<chrono::Local>, Instant),
}

impl Feed {
    fn want(&mut self, entry: &TocEntry) -> io::Result<()> {
        self.wants.blocking_send(entry.dump_id).map_err(|_| gone())
    }

    fn next(&mut self) -> io::Result<Answer> {
        self.chunks.blocking_recv().ok_or_else(gone)
    }
}

fn gone() -> io::Error {
    io::Error::other("the reading of rows has ended")
}

impl ScriptSource for Feed {
    fn write_rows(&mut self, entry: &TocEntry, output: &mut dyn Write) -> io::Result<()> {
        self.want(entry)?;
        loop {
            match self.next()? {
                Answer::Rows(chunk) => output.write_all(&chunk)?,
                Answer::Done => return Ok(()),
                _ => return Err(gone()),
            }
        }
    }

    fn write_large_objects(
        &mut self,
        entry: &TocEntry,
        output: &mut LargeObjectScript<'_>,
    ) -> io::Result<()> {
        self.want(entry)?;
        loop {
            match self.next()? {
                Answer::LargeObject(oid) => output.begin(oid)?,
                Answer::LargeObjectBytes(bytes) => output.write(&bytes)?,
                Answer::LargeObjectEnd => output.end()?,
                Answer::Done => return Ok(()),
                Answer::Rows(_) => return Err(gone()),
            }
        }
    }

    fn now(&self) -> Option<String> {
        let (started, began) = self.began;
        let elapsed = chrono::TimeDelta::from_std(began.elapsed()).unwrap_or_default();
        Some(describe::moment(started + elapsed))
    }

    fn info(&mut self, message: &str) {
        self.progress.info(message);
    }
}

/// Reads what the writer asks for.
struct Reader {
    keeper: Keeper,
    progress: ProgressHandle,
    interrupt: Interrupt,
    answers: mpsc::Sender<Answer>,
    tables: HashMap<DumpId, PlannedTable>,
    objects: HashMap<DumpId, Vec<u32>>,
    inserts: bool,
    data: Vec<(PlannedTable, DataFileSummary)>,
    reports: Vec<TableReport>,
    large_objects: Vec<ManifestLargeObjects>,
}

impl Reader {
    async fn serve(&mut self, mut wanted: mpsc::Receiver<DumpId>) -> Result<()> {
        loop {
            let next = tokio::select! {
                biased;
                () = self.interrupt.wait() => {
                    return Err(Error::new(
                        ErrorKind::Interrupted,
                        "interrupted: the script is not complete, running again is safe",
                    ));
                }
                next = wanted.recv() => next,
            };
            let Some(id) = next else { return Ok(()) };
            if let Some(table) = self.tables.remove(&id) {
                self.rows(table).await?;
            } else if let Some(oids) = self.objects.remove(&id) {
                let session = &self.keeper.session;
                let objects =
                    large_object_text::send(session, &oids, &self.answers, &self.interrupt).await?;
                self.large_objects.push(ManifestLargeObjects {
                    dump_id: id.0,
                    file: String::new(),
                    stored_bytes: 0,
                    sha256: NO_FILE,
                    objects,
                });
            } else {
                return Err(Error::new(ErrorKind::Internal, format!("entry {id} has no data")));
            }
            self.send(Answer::Done).await?;
        }
    }

    async fn send(&self, answer: Answer) -> Result<()> {
        // The writer has failed then, and says why itself.
        self.answers.send(answer).await.map_err(|_| stopped())
    }

    async fn rows(&mut self, table: PlannedTable) -> Result<()> {
        let began = Instant::now();
        let item = table.name.sql();
        self.progress.info(&format!(
            "dumping contents of table \"{}.{}\"",
            table.name.schema, table.name.name
        ));
        self.progress.started(&item, table.size.cost());
        if table.foreign {
            open_foreign_tables(&self.keeper.session, true).await?;
        }
        let (raw_bytes, fingerprint) = self.copy(&table, &item).await?;
        if table.foreign {
            open_foreign_tables(&self.keeper.session, false).await?;
        }
        self.progress.finished(&item);
        let summary = DataFileSummary {
            dump_id: table.dump_id,
            file: String::new(),
            raw_bytes,
            stored_bytes: 0,
            sha256: NO_FILE,
            fingerprint,
            blocks: Vec::new(),
        };
        self.reports.push(TableReport {
            schema: table.name.schema.clone(),
            name: table.name.name.clone(),
            fingerprint,
            raw_bytes,
            stored_bytes: 0,
            reading: began.elapsed(),
        });
        self.data.push((table, summary));
        Ok(())
    }

    async fn copy(
        &mut self,
        table: &PlannedTable,
        item: &str,
    ) -> Result<(u64, crate::codec::Fingerprint)> {
        let mut inserts = table.insert.clone().map(InsertWriter::new);
        if inserts.is_none() && self.inserts {
            return Err(Error::new(ErrorKind::Internal, format!("{item} has no INSERT form")));
        }
        let purpose = format!("read the rows of {item}");
        let canceller = self.keeper.session.canceller();
        let mut hasher = crate::codec::RowHasher::default();
        let mut raw_bytes = 0;
        let statement = table.copy_statement(PieceRange::Whole);
        let mut copy = self.keeper.session.copy_out(&purpose, &statement).await?;
        loop {
            let chunk = tokio::select! {
                biased;
                () = self.interrupt.wait() => {
                    // The server would go on to the end of the table before it notices that we left.
                    let _ = canceller.cancel().await;
                    return Err(Error::new(ErrorKind::Interrupted, format!("interrupted while reading {item}")));
                }
                chunk = copy.next() => {
                    chunk.map_err(|error| broken_copy::explain(error, table, &statement))?
                }
            };
            let Some(chunk) = chunk else { break };
            raw_bytes += chunk.len() as u64;
            hasher.feed(&chunk);
            self.progress.advanced(item, chunk.len() as u64, 0);
            let chunk = match &mut inserts {
                None => chunk,
                Some(inserts) => {
                    let mut text = Vec::with_capacity(chunk.len() * 2);
                    inserts.push(&chunk, &mut text);
                    text.into()
                }
            };
            if self.answers.send(Answer::Rows(chunk)).await.is_err() {
                let _ = canceller.cancel().await;
                return Err(stopped());
            }
        }
        let end = match inserts {
            None => Bytes::from_static(COPY_END),
            Some(inserts) => {
                let mut text = Vec::new();
                inserts.finish(&mut text);
                text.extend_from_slice(INSERTS_END);
                text.into()
            }
        };
        self.send(Answer::Rows(end)).await?;
        Ok((raw_bytes, hasher.finish()))
    }
}
