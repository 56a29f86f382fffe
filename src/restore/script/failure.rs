//! An error of the server as an error of the script: in which line, at which character.

use super::report::ScriptFailure;
use crate::archive::script_reader::{ClientEncoding, Statement};
use crate::connect::{ServerError, server_error};
use crate::error::Error;
use crate::restore::worker::shortened;

/// What a failed statement is shortened from: enough for its first words.
const HEAD_BYTES: usize = 2048;

/// Describes the failure of a statement.
pub(super) fn of_statement(
    statement: &Statement,
    error: &Error,
    encoding: ClientEncoding,
) -> ScriptFailure {
    let server = server_error(error);
    let place = server
        .and_then(|server| server.position)
        .and_then(|position| place(&statement.text, position, encoding));
    let (lines, column) = match place {
        Some((lines, column)) => (lines, Some(column)),
        None => (0, None),
    };
    failure(statement.line + lines, column, statement, server, error)
}

/// Describes the failure of a COPY, whose rows begin in a line of the script.
pub(super) fn of_rows(statement: &Statement, error: &Error, first_row: u64) -> ScriptFailure {
    let server = server_error(error);
    let row = server.and_then(|server| row_number(server.context.as_deref()?));
    let line = row.map_or(statement.line, |row| first_row + row.saturating_sub(1));
    failure(line, None, statement, server, error)
}

fn failure(
    line: u64,
    column: Option<u64>,
    statement: &Statement,
    server: Option<&ServerError>,
    error: &Error,
) -> ScriptFailure {
    let head = &statement.text[..statement.text.len().min(HEAD_BYTES)];
    ScriptFailure {
        line,
        column,
        statement: shortened(&String::from_utf8_lossy(head)),
        sqlstate: server.map(|server| server.sqlstate.clone()),
        message: server.map_or_else(|| error.to_string(), ToString::to_string),
    }
}

/// Returns how many lines into a statement a character is and its place in that line, from 1.
///
/// The server counts characters of its own encoding; conversions keep their number.
fn place(text: &[u8], position: u32, encoding: ClientEncoding) -> Option<(u64, u64)> {
    let (mut at, mut lines, mut column) = (0, 0, 1);
    for _ in 1..position {
        let byte = *text.get(at)?;
        column += 1;
        if byte == b'\n' {
            lines += 1;
            column = 1;
        }
        at += encoding.width(&text[at..])?;
    }
    Some((lines, column))
}

/// Reads the number of the row out of `COPY orders, line 5, column id: "x"`.
fn row_number(context: &str) -> Option<u64> {
    let copy = context.lines().find(|line| line.starts_with("COPY "))?;
    copy.split(", line ").skip(1).find_map(|rest| {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        rest[..digits].parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_counted_in_characters() {
        let text = "SELECT 'ö',\n  x;".as_bytes();
        assert_eq!(place(text, 1, ClientEncoding::Utf8), Some((0, 1)));
        assert_eq!(place(text, 15, ClientEncoding::Utf8), Some((1, 3)));
        assert_eq!(place(text, 99, ClientEncoding::Utf8), None);
        assert_eq!(place(text, 16, ClientEncoding::Single), Some((1, 3)));
    }

    #[test]
    fn rows_are_found_in_the_context_of_a_copy() {
        assert_eq!(row_number("COPY t, line 5, column id: \"x\""), Some(5));
        assert_eq!(row_number("SQL function \"f\"\nCOPY \"a, line b\", line 12"), Some(12));
        assert_eq!(row_number("COPY t"), None);
    }
}
