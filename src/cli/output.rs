//! Results on standard output, for people or as JSON.

use std::io::{ErrorKind as IoErrorKind, Write};

use serde::Serialize;

use crate::error::{Context, Error, ErrorKind, Result};

/// Writes text to standard output.
///
/// A reader that went away early, such as `head`, is no failure.
pub(super) fn print(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == IoErrorKind::BrokenPipe => Ok(()),
        outcome => {
            outcome.context(ErrorKind::Storage, || "could not write to standard output".to_owned())
        }
    }
}

/// Writes a result in the form that was asked for; `text` makes the one for people.
pub(super) fn result<T: Serialize>(
    result: &T,
    json: bool,
    text: impl FnOnce(&T) -> String,
) -> Result<()> {
    if json { print(&as_json(result)?) } else { print(&text(result)) }
}

/// Writes a result to standard error, because standard output carries what was asked for.
pub(super) fn aside<T: Serialize>(
    result: &T,
    json: bool,
    text: impl FnOnce(&T) -> String,
) -> Result<()> {
    let text = if json { as_json(result)? } else { text(result) };
    std::io::stderr()
        .lock()
        .write_all(text.as_bytes())
        .context(ErrorKind::Storage, || "could not write to standard error".to_owned())
}

/// Returns a result as JSON with a line break at its end.
pub(super) fn as_json<T: Serialize>(result: &T) -> Result<String> {
    let text = serde_json::to_string_pretty(result).map_err(|error| {
        Error::new(ErrorKind::Internal, "could not write the result as JSON").with_source(error)
    })?;
    Ok(text + "\n")
}
