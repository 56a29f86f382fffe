//! Which parts of an archive `pgark restore` takes, from what was typed.

use super::arguments::{Format, RestoreArguments};
use super::drop_in::filter_file::filter_restore;
use crate::archive::selection::RestoreSelection;
use crate::archive::{self, ArchiveFormat};
use crate::error::{Error, ErrorKind, Result};
use crate::store::Location;

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
pub(super) fn check_format(arguments: &RestoreArguments, archive: &Location) -> Result<()> {
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

/// Returns an option that only an archive which is loaded into a database can follow.
pub(super) fn loading_option(arguments: &RestoreArguments) -> Option<&'static str> {
    let (selection, shape) = (&arguments.selection, &arguments.shape);
    let loading = &arguments.loading;
    first_given([
        ("-c/--clean", arguments.clean),
        ("-C/--create", arguments.create),
        ("--transaction-size", arguments.transaction_size.is_some()),
        ("--no-data-for-failed-tables", arguments.no_data_for_failed_tables),
        ("--disable-triggers", arguments.disable_triggers),
        ("-S/--superuser", arguments.superuser.is_some()),
        ("--enable-row-security", arguments.enable_row_security),
        ("--freeze", loading.freeze),
        ("--split-load", loading.split_load),
        ("--maintenance-work-mem", loading.maintenance_work_mem.is_some()),
        ("--max-parallel-maintenance-workers", loading.max_parallel_maintenance_workers.is_some()),
        ("--synchronous-commit", loading.synchronous_commit.is_some()),
        ("--section", !selection.section.is_empty()),
        ("-n/--schema", !selection.schema.is_empty()),
        ("-N/--exclude-schema", !selection.exclude_schema.is_empty()),
        ("-t/--table", !selection.table.is_empty()),
        ("-I/--index", !selection.index.is_empty()),
        ("-P/--function", !selection.function.is_empty()),
        ("-T/--trigger", !selection.trigger.is_empty()),
        ("-L/--use-list", selection.use_list.is_some()),
        ("--filter", !selection.filter.is_empty()),
        ("-s/--schema-only", selection.schema_only),
        ("-a/--data-only", selection.data_only),
        ("--statistics-only", selection.statistics_only),
        ("--no-schema", selection.no_schema),
        ("--no-data", selection.no_data),
        ("--no-statistics", selection.no_statistics),
        ("--no-comments", shape.no_comments),
        ("--no-policies", shape.no_policies),
        ("--no-publications", shape.no_publications),
        ("--no-subscriptions", shape.no_subscriptions),
        ("--no-security-labels", shape.no_security_labels),
        ("--no-tablespaces", shape.no_tablespaces),
        ("--no-table-access-method", shape.no_table_access_method),
        ("--use-set-session-authorization", shape.use_set_session_authorization),
    ])
}

/// Returns the first option that was given.
pub(super) fn first_given<const N: usize>(
    options: [(&'static str, bool); N],
) -> Option<&'static str> {
    options.into_iter().find_map(|(option, given)| given.then_some(option))
}
