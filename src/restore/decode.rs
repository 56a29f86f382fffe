//! Decoding: from the archive's bytes to blocks of rows without their end mark, counted and hashed.

use std::io::Read;

use bytes::{Bytes, BytesMut};
use tokio::sync::mpsc;

use super::data::Expected;
use crate::archive::{DataEnd, DataEndError};
use crate::codec::{Fingerprint, RowHasher};
use crate::error::{Error, ErrorKind, Result};

/// 1 MiB: the size of the blocks the archive was written in, and the most the server holds in memory
/// for one message.
const BLOCK_BYTES: usize = 1024 * 1024;

/// The first read of a table, which grows to a block: most tables of a large schema are small, and
/// clearing 1 MiB for each of 5,000 is a tenth of what they cost.
const FIRST_READ_BYTES: usize = 16 * 1024;

/// The end mark and its blank lines are 5 bytes in an archive of pg_dump; hand-made ones may have more.
const LONGEST_ENDING: usize = 64;

/// Where blocks may end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    Anywhere,
    /// Behind a row, unless one is longer than a block.
    BehindRows,
}

#[derive(Debug)]
pub(super) struct Decoded {
    pub(super) bytes: u64,
    /// Bytes of the stream, with the end mark.
    raw_bytes: u64,
    pub(super) fingerprint: Option<Fingerprint>,
}

impl Decoded {
    /// Returns in what it is not what was expected.
    pub(super) fn difference(&self, expected: Expected) -> Option<String> {
        match self.fingerprint {
            Some(found) if found != expected.fingerprint => {
                Some(format!("fingerprint {found} instead of {}", expected.fingerprint))
            }
            _ if self.raw_bytes != expected.raw_bytes => {
                Some(format!("{} bytes instead of {}", self.raw_bytes, expected.raw_bytes))
            }
            _ => None,
        }
    }
}

/// Reads COPY text up to its end mark and hands it on in blocks; runs on a blocking thread.
///
/// A receiver that is gone ends it without an error: whoever dropped it knows why.
pub(super) fn decode(
    mut reader: Box<dyn Read + Send>,
    mut data_end: DataEnd,
    blocks: &mpsc::Sender<Bytes>,
    count: bool,
    cut: Cut,
) -> Result<Decoded> {
    let badly_ended = |error: DataEndError| Error::new(ErrorKind::Integrity, error.to_string());
    let mut hasher = count.then(RowHasher::new);
    let mut bytes = 0;
    let mut pass_on = |block: Bytes, bytes: &mut u64| {
        if let Some(hasher) = &mut hasher {
            hasher.feed(&block);
        }
        *bytes += block.len() as u64;
        block.is_empty() || blocks.blocking_send(block).is_ok()
    };
    let mut buffer = BytesMut::with_capacity(FIRST_READ_BYTES);
    // The byte before the buffer, to know whether the buffer begins a line.
    let mut before = b'\n';
    loop {
        let filled = buffer.len();
        let wanted = (filled * 4).clamp(FIRST_READ_BYTES, BLOCK_BYTES);
        buffer.resize(wanted, 0);
        let read = fill(&mut reader, &mut buffer[filled..]).map_err(|error| {
            Error::new(ErrorKind::Integrity, "could not decode the data").with_source(error)
        })?;
        buffer.truncate(filled + read);
        if buffer.len() < wanted {
            break;
        }
        if wanted < BLOCK_BYTES {
            continue;
        }
        let most = BLOCK_BYTES - LONGEST_ENDING;
        let end = match cut {
            Cut::Anywhere => most,
            Cut::BehindRows => end_of_rows(&buffer[..most]).unwrap_or(most),
        };
        let block = buffer.split_to(end).freeze();
        let rest = std::mem::replace(&mut buffer, BytesMut::with_capacity(BLOCK_BYTES));
        buffer.extend_from_slice(&rest);
        data_end.feed(&block).map_err(badly_ended)?;
        before = block.last().copied().unwrap_or(before);
        if !pass_on(block, &mut bytes) {
            return Ok(Decoded { bytes, raw_bytes: bytes, fingerprint: None });
        }
    }
    data_end.feed(&buffer).and_then(|()| data_end.finish()).map_err(badly_ended)?;
    let end = match data_end.has_mark() {
        true => end_mark(&buffer, before).ok_or_else(|| badly_ended(DataEndError::Missing))?,
        false => buffer.len(),
    };
    let ending = (buffer.len() - end) as u64;
    pass_on(buffer.split_to(end).freeze(), &mut bytes);
    Ok(Decoded { bytes, raw_bytes: bytes + ending, fingerprint: hasher.map(RowHasher::finish) })
}

