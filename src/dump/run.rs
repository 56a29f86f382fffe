//! The second half of a dump: the plan is carried out.
//!
//! ```text
//!              queue of pieces
//!   worker 1 <-+   |   +-> worker N          each with its session: COPY -> PieceSink
//!       |          v             |
//!       |        keeper <--------+           pieces whose lock is refused; heartbeat
//!       +-> data files <---------+
//! ```
//!
//! Whoever fails for good stops everybody. Nothing is visible under the output's name until the last
//! step, so an error or an interrupt needs no cleaning beyond dropping the writer.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::broken_copy;
use super::describe;
use super::keep;
use super::large_object_run::LargeObjectRun;
use super::large_object_sink::LargeObjectSink;
use super::plan::{DumpPlan, PlannedTable};
use super::queue::Queue;
use super::report::{DumpReport, LargeObjectsReport, TableReport};
use super::sink::{BlockBudget, PieceSink};
use super::split::{Piece, Source};
use super::work;
use crate::archive::toc::Toc;
use crate::archive::{
    self, ArchiveFormat, ArchiveWriter, COPY_END, DataFileSummary, DataFileWriter, DataOrder,
    PieceWriter,
};
use crate::catalog::{
    LargeObjectMetadata, LargeObjectReading, ServerIdentity, SessionRecipe, open_foreign_tables,
};
use crate::connect::Session;
use crate::ddl::inserts::{INSERTS_END, InsertWriter};
use crate::error::{Error, ErrorKind, Result, with_causes};
use crate::progress::{Interrupt, ProgressHandle};

/// What all who work on one dump share.
pub(super) struct Run {
    pub(super) queue: Queue,
    pub(super) recipe: SessionRecipe,
    pub(super) server: ServerIdentity,
    pub(super) snapshot: String,
    pub(super) progress: ProgressHandle,
    /// Set when the dump ends early, whatever the reason.
    pub(super) stop: Interrupt,
    pub(super) tables: Vec<TableRun>,
    pub(super) large_objects: Vec<LargeObjectRun>,
    pub(super) reading: LargeObjectReading,
    pub(super) restarts: AtomicU64,
    pub(super) yielded: AtomicU64,
    pub(super) budget: BlockBudget,
    pub(super) writer: Box<dyn ArchiveWriter>,
}

/// A table while it is read.
pub(super) struct TableRun {
    pub(super) table: PlannedTable,
    pieces: usize,
    state: Mutex<TableState>,
}

#[derive(Default)]
struct TableState {
    /// The data file, from the first piece's beginning to the last one's end.
    file: Option<Arc<DataFileWriter>>,
    done: usize,
    reading: Duration,
    summary: Option<DataFileSummary>,
}

