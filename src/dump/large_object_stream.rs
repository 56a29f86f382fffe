//! Large objects out of the rows that the server sends, cut into parts of bounded size; pure.
//!
//! ```text
//! COPY BINARY: (oid, offset, bytes) ... -> LargeObjectRows -> Assembler -> parts of objects
//! ```
//!
//! Where there is a hole in an object the archive has zeros, as pg_dump's has.

use crate::catalog::unexpected_large_object;
use crate::codec::LargeObjectHasher;
use crate::error::Result;
use crate::model::Oid;

/// Bytes of one object that follow each other.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) oid: Oid,
    pub(super) bytes: Vec<u8>,
    /// Whether the object begins with them.
    pub(super) first: bool,
    /// How the object ends, when it ends with them.
    pub(super) end: Option<PartEnd>,
}

impl Part {
    /// Returns the hash of the object that ends with these bytes, if one does.
    pub(super) fn hash(&self) -> Option<u128> {
        self.end.as_ref().map(|end| match end {
            PartEnd::Hashed(hash) => *hash,
            PartEnd::Whole => {
                let mut hasher = LargeObjectHasher::new(self.oid.0);
                hasher.feed(&self.bytes);
                hasher.finish()
            }
        })
    }
}

/// The end of an object.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PartEnd {
    /// The part is the whole object; whoever compresses it hashes it.
    Whole,
    /// The hash of the object, whose parts had to be hashed one after the other.
    Hashed(u128),
}

/// Puts rows together to parts.
pub(super) struct Assembler {
    oids: Vec<Oid>,
    /// The place of the object that is being read.
    current: usize,
    /// How many bytes of it have come.
    offset: u64,
    bytes: Vec<u8>,
    /// Hashes an object from its second part on.
    hasher: Option<LargeObjectHasher>,
    parts: Vec<Part>,
    gathered: usize,
    limit: usize,
}

impl Assembler {
    /// Makes an assembler of these objects that gathers so many bytes.
    pub(super) fn new(oids: Vec<Oid>, limit: usize) -> Self {
        Assembler {
            oids,
            current: 0,
            offset: 0,
            bytes: Vec::new(),
            hasher: None,
            parts: Vec::new(),
            gathered: 0,
            limit,
        }
    }

    /// Goes on to an object and returns how many zeros come before `offset` in it.
    pub(super) fn go_to(&mut self, oid: Oid, offset: u64) -> Result<u64> {
        if self.oids.get(self.current) != Some(&oid) {
            if !self.oids.get(self.current..).unwrap_or_default().contains(&oid) {
                return Err(unexpected_large_object(&format!(
                    "large object {oid} comes out of order"
                )));
            }
            while self.oids.get(self.current) != Some(&oid) {
                self.end_object();
            }
        }
        offset.checked_sub(self.offset).ok_or_else(|| {
            unexpected_large_object(&format!("large object {oid} comes out of order"))
        })
    }

    /// Adds zeros to the object, at most so many that [`Assembler::full`] is told, and returns how many.
    pub(super) fn zeros(&mut self, count: u64) -> u64 {
        let room = self.limit.saturating_sub(self.gathered).max(1);
        let count = usize::try_from(count).unwrap_or(usize::MAX).min(room);
        self.bytes.resize(self.bytes.len() + count, 0);
        self.added(count)
    }

