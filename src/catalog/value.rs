//! Values of catalog columns in the forms that the model wants.

use crate::connect::Row;
use crate::error::Result;
use crate::sql::parse_array;

use super::inconsistent;

/// Returns a text that may be null.
pub(crate) fn optional(row: &Row<'_>, column: &str) -> Option<String> {
    row.optional(column).map(str::to_owned)
}

/// Returns a text, or nothing when it is null or empty.
pub(crate) fn filled(row: &Row<'_>, column: &str) -> Option<String> {
    row.optional(column).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// Returns a `regproc` or `regtype` column, where a dash means none.
pub(crate) fn reference(row: &Row<'_>, column: &str) -> Result<Option<String>> {
    let text = row.text(column)?;
    Ok((text != "-").then(|| text.to_owned()))
}

/// Returns two columns that name something in a schema, or nothing when one is null.
pub(crate) fn pair(row: &Row<'_>, schema: &str, name: &str) -> Option<(String, String)> {
    Some((row.optional(schema)?.to_owned(), row.optional(name)?.to_owned()))
}

/// Returns the elements of a text array, none when it is null.
pub(crate) fn array(row: &Row<'_>, column: &str) -> Result<Vec<String>> {
    match row.optional(column) {
        Some(text) => parse_array(text)
            .ok_or_else(|| inconsistent(format!("{column} \"{text}\" is no array"))),
        None => Ok(Vec::new()),
    }
}

/// Returns name and value of an item of `setconfig`.
pub(crate) fn setting(item: &str) -> Result<(String, String)> {
    item.split_once('=')
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .ok_or_else(|| inconsistent(format!("setting \"{item}\" has no value")))
}
