//! COPY text cut into blocks; pure.
//!
//! A block has about [`BLOCK_BYTES`] and ends at the end of a row. A row may have 1 GB, and memory must
//! not grow with it, so a row that does not end within a block is cut: such blocks say that they hold a
//! part of a row, because their rows cannot be fingerprinted one by one.

use memchr::memrchr;

/// 1 MiB: large enough that a compressed block loses almost nothing against one long stream, small
/// enough that a table keeps every core busy and the blocks in flight stay within the memory promised.
pub(super) const BLOCK_BYTES: usize = 1 << 20;

/// How a block lies against the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// It begins where a row begins and ends where a row ends.
    WholeRows,
    /// Its first or last row is only partly in it.
    InsideRow,
}

/// A block of COPY text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// The text.
    pub(super) text: Vec<u8>,
    /// How it lies against the rows.
    pub(super) cut: Cut,
}

/// Cuts a stream of COPY text into blocks.
#[derive(Debug)]
pub(super) struct Cutter {
    limit: usize,
    text: Vec<u8>,
    /// Whether the text being gathered begins inside a row.
    inside_row: bool,
}

impl Cutter {
    /// Makes a cutter that begins at the beginning of a row and fills `buffer` first.
    pub(super) fn new(limit: usize, buffer: Vec<u8>) -> Self {
        Cutter { limit, text: buffer, inside_row: false }
    }

    /// Takes the next bytes; [`Cutter::full`] says whether a block should be taken out then.
    pub(super) fn push(&mut self, chunk: &[u8]) {
        self.text.extend_from_slice(chunk);
    }

    /// Tells whether a block has gathered.
    pub(super) fn full(&self) -> bool {
        self.text.len() >= self.limit
    }

    /// Takes out everything up to the end of the last complete row, or everything when no row ends in
    /// it. `buffer` is filled next.
    pub(super) fn cut(&mut self, mut buffer: Vec<u8>) -> Block {
        let end = memrchr(b'\n', &self.text).map(|position| position + 1);
        let ends_inside = end.is_none();
        let end = end.unwrap_or(self.text.len());
        buffer.clear();
        buffer.extend_from_slice(&self.text[end..]);
        let mut text = std::mem::replace(&mut self.text, buffer);
        text.truncate(end);
        let cut = if self.inside_row || ends_inside { Cut::InsideRow } else { Cut::WholeRows };
        self.inside_row = ends_inside;
        Block { text, cut }
    }

    /// Takes out what is left at the end of the stream.
    pub(super) fn finish(self) -> Option<Block> {
        if self.text.is_empty() {
            return None;
        }
        let whole = !self.inside_row && self.text.last() == Some(&b'\n');
        let cut = if whole { Cut::WholeRows } else { Cut::InsideRow };
        Some(Block { text: self.text, cut })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn blocks(limit: usize, chunks: &[&[u8]]) -> Vec<(String, Cut)> {
        let mut cutter = Cutter::new(limit, Vec::new());
        let mut blocks = Vec::new();
        for chunk in chunks {
            cutter.push(chunk);
            if cutter.full() {
                blocks.push(cutter.cut(Vec::new()));
            }
        }
        blocks.extend(cutter.finish());
        blocks
            .into_iter()
            .map(|block| (String::from_utf8_lossy(&block.text).into_owned(), block.cut))
            .collect()
    }

    #[test]
    fn blocks_end_with_rows() {
        assert_eq!(
            blocks(6, &[b"one\nt", b"wo\nth", b"ree\n"]),
            [("one\ntwo\n".to_owned(), Cut::WholeRows), ("three\n".to_owned(), Cut::WholeRows)]
        );
    }

    #[test]
    fn a_long_row_is_cut() {
        assert_eq!(
            blocks(4, &[b"a\nlong", b"long", b"lo\nb\nc", b"\n"]),
            [
                ("a\n".to_owned(), Cut::WholeRows),
                ("longlong".to_owned(), Cut::InsideRow),
                ("lo\nb\n".to_owned(), Cut::InsideRow),
                ("c\n".to_owned(), Cut::WholeRows)
            ]
        );
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_whole_blocks_are_whole(
            chunks in prop::collection::vec("[a\n]{0,9}", 0..12), limit in 1usize..12,
        ) {
            let chunks: Vec<&[u8]> = chunks.iter().map(String::as_bytes).collect();
            let mut inside = false;
            let mut all = String::new();
            for (text, cut) in blocks(limit, &chunks) {
                let ends_inside = !text.ends_with('\n');
                prop_assert_eq!(cut == Cut::InsideRow, inside || ends_inside);
                inside = ends_inside;
                all.push_str(&text);
            }
            prop_assert_eq!(all.into_bytes(), chunks.concat());
        }
    }
}
