//! The rows of one table straight from the archive.

use std::io::{Read, Write};

use super::csv::CsvWriter;
use crate::archive::{ArchiveReader, DataEnd};
use crate::codec::RowHasher;
use crate::error::{Error, ErrorKind, Result};
use crate::model::TocEntry;

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowsForm {
    /// COPY text, as it is in the archive, without the end mark.
    Copy,
    /// CSV with a line of column names.
    Csv,
}

/// Decoded bytes that are looked at together.
const BUFFER_BYTES: usize = 256 * 1024;

/// Writes the rows of a `TABLE DATA` entry and returns their number.
///
/// # Errors
///
/// [`ErrorKind::Integrity`] when the data are damaged, end before their end mark or are not what the
/// manifest says (found at the end: what was written before is then not to be trusted),
/// [`ErrorKind::Refused`] when the archive holds the rows as INSERT statements,
/// [`ErrorKind::Storage`] when the output refuses bytes.
pub fn write_rows(
    reader: &dyn ArchiveReader,
    entry: &TocEntry,
    form: RowsForm,
    output: &mut dyn Write,
) -> Result<u64> {
    let Some(copy) = &entry.copy_statement else {
        return Err(Error::new(
            ErrorKind::Refused,
            format!("the archive holds the rows of {} as INSERT statements", entry.describe()),
        )
        .with_hint("restore the table into a scratch database to have its rows in another form"));
    };
    let mut sink = match form {
        RowsForm::Copy => Sink::Copy(output),
        RowsForm::Csv => {
            let columns = column_names(copy).ok_or_else(|| {
                damaged(entry, format!("\"{}\" is not understood", copy.trim_end()))
            })?;
            Sink::Csv(CsvWriter::new(output, &columns).map_err(unwritable)?)
        }
    };
    let mut data = reader.open_data(entry)?;
    let mut rows = RowHasher::new();
    let mut end = EndMark::default();
    let mut judged = DataEnd::of(entry);
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let count = match data.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(damaged(entry, error)),
        };
        judged.feed(&buffer[..count]).map_err(|error| damaged(entry, error))?;
        let (held, text) = end.take(&buffer[..count]);
        for part in [held.as_slice(), text] {
            rows.feed(part);
            sink.write(part).map_err(unwritable)?;
        }
    }
    judged.finish().map_err(|error| damaged(entry, error))?;
    sink.finish().map_err(unwritable)?;
    let found = rows.finish();
    let expected = reader
        .manifest()
        .and_then(|manifest| manifest.data.iter().find(|data| data.dump_id == entry.dump_id.0));
    if let Some(expected) = expected.filter(|expected| expected.fingerprint != found) {
        let what = format!("{} rows were read, {} expected", found.rows, expected.rows);
        return Err(damaged(entry, format!("its rows are not those of the manifest: {what}")));
    }
    Ok(found.rows)
}

fn damaged(entry: &TocEntry, why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(ErrorKind::Integrity, format!("could not read {}", entry.describe()))
        .with_source(why)
        .with_hint("run \"pgark verify\" on the archive to see everything that is damaged")
}

fn unwritable(error: std::io::Error) -> Error {
    Error::new(ErrorKind::Storage, "could not write the rows").with_source(error)
}

enum Sink<'a> {
    Copy(&'a mut dyn Write),
    Csv(CsvWriter<&'a mut dyn Write>),
}

impl Sink<'_> {
    fn write(&mut self, text: &[u8]) -> std::io::Result<()> {
        match self {
            Sink::Copy(output) => output.write_all(text),
            Sink::Csv(writer) => writer.feed(text),
        }
    }

    fn finish(self) -> std::io::Result<()> {
        match self {
            Sink::Copy(output) => output.flush(),
            Sink::Csv(writer) => writer.finish().map(|_| ()),
        }
    }
}

/// Finds the line `\.` in a stream of COPY text, in which a row never begins with it.
#[derive(Default)]
struct EndMark {
    /// Whether the mark was seen; nothing behind it is data.
    reached: bool,
    inside_row: bool,
    /// A backslash at the beginning of a row that was the last byte so far.
    pending: bool,
}

