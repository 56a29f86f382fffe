//! One large table over several connections, only where that was asked for (`--split-load`).
//!
//! ```text
//!   blocking thread                 the connection that has the table, and those that help
//!   file -> decode --- blocks of ---> COPY, its own transaction --+-- all counts --> COMMIT each
//!                      whole rows ---> COPY, its own transaction -+    compared
//!                                 ---> ...                        +
//! ```
//!
//! Whoever is idle joins while there are blocks. Nobody commits before all have stored what they took and the
//! sum is what the manifest says; if somebody's commit fails after another's, the table is emptied, which is
//! right because this run has made it. What waits for the table (indexes) waits for the connection that has it, and
//! that one for all.

use std::collections::VecDeque;
use std::io::Read;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{Notify, mpsc, oneshot, watch};

use super::data::{BLOCKS_IN_FLIGHT, Load, LoadError, Loaded, check_count, judge};
use super::decode::{Cut, decode, end_of_rows};
use crate::connect::Session;
use crate::error::{Error, ErrorKind, Result};
use crate::progress::{Interrupt, Progress};

/// Tables with less COPY text are loaded over one connection: they are done before another one has joined.
pub(super) const SPLIT_FROM_BYTES: u64 = 4 * 1024 * 1024;

/// The tables that others may help with.
#[derive(Debug, Default)]
pub(super) struct Splits {
    open: Mutex<VecDeque<Arc<Split>>>,
    news: Notify,
}

/// A table that is being loaded.
#[derive(Debug)]
pub(super) struct Split {
    /// The entry.
    pub(super) item: usize,
    blocks: tokio::sync::Mutex<mpsc::Receiver<Bytes>>,
    verdict: watch::Receiver<Option<Verdict>>,
    helpers: Mutex<Vec<Helper>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Commit,
    RollBack,
}

/// What is heard of somebody who helps; silence means that it broke off.
#[derive(Debug)]
struct Helper {
    stored: oneshot::Receiver<Result<u64, LoadError>>,
    committed: oneshot::Receiver<Result<()>>,
}

/// The part of somebody who helps.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) split: Arc<Split>,
    stored: oneshot::Sender<Result<u64, LoadError>>,
    committed: oneshot::Sender<Result<()>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere leaves the lists as valid as they were.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Splits {
    /// Finds something to help with; the tables take turns.
    pub(super) fn join(&self) -> Option<Part> {
        let mut open = lock(&self.open);
        let split = open.pop_front()?;
        open.push_back(Arc::clone(&split));
        let (stored, hear_stored) = oneshot::channel();
        let (committed, hear_committed) = oneshot::channel();
        lock(&split.helpers).push(Helper { stored: hear_stored, committed: hear_committed });
        Some(Part { split, stored, committed })
    }

    /// Resolves when there is something new to help with.
    pub(super) async fn news(&self) {
        self.news.notified().await;
    }

    fn open(&self, split: &Arc<Split>) {
        lock(&self.open).push_back(Arc::clone(split));
        self.news.notify_one();
    }

    /// Lets nobody join any more and returns who has.
    fn close(&self, split: &Arc<Split>) -> Vec<Helper> {
        lock(&self.open).retain(|other| !Arc::ptr_eq(other, split));
        std::mem::take(&mut lock(&split.helpers))
    }
}

/// Loads one table together with whoever joins; on every error the table is empty, as it was before.
///
/// `table` is its name; it was made by this run and has no rows.
pub(super) async fn load(
    session: &mut Session,
    reader: Box<dyn Read + Send>,
    load: &Load<'_>,
    (item, table): (usize, &str),
    splits: &Splits,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) -> Result<Loaded, LoadError> {
    let (blocks, arriving) = mpsc::channel(BLOCKS_IN_FLIGHT);
    let (decide, verdict) = watch::channel(None);
    let split = Arc::new(Split {
        item,
        blocks: tokio::sync::Mutex::new(arriving),
        verdict,
        helpers: Mutex::default(),
    });
    let (end, count) = (load.end.clone(), load.expected.is_some());
    let decoding =
        tokio::task::spawn_blocking(move || decode(reader, end, &blocks, count, Cut::BehindRows));
    splits.open(&split);
    let own = take_part(session, &split, load, progress, interrupt).await;
    let mut helpers = splits.close(&split);
    let decoded = judge(load, decoding.await);
    let mut stored = vec![own];
    for helper in &mut helpers {
        stored.push(
            (&mut helper.stored).await.unwrap_or_else(|_| Err(LoadError::Server(broke_off(load)))),
        );
    }
    let outcome = sum_up(stored).and_then(|rows| match decoded {
        Ok(decoded) => {
            check_count(load, rows).map_err(LoadError::Rows)?;
            Ok(Loaded { rows, bytes: decoded.bytes })
        }
        Err(error) => Err(LoadError::Archive(error)),
    });
    let outcome = match outcome {
        // Own first: as long as nobody has committed, a failure leaves nothing behind.
        Ok(loaded) => end_transaction(session, load, "COMMIT")
            .await
            .map(|()| loaded)
            .map_err(LoadError::Server),
        Err(error) => {
            // The first error is the one to report.
            let _ = end_transaction(session, load, "ROLLBACK").await;
            Err(error)
        }
    };
    let verdict = if outcome.is_ok() { Verdict::Commit } else { Verdict::RollBack };
    // Nobody listens where nobody has joined.
    let _ = decide.send(Some(verdict));
    let mut failure = None;
    for helper in helpers {
        let said = helper.committed.await.unwrap_or_else(|_| Err(broke_off(load)));
        failure = failure.or(said.err());
    }
    match (outcome, failure) {
        (Ok(loaded), None) => {
            progress.advanced(load.item, 0, loaded.rows);
            Ok(loaded)
        }
        (Ok(_), Some(error)) => {
            let purpose = format!("empty {table} again");
            let emptied = session.execute(&purpose, &format!("TRUNCATE TABLE ONLY {table}")).await;
            Err(LoadError::Server(match emptied {
                Ok(()) => error,
                Err(_) => error.with_hint(format!("a part of the rows of {table} is left there")),
            }))
        }
        (Err(error), _) => Err(error),
    }
}

