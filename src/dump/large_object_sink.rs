//! Where large objects go: parts compressed on rayon, written in their order.
//!
//! Small objects go through together, a large one in parts of about 1 MiB. What is in flight holds
//! permits of the [`BlockBudget`] that table data has too. Before this sink waits for a permit it has
//! written everything of its own, so those who wait never hold what they wait for.

use std::collections::VecDeque;

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::block::BLOCK_BYTES;
use super::large_object_stream::{Assembler, Part};
use super::sink::BlockBudget;
use crate::archive::{BlockCodec, EncodedBlock, LargeObjectPiece};
use crate::catalog::{LargeObjectRow, LargeObjectRows};
use crate::error::{Error, ErrorKind, Result};
use crate::model::Oid;
use crate::progress::ProgressHandle;

/// How many sets of parts may wait for their turn to be written.
const IN_FLIGHT: usize = 4;

/// Receives the large objects of one piece as the stream of a binary COPY.
pub(super) struct LargeObjectSink {
    budget: BlockBudget,
    codec: BlockCodec,
    rows: LargeObjectRows,
    assembler: Assembler,
    pending: VecDeque<oneshot::Receiver<Result<EncodedParts>>>,
    /// Away while it writes.
    writer: Option<Box<dyn LargeObjectPiece>>,
    progress: ProgressHandle,
    item: String,
}

/// Parts that are ready to be written.
struct EncodedParts {
    parts: Vec<EncodedPart>,
    raw_bytes: u64,
    _permit: OwnedSemaphorePermit,
}

struct EncodedPart {
    oid: Oid,
    first: bool,
    block: EncodedBlock,
    /// The hash of the object that ends here.
    hash: Option<u128>,
}

impl LargeObjectSink {
    pub(super) fn new(
        budget: &BlockBudget,
        oids: &[Oid],
        writer: Box<dyn LargeObjectPiece>,
        progress: ProgressHandle,
        item: String,
    ) -> Self {
        LargeObjectSink {
            budget: budget.clone(),
            codec: writer.codec(),
            rows: LargeObjectRows::default(),
            assembler: Assembler::new(oids.to_vec(), BLOCK_BYTES),
            pending: VecDeque::new(),
            writer: Some(writer),
            progress,
            item,
        }
    }

    /// Takes the next bytes of the stream, waiting while too much is in flight.
    ///
    /// # Errors
    ///
    /// When the stream is none of large objects, and when a part before could not be written.
    pub(super) async fn push(&mut self, chunk: &[u8]) -> Result<()> {
        let mut rows = std::mem::take(&mut self.rows);
        rows.feed(chunk);
        while let Some(LargeObjectRow { oid, offset, bytes }) = rows.next_row()? {
            let mut hole = self.assembler.go_to(oid, offset)?;
            while hole > 0 {
                hole -= self.assembler.zeros(hole);
                self.submit_if_full().await?;
            }
            self.assembler.bytes(bytes);
            self.submit_if_full().await?;
        }
        self.rows = rows;
        Ok(())
    }

    /// Writes what is left and completes the piece.
    pub(super) async fn finish(mut self) -> Result<()> {
        self.rows.finish()?;
        let empty = Assembler::new(Vec::new(), 0);
        let last = std::mem::replace(&mut self.assembler, empty).finish();
        self.submit(last).await?;
        while let Some(next) = self.pending.pop_front() {
            self.write(next).await?;
        }
        let writer = self.writer.take().ok_or_else(writer_is_missing)?;
        writer.finish()
    }

    async fn submit_if_full(&mut self) -> Result<()> {
        if self.assembler.full() {
            let parts = self.assembler.take();
            self.submit(parts).await?;
        }
        Ok(())
    }

    async fn submit(&mut self, parts: Vec<Part>) -> Result<()> {
        while self.pending.len() >= IN_FLIGHT
            && let Some(next) = self.pending.pop_front()
        {
            self.write(next).await?;
        }
        let permit = loop {
            if let Some(permit) = self.budget.try_permit() {
                break permit;
            }
            match self.pending.pop_front() {
                Some(next) => self.write(next).await?,
                None => break self.budget.permit().await?,
            }
        };
        let (sender, receiver) = oneshot::channel();
        let codec = self.codec;
        rayon::spawn(move || {
            // Nobody listens when the piece was given up.
            let _ = sender.send(encode(parts, codec, permit));
        });
        self.pending.push_back(receiver);
        Ok(())
    }

    async fn write(&mut self, next: oneshot::Receiver<Result<EncodedParts>>) -> Result<()> {
        let encoded = next.await.map_err(|_| writer_is_missing())??;
        let mut writer = self.writer.take().ok_or_else(writer_is_missing)?;
        let raw_bytes = encoded.raw_bytes;
        let written = tokio::task::spawn_blocking(move || {
            write_parts(writer.as_mut(), encoded.parts).map(|()| writer)
        });
        let written = written.await.map_err(|error| {
            Error::new(ErrorKind::Internal, "the writing of large objects ended").with_source(error)
        })?;
        self.writer = Some(written?);
        self.progress.advanced(&self.item, raw_bytes, 0);
        Ok(())
    }
}

fn encode(
    parts: Vec<Part>,
    codec: BlockCodec,
    permit: OwnedSemaphorePermit,
) -> Result<EncodedParts> {
    let mut encoded = Vec::with_capacity(parts.len());
    let mut raw_bytes = 0;
    for part in parts {
        let hash = part.hash();
        let Part { oid, bytes, first, .. } = part;
        raw_bytes += bytes.len() as u64;
        encoded.push(EncodedPart { oid, first, block: codec.encode(&bytes, 0)?, hash });
    }
    Ok(EncodedParts { parts: encoded, raw_bytes, _permit: permit })
}

fn write_parts(writer: &mut dyn LargeObjectPiece, parts: Vec<EncodedPart>) -> Result<()> {
    for EncodedPart { oid, first, block, hash } in parts {
        if first {
            writer.begin(oid)?;
        }
        // An object may end exactly where it was cut.
        if first || block.raw_bytes > 0 {
            writer.write(&block)?;
        }
        if let Some(hash) = hash {
            writer.end(hash)?;
        }
    }
    Ok(())
}

fn writer_is_missing() -> Error {
    Error::new(ErrorKind::Internal, "the writer of large objects is missing")
}
