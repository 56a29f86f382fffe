//! The options of `pg_restore`: what was typed, and what of it contradicts itself.
//!
//! Authority: `main` of `pg_restore.c` in PostgreSQL 18. The order of the checks is its order, because the
//! first one that fails is the one that is told.

use std::ffi::OsString;

use crate::archive::ArchiveFormat;
use crate::archive::selection::RestoreSelection;
use crate::cli::drop_in::filter_file::filter_restore;
use crate::cli::drop_in::getopt::{Getopt, Misuse, Table, Takes};
use crate::cli::drop_in::integer::parse_integer;
use crate::cli::drop_in::messages::Speaker;
use crate::error::{Error, ErrorKind, Result};
use crate::model::Section;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Id {
    DataOnly,
    Clean,
    Create,
    Dbname,
    ExitOnError,
    ExcludeSchema,
    File,
    Format,
    Function,
    Host,
    Index,
    Jobs,
    List,
    NoPrivileges,
    NoOwner,
    NoReconnect,
    Port,
    NoPassword,
    Password,
    Schema,
    SchemaOnly,
    Superuser,
    Table,
    Trigger,
    UseList,
    Username,
    Verbose,
    SingleTransaction,
    DisableTriggers,
    EnableRowSecurity,
    IfExists,
    NoDataForFailedTables,
    NoTableAccessMethod,
    NoTablespaces,
    Role,
    Section,
    StrictNames,
    TransactionSize,
    SessionAuthorization,
    NoComments,
    NoData,
    NoPolicies,
    NoPublications,
    NoSchema,
    NoSecurityLabels,
    NoSubscriptions,
    NoStatistics,
    Statistics,
    StatisticsOnly,
    Filter,
    RestrictKey,
}

