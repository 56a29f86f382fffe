//! `pgark dump`: from what was typed to [`DumpOptions`], and the run.

use std::path::{Path, PathBuf};

use super::arguments::{DumpArguments, Format, SelectionArguments};
use super::connection;
use super::output;
use super::progress::Display;
use super::report;
use super::world::World;
use crate::codec::Compression;
use crate::connect::ConnectParams;
use crate::dump::{self, DumpContent, DumpOptions, Omissions};
use crate::error::{Error, ErrorKind, Result};
use crate::progress::Interrupt;
use crate::select::{SelectionRequest, TablePattern};

pub(super) async fn run(
    arguments: &DumpArguments,
    world: &World,
    interrupt: &Interrupt,
) -> Result<()> {
    let compression: Compression = arguments.compress.parse()?;
    refuse_unwritten_format(arguments.format, arguments.file.as_deref())?;
    let params = connection::params(world, &arguments.connection, arguments.database.as_deref())?;
    let options = options(arguments, world, params, compression);
    let mut display = Display::start(world, &arguments.output);
    let progress = display.handle();
    let plan = connection::with_password(
        world,
        arguments.connection.prompt,
        options.connection.clone(),
        &display,
        |params| {
            let options = DumpOptions { connection: params, ..options.clone() };
            dump::plan(options, progress.clone(), interrupt)
        },
    )
    .await?;
    if arguments.dry_run {
        display.close();
        return output::result(&plan, arguments.output.json, ToString::to_string);
    }
    let report = plan.run(interrupt.clone()).await?;
    display.close();
    output::result(&report, arguments.output.json, report::dumped)
}

fn options(
    arguments: &DumpArguments,
    world: &World,
    connection: ConnectParams,
    compression: Compression,
) -> DumpOptions {
    let selection = &arguments.selection;
    let output = arguments.file.clone().unwrap_or_else(|| default_output(&connection, world));
    DumpOptions {
        jobs: world.jobs(arguments.jobs),
        compression,
        selection: request(selection),
        content: content(selection),
        omit: Omissions {
            owners: selection.no_owner,
            privileges: selection.no_privileges,
            ..Omissions::default()
        },
        lock_wait_timeout: arguments.lock_wait_timeout.clone(),
        role: arguments.connection.role.clone(),
        ..DumpOptions::new(connection, output, world.now())
    }
}

/// Returns which halves of the objects are wanted.
fn content(selection: &SelectionArguments) -> DumpContent {
    match selection {
        SelectionArguments { schema_only: true, .. } => DumpContent::SCHEMA_ONLY,
        SelectionArguments { data_only: true, .. } => DumpContent::DATA_ONLY,
        SelectionArguments { statistics_only: true, .. } => DumpContent::STATISTICS_ONLY,
        SelectionArguments { statistics, .. } => {
            DumpContent { statistics: *statistics, ..DumpContent::EVERYTHING }
        }
    }
}

/// Returns the patterns of a selection.
fn request(selection: &SelectionArguments) -> SelectionRequest {
    let patterns = |alone: &[String], with_children: &[String]| {
        let family = |text: &String| TablePattern { text: text.clone(), with_children: true };
        alone.iter().map(TablePattern::new).chain(with_children.iter().map(family)).collect()
    };
    SelectionRequest {
        schemas: selection.schema.clone(),
        exclude_schemas: selection.exclude_schema.clone(),
        tables: patterns(&selection.table, &selection.table_and_children),
        exclude_tables: patterns(&selection.exclude_table, &selection.exclude_table_and_children),
        exclude_table_data: patterns(
            &selection.exclude_table_data,
            &selection.exclude_table_data_and_children,
        ),
        extensions: selection.extension.clone(),
        exclude_extensions: selection.exclude_extension.clone(),
        strict_names: selection.strict_names,
    }
}

/// Returns a name for the output that sorts by time; what a path cannot hold becomes `_`.
fn default_output(connection: &ConnectParams, world: &World) -> PathBuf {
    let database: String = connection
        .database()
        .chars()
        .map(|character| if character == '/' || character.is_control() { '_' } else { character })
        .collect();
    // A leading dot would hide the archive, a leading dash makes it an option of the next command.
    let prefix = if database.starts_with(['.', '-']) || database.is_empty() { "_" } else { "" };
    PathBuf::from(format!("{prefix}{database}-{}", world.stamp()))
}

/// Refuses the formats that are read about in every manual and not written by this version.
fn refuse_unwritten_format(format: Option<Format>, file: Option<&Path>) -> Result<()> {
    let name = file.and_then(Path::file_name).map(|name| name.to_string_lossy().to_lowercase());
    let name = name.unwrap_or_default();
    let by_name = ["", ".gz", ".zst", ".lz4"]
        .iter()
        .any(|codec| name.ends_with(&format!(".sql{codec}")))
        .then_some(Format::Plain)
        .or_else(|| name.ends_with(".dump").then_some(Format::Custom))
        .or_else(|| name.ends_with(".tar").then_some(Format::Tar));
    let (format, why) = match (format, by_name) {
        (Some(format), _) => (format, "--format"),
        (None, Some(format)) => (format, "the name of the output"),
        (None, None) => return Ok(()),
    };
    let word = match format {
        Format::Directory => return Ok(()),
        Format::Plain => "plain",
        Format::Custom => "custom",
        Format::Tar => "tar",
    };
    let error = Error::new(
        ErrorKind::Usage,
        format!("{why} asks for the {word} format, which this version of pgark does not write"),
    )
    .with_hint("use --format directory, or an output name without .sql, .dump or .tar");
    Err(match format {
        Format::Plain => error
            .with_hint("for the definitions alone, \"pgark pg_dump --schema-only\" prints them"),
        _ => error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(format: Option<Format>, file: &str) -> Option<String> {
        refuse_unwritten_format(format, Some(Path::new(file))).err().map(|error| error.to_string())
    }

    #[test]
    fn only_directories_are_written_and_others_are_refused_by_name() {
        assert_eq!(refused(None, "/backups/shop"), None);
        assert_eq!(refused(Some(Format::Directory), "/backups/shop.dump"), None);
        assert_eq!(
            refused(None, "shop.sql.gz").as_deref(),
            Some(
                "the name of the output asks for the plain format, which this version of pgark does not \
                 write"
            )
        );
        assert!(refused(None, "shop.DUMP").is_some_and(|text| text.contains("custom")));
        assert!(refused(Some(Format::Tar), "shop").is_some_and(|text| text.contains("--format")));
    }
}
