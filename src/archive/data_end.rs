//! Whether the data of an entry end where data end, and nowhere before.
//!
//! Rows end with a line `\.` and empty lines, rows in binary form (which no archive has, but a clone) with a
//! trailer, INSERT statements with two empty lines. Servers and psql ignore
//! whatever rows follow the mark, and a file without compression has nothing else that tells where it was
//! cut; so data that are not looked at like this are lost without a word.

use crate::model::TocEntry;

/// The end of a statement that loads rows.
const FROM_TEXT: &str = " FROM stdin;\n";

/// The same for rows in binary form.
const FROM_BINARY: &str = " FROM stdin WITH (FORMAT binary);\n";

/// Where a row begins in binary form, the number of its fields; at the end of the data this instead.
const BINARY_TRAILER: [u8; 2] = (-1_i16).to_be_bytes();

/// Returns the statement that loads rows in binary form in place of one that loads text.
pub fn binary_copy_statement(text: &str) -> Option<String> {
    Some(format!("{}{FROM_BINARY}", text.strip_suffix(FROM_TEXT)?))
}

/// Returns the statement that freezes the rows which one of the above loads.
pub fn freezing_copy_statement(statement: &str) -> Option<String> {
    let (before, end) =
        match (statement.strip_suffix(FROM_TEXT), statement.strip_suffix(FROM_BINARY)) {
            (Some(before), _) => (before, " FROM stdin WITH (FREEZE);\n"),
            (_, Some(before)) => (before, " FROM stdin WITH (FORMAT binary, FREEZE);\n"),
            _ => return None,
        };
    Some(format!("{before}{end}"))
}

/// What is wrong with the end of data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DataEndError {
    /// The file was cut, or was never complete.
    #[error("the data end before their end mark: the file was cut off")]
    Missing,
    /// The mark came too early.
    #[error("rows follow the end mark at byte {0} of the data")]
    Early(u64),
    /// A mark that older servers take for one.
    #[error("a row holds an end mark at byte {0} of the data")]
    InsideRow(u64),
}

/// Follows the data of one entry to their end.
#[derive(Debug, Clone)]
pub struct DataEnd {
    content: Content,
    /// Bytes seen.
    offset: u64,
    /// Lines before the mark.
    rows: u64,
}

#[derive(Debug, Clone)]
enum Content {
    Rows {
        state: RowState,
        /// Whether a line begins here.
        line_begins: bool,
    },
    /// The last bytes.
    Binary { last: [u8; 2] },
    /// How many line ends the last bytes are.
    Statements { line_ends: u8 },
    /// What has no certain end.
    Anything,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RowState {
    Text,
    /// Behind a backslash that is not escaped.
    Backslash {
        line_began: bool,
    },
    /// Behind `\.`, which nothing but the mark is.
    Dot {
        line_began: bool,
    },
    /// Behind the mark; it began here.
    Ended {
        mark: u64,
    },
}

impl DataEnd {
    /// Begins before the first byte of an entry's data.
    pub fn of(entry: &TocEntry) -> Self {
        let content = match &entry.copy_statement {
            Some(copy) if copy.ends_with(FROM_BINARY) => Content::Binary { last: [0; 2] },
            Some(_) => Content::Rows { state: RowState::Text, line_begins: true },
            None if entry.holds_rows() => Content::Statements { line_ends: 0 },
            None => Content::Anything,
        };
        DataEnd { content, offset: 0, rows: 0 }
    }

    /// Looks at the next bytes.
    ///
    /// # Errors
    ///
    /// When they are rows behind the end mark, or a mark where none can be.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), DataEndError> {
        match &mut self.content {
            Content::Rows { state, line_begins } => {
                self.rows += rows(state, line_begins, self.offset, bytes)?;
            }
            Content::Binary { last } => {
                for &byte in &bytes[bytes.len().saturating_sub(2)..] {
                    *last = [last[1], byte];
                }
            }
            Content::Statements { line_ends } => {
                let last = bytes.iter().rev().take(2).take_while(|&&byte| byte == b'\n').count();
                let all = last == bytes.len();
                *line_ends = last as u8 + if all { (*line_ends).min(2) } else { 0 };
            }
            Content::Anything => {}
        }
        self.offset += bytes.len() as u64;
        Ok(())
    }

    /// Tells whether there is a mark at the end that does not belong to the rows.
    pub fn has_mark(&self) -> bool {
        matches!(self.content, Content::Rows { .. })
    }

