//! Where a script goes: a file that appears when it is complete, or standard output; compressed or not.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, sync_channel};

use super::options::DumpOptions;
use crate::codec::{Algorithm, Compression, encode_block};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::store::StagedFile;

/// 1 MiB, as the blocks of archives: larger ones compress no better.
const BLOCK_BYTES: usize = 1 << 20;

/// Blocks that may be compressed at the same time; with their results they stay far below the memory
/// that a dump is allowed.
const BLOCKS_IN_FLIGHT: usize = 8;

/// Receives the text of a script.
pub(super) struct ScriptOutput {
    file: StagedFile,
    compression: Compression,
    block: Vec<u8>,
    /// Blocks under way, in their order.
    ahead: VecDeque<Receiver<Result<Vec<u8>>>>,
    stored_bytes: u64,
}

impl ScriptOutput {
    /// Opens the output.
    pub(super) fn create(options: &DumpOptions) -> Result<ScriptOutput> {
        Ok(ScriptOutput {
            file: StagedFile::open(&options.output, options.existing)?,
            compression: options.compression,
            block: Vec::with_capacity(BLOCK_BYTES),
            ahead: VecDeque::new(),
            stored_bytes: 0,
        })
    }

    /// Writes what is left, makes the file appear and returns how many bytes were written.
    pub(super) fn finish(mut self) -> Result<u64> {
        let failed = || "could not write the script".to_owned();
        self.send_block().context(ErrorKind::Storage, failed)?;
        while let Some(block) = self.ahead.pop_front() {
            self.write_block(&block).context(ErrorKind::Storage, failed)?;
        }
        self.file.commit()?;
        Ok(self.stored_bytes)
    }

    fn send_block(&mut self) -> io::Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        let block = std::mem::replace(&mut self.block, Vec::with_capacity(BLOCK_BYTES));
        if self.compression.algorithm == Algorithm::None {
            return self.write_out(&block);
        }
        if self.ahead.len() == BLOCKS_IN_FLIGHT
            && let Some(first) = self.ahead.pop_front()
        {
            self.write_block(&first)?;
        }
        let (sender, receiver) = sync_channel(1);
        let compression = self.compression;
        rayon::spawn(move || {
            // Nobody waits any more when the dump has failed.
            let _ = sender.send(encode_block(&compression, &block));
        });
        self.ahead.push_back(receiver);
        Ok(())
    }

    fn write_block(&mut self, block: &Receiver<Result<Vec<u8>>>) -> io::Result<()> {
        let lost = |_| Error::new(ErrorKind::Internal, "a block was not compressed");
        let block = block.recv().map_err(lost).and_then(|block| block).map_err(io::Error::other)?;
        self.write_out(&block)
    }

    fn write_out(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stored_bytes += bytes.len() as u64;
        self.file.write_all(bytes)
    }
}

impl Write for ScriptOutput {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let now = buffer.len().min(BLOCK_BYTES - self.block.len());
        self.block.extend_from_slice(&buffer[..now]);
        if self.block.len() == BLOCK_BYTES {
            self.send_block()?;
        }
        Ok(now)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
