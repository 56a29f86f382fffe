//! The rows of many small tables in one transaction and two round trips.
//!
//! ```text
//!   -> BEGIN  COPY a, rows, end  COPY b, rows, end ...      <- all counts: compared    -> COMMIT
//! ```
//!
//! One after the other, each table costs four round trips during which its connection does nothing: a sixth
//! of the time of 5,000 tables. Rows and fingerprints are compared before anything is sent, and the counts
//! before anything is committed, as with large tables. Whatever goes wrong, all of it is rolled back and
//! table after table is loaded by itself, so that what an error says and does is the same for every table.
//!
//! What was read is kept for that: a live source that is cloned is read once only.

use std::io::{self, Cursor, Read};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::super::context::{Context, SMALL_BYTES};
use super::super::data::Expected;
use super::super::decode::{Cut, decode};
use super::super::report::TableReport;
use super::rows::item_name;
use super::{Done, Reopened, Worker};
use crate::archive::{ArchiveReader, DataEnd};
use crate::connect::is_connection_lost;
use crate::error::{Error, ErrorKind, Result};

/// Rows that are held in memory at once: as much as one block of a large table.
const BYTES_TOGETHER: usize = 1024 * 1024;

/// The rows of a table that are in memory, or are not because there is something about them.
enum Gathered {
    Whole { rows: Rows, raw: Bytes },
    Other(Reopened),
}

/// Rows that are what they should be.
struct Rows {
    text: Bytes,
    /// How many the manifest wants.
    count: Option<u64>,
}

impl Worker {
    /// Loads small tables together, as many at a time as memory is meant for.
    pub(super) async fn load_small(&mut self, context: &Context, items: &[usize]) -> Result<Done> {
        let mut done = Done::default();
        let mut rest: Vec<usize> = Vec::with_capacity(items.len());
        for &item in items {
            let table = context.entry(item).dependencies.first();
            let table = table.and_then(|id| context.by_id.get(id)).copied();
            match table.and_then(|table| context.tables.failure(table)) {
                // What becomes of rows without their table is decided there.
                Some(_) => done.add(self.load_data(context, item, None).await?),
                None => rest.push(item),
            }
        }
        while !rest.is_empty() {
            context.interrupt.check()?;
            let started = Instant::now();
            let gathered = gather(context, &rest).await?;
            rest.drain(..gathered.len());
            let mut alone = Vec::new();
            let mut together = Vec::new();
            for (item, gathered) in gathered {
                match gathered {
                    Gathered::Whole { rows, raw } => together.push((item, rows, raw)),
                    Gathered::Other(reader) => alone.push((item, reader)),
                }
            }
            let sent = match together.len() {
                0 | 1 => None,
                _ => self.load_together(context, &together, started).await?,
            };
            match sent {
                Some(reports) => done.loaded.extend(reports),
                None => alone.extend(together.into_iter().map(|(item, _, raw)| {
                    let reader: Reopened = Box::new(Cursor::new(raw));
                    (item, reader)
                })),
            }
            alone.sort_by_key(|(item, _)| *item);
            for (item, reader) in alone {
                context.interrupt.check()?;
                done.add(self.load_data(context, item, Some(reader)).await?);
            }
        }
        Ok(done)
    }

    /// Loads tables in one transaction; returns nothing when that was not possible and nothing was changed.
    async fn load_together(
        &mut self,
        context: &Context,
        tables: &[(usize, Rows, Bytes)],
        started: Instant,
    ) -> Result<Option<Vec<(usize, TableReport)>>> {
        let before = (self.switches.clone(), self.user.clone());
        match self.send_rows(context, tables).await {
            Ok(counts) => {
                let share = started.elapsed() / u32::try_from(tables.len()).unwrap_or(u32::MAX);
                let reports = tables.iter().zip(counts).map(|((item, rows, _), count)| {
                    let entry = context.entry(*item);
                    let name = item_name(entry);
                    let bytes = rows.text.len() as u64;
                    context.progress.started(&name, 0);
                    context.progress.advanced(&name, bytes, count);
                    context.progress.finished(&name);
                    let report = TableReport {
                        table: name,
                        rows: count,
                        bytes,
                        stored_bytes: context.archive.data_size(entry),
                        time: share,
                    };
                    context.tables.note_loaded();
                    (*item, report)
                });
                Ok(Some(reports.collect()))
            }
            Err(error) if is_connection_lost(&error) || context.interrupt.is_set() => Err(error),
            Err(_) => {
                (self.switches, self.user) = before;
                self.session.execute("roll back", "ROLLBACK").await?;
                Ok(None)
            }
        }
    }