const TABLE: Table<Id> = Table {
    long: &[
        ("clean", Takes::Nothing, Id::Clean),
        ("create", Takes::Nothing, Id::Create),
        ("data-only", Takes::Nothing, Id::DataOnly),
        ("dbname", Takes::Value, Id::Dbname),
        ("exit-on-error", Takes::Nothing, Id::ExitOnError),
        ("exclude-schema", Takes::Value, Id::ExcludeSchema),
        ("file", Takes::Value, Id::File),
        ("format", Takes::Value, Id::Format),
        ("function", Takes::Value, Id::Function),
        ("host", Takes::Value, Id::Host),
        ("index", Takes::Value, Id::Index),
        ("jobs", Takes::Value, Id::Jobs),
        ("list", Takes::Nothing, Id::List),
        ("no-privileges", Takes::Nothing, Id::NoPrivileges),
        ("no-acl", Takes::Nothing, Id::NoPrivileges),
        ("no-owner", Takes::Nothing, Id::NoOwner),
        ("no-reconnect", Takes::Nothing, Id::NoReconnect),
        ("port", Takes::Value, Id::Port),
        ("no-password", Takes::Nothing, Id::NoPassword),
        ("password", Takes::Nothing, Id::Password),
        ("schema", Takes::Value, Id::Schema),
        ("schema-only", Takes::Nothing, Id::SchemaOnly),
        ("superuser", Takes::Value, Id::Superuser),
        ("table", Takes::Value, Id::Table),
        ("trigger", Takes::Value, Id::Trigger),
        ("use-list", Takes::Value, Id::UseList),
        ("username", Takes::Value, Id::Username),
        ("verbose", Takes::Nothing, Id::Verbose),
        ("single-transaction", Takes::Nothing, Id::SingleTransaction),
        ("disable-triggers", Takes::Nothing, Id::DisableTriggers),
        ("enable-row-security", Takes::Nothing, Id::EnableRowSecurity),
        ("if-exists", Takes::Nothing, Id::IfExists),
        ("no-data-for-failed-tables", Takes::Nothing, Id::NoDataForFailedTables),
        ("no-table-access-method", Takes::Nothing, Id::NoTableAccessMethod),
        ("no-tablespaces", Takes::Nothing, Id::NoTablespaces),
        ("role", Takes::Value, Id::Role),
        ("section", Takes::Value, Id::Section),
        ("strict-names", Takes::Nothing, Id::StrictNames),
        ("transaction-size", Takes::Value, Id::TransactionSize),
        ("use-set-session-authorization", Takes::Nothing, Id::SessionAuthorization),
        ("no-comments", Takes::Nothing, Id::NoComments),
        ("no-data", Takes::Nothing, Id::NoData),
        ("no-policies", Takes::Nothing, Id::NoPolicies),
        ("no-publications", Takes::Nothing, Id::NoPublications),
        ("no-schema", Takes::Nothing, Id::NoSchema),
        ("no-security-labels", Takes::Nothing, Id::NoSecurityLabels),
        ("no-subscriptions", Takes::Nothing, Id::NoSubscriptions),
        ("no-statistics", Takes::Nothing, Id::NoStatistics),
        ("statistics", Takes::Nothing, Id::Statistics),
        ("statistics-only", Takes::Nothing, Id::StatisticsOnly),
        ("filter", Takes::Value, Id::Filter),
        ("restrict-key", Takes::Value, Id::RestrictKey),
    ],
    short: &[
        (b'a', Takes::Nothing, Id::DataOnly),
        (b'c', Takes::Nothing, Id::Clean),
        (b'C', Takes::Nothing, Id::Create),
        (b'd', Takes::Value, Id::Dbname),
        (b'e', Takes::Nothing, Id::ExitOnError),
        (b'f', Takes::Value, Id::File),
        (b'F', Takes::Value, Id::Format),
        (b'h', Takes::Value, Id::Host),
        (b'I', Takes::Value, Id::Index),
        (b'j', Takes::Value, Id::Jobs),
        (b'l', Takes::Nothing, Id::List),
        (b'L', Takes::Value, Id::UseList),
        (b'n', Takes::Value, Id::Schema),
        (b'N', Takes::Value, Id::ExcludeSchema),
        (b'O', Takes::Nothing, Id::NoOwner),
        (b'p', Takes::Value, Id::Port),
        (b'P', Takes::Value, Id::Function),
        (b'R', Takes::Nothing, Id::NoReconnect),
        (b's', Takes::Nothing, Id::SchemaOnly),
        (b'S', Takes::Value, Id::Superuser),
        (b't', Takes::Value, Id::Table),
        (b'T', Takes::Value, Id::Trigger),
        (b'U', Takes::Value, Id::Username),
        (b'v', Takes::Nothing, Id::Verbose),
        (b'w', Takes::Nothing, Id::NoPassword),
        (b'W', Takes::Nothing, Id::Password),
        (b'x', Takes::Nothing, Id::NoPrivileges),
        (b'1', Takes::Nothing, Id::SingleTransaction),
    ],
};

/// What was asked for.
#[derive(Debug, Default)]
pub(super) struct Request {
    /// The archive; standard input without one.
    pub(super) archive: Option<String>,
    pub(super) dbname: Option<String>,
    pub(super) file: Option<String>,
    pub(super) host: Option<String>,
    pub(super) port: Option<String>,
    pub(super) username: Option<String>,
    pub(super) never_ask: bool,
    pub(super) ask_first: bool,
    pub(super) jobs: i32,
    pub(super) list: bool,
    pub(super) use_list: Option<String>,
    pub(super) clean: bool,
    pub(super) if_exists: bool,
    pub(super) exit_on_error: bool,
    pub(super) no_owner: bool,
    pub(super) superuser: Option<String>,
    pub(super) verbose: bool,
    pub(super) single_transaction: bool,
    pub(super) transaction_size: Option<i32>,
    pub(super) disable_triggers: bool,
    pub(super) row_security: bool,
    pub(super) no_data_for_failed_tables: bool,
    pub(super) no_table_access_method: bool,
    pub(super) no_tablespaces: bool,
    pub(super) role: Option<String>,
    pub(super) strict_names: bool,
    pub(super) session_authorization: bool,
    pub(super) restrict_key: Option<String>,
    pub(super) format: Option<ArchiveFormat>,
    /// What of the archive is wanted.
    pub(super) selection: RestoreSelection,
    format_name: Option<String>,
    parts: Parts,
}