impl DumpPlan {
    /// Reads the data and writes the archive.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Connection`] when the session that holds the snapshot is lost,
    /// [`ErrorKind::Storage`] when the archive cannot be written, [`ErrorKind::Server`] when the server
    /// cannot read its own data, [`ErrorKind::Interrupted`] when `interrupt` was set. Whatever the
    /// reason, nothing is left that looks like an archive, and running again is safe.
    pub async fn run(self, interrupt: Interrupt) -> Result<DumpReport> {
        if self.options.format == ArchiveFormat::Plain {
            return super::script::run(self, interrupt).await;
        }
        let began = Instant::now();
        let DumpPlan {
            options,
            mut keeper,
            progress,
            entries,
            version,
            tables,
            large_objects,
            reading,
            pieces,
            warnings,
        } = self;
        let sequences = describe::sequences(&keeper.database, &entries);
        let settings = describe::settings(&keeper.session).await?;
        let place = options.place();
        let has_manifest = options.manifest && place.keeps_manifest();
        let facts = keeper.database.facts.clone();
        let header = describe::header(&options, &facts, version, has_manifest);
        let large_object_metadata = LargeObjectMetadata::of(&keeper.database)?;
        keeper.forget_catalogs();
        let toc = Arc::new(Toc { header, entries });
        let (contents, compression) = (Arc::clone(&toc), options.compression);
        let writer =
            opened(&interrupt, move || archive::create(&place, contents, compression)).await?;
        let mut pieces = pieces;
        if writer.order() == DataOrder::OfEntries {
            // What comes before its turn waits on disk.
            pieces.sort_by_key(|piece| (piece.source, piece.index));
        }
        let workers = if options.jobs > 1 { options.jobs.min(pieces.len()) } else { 0 };
        let bytes = pieces.iter().map(|piece| piece.cost).sum();
        let items = tables.len() + large_objects.len();
        progress.phase("dumping table data", items as u64, bytes);
        let mut counts = vec![0; tables.len()];
        let mut entry_counts = vec![0; large_objects.len()];
        for piece in &pieces {
            match piece.source {
                Source::Table(table) => counts[table] += 1,
                Source::LargeObjects(entry) => entry_counts[entry] += 1,
            }
        }
        let large_objects = large_objects.into_iter().zip(entry_counts);
        let tables = tables.into_iter().zip(counts);
        let run = Arc::new(Run {
            queue: Queue::new(pieces, workers),
            recipe: keeper.recipe,
            server: keeper.identity,
            snapshot: keeper.snapshot,
            progress: Arc::clone(&progress),
            stop: Interrupt::default(),
            tables: tables.map(|(table, pieces)| TableRun::new(table, pieces)).collect(),
            large_objects: large_objects
                .map(|(planned, pieces)| LargeObjectRun::new(planned, pieces))
                .collect(),
            reading,
            restarts: AtomicU64::new(0),
            yielded: AtomicU64::new(0),
            budget: BlockBudget::new(options.jobs),
            writer,
        });
        everybody(&run, keeper.session, workers, &interrupt).await?;
        interrupt.check()?;

        progress.phase("completing the archive", 0, 0);
        let run = Arc::into_inner(run)
            .ok_or_else(|| Error::new(ErrorKind::Internal, "somebody still works on the dump"))?;
        let Run { tables, large_objects, writer, server, restarts, yielded, .. } = run;
        let mut reports = Vec::with_capacity(tables.len());
        let mut data = Vec::with_capacity(tables.len());
        for table in tables {
            let (table, reading, summary) = table.into_parts()?;
            reports.push(TableReport {
                schema: table.name.schema.clone(),
                name: table.name.name.clone(),
                fingerprint: summary.fingerprint,
                raw_bytes: summary.raw_bytes,
                stored_bytes: summary.stored_bytes,
                reading,
            });
            data.push((table, summary));
        }
        let mut objects = Vec::with_capacity(large_objects.len());
        for entry in large_objects {
            objects.push(entry.into_summary()?);
        }
        let large_objects = LargeObjectsReport::of(&objects);
        let manifest = describe::manifest(describe::Facts {
            options: &options,
            session: &facts,
            system_identifier: server.system_identifier.as_deref(),
            snapshot_lsn: keeper.snapshot_lsn.as_deref(),
            elapsed: began.elapsed(),
            settings,
            sequences,
            entries: &toc.entries,
            data,
            large_objects: objects,
            large_object_metadata,
        });
        let finish =
            tokio::task::spawn_blocking(move || writer.finish(has_manifest.then_some(manifest)));
        finish.await.map_err(|error| {
            Error::new(ErrorKind::Internal, "the archive could not be completed").with_source(error)
        })??;
        Ok(DumpReport {
            output: options.output.to_string(),
            database: facts.database,
            server_version: facts.version_text,
            entries: toc.entries.len(),
            rows: reports.iter().map(|table| table.fingerprint.rows).sum(),
            raw_bytes: reports.iter().map(|table| table.raw_bytes).sum(),
            stored_bytes: reports.iter().map(|table| table.stored_bytes).sum(),
            elapsed: began.elapsed(),
            restarts: restarts.into_inner(),
            yielded: yielded.into_inner(),
            tables: reports,
            large_objects,
            warnings,
        })
    }
}

/// Opens the output, unless somebody asks to stop: a pipe waits for whoever reads it.
pub(super) async fn opened<T: Send + 'static>(
    interrupt: &Interrupt,
    open: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let opening = tokio::task::spawn_blocking(open);
    tokio::select! {
        opened = opening => opened.map_err(|panic| {
            Error::new(ErrorKind::Internal, "could not open the output").with_source(panic)
        })?,
        () = interrupt.wait() => Err(Error::new(
            ErrorKind::Interrupted,
            "interrupted: nothing was written, running again is safe",
        )),
    }
}

