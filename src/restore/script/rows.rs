//! The rows that follow a COPY in the script, on their way to the server.
//!
//! ```text
//!   Feed -> Splitter -- Rows --> COPY ... FROM STDIN
//!                    -- EndOfRows --> finish
//! ```
//!
//! When the server refuses the COPY or one of its rows, what is left of the rows is passed over: it is
//! data, and must not be taken for statements.

use std::time::Instant;

use super::failure;
use super::feed::Feed;
use super::report::ScriptFailure;
use super::run::wait;
use crate::archive::script_reader::{ExpectedRows, Piece, Splitter, Statement};
use crate::codec::{Fingerprint, RowHasher};
use crate::connect::{Session, is_connection_lost};
use crate::error::{Error, ErrorKind, Result};
use crate::progress::Interrupt;
use crate::restore::TableReport;
use crate::sql::text;

/// What is needed to get at the rows.
pub(super) struct Rows<'a> {
    pub(super) script: &'a str,
    pub(super) feed: &'a mut Feed,
    pub(super) splitter: &'a mut Splitter,
    pub(super) expected: Option<&'a mut ExpectedRows>,
    pub(super) interrupt: &'a Interrupt,
    /// Called with the stored bytes and the rows that have passed.
    pub(super) advanced: &'a dyn Fn(u64, u64),
}

/// Runs a COPY with the rows that follow it; the inner error is one that the server is to blame for.
pub(super) async fn copy(
    session: &mut Session,
    statement: &Statement,
    mut rows: Rows<'_>,
) -> Result<Result<TableReport, (ScriptFailure, Error)>> {
    let began = Instant::now();
    let purpose = format!("run the COPY in line {} of \"{}\"", statement.line, rows.script);
    let canceller = session.canceller();
    let started =
        wait(rows.interrupt, &canceller, session.copy_in(&purpose, &text::decode(&statement.text)))
            .await?;
    let mut copy = match started {
        Ok(copy) => copy,
        Err(error) => {
            rows.pass_over(statement, RowHasher::new()).await?;
            return refused(error, |error| failure::of_rows(statement, error, statement.line));
        }
    };
    let mut bytes = 0;
    let mut hasher = RowHasher::new();
    let first_row = statement.line + 1 + memchr::memchr_iter(b'\n', &statement.text).count() as u64;
    loop {
        let piece = match rows.next().await {
            Ok(piece) => piece,
            Err(error) => {
                let why = "the rows could not be read from the script";
                // The first error is the one to report.
                let _ = copy.abort(why).await;
                return Err(error);
            }
        };
        match piece {
            Some(chunk) => {
                bytes += chunk.len() as u64;
                if rows.expected.is_some() {
                    hasher.feed(&chunk);
                }
                let sent = wait(rows.interrupt, &canceller, copy.send(chunk)).await?;
                if let Err(error) = sent {
                    rows.pass_over(statement, hasher).await?;
                    return refused(error, |error| failure::of_rows(statement, error, first_row));
                }
                (rows.advanced)(rows.feed.advanced(), 0);
            }
            None => break,
        }
    }
    let found = hasher.finish();
    if let Err(error) = rows.compare(statement, found) {
        // The first error is the one to report.
        let _ = copy.abort("the rows are not those of the manifest").await;
        return Err(error);
    }
    match wait(rows.interrupt, &canceller, copy.finish()).await? {
        Ok(count) if rows.expected.is_some() && count != found.rows => {
            let table = statement.copied_table().unwrap_or_default();
            let sent = found.rows;
            let what = format!("the server stored {count} rows of {table} instead of {sent}");
            let error = Error::new(ErrorKind::Server, what);
            refused(error, |error| failure::of_rows(statement, error, first_row))
        }
        Ok(count) => {
            (rows.advanced)(0, count);
            Ok(Ok(TableReport {
                table: statement.copied_table().unwrap_or_default(),
                rows: count,
                bytes,
                stored_bytes: 0,
                time: began.elapsed(),
            }))
        }
        Err(error) => refused(error, |error| failure::of_rows(statement, error, first_row)),
    }
}

/// Tells an error of the statement from one that ends the run.
fn refused(
    error: Error,
    describe: impl FnOnce(&Error) -> ScriptFailure,
) -> Result<Result<TableReport, (ScriptFailure, Error)>> {
    if is_connection_lost(&error) {
        return Err(error);
    }
    Ok(Err((describe(&error), error)))
}

impl Rows<'_> {
    /// Returns the next rows, `None` at their end.
    async fn next(&mut self) -> Result<Option<bytes::Bytes>> {
        loop {
            let piece = self.splitter.next_piece();
            match piece.map_err(|error| super::plan::broken(self.script, error))? {
                Piece::Rows(chunk) => return Ok(Some(chunk)),
                Piece::EndOfRows(_) => return Ok(None),
                Piece::NeedMore => match self.feed.next(self.interrupt).await? {
                    Some(chunk) => self.splitter.push(&chunk),
                    None => self.splitter.finish(),
                },
                other => {
                    return Err(Error::new(
                        ErrorKind::Internal,
                        format!("the rows of a COPY were followed by {other:?}"),
                    ));
                }
            }
        }
    }

    /// Reads the rows to their end without sending them.
    async fn pass_over(&mut self, statement: &Statement, mut hasher: RowHasher) -> Result<()> {
        while let Some(chunk) = self.next().await? {
            if self.expected.is_some() {
                hasher.feed(&chunk);
            }
            (self.advanced)(self.feed.advanced(), 0);
        }
        (self.advanced)(self.feed.advanced(), 0);
        self.compare(statement, hasher.finish())
    }

    /// Compares the rows with what the manifest says.
    fn compare(&mut self, statement: &Statement, found: Fingerprint) -> Result<()> {
        let Some(expected) = &mut self.expected else { return Ok(()) };
        expected.see(statement, found).map_err(|why| {
            let table = statement.copied_table().unwrap_or_default();
            Error::new(
                ErrorKind::Integrity,
                format!(
                    "the COPY of {table} in line {} of \"{}\" is not what the manifest says: it {why}",
                    statement.line, self.script
                ),
            )
        })
    }
}
