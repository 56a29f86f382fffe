//! What was typed after `pg_dump`: its options as a table, read one by one, with what is wrong with a
//! single one of them.
//!
//! Authority: `main` of `pg_dump.c` in PostgreSQL 18.

use std::ffi::OsString;

use super::super::filter_file::filter_dump;
use super::super::getopt::{Getopt, Misuse, Table, Takes};
use super::super::integer::parse_integer;
use crate::error::{Error, ErrorKind, Result};
use crate::model::Section;
use crate::select::{SelectionRequest, TablePattern};

/// An option, whatever its spelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Id {
    BinaryUpgrade,
    Clean,
    ColumnInserts,
    Compress,
    Create,
    DataOnly,
    Dbname,
    DisableDollarQuoting,
    DisableTriggers,
    EnableRowSecurity,
    Encoding,
    ExcludeExtension,
    ExcludeSchema,
    ExcludeTable,
    ExcludeTableAndChildren,
    ExcludeTableData,
    ExcludeTableDataAndChildren,
    Extension,
    ExtraFloatDigits,
    File,
    Filter,
    Format,
    /// Known as `--help` in the first place only.
    Help,
    Host,
    IfExists,
    IncludeForeignData,
    Inserts,
    Jobs,
    LargeObjects,
    LoadViaPartitionRoot,
    LockWaitTimeout,
    NoComments,
    NoData,
    NoLargeObjects,
    NoOwner,
    NoPassword,
    NoPolicies,
    NoPrivileges,
    NoPublications,
    NoReconnect,
    NoSchema,
    NoSecurityLabels,
    NoStatistics,
    NoSubscriptions,
    NoSync,
    NoTableAccessMethod,
    NoTablespaces,
    NoToastCompression,
    NoUnloggedTableData,
    OnConflictDoNothing,
    Password,
    Port,
    QuoteAllIdentifiers,
    RestrictKey,
    Role,
    RowsPerInsert,
    Schema,
    SchemaOnly,
    Section,
    SequenceData,
    SerializableDeferrable,
    Snapshot,
    Statistics,
    StatisticsOnly,
    StrictNames,
    Superuser,
    SyncMethod,
    Table,
    TableAndChildren,
    UseSetSessionAuthorization,
    Username,
    Verbose,
    /// `-X`, which pg_dump takes and then refuses, and `--version` in a later place.
    Refused,
}

