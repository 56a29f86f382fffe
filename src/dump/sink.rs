//! Where the rows of one piece go: blocks compressed out of order on rayon, written in order.
//!
//! ```text
//! COPY chunks -> Cutter -> block 7 --rayon--> fingerprint, compress --+
//!                          block 8 --rayon--> fingerprint, compress --+-> in order -> PieceWriter
//! ```
//!
//! No task waits for another one: whoever completes the block that is next writes it and those behind
//! it that are ready. What is in flight over all pieces is bounded by [`BlockBudget`], because each
//! block holds a permit from before its first byte is read until it is written. A piece that is given
//! up is drained before its writer is dropped, so that a second attempt never meets the first.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use super::block::{BLOCK_BYTES, Block, Cut, Cutter};
use crate::archive::{BlockCodec, EncodedBlock, PieceWriter};
use crate::codec::{Fingerprint, RowHasher};
use crate::error::{Error, ErrorKind, Result};
use crate::progress::ProgressHandle;

/// Bounds the blocks in flight and keeps their buffers for use again.
#[derive(Debug, Clone)]
pub(super) struct BlockBudget {
    permits: Arc<Semaphore>,
    buffers: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl BlockBudget {
    /// Makes the budget of a dump with so many connections.
    ///
    /// A block in flight is at most about 2.5 MiB, raw and compressed together. Eight of them and four
    /// more for each connection stay well inside the promised 64 MiB + 16 MiB per connection, and keep
    /// the cores busy while a connection waits for its server.
    pub(super) fn new(jobs: usize) -> Self {
        BlockBudget {
            permits: Arc::new(Semaphore::new(8 + 4 * jobs)),
            buffers: Arc::new(Mutex::new(Vec::new())),
        }
    }

    /// Takes a permit when nobody has to be waited for.
    pub(super) fn try_permit(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.permits).try_acquire_owned().ok()
    }

    /// Waits for a permit.
    pub(super) async fn permit(&self) -> Result<OwnedSemaphorePermit> {
        Arc::clone(&self.permits)
            .acquire_owned()
            .await
            .map_err(|_| Error::new(ErrorKind::Internal, "the budget of blocks was closed"))
    }

    fn buffer(&self) -> Vec<u8> {
        // A little more than a block, because the chunk that fills a block goes over its end.
        lock(&self.buffers).pop().unwrap_or_else(|| Vec::with_capacity(BLOCK_BYTES + (256 << 10)))
    }

    fn give_back(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        lock(&self.buffers).push(buffer);
    }
}

/// Receives the COPY text of one piece.
pub(super) struct PieceSink {
    budget: BlockBudget,
    codec: BlockCodec,
    cutter: Cutter,
    permit: OwnedSemaphorePermit,
    /// Fingerprints the rows of the blocks that are cut inside a row, which must be read in order.
    long_rows: RowHasher,
    next_block: u64,
    order: Arc<Order>,
}

/// Brings the blocks of a piece back into their order.
struct Order {
    state: Mutex<OrderState>,
    /// Wakes who waits for the last block.
    drained: Notify,
    progress: ProgressHandle,
    item: String,
}

struct OrderState {
    /// The writer; away while somebody writes.
    writer: Option<PieceWriter>,
    next: u64,
    waiting: BTreeMap<u64, (EncodedBlock, OwnedSemaphorePermit)>,
    /// Blocks handed over and neither written nor dropped.
    outstanding: u64,
    fingerprint: Fingerprint,
    failure: Option<Error>,
    failed: bool,
}

impl PieceSink {
    /// Makes the sink of a piece; `item` names it for whoever watches.
    pub(super) async fn new(
        budget: &BlockBudget,
        writer: PieceWriter,
        progress: ProgressHandle,
        item: String,
    ) -> Result<PieceSink> {
        let permit = budget.permit().await?;
        Ok(PieceSink {
            budget: budget.clone(),
            codec: writer.codec(),
            cutter: Cutter::new(BLOCK_BYTES, budget.buffer()),
            permit,
            long_rows: RowHasher::default(),
            next_block: 0,
            order: Arc::new(Order {
                state: Mutex::new(OrderState {
                    writer: Some(writer),
                    next: 0,
                    waiting: BTreeMap::new(),
                    outstanding: 0,
                    fingerprint: Fingerprint::default(),
                    failure: None,
                    failed: false,
                }),
                drained: Notify::new(),
                progress,
                item,
            }),
        })
    }

