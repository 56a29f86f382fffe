//! `pg_dumpall`: the options of PostgreSQL 18's tool, its messages, its exit codes.
//!
//! Authority: `pg_dumpall.c`. The stock tool writes the globals itself and runs `pg_dump` once per database,
//! with most of its own options; here the same arguments go to our own stand-in, in this process.

use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use super::filter_file::read_filter;
use super::getopt::{self, Getopt, Table, Takes};
use super::messages::Speaker;
use super::pg_dump;
use super::pg_dumpall_help::HELP;
use super::restrict_key::restrict_key;
use crate::cli::connection;
use crate::cli::world::World;
use crate::connect::{ConnectParams, ConnectRequest};
use crate::ddl::Fidelity;
use crate::ddl::cluster::{self, ClusterDdlOptions, Drops, GlobalParts};
use crate::dump::{Globals, GlobalsOptions, PasswordChoice, globals};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::progress::{Progress, ProgressHandle};
use crate::select::{FilterCommand, FilterError, FilterObject};
use crate::sql::{Quoting, text};

/// What an option means here, beside or instead of being passed on to `pg_dump`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Id {
    /// It means nothing here.
    Pass(&'static str),
    DataOnly,
    Clean,
    Dbname,
    Encoding,
    File,
    GlobalsOnly,
    Host,
    Database,
    Port,
    RolesOnly,
    TablespacesOnly,
    Username,
    Verbose,
    NoPassword,
    Password,
    NoPrivileges,
    BinaryUpgrade,
    ExcludeDatabase,
    Filter,
    IfExists,
    NoTablespaces,
    QuoteAll,
    Role,
    NoComments,
    NoRolePasswords,
    NoSchema,
    NoSecurityLabels,
    NoSync,
    StatisticsOnly,
    RestrictKey,
}