    /// Adds bytes to the object.
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.added(bytes.len());
    }

    fn added(&mut self, count: usize) -> u64 {
        self.gathered += count;
        self.offset += count as u64;
        count as u64
    }

    /// Tells whether so much has gathered that it should be taken out.
    pub(super) fn full(&self) -> bool {
        // An empty object costs a file too.
        self.gathered >= self.limit || self.parts.len() >= 1024
    }

    /// Takes out what has gathered; the object being read is cut.
    pub(super) fn take(&mut self) -> Vec<Part> {
        if !self.bytes.is_empty() {
            self.cut(None);
        }
        self.gathered = 0;
        std::mem::take(&mut self.parts)
    }

    /// Ends all objects whose rows have all come and returns what has gathered.
    pub(super) fn finish(mut self) -> Vec<Part> {
        while self.current < self.oids.len() {
            self.end_object();
        }
        self.parts
    }

    fn end_object(&mut self) {
        let end = match self.hasher.take() {
            None => PartEnd::Whole,
            Some(mut hasher) => {
                hasher.feed(&self.bytes);
                PartEnd::Hashed(hasher.finish())
            }
        };
        self.cut(Some(end));
        self.hasher = None;
        self.current += 1;
        self.offset = 0;
    }

    fn cut(&mut self, end: Option<PartEnd>) {
        let oid = self.oids[self.current];
        let bytes = std::mem::take(&mut self.bytes);
        let first = self.offset == bytes.len() as u64;
        if end.is_none() {
            let hasher = self.hasher.get_or_insert_with(|| LargeObjectHasher::new(oid.0));
            hasher.feed(&bytes);
        }
        self.parts.push(Part { oid, bytes, first, end });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{LargeObjectRow, LargeObjectRows};
    use proptest::prelude::*;

    const SIGNATURE: &[u8; 11] = b"PGCOPY\n\xff\r\n\0";

    fn row(oid: u32, offset: i64, bytes: &[u8]) -> Vec<u8> {
        let mut row = 3_i16.to_be_bytes().to_vec();
        for field in [&oid.to_be_bytes()[..], &offset.to_be_bytes()[..], bytes] {
            row.extend_from_slice(&(field.len() as i32).to_be_bytes());
            row.extend_from_slice(field);
        }
        row
    }

    fn stream(rows: &[(u32, i64, &[u8])]) -> Vec<u8> {
        let mut stream = [&SIGNATURE[..], &[0; 8]].concat();
        rows.iter().for_each(|(oid, offset, bytes)| stream.extend(row(*oid, *offset, bytes)));
        stream.extend_from_slice(&(-1_i16).to_be_bytes());
        stream
    }

    /// Returns each object's bytes, and checks that parts, ends and hashes fit together.
    fn assemble(oids: &[u32], stream: &[u8], chunk: usize, limit: usize) -> Result<Vec<Vec<u8>>> {
        let mut rows = LargeObjectRows::default();
        let mut assembler = Assembler::new(oids.iter().copied().map(Oid).collect(), limit);
        let mut parts = Vec::new();
        for chunk in stream.chunks(chunk) {
            rows.feed(chunk);
            while let Some(LargeObjectRow { oid, offset, bytes }) = rows.next_row()? {
                let mut hole = assembler.go_to(oid, offset)?;
                while hole > 0 {
                    hole -= assembler.zeros(hole);
                    if assembler.full() {
                        parts.extend(assembler.take());
                    }
                }
                assembler.bytes(bytes);
                if assembler.full() {
                    parts.extend(assembler.take());
                }
            }
        }
        rows.finish()?;
        parts.extend(assembler.finish());
        let mut objects: Vec<Vec<u8>> = Vec::new();
        let mut open = false;
        for part in parts {
            assert_eq!(part.first, !open, "{part:?}");
            if part.first {
                objects.push(Vec::new());
            }
            open = part.end.is_none();
            assert_eq!(part.oid.0, oids[objects.len() - 1]);
            let object = objects.last_mut().expect("an object");
            object.extend_from_slice(&part.bytes);
            if let Some(PartEnd::Hashed(hash)) = part.end {
                let mut hasher = LargeObjectHasher::new(part.oid.0);
                hasher.feed(object);
                assert_eq!(hash, hasher.finish());
            }
        }
        assert_eq!(objects.len(), oids.len());
        Ok(objects)
    }

    #[test]
    fn empty_objects_and_holes_are_filled_in() {
        let rows: &[(u32, i64, &[u8])] =
            &[(7, 0, b"abcd"), (7, 4, b"ef"), (9, 8, b"tail"), (12, 0, b"")];
        for chunk in [1, 3, 1000] {
            for limit in [1, 3, 5, 1000] {
                let objects = assemble(&[3, 7, 8, 9, 12, 13], &stream(rows), chunk, limit);
                let expected: [&[u8]; 6] = [b"", b"abcdef", b"", b"\0\0\0\0\0\0\0\0tail", b"", b""];
                assert_eq!(objects.expect("objects"), expected);
            }
        }
    }

    #[test]
    fn what_is_not_expected_is_refused() {
        let whole = stream(&[(7, 0, b"abcd")]);
        for cut in 0..whole.len() {
            assemble(&[7], &whole[..cut], 1000, 1000).expect_err("cut");
        }
        for rows in [
            &[(8, 0, &b"x"[..])][..],
            &[(7, 0, b"x"), (6, 0, b"y")],
            &[(7, 0, b"xx"), (7, 1, b"y")],
            &[(7, -1, b"x")],
        ] {
            assemble(&[6, 7], &stream(rows), 1000, 1000).expect_err("out of order");
        }
    }

    proptest! {
        #[test]
        fn noise_never_panics(noise in prop::collection::vec(any::<u8>(), 0..200), chunk in 1usize..50) {
            let _ = assemble(&[7], &noise, chunk, 10);
            let _ = assemble(&[7], &[&stream(&[])[..19], &noise].concat(), chunk, 10);
        }
    }
}
