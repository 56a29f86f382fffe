//! Which parts of an archive `pgark restore` takes, from what was typed.

use std::path::Path;

use super::arguments::{Format, RestoreArguments};
use super::drop_in::filter_file::filter_restore;
use crate::archive::selection::RestoreSelection;
use crate::archive::{self, ArchiveFormat};
use crate::error::{Error, ErrorKind, Result};

/// Returns what is wanted; filter files are read.
pub(super) fn selection(arguments: &RestoreArguments) -> Result<RestoreSelection> {
    let (typed, shape) = (&arguments.selection, &arguments.shape);
    let (schema_only, data_only) = (typed.schema_only, typed.data_only);
    let statistics_only = typed.statistics_only;
    let mut selection = RestoreSelection {
        sections: typed.section.iter().map(|&section| section.into()).collect(),
        schemas: typed.schema.clone(),
        exclude_schemas: typed.exclude_schema.clone(),
        tables: typed.table.clone(),
        indexes: typed.index.clone(),
        functions: typed.function.clone(),
        triggers: typed.trigger.clone(),
        no_privileges: shape.no_privileges,
        no_comments: shape.no_comments,
        no_policies: shape.no_policies,
        no_publications: shape.no_publications,
        no_subscriptions: shape.no_subscriptions,
        no_security_labels: shape.no_security_labels,
        create: arguments.create,
        schema: !(data_only || statistics_only || typed.no_schema),
        data: !(schema_only || statistics_only || typed.no_data),
        statistics: !(schema_only || data_only || typed.no_statistics),
        ..RestoreSelection::default()
    };
    for file in &typed.filter {
        filter_restore(file, &mut selection)?;
    }
    Ok(selection)
}

/// Refuses an archive of another format than the one that was asked for.
///
/// The format is found out anyway; whoever names it means it.
pub(super) fn check_format(arguments: &RestoreArguments, archive: &Path) -> Result<()> {
    let Some(asked) = arguments.format else { return Ok(()) };
    let asked = match asked {
        Format::Plain => ArchiveFormat::Plain,
        Format::Custom => ArchiveFormat::Custom,
        Format::Directory => ArchiveFormat::Directory,
        Format::Tar => ArchiveFormat::Tar,
    };
    let found = archive::open(archive)?.header().format;
    if asked == found {
        return Ok(());
    }
    let shown = arguments.archive.display();
    let (asked, found) = (asked.word(), found.word());
    let message = format!("\"{shown}\" is an archive in {found} format, not {asked}");
    Err(Error::new(ErrorKind::Usage, message).with_hint("leave --format out: it is found out"))
}
