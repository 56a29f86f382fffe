//! Table data stored as INSERT statements (`pg_dump --inserts`): cut into statements and sent.
//!
//! The cutter knows what pg_dump writes there and nothing more: quoted literals and identifiers
//! (`pg_backup_db.c`, `ExecuteSimpleCommands`). All statements of a table run in one transaction.

use std::io::Read;

use tokio::sync::mpsc;

use super::data::{LoadError, Loaded};
use crate::archive::{DataEnd, DataEndError};
use crate::connect::Session;
use crate::error::{Error, ErrorKind, Result};
use crate::progress::{Interrupt, Progress};
use crate::sql::text;

/// Statements are sent in pieces of about this size, cut after a statement.
const PIECE_BYTES: usize = 256 * 1024;

/// A server takes no statement that is longer: 1 GiB is the end of its messages.
const LONGEST_STATEMENT: usize = 1024 * 1024 * 1024;

/// What is to be run, and how.
pub(super) struct Inserts<'a> {
    pub(super) what: &'a str,
    pub(super) item: &'a str,
    pub(super) before: &'a str,
    pub(super) after: &'a str,
    pub(super) own_transaction: bool,
    /// Whether a backslash in a literal is an ordinary character.
    pub(super) standard_strings: bool,
    /// What looks for the end of the data.
    pub(super) end: DataEnd,
}

/// Runs the statements of one table; on every error the table is as it was before.
pub(super) async fn run(
    session: &Session,
    reader: Box<dyn Read + Send>,
    inserts: &Inserts<'_>,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) -> Result<Loaded, LoadError> {
    let purpose = format!("load {}", inserts.what);
    let result = run_all(session, reader, inserts, &purpose, progress, interrupt).await;
    if result.is_err() && inserts.own_transaction && !session.is_closed() {
        // The first error is the one to report.
        let _ = session.execute("roll back", "ROLLBACK").await;
    }
    result
}

/// Runs the statements of one table each by itself; `failed` decides what an error of one means.
pub(super) async fn run_each(
    session: &Session,
    mut reader: Box<dyn Read + Send>,
    inserts: &Inserts<'_>,
    progress: &dyn Progress,
    interrupt: &Interrupt,
    failed: &mut (dyn FnMut(&str, Error) -> Result<()> + Send),
) -> Result<Loaded, LoadError> {
    let purpose = format!("load {}", inserts.what);
    let (pieces, mut arriving) = mpsc::channel::<Piece>(2);
    let standard_strings = inserts.standard_strings;
    let end = inserts.end.clone();
    let reading =
        tokio::task::spawn_blocking(move || cut(&mut reader, standard_strings, end, &pieces));
    let mut loaded = Loaded { rows: 0, bytes: 0 };
    while let Some(piece) = arriving.recv().await {
        let mut cutter = Cutter { standard_strings, ..Cutter::default() };
        for statement in piece.text.split_inclusive(|&byte| cutter.ends_statement(byte)) {
            let statement = text::decode(statement.trim_ascii_start());
            if statement.is_empty() {
                continue;
            }
            interrupt.check().map_err(LoadError::Server)?;
            match session.execute(&purpose, &statement).await {
                Ok(()) => loaded.rows += 1,
                Err(error) => failed(&statement, error).map_err(LoadError::Told)?,
            }
        }
        loaded.bytes += piece.text.len() as u64;
        progress.advanced(inserts.item, piece.text.len() as u64, piece.statements);
    }
    finish_reading(reading.await, inserts)?;
    Ok(loaded)
}

/// Returns the error of reading the archive, if there was one.
fn finish_reading(
    read: Result<Result<()>, tokio::task::JoinError>,
    inserts: &Inserts<'_>,
) -> Result<(), LoadError> {
    let what = || format!("could not read {}", inserts.what);
    match read {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(LoadError::Archive(error.context(what()))),
        Err(panic) => {
            Err(LoadError::Archive(Error::new(ErrorKind::Internal, what()).with_source(panic)))
        }
    }
}

async fn run_all(
    session: &Session,
    mut reader: Box<dyn Read + Send>,
    inserts: &Inserts<'_>,
    purpose: &str,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) -> Result<Loaded, LoadError> {
    let begin = if inserts.own_transaction { "BEGIN;\n" } else { "" };
    session
        .execute(purpose, &format!("{begin}{}", inserts.before))
        .await
        .map_err(LoadError::Server)?;
    let (pieces, mut arriving) = mpsc::channel::<Piece>(2);
    let standard_strings = inserts.standard_strings;
    let end = inserts.end.clone();
    let reading =
        tokio::task::spawn_blocking(move || cut(&mut reader, standard_strings, end, &pieces));
    let mut loaded = Loaded { rows: 0, bytes: 0 };
    while let Some(piece) = arriving.recv().await {
        interrupt.check().map_err(LoadError::Server)?;
        session.execute(purpose, &text::decode(&piece.text)).await.map_err(LoadError::Server)?;
        loaded.rows += piece.statements;
        loaded.bytes += piece.text.len() as u64;
        progress.advanced(inserts.item, piece.text.len() as u64, piece.statements);
    }
    finish_reading(reading.await, inserts)?;
    let commit = if inserts.own_transaction { "COMMIT;\n" } else { "" };
    session
        .execute(purpose, &format!("{}{commit}", inserts.after))
        .await
        .map_err(LoadError::Server)?;
    Ok(loaded)
}

