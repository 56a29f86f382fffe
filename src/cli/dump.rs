//! `pgark dump`: from what was typed to [`DumpOptions`], and the run.

use std::path::{Path, PathBuf};

use super::arguments::{DumpArguments, Format, SelectionArguments};
use super::cluster;
use super::connection;
use super::output;
use super::progress::Display;
use super::report;
use super::world::World;
use crate::archive::ArchiveFormat;
use crate::codec::{Algorithm, Compression};
use crate::connect::ConnectParams;
use crate::dump::{self, DumpContent, DumpOptions, Omissions, Output};
use crate::error::{Error, ErrorKind, Result};
use crate::progress::Interrupt;
use crate::select::{LargeObjectChoice, SelectionRequest, TablePattern};

pub(super) async fn run(
    arguments: &DumpArguments,
    world: &World,
    interrupt: &Interrupt,
) -> Result<()> {
    let format = format_of(arguments.format, arguments.file.as_deref())?;
    let compression: Compression = match (&arguments.compress, format) {
        (Some(spec), _) => spec.parse()?,
        (None, ArchiveFormat::Tar) => Compression::NONE,
        (None, _) => Compression::new(Algorithm::Zstd),
    };
    format.check_compression(compression)?;
    let params = connection::params(world, &arguments.connection, arguments.database.as_deref())?;
    if arguments.all {
        let named = arguments.connection.dbname.is_some() || arguments.database.is_some();
        // Every server has it, unlike a database with the name of the user.
        let named =
            named || ["DATABASE_URL", "PGDATABASE"].iter().any(|v| world.variable(v).is_some());
        let params = if named { params } else { params.with_database("postgres") };
        let format = ArchiveFormat::Directory;
        let options = options(arguments, world, params, compression, format);
        return cluster::dump(arguments, options, world, interrupt).await;
    }
    let options = options(arguments, world, params, compression, format);
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
    match is_standard_output(arguments.file.as_deref()) {
        true => output::aside(&report, arguments.output.json, report::dumped),
        false => output::result(&report, arguments.output.json, report::dumped),
    }
}

fn options(
    arguments: &DumpArguments,
    world: &World,
    connection: ConnectParams,
    compression: Compression,
    format: ArchiveFormat,
) -> DumpOptions {
    let selection = &arguments.selection;
    let output = match &arguments.file {
        Some(file) if file == Path::new("-") => Output::Stdout,
        Some(file) => file.clone().into(),
        None => default_output(&connection, world, format).into(),
    };
    DumpOptions {
        format,
        archive_version: arguments.archive_version,
        spool_folder: world.temporary_directory.clone(),
        jobs: world.jobs(arguments.jobs),
        compression,
        selection: request(selection),
        content: content(selection),
        large_objects: match (selection.large_objects, selection.no_large_objects) {
            // Both together mean what they mean to pg_dump.
            (true, _) => LargeObjectChoice::Always,
            (_, true) => LargeObjectChoice::Never,
            _ => LargeObjectChoice::WithEverything,
        },
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

/// Tells whether the archive goes where results are printed.
fn is_standard_output(file: Option<&Path>) -> bool {
    file.is_some_and(|file| {
        ["-", "/dev/stdout", "/dev/fd/1"].iter().any(|name| file == Path::new(name))
    })
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
        ..SelectionRequest::default()
    }
}

/// Returns a name for the output that sorts by time; what a path cannot hold becomes `_`.
fn default_output(connection: &ConnectParams, world: &World, format: ArchiveFormat) -> PathBuf {
    let database: String = connection
        .database()
        .chars()
        .map(|character| if character == '/' || character.is_control() { '_' } else { character })
        .collect();
    // A leading dot would hide the archive, a leading dash makes it an option of the next command.
    let prefix = if database.starts_with(['.', '-']) || database.is_empty() { "_" } else { "" };
    PathBuf::from(format!("{prefix}{database}-{}{}", world.stamp(), format.suffix()))
}

/// Returns the format that was asked for, by name or by the name of the output.
fn format_of(format: Option<Format>, file: Option<&Path>) -> Result<ArchiveFormat> {
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
        (None, None) => return Ok(ArchiveFormat::Directory),
    };
    let format = match format {
        Format::Directory => return Ok(ArchiveFormat::Directory),
        Format::Custom => return Ok(ArchiveFormat::Custom),
        Format::Tar => return Ok(ArchiveFormat::Tar),
        Format::Plain => ArchiveFormat::Plain,
    };
    let word = format.word();
    Err(Error::new(
        ErrorKind::Usage,
        format!("{why} asks for the {word} format, which this version of pgark does not write"),
    )
    .with_hint("use --format directory, custom or tar")
    .with_hint("for the definitions alone, \"pgark pg_dump --schema-only\" prints them"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(format: Option<Format>, file: &str) -> Result<ArchiveFormat, String> {
        format_of(format, Some(Path::new(file))).map_err(|error| error.to_string())
    }

    #[test]
    fn the_option_decides_before_the_name() {
        assert_eq!(format(None, "/backups/shop"), Ok(ArchiveFormat::Directory));
        assert_eq!(format(None, "shop.DUMP"), Ok(ArchiveFormat::Custom));
        let directory = format(Some(Format::Directory), "/backups/shop.dump");
        assert_eq!(directory, Ok(ArchiveFormat::Directory));
        assert_eq!(
            format(None, "shop.sql.gz").expect_err("not written"),
            "the name of the output asks for the plain format, which this version of pgark does not \
             write"
        );
        assert_eq!(format(Some(Format::Tar), "shop.dump"), Ok(ArchiveFormat::Tar));
        assert!(format(Some(Format::Plain), "shop").is_err_and(|text| text.contains("--format")));
    }
}
