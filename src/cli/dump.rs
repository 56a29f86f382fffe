//! `pgark dump`: from what was typed to [`DumpOptions`], and the run.

use std::path::{Path, PathBuf};

use super::arguments::{
    ContentArguments, DumpArguments, Format, RowArguments, ScriptArguments, SelectionArguments,
};
use super::cluster;
use super::connection;
use super::drop_in::filter_file::filter_dump;
use super::drop_in::restrict_key::restrict_key;
use super::location::location;
use super::output;
use super::progress::Display;
use super::report;
use super::world::World;
use crate::archive::ArchiveFormat;
use crate::archive::script::ScriptChoices;
use crate::catalog::Transaction;
use crate::codec::{Algorithm, Compression};
use crate::connect::ConnectParams;
use crate::ddl::{Inserts, RowForm};
use crate::dump::{self, DumpContent, DumpOptions, Omissions, Output};
use crate::error::{Error, ErrorKind, Result};
use crate::progress::Interrupt;
use crate::select::{LargeObjectChoice, SelectionRequest, TablePattern};
use crate::sql::Quoting;

pub(super) async fn run(
    arguments: &DumpArguments,
    world: &World,
    interrupt: &Interrupt,
) -> Result<()> {
    let format = format_of(arguments.format, arguments.file.as_deref());
    let compression: Compression = match &arguments.compress {
        Some(spec) => spec.parse()?,
        None => usual_compression(format, arguments.file.as_deref()),
    };
    format.check_compression(compression)?;
    check_row_form(&arguments.rows, format)?;
    if format == ArchiveFormat::Directory && is_standard_output(arguments.file.as_deref()) {
        let message = "a directory cannot be written to standard output";
        return Err(Error::new(ErrorKind::Usage, message)
            .with_hint("choose --format custom, tar or plain, or name a directory with -f"));
    }
    let params = connection::params(world, &arguments.connection, arguments.database.as_deref())?;
    if arguments.all {
        let named = arguments.connection.dbname.is_some() || arguments.database.is_some();
        // Every server has it, unlike a database with the name of the user.
        let named =
            named || ["DATABASE_URL", "PGDATABASE"].iter().any(|v| world.variable(v).is_some());
        let params = if named { params } else { params.with_database("postgres") };
        let format = ArchiveFormat::Directory;
        let options = options(arguments, world, params, compression, format)?;
        return cluster::dump(arguments, options, world, interrupt).await;
    }
    let options = options(arguments, world, params, compression, format)?;
    let mut display = Display::start(world, &arguments.output);
    let progress = display.handle();
    if let Some(option) = without_effect(&arguments.script, format) {
        progress.warning(&format!(
            "{option} has no effect on an archive: give it to \"pgark restore\" when it is restored"
        ));
    }
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
) -> Result<DumpOptions> {
    let output = match &arguments.file {
        Some(file) if is_standard_output(Some(file)) => Output::Stdout,
        Some(file) => location(file, world)?.into(),
        None => default_output(&connection, world, format, compression).into(),
    };
    let DumpArguments { content, rows, script, .. } = arguments;
    let options = DumpOptions::new(connection, output, world.now());
    let options = select(&arguments.selection, content, options)?;
    let jobs = match format {
        // A script has one order, and other servers know nothing of the snapshot.
        ArchiveFormat::Plain => 1,
        _ if !options.selection.foreign_servers.is_empty() => 1,
        _ => world.jobs(arguments.jobs),
    };
    Ok(DumpOptions {
        format,
        archive_version: arguments.archive_version,
        spool_folder: world.temporary_directory.clone(),
        jobs,
        compression,
        sync: !arguments.no_sync,
        quoting: match script.quote_all_identifiers {
            true => Quoting::Always,
            false => Quoting::WhenNeeded,
        },
        dollar_quoting: !script.disable_dollar_quoting,
        row_form: row_form(rows)?,
        load_via_partition_root: rows.load_via_partition_root,
        row_security: rows.enable_row_security,
        extra_float_digits: rows.extra_float_digits.unwrap_or(3),
        encoding: rows.encoding.clone(),
        snapshot: rows.snapshot.clone(),
        transaction: match rows.serializable_deferrable {
            true => Transaction::SerializableDeferrable,
            false => Transaction::RepeatableRead,
        },
        script: choices(script, arguments.output.verbose)?,
        lock_wait_timeout: arguments.lock_wait_timeout.clone(),
        role: arguments.connection.role.clone(),
        ..options
    })
}