const TABLE: Table<Id> = Table {
    long: &[
        ("data-only", Takes::Nothing, Id::DataOnly),
        ("clean", Takes::Nothing, Id::Clean),
        ("encoding", Takes::Value, Id::Encoding),
        ("file", Takes::Value, Id::File),
        ("globals-only", Takes::Nothing, Id::GlobalsOnly),
        ("host", Takes::Value, Id::Host),
        ("dbname", Takes::Value, Id::Dbname),
        ("database", Takes::Value, Id::Database),
        ("no-owner", Takes::Nothing, Id::Pass("--no-owner")),
        ("port", Takes::Value, Id::Port),
        ("roles-only", Takes::Nothing, Id::RolesOnly),
        ("schema-only", Takes::Nothing, Id::Pass("--schema-only")),
        ("superuser", Takes::Value, Id::Pass("--superuser")),
        ("tablespaces-only", Takes::Nothing, Id::TablespacesOnly),
        ("username", Takes::Value, Id::Username),
        ("verbose", Takes::Nothing, Id::Verbose),
        ("no-password", Takes::Nothing, Id::NoPassword),
        ("password", Takes::Nothing, Id::Password),
        ("no-privileges", Takes::Nothing, Id::NoPrivileges),
        ("no-acl", Takes::Nothing, Id::NoPrivileges),
        ("attribute-inserts", Takes::Nothing, Id::Pass("--column-inserts")),
        ("binary-upgrade", Takes::Nothing, Id::BinaryUpgrade),
        ("column-inserts", Takes::Nothing, Id::Pass("--column-inserts")),
        ("disable-dollar-quoting", Takes::Nothing, Id::Pass("--disable-dollar-quoting")),
        ("disable-triggers", Takes::Nothing, Id::Pass("--disable-triggers")),
        ("exclude-database", Takes::Value, Id::ExcludeDatabase),
        ("extra-float-digits", Takes::Value, Id::Pass("--extra-float-digits")),
        ("if-exists", Takes::Nothing, Id::IfExists),
        ("inserts", Takes::Nothing, Id::Pass("--inserts")),
        ("lock-wait-timeout", Takes::Value, Id::Pass("--lock-wait-timeout")),
        ("no-table-access-method", Takes::Nothing, Id::Pass("--no-table-access-method")),
        ("no-tablespaces", Takes::Nothing, Id::NoTablespaces),
        ("quote-all-identifiers", Takes::Nothing, Id::QuoteAll),
        ("load-via-partition-root", Takes::Nothing, Id::Pass("--load-via-partition-root")),
        ("role", Takes::Value, Id::Role),
        (
            "use-set-session-authorization",
            Takes::Nothing,
            Id::Pass("--use-set-session-authorization"),
        ),
        ("no-comments", Takes::Nothing, Id::NoComments),
        ("no-data", Takes::Nothing, Id::Pass("--no-data")),
        ("no-policies", Takes::Nothing, Id::Pass("--no-policies")),
        ("no-publications", Takes::Nothing, Id::Pass("--no-publications")),
        ("no-role-passwords", Takes::Nothing, Id::NoRolePasswords),
        ("no-schema", Takes::Nothing, Id::NoSchema),
        ("no-security-labels", Takes::Nothing, Id::NoSecurityLabels),
        ("no-subscriptions", Takes::Nothing, Id::Pass("--no-subscriptions")),
        ("no-statistics", Takes::Nothing, Id::Pass("--no-statistics")),
        ("no-sync", Takes::Nothing, Id::NoSync),
        ("no-toast-compression", Takes::Nothing, Id::Pass("--no-toast-compression")),
        ("no-unlogged-table-data", Takes::Nothing, Id::Pass("--no-unlogged-table-data")),
        ("on-conflict-do-nothing", Takes::Nothing, Id::Pass("--on-conflict-do-nothing")),
        ("rows-per-insert", Takes::Value, Id::Pass("--rows-per-insert")),
        ("statistics", Takes::Nothing, Id::Pass("--statistics")),
        ("statistics-only", Takes::Nothing, Id::StatisticsOnly),
        ("filter", Takes::Value, Id::Filter),
        ("sequence-data", Takes::Nothing, Id::Pass("--sequence-data")),
        ("restrict-key", Takes::Value, Id::RestrictKey),
    ],
    short: &[
        (b'a', Takes::Nothing, Id::DataOnly),
        (b'c', Takes::Nothing, Id::Clean),
        (b'd', Takes::Value, Id::Dbname),
        (b'E', Takes::Value, Id::Encoding),
        (b'f', Takes::Value, Id::File),
        (b'g', Takes::Nothing, Id::GlobalsOnly),
        (b'h', Takes::Value, Id::Host),
        (b'l', Takes::Value, Id::Database),
        (b'O', Takes::Nothing, Id::Pass("--no-owner")),
        (b'p', Takes::Value, Id::Port),
        (b'r', Takes::Nothing, Id::RolesOnly),
        (b's', Takes::Nothing, Id::Pass("--schema-only")),
        (b'S', Takes::Value, Id::Pass("--superuser")),
        (b't', Takes::Nothing, Id::TablespacesOnly),
        (b'U', Takes::Value, Id::Username),
        (b'v', Takes::Nothing, Id::Verbose),
        (b'w', Takes::Nothing, Id::NoPassword),
        (b'W', Takes::Nothing, Id::Password),
        (b'x', Takes::Nothing, Id::NoPrivileges),
    ],
};

/// What was asked for.
#[derive(Debug, Default)]
struct Request {
    clean: bool,
    data_only: bool,
    statistics_only: bool,
    no_schema: bool,
    globals_only: bool,
    roles_only: bool,
    tablespaces_only: bool,
    if_exists: bool,
    no_privileges: bool,
    no_comments: bool,
    no_security_labels: bool,
    no_tablespaces: bool,
    no_role_passwords: bool,
    quote_all: bool,
    binary_upgrade: bool,
    no_sync: bool,
    verbose: bool,
    never_ask: bool,
    ask_first: bool,
    encoding: Option<String>,
    file: Option<String>,
    role: Option<String>,
    restrict_key: Option<String>,
    database: Option<String>,
    exclude_databases: Vec<String>,
    connection: ConnectRequest,
    /// What `pg_dump` is called with for each database.
    passed: Vec<OsString>,
}

/// Runs the stand-in with everything that came after its name.
pub(in crate::cli) fn run(program: &str, arguments: Vec<OsString>, world: &World) -> ExitCode {
    let speaker = Arc::new(Speaker::new("pg_dumpall"));
    match arguments.first().and_then(|first| first.to_str()) {
        Some("--help" | "-?") => return speaker.tell(HELP),
        Some("--version" | "-V") => {
            return speaker.tell("pg_dumpall (PostgreSQL) 18.6\n");
        }
        _ => {}
    }
    let mut request = Request::default();
    let mut getopt = Getopt::new(&TABLE, arguments);
    loop {
        match getopt.next() {
            Ok(Some((id, value))) => {
                if let Err(error) = request.take(id, value, &speaker) {
                    return speaker.fail(&error);
                }
            }
            Ok(None) => break,
            Err(misuse) => return speaker.refuse_as(program, &misuse),
        }
    }
    let result = request
        .check(&getopt.operands(), &speaker)
        .and_then(|()| dump_cluster(request, &speaker, world));
    match result {
        Ok(code) => code,
        Err(error) => speaker.fail(&error),
    }
}