    /// Takes the next bytes of COPY text, waiting while too much is in flight.
    ///
    /// # Errors
    ///
    /// When a block before could not be compressed or written.
    pub(super) async fn push(&mut self, chunk: &[u8]) -> Result<()> {
        self.cutter.push(chunk);
        if self.cutter.full() {
            if self.order.lock().failed {
                return Err(self.order.take_failure());
            }
            let permit = std::mem::replace(&mut self.permit, self.budget.permit().await?);
            let block = self.cutter.cut(self.budget.buffer());
            self.submit(block, permit);
        }
        Ok(())
    }

    /// Hands over the last block, waits until everything is written and completes the piece.
    pub(super) async fn finish(self) -> Result<Fingerprint> {
        let PieceSink { budget, codec, cutter, permit, mut long_rows, next_block, order } = self;
        if let Some(block) = cutter.finish() {
            let rows = long_rows_of(&block, &mut long_rows);
            order.submit(next_block, block, rows, permit, budget, codec);
        } else {
            drop(permit);
        }
        order.drained().await;
        let mut state = order.lock();
        if state.failed {
            drop(state);
            return Err(order.take_failure());
        }
        let mut fingerprint = state.fingerprint;
        fingerprint.merge(long_rows.finish());
        let writer = state.writer.take();
        drop(state);
        let writer = writer
            .ok_or_else(|| Error::new(ErrorKind::Internal, "the writer of a piece is missing"))?;
        writer.finish(fingerprint)?;
        Ok(fingerprint)
    }

    /// Gives the piece up and waits until nothing of it is in flight.
    pub(super) async fn abandon(self) {
        let PieceSink { cutter, permit, order, .. } = self;
        drop((cutter, permit));
        order.lock().failed = true;
        order.drained().await;
    }

    fn submit(&mut self, block: Block, permit: OwnedSemaphorePermit) {
        let rows = long_rows_of(&block, &mut self.long_rows);
        let number = self.next_block;
        self.next_block += 1;
        self.order.submit(number, block, rows, permit, self.budget.clone(), self.codec);
    }
}

/// Feeds a block that is cut inside a row to the hasher of such rows and returns how many rows end in it.
fn long_rows_of(block: &Block, hasher: &mut RowHasher) -> Option<u64> {
    match block.cut {
        Cut::WholeRows => None,
        Cut::InsideRow => {
            hasher.feed(&block.text);
            Some(block.text.iter().filter(|&&byte| byte == b'\n').count() as u64)
        }
    }
}

impl Order {
    /// Compresses and writes a block on rayon. `long_rows` is the number of rows that end in a block
    /// that was fingerprinted already.
    fn submit(
        self: &Arc<Self>,
        number: u64,
        block: Block,
        long_rows: Option<u64>,
        permit: OwnedSemaphorePermit,
        budget: BlockBudget,
        codec: BlockCodec,
    ) {
        self.lock().outstanding += 1;
        let order = Arc::clone(self);
        rayon::spawn(move || {
            if order.lock().failed {
                budget.give_back(block.text);
                return order.leave(1);
            }
            let fingerprint = match long_rows {
                Some(_) => Fingerprint::default(),
                None => {
                    let mut hasher = RowHasher::default();
                    hasher.feed(&block.text);
                    hasher.finish()
                }
            };
            let rows = long_rows.unwrap_or(fingerprint.rows);
            let encoded = codec.encode(&block.text, rows);
            budget.give_back(block.text);
            match encoded {
                Ok(encoded) => order.complete(number, encoded, fingerprint, permit),
                Err(error) => {
                    order.fail(error);
                    order.leave(1);
                }
            }
        });
    }

    /// Puts a compressed block into its place and writes what is next, unless somebody does so already.
    fn complete(
        &self,
        number: u64,
        block: EncodedBlock,
        fingerprint: Fingerprint,
        permit: OwnedSemaphorePermit,
    ) {
        self.progress.advanced(&self.item, block.raw_bytes, block.rows);
        let mut state = self.lock();
        state.fingerprint.merge(fingerprint);
        state.waiting.insert(number, (block, permit));
        let Some(mut writer) = state.writer.take() else { return };
        let mut done = 0;
        loop {
            let next = state.next;
            let Some((block, permit)) = state.waiting.remove(&next) else { break };
            state.next += 1;
            let failed = state.failed;
            drop(state);
            if !failed && let Err(error) = writer.write_block(block) {
                self.fail(error);
            }
            drop(permit);
            done += 1;
            state = self.lock();
        }
        if state.failed {
            // The block that is next may never come: it was dropped before it was compressed.
            done += state.waiting.len() as u64;
            state.waiting.clear();
        }
        state.writer = Some(writer);
        drop(state);
        self.leave(done);
    }