/// Puts a selection into the options of a dump; filter files are read.
pub(super) fn select(
    selection: &SelectionArguments,
    content: &ContentArguments,
    options: DumpOptions,
) -> Result<DumpOptions> {
    Ok(DumpOptions {
        selection: request(selection)?,
        content: halves(content),
        sections: content.section.iter().map(|&section| section.into()).collect(),
        large_objects: match (content.large_objects, content.no_large_objects) {
            // Both together mean what they mean to pg_dump.
            (true, _) => LargeObjectChoice::Always,
            (_, true) => LargeObjectChoice::Never,
            _ => LargeObjectChoice::WithEverything,
        },
        omit: omissions(content),
        ..options
    })
}

/// Returns which halves of the objects are wanted.
fn halves(content: &ContentArguments) -> DumpContent {
    let ContentArguments { schema_only, data_only, statistics_only, .. } = *content;
    DumpContent {
        schema: !data_only && !statistics_only && !content.no_schema,
        data: !schema_only && !statistics_only && !content.no_data,
        statistics: statistics_only || content.statistics,
        sequence_values: content.sequence_data,
    }
}

fn omissions(content: &ContentArguments) -> Omissions {
    Omissions {
        owners: content.no_owner,
        privileges: content.no_privileges,
        comments: content.no_comments,
        security_labels: content.no_security_labels,
        policies: content.no_policies,
        publications: content.no_publications,
        subscriptions: content.no_subscriptions,
        toast_compression: content.no_toast_compression,
        tablespaces: content.no_tablespaces,
        access_methods: content.no_table_access_method,
        unlogged_data: content.no_unlogged_table_data,
    }
}

fn row_form(arguments: &RowArguments) -> Result<RowForm> {
    let columns = arguments.column_inserts;
    let rows = match arguments.rows_per_insert {
        Some(rows) => rows,
        None if columns || arguments.inserts => 1,
        None if arguments.on_conflict_do_nothing => {
            return Err(Error::new(
                ErrorKind::Usage,
                "--on-conflict-do-nothing is about INSERT statements, and rows are COPY text",
            )
            .with_hint("add --inserts, --column-inserts or --rows-per-insert"));
        }
        None => return Ok(RowForm::Copy),
    };
    let rows = usize::try_from(rows).unwrap_or(usize::MAX);
    let on_conflict_do_nothing = arguments.on_conflict_do_nothing;
    Ok(RowForm::Inserts(Inserts { rows, columns, on_conflict_do_nothing }))
}

/// Refuses INSERT statements in an archive: its rows have fingerprints, and those are of COPY text.
fn check_row_form(rows: &RowArguments, format: ArchiveFormat) -> Result<()> {
    if format == ArchiveFormat::Plain || row_form(rows)? == RowForm::Copy {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Usage,
        "INSERT statements are for scripts: an archive holds COPY text",
    )
    .with_hint("use --format plain, or restore the archive, which needs no INSERT statements")
    .with_hint("\"pgark pg_dump\" writes them into archives too, without a manifest"))
}

fn choices(script: &ScriptArguments, verbose: bool) -> Result<ScriptChoices> {
    Ok(ScriptChoices {
        restrict_key: restrict_key(script.restrict_key.as_deref())?,
        clean: script.clean,
        if_exists: script.if_exists,
        create: script.create,
        disable_triggers: script.disable_triggers,
        superuser: script.superuser.clone(),
        session_authorization: script.use_set_session_authorization,
        verbose,
        ..ScriptChoices::default()
    })
}

/// Returns an option that only a script follows, when an archive is written.
fn without_effect(script: &ScriptArguments, format: ArchiveFormat) -> Option<&'static str> {
    if format == ArchiveFormat::Plain {
        return None;
    }
    [
        ("--clean", script.clean),
        ("--create", script.create),
        ("--disable-triggers", script.disable_triggers),
        ("--superuser", script.superuser.is_some()),
        ("--use-set-session-authorization", script.use_set_session_authorization),
        ("--restrict-key", script.restrict_key.is_some()),
    ]
    .into_iter()
    .find_map(|(option, given)| given.then_some(option))
}

/// Tells whether the archive goes where results are printed: then it is written there as it is, also when
/// that is a file.
pub(super) fn is_standard_output(file: Option<&Path>) -> bool {
    file.is_some_and(|file| {
        ["-", "/dev/stdout", "/dev/fd/1"].iter().any(|name| file == Path::new(name))
    })
}

