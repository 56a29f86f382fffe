//! The blocks of a custom archive, found by passing over them.
//!
//! Only lengths are read. Nothing that the file claims is trusted further than the file is long.

use std::io::BufReader;

use super::{LARGE_OBJECTS_BLOCK, TABLE_BLOCK};
use crate::archive::primitive::{FormatError, PrimitiveReader, invalid};
use crate::model::DumpId;
use crate::store::PartReader;

/// 32 KiB: pg_dump's chunks have 4 KiB, pgark's some hundred, and neither should be read whole.
const BUFFER_BYTES: usize = 32 << 10;

/// A block and where it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FoundBlock {
    /// Where its type stands.
    pub(super) position: u64,
    pub(super) kind: u8,
    pub(super) dump_id: DumpId,
    /// Where the first length or oid stands.
    pub(super) data: u64,
    /// What follows it.
    pub(super) end: u64,
}

/// A large object in a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FoundObject {
    pub(super) oid: u32,
    /// Where its first length stands.
    pub(super) data: u64,
}

/// Passes over the blocks in a part of a file.
pub(super) struct Scanner {
    reader: PrimitiveReader<BufReader<PartReader>>,
    start: u64,
    end: u64,
}

impl Scanner {
    pub(super) fn new(part: PartReader, int_size: u8) -> Self {
        let (start, end) = (part.offset(), part.end());
        let mut reader = PrimitiveReader::new(BufReader::with_capacity(BUFFER_BYTES, part));
        reader.set_int_size(int_size);
        Scanner { reader, start, end }
    }

    /// Returns where in the file reading is.
    pub(super) fn position(&self) -> u64 {
        self.start + self.reader.offset()
    }

    /// Returns the next block, nothing at the end of the file.
    pub(super) fn next_block(&mut self) -> Result<Option<FoundBlock>, FormatError> {
        if self.position() >= self.end {
            return Ok(None);
        }
        let (position, kind, dump_id) = self.head()?;
        let data = self.position();
        match kind {
            TABLE_BLOCK => self.skip_chunks()?,
            LARGE_OBJECTS_BLOCK => while self.next_object()?.is_some() {},
            other => return Err(invalid(format!("unrecognized data block type {other}"))),
        }
        Ok(Some(FoundBlock { position, kind, dump_id, data, end: self.position() }))
    }

    /// Reads the head of a block: where it stands, its type and its entry.
    pub(super) fn head(&mut self) -> Result<(u64, u8, DumpId), FormatError> {
        let position = self.position();
        let kind = self.reader.byte("the type of a block")?;
        Ok((position, kind, DumpId(self.reader.integer("the id of a block")?)))
    }

    /// Returns the next large object of a block, nothing at the end of the block.
    pub(super) fn next_object(&mut self) -> Result<Option<FoundObject>, FormatError> {
        // Oids above 2^31 are stored as negative numbers.
        let oid = self.reader.integer("the oid of a large object")? as u32;
        if oid == 0 {
            return Ok(None);
        }
        let data = self.position();
        self.skip_chunks()?;
        Ok(Some(FoundObject { oid, data }))
    }

    fn skip_chunks(&mut self) -> Result<(), FormatError> {
        loop {
            let length = self.reader.integer("the length of a chunk")?;
            let bytes = u32::try_from(length)
                .map_err(|_| invalid(format!("a chunk has the length {length}")))?;
            if bytes == 0 {
                return Ok(());
            }
            if u64::from(bytes) > self.end.saturating_sub(self.position()) {
                return Err(FormatError::Truncated("a chunk"));
            }
            self.reader.skip(bytes)?;
        }
    }
}
