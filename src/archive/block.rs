//! One block of an entry's data on its way into an archive: compressed, and framed as its container
//! wants it.
//!
//! ```text
//! whole files (directory, tar)    member or frame | member or frame | ...
//! ```

use crate::codec::{Compression, encode_block};
use crate::error::Result;

/// Rows that were compressed so that they can be read without what stands before them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedBlock {
    /// The length before compression.
    pub raw_bytes: u64,
    /// How many rows end in it.
    pub rows: u64,
    /// The bytes as they are stored.
    pub bytes: Vec<u8>,
}

/// Turns text into blocks as one archive stores them; cheap to copy to whichever thread compresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockCodec {
    compression: Compression,
}

impl BlockCodec {
    /// Makes the codec of data that fill a file of their own.
    pub(super) fn whole_file(compression: Compression) -> Self {
        BlockCodec { compression }
    }

    /// Compresses a block in which so many rows end.
    ///
    /// To be called on a rayon pool.
    ///
    /// # Errors
    ///
    /// When the compression library fails, for want of memory for example.
    pub fn encode(&self, raw: &[u8], rows: u64) -> Result<EncodedBlock> {
        let bytes = encode_block(&self.compression, raw)?;
        Ok(EncodedBlock { raw_bytes: raw.len() as u64, rows, bytes })
    }

    /// Returns how the bytes are compressed.
    pub fn compression(&self) -> Compression {
        self.compression
    }
}