impl Request {
    /// Notes an option, and whether it is for `pg_dump` as well.
    fn take(&mut self, id: Id, value: String, speaker: &Speaker) -> Result<()> {
        let mut pass = |option: &str, value: Option<&str>| {
            self.passed.push(option.into());
            self.passed.extend(value.map(getopt::argument));
        };
        match id {
            Id::Pass(option) => {
                let takes_value = TABLE
                    .long
                    .iter()
                    .any(|(_, takes, other)| *other == id && *takes == Takes::Value);
                pass(option, takes_value.then_some(value.as_str()));
            }
            Id::DataOnly => {
                pass("--data-only", None);
                self.data_only = true;
            }
            Id::Clean => self.clean = true,
            Id::Dbname => self.connection.base = Some(value),
            Id::Encoding => {
                pass("--encoding", Some(&value));
                self.encoding = Some(value);
            }
            Id::File => self.file = Some(value),
            Id::GlobalsOnly => self.globals_only = true,
            Id::Host => self.connection.host = Some(value),
            Id::Database => self.database = Some(value),
            Id::Port => self.connection.port = Some(value),
            Id::RolesOnly => self.roles_only = true,
            Id::TablespacesOnly => self.tablespaces_only = true,
            Id::Username => self.connection.user = Some(value),
            Id::Verbose => {
                pass("--verbose", None);
                speaker.be_verbose();
                self.verbose = true;
            }
            Id::NoPassword => {
                pass("--no-password", None);
                (self.never_ask, self.ask_first) = (true, false);
            }
            // pg_dump would ask again for each database; it is handed the answer instead.
            Id::Password => (self.never_ask, self.ask_first) = (false, true),
            Id::NoPrivileges => {
                pass("--no-privileges", None);
                self.no_privileges = true;
            }
            Id::BinaryUpgrade => {
                pass("--binary-upgrade", None);
                self.binary_upgrade = true;
            }
            Id::ExcludeDatabase => self.exclude_databases.push(value),
            Id::Filter => {
                let patterns = &mut self.exclude_databases;
                return read_filter(&value, |item| match (item.command, item.object) {
                    (FilterCommand::Include, _) => Err(item.not_allowed()),
                    (FilterCommand::Exclude, FilterObject::Database) => {
                        patterns.push(item.pattern);
                        Ok(())
                    }
                    _ => Err(FilterError {
                        line: item.line,
                        reason: "unsupported filter object".to_owned(),
                    }),
                });
            }
            Id::IfExists => self.if_exists = true,
            Id::NoTablespaces => {
                pass("--no-tablespaces", None);
                self.no_tablespaces = true;
            }
            Id::QuoteAll => {
                pass("--quote-all-identifiers", None);
                self.quote_all = true;
            }
            Id::Role => {
                pass("--role", Some(&value));
                self.role = Some(value);
            }
            Id::NoComments => {
                pass("--no-comments", None);
                self.no_comments = true;
            }
            Id::NoRolePasswords => self.no_role_passwords = true,
            Id::NoSchema => {
                pass("--no-schema", None);
                self.no_schema = true;
            }
            Id::NoSecurityLabels => {
                pass("--no-security-labels", None);
                self.no_security_labels = true;
            }
            Id::NoSync => {
                pass("--no-sync", None);
                self.no_sync = true;
            }
            Id::StatisticsOnly => {
                pass("--statistics-only", None);
                self.statistics_only = true;
            }
            Id::RestrictKey => {
                pass("--restrict-key", Some(&value));
                self.restrict_key = Some(value);
            }
        }
        Ok(())
    }

