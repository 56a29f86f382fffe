//! From what was typed to [`DumpOptions`], with pg_dump's complaints about what cannot go together, in
//! its order.
//!
//! Authority: `main` of `pg_dump.c` in PostgreSQL 18.

use std::path::Path;

use super::super::super::world::World;
use super::super::restrict_key;
use super::typed::{Id, Typed};
use crate::archive::ArchiveFormat;
use crate::archive::script::ScriptChoices;
use crate::catalog::Transaction;
use crate::codec::{Algorithm, Compression};
use crate::connect::ConnectParams;
use crate::ddl::{Fidelity, Inserts, RowForm};
use crate::dump::{DumpContent, DumpOptions, Omissions, Output};
use crate::error::{Error, ErrorKind, Result};
use crate::select::LargeObjectChoice;
use crate::sql::{Quoting, text};
use crate::store::Existing;

fn usage<T>(message: impl Into<String>) -> Result<T> {
    Err(Error::new(ErrorKind::Usage, message))
}

/// The pairs of options that exclude each other, in the order in which they are noticed.
const CONFLICTS: [(Id, &str, Id, &str); 9] = [
    (Id::SchemaOnly, "-s/--schema-only", Id::DataOnly, "-a/--data-only"),
    (Id::SchemaOnly, "-s/--schema-only", Id::StatisticsOnly, "--statistics-only"),
    (Id::DataOnly, "-a/--data-only", Id::StatisticsOnly, "--statistics-only"),
    (Id::DataOnly, "-a/--data-only", Id::NoData, "--no-data"),
    (Id::SchemaOnly, "-s/--schema-only", Id::NoSchema, "--no-schema"),
    (Id::StatisticsOnly, "--statistics-only", Id::NoStatistics, "--no-statistics"),
    (Id::Statistics, "--statistics", Id::NoStatistics, "--no-statistics"),
    (Id::DataOnly, "-a/--data-only", Id::Statistics, "--statistics"),
    (Id::SchemaOnly, "-s/--schema-only", Id::Statistics, "--statistics"),
];

fn exclude_each_other<T>(one: &str, other: &str) -> Result<T> {
    usage(format!("options {one} and {other} cannot be used together"))
}

/// What is known before a connection is: everything but the connection itself.
#[derive(Debug, Clone)]
pub(super) struct Meant {
    format: ArchiveFormat,
    output: Output,
    compression: Compression,
    content: DumpContent,
    row_form: RowForm,
    restrict_key: String,
    /// What should be told about the options.
    pub(super) warning: Option<&'static str>,
}

impl Meant {
    /// Checks the options and works out what they mean.
    pub(super) fn new(typed: &Typed) -> Result<Meant> {
        for (one, one_name, other, other_name) in CONFLICTS {
            if typed.has(one) && typed.has(other) {
                return exclude_each_other(one_name, other_name);
            }
        }
        let foreign = !typed.selection.foreign_servers.is_empty();
        if typed.has(Id::SchemaOnly) && foreign {
            return exclude_each_other("-s/--schema-only", "--include-foreign-data");
        }
        if typed.jobs > 1 && foreign {
            return usage("option --include-foreign-data is not supported with parallel backup");
        }
        if typed.has(Id::DataOnly) && typed.has(Id::Clean) {
            return exclude_each_other("-c/--clean", "-a/--data-only");
        }
        if typed.has(Id::IfExists) && !typed.has(Id::Clean) {
            return usage("option --if-exists requires option -c/--clean");
        }
        let row_form = row_form(typed)?;
        let format = format(typed.value(Id::Format).unwrap_or("p"))?;
        let restrict_key = restrict_key(typed, format)?;
        let compression = compression(typed, format)?;
        if typed.jobs > 1 && format != ArchiveFormat::Directory {
            return usage("parallel backup only supported by the directory format");
        }
        Ok(Meant {
            format,
            output: output(typed, format, compression)?,
            compression,
            content: content(typed),
            row_form,
            restrict_key,
            warning: compression.warning(),
        })
    }

