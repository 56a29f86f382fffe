//! The chunks of a custom archive.
//!
//! ```text
//! length (integer, > 0) | bytes | length | bytes | ... | 0 (integer)
//! ```
//!
//! Where a chunk ends means nothing: all of them together are one stream. Authority:
//! `_CustomReadFunc` and `_CustomWriteFunc` of `pg_backup_custom.c`.

use std::io::{self, Read};

use super::primitive::{FormatError, PrimitiveReader};

/// What may end a sequence of chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChunkEnd {
    /// A length of 0.
    Marked,
    /// A length of 0, or the end of the input between two chunks: the input is a part of a sequence.
    MarkedOrNot,
}

/// Reads the bytes in a sequence of chunks.
pub(super) struct ChunkReader<R> {
    input: PrimitiveReader<R>,
    end: ChunkEnd,
    /// What the current chunk still has.
    rest: u64,
    ended: bool,
}

impl<R: Read> ChunkReader<R> {
    pub(super) fn new(input: R, int_size: u8, end: ChunkEnd) -> Self {
        let mut input = PrimitiveReader::new(input);
        input.set_int_size(int_size);
        ChunkReader { input, end, rest: 0, ended: false }
    }

    fn next_chunk(&mut self) -> io::Result<()> {
        let length = match self.end {
            ChunkEnd::Marked => self.input.integer("the length of a chunk"),
            ChunkEnd::MarkedOrNot => {
                self.input.integer_or_end("the length of a chunk").map(Option::unwrap_or_default)
            }
        };
        let length = length.map_err(|error| match error {
            FormatError::Io(error) => error,
            FormatError::Truncated(_) => {
                io::Error::new(io::ErrorKind::UnexpectedEof, error.to_string())
            }
            FormatError::Invalid(_) => {
                io::Error::new(io::ErrorKind::InvalidData, error.to_string())
            }
        })?;
        self.rest = u64::try_from(length).map_err(|_| {
            io::Error::new(io::ErrorKind::InvalidData, format!("a chunk has the length {length}"))
        })?;
        self.ended = self.rest == 0;
        Ok(())
    }
}

impl<R: Read> Read for ChunkReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() || self.ended {
            return Ok(0);
        }
        if self.rest == 0 {
            self.next_chunk()?;
            if self.ended {
                return Ok(0);
            }
        }
        let wanted = buffer.len().min(usize::try_from(self.rest).unwrap_or(usize::MAX));
        let count = self.input.some(&mut buffer[..wanted])?;
        if count == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("the file ends {} bytes before the end of a chunk", self.rest),
            ));
        }
        self.rest -= count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(bytes: &[u8], end: ChunkEnd) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        ChunkReader::new(bytes, 4, end).read_to_end(&mut out)?;
        Ok(out)
    }

    #[test]
    fn chunks_are_joined_and_must_end() {
        let two = [0, 2, 0, 0, 0, b'a', b'b', 0, 1, 0, 0, 0, b'c'];
        let ended = [&two[..], &[0; 5], b"more"].concat();
        assert_eq!(read(&ended, ChunkEnd::Marked).expect("reads"), b"abc");
        assert_eq!(read(&ended, ChunkEnd::MarkedOrNot).expect("reads"), b"abc");
        assert_eq!(read(&two, ChunkEnd::MarkedOrNot).expect("reads"), b"abc");
        let cut = read(&two, ChunkEnd::Marked).expect_err("not ended");
        assert_eq!(cut.kind(), io::ErrorKind::UnexpectedEof);
        for length in [8, 10, 12] {
            let cut = read(&two[..length], ChunkEnd::MarkedOrNot).expect_err("cut");
            assert_eq!(cut.kind(), io::ErrorKind::UnexpectedEof, "{length}");
        }
        let negative = read(&[1, 2, 0, 0, 0, 1, 2], ChunkEnd::Marked).expect_err("negative");
        assert_eq!(negative.kind(), io::ErrorKind::InvalidData);
    }

    proptest! {
        #[test]
        fn noise_never_panics(noise in prop::collection::vec(any::<u8>(), 0..200), int_size in 4u8..=32) {
            for end in [ChunkEnd::Marked, ChunkEnd::MarkedOrNot] {
                let mut out = Vec::new();
                let _ = ChunkReader::new(&noise[..], int_size, end).read_to_end(&mut out);
                prop_assert!(out.len() <= noise.len());
            }
        }
    }
}
