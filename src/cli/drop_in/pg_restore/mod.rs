//! `pg_restore`: the options of PostgreSQL 18's tool, its output, its messages, its exit codes.
//!
//! Lists and scripts are the stock tool's to the byte. What goes straight into a database goes through the
//! engine of `pgark restore` in pg_restore's manner ([`Manner::PgRestore`]): the same statements in the same
//! order, or by dependencies with `-j`; but many of them in one transaction as long as none fails.
//! Authority: `pg_restore.c`, `pg_backup_archiver.c`.

mod help;
mod input;
mod options;

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use self::help::HELP;
use self::input::Input;
use self::options::{Refusal, Request};
use super::messages::Speaker;
use super::restrict_key::restrict_key;
use super::server_message::server_message;
use crate::archive::ArchiveFormat;
use crate::archive::listing::{ListingDetail, listing};
use crate::archive::script::{ScriptChoices, Transactions};
use crate::cli::connection;
use crate::cli::inspect::created;
use crate::cli::world::World;
use crate::connect::{ConnectParams, ConnectRequest, server_error};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::progress::{FailedPart, Failure, Interrupt, Progress};
use crate::restore::{
    self, Contents, ContentsRequest, Manner, PrintOptions, RestoreOptions, RestoreReport, Times,
};
use crate::sql::text;

/// Runs the stand-in with everything that came after its name.
pub(in crate::cli) fn run(program: String, arguments: Vec<OsString>, world: &World) -> ExitCode {
    let reporter = Arc::new(Reporter::default());
    let speaker = &reporter.speaker;
    match arguments.first().and_then(|first| first.to_str()) {
        Some("--help" | "-?") => return speaker.tell(HELP),
        Some("--version" | "-V") => return speaker.tell("pg_restore (PostgreSQL) 18.6\n"),
        _ => {}
    }
    let request = match options::read(arguments, speaker) {
        Ok(request) => request,
        Err(Refusal::Misuse(misuse)) => return speaker.refuse_as(&program, &misuse),
        Err(Refusal::Error(error)) => return speaker.fail(&error),
    };
    let ends_at_once =
        request.exit_on_error || request.single_transaction || request.transaction_size.is_some();
    match restore(request, world, &reporter) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(ignored) => {
            speaker.say(&format!("warning: errors ignored on restore: {ignored}"));
            ExitCode::FAILURE
        }
        // It was told when it happened.
        Err(error) if ends_at_once && reporter.has_failed() && server_error(&error).is_some() => {
            ExitCode::FAILURE
        }
        Err(error) => speaker.fail(&error),
    }
}

/// Lists, prints or restores the archive and returns the number of errors that were ignored.
fn restore(request: Request, world: &World, reporter: &Arc<Reporter>) -> Result<usize> {
    if request.dbname.is_some() && request.jobs > 1 && request.archive.is_none() {
        let message = "parallel restore from standard input is not supported";
        return Err(Error::new(ErrorKind::Usage, message));
    }
    let input = Input::find(request.archive.as_deref(), world)?;
    let format = input.check_format(request.format)?;
    let contents = ContentsRequest {
        archive: input.path.clone().into(),
        list: request.use_list.as_deref().map(text::path),
        selection: request.selection.clone(),
    };
    if request.list {
        list(&request, contents, world, reporter)?;
        return Ok(0);
    }
    let Some(dbname) = &request.dbname else {
        script(&request, contents, world, reporter)?;
        return Ok(0);
    };
    if request.jobs > 1 && format == ArchiveFormat::Tar {
        let message = "parallel restore is not supported with this archive file format";
        return Err(Error::new(ErrorKind::Usage, message));
    }
    let connect = ConnectRequest {
        base: None,
        dbname: Some(dbname.clone()),
        host: request.host.clone(),
        port: request.port.clone(),
        user: request.username.clone(),
        password: None,
        application_name: Some("pg_restore".to_owned()),
    };
    let params = ConnectParams::resolve(&connect, &world.environment)?;
    for warning in params.warnings() {
        reporter.warning(warning);
    }
    let report = crate::cli::work(async |interrupt| {
        direct(&request, &input, params, world, reporter, &interrupt).await
    })?;
    Ok(report.ignored.len())
}

/// Opens what `-f` names, or standard output.
fn output(request: &Request) -> Result<Box<dyn Write>> {
    match request.file.as_deref() {
        None | Some("-") => Ok(Box::new(BufWriter::new(std::io::stdout().lock()))),
        Some(name) => {
            let file = File::create(text::path(name))
                .context(ErrorKind::Storage, || format!("could not open output file \"{name}\""))?;
            Ok(Box::new(BufWriter::new(file)))
        }
    }
}

fn list(
    request: &Request,
    contents: ContentsRequest,
    world: &World,
    reporter: &Arc<Reporter>,
) -> Result<()> {
    let contents = contents.open(&**reporter)?;
    let Contents { archive, marks, .. } = &contents;
    let detail = match request.verbose {
        true => ListingDetail::Everything,
        false => ListingDetail::Selected,
    };
    let created = created(archive.header(), world);
    let text = listing(archive.header(), archive.entries(), marks, &created, detail);
    let mut output = output(request)?;
    output
        .write_all(&crate::sql::text::encode(&text))
        .and_then(|()| output.flush())
        .context(ErrorKind::Storage, || "could not write the list".to_owned())?;
    // As in the stock tool, the list comes out before a name is missed.
    if request.strict_names { contents.require_names() } else { Ok(()) }
}