    /// Sends everything, waits for all answers and commits; returns the rows of each table.
    async fn send_rows(
        &mut self,
        context: &Context,
        tables: &[(usize, Rows, Bytes)],
    ) -> Result<Vec<u64>> {
        let purpose = format!("load {} tables together", tables.len());
        let mut opening = String::from("BEGIN;\n");
        let mut sent = Vec::with_capacity(tables.len());
        let mut statements = Vec::new();
        for (item, rows, _) in tables {
            let entry = context.entry(*item);
            let around = self.around_data(context, entry);
            opening.push_str(&around.before.concat());
            opening.push_str(&around.truncate);
            if !opening.is_empty() {
                statements.push(self.session.submit(&purpose, opening.as_bytes())?);
                opening.clear();
            }
            let copy = around.copy.as_ref().or(entry.copy_statement.as_ref());
            let copy = copy.map(String::as_str).unwrap_or_default();
            sent.push(self.session.submit_copy_in(&purpose, copy.trim_end(), rows.text.clone())?);
        }
        for statement in statements {
            self.session.settle(statement).await?;
        }
        let mut counts = Vec::with_capacity(sent.len());
        for (copy, (_, rows, _)) in sent.into_iter().zip(tables) {
            let count = self.session.settle_copy(copy).await?;
            if rows.count.is_some_and(|wanted| wanted != count) {
                return Err(Error::new(ErrorKind::Integrity, "the server stored other rows"));
            }
            counts.push(count);
        }
        self.session.execute(&purpose, "COMMIT;\n").await?;
        Ok(counts)
    }
}

/// Reads tables, in their order, until there is enough for one transaction; at least one.
async fn gather(context: &Context, items: &[usize]) -> Result<Vec<(usize, Gathered)>> {
    let archive = Arc::clone(&context.archive);
    let wanted: Vec<(usize, Option<Expected>)> = items
        .iter()
        .map(|&item| (item, context.expected.get(&context.entry(item).dump_id).copied()))
        .collect();
    let reading = tokio::task::spawn_blocking(move || {
        let mut gathered = Vec::with_capacity(wanted.len());
        let mut bytes = 0;
        for (item, expected) in wanted {
            let table = read(&*archive, item, expected)?;
            if let Gathered::Whole { raw, .. } = &table {
                bytes += raw.len();
            }
            gathered.push((item, table));
            if bytes >= BYTES_TOGETHER {
                break;
            }
        }
        Ok(gathered)
    });
    match reading.await {
        Ok(gathered) => gathered,
        Err(panic) => {
            Err(Error::new(ErrorKind::Internal, "could not read small tables").with_source(panic))
        }
    }
}

/// Reads the rows of a table and looks whether they are what they should be.
fn read(archive: &dyn ArchiveReader, item: usize, expected: Option<Expected>) -> Result<Gathered> {
    let entry = &archive.entries()[item];
    let mut reader = archive
        .open_data(entry)
        .map_err(|error| error.context(format!("could not read {}", entry.describe())))?;
    let mut raw = Vec::new();
    let result = (&mut reader).take(SMALL_BYTES).read_to_end(&mut raw);
    let raw = Bytes::from(raw);
    let begun = Cursor::new(raw.clone());
    if let Err(error) = result {
        return Ok(Gathered::Other(Box::new(begun.chain(Failed(Some(error))))));
    }
    if raw.len() as u64 == SMALL_BYTES {
        return Ok(Gathered::Other(Box::new(begun.chain(reader))));
    }
    let (sender, mut blocks) = mpsc::channel(1);
    let whole: Reopened = Box::new(begun);
    let decoded = decode(whole, DataEnd::of(entry), &sender, expected.is_some(), Cut::Anywhere);
    let sound = decoded.is_ok_and(|decoded| {
        expected.is_none_or(|expected| decoded.difference(expected).is_none())
    });
    if !sound {
        // Loaded by itself it gets the error that belongs to it.
        return Ok(Gathered::Other(Box::new(Cursor::new(raw))));
    }
    // It is less than one block.
    let text = blocks.try_recv().unwrap_or_default();
    let count = expected.map(|expected| expected.fingerprint.rows);
    Ok(Gathered::Whole { rows: Rows { text, count }, raw })
}

/// A reader that fails once more, as the one before it has.
struct Failed(Option<io::Error>);

impl Read for Failed {
    fn read(&mut self, _buffer: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}
