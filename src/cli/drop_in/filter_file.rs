//! Filter files of the command line (`--filter`): where they are read from and how mistakes are told.

use std::io::Read;

use crate::error::{Context, Error, ErrorKind, Result};
use crate::select::{FilterError, FilterItem, FilterReader};
use crate::sql::text;

/// Reads a filter file, or standard input for `-`, and hands over its items in order.
///
/// # Errors
///
/// [`ErrorKind::Usage`] in the words of the stock tools: for a mistake in the file, and for what `take`
/// refuses, see [`FilterItem::not_allowed`].
pub(in crate::cli) fn read_filter(
    name: &str,
    mut take: impl FnMut(FilterItem) -> Result<(), FilterError>,
) -> Result<()> {
    let mut file = Vec::new();
    if name == "-" {
        std::io::stdin().lock().read_to_end(&mut file).context(ErrorKind::Storage, || {
            "could not read filter from standard input".to_owned()
        })?;
    } else {
        file = std::fs::read(text::path(name))
            .context(ErrorKind::Storage, || format!("could not open filter file \"{name}\""))?;
    }
    for item in FilterReader::new(&file) {
        item.and_then(&mut take).map_err(|FilterError { line, reason }| {
            let place = match name {
                "-" => "standard input".to_owned(),
                _ => format!("file \"{name}\""),
            };
            Error::new(
                ErrorKind::Usage,
                format!("invalid format in filter read from {place} on line {line}: {reason}"),
            )
        })?;
    }
    Ok(())
}
