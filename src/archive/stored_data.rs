//! An entry's stored bytes: a file of their own, or a part of an archive that is a single file.
//!
//! Any number of threads read at once.

use std::io::Read;
use std::sync::Arc;

use super::chunks::{ChunkEnd, ChunkReader};
use crate::codec::{Algorithm, block_decoder, decoder, stream_decoder};
use crate::store::{Content, Part, PartReader};

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
    pub(super) bytes: Part,
    pub(super) algorithm: Algorithm,
    pub(super) layout: Layout,
}

impl StoredData {
    /// Makes the data that fill a file.
    pub(super) fn of_file(content: Arc<dyn Content>, algorithm: Algorithm) -> Self {
        StoredData { bytes: Part::whole(content), algorithm, layout: Layout::Plain }
    }

    /// Tells whether they fill a file of their own, so that its bytes can be counted and hashed.
    pub(super) fn is_whole_file(&self) -> bool {
        self.layout == Layout::Plain
    }

    /// Returns how many bytes are stored.
    pub fn bytes(&self) -> u64 {
        self.bytes.bytes()
    }

    /// Returns a reader of the bytes as they are stored.
    pub(super) fn stored(&self) -> PartReader {
        self.bytes.open()
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
        let part = self.bytes.part(from, to).open();
        match self.layout {
            Layout::Plain => decoder(self.algorithm, part),
            Layout::Chunks { int_size } => {
                let chunks = ChunkReader::new(part, int_size, ChunkEnd::MarkedOrNot);
                block_decoder(self.algorithm, chunks)
            }
        }
    }
}