    /// Refuses what contradicts itself, in the order of the stock tool.
    fn check(&self, operands: &[String], speaker: &Speaker) -> Result<()> {
        const GLOBALS: &str = "-g/--globals-only";
        const ROLES: &str = "-r/--roles-only";
        const TABLESPACES: &str = "-t/--tablespaces-only";
        if let Some(first) = operands.first() {
            return Err(
                speaker.misused(format!("too many command-line arguments (first is \"{first}\")"))
            );
        }
        let only_globals = self.globals_only || self.roles_only || self.tablespaces_only;
        if !self.exclude_databases.is_empty() && only_globals {
            return Err(speaker.misused(format!(
                "option --exclude-database cannot be used together with {GLOBALS}, {ROLES}, or \
                 {TABLESPACES}"
            )));
        }
        let both = |one: &str, other: &str| {
            Err(speaker.misused(format!("options {one} and {other} cannot be used together")))
        };
        if self.globals_only && self.roles_only {
            return both(GLOBALS, ROLES);
        }
        if self.globals_only && self.tablespaces_only {
            return both(GLOBALS, TABLESPACES);
        }
        if self.if_exists && !self.clean {
            let message = "option --if-exists requires option -c/--clean";
            return Err(Error::new(ErrorKind::Usage, message));
        }
        if self.roles_only && self.tablespaces_only {
            return both(ROLES, TABLESPACES);
        }
        Ok(())
    }

    fn globals_options(&self, connection: ConnectParams, restrict_key: &str) -> GlobalsOptions {
        let parts = if self.data_only || self.statistics_only || self.no_schema {
            GlobalParts::None
        } else if self.roles_only {
            GlobalParts::Roles
        } else if self.tablespaces_only {
            GlobalParts::Tablespaces
        } else {
            GlobalParts::All
        };
        GlobalsOptions {
            connection,
            passwords: match self.no_role_passwords {
                true => PasswordChoice::Never,
                false => PasswordChoice::Always,
            },
            ddl: ClusterDdlOptions {
                quoting: if self.quote_all { Quoting::Always } else { Quoting::WhenNeeded },
                parts,
                drops: match (self.clean, self.globals_only) {
                    (false, _) => Drops::Nothing,
                    (true, true) => Drops::Globals,
                    (true, false) => Drops::Databases,
                },
                if_exists: self.if_exists,
                comments: !self.no_comments,
                security_labels: !self.no_security_labels,
                privileges: !self.no_privileges,
                tablespaces: !self.no_tablespaces,
                binary_upgrade: self.binary_upgrade,
                restrict_key: restrict_key.to_owned(),
            },
            fidelity: Fidelity::PgDump,
            encoding: self.encoding.clone(),
            role: self.role.clone(),
            exclude_databases: self.exclude_databases.clone(),
        }
    }
}