fn script(
    request: &Request,
    contents: ContentsRequest,
    world: &World,
    reporter: &Arc<Reporter>,
) -> Result<()> {
    let options = PrintOptions {
        choices: ScriptChoices {
            restrict_key: restrict_key(request.restrict_key.as_deref())?,
            clean: request.clean,
            if_exists: request.if_exists,
            create: request.selection.create,
            disable_triggers: request.disable_triggers,
            superuser: request.superuser.clone(),
            session_authorization: request.session_authorization,
            verbose: request.verbose,
            role: request.role.clone(),
            transactions: match request.transaction_size {
                _ if request.single_transaction => Transactions::Single,
                Some(size) => Transactions::Every(size as usize),
                None => Transactions::None,
            },
        },
        contents,
        strict_names: request.strict_names,
        no_owner: request.no_owner,
        row_security: request.row_security,
        no_tablespaces: request.no_tablespaces,
        no_table_access_method: request.no_table_access_method,
    };
    let mut output = output(request)?;
    let times =
        Times { created: &|header| created(header, world), now: &|| world.time_text(world.now()) };
    restore::print(options, &mut *output, &times, &**reporter)
}

async fn direct(
    request: &Request,
    input: &Input,
    params: ConnectParams,
    world: &World,
    reporter: &Arc<Reporter>,
    interrupt: &Interrupt,
) -> Result<RestoreReport> {
    let selection = request.selection.clone();
    let options = RestoreOptions {
        manner: Manner::PgRestore,
        narrated: request.verbose,
        jobs: usize::try_from(request.jobs).unwrap_or(1),
        clean: request.clean,
        if_exists: request.if_exists,
        create: selection.create,
        no_owner: request.no_owner,
        session_authorization: request.session_authorization,
        no_privileges: selection.no_privileges,
        no_comments: selection.no_comments,
        no_policies: selection.no_policies,
        no_publications: selection.no_publications,
        no_subscriptions: selection.no_subscriptions,
        no_security_labels: selection.no_security_labels,
        no_tablespaces: request.no_tablespaces,
        no_table_access_method: request.no_table_access_method,
        no_schema: !selection.schema,
        no_data: !selection.data,
        no_statistics: !selection.statistics,
        sections: selection.sections,
        tables: selection.tables,
        schemas: selection.schemas,
        exclude_schemas: selection.exclude_schemas,
        indexes: selection.indexes,
        functions: selection.functions,
        triggers: selection.triggers,
        list: request.use_list.as_deref().map(text::path),
        strict_names: request.strict_names,
        single_transaction: request.single_transaction,
        transaction_size: request.transaction_size.map(|size| size as usize),
        row_security: request.row_security,
        disable_triggers: request.disable_triggers,
        superuser: request.superuser.clone(),
        exit_on_error: request.exit_on_error,
        no_data_for_failed_tables: request.no_data_for_failed_tables,
        analyze: false,
        role: request.role.clone(),
        ..RestoreOptions::new(&input.path, params.clone())
    };
    let plan = async |params: ConnectParams| {
        reporter.info("connecting to database for restore");
        let options = RestoreOptions { connection: params, ..options.clone() };
        crate::cli::signals::unless(interrupt, restore::plan(options, reporter.clone())).await
    };
    let planned = if request.ask_first {
        plan(connection::ask_password(params).await?).await
    } else {
        match plan(params.clone()).await {
            Err(error)
                if world.can_ask && !request.never_ask && connection::wants_password(&error) =>
            {
                plan(connection::ask_password(params).await?).await
            }
            planned => planned,
        }
    };
    planned?.run(interrupt.clone()).await
}

/// Tells what happens during a restore in the words of the stock tool.
#[derive(Debug)]
struct Reporter {
    speaker: Speaker,
    /// The last entry of which something failed, as the list names it; empty before the first entry.
    failed: Mutex<Option<String>>,
}

impl Default for Reporter {
    fn default() -> Self {
        Reporter { speaker: Speaker::new("pg_restore"), failed: Mutex::new(None) }
    }
}

impl Reporter {
    /// Tells whether a statement has failed.
    fn has_failed(&self) -> bool {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }
}

impl Progress for Reporter {
    fn warning(&self, message: &str) {
        self.speaker.warning(message);
    }

    fn info(&self, message: &str) {
        self.speaker.info(message);
    }

    fn failed(&self, failure: &Failure<'_>) {
        let mut last = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if failure.listed.is_empty() {
            self.speaker.info("while INITIALIZING:");
        } else if last.as_deref().is_none_or(str::is_empty) {
            self.speaker.info("while PROCESSING TOC:");
        }
        if !failure.listed.is_empty() && last.as_deref() != Some(failure.listed) {
            self.speaker.info(&format!("from TOC entry {}", failure.listed));
        }
        *last = Some(failure.listed.to_owned());
        let Failure { statement, message, tag, error, .. } = failure;
        let server = match server_error(error) {
            Some(server) => server_message(server, statement),
            None => format!("{message}\n"),
        };
        // The stock tool sends definitions with the blank lines that a script has behind them.
        let of_large_objects = ["BLOB METADATA ", "ACL LARGE OBJECTS "]
            .iter()
            .any(|kind| failure.entry.starts_with(kind));
        let statement = match failure.part {
            FailedPart::Definition if !of_large_objects => format!("{statement}\n\n"),
            _ => (*statement).to_owned(),
        };
        let text = match failure.part {
            FailedPart::Rows => format!("error: COPY failed for table \"{tag}\": {server}"),
            _ => format!("error: could not execute query: {server}Command was: {statement}"),
        };
        self.speaker.say(text.strip_suffix('\n').unwrap_or(&text));
    }
}
