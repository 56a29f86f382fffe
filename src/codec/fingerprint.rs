//! The fingerprint of a table: how many rows it has and what they are, whatever their order.
//!
//! A row is the bytes of COPY text up to its newline. The fingerprint is the number of rows and the sum,
//! modulo 2^128, of XXH3-128 over each of them: rows may come in any order and from any number of
//! workers, and a row that occurs twice counts twice. It finds damage and loss; it is no protection
//! against somebody who looks for collisions.

use std::fmt;
use std::str::FromStr;

use memchr::memchr;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use twox_hash::XxHash3_128;

/// The number of rows and the sum of their hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Fingerprint {
    /// How many rows there are.
    pub rows: u64,
    /// The sum of the rows' XXH3-128, modulo 2^128.
    pub sum: u128,
}

impl Fingerprint {
    /// Adds the rows of another part of the same table.
    pub fn merge(&mut self, other: Fingerprint) {
        self.rows += other.rows;
        self.sum = self.sum.wrapping_add(other.sum);
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{:032x}", self.rows, self.sum)
    }
}

/// That a text is not `ROWS:HEX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a fingerprint")]
pub struct InvalidFingerprint;

impl FromStr for Fingerprint {
    type Err = InvalidFingerprint;

    fn from_str(text: &str) -> Result<Self, InvalidFingerprint> {
        let (rows, sum) = text.split_once(':').ok_or(InvalidFingerprint)?;
        if sum.len() != 32 || !sum.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(InvalidFingerprint);
        }
        Ok(Fingerprint {
            rows: rows.parse().map_err(|_| InvalidFingerprint)?,
            sum: u128::from_str_radix(sum, 16).map_err(|_| InvalidFingerprint)?,
        })
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Computes a [`Fingerprint`] from COPY text that arrives in pieces of any size.
///
/// A row that spans pieces is hashed as it comes, so memory does not grow with it.
#[derive(Default)]
pub struct RowHasher {
    complete: Fingerprint,
    /// The row that has begun and not ended.
    open: Option<XxHash3_128>,
}

impl RowHasher {
    /// Makes a hasher that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes of COPY text.
    pub fn feed(&mut self, mut text: &[u8]) {
        if let Some(mut row) = self.open.take() {
            match memchr(b'\n', text) {
                None => {
                    row.write(text);
                    self.open = Some(row);
                    return;
                }
                Some(end) => {
                    row.write(&text[..end]);
                    self.add(row.finish_128());
                    text = &text[end + 1..];
                }
            }
        }
        while let Some(end) = memchr(b'\n', text) {
            self.add(XxHash3_128::oneshot(&text[..end]));
            text = &text[end + 1..];
        }
        if !text.is_empty() {
            let mut row = XxHash3_128::new();
            row.write(text);
            self.open = Some(row);
        }
    }

    fn add(&mut self, hash: u128) {
        self.complete.rows += 1;
        self.complete.sum = self.complete.sum.wrapping_add(hash);
    }

    /// Adds rows that were hashed elsewhere.
    ///
    /// Call it between rows: a row that has begun here goes on afterwards.
    pub fn add_complete(&mut self, rows: Fingerprint) {
        self.complete.merge(rows);
    }

    /// Returns how many rows have ended so far.
    pub fn rows(&self) -> u64 {
        self.complete.rows
    }

    /// Returns the fingerprint; bytes behind the last newline count as a row.
    pub fn finish(mut self) -> Fingerprint {
        if let Some(row) = self.open.take() {
            self.add(row.finish_128());
        }
        self.complete
    }
}

/// Hashes one large object: XXH3-128 of its oid, as four bytes with the highest first, and its bytes.
pub struct LargeObjectHasher(XxHash3_128);

impl LargeObjectHasher {
    /// Begins with the object's oid.
    pub fn new(oid: u32) -> Self {
        let mut hasher = XxHash3_128::new();
        hasher.write(&oid.to_be_bytes());
        LargeObjectHasher(hasher)
    }

    /// Takes the next bytes.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }

    /// Returns the hash.
    pub fn finish(&self) -> u128 {
        self.0.finish_128()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fingerprint(text: &[u8]) -> Fingerprint {
        let mut hasher = RowHasher::new();
        hasher.feed(text);
        hasher.finish()
    }

    #[test]
    fn order_does_not_matter_and_duplicates_do() {
        assert_eq!(fingerprint(b"a\nb\nc\n"), fingerprint(b"c\na\nb\n"));
        assert_ne!(fingerprint(b"a\na\nb\n"), fingerprint(b"a\nb\nb\n"));
        assert_ne!(fingerprint(b"a\nb\n"), fingerprint(b"ab\n"));
        assert_eq!(fingerprint(b"\n\n").rows, 2, "a table without columns has empty lines");
        assert_eq!(fingerprint(b""), Fingerprint::default());
    }

    #[test]
    fn the_text_form_is_stable() {
        // XXH3-128 of nothing, as every implementation gives it. A change of this text would make every
        // manifest ever written wrong.
        let one_empty_row = "1:99aa06d3014798d86001c324468d497f";
        assert_eq!(fingerprint(b"\n").to_string(), one_empty_row);
        assert_eq!(one_empty_row.parse(), Ok(fingerprint(b"\n")));
        for wrong in ["", "2", "2:", "x:00", "2:+0000000000000000000000000000000"] {
            assert_eq!(wrong.parse::<Fingerprint>(), Err(InvalidFingerprint), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn pieces_of_any_size_give_the_same(
            rows in prop::collection::vec("[a-z\t]{0,300}", 0..20),
            sizes in prop::collection::vec(1usize..400, 1..40),
        ) {
            let text: String = rows.iter().map(|row| format!("{row}\n")).collect();
            let mut pieces = RowHasher::new();
            let mut rest = text.as_bytes();
            let mut sizes = sizes.into_iter().cycle();
            while !rest.is_empty() {
                let (piece, tail) = rest.split_at(sizes.next().unwrap_or(1).min(rest.len()));
                pieces.feed(piece);
                rest = tail;
            }
            let whole = fingerprint(text.as_bytes());
            prop_assert_eq!(whole.rows, rows.len() as u64);
            prop_assert_eq!(pieces.finish(), whole);
        }
    }
}