/// Lets the keeper and the workers read everything; returns when all of them have ended.
async fn everybody(
    run: &Arc<Run>,
    keeper: Session,
    workers: usize,
    interrupt: &Interrupt,
) -> Result<()> {
    let mut tasks = JoinSet::new();
    let keeping = tasks.spawn(keep::keep(Arc::clone(run), keeper)).id();
    for _ in 0..workers {
        tasks.spawn(work::work(Arc::clone(run)));
    }
    let mut failure: Option<Error> = None;
    let mut interrupted = false;
    loop {
        let ended = tokio::select! {
            ended = tasks.join_next_with_id() => ended,
            () = interrupt.wait(), if !interrupted => {
                interrupted = true;
                run.stop.trigger();
                continue;
            }
        };
        let (id, result) = match ended {
            None => break,
            Some(Ok((id, result))) => (id, result),
            Some(Err(error)) => {
                let id = error.id();
                (id, Err(Error::new(ErrorKind::Internal, "a worker failed").with_source(error)))
            }
        };
        if let Err(error) = result {
            run.stop.trigger();
            // Losing the keeper explains what the others ran into, never the other way round.
            let explains = id == keeping && error.kind() != ErrorKind::Interrupted;
            if failure
                .as_ref()
                .is_none_or(|first| explains || first.kind() == ErrorKind::Interrupted)
            {
                failure = Some(error);
            }
        }
    }
    if interrupted {
        return Err(Error::new(
            ErrorKind::Interrupted,
            "interrupted: nothing was written, running again is safe",
        ));
    }
    failure.map_or(Ok(()), Err)
}

impl Run {
    /// Reads a piece over a session and completes it in the archive.
    ///
    /// When this fails nothing of the piece is in flight and it may be begun again.
    pub(super) async fn read(&self, session: &mut Session, piece: Piece) -> Result<()> {
        match piece.source {
            Source::Table(table) => self.read_table(session, piece, &self.tables[table]).await,
            Source::LargeObjects(entry) => {
                self.read_large_objects(session, piece, &self.large_objects[entry]).await
            }
        }
    }

    async fn read_table(
        &self,
        session: &mut Session,
        piece: Piece,
        table: &TableRun,
    ) -> Result<()> {
        let item = table.item(piece);
        let began = Instant::now();
        self.progress.started(&item, piece.cost);
        let writer = self.begin(table, piece)?;
        let progress = Arc::clone(&self.progress);
        let mut sink = PieceSink::new(&self.budget, writer, progress, item.clone()).await?;
        let purpose = format!("read the rows of {}", table.table.name.sql());
        let statement = table.table.copy_statement(piece.range);
        let inserts = table.table.insert.clone().map(InsertWriter::new);
        let result = async {
            if table.table.foreign {
                open_foreign_tables(session, true).await?;
            }
            self.copy(session, &purpose, &statement, Sink::Rows(&mut sink, inserts)).await?;
            if table.table.foreign {
                open_foreign_tables(session, false).await?;
            }
            Ok(())
        };
        if let Err(error) = result.await {
            sink.abandon().await;
            let error = broken_copy::explain(error, &table.table, &statement);
            return Err(keep::explain_conflict(error));
        }
        sink.finish().await?;
        self.complete(table, began.elapsed()).await?;
        self.progress.finished(&item);
        self.queue.done();
        Ok(())
    }

    /// Moves what a COPY gives into a sink.
    pub(super) async fn copy(
        &self,
        session: &mut Session,
        purpose: &str,
        statement: &str,
        mut sink: Sink<'_>,
    ) -> Result<()> {
        let canceller = session.canceller();
        let mut copy = session.copy_out(purpose, statement).await?;
        loop {
            let chunk = tokio::select! {
                biased;
                () = self.stop.wait() => {
                    // The server would go on to the end of the table before it notices that we left.
                    let _ = canceller.cancel().await;
                    return Err(stopped());
                }
                chunk = copy.next() => chunk?,
            };
            match chunk {
                Some(chunk) => sink.push(&chunk).await?,
                None => return sink.end().await,
            }
        }
    }