    fn fail(&self, error: Error) {
        let mut state = self.lock();
        state.failed = true;
        state.failure.get_or_insert(error);
    }

    /// Notes that so many blocks are no longer in flight.
    fn leave(&self, blocks: u64) {
        let mut state = self.lock();
        if state.failed && state.writer.is_some() {
            let waiting = state.waiting.len() as u64;
            state.waiting.clear();
            state.outstanding -= waiting;
        }
        state.outstanding -= blocks;
        if state.outstanding == 0 {
            self.drained.notify_one();
        }
    }

    async fn drained(&self) {
        while self.lock().outstanding > 0 {
            // `notify_one` leaves a permit when nobody waits yet, so nothing is missed in between.
            self.drained.notified().await;
        }
    }

    fn take_failure(&self) -> Error {
        let failure = self.lock().failure.take();
        failure.unwrap_or_else(|| Error::new(ErrorKind::Interrupted, "the piece was given up"))
    }

    fn lock(&self) -> MutexGuard<'_, OrderState> {
        lock(&self.state)
    }
}

/// Locks; a panic of another thread is reported by that thread and must not become a second one here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::archive::toc::Toc;
    use crate::archive::{ArchiveHeader, ArchiveTime, COPY_END, create, open};
    use crate::codec::{Algorithm, Compression};
    use crate::model::{DumpId, Section, TocEntry};
    use crate::progress::silent;

    /// Rows of very different lengths, one of them longer than two blocks.
    fn rows(seed: usize) -> Vec<u8> {
        let mut text = Vec::new();
        for row in 0..3000 {
            let length = (row * 7919 + seed) % 1500;
            text.extend(std::iter::repeat_n(b'a' + (row % 26) as u8, length));
            text.push(b'\n');
        }
        text.extend(std::iter::repeat_n(b'x', 5 * BLOCK_BYTES / 2));
        text.push(b'\n');
        text.extend_from_slice(b"last\n");
        text
    }

    async fn feed(sink: &mut PieceSink, text: &[u8]) {
        for chunk in text.chunks(70_000) {
            sink.push(chunk).await.expect("room");
        }
    }

    #[tokio::test]
    async fn pieces_come_out_in_order_and_a_piece_given_up_leaves_nothing() {
        for algorithm in [Algorithm::None, Algorithm::Gzip, Algorithm::Lz4, Algorithm::Zstd] {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("archive");
            let compression = Compression::new(algorithm);
            let mut entry = TocEntry::new(DumpId(7), "TABLE DATA", "t");
            entry.section = Section::Data;
            entry.has_data = true;
            entry.copy_statement = Some("COPY t FROM stdin;\n".to_owned());
            entry.file_name = Some("7.dat".to_owned());
            let time = ArchiveTime::from_naive(chrono::NaiveDateTime::default());
            let header = ArchiveHeader::directory(algorithm, time);
            let toc = Arc::new(Toc { header, entries: vec![entry.clone()] });
            let writer = create(&path.clone().into(), toc, compression).expect("a writer");
            let file = writer.data_file(DumpId(7)).expect("a file");
            let budget = BlockBudget::new(1);
            let sink = async |index: usize| {
                let piece = file.piece(index).expect("a piece");
                PieceSink::new(&budget, piece, silent(), "t".to_owned()).await.expect("a sink")
            };
            let texts = [rows(1), rows(2), Vec::new()];
            let mut second = sink(1).await;
            let mut first = sink(0).await;
            feed(&mut second, &texts[1]).await;
            feed(&mut first, &rows(99)).await;
            first.abandon().await;
            let mut first = sink(0).await;
            feed(&mut first, &texts[0]).await;
            second.finish().await.expect("complete");
            sink(2).await.finish().await.expect("complete");
            first.finish().await.expect("complete");
            let summary = file.finish(3).expect("complete");

            let mut expected = RowHasher::default();
            expected.feed(&texts.concat());
            assert_eq!(summary.fingerprint, expected.finish());
            writer.finish(None).expect("an archive");
            let mut data = Vec::new();
            let archive = open(&path).expect("an archive");
            archive.open_data(&entry).expect("data").read_to_end(&mut data).expect("data");
            assert!(data == [texts.concat(), COPY_END.to_vec()].concat(), "{algorithm}");
        }
    }
}
