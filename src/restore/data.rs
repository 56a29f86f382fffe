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

use tokio::sync::mpsc;
use tokio::task::JoinError;

use super::decode::{Cut, Decoded, decode};
use crate::archive::DataEnd;
use crate::codec::Fingerprint;
use crate::connect::Session;
use crate::error::{Error, ErrorKind, Result};
use crate::progress::{Interrupt, Progress};

/// Blocks that may wait between decoding and sending: enough to hide a slow moment of either side,
/// little enough that memory does not grow with the table.
pub(super) const BLOCKS_IN_FLIGHT: usize = 4;

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
    let decoding =
        tokio::task::spawn_blocking(move || decode(reader, end, &blocks, count, Cut::Anywhere));
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
    let decoded = match judge(load, decoding.await) {
        Ok(decoded) => decoded,
        Err(error) => {
            copy.abort("the data in the archive are damaged").await.map_err(LoadError::Server)?;
            return Err(LoadError::Archive(error));
        }
    };
    let rows = copy.finish().await.map_err(LoadError::Rows)?;
    check_count(load, rows).map_err(LoadError::Rows)?;
    progress.advanced(load.item, 0, rows);
    Ok(Loaded { rows, bytes: decoded.bytes })
}

/// Returns what was decoded, unless it is damaged or not what the manifest says.
pub(super) fn judge(
    load: &Load<'_>,
    decoded: Result<Result<Decoded>, JoinError>,
) -> Result<Decoded> {
    let unread = |kind| Error::new(kind, format!("could not read {}", load.what));
    let decoded = match decoded {
        Ok(Ok(decoded)) => decoded,
        Ok(Err(error)) => {
            let kind = match error.kind() {
                ErrorKind::Storage => ErrorKind::Storage,
                _ => ErrorKind::Integrity,
            };
            return Err(unread(kind).with_source(error));
        }
        Err(panic) => return Err(unread(ErrorKind::Internal).with_source(panic)),
    };
    match load.expected.and_then(|expected| decoded.difference(expected)) {
        Some(difference) => Err(Error::new(
            ErrorKind::Integrity,
            format!("the data of {} is not what the manifest says: {difference}", load.what),
        )),
        None => Ok(decoded),
    }
}

/// Compares what the server has stored with what the manifest says.
pub(super) fn check_count(load: &Load<'_>, rows: u64) -> Result<()> {
    match load.expected.map(|expected| expected.fingerprint.rows) {
        Some(expected) if expected != rows => Err(Error::new(
            ErrorKind::Integrity,
            format!("the server stored {rows} rows of {} instead of {expected}", load.what),
        )),
        _ => Ok(()),
    }
}
