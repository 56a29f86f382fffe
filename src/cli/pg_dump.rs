//! `pgark pg_dump`: the options, output, messages and exit codes of PostgreSQL 18's pg_dump.
//!
//! So far it prints schemas as plain scripts (`-s`); what is asked for beyond that is refused by name
//! rather than done differently. Authority for options and texts: `pg_dump.c` of PostgreSQL 18.

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use super::connection;
use super::drop_in::restrict_key::restrict_key;
use super::world::World;
use crate::archive::script::{self, LargeObjectScript, ScriptChoices, ScriptOptions, ScriptSource};
use crate::archive::statements::{self, is_database_entry};
use crate::catalog::{CatalogOptions, Keeper, KeeperOptions, SessionSettings};
use crate::connect::{ConnectParams, ConnectRequest};
use crate::ddl::{self, DdlOptions, Fidelity};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::model::{Section, TocEntry};
use crate::order;
use crate::progress::{Progress, ProgressHandle};
use crate::select::{SelectionRequest, TablePattern};
use crate::sql::Quoting;

/// The options, as typed.
#[derive(Debug, Parser)]
#[command(
    name = "pg_dump",
    about = "Dump a PostgreSQL database as a script",
    disable_version_flag = true,
    disable_help_flag = true
)]
struct Arguments {
    #[arg(short = 'd', long, value_name = "DBNAME")]
    dbname: Option<String>,
    #[arg(short = 'h', long)]
    host: Option<String>,
    #[arg(short = 'p', long)]
    port: Option<String>,
    #[arg(short = 'U', long)]
    username: Option<String>,
    #[arg(short = 'w', long)]
    no_password: bool,
    #[arg(short = 'W', long)]
    password: bool,
    #[arg(long, value_name = "ROLENAME")]
    role: Option<String>,
    #[arg(short = 'f', long, value_name = "FILENAME")]
    file: Option<PathBuf>,
    #[arg(short = 'F', long, default_value = "p")]
    format: String,
    #[arg(short = 's', long)]
    schema_only: bool,
    #[arg(short = 'c', long)]
    clean: bool,
    #[arg(short = 'C', long)]
    create: bool,
    #[arg(long)]
    if_exists: bool,
    #[arg(short = 'e', long, value_name = "PATTERN")]
    extension: Vec<String>,
    #[arg(long, value_name = "PATTERN")]
    exclude_extension: Vec<String>,
    #[arg(short = 'n', long, value_name = "PATTERN")]
    schema: Vec<String>,
    #[arg(short = 'N', long, value_name = "PATTERN")]
    exclude_schema: Vec<String>,
    #[arg(short = 't', long, value_name = "PATTERN")]
    table: Vec<String>,
    #[arg(short = 'T', long, value_name = "PATTERN")]
    exclude_table: Vec<String>,
    #[arg(long, value_name = "PATTERN")]
    table_and_children: Vec<String>,
    #[arg(long, value_name = "PATTERN")]
    exclude_table_and_children: Vec<String>,
    #[arg(long, value_name = "PATTERN")]
    exclude_table_data: Vec<String>,
    #[arg(long)]
    strict_names: bool,
    #[arg(short = 'O', long)]
    no_owner: bool,
    #[arg(short = 'x', long, alias = "no-acl")]
    no_privileges: bool,
    #[arg(long)]
    no_comments: bool,
    #[arg(long)]
    no_policies: bool,
    #[arg(long)]
    no_publications: bool,
    #[arg(long)]
    no_subscriptions: bool,
    #[arg(long)]
    no_security_labels: bool,
    #[arg(long)]
    no_tablespaces: bool,
    #[arg(long)]
    no_table_access_method: bool,
    #[arg(long)]
    no_toast_compression: bool,
    #[arg(long)]
    disable_dollar_quoting: bool,
    #[arg(long)]
    quote_all_identifiers: bool,
    #[arg(long, value_name = "KEY")]
    restrict_key: Option<String>,
    #[arg(long, value_name = "TIMEOUT")]
    lock_wait_timeout: Option<String>,
    #[arg(long, value_name = "SECTION")]
    section: Vec<String>,
    #[arg(value_name = "DBNAME")]
    database: Option<String>,
}

/// The version of pg_dump whose text this is.
const STOCK_VERSION: &str = "18.6";

