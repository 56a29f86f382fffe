//! An entry's stored bytes: a file of their own, or a part of an archive that is a single file.
//!
//! Reading moves no file position, so that threads can share one handle.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::chunks::{ChunkEnd, ChunkReader};
use crate::codec::{Algorithm, block_decoder, decoder, stream_decoder};

/// How stored bytes are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// They are the compressed bytes: any number of gzip members or of frames.
    Plain,
    /// They are chunks of one compressed stream, each behind its length.
    Chunks {
        /// Bytes of an integer's magnitude.
        int_size: u8,
    },
}

/// Where an entry's bytes are and how they are to be read.
#[derive(Debug, Clone)]
pub struct StoredData {
    pub(super) bytes: Slice,
    pub(super) algorithm: Algorithm,
    pub(super) layout: Layout,
}

impl StoredData {
    /// Makes the data that fill a file.
    pub(super) fn of_file(file: File, bytes: u64, algorithm: Algorithm) -> Self {
        let bytes = Slice { file: Arc::new(file), offset: 0, end: bytes };
        StoredData { bytes, algorithm, layout: Layout::Plain }
    }

    /// Tells whether they fill a file of their own, so that its bytes can be counted and hashed.
    pub(super) fn is_whole_file(&self) -> bool {
        self.layout == Layout::Plain
    }

    /// Returns how many bytes are stored.
    pub fn bytes(&self) -> u64 {
        self.bytes.len()
    }

    /// Returns a reader of the bytes as they are stored.
    pub(super) fn stored(&self) -> Slice {
        self.bytes.clone()
    }

    /// Returns a reader of the decompressed data.
    pub(super) fn open(&self) -> Box<dyn Read + Send> {
        match self.layout {
            Layout::Plain => decoder(self.algorithm, self.stored()),
            Layout::Chunks { int_size } => {
                let chunks = ChunkReader::new(self.stored(), int_size, ChunkEnd::Marked);
                stream_decoder(self.algorithm, chunks)
            }
        }
    }

    /// Returns a reader of one block, which is stored between two places.
    pub(super) fn open_block(&self, from: u64, to: u64) -> Box<dyn Read + Send> {
        let slice = self.bytes.part(from, to);
        match self.layout {
            Layout::Plain => decoder(self.algorithm, slice),
            Layout::Chunks { int_size } => {
                let chunks = ChunkReader::new(slice, int_size, ChunkEnd::MarkedOrNot);
                block_decoder(self.algorithm, chunks)
            }
        }
    }
}

/// A part of a file.
#[derive(Debug, Clone)]
pub(super) struct Slice {
    pub(super) file: Arc<File>,
    /// Where it begins, or how far reading has come.
    pub(super) offset: u64,
    /// Where it ends.
    pub(super) end: u64,
}

impl Slice {
    fn len(&self) -> u64 {
        self.end.saturating_sub(self.offset)
    }

    /// Returns the part between two places, which count from its own beginning.
    fn part(&self, from: u64, to: u64) -> Slice {
        let place = |at: u64| self.offset.saturating_add(at).min(self.end);
        Slice { file: Arc::clone(&self.file), offset: place(from), end: place(to) }
    }
}

impl Read for Slice {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = buffer.len().min(usize::try_from(self.len()).unwrap_or(usize::MAX));
        let count = self.file.read_at(&mut buffer[..wanted], self.offset)?;
        self.offset += count as u64;
        Ok(count)
    }
}

impl Seek for Slice {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::Current(distance) => self.offset.checked_add_signed(distance),
            SeekFrom::End(distance) => self.end.checked_add_signed(distance),
        };
        self.offset = target.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.offset)
    }
}
