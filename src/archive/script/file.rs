//! The file of a script: it appears when it is complete, compressed or not, with a manifest beside it; or
//! what a script is written to in place.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, sync_channel};

use sha2::{Digest, Sha256};

use crate::archive::single_file::SingleFile;
use crate::archive::{ArchivePlace, Manifest};
use crate::codec::{Algorithm, Compression, Sha256Digest, encode_block};
use crate::error::{Context, Error, ErrorKind, Result};

/// 1 MiB, as the blocks of archives: larger ones compress no better.
const BLOCK_BYTES: usize = 1 << 20;

/// Blocks that may be compressed at the same time; with their results they stay far below the memory
/// that a dump is allowed.
const BLOCKS_IN_FLIGHT: usize = 8;

/// Receives the text of a script.
pub struct ScriptFile {
    file: SingleFile,
    compression: Compression,
    block: Vec<u8>,
    /// Blocks under way, in their order.
    ahead: VecDeque<Receiver<Result<Vec<u8>>>>,
    hasher: Option<Sha256>,
    stored_bytes: u64,
}

impl ScriptFile {
    /// Begins the file, or opens what is written in place.
    ///
    /// # Errors
    ///
    /// Those of [`crate::store::StagedFile::open`].
    pub fn create(place: &ArchivePlace, compression: Compression) -> Result<Self> {
        Ok(ScriptFile {
            file: SingleFile::create(place)?,
            compression,
            block: Vec::with_capacity(BLOCK_BYTES),
            ahead: VecDeque::new(),
            hasher: None,
            stored_bytes: 0,
        })
    }

    /// Computes the checksum while the script is written, so that a manifest need not read it again.
    pub fn with_checksum(self) -> Self {
        ScriptFile { hasher: Some(Sha256::new()), ..self }
    }

    /// Writes what is left, makes the file appear and returns how many bytes were written.
    ///
    /// The manifest's fields about the script itself are set here; without one none is written, and no
    /// checksum either.
    ///
    /// # Errors
    ///
    /// Those of [`super::super::ArchiveWriter::finish`].
    pub fn finish(mut self, manifest: Option<Manifest>) -> Result<u64> {
        let failed = || "could not write the script".to_owned();
        self.send_block().context(ErrorKind::Storage, failed)?;
        while let Some(block) = self.ahead.pop_front() {
            self.write_block(&block).context(ErrorKind::Storage, failed)?;
        }
        let digest = self.hasher.map(|hasher| Sha256Digest(hasher.finalize().into()));
        let manifest = manifest.map(|mut manifest| {
            manifest.complete_script(self.compression, digest);
            manifest
        });
        self.file.finish(manifest)?;
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
        if let Some(hasher) = &mut self.hasher {
            hasher.update(bytes);
        }
        self.file.file().write_all(bytes)
    }
}

impl Write for ScriptFile {
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