fn dump_cluster(mut request: Request, speaker: &Arc<Speaker>, world: &World) -> Result<ExitCode> {
    let key = restrict_key(request.restrict_key.as_deref())?;
    if request.restrict_key.is_none() {
        request.passed.extend(["--restrict-key".into(), OsString::from(&key)]);
    }
    request.connection.application_name = Some("pg_dumpall".to_owned());
    let params = ConnectParams::resolve(&request.connection, &world.environment)?;
    for warning in params.warnings() {
        speaker.warning(warning);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context(ErrorKind::Internal, || "could not start".to_owned())?;
    let progress: ProgressHandle = speaker.clone();
    let (globals, params) =
        runtime.block_on(read_globals(&request, params, &key, &progress, world))?;
    drop(runtime);

    let mut output = Output::open(request.file.as_deref())?;
    output.write(cluster::header())?;
    if request.verbose {
        output.write(&time_line("Started on", world))?;
    }
    output.write(&globals.script)?;
    if !(request.globals_only || request.roles_only || request.tablespaces_only) {
        if !globals.databases.is_empty() {
            output.write(cluster::databases_heading())?;
        }
        for name in &globals.excluded {
            speaker.info(&format!("excluding database \"{name}\""));
        }
        for name in &globals.databases {
            speaker.info(&format!("dumping database \"{name}\""));
            output.write(&cluster::database_heading(name))?;
            if !dump_database(&request, name, &params, &mut output, world)? {
                return Err(Error::new(
                    ErrorKind::Server,
                    format!("pg_dump failed on database \"{name}\", exiting"),
                ));
            }
        }
    }
    if request.verbose {
        output.write(&time_line("Completed on", world))?;
    }
    output.write(cluster::trailer())?;
    output.finish(request.no_sync)?;
    Ok(ExitCode::SUCCESS)
}

/// Reads the globals over the database asked for, or `postgres`, or `template1`; asks for the password
/// first with `-W`, or after a login that needed one.
async fn read_globals(
    request: &Request,
    mut params: ConnectParams,
    key: &str,
    progress: &ProgressHandle,
    world: &World,
) -> Result<(Globals, ConnectParams)> {
    if request.ask_first {
        params = connection::ask_password(params).await?;
    }
    let mut databases: Vec<&str> = match &request.database {
        Some(name) => vec![name],
        None => vec!["template1", "postgres"],
    };
    let mut may_ask = world.can_ask && !request.never_ask && !request.ask_first;
    loop {
        let Some(&database) = databases.last() else {
            return Err(Error::new(ErrorKind::Internal, "there is no database to connect to"));
        };
        let options = request.globals_options(params.with_database(database), key);
        match globals(&options, progress).await {
            Err(error) if may_ask && connection::wants_password(&error) => {
                params = connection::ask_password(params).await?;
                may_ask = false;
            }
            Err(error) if error.kind() == ErrorKind::Connection && databases.len() > 1 => {
                databases.pop();
            }
            // The stock tool looks for the database with -l, and does not repeat why it is not there.
            Err(error) if error.kind() == ErrorKind::Connection && request.database.is_some() => {
                let words = format!("could not connect to database \"{database}\"");
                return Err(error.in_stock_words(words));
            }
            outcome => return Ok((outcome?, params)),
        }
    }
}

/// Lets `pg_dump` append its script of one database, and tells whether it did.
///
/// `template1` and `postgres` are there in every server, so they are filled, or with `--clean` dropped
/// and made anew; what comes before them in the script is connected elsewhere then.
fn dump_database(
    request: &Request,
    name: &str,
    params: &ConnectParams,
    output: &mut Output,
    world: &World,
) -> Result<bool> {
    let mut arguments = request.passed.clone();
    match (cluster::exists_everywhere(name), request.clean) {
        (true, true) => arguments.extend(["--clean".into(), "--create".into()]),
        (true, false) => output.write(&format!("\\connect {name}\n\n"))?,
        (false, _) => arguments.push("--create".into()),
    }
    output.flush()?;
    if let Some(file) = &request.file {
        arguments.extend(["--format=append".into(), "--file".into(), getopt::argument(file)]);
    }
    if name.contains(['\n', '\r']) {
        // The stock tool cannot hand such a name to a shell, and psql could not connect to it.
        let what = "shell command argument contains a newline or carriage return";
        return Err(Error::new(ErrorKind::Usage, format!("{what}: \" dbname='{name}'\"")));
    }
    let target = params.with_database(name);
    let code = pg_dump::run_on("pg_dump".to_owned(), arguments, Some(&target), world);
    Ok(code == ExitCode::SUCCESS)
}

fn time_line(what: &str, world: &World) -> String {
    format!("-- {what} {}\n\n", world.now().format("%Y-%m-%d %H:%M:%S %Z"))
}

/// The script's file, or standard output.
struct Output {
    file: Option<(File, String)>,
}

impl Output {
    fn open(name: Option<&str>) -> Result<Output> {
        let open = |name: &str| {
            let mut options = File::options();
            // Appending, because pg_dump writes to the same file in between.
            options.create(true).append(true);
            File::create(text::path(name))
                .and_then(|_| options.open(text::path(name)))
                .context(ErrorKind::Storage, || format!("could not open output file \"{name}\""))
        };
        let file = name.map(|name| Ok::<_, Error>((open(name)?, name.to_owned()))).transpose()?;
        Ok(Output { file })
    }

    fn write(&mut self, words: &str) -> Result<()> {
        let bytes = text::encode(words);
        match &mut self.file {
            Some((file, _)) => file.write_all(&bytes),
            None => std::io::stdout().lock().write_all(&bytes),
        }
        .context(ErrorKind::Storage, || format!("could not write to {}", self.describe()))
    }

    fn flush(&mut self) -> Result<()> {
        std::io::stdout()
            .lock()
            .flush()
            .context(ErrorKind::Storage, || format!("could not write to {}", self.describe()))
    }

    /// Waits until a file is on disk; a file system that cannot say so is none of pg_dumpall's errors.
    fn finish(mut self, no_sync: bool) -> Result<()> {
        self.flush()?;
        if let Some((file, _)) = self.file.filter(|_| !no_sync) {
            let _ = file.sync_all();
        }
        Ok(())
    }

    fn describe(&self) -> String {
        match &self.file {
            Some((_, name)) => format!("output file \"{name}\""),
            None => "standard output".to_owned(),
        }
    }
}