/// Returns the patterns of a selection.
fn request(selection: &SelectionArguments) -> Result<SelectionRequest> {
    let patterns = |alone: &[String], with_children: &[String]| {
        let family = |text: &String| TablePattern { text: text.clone(), with_children: true };
        alone.iter().map(TablePattern::new).chain(with_children.iter().map(family)).collect()
    };
    let mut request = SelectionRequest {
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
        foreign_servers: selection.include_foreign_data.clone(),
        strict_names: selection.strict_names,
        ..SelectionRequest::default()
    };
    for file in &selection.filter {
        filter_dump(file, &mut request)?;
    }
    Ok(request)
}

/// Returns a name for the output that sorts by time; what a path cannot hold becomes `_`.
fn default_output(
    connection: &ConnectParams,
    world: &World,
    format: ArchiveFormat,
    compression: Compression,
) -> PathBuf {
    let database: String = connection
        .database()
        .chars()
        .map(|character| if character == '/' || character.is_control() { '_' } else { character })
        .collect();
    // A leading dot would hide the archive, a leading dash makes it an option of the next command.
    let prefix = if database.starts_with(['.', '-']) || database.is_empty() { "_" } else { "" };
    let codec = match format {
        ArchiveFormat::Plain => compression.algorithm.suffix(),
        _ => "",
    };
    PathBuf::from(format!("{prefix}{database}-{}{}{codec}", world.stamp(), format.suffix()))
}

/// Returns the format that was asked for, by name or by the name of the output.
fn format_of(format: Option<Format>, file: Option<&Path>) -> ArchiveFormat {
    match format {
        Some(Format::Directory) => ArchiveFormat::Directory,
        Some(Format::Custom) => ArchiveFormat::Custom,
        Some(Format::Tar) => ArchiveFormat::Tar,
        Some(Format::Plain) => ArchiveFormat::Plain,
        None => {
            let name = lower_name(file);
            let is_script = |codec: &Algorithm| name.ends_with(&format!(".sql{}", codec.suffix()));
            if Algorithm::ALL.iter().any(is_script) {
                ArchiveFormat::Plain
            } else if name.ends_with(".dump") {
                ArchiveFormat::Custom
            } else if name.ends_with(".tar") {
                ArchiveFormat::Tar
            } else {
                ArchiveFormat::Directory
            }
        }
    }
}

/// Returns how a format is compressed when nothing is said: a script as its name says.
fn usual_compression(format: ArchiveFormat, file: Option<&Path>) -> Compression {
    match format {
        ArchiveFormat::Tar => Compression::NONE,
        ArchiveFormat::Plain => Compression::new(Algorithm::from_suffix(&lower_name(file))),
        ArchiveFormat::Custom | ArchiveFormat::Directory => Compression::new(Algorithm::Zstd),
    }
}

fn lower_name(file: Option<&Path>) -> String {
    let name = file.and_then(Path::file_name);
    name.map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_option_decides_before_the_name() {
        for (format, file, expected, algorithm) in [
            (None, "/backups/shop", ArchiveFormat::Directory, Algorithm::Zstd),
            (None, "shop.DUMP", ArchiveFormat::Custom, Algorithm::Zstd),
            (None, "shop.sql", ArchiveFormat::Plain, Algorithm::None),
            (None, "shop.SQL.gz", ArchiveFormat::Plain, Algorithm::Gzip),
            (None, "shop.sql.zst", ArchiveFormat::Plain, Algorithm::Zstd),
            (None, "shop.sql.lz4", ArchiveFormat::Plain, Algorithm::Lz4),
            (None, "shop.gz", ArchiveFormat::Directory, Algorithm::Zstd),
            (Some(Format::Directory), "shop.sql.gz", ArchiveFormat::Directory, Algorithm::Zstd),
            (Some(Format::Tar), "shop.dump", ArchiveFormat::Tar, Algorithm::None),
            (Some(Format::Plain), "shop", ArchiveFormat::Plain, Algorithm::None),
            (Some(Format::Plain), "shop.gz", ArchiveFormat::Plain, Algorithm::Gzip),
        ] {
            let path = Some(Path::new(file));
            let found = format_of(format, path);
            assert_eq!(found, expected, "{file}");
            let compression = usual_compression(found, path);
            assert_eq!(compression.algorithm, algorithm, "{file}");
        }
    }
}