const TABLE: Table<Id> = {
    use Takes::{Nothing, Value};
    Table {
        // The order is pg_dump's: an ambiguity lists the candidates in it.
        long: &[
            ("data-only", Nothing, Id::DataOnly),
            ("blobs", Nothing, Id::LargeObjects),
            ("large-objects", Nothing, Id::LargeObjects),
            ("no-blobs", Nothing, Id::NoLargeObjects),
            ("no-large-objects", Nothing, Id::NoLargeObjects),
            ("clean", Nothing, Id::Clean),
            ("create", Nothing, Id::Create),
            ("dbname", Value, Id::Dbname),
            ("extension", Value, Id::Extension),
            ("file", Value, Id::File),
            ("format", Value, Id::Format),
            ("host", Value, Id::Host),
            ("jobs", Value, Id::Jobs),
            ("no-reconnect", Nothing, Id::NoReconnect),
            ("no-owner", Nothing, Id::NoOwner),
            ("port", Value, Id::Port),
            ("schema", Value, Id::Schema),
            ("exclude-schema", Value, Id::ExcludeSchema),
            ("schema-only", Nothing, Id::SchemaOnly),
            ("superuser", Value, Id::Superuser),
            ("table", Value, Id::Table),
            ("exclude-table", Value, Id::ExcludeTable),
            ("no-password", Nothing, Id::NoPassword),
            ("password", Nothing, Id::Password),
            ("username", Value, Id::Username),
            ("verbose", Nothing, Id::Verbose),
            ("no-privileges", Nothing, Id::NoPrivileges),
            ("no-acl", Nothing, Id::NoPrivileges),
            ("compress", Value, Id::Compress),
            ("encoding", Value, Id::Encoding),
            ("help", Nothing, Id::Help),
            ("version", Nothing, Id::Refused),
            ("attribute-inserts", Nothing, Id::ColumnInserts),
            ("binary-upgrade", Nothing, Id::BinaryUpgrade),
            ("column-inserts", Nothing, Id::ColumnInserts),
            ("disable-dollar-quoting", Nothing, Id::DisableDollarQuoting),
            ("disable-triggers", Nothing, Id::DisableTriggers),
            ("enable-row-security", Nothing, Id::EnableRowSecurity),
            ("exclude-table-data", Value, Id::ExcludeTableData),
            ("extra-float-digits", Value, Id::ExtraFloatDigits),
            ("if-exists", Nothing, Id::IfExists),
            ("inserts", Nothing, Id::Inserts),
            ("lock-wait-timeout", Value, Id::LockWaitTimeout),
            ("no-table-access-method", Nothing, Id::NoTableAccessMethod),
            ("no-tablespaces", Nothing, Id::NoTablespaces),
            ("quote-all-identifiers", Nothing, Id::QuoteAllIdentifiers),
            ("load-via-partition-root", Nothing, Id::LoadViaPartitionRoot),
            ("role", Value, Id::Role),
            ("section", Value, Id::Section),
            ("serializable-deferrable", Nothing, Id::SerializableDeferrable),
            ("snapshot", Value, Id::Snapshot),
            ("statistics", Nothing, Id::Statistics),
            ("statistics-only", Nothing, Id::StatisticsOnly),
            ("strict-names", Nothing, Id::StrictNames),
            ("use-set-session-authorization", Nothing, Id::UseSetSessionAuthorization),
            ("no-comments", Nothing, Id::NoComments),
            ("no-data", Nothing, Id::NoData),
            ("no-policies", Nothing, Id::NoPolicies),
            ("no-publications", Nothing, Id::NoPublications),
            ("no-schema", Nothing, Id::NoSchema),
            ("no-security-labels", Nothing, Id::NoSecurityLabels),
            ("no-statistics", Nothing, Id::NoStatistics),
            ("no-subscriptions", Nothing, Id::NoSubscriptions),
            ("no-toast-compression", Nothing, Id::NoToastCompression),
            ("no-unlogged-table-data", Nothing, Id::NoUnloggedTableData),
            ("no-sync", Nothing, Id::NoSync),
            ("on-conflict-do-nothing", Nothing, Id::OnConflictDoNothing),
            ("rows-per-insert", Value, Id::RowsPerInsert),
            ("include-foreign-data", Value, Id::IncludeForeignData),
            ("table-and-children", Value, Id::TableAndChildren),
            ("exclude-table-and-children", Value, Id::ExcludeTableAndChildren),
            ("exclude-table-data-and-children", Value, Id::ExcludeTableDataAndChildren),
            ("sync-method", Value, Id::SyncMethod),
            ("filter", Value, Id::Filter),
            ("exclude-extension", Value, Id::ExcludeExtension),
            ("sequence-data", Nothing, Id::SequenceData),
            ("restrict-key", Value, Id::RestrictKey),
        ],
        short: &[
            (b'a', Nothing, Id::DataOnly),
            (b'b', Nothing, Id::LargeObjects),
            (b'B', Nothing, Id::NoLargeObjects),
            (b'c', Nothing, Id::Clean),
            (b'C', Nothing, Id::Create),
            (b'd', Value, Id::Dbname),
            (b'e', Value, Id::Extension),
            (b'E', Value, Id::Encoding),
            (b'f', Value, Id::File),
            (b'F', Value, Id::Format),
            (b'h', Value, Id::Host),
            (b'j', Value, Id::Jobs),
            (b'n', Value, Id::Schema),
            (b'N', Value, Id::ExcludeSchema),
            (b'O', Nothing, Id::NoOwner),
            (b'p', Value, Id::Port),
            (b'R', Nothing, Id::NoReconnect),
            (b's', Nothing, Id::SchemaOnly),
            (b'S', Value, Id::Superuser),
            (b't', Value, Id::Table),
            (b'T', Value, Id::ExcludeTable),
            (b'U', Value, Id::Username),
            (b'v', Nothing, Id::Verbose),
            (b'w', Nothing, Id::NoPassword),
            (b'W', Nothing, Id::Password),
            (b'x', Nothing, Id::NoPrivileges),
            (b'X', Nothing, Id::Refused),
            (b'Z', Value, Id::Compress),
        ],
    }
};

/// Whether somebody is asked for the password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::cli::drop_in) enum Prompt {
    /// When the server wants one.
    #[default]
    WhenNeeded,
    /// Never.
    Never,
    /// Before connecting.
    First,
}

