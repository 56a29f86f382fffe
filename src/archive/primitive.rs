//! Bytes, integers and strings of an archive.
//!
//! ```text
//! integer   sign (1, 0 = not negative) | magnitude (int_size bytes, least significant first)
//! string    integer length | bytes; a negative length is NULL, which is not the empty string
//! ```
//!
//! Authority: `WriteInt`, `ReadInt`, `WriteStr` and `ReadStr` of `pg_backup_archiver.c`. The reader
//! counts its offset for error messages and never allocates by a length it was told: what is not there
//! is not allocated.

use std::io::{self, Read, Write};

use crate::sql::text;

/// Strings are looked at in steps of this size, so that one that cannot be is not read to its end.
const STRING_STEP_BYTES: u64 = 1 << 20;

/// Why bytes are not what they should be.
#[derive(Debug, thiserror::Error)]
pub(super) enum FormatError {
    /// The input ends inside a value.
    #[error("the file ends inside {0}")]
    Truncated(&'static str),
    /// A value cannot be.
    #[error("{0}")]
    Invalid(String),
    /// Reading failed.
    #[error("reading failed")]
    Io(#[from] io::Error),
}

pub(super) fn invalid(reason: impl Into<String>) -> FormatError {
    FormatError::Invalid(reason.into())
}

/// Reads values and knows where it is.
pub(super) struct PrimitiveReader<R> {
    input: R,
    offset: u64,
    int_size: u8,
}

impl<R: Read> PrimitiveReader<R> {
    pub(super) fn new(input: R) -> Self {
        PrimitiveReader { input, offset: 0, int_size: 4 }
    }

    /// Returns how many bytes were read.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    pub(super) fn set_int_size(&mut self, int_size: u8) {
        self.int_size = int_size;
    }

    pub(super) fn bytes<const N: usize>(
        &mut self,
        what: &'static str,
    ) -> Result<[u8; N], FormatError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes, what)?;
        Ok(bytes)
    }

    pub(super) fn byte(&mut self, what: &'static str) -> Result<u8, FormatError> {
        self.bytes::<1>(what).map(|[byte]| byte)
    }

    pub(super) fn integer(&mut self, what: &'static str) -> Result<i32, FormatError> {
        let negative = self.byte(what)? != 0;
        self.magnitude(negative, what)
    }

    fn magnitude(&mut self, negative: bool, what: &'static str) -> Result<i32, FormatError> {
        let mut bytes = [0; 32];
        let magnitude = &mut bytes[..usize::from(self.int_size.min(32))];
        self.fill(magnitude, what)?;
        let (low, high) = bytes.split_at(8);
        let mut value = 0_i64;
        for (position, &byte) in low.iter().enumerate().take(4) {
            value |= i64::from(byte) << (8 * position);
        }
        let value = if negative { -value } else { value };
        let too_large = low[4..].iter().chain(high).any(|&byte| byte != 0);
        i32::try_from(value)
            .ok()
            .filter(|_| !too_large)
            .ok_or_else(|| invalid(format!("{what} does not fit 32 bits")))
    }

    /// Reads an integer; `None` when the input ends before it.
    pub(super) fn integer_or_end(
        &mut self,
        what: &'static str,
    ) -> Result<Option<i32>, FormatError> {
        let before = self.offset;
        match self.byte(what) {
            Err(FormatError::Truncated(_)) if self.offset == before => Ok(None),
            Err(error) => Err(error),
            Ok(sign) => self.magnitude(sign != 0, what).map(Some),
        }
    }

    /// Reads a number of so many bytes, least significant first.
    pub(super) fn unsigned(&mut self, size: u8, what: &'static str) -> Result<u64, FormatError> {
        let mut bytes = [0; 32];
        self.fill(&mut bytes[..usize::from(size.min(32))], what)?;
        let (low, high) = bytes.split_at(8);
        if high.iter().any(|&byte| byte != 0) {
            return Err(invalid(format!("{what} does not fit 64 bits")));
        }
        Ok(low.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte)))
    }

    /// Reads some bytes, none at the end of the input.
    pub(super) fn some(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        self.offset += count as u64;
        Ok(count)
    }

    /// Reads a string; `None` is NULL.
    pub(super) fn string(&mut self, what: &'static str) -> Result<Option<String>, FormatError> {
        let Ok(length) = u32::try_from(self.integer(what)?) else { return Ok(None) };
        let mut bytes = Vec::with_capacity(length.min(4096) as usize);
        while bytes.len() < length as usize {
            let start = bytes.len();
            let wanted = (u64::from(length) - start as u64).min(STRING_STEP_BYTES);
            let read = self.input.by_ref().take(wanted).read_to_end(&mut bytes)?;
            self.offset += read as u64;
            if (read as u64) < wanted {
                return Err(FormatError::Truncated(what));
            }
            // Every writer measures its strings up to the first NUL, and pg_restore reads them so: a NUL
            // inside would show other readers another text. A file with holes is full of them.
            if memchr::memchr(0, &bytes[start..]).is_some() {
                return Err(invalid(format!("{what} holds a NUL byte")));
            }
        }
        Ok(Some(match String::from_utf8(bytes) {
            // `decode` moves only characters of the last private use plane, whose first byte is 0xF4.
            Ok(string) if memchr::memchr(0xF4, string.as_bytes()).is_none() => string,
            Ok(string) => text::decode(string.as_bytes()),
            Err(error) => text::decode(error.as_bytes()),
        }))
    }

    /// Tells whether the input ends here.
    pub(super) fn at_end(&mut self) -> Result<bool, FormatError> {
        let mut byte = [0; 1];
        loop {
            match self.input.read(&mut byte) {
                Ok(count) => return Ok(count == 0),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn fill(&mut self, buffer: &mut [u8], what: &'static str) -> Result<(), FormatError> {
        match self.input.read_exact(buffer) {
            Ok(()) => {
                self.offset += buffer.len() as u64;
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(FormatError::Truncated(what))
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl<R: Read + io::Seek> PrimitiveReader<io::BufReader<R>> {
    /// Passes over so many bytes.
    pub(super) fn skip(&mut self, bytes: u32) -> io::Result<()> {
        self.input.seek_relative(i64::from(bytes))?;
        self.offset += u64::from(bytes);
        Ok(())
    }
}

/// Writes values with integers of 4 bytes.
pub(super) struct PrimitiveWriter<W> {
    out: W,
}

impl<W: Write> PrimitiveWriter<W> {
    pub(super) fn new(out: W) -> Self {
        PrimitiveWriter { out }
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)
    }

    pub(super) fn integer(&mut self, value: i32) -> io::Result<()> {
        self.out.write_all(&[u8::from(value < 0)])?;
        self.out.write_all(&value.unsigned_abs().to_le_bytes())
    }

    pub(super) fn string(&mut self, value: Option<&str>) -> io::Result<()> {
        let Some(value) = value else { return self.integer(-1) };
        let bytes = text::encode(value);
        let length = i32::try_from(bytes.len())
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "text of 2 GiB or more"))?;
        if memchr::memchr(0, &bytes).is_some() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "text holds a NUL byte"));
        }
        self.integer(length)?;
        self.out.write_all(&bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn integers_have_a_sign_and_a_magnitude() {
        let cases: [(i32, [u8; 5]); 4] = [
            (0, [0, 0, 0, 0, 0]),
            (-1, [1, 1, 0, 0, 0]),
            (258, [0, 2, 1, 0, 0]),
            (i32::MIN, [1, 0, 0, 0, 0x80]),
        ];
        for (value, bytes) in cases {
            let mut out = Vec::new();
            PrimitiveWriter::new(&mut out).integer(value).expect("writes");
            assert_eq!(out, bytes);
            assert_eq!(PrimitiveReader::new(&bytes[..]).integer("value").expect("reads"), value);
        }
        let too_large = [0, 0, 0, 0, 0x80];
        assert!(PrimitiveReader::new(&too_large[..]).integer("value").is_err());
    }

    #[test]
    fn a_length_that_lies_allocates_nothing() {
        let bytes = [0, 0xFF, 0xFF, 0xFF, 0x7F, b'a'];
        let error = PrimitiveReader::new(&bytes[..]).string("tag").expect_err("cut");
        assert_eq!(error.to_string(), "the file ends inside tag");
    }

    proptest! {
        #[test]
        fn strings_survive(bytes in prop::option::of(prop::collection::vec(1u8..=255, 0..40))) {
            let value = bytes.as_deref().map(text::decode);
            let mut out = Vec::new();
            PrimitiveWriter::new(&mut out).string(value.as_deref()).expect("writes");
            prop_assert_eq!(PrimitiveReader::new(&out[..]).string("value").expect("reads"), value);
        }
    }
}
