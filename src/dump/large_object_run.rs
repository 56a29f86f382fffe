//! Large objects while they are read: which pieces of an entry are done, and its end.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::keep;
use super::large_object_sink::LargeObjectSink;
use super::large_objects::PlannedLargeObjects;
use super::run::{Run, Sink};
use super::split::Piece;
use crate::archive::{LargeObjectPiece, LargeObjectsWriter, ManifestLargeObjects};
use crate::catalog::LargeObjectReading;
use crate::connect::Session;
use crate::error::{Error, ErrorKind, Result};

/// The large objects of an entry while they are read.
pub(super) struct LargeObjectRun {
    planned: PlannedLargeObjects,
    pieces: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// From the first piece's beginning on.
    writer: Option<Arc<dyn LargeObjectsWriter>>,
    done: usize,
    summary: Option<ManifestLargeObjects>,
}

impl LargeObjectRun {
    pub(super) fn new(planned: PlannedLargeObjects, pieces: usize) -> Self {
        LargeObjectRun { planned, pieces, state: Mutex::default() }
    }

    /// Names a piece for whoever watches.
    pub(super) fn item(&self, piece: Piece) -> String {
        let name = self.planned.item();
        match self.pieces {
            1 => name,
            pieces => format!("{name} ({}/{pieces})", piece.index + 1),
        }
    }

    /// Returns what was written.
    pub(super) fn into_summary(self) -> Result<ManifestLargeObjects> {
        let item = self.planned.item();
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        state
            .summary
            .ok_or_else(|| Error::new(ErrorKind::Internal, format!("{item} were not completed")))
    }

    fn begin(&self, run: &Run, piece: Piece) -> Result<Box<dyn LargeObjectPiece>> {
        let mut state = self.lock();
        let writer = match &state.writer {
            Some(writer) => Arc::clone(writer),
            None => {
                let writer: Arc<dyn LargeObjectsWriter> =
                    run.writer.large_objects(self.planned.dump_id)?.into();
                state.writer = Some(Arc::clone(&writer));
                writer
            }
        };
        writer.piece(piece.index)
    }

    /// Notes that a piece is written, and completes the entry after the last one.
    async fn complete(&self) -> Result<()> {
        let writer = {
            let mut state = self.lock();
            state.done += 1;
            if state.done < self.pieces {
                return Ok(());
            }
            state.writer.take()
        };
        let pieces = self.pieces;
        let finish = tokio::task::spawn_blocking(move || match writer {
            Some(writer) => writer.finish(pieces),
            None => Err(Error::new(ErrorKind::Internal, "large objects were never begun")),
        });
        let summary = finish.await.map_err(|error| {
            Error::new(ErrorKind::Internal, "large objects could not be completed")
                .with_source(error)
        })??;
        self.lock().summary = Some(summary);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Run {
    /// Reads a piece of the large objects of an entry and completes it in the archive.
    ///
    /// When this fails nothing of the piece is in flight and it may be begun again.
    pub(super) async fn read_large_objects(
        &self,
        session: &mut Session,
        piece: Piece,
        objects: &LargeObjectRun,
    ) -> Result<()> {
        let item = objects.item(piece);
        self.progress.started(&item, piece.cost);
        // Settings of the query, and objects that the server has open, go with the savepoint.
        session
            .execute(&format!("prepare to read {item}"), LargeObjectReading::preparation())
            .await?;
        let writer = objects.begin(self, piece)?;
        let oids = objects.planned.oids_of(piece.range);
        let progress = Arc::clone(&self.progress);
        let mut sink = LargeObjectSink::new(&self.budget, oids, writer, progress, item.clone());
        let statement = self.reading.statement(oids);
        self.copy(session, &format!("read {item}"), &statement, Sink::LargeObjects(&mut sink))
            .await
            .map_err(keep::explain_conflict)?;
        sink.finish().await?;
        session.execute("go back to the savepoint", "rollback to savepoint piece").await?;
        objects.complete().await?;
        self.progress.finished(&item);
        self.queue.done();
        Ok(())
    }
}