/// Runs the verb with everything that came after its name; returns pg_dump's exit codes.
pub(super) fn run(arguments: Vec<OsString>, world: &World) -> ExitCode {
    // As in pg_dump, these two are known only in the first place.
    match arguments.first().and_then(|first| first.to_str()) {
        Some("--help" | "-?") => return tell(&Arguments::command().render_long_help().to_string()),
        Some("--version" | "-V") => {
            return tell(&format!("pg_dump (PostgreSQL) {STOCK_VERSION}\n"));
        }
        _ => {}
    }
    let name = std::iter::once(OsString::from("pg_dump"));
    let arguments = match Arguments::try_parse_from(name.chain(arguments)) {
        Ok(arguments) => arguments,
        Err(error) => {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or("").trim_start_matches("error: ");
            complain(&format!("error: {first}"));
            complain("hint: Try \"pg_dump --help\" for more information.");
            return ExitCode::FAILURE;
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = runtime
        .context(ErrorKind::Internal, || "could not start".to_owned())
        .and_then(|runtime| runtime.block_on(ask_and_dump(&arguments, world)));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut text = format!("error: {error}");
            let mut source = std::error::Error::source(&error);
            while let Some(cause) = source {
                text.push_str(&format!(": {cause}"));
                source = cause.source();
            }
            complain(&text);
            for hint in error.hints() {
                complain(&format!("hint: {hint}"));
            }
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stderr, reason = "the messages of a command line tool")]
fn complain(message: &str) {
    eprintln!("pg_dump: {message}");
}

/// Warnings go to standard error as pg_dump's do; nothing else is shown.
struct Warnings;

impl Progress for Warnings {
    fn warning(&self, message: &str) {
        complain(&format!("warning: {message}"));
    }
}

#[expect(clippy::print_stdout, reason = "what was asked for")]
fn tell(text: &str) -> ExitCode {
    print!("{text}");
    ExitCode::SUCCESS
}

/// Dumps, asking for the password first with `-W`, or after a login that needed one.
async fn ask_and_dump(arguments: &Arguments, world: &World) -> Result<()> {
    let sections = check(arguments)?;
    let params = ConnectParams::resolve(&connect_request(arguments), &world.environment)?;
    for warning in params.warnings() {
        complain(&format!("warning: {warning}"));
    }
    if arguments.password {
        return dump(arguments, &sections, connection::ask_password(params).await?).await;
    }
    match dump(arguments, &sections, params.clone()).await {
        Err(error)
            if world.can_ask && !arguments.no_password && connection::wants_password(&error) =>
        {
            dump(arguments, &sections, connection::ask_password(params).await?).await
        }
        outcome => outcome,
    }
}

async fn dump(arguments: &Arguments, sections: &[Section], params: ConnectParams) -> Result<()> {
    let quoting =
        if arguments.quote_all_identifiers { Quoting::Always } else { Quoting::WhenNeeded };
    let keeper_options = KeeperOptions {
        settings: SessionSettings {
            role: arguments.role.clone(),
            quoting,
            ..SessionSettings::default()
        },
        lock_wait_timeout: arguments.lock_wait_timeout.clone(),
        request: selection(arguments),
        catalog: CatalogOptions {
            schema: true,
            data: false,
            sequence_values: false,
            comments: !arguments.no_comments,
            security_labels: !arguments.no_security_labels,
            policies: !arguments.no_policies,
            publications: !arguments.no_publications,
            subscriptions: !arguments.no_subscriptions,
            privileges: !arguments.no_privileges,
            unlogged_data: true,
            ..CatalogOptions::default()
        },
        ..KeeperOptions::default()
    };
    let progress: ProgressHandle = std::sync::Arc::new(Warnings);
    let keeper = Keeper::open(&params, &keeper_options, &progress).await?;
    let mut database = keeper.database;
    let sorted = order::sort(&mut database, &mut |warning| progress.warning(&warning));
    let ddl_options = DdlOptions {
        quoting,
        data: false,
        sequence_values: false,
        comments: !arguments.no_comments,
        security_labels: !arguments.no_security_labels,
        privileges: !arguments.no_privileges,
        policies: !arguments.no_policies,
        toast_compression: !arguments.no_toast_compression,
        tablespaces: !arguments.no_tablespaces,
        dollar_quoting: !arguments.disable_dollar_quoting,
        fidelity: Fidelity::PgDump,
        ..DdlOptions::default()
    };
    let entries = ddl::entries(&database, &sorted, &ddl_options)?;
    keeper.session.close().await;
    let entries = printed(entries, arguments.create, sections);
    let options = ScriptOptions {
        choices: ScriptChoices {
            restrict_key: restrict_key(arguments.restrict_key.as_deref())?,
            clean: arguments.clean,
            if_exists: arguments.if_exists,
            create: arguments.create,
            ..ScriptChoices::default()
        },
        server_version: database.facts.version_text.clone(),
        dumper_version: STOCK_VERSION.to_owned(),
        no_owner: arguments.no_owner,
        row_security: false,
        no_tablespaces: arguments.no_tablespaces,
        no_table_access_method: arguments.no_table_access_method,
        quoting,
        ..ScriptOptions::default()
    };
    write(arguments, &entries, &options)
}

/// Refuses what contradicts itself or is not done yet, and returns the sections that are wanted.
fn check(arguments: &Arguments) -> Result<Vec<Section>> {
    let usage = |message: String| Err(Error::new(ErrorKind::Usage, message));
    if arguments.if_exists && !arguments.clean {
        return usage("option --if-exists requires option -c/--clean".to_owned());
    }
    if !matches!(arguments.format.to_ascii_lowercase().as_str(), "p" | "plain") {
        return usage(format!(
            "output format \"{}\" is not supported yet; use \"pgark dump\"",
            arguments.format
        ));
    }
    if !arguments.schema_only {
        return usage(
            "only -s/--schema-only is supported yet; use \"pgark dump\" for data".to_owned(),
        );
    }
    let mut sections = Vec::new();
    for section in &arguments.section {
        sections.push(match section.as_str() {
            "pre-data" => Section::PreData,
            "data" => Section::Data,
            "post-data" => Section::PostData,
            _ => return usage(format!("unrecognized section name: \"{section}\"")),
        });
    }
    if sections.is_empty() {
        sections = vec![Section::PreData, Section::Data, Section::PostData];
    }
    Ok(sections)
}

fn connect_request(arguments: &Arguments) -> ConnectRequest {
    ConnectRequest {
        dbname: arguments.dbname.clone().or_else(|| arguments.database.clone()),
        host: arguments.host.clone(),
        port: arguments.port.clone(),
        user: arguments.username.clone(),
        application_name: Some("pg_dump".to_owned()),
        ..ConnectRequest::default()
    }
}

fn selection(arguments: &Arguments) -> SelectionRequest {
    let tables = |plain: &[String], family: &[String]| -> Vec<TablePattern> {
        let family =
            family.iter().map(|text| TablePattern { text: text.clone(), with_children: true });
        plain.iter().map(TablePattern::new).chain(family).collect()
    };
    SelectionRequest {
        schemas: arguments.schema.clone(),
        exclude_schemas: arguments.exclude_schema.clone(),
        tables: tables(&arguments.table, &arguments.table_and_children),
        exclude_tables: tables(&arguments.exclude_table, &arguments.exclude_table_and_children),
        exclude_table_data: tables(&arguments.exclude_table_data, &[]),
        extensions: arguments.extension.clone(),
        exclude_extensions: arguments.exclude_extension.clone(),
        strict_names: arguments.strict_names,
    }
}

/// Returns the entries that a script shows.
///
/// What belongs to the database itself is shown only with `--create`; what has no section goes with
/// the entry before it.
fn printed(entries: Vec<TocEntry>, create: bool, sections: &[Section]) -> Vec<TocEntry> {
    let mut current = Section::PreData;
    entries
        .into_iter()
        .filter(|entry| {
            if entry.section != Section::None {
                current = entry.section;
            }
            if is_database_entry(entry) {
                return create;
            }
            let on_database = matches!(entry.desc.as_str(), "ACL" | "COMMENT" | "SECURITY LABEL")
                && entry.tag.starts_with("DATABASE ");
            if on_database && !create {
                return false;
            }
            statements::is_session_entry(entry) || sections.contains(&current)
        })
        .collect()
}

/// There are no rows in a script of definitions.
struct NoData;

impl ScriptSource for NoData {
    fn write_rows(&mut self, _: &TocEntry, _: &mut dyn Write) -> std::io::Result<()> {
        Ok(())
    }

    fn write_large_objects(
        &mut self,
        _: &TocEntry,
        _: &mut LargeObjectScript<'_>,
    ) -> std::io::Result<()> {
        Ok(())
    }
}

fn write(arguments: &Arguments, entries: &[TocEntry], options: &ScriptOptions) -> Result<()> {
    let mut no_data = NoData;
    let written = match &arguments.file {
        Some(path) if path.as_os_str() != "-" => {
            let file = std::fs::File::create(path).context(ErrorKind::Storage, || {
                format!("could not open output file {}", path.display())
            })?;
            let mut output = std::io::BufWriter::new(file);
            script::write_script(&mut output, entries, options, &mut no_data)
                .and_then(|()| output.flush().map_err(Into::into))
        }
        _ => {
            let mut output = std::io::BufWriter::new(std::io::stdout().lock());
            script::write_script(&mut output, entries, options, &mut no_data)
                .and_then(|()| output.flush().map_err(Into::into))
        }
    };
    written.context(ErrorKind::Storage, || "could not write the dump".to_owned())
}
