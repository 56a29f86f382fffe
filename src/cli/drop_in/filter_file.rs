//! Filter files of the command line (`--filter`): where they are read from and how mistakes are told.

use std::io::Read;

use crate::archive::selection::RestoreSelection;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::select::{
    FilterCommand, FilterError, FilterItem, FilterObject, FilterReader, SelectionRequest,
    TablePattern,
};
use crate::sql::text;

/// Adds what a filter file says to what a dump takes.
///
/// # Errors
///
/// Those of [`read_filter`].
pub(in crate::cli) fn filter_dump(name: &str, selection: &mut SelectionRequest) -> Result<()> {
    read_filter(name, |item| add(selection, item))
}

/// Adds what a line asks for.
fn add(selection: &mut SelectionRequest, item: FilterItem) -> Result<(), FilterError> {
    let family = |text: String| TablePattern { text, with_children: true };
    match (item.command, item.object) {
        (FilterCommand::Include, FilterObject::Table) => {
            selection.tables.push(TablePattern::new(item.pattern));
        }
        (FilterCommand::Include, FilterObject::TableAndChildren) => {
            selection.tables.push(family(item.pattern));
        }
        (FilterCommand::Include, FilterObject::Schema) => selection.schemas.push(item.pattern),
        (FilterCommand::Include, FilterObject::ForeignData) => {
            selection.foreign_servers.push(item.pattern);
        }
        (FilterCommand::Include, FilterObject::Extension) => {
            selection.filter_extensions.push(item.pattern);
        }
        (FilterCommand::Exclude, FilterObject::Table) => {
            selection.exclude_tables.push(TablePattern::new(item.pattern));
        }
        (FilterCommand::Exclude, FilterObject::TableAndChildren) => {
            selection.exclude_tables.push(family(item.pattern));
        }
        (FilterCommand::Exclude, FilterObject::TableData) => {
            selection.exclude_table_data.push(TablePattern::new(item.pattern));
        }
        (FilterCommand::Exclude, FilterObject::TableDataAndChildren) => {
            selection.exclude_table_data.push(family(item.pattern));
        }
        (FilterCommand::Exclude, FilterObject::Schema) => {
            selection.exclude_schemas.push(item.pattern);
        }
        (FilterCommand::Exclude, FilterObject::Extension) => {
            selection.exclude_extensions.push(item.pattern);
        }
        _ => return Err(item.not_allowed()),
    }
    Ok(())
}

/// Adds what a filter file says to what a restore takes.
///
/// # Errors
///
/// Those of [`read_filter`].
pub(in crate::cli) fn filter_restore(name: &str, selection: &mut RestoreSelection) -> Result<()> {
    read_filter(name, |item| {
        let names = match (item.command, item.object) {
            (FilterCommand::Include, FilterObject::Function) => &mut selection.functions,
            (FilterCommand::Include, FilterObject::Index) => &mut selection.indexes,
            (FilterCommand::Include, FilterObject::Schema) => &mut selection.schemas,
            (FilterCommand::Include, FilterObject::Table) => &mut selection.tables,
            (FilterCommand::Include, FilterObject::Trigger) => &mut selection.triggers,
            (FilterCommand::Exclude, FilterObject::Schema) => &mut selection.exclude_schemas,
            _ => return Err(item.not_allowed()),
        };
        names.push(item.pattern);
        Ok(())
    })
}

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