/// The options about definitions, rows and statistics.
#[derive(Debug, Default)]
struct Parts {
    data_only: bool,
    schema_only: bool,
    statistics_only: bool,
    no_data: bool,
    no_schema: bool,
    no_statistics: bool,
    statistics: bool,
}

/// Why the arguments cannot be used.
pub(super) enum Refusal {
    /// They are no arguments of this tool.
    Misuse(Misuse),
    /// They are, and make no sense.
    Error(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Refusal::Error(error)
    }
}

/// Reads the arguments.
pub(super) fn read(arguments: Vec<OsString>, speaker: &Speaker) -> Result<Request, Refusal> {
    let mut request = Request { jobs: 1, ..Request::default() };
    let mut getopt = Getopt::new(&TABLE, arguments);
    while let Some((id, value)) = getopt.next().map_err(Refusal::Misuse)? {
        request.take(id, value, speaker)?;
    }
    let mut operands = getopt.operands().into_iter();
    request.archive = operands.next();
    if let Some(excess) = operands.next() {
        let message = format!("too many command-line arguments (first is \"{excess}\")");
        return Err(speaker.misused(message).into());
    }
    request.check(speaker)?;
    Ok(request)
}

impl Request {
    fn take(&mut self, id: Id, value: String, speaker: &Speaker) -> Result<()> {
        // Some values count as not given when they are empty.
        let given = |value: String| Some(value).filter(|value| !value.is_empty());
        match id {
            Id::DataOnly => self.parts.data_only = true,
            Id::Clean => self.clean = true,
            Id::Create => self.selection.create = true,
            Id::Dbname => self.dbname = Some(value),
            Id::ExitOnError => self.exit_on_error = true,
            Id::ExcludeSchema => self.selection.exclude_schemas.push(value),
            Id::File => self.file = Some(value),
            Id::Format => self.format_name = given(value).or(self.format_name.take()),
            Id::Function => self.selection.functions.push(value),
            Id::Host => self.host = given(value).or(self.host.take()),
            Id::Index => self.selection.indexes.push(value),
            Id::Jobs => self.jobs = parse_integer(&value, "-j/--jobs", 1, i32::MAX)?,
            Id::List => self.list = true,
            Id::NoPrivileges => self.selection.no_privileges = true,
            Id::NoOwner => self.no_owner = true,
            Id::NoReconnect => {}
            Id::Port => self.port = given(value).or(self.port.take()),
            Id::NoPassword => (self.never_ask, self.ask_first) = (true, false),
            Id::Password => (self.never_ask, self.ask_first) = (false, true),
            Id::Schema => self.selection.schemas.push(value),
            Id::SchemaOnly => self.parts.schema_only = true,
            Id::Superuser => self.superuser = given(value).or(self.superuser.take()),
            Id::Table => self.selection.tables.push(value),
            Id::Trigger => self.selection.triggers.push(value),
            Id::UseList => self.use_list = Some(value),
            Id::Username => self.username = Some(value),
            Id::Verbose => {
                self.verbose = true;
                speaker.be_verbose();
            }
            Id::SingleTransaction => self.single_transaction = true,
            Id::DisableTriggers => self.disable_triggers = true,
            Id::EnableRowSecurity => self.row_security = true,
            Id::IfExists => self.if_exists = true,
            Id::NoDataForFailedTables => self.no_data_for_failed_tables = true,
            Id::NoTableAccessMethod => self.no_table_access_method = true,
            Id::NoTablespaces => self.no_tablespaces = true,
            Id::Role => self.role = Some(value),
            Id::Section => self.selection.sections.push(section(&value, speaker)?),
            Id::StrictNames => self.strict_names = true,
            Id::TransactionSize => {
                let size = parse_integer(&value, "--transaction-size", 1, i32::MAX)?;
                self.transaction_size = Some(size);
            }
            Id::SessionAuthorization => self.session_authorization = true,
            Id::NoComments => self.selection.no_comments = true,
            Id::NoData => self.parts.no_data = true,
            Id::NoPolicies => self.selection.no_policies = true,
            Id::NoPublications => self.selection.no_publications = true,
            Id::NoSchema => self.parts.no_schema = true,
            Id::NoSecurityLabels => self.selection.no_security_labels = true,
            Id::NoSubscriptions => self.selection.no_subscriptions = true,
            Id::NoStatistics => self.parts.no_statistics = true,
            Id::Statistics => self.parts.statistics = true,
            Id::StatisticsOnly => self.parts.statistics_only = true,
            Id::Filter => filter_restore(&value, &mut self.selection)?,
            Id::RestrictKey => self.restrict_key = Some(value),
        }
        Ok(())
    }

