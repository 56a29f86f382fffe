//! The text of a script on its way from the file to the splitter: read ahead on a thread of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;

use crate::archive::script_reader::{Ending, ScriptSource};
use crate::error::{Error, ErrorKind, Result};
use crate::progress::Interrupt;

/// 256 KiB: as much as one read of a file gives at its best, and little beside a row of a table.
pub(super) const CHUNK_BYTES: usize = 256 * 1024;

/// Chunks that may wait to be cut, so that decompression and server work side by side.
const CHUNKS_IN_FLIGHT: usize = 4;

/// Gives the text chunk by chunk.
pub(super) struct Feed {
    /// What was read before the run, to look at it.
    head: Option<Vec<u8>>,
    arriving: mpsc::Receiver<Result<Vec<u8>>>,
    passed: Arc<AtomicU64>,
    reported: u64,
    pub(super) text_bytes: u64,
    pub(super) ending: Ending,
}

impl Feed {
    /// Begins to read; `head` is what has been taken from the source before.
    pub(super) fn start(mut source: ScriptSource, head: Vec<u8>) -> Feed {
        let (chunks, arriving) = mpsc::channel(CHUNKS_IN_FLIGHT);
        let passed = source.passed();
        tokio::task::spawn_blocking(move || {
            loop {
                let mut chunk = read_chunk(&mut source, CHUNK_BYTES);
                if chunk.as_ref().is_ok_and(|chunk| chunk.len() < CHUNK_BYTES)
                    && let Err(error) = source.check_checksum()
                {
                    chunk = Err(error);
                }
                let last = !chunk.as_ref().is_ok_and(|chunk| chunk.len() == CHUNK_BYTES);
                // A receiver that is gone knows why.
                if chunks.blocking_send(chunk).is_err() || last {
                    return;
                }
            }
        });
        Feed {
            head: Some(head),
            arriving,
            passed,
            reported: 0,
            text_bytes: 0,
            ending: Ending::default(),
        }
    }

    /// Returns the next chunk, `None` after the last.
    pub(super) async fn next(&mut self, interrupt: &Interrupt) -> Result<Option<Vec<u8>>> {
        interrupt.check()?;
        let chunk = match self.head.take() {
            Some(head) => Some(head),
            None => tokio::select! {
                chunk = self.arriving.recv() => chunk.transpose()?,
                () = interrupt.wait() => {
                    return Err(Error::new(ErrorKind::Interrupted, "interrupted"));
                }
            },
        };
        if let Some(chunk) = &chunk {
            self.text_bytes += chunk.len() as u64;
            self.ending.see(chunk);
        }
        Ok(chunk)
    }

    /// Returns how many stored bytes have been read since the last call.
    pub(super) fn advanced(&mut self) -> u64 {
        let passed = self.passed.load(Ordering::Relaxed);
        let more = passed.saturating_sub(self.reported);
        self.reported = passed;
        more
    }

    /// Returns how many stored bytes have been read.
    pub(super) fn stored_bytes(&self) -> u64 {
        self.passed.load(Ordering::Relaxed)
    }
}

/// Reads one chunk; a shorter one is the last.
pub(super) fn read_chunk(source: &mut ScriptSource, bytes: usize) -> Result<Vec<u8>> {
    let mut chunk = vec![0; bytes];
    let count = source.read(&mut chunk)?;
    chunk.truncate(count);
    Ok(chunk)
}