    /// Returns the options of the dump.
    pub(super) fn options(
        &self,
        typed: &Typed,
        connection: ConnectParams,
        world: &World,
    ) -> DumpOptions {
        let plain = self.format == ArchiveFormat::Plain;
        let text = |id: Id| typed.value(id).map(str::to_owned);
        DumpOptions {
            existing: match typed.value(Id::Format).map(str::to_ascii_lowercase).as_deref() {
                Some("a" | "append") => Existing::Append,
                _ => Existing::Replace,
            },
            spool_folder: world.temporary_directory.clone(),
            format: self.format,
            jobs: typed.jobs,
            compression: self.compression,
            selection: typed.selection.clone(),
            content: self.content,
            large_objects: match (typed.has(Id::LargeObjects), typed.has(Id::NoLargeObjects)) {
                (true, _) => LargeObjectChoice::Always,
                (_, true) => LargeObjectChoice::Never,
                _ => LargeObjectChoice::WithEverything,
            },
            sections: typed.sections.clone(),
            omit: Omissions {
                owners: plain && typed.has(Id::NoOwner),
                privileges: typed.has(Id::NoPrivileges),
                comments: typed.has(Id::NoComments),
                security_labels: typed.has(Id::NoSecurityLabels),
                policies: typed.has(Id::NoPolicies),
                publications: typed.has(Id::NoPublications),
                subscriptions: typed.has(Id::NoSubscriptions),
                toast_compression: typed.has(Id::NoToastCompression),
                tablespaces: typed.has(Id::NoTablespaces),
                access_methods: typed.has(Id::NoTableAccessMethod),
                unlogged_data: typed.has(Id::NoUnloggedTableData),
            },
            fidelity: Fidelity::PgDump,
            manifest: false,
            sync: !typed.has(Id::NoSync),
            quoting: match typed.has(Id::QuoteAllIdentifiers) {
                true => Quoting::Always,
                false => Quoting::WhenNeeded,
            },
            dollar_quoting: !typed.has(Id::DisableDollarQuoting),
            row_form: self.row_form,
            load_via_partition_root: typed.has(Id::LoadViaPartitionRoot),
            row_security: typed.has(Id::EnableRowSecurity),
            extra_float_digits: typed.extra_float_digits.unwrap_or(3),
            encoding: text(Id::Encoding),
            snapshot: text(Id::Snapshot),
            transaction: match typed.has(Id::SerializableDeferrable) {
                true => Transaction::SerializableDeferrable,
                false => Transaction::RepeatableRead,
            },
            binary_upgrade: typed.has(Id::BinaryUpgrade),
            script: ScriptChoices {
                restrict_key: self.restrict_key.clone(),
                clean: typed.has(Id::Clean),
                if_exists: typed.has(Id::IfExists),
                create: typed.has(Id::Create),
                disable_triggers: typed.has(Id::DisableTriggers),
                superuser: text(Id::Superuser),
                session_authorization: typed.has(Id::UseSetSessionAuthorization),
                verbose: typed.has(Id::Verbose),
                ..ScriptChoices::default()
            },
            lock_wait_timeout: text(Id::LockWaitTimeout),
            role: text(Id::Role),
            ..DumpOptions::new(connection, self.output.clone(), world.now())
        }
    }
}

fn content(typed: &Typed) -> DumpContent {
    let only = |id: Id| typed.has(id);
    let (schema_only, data_only, statistics_only) =
        (only(Id::SchemaOnly), only(Id::DataOnly), only(Id::StatisticsOnly));
    DumpContent {
        schema: !data_only && !statistics_only && !typed.has(Id::NoSchema),
        data: !schema_only && !statistics_only && !typed.has(Id::NoData),
        statistics: statistics_only || typed.has(Id::Statistics),
        sequence_values: typed.has(Id::SequenceData),
    }
}

fn row_form(typed: &Typed) -> Result<RowForm> {
    let columns = typed.has(Id::ColumnInserts);
    let inserts = columns || typed.has(Id::Inserts);
    let rows = match typed.rows_per_insert {
        Some(rows) => rows,
        None if inserts => 1,
        None if typed.has(Id::OnConflictDoNothing) => {
            return usage(
                "option --on-conflict-do-nothing requires option --inserts, --rows-per-insert, or \
                 --column-inserts",
            );
        }
        None => return Ok(RowForm::Copy),
    };
    let on_conflict_do_nothing = typed.has(Id::OnConflictDoNothing);
    Ok(RowForm::Inserts(Inserts { rows, columns, on_conflict_do_nothing }))
}

fn format(text: &str) -> Result<ArchiveFormat> {
    match text.to_ascii_lowercase().as_str() {
        "c" | "custom" => Ok(ArchiveFormat::Custom),
        "d" | "directory" => Ok(ArchiveFormat::Directory),
        // `append` is not documented; pg_dumpall asks for it.
        "p" | "plain" | "a" | "append" => Ok(ArchiveFormat::Plain),
        "t" | "tar" => Ok(ArchiveFormat::Tar),
        _ => usage(format!("invalid output format \"{text}\" specified")),
    }
}

/// Returns the key of a script; an archive has none.
fn restrict_key(typed: &Typed, format: ArchiveFormat) -> Result<String> {
    match typed.value(Id::RestrictKey) {
        Some(_) if format != ArchiveFormat::Plain => {
            usage("option --restrict-key can only be used with --format=plain")
        }
        asked => restrict_key::restrict_key(asked),
    }
}

fn compression(typed: &Typed, format: ArchiveFormat) -> Result<Compression> {
    match typed.value(Id::Compress) {
        Some(specification) => specification.parse(),
        None if matches!(format, ArchiveFormat::Custom | ArchiveFormat::Directory) => {
            Ok(Compression::new(Algorithm::Gzip))
        }
        None => Ok(Compression::NONE),
    }
}

/// Returns where to write; only for a script is `-` standard output.
fn output(typed: &Typed, format: ArchiveFormat, compression: Compression) -> Result<Output> {
    let file = typed.value(Id::File);
    match format {
        ArchiveFormat::Directory => {
            let Some(file) = file.filter(|file| !file.is_empty()) else {
                return usage("no output directory specified");
            };
            let path = text::path(file);
            if is_filled_directory(&path) {
                let message = format!("directory \"{file}\" is not empty");
                return Err(Error::new(ErrorKind::Refused, message));
            }
            Ok(path.into())
        }
        ArchiveFormat::Tar if compression.algorithm != Algorithm::None => {
            usage("compression is not supported by tar archive format")
        }
        ArchiveFormat::Plain if file == Some("-") => Ok(Output::Stdout),
        _ => Ok(match file {
            Some(file) => text::path(file).into(),
            None => Output::Stdout,
        }),
    }
}

fn is_filled_directory(path: &Path) -> bool {
    std::fs::read_dir(path).is_ok_and(|mut listing| listing.next().is_some())
}
