//! What a source sends, read as if it were a file.
//!
//! ```text
//! task: COPY OUT --channel--> a thread that reads and may block
//! ```

use std::io::{self, Read};

use bytes::{Buf, Bytes};
use tokio::sync::mpsc;

use crate::archive::COPY_END;
use crate::dump::RowsForm;

/// Chunks that may wait between the source and the target; a chunk has at most 256 KiB.
pub(super) const CHUNKS_IN_FLIGHT: usize = 8;

/// The rows of a table; text has its end mark once the source has said that it is complete.
///
/// Without that word there is no end mark, and the restore takes the text for cut off. The binary form has a
/// trailer of its own.
pub(super) struct RowsReader {
    chunks: mpsc::Receiver<Bytes>,
    current: Bytes,
    end: &'static [u8],
    /// Resolves when the copy has ended; an error says why.
    outcome: Option<std::sync::mpsc::Receiver<Result<(), String>>>,
}

impl RowsReader {
    /// Reads what comes through the channel; `outcome` gets one value when nothing more comes.
    pub(super) fn new(
        chunks: mpsc::Receiver<Bytes>,
        form: RowsForm,
        outcome: std::sync::mpsc::Receiver<Result<(), String>>,
    ) -> Self {
        let end = if form == RowsForm::Binary { &[][..] } else { COPY_END };
        RowsReader { chunks, current: Bytes::new(), end, outcome: Some(outcome) }
    }
}

impl Read for RowsReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            if let Some(chunk) = self.chunks.blocking_recv() {
                self.current = chunk;
                continue;
            }
            let Some(outcome) = self.outcome.take() else { return Ok(0) };
            match outcome.recv() {
                Ok(Ok(())) => self.current = Bytes::from_static(self.end),
                Ok(Err(reason)) => return Err(io::Error::other(reason)),
                Err(_) => return Err(io::Error::other("the reading of the source broke off")),
            }
        }
        let count = buffer.len().min(self.current.len());
        buffer[..count].copy_from_slice(&self.current[..count]);
        self.current.advance(count);
        Ok(count)
    }
}