    fn check(&mut self, speaker: &Speaker) -> Result<()> {
        let usage = |message: String| Err(Error::new(ErrorKind::Usage, message));
        let exclusive =
            |one: &str, other: &str| format!("options {one} and {other} cannot be used together");
        if self.dbname.is_none() && self.file.is_none() && !self.list {
            return usage("one of -d/--dbname and -f/--file must be specified".to_owned());
        }
        if self.dbname.is_some() && self.file.is_some() {
            return Err(speaker.misused(exclusive("-d/--dbname", "-f/--file")));
        }
        if self.dbname.is_some() && self.restrict_key.is_some() {
            return usage(exclusive("-d/--dbname", "--restrict-key"));
        }
        let key = self.restrict_key.as_deref().unwrap_or("a");
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return usage("invalid restrict key".to_owned());
        }
        let parts = &self.parts;
        let (data_only, schema_only) = ("-a/--data-only", "-s/--schema-only");
        let conflicts = [
            (parts.data_only && parts.schema_only, schema_only, data_only),
            (parts.schema_only && parts.statistics_only, schema_only, "--statistics-only"),
            (parts.data_only && parts.statistics_only, data_only, "--statistics-only"),
            (parts.data_only && parts.no_data, data_only, "--no-data"),
            (parts.schema_only && parts.no_schema, schema_only, "--no-schema"),
            (parts.statistics_only && parts.no_statistics, "--statistics-only", "--no-statistics"),
            (parts.statistics && parts.no_statistics, "--statistics", "--no-statistics"),
            (parts.data_only && parts.statistics, data_only, "--statistics"),
            (parts.schema_only && parts.statistics, schema_only, "--statistics"),
            (parts.data_only && self.clean, "-c/--clean", data_only),
            (
                self.single_transaction && self.transaction_size.is_some(),
                "-1/--single-transaction",
                "--transaction-size",
            ),
            (
                self.selection.create && self.single_transaction,
                "-C/--create",
                "-1/--single-transaction",
            ),
        ];
        if let Some((_, one, other)) = conflicts.into_iter().find(|(both, _, _)| *both) {
            return usage(exclusive(one, other));
        }
        if self.single_transaction && self.jobs > 1 {
            return usage("cannot specify both --single-transaction and multiple jobs".to_owned());
        }
        if self.if_exists && !self.clean {
            return usage("option --if-exists requires option -c/--clean".to_owned());
        }
        self.format = match &self.format_name {
            None => None,
            Some(name) => Some(format(name)?),
        };
        let only = parts.data_only || parts.schema_only || parts.statistics_only;
        self.selection.data = (parts.data_only || !only) && !parts.no_data;
        self.selection.schema = (parts.schema_only || !only) && !parts.no_schema;
        self.selection.statistics =
            (parts.statistics_only || parts.statistics || !only) && !parts.no_statistics;
        Ok(())
    }
}

fn section(name: &str, speaker: &Speaker) -> Result<Section> {
    match name {
        "pre-data" => Ok(Section::PreData),
        "data" => Ok(Section::Data),
        "post-data" => Ok(Section::PostData),
        _ => Err(speaker.misused(format!("unrecognized section name: \"{name}\""))),
    }
}

fn format(name: &str) -> Result<ArchiveFormat> {
    let message = match name.to_ascii_lowercase().as_str() {
        "c" | "custom" => return Ok(ArchiveFormat::Custom),
        "d" | "directory" => return Ok(ArchiveFormat::Directory),
        "t" | "tar" => return Ok(ArchiveFormat::Tar),
        "p" | "plain" => format!("archive format \"{name}\" is not supported; please use psql"),
        _ => {
            format!("unrecognized archive format \"{name}\"; please specify \"c\", \"d\", or \"t\"")
        }
    };
    Err(Error::new(ErrorKind::Usage, message))
}
