//! Results on standard output, for people or as JSON.

use std::io::{self, ErrorKind as IoErrorKind, Write};

use serde::Serialize;

use crate::error::{Context, Error, ErrorKind, Result};
use crate::progress::Interrupt;
use crate::sql::text;

/// Writes text to standard output.
///
/// A reader that went away early, such as `head`, is no failure.
pub(super) fn print(text: &str) -> Result<()> {
    print_bytes(text.as_bytes())
}

/// As [`print`], for text of an archive: what in it is not UTF-8 comes out as the bytes it was.
pub(super) fn print_carried(carried: &str) -> Result<()> {
    print_bytes(&text::encode(carried))
}

fn print_bytes(bytes: &[u8]) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == IoErrorKind::BrokenPipe => Ok(()),
        outcome => {
            outcome.context(ErrorKind::Storage, || "could not write to standard output".to_owned())
        }
    }
}

/// A writer that refuses bytes once somebody asks to stop, for work that looks at nothing else.
pub(super) struct Interruptible<'a, W> {
    pub(super) inner: W,
    pub(super) interrupt: &'a Interrupt,
}

impl<W: Write> Write for Interruptible<'_, W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        // Not of kind Interrupted, which asks for another try.
        self.interrupt.check().map_err(io::Error::other)?;
        self.inner.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
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
