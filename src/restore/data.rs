//! One table's data: from the archive's file to the server, in one transaction.
//!
//! ```text
//!   blocking thread                        task of the connection
//!   file -> decode -> cut the end mark --channel--> COPY ... FROM STDIN
//!                  -> fingerprint  ---------------> compare, then commit or roll back
//! ```
//!
//! The end mark `\.` and what follows it are never sent: the end of the stream is the end of the data.
//! A stream that ends without the mark was cut off, and of one that has it earlier the server would not
//! take the rest ([`DataEnd`]). When the archive has a manifest, rows and
//! fingerprint of what passed must be those of the manifest before anything is committed.

use std::io::Read;

use bytes::{Bytes, BytesMut};
use tokio::sync::mpsc;

use crate::archive::{DataEnd, DataEndError};
use crate::codec::{Fingerprint, RowHasher};
use crate::connect::Session;
use crate::error::{Error, ErrorKind, Result};
use crate::progress::{Interrupt, Progress};

/// 1 MiB: the size of the blocks the archive was written in, and the most the server holds in memory
/// for one message.
const BLOCK_BYTES: usize = 1024 * 1024;

/// The first read of a table, which grows to a block: most tables of a large schema are small, and
/// clearing 1 MiB for each of 5,000 is a tenth of what they cost.
const FIRST_READ_BYTES: usize = 16 * 1024;

/// Blocks that may wait between decoding and sending: enough to hide a slow moment of either side,
/// little enough that memory does not grow with the table.
const BLOCKS_IN_FLIGHT: usize = 4;

/// The end mark and its blank lines are 5 bytes in an archive of pg_dump; hand-made ones may have more.
const LONGEST_ENDING: usize = 64;

/// What is to be loaded, and how.
pub(super) struct Load<'a> {
    /// The table and its entry in words, such as `TABLE DATA public.orders (toc entry 2134)`.
    pub(super) what: &'a str,
    /// The name under which progress is reported.
    pub(super) item: &'a str,
    /// The `COPY ... FROM stdin;` of the archive.
    pub(super) copy: &'a str,
    /// Statements before and after the data in the same transaction.
    pub(super) before: &'a str,
    pub(super) after: &'a str,
    /// Whether to open a transaction; if not, there is one already.
    pub(super) own_transaction: bool,
    /// What the manifest says about the data.
    pub(super) expected: Option<Expected>,
    /// What looks for the end of the data.
    pub(super) end: DataEnd,
}

/// What the manifest says about a table's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Expected {
    pub(super) fingerprint: Fingerprint,
    /// Bytes of the decoded stream, with the end mark.
    pub(super) raw_bytes: u64,
}

/// What was loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Loaded {
    /// Rows the server has stored.
    pub(super) rows: u64,
    /// Bytes of COPY text.
    pub(super) bytes: u64,
}

/// Why a load ended: the data itself, or the server.
#[derive(Debug)]
pub(super) enum LoadError {
    /// The archive is damaged, or reading it failed.
    Archive(Error),
    /// The server refused a statement, the connection broke, or somebody asked to stop.
    Server(Error),
    /// The server refused rows.
    Rows(Error),
    /// The run ends with this error, of which everybody has heard.
    Told(Error),
}

/// Loads one table; on every error the table is as it was before.
pub(super) async fn load(
    session: &mut Session,
    reader: Box<dyn Read + Send>,
    load: Load<'_>,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) -> Result<Loaded, LoadError> {
    let purpose = format!("load {}", load.what);
    let begin = if load.own_transaction { "BEGIN;\n" } else { "" };
    let opening = format!("{begin}{}", load.before);
    if !opening.is_empty() {
        let prepared = session.execute(&purpose, &opening).await;
        if let Err(error) = prepared {
            return Err(roll_back(session, &load, LoadError::Server(error)).await);
        }
    }
    let loaded = match copy(session, reader, &load, &purpose, progress, interrupt).await {
        Ok(loaded) => loaded,
        Err(error) => return Err(roll_back(session, &load, error).await),
    };
    let commit = if load.own_transaction { "COMMIT;\n" } else { "" };
    let closing = format!("{}{commit}", load.after);
    if !closing.is_empty() {
        let closed = session.execute(&purpose, &closing).await;
        if let Err(error) = closed {
            return Err(roll_back(session, &load, LoadError::Server(error)).await);
        }
    }
    Ok(loaded)
}