fn badly_ended(error: DataEndError) -> Error {
    Error::new(ErrorKind::Integrity, error.to_string())
}

struct Piece {
    text: Vec<u8>,
    statements: u64,
}

/// Reads everything and hands on whole statements.
fn cut(
    reader: &mut dyn Read,
    standard_strings: bool,
    mut end: DataEnd,
    pieces: &mpsc::Sender<Piece>,
) -> Result<()> {
    let mut cutter = Cutter { standard_strings, ..Cutter::default() };
    let mut pending: Vec<u8> = Vec::new();
    let mut scanned = 0;
    let mut buffer = vec![0; PIECE_BYTES];
    let (mut whole, mut statements) = (0, 0);
    loop {
        let read = reader.read(&mut buffer).map_err(|error| {
            Error::new(ErrorKind::Integrity, "could not decode the data").with_source(error)
        })?;
        if read == 0 {
            break;
        }
        end.feed(&buffer[..read]).map_err(badly_ended)?;
        pending.extend_from_slice(&buffer[..read]);
        for (at, &byte) in pending.iter().enumerate().skip(scanned) {
            if cutter.ends_statement(byte) {
                whole = at + 1;
                statements += 1;
            }
        }
        scanned = pending.len();
        if whole >= PIECE_BYTES {
            let rest = pending.split_off(whole);
            let text = std::mem::replace(&mut pending, rest);
            if pieces.blocking_send(Piece { text, statements }).is_err() {
                return Ok(());
            }
            scanned -= whole;
            (whole, statements) = (0, 0);
        }
        if pending.len() - whole > LONGEST_STATEMENT {
            return Err(Error::new(ErrorKind::Archive, "a statement is longer than 1 GiB"));
        }
    }
    if !pending[whole..].trim_ascii().is_empty() {
        return Err(Error::new(
            ErrorKind::Integrity,
            "the data ends inside a statement: the file was cut off",
        ));
    }
    end.finish().map_err(badly_ended)?;
    // A receiver that is gone knows why.
    let _ = pieces.blocking_send(Piece { text: pending, statements });
    Ok(())
}

/// Finds the semicolons that end statements.
#[derive(Debug, Default)]
struct Cutter {
    standard_strings: bool,
    quote: Option<u8>,
    escaped: bool,
}

impl Cutter {
    fn ends_statement(&mut self, byte: u8) -> bool {
        match (self.quote, byte) {
            (Some(_), _) if self.escaped => self.escaped = false,
            (Some(b'\''), b'\\') if !self.standard_strings => self.escaped = true,
            // A doubled quote closes and opens again, which comes to the same.
            (Some(quote), byte) if byte == quote => self.quote = None,
            (None, b'\'' | b'"') => self.quote = Some(byte),
            (None, b';') => return true,
            _ => {}
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{DumpId, TocEntry};

    fn statements(sql: &str, standard_strings: bool) -> Result<u64> {
        let (sender, mut receiver) = mpsc::channel(16);
        let mut entry = TocEntry::new(DumpId(1), "TABLE DATA", "t");
        entry.has_data = true;
        cut(&mut sql.as_bytes(), standard_strings, DataEnd::of(&entry), &sender)?;
        drop(sender);
        let mut count = 0;
        while let Ok(piece) = receiver.try_recv() {
            count += piece.statements;
        }
        Ok(count)
    }

    #[test]
    fn statements_end_at_semicolons_outside_quotes() {
        assert_eq!(
            statements(
                "INSERT INTO t VALUES ('a;''b');\nINSERT INTO \"x;y\" VALUES (1);\n\n\n",
                true
            )
            .expect("whole"),
            2
        );
        assert_eq!(statements("INSERT INTO t VALUES ('a\\');\n\n\n", true).expect("whole"), 1);
        assert_eq!(statements("INSERT INTO t VALUES ('a\\';b');\n\n\n", false).expect("whole"), 1);
        assert_eq!(statements("\n\n", true).expect("empty"), 0);
        for cut in ["INSERT INTO t VALUES ('a", "INSERT INTO t VALUES (1);\n", ""] {
            assert!(statements(cut, true).is_err(), "{cut}");
        }
    }
}