/// Returns where the last whole row of some COPY text ends.
///
/// A line end behind a backslash may belong to a value, in archives of nobody knows whom, and in some encodings
/// what looks like a backslash is half a character: such ends are passed over.
pub(super) fn end_of_rows(text: &[u8]) -> Option<usize> {
    let is_end = |pair: &[u8]| pair[1] == b'\n' && pair[0] != b'\\';
    text.windows(2).rposition(is_end).map(|place| place + 2)
}

/// Fills `buffer` as far as the reader goes and returns how far that is.
fn fill(reader: &mut dyn Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Returns where the data ends in the last bytes of a stream: before a line `\.` that only line ends follow.
fn end_mark(tail: &[u8], before: u8) -> Option<usize> {
    let marked = tail.trim_ascii_end().strip_suffix(b"\\.")?;
    let previous = marked.last().copied().unwrap_or(before);
    // The mark must be ended: a cut right behind it may have lost nothing, but proves nothing.
    let ended = tail.len() > marked.len() + 2;
    (previous == b'\n' && ended).then_some(marked.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{DumpId, TocEntry};

    fn decoded(text: &[u8]) -> Result<(Vec<u8>, u64)> {
        let (sender, mut receiver) = mpsc::channel(1024);
        let text = text.to_vec();
        let mut entry = TocEntry::new(DumpId(1), "TABLE DATA", "t");
        entry.copy_statement = Some("COPY t FROM stdin;\n".to_owned());
        let reader = Box::new(std::io::Cursor::new(text));
        let decoded = decode(reader, DataEnd::of(&entry), &sender, true, Cut::BehindRows)?;
        drop(sender);
        let mut sent = Vec::new();
        while let Ok(block) = receiver.try_recv() {
            assert!(block.len() <= BLOCK_BYTES);
            sent.extend_from_slice(&block);
        }
        assert_eq!(sent.len() as u64, decoded.bytes);
        Ok((sent, decoded.fingerprint.map_or(0, |found| found.rows)))
    }

    #[test]
    fn the_end_mark_is_cut_off() {
        let cases: &[(&[u8], &[u8], u64)] = &[
            (b"\\.\n\n\n", b"", 0),
            (b"1\ta\n2\tb\n\\.\n\n\n", b"1\ta\n2\tb\n", 2),
            (b"x\\\\.\n\\.\n", b"x\\\\.\n", 1),
            (b"\n\n\\.\n\n\n", b"\n\n", 2),
        ];
        for (text, expected, rows) in cases {
            let (sent, counted) = decoded(text).expect("complete");
            assert_eq!((sent.as_slice(), counted), (*expected, *rows));
        }
    }

    #[test]
    fn data_without_an_end_mark_was_cut_off() {
        for text in [&b""[..], b"1\n", b"1\n\\", b"1\n\\.", b"1\\.\n", b"1\n\\\\.\n"] {
            assert!(decoded(text).is_err(), "{:?}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn rows_end_at_line_ends_that_are_not_escaped() {
        for (text, expected) in [
            (&b"1\n2\n3"[..], Some(4)),
            (b"1\n2\\\n3\\\n", Some(2)),
            (b"1\\\n", None),
            (b"\n", None),
            (b"", None),
        ] {
            assert_eq!(end_of_rows(text), expected, "{text:?}");
        }
    }

    #[test]
    fn blocks_of_every_size_come_out_whole() {
        for rows in [104_850, 104_855, 104_857, 104_858, 104_860, 209_715, 300_000] {
            let mut text = b"123456789\n".repeat(rows);
            text.extend_from_slice(b"\\.\n\n\n");
            let (sent, counted) = decoded(&text).expect("complete");
            assert_eq!(counted, rows as u64);
            assert_eq!(sent.len(), text.len() - 5);
        }
    }
}