async fn roll_back(session: &Session, load: &Load<'_>, error: LoadError) -> LoadError {
    if load.own_transaction && !session.is_closed() {
        // The first error is the one to report; if rolling back fails the session is lost anyway, and
        // the server rolls back by itself.
        let _ = session.execute("roll back", "ROLLBACK").await;
    }
    error
}

async fn copy(
    session: &mut Session,
    reader: Box<dyn Read + Send>,
    load: &Load<'_>,
    purpose: &str,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) -> Result<Loaded, LoadError> {
    let mut copy =
        session.copy_in(purpose, load.copy.trim_end()).await.map_err(LoadError::Server)?;
    let (blocks, mut arriving) = mpsc::channel(BLOCKS_IN_FLIGHT);
    let count = load.expected.is_some();
    let end = load.end.clone();
    let decoding = tokio::task::spawn_blocking(move || decode(reader, end, &blocks, count));
    loop {
        let block = tokio::select! {
            block = arriving.recv() => block,
            () = interrupt.wait() => {
                drop(arriving);
                copy.abort("the restore was interrupted").await.map_err(LoadError::Server)?;
                let interrupted = Error::new(ErrorKind::Interrupted, "interrupted");
                return Err(LoadError::Server(interrupted));
            }
        };
        let Some(block) = block else { break };
        let bytes = block.len() as u64;
        tokio::select! {
            // An interrupt is looked for first: a server that waits for a lock takes no data.
            biased;
            () = interrupt.wait() => {
                return Err(LoadError::Server(Error::new(ErrorKind::Interrupted, "interrupted")));
            }
            sent = copy.send(block) => sent.map_err(LoadError::Rows)?,
        }
        progress.advanced(load.item, bytes, 0);
    }
    let decoded = match decoding.await {
        Ok(Ok(decoded)) => decoded,
        Ok(Err(error)) => {
            copy.abort("the data in the archive is damaged").await.map_err(LoadError::Server)?;
            let kind = match error.kind() {
                ErrorKind::Storage => ErrorKind::Storage,
                _ => ErrorKind::Integrity,
            };
            let error =
                Error::new(kind, format!("could not read {}", load.what)).with_source(error);
            return Err(LoadError::Archive(error));
        }
        Err(panic) => {
            let error = Error::new(ErrorKind::Internal, format!("could not read {}", load.what));
            return Err(LoadError::Archive(error.with_source(panic)));
        }
    };
    if let Some(difference) = load.expected.and_then(|expected| decoded.difference(expected)) {
        copy.abort("the data differs from the manifest").await.map_err(LoadError::Server)?;
        return Err(LoadError::Archive(Error::new(
            ErrorKind::Integrity,
            format!("the data of {} is not what the manifest says: {difference}", load.what),
        )));
    }
    let rows = copy.finish().await.map_err(LoadError::Rows)?;
    if let Some(expected) = load.expected
        && expected.fingerprint.rows != rows
    {
        return Err(LoadError::Rows(Error::new(
            ErrorKind::Integrity,
            format!(
                "the server stored {rows} rows of {} instead of {}",
                load.what, expected.fingerprint.rows
            ),
        )));
    }
    progress.advanced(load.item, 0, rows);
    Ok(Loaded { rows, bytes: decoded.bytes })
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
        let block = buffer.split_to(BLOCK_BYTES - LONGEST_ENDING).freeze();
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
        let decoded = decode(reader, DataEnd::of(&entry), &sender, true)?;
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