/// Loads blocks of somebody else's table until there are no more, and does with them as that one decides.
pub(super) async fn help(
    session: &mut Session,
    part: Part,
    load: &Load<'_>,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) {
    let Part { split, stored, committed } = part;
    let own = take_part(session, &split, load, progress, interrupt).await;
    // Who has the table may be gone; then nothing is decided, and nothing is kept.
    let _ = stored.send(own);
    let mut verdict = split.verdict.clone();
    let decided = verdict.wait_for(Option::is_some).await.ok().and_then(|verdict| *verdict);
    let ended = match decided {
        Some(Verdict::Commit) => end_transaction(session, load, "COMMIT").await,
        Some(Verdict::RollBack) | None => {
            let _ = end_transaction(session, load, "ROLLBACK").await;
            Ok(())
        }
    };
    let _ = committed.send(ended);
}

async fn end_transaction(session: &Session, load: &Load<'_>, how: &str) -> Result<()> {
    session.execute(&format!("load {}", load.what), how).await
}

fn broke_off(load: &Load<'_>) -> Error {
    let what = format!("a connection that helped with {} broke off", load.what);
    Error::new(ErrorKind::Internal, what)
}

/// Adds up the rows; the first error counts.
fn sum_up(stored: Vec<Result<u64, LoadError>>) -> Result<u64, LoadError> {
    stored.into_iter().try_fold(0, |sum, rows| Ok(sum + rows?))
}

/// Loads blocks in a transaction that is left open, and returns how many rows they were.
async fn take_part(
    session: &mut Session,
    split: &Split,
    load: &Load<'_>,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) -> Result<u64, LoadError> {
    let taken = take_blocks(session, split, load, progress, interrupt).await;
    if taken.is_err() {
        // The others need not go on: decoding ends when nobody takes blocks.
        split.blocks.lock().await.close();
    }
    taken
}

async fn take_blocks(
    session: &mut Session,
    split: &Split,
    load: &Load<'_>,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) -> Result<u64, LoadError> {
    let interrupted = || LoadError::Server(Error::new(ErrorKind::Interrupted, "interrupted"));
    let purpose = format!("load {}", load.what);
    let opening = format!("BEGIN;\n{}", load.before);
    session.execute(&purpose, &opening).await.map_err(LoadError::Server)?;
    let copy = session.copy_in(&purpose, load.copy.trim_end()).await;
    let mut copy = copy.map_err(LoadError::Server)?;
    loop {
        let mut blocks = split.blocks.lock().await;
        loop {
            let block = tokio::select! {
                block = blocks.recv() => block,
                () = interrupt.wait() => return Err(interrupted()),
            };
            let Some(block) = block else {
                drop(blocks);
                return copy.finish().await.map_err(LoadError::Rows);
            };
            let bytes = block.len() as u64;
            // The next block belongs to the same row, and so to the same connection.
            let goes_on = end_of_rows(&block) != Some(block.len());
            let sending = async {
                tokio::select! {
                    biased;
                    () = interrupt.wait() => Err(interrupted()),
                    sent = copy.send(block) => sent.map_err(LoadError::Rows),
                }
            };
            if goes_on {
                sending.await?;
                progress.advanced(load.item, bytes, 0);
                continue;
            }
            drop(blocks);
            sending.await?;
            progress.advanced(load.item, bytes, 0);
            break;
        }
    }
}
