//! Strict reading of one zlib stream, and of parts of one.
//!
//! A custom archive holds one zlib stream for each entry. pgark makes it out of blocks that were
//! deflated one by one and end at a byte; such a block can be inflated alone. The reader of the library
//! takes the end of the input for the end of the stream; this one does not.

use std::io::{self, BufRead, Read};

use flate2::{Decompress, FlushDecompress, Status};

/// What the input is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// A stream from header to checksum, and nothing after it.
    Stream,
    /// A run of deflate blocks that needs not be the last one.
    Blocks,
}

/// Reads decompressed bytes.
pub(super) struct ZlibReader<R> {
    input: R,
    inflate: Decompress,
    extent: Extent,
    ended: bool,
}

impl<R: BufRead> ZlibReader<R> {
    /// Makes the reader of a whole stream.
    pub(super) fn stream(input: R) -> Self {
        ZlibReader { input, inflate: Decompress::new(true), extent: Extent::Stream, ended: false }
    }

    /// Makes the reader of deflate blocks in the middle of a stream.
    pub(super) fn blocks(input: R) -> Self {
        ZlibReader { input, inflate: Decompress::new(false), extent: Extent::Blocks, ended: false }
    }
}

impl<R: BufRead> Read for ZlibReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() || self.ended {
            return Ok(0);
        }
        loop {
            let input = self.input.fill_buf()?;
            let at_end = input.is_empty();
            let (taken, given) = (self.inflate.total_in(), self.inflate.total_out());
            let status = self
                .inflate
                .decompress(input, buffer, FlushDecompress::None)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            self.input.consume((self.inflate.total_in() - taken) as usize);
            let count = (self.inflate.total_out() - given) as usize;
            if status == Status::StreamEnd {
                self.ended = true;
                if self.extent == Extent::Stream && !self.input.fill_buf()?.is_empty() {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        "bytes follow the end of the compressed stream",
                    ));
                }
                return Ok(count);
            }
            if count > 0 {
                return Ok(count);
            }
            if at_end {
                if self.extent == Extent::Blocks {
                    self.ended = true;
                    return Ok(0);
                }
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the compressed stream is cut short",
                ));
            }
        }
    }
}
