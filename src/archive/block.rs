//! One block of an entry's data on its way into an archive: compressed, and framed as its container
//! wants it.
//!
//! ```text
//! files (directory, tar)   member or frame | member or frame | ...
//! chunks (custom)          length | part of one zlib stream, or frame | length | ... | 0
//! ```
//!
//! pg_restore reads any number of members and frames in a file. Of a chunked entry it reads one zlib
//! stream and never returns from a second one, and it drops what follows a zstd frame within a chunk:
//! so gzip blocks are parts of one stream there, and each block is a chunk of its own.

use super::primitive::PrimitiveWriter;
use crate::codec::{
    ADLER32_START, Algorithm, Compression, adler32, encode_block, encode_stream_block, stream_parts,
};
use crate::error::{Context, ErrorKind, Result};

/// Rows that were compressed so that they can be read without what stands before them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedBlock {
    /// The length before compression.
    pub raw_bytes: u64,
    /// How many rows end in it.
    pub rows: u64,
    /// The bytes as they are stored.
    pub bytes: Vec<u8>,
    /// The checksum of the raw bytes where the stream they belong to ends with one.
    pub(super) adler32: u32,
}

/// How a container holds the bytes of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    File,
    Chunks,
}

/// Turns text into blocks as one archive stores them; cheap to copy to whichever thread compresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockCodec {
    compression: Compression,
    framing: Framing,
}

impl BlockCodec {
    /// Makes the codec of data that fill a file of their own.
    pub(super) fn file(compression: Compression) -> Self {
        BlockCodec { compression, framing: Framing::File }
    }

    /// Makes the codec of data in chunks.
    pub(super) fn chunks(compression: Compression) -> Self {
        BlockCodec { compression, framing: Framing::Chunks }
    }

    /// Compresses a block in which so many rows end.
    ///
    /// To be called on a rayon pool.
    ///
    /// # Errors
    ///
    /// When the compression library fails, for want of memory for example.
    pub fn encode(&self, raw: &[u8], rows: u64) -> Result<EncodedBlock> {
        let raw_bytes = raw.len() as u64;
        let (bytes, adler32) = match self.framing {
            Framing::File => (encode_block(&self.compression, raw)?, ADLER32_START),
            Framing::Chunks => {
                let sum = match self.compression.algorithm {
                    Algorithm::Gzip => adler32(raw),
                    _ => ADLER32_START,
                };
                (chunk(&encode_stream_block(&self.compression, raw)?)?, sum)
            }
        };
        Ok(EncodedBlock { raw_bytes, rows, bytes, adler32 })
    }

    /// Returns what stands before the first block.
    pub(super) fn head(&self) -> Result<Vec<u8>> {
        match self.framing {
            Framing::File => Ok(Vec::new()),
            Framing::Chunks => chunk(&stream_parts(&self.compression, ADLER32_START).head),
        }
    }

    /// Returns what stands after the last block; `adler32` is the checksum of all of them.
    pub(super) fn tail(&self, adler32: u32) -> Result<Vec<u8>> {
        match self.framing {
            Framing::File => Ok(Vec::new()),
            Framing::Chunks => {
                let mut tail = chunk(&stream_parts(&self.compression, adler32).tail)?;
                tail.extend_from_slice(&length(0)?);
                Ok(tail)
            }
        }
    }

    /// Returns how the bytes are compressed.
    pub fn compression(&self) -> Compression {
        self.compression
    }
}

/// Puts the length before some bytes; no bytes make no chunk, because a length of 0 ends them all.
fn chunk(bytes: &[u8]) -> Result<Vec<u8>> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let mut chunk = length(bytes.len())?;
    chunk.extend_from_slice(bytes);
    Ok(chunk)
}

fn length(bytes: usize) -> Result<Vec<u8>> {
    let too_long = || "a block of 2 GiB or more cannot be stored".to_owned();
    let value = i32::try_from(bytes).context(ErrorKind::Internal, too_long)?;
    let mut out = Vec::with_capacity(bytes + 5);
    PrimitiveWriter::new(&mut out).integer(value).context(ErrorKind::Internal, too_long)?;
    Ok(out)
}