impl EndMark {
    /// Returns what of the next bytes is data: what was held back before, and a beginning of `text`.
    fn take<'a>(&mut self, text: &'a [u8]) -> (Vec<u8>, &'a [u8]) {
        let mut held = Vec::new();
        if self.reached || text.is_empty() {
            return (held, &[]);
        }
        let mut at = 0;
        if std::mem::take(&mut self.pending) {
            if text[0] == b'.' {
                self.reached = true;
                return (held, &[]);
            }
            held.push(b'\\');
            self.inside_row = true;
        }
        while at < text.len() {
            if !self.inside_row && text[at] == b'\\' {
                match text.get(at + 1) {
                    Some(b'.') => {
                        self.reached = true;
                        return (held, &text[..at]);
                    }
                    Some(_) => {}
                    None => {
                        self.pending = true;
                        return (held, &text[..at]);
                    }
                }
            }
            match memchr::memchr(b'\n', &text[at..]) {
                Some(newline) => {
                    at += newline + 1;
                    self.inside_row = false;
                }
                None => {
                    self.inside_row = true;
                    break;
                }
            }
        }
        (held, text)
    }
}

/// Returns the raw names of the columns in `COPY schema.table (a, "B c") FROM stdin;`.
fn column_names(copy: &str) -> Option<Vec<String>> {
    let mut quoted = false;
    let start = copy.char_indices().find_map(|(at, character)| {
        if character == '"' {
            quoted = !quoted;
        }
        (character == '(' && !quoted).then_some(at + 1)
    });
    // A table without columns has no list.
    let Some(start) = start else { return Some(Vec::new()) };
    let mut names = vec![String::new()];
    let mut characters = copy[start..].chars().peekable();
    let mut quoted = false;
    while let Some(character) = characters.next() {
        let last = names.len() - 1;
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                names[last].push('"');
            }
            '"' => quoted = !quoted,
            _ if quoted => names[last].push(character),
            ',' => names.push(String::new()),
            ' ' => {}
            ')' => return (names != [""]).then_some(names).or(Some(Vec::new())),
            _ => names[last].push(character),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn columns_are_read_from_the_copy_statement() {
        let cases = [
            ("COPY public.t (a, b) FROM stdin;\n", Some(vec!["a", "b"])),
            ("COPY \"S(1)\".t (\"A, \"\"b)\", c) FROM stdin;\n", Some(vec!["A, \"b)", "c"])),
            ("COPY public.t  FROM stdin;\n", Some(vec![])),
            ("COPY public.t () FROM stdin;\n", Some(vec![])),
            ("COPY public.t (a", None),
        ];
        for (copy, expected) in cases {
            let found = column_names(copy);
            let expected: Option<Vec<String>> =
                expected.map(|names| names.into_iter().map(str::to_owned).collect());
            assert_eq!(found, expected, "{copy}");
        }
    }

    fn data_of(text: &[u8], pieces: usize) -> (Vec<u8>, bool) {
        let mut end = EndMark::default();
        let mut data = Vec::new();
        for piece in text.chunks(pieces) {
            let (held, rest) = end.take(piece);
            data.extend_from_slice(&held);
            data.extend_from_slice(rest);
        }
        (data, end.reached)
    }

    #[test]
    fn the_end_mark_ends_the_data() {
        let cases: &[(&[u8], &[u8], bool)] = &[
            (b"\\.\n\n\n", b"", true),
            (b"1\n\\N\n\\.\n\n\n", b"1\n\\N\n", true),
            (b"x\\.\n\\.\n", b"x\\.\n", true),
            (b"1\n", b"1\n", false),
        ];
        for (text, expected, reached) in cases {
            for pieces in 1..6 {
                assert_eq!(data_of(text, pieces), (expected.to_vec(), *reached), "{pieces}");
            }
        }
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(text in "[a\\\\.\n]{0,30}", pieces in 1usize..7) {
            let whole = data_of(text.as_bytes(), 1000);
            prop_assert_eq!(data_of(text.as_bytes(), pieces), whole);
        }
    }
}