    /// Returns how many rows were before the mark; statements are not counted.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Says whether the data were complete.
    ///
    /// # Errors
    ///
    /// When they were not.
    pub fn finish(&self) -> Result<(), DataEndError> {
        let complete = match self.content {
            Content::Rows { state, .. } => matches!(state, RowState::Ended { .. }),
            Content::Binary { last } => last == BINARY_TRAILER,
            Content::Statements { line_ends } => line_ends >= 2,
            Content::Anything => true,
        };
        if complete { Ok(()) } else { Err(DataEndError::Missing) }
    }
}

/// Follows rows and returns how many ended.
fn rows(
    state: &mut RowState,
    line_begins: &mut bool,
    offset: u64,
    bytes: &[u8],
) -> Result<u64, DataEndError> {
    let mut count = 0;
    let mut at = 0;
    while at < bytes.len() {
        let byte = bytes[at];
        match *state {
            RowState::Text => {
                let found =
                    memchr::memchr(b'\\', &bytes[at..]).map_or(bytes.len(), |next| at + next);
                if found > at {
                    count += memchr::memchr_iter(b'\n', &bytes[at..found]).count() as u64;
                    *line_begins = bytes[found - 1] == b'\n';
                }
                at = found;
                if at < bytes.len() {
                    *state = RowState::Backslash { line_began: *line_begins };
                }
            }
            RowState::Backslash { line_began } if byte == b'.' => {
                *state = RowState::Dot { line_began };
            }
            RowState::Backslash { .. } => {
                *line_begins = byte == b'\n';
                count += u64::from(*line_begins);
                *state = RowState::Text;
            }
            RowState::Dot { line_began } if matches!(byte, b'\n' | b'\r') => {
                let mark = (offset + at as u64).saturating_sub(2);
                if !line_began {
                    return Err(DataEndError::InsideRow(mark));
                }
                *state = RowState::Ended { mark };
            }
            RowState::Dot { .. } => {
                *line_begins = false;
                *state = RowState::Text;
                continue;
            }
            RowState::Ended { mark } => {
                if !bytes[at..].trim_ascii().is_empty() {
                    return Err(DataEndError::Early(mark));
                }
                return Ok(count);
            }
        }
        at += 1;
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DumpId;
    use proptest::prelude::*;

    fn of(rows: bool) -> DataEnd {
        let mut entry = TocEntry::new(DumpId(1), "TABLE DATA", "t");
        entry.has_data = true;
        entry.copy_statement = rows.then(|| "COPY t FROM stdin;\n".to_owned());
        DataEnd::of(&entry)
    }

    fn judged(rows: bool, text: &[u8], step: usize) -> Result<(), DataEndError> {
        let mut end = of(rows);
        for part in text.chunks(step) {
            end.feed(part)?;
        }
        end.finish()
    }

    #[test]
    fn the_end_is_where_it_belongs() {
        use DataEndError::{Early, InsideRow, Missing};
        let cases: &[(&[u8], Result<(), DataEndError>)] = &[
            (b"\\.\n\n\n", Ok(())),
            (b"1\ta\n2\t\\N\n\\.\n\n\n", Ok(())),
            (b"1\n\\\\.\n\\\\\\\\.\n\\.\n", Ok(())),
            (b"a\\.b\n\\.\n", Ok(())),
            (b"", Err(Missing)),
            (b"1\n", Err(Missing)),
            (b"1\n\\.", Err(Missing)),
            (b"1\n\\\\.\n", Err(Missing)),
            (b"1\n\\.\n2\n\\.\n\n\n", Err(Early(2))),
            (b"\\.\n\\.\n\n\n", Err(Early(0))),
            (b"1\\.\n\\.\n\n\n", Err(InsideRow(1))),
            (b"\\\\\\.\n\\.\n\n\n", Err(InsideRow(2))),
        ];
        for (text, expected) in cases {
            for step in 1..=text.len().max(1) {
                let shown = String::from_utf8_lossy(text);
                assert_eq!(judged(true, text, step), *expected, "{shown:?} in steps of {step}");
            }
        }
        for (text, expected) in [
            (&b"INSERT INTO t VALUES (1);\n\n\n"[..], Ok(())),
            (b"\n\n", Ok(())),
            (b"INSERT INTO t VALUES (1);\n", Err(Missing)),
            (b"INSERT INTO t VALUES (1);", Err(Missing)),
            (b"", Err(Missing)),
        ] {
            for step in 1..=text.len().max(1) {
                assert_eq!(judged(false, text, step), expected, "steps of {step}");
            }
        }
    }

    proptest! {
        #[test]
        fn steps_make_no_difference(
            text in "[\\\\.\n\ra]{0,40}",
            step in 1..10_usize,
        ) {
            let text = text.as_bytes();
            prop_assert_eq!(judged(true, text, step), judged(true, text, text.len().max(1)));
            prop_assert_eq!(judged(false, text, step), judged(false, text, text.len().max(1)));
        }
    }
}