/// The options of one run.
#[derive(Debug, Clone, Default)]
pub(super) struct Typed {
    /// Those without a value.
    flags: std::collections::BTreeSet<Id>,
    /// The last value of those that have one and are no lists.
    values: std::collections::BTreeMap<Id, String>,
    pub(super) selection: SelectionRequest,
    pub(super) sections: Vec<Section>,
    pub(super) jobs: usize,
    pub(super) extra_float_digits: Option<i32>,
    pub(super) rows_per_insert: Option<usize>,
    pub(super) prompt: Prompt,
    pub(super) database: Option<String>,
}

/// Why the arguments cannot be used.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The C library does not understand them.
    Misuse(Misuse),
    /// pg_dump takes the option and points to its help.
    Help,
    /// pg_dump complains.
    Error(Error),
    /// pg_dump complains and points to its help.
    ErrorWithHelp(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Refusal::Error(error)
    }
}

fn usage(message: String) -> Error {
    Error::new(ErrorKind::Usage, message)
}

impl Typed {
    /// Reads the arguments behind the name of the tool.
    pub(super) fn read(arguments: Vec<OsString>) -> Result<Typed, Refusal> {
        let mut typed = Typed { jobs: 1, ..Typed::default() };
        let mut getopt = Getopt::new(&TABLE, arguments);
        while let Some((id, value)) = getopt.next().map_err(Refusal::Misuse)? {
            typed.take(id, value)?;
        }
        let mut operands = getopt.operands().into_iter();
        if !typed.values.contains_key(&Id::Dbname) {
            typed.database = operands.next();
        }
        match operands.next() {
            Some(operand) => Err(Refusal::ErrorWithHelp(usage(format!(
                "too many command-line arguments (first is \"{operand}\")"
            )))),
            None => Ok(typed),
        }
    }

    /// Tells whether a flag was given.
    pub(super) fn has(&self, id: Id) -> bool {
        self.flags.contains(&id)
    }

    /// Returns the value of an option that was given.
    pub(super) fn value(&self, id: Id) -> Option<&str> {
        self.values.get(&id).map(String::as_str)
    }

    fn take(&mut self, id: Id, value: String) -> Result<(), Refusal> {
        let selection = &mut self.selection;
        let family = |text: String| TablePattern { text, with_children: true };
        match id {
            Id::Help | Id::Refused => return Err(Refusal::Help),
            Id::Schema => selection.schemas.push(value),
            Id::ExcludeSchema => selection.exclude_schemas.push(value),
            Id::Table => selection.tables.push(TablePattern::new(value)),
            Id::ExcludeTable => selection.exclude_tables.push(TablePattern::new(value)),
            Id::TableAndChildren => selection.tables.push(family(value)),
            Id::ExcludeTableAndChildren => selection.exclude_tables.push(family(value)),
            Id::ExcludeTableData => selection.exclude_table_data.push(TablePattern::new(value)),
            Id::ExcludeTableDataAndChildren => selection.exclude_table_data.push(family(value)),
            Id::Extension => selection.extensions.push(value),
            Id::ExcludeExtension => selection.exclude_extensions.push(value),
            Id::IncludeForeignData => selection.foreign_servers.push(value),
            Id::StrictNames => selection.strict_names = true,
            Id::Filter => filter_dump(&value, selection)?,
            Id::Jobs => {
                let jobs = parse_integer(&value, "-j/--jobs", 1, i32::MAX)?;
                self.jobs = usize::try_from(jobs).unwrap_or(1);
            }
            Id::ExtraFloatDigits => {
                let digits = parse_integer(&value, "--extra-float-digits", -15, 3)?;
                self.extra_float_digits = Some(digits);
            }
            Id::RowsPerInsert => {
                let rows = parse_integer(&value, "--rows-per-insert", 1, i32::MAX)?;
                self.rows_per_insert = usize::try_from(rows).ok();
            }
            Id::Section => self.sections.push(match value.as_str() {
                "pre-data" => Section::PreData,
                "data" => Section::Data,
                "post-data" => Section::PostData,
                _ => {
                    let message = format!("unrecognized section name: \"{value}\"");
                    return Err(Refusal::ErrorWithHelp(usage(message)));
                }
            }),
            Id::SyncMethod if !["fsync", "syncfs"].contains(&value.as_str()) => {
                return Err(usage(format!("unrecognized sync method: {value}")).into());
            }
            Id::Password => self.prompt = Prompt::First,
            Id::NoPassword => self.prompt = Prompt::Never,
            _ if TABLE
                .long
                .iter()
                .any(|(_, takes, other)| *other == id && *takes == Takes::Value) =>
            {
                self.values.insert(id, value);
            }
            _ => {
                self.flags.insert(id);
            }
        }
        Ok(())
    }
}