    /// Begins a piece in its data file, throwing away what an attempt before has left.
    fn begin(&self, table: &TableRun, piece: Piece) -> Result<PieceWriter> {
        let mut state = table.lock();
        let file = match &state.file {
            Some(file) => Arc::clone(file),
            None => {
                let file = Arc::new(self.writer.data_file(table.table.dump_id)?);
                state.file = Some(Arc::clone(&file));
                file
            }
        };
        file.piece(piece.index)
    }

    /// Notes that a piece is in its data file, and completes the file after the last one.
    async fn complete(&self, table: &TableRun, reading: Duration) -> Result<()> {
        let file = {
            let mut state = table.lock();
            state.reading += reading;
            state.done += 1;
            if state.done < table.pieces {
                return Ok(());
            }
            state.file.take().and_then(Arc::into_inner)
        };
        let file =
            file.ok_or_else(|| Error::new(ErrorKind::Internal, "a data file is still in use"))?;
        let pieces = table.pieces;
        let end = if table.table.insert.is_some() { INSERTS_END } else { COPY_END };
        let finish = tokio::task::spawn_blocking(move || file.finish_with(pieces, end));
        let summary = finish.await.map_err(|error| {
            Error::new(ErrorKind::Internal, "a data file could not be completed").with_source(error)
        })??;
        table.lock().summary = Some(summary);
        Ok(())
    }

    /// Names a piece for whoever watches.
    pub(super) fn item(&self, piece: Piece) -> String {
        match piece.source {
            Source::Table(table) => self.tables[table].item(piece),
            Source::LargeObjects(entry) => self.large_objects[entry].item(piece),
        }
    }

    /// Notes that a piece is read again from its beginning.
    pub(super) fn again(&self, piece: Piece, error: &Error) {
        self.restarts.fetch_add(1, Ordering::Relaxed);
        let item = self.item(piece);
        self.progress.restarted(&item);
        self.progress.warning(&format!("reading {item} again: {}", with_causes(error)));
    }
}

/// Who takes what a COPY gives.
pub(super) enum Sink<'a> {
    /// The rows of a table, and what makes statements of them.
    Rows(&'a mut PieceSink, Option<InsertWriter>),
    LargeObjects(&'a mut LargeObjectSink),
}

impl Sink<'_> {
    async fn push(&mut self, chunk: &[u8]) -> Result<()> {
        match self {
            Sink::Rows(sink, None) => sink.push(chunk).await,
            Sink::Rows(sink, Some(inserts)) => {
                let mut text = Vec::with_capacity(chunk.len() * 2);
                inserts.push(chunk, &mut text);
                sink.push(&text).await
            }
            Sink::LargeObjects(sink) => sink.push(chunk).await,
        }
    }

    /// The COPY is complete.
    async fn end(self) -> Result<()> {
        match self {
            Sink::Rows(sink, Some(inserts)) => {
                let mut text = Vec::new();
                inserts.finish(&mut text);
                sink.push(&text).await
            }
            Sink::Rows(_, None) | Sink::LargeObjects(_) => Ok(()),
        }
    }
}

/// Returns the error of somebody who was told to stop.
pub(super) fn stopped() -> Error {
    Error::new(ErrorKind::Interrupted, "stopped")
}

impl TableRun {
    fn new(table: PlannedTable, pieces: usize) -> Self {
        TableRun { table, pieces, state: Mutex::default() }
    }

    /// Names a piece for whoever watches.
    pub(super) fn item(&self, piece: Piece) -> String {
        let name = self.table.name.sql();
        if self.pieces == 1 {
            name
        } else {
            format!("{name} ({}/{})", piece.index + 1, self.pieces)
        }
    }

    fn into_parts(self) -> Result<(PlannedTable, Duration, DataFileSummary)> {
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        match state.summary {
            Some(summary) => Ok((self.table, state.reading, summary)),
            None => Err(Error::new(
                ErrorKind::Internal,
                format!("{} was not completed", self.table.name.sql()),
            )),
        }
    }

    fn lock(&self) -> MutexGuard<'_, TableState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
