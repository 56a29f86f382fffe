//! The plan of a dump: what will be written, how large it is and how it is split.
//!
//! A plan is made with the locks held and the snapshot taken, and keeps both alive: what it says is what
//! [`DumpPlan::run`](super::DumpPlan::run) does. Dropping it lets go of everything.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;

use bytesize::ByteSize;
use serde::{Serialize, Serializer};

use super::globals::{Globals, GlobalsOptions, read_globals};
use super::insert_shapes;
use super::large_objects::{self, PlannedLargeObjects};
use super::options::DumpOptions;
use super::split::{self, Piece, PieceRange, Source, TableSize};
use crate::archive::selection::{self, RestoreSelection};
use crate::archive::{ArchiveFormat, ArchiveVersion, UNGROUPED_LARGE_OBJECTS};
use crate::catalog::{
    CatalogOptions, Keeper, KeeperOptions, LargeObjectReading, Obstacles, PatternEncoding,
    SessionSettings, TableName, Unreadable,
};
use crate::connect::Session;
use crate::ddl::inserts::InsertShape;
use crate::ddl::{self, DdlOptions, Fidelity, LargeObjectLayout, RowForm};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Database, DumpId, Kind, Oid, Section, TocEntry};
use crate::order;
use crate::progress::{Interrupt, ProgressHandle};
use crate::sql::quote_identifier;
use crate::store::{Existing, Output};

/// A dump that is ready to run: locks held, snapshot taken, catalogs read.
pub struct DumpPlan {
    pub(super) options: DumpOptions,
    pub(super) keeper: Keeper,
    pub(super) progress: ProgressHandle,
    pub(super) entries: Vec<TocEntry>,
    pub(super) version: ArchiveVersion,
    pub(super) tables: Vec<PlannedTable>,
    pub(super) large_objects: Vec<PlannedLargeObjects>,
    pub(super) reading: LargeObjectReading,
    pub(super) pieces: Vec<Piece>,
    pub(super) warnings: Vec<String>,
}

impl DumpPlan {
    /// Reads what the databases of the server share: in the snapshot of the dump, and over its session, since a role
    /// may be allowed no second one. Connection, role and encoding of the options are not used.
    ///
    /// # Errors
    ///
    /// As [`crate::dump::globals`]; the dump cannot be run then.
    pub async fn globals(&self, options: &GlobalsOptions) -> Result<Globals> {
        read_globals(&self.keeper.session, options, &self.progress).await
    }
}

/// A table whose rows are dumped.
#[derive(Debug, Clone)]
pub(super) struct PlannedTable {
    /// The id of its TABLE DATA entry.
    pub(super) dump_id: DumpId,
    pub(super) oid: Oid,
    pub(super) name: TableName,
    /// The raw names of the columns, in the order of the COPY text.
    pub(super) columns: Vec<String>,
    /// `WHERE ...` of an extension's configuration table, otherwise empty.
    pub(super) filter: String,
    /// Whether its rows lie on another server.
    pub(super) foreign: bool,
    /// What its INSERT statements look like, when its rows are not written as COPY text.
    pub(super) insert: Option<InsertShape>,
    pub(super) size: TableSize,
}

impl PlannedTable {
    /// Returns the statement that reads a range of the table as text, in pg_dump's form: people look for it
    /// in `pg_stat_activity` and in errors.
    pub(super) fn copy_statement(&self, range: PieceRange) -> String {
        format!("{};", self.copy_to_stdout(range))
    }

    /// Returns the statement that reads the whole table in binary form.
    pub(super) fn binary_copy_statement(&self) -> String {
        format!("{} WITH (FORMAT binary);", self.copy_to_stdout(PieceRange::Whole))
    }

    fn copy_to_stdout(&self, range: PieceRange) -> String {
        let table = self.name.sql();
        let columns = self
            .columns
            .iter()
            .map(|column| quote_identifier(column))
            .collect::<Vec<_>>()
            .join(", ");
        match range {
            PieceRange::Pages { .. } => format!(
                "COPY (SELECT {columns} FROM ONLY {table} WHERE {}) TO stdout",
                range.condition()
            ),
            _ if self.foreign || !self.filter.is_empty() => {
                let columns = if columns.is_empty() { "*".to_owned() } else { columns };
                format!("COPY (SELECT {columns} FROM {table} {}) TO stdout", self.filter)
            }
            _ if columns.is_empty() => format!("COPY {table} TO stdout"),
            _ => format!("COPY {table} ({columns}) TO stdout"),
        }
    }
}

/// Connects, locks, takes the snapshot, reads the catalogs and decides how the data will be read.
///
/// # Errors
///
/// [`ErrorKind::Refused`] when the output exists or the role may not read everything,
/// [`ErrorKind::Locked`] when a table could not be locked in time, [`ErrorKind::NotFound`] when the
/// selection matches nothing, and everything that connecting and reading can meet.
pub async fn plan(
    options: DumpOptions,
    progress: ProgressHandle,
    interrupt: &Interrupt,
) -> Result<DumpPlan> {
    // Found out now rather than after an hour of waiting for locks; the writer checks again.
    match &options.output {
        Output::Path(path) if options.existing == Existing::Refuse => refuse_existing(path)?,
        Output::Object(place) => place.require_empty()?,
        Output::Path(_) | Output::Stdout => {}
    }
    let keeper_options = keeper_options(&options, interrupt);
    let keeper = Keeper::open(&options.connection, &keeper_options, &progress).await?;
    decide(options, keeper, progress).await
}

/// Refuses an output that is there already, unless it is an empty directory.
fn refuse_existing(output: &Path) -> Result<()> {
    let refused = match std::fs::read_dir(output) {
        Ok(mut listing) => listing.next().is_some(),
        // Devices and pipes are written in place.
        Err(error) => error.kind() != std::io::ErrorKind::NotFound && output.is_file(),
    };
    if refused {
        return Err(Error::new(
            ErrorKind::Refused,
            format!("output path \"{}\" already exists", output.display()),
        )
        .with_hint("choose another output path, or move the existing one away"));
    }
    Ok(())
}

/// Says how the keeper reads: with everything pinned that shapes the text of rows.
fn keeper_options(options: &DumpOptions, interrupt: &Interrupt) -> KeeperOptions {
    KeeperOptions {
        settings: SessionSettings {
            role: options.role.clone(),
            encoding: options.encoding.clone(),
            extra_float_digits: options.extra_float_digits,
            quoting: options.quoting,
            row_security: options.row_security,
            pinned_text: options.fidelity == Fidelity::Corrected,
            ..SessionSettings::default()
        },
        transaction: options.transaction,
        snapshot: options.snapshot.clone(),
        lock_wait_timeout: options.lock_wait_timeout.clone(),
        request: options.selection.clone(),
        unreadable: unreadable(options),
        pattern_encoding: pattern_encoding(options.fidelity),
        catalog: CatalogOptions {
            schema: options.content.schema,
            data: options.content.data,
            statistics: options.content.statistics,
            sequence_values: options.content.has_sequence_values(),
            large_objects: options.large_objects,
            comments: !options.omit.comments,
            security_labels: !options.omit.security_labels,
            policies: !options.omit.policies,
            publications: !options.omit.publications,
            subscriptions: !options.omit.subscriptions,
            privileges: !options.omit.privileges,
            unlogged_data: !options.omit.unlogged_data,
            binary_upgrade: options.binary_upgrade,
        },
        interrupt: interrupt.clone(),
    }
}

/// Whoever expects pg_dump expects to be told as pg_dump does, with the first refusal.
fn unreadable(options: &DumpOptions) -> Unreadable {
    match options.fidelity {
        Fidelity::PgDump => Unreadable::LeaveToServer,
        Fidelity::Corrected => Unreadable::Refuse,
    }
}

/// Returns how patterns are read: pg_dump sends what was typed as it is.
pub(super) fn pattern_encoding(fidelity: Fidelity) -> PatternEncoding {
    match fidelity {
        Fidelity::PgDump => PatternEncoding::OfSession,
        Fidelity::Corrected => PatternEncoding::Utf8,
    }
}

/// Returns the layout that the oldest programs understand, where any program may be meant to read it.
fn layout(options: &DumpOptions, database: &Database) -> LargeObjectLayout {
    let count: usize = database.objects().iter().map(|object| object.large_objects().len()).sum();
    match options.fidelity {
        // A script has no readers that know one layout only.
        Fidelity::Corrected
            if count <= UNGROUPED_LARGE_OBJECTS && options.format != ArchiveFormat::Plain =>
        {
            LargeObjectLayout::Single
        }
        _ => LargeObjectLayout::Grouped,
    }
}

/// Turns what the keeper has read into entries and pieces.
async fn decide(
    options: DumpOptions,
    mut keeper: Keeper,
    progress: ProgressHandle,
) -> Result<DumpPlan> {
    let database = &mut keeper.database;
    let mut warnings = Vec::new();
    let order = order::sort(database, &mut |warning| {
        warnings.push(match options.fidelity {
            Fidelity::PgDump => warning.as_pg_dump().to_owned(),
            Fidelity::Corrected => warning.to_string(),
        });
    });
    let ddl_options = DdlOptions {
        quoting: options.quoting,
        database: options.creates_database(),
        schema: options.content.schema,
        data: options.content.data,
        statistics: options.content.statistics,
        sequence_values: options.content.has_sequence_values(),
        comments: !options.omit.comments,
        security_labels: !options.omit.security_labels,
        privileges: !options.omit.privileges,
        policies: !options.omit.policies,
        toast_compression: !options.omit.toast_compression,
        tablespaces: !options.omit.tablespaces,
        dollar_quoting: options.dollar_quoting,
        row_form: options.row_form,
        load_via_partition_root: options.load_via_partition_root,
        fidelity: options.fidelity,
        large_objects: layout(&options, database),
    };
    let all = ddl::all_entries(database, &order, &ddl_options)?;
    if options.fidelity == Fidelity::PgDump {
        warnings.extend(vec![OUT_OF_ORDER.to_owned(); out_of_order(&all)]);
    }
    let mut entries = wanted_entries(database, all, &options, &ddl_options);
    let mut version = archive_version(&options, &entries)?;
    if ddl_options.large_objects == LargeObjectLayout::Single && version.groups_large_objects() {
        let grouped = DdlOptions { large_objects: LargeObjectLayout::Grouped, ..ddl_options };
        let all = ddl::all_entries(database, &order, &grouped)?;
        entries = wanted_entries(database, all, &options, &grouped);
        version = archive_version(&options, &entries)?;
    }
    // Stock archives always tell the owners, and leave it to pg_restore what to do about them.
    if options.omit.owners && options.fidelity == Fidelity::Corrected {
        // An empty owner is what every pg_restore understands as "leave it to who restores".
        for entry in &mut entries {
            entry.owner = entry.owner.take().map(|_| String::new());
        }
    }
    let mut tables = planned_tables(&keeper, &entries, unreadable(&options)).await?;
    if let RowForm::Inserts(inserts) = options.row_form {
        let (session, database) = (&keeper.session, &keeper.database);
        insert_shapes::read(session, database, &options, inserts, &mut tables).await?;
    }
    let (large_objects, reading) =
        large_objects::planned(&keeper.session, &keeper.database, &entries).await?;
    for warning in &warnings {
        progress.warning(warning);
    }
    let sizes: Vec<TableSize> = tables.iter().map(|table| table.size).collect();
    let jobs_per_table = match options.output {
        // Pieces of a table that are ready before their turn wait on a disk, and here there is none.
        Output::Object(_) => 1,
        _ => options.jobs,
    };
    let mut pieces = split::cut(&sizes, jobs_per_table);
    pieces.extend(large_objects::pieces(&keeper.session, &large_objects, options.jobs).await?);
    split::sort(&mut pieces);
    Ok(DumpPlan {
        options,
        keeper,
        progress,
        entries,
        version,
        tables,
        large_objects,
        reading,
        pieces,
        warnings,
    })
}

/// Returns the version of an archive: the one that was asked for, or else the oldest that can hold it,
/// and for a stand-in pg_dump's own.
fn archive_version(options: &DumpOptions, entries: &[TocEntry]) -> Result<ArchiveVersion> {
    let oldest = ArchiveVersion::oldest_for(options.compression.algorithm, entries);
    match (options.archive_version, options.fidelity) {
        (Some(asked), _) if asked < oldest => Err(Error::new(
            ErrorKind::Refused,
            format!("archive version {asked} cannot hold this archive: it needs {oldest}"),
        )
        .with_hint(format!("use --archive-version {oldest}, or --compress gzip for an older one"))),
        (Some(asked), _) => Ok(asked),
        (None, Fidelity::Corrected) => Ok(oldest),
        (None, Fidelity::PgDump) => Ok(ArchiveVersion::NEWEST),
    }
}

/// What pg_dump says once for each entry that comes behind a later section, such as a view over a function
/// that waits for a primary key. `pgark dump` keeps quiet: its restore follows dependencies, not sections.
const OUT_OF_ORDER: &str = "archive items not in correct section order";

/// Counts the entries that pg_dump says that of.
fn out_of_order(entries: &[TocEntry]) -> usize {
    let sections: Vec<Section> = entries
        .iter()
        .map(|entry| entry.section)
        .filter(|&section| section != Section::None)
        .collect();
    sections.windows(2).filter(|pair| pair[1] < pair[0]).count()
}

/// Returns the entries that are written, with the dependencies that an archive tells.
fn wanted_entries(
    database: &Database,
    all: Vec<TocEntry>,
    options: &DumpOptions,
    ddl_options: &DdlOptions,
) -> Vec<TocEntry> {
    let mut entries = wanted(all, options);
    if options.format != ArchiveFormat::Plain {
        ddl::link(database, &mut entries, ddl_options);
    }
    entries.shrink_to_fit();
    entries
}

/// Returns the entries that are written, each with what of it is.
fn wanted(entries: Vec<TocEntry>, options: &DumpOptions) -> Vec<TocEntry> {
    let selection = RestoreSelection {
        sections: options.sections.clone(),
        create: options.creates_database(),
        schema: options.content.schema,
        data: options.content.has_sequence_values(),
        large_object_metadata: options.binary_upgrade,
        statistics: options.content.statistics,
        ..RestoreSelection::default()
    };
    let marks = selection::marks(&entries, &selection);
    let marked = entries.into_iter().zip(marks).filter(|(_, marks)| marks.any());
    marked
        .map(|(entry, marks)| TocEntry { has_data: entry.has_data && marks.data, ..entry })
        .collect()
}

/// Collects the tables that have a data entry, refuses those that cannot be read, and asks for sizes.
async fn planned_tables(
    keeper: &Keeper,
    entries: &[TocEntry],
    unreadable: Unreadable,
) -> Result<Vec<PlannedTable>> {
    let database = &keeper.database;
    let mut tables = Vec::new();
    let mut oids = Vec::new();
    let mut unlocked = Vec::new();
    let of_tables = |entry: &&TocEntry| entry.has_data && !entry.holds_large_objects();
    for entry in entries.iter().filter(of_tables) {
        let Kind::TableData { table: id, filter } = &database.object(entry.dump_id).kind else {
            return Err(Error::new(
                ErrorKind::Internal,
                format!("{} has data and is no table", entry.describe()),
            ));
        };
        let object = database.object(*id);
        let table = database.table(*id).ok_or_else(|| {
            Error::new(ErrorKind::Internal, format!("{} belongs to no table", entry.describe()))
        })?;
        let oid = object.catalog_id.oid;
        if !keeper.locked.contains_key(&oid) && table.relkind != 'f' {
            unlocked.push(oid);
        }
        oids.push(oid);
        tables.push(PlannedTable {
            dump_id: entry.dump_id,
            oid,
            name: TableName {
                schema: object.schema.clone().unwrap_or_default(),
                name: object.name.clone(),
            },
            columns: table.copied_columns().map(|column| column.name.clone()).collect(),
            filter: filter.clone(),
            foreign: table.relkind == 'f',
            insert: None,
            // Foreign tables and others without pages get no size and are read whole.
            size: TableSize { main_bytes: 0, toast_bytes: 0, page_bytes: 8192, divisible: false },
        });
    }
    if unreadable == Unreadable::Refuse {
        Obstacles::of_relations(&keeper.session, &unlocked).await?.refuse(&keeper.session).await?;
    }
    let sizes = read_sizes(&keeper.session, &oids).await?;
    for (table, oid) in tables.iter_mut().zip(&oids) {
        if let Some(size) = sizes.get(oid) {
            let whole = table.filter.is_empty() && !table.columns.is_empty();
            table.size = TableSize { divisible: size.divisible && whole, ..*size };
        }
    }
    Ok(tables)
}

/// Asks the file system of the server, not `relpages`: those are as old as the last VACUUM.
async fn read_sizes(session: &Session, oids: &[Oid]) -> Result<HashMap<Oid, TableSize>> {
    let mut sizes = HashMap::new();
    if oids.is_empty() {
        return Ok(sizes);
    }
    let list = oids.iter().map(Oid::to_string).collect::<Vec<_>>().join(",");
    let query = format!(
        "select c.oid, coalesce(pg_catalog.pg_relation_size(c.oid), 0) as main,
            case when c.reltoastrelid = 0 then 0
                else coalesce(pg_catalog.pg_relation_size(c.reltoastrelid), 0) end as toast,
            current_setting('block_size') as page, coalesce(a.amname = 'heap', false) as heap
        from pg_catalog.pg_class c
        left join pg_catalog.pg_am a on a.oid = c.relam
        where c.relkind = 'r' and c.oid = any ('{{{list}}}'::pg_catalog.oid[])"
    );
    for row in &session.query("read the sizes of the tables", &query).await? {
        let size = TableSize {
            main_bytes: row.integer("main")?,
            toast_bytes: row.integer("toast")?,
            page_bytes: row.integer("page")?,
            divisible: row.boolean("heap")? && session.version().has_tid_range_scan(),
        };
        sizes.insert(row.oid("oid")?, size);
    }
    Ok(sizes)
}

/// What a plan would do, for people and for machines.
#[derive(Debug, Clone, Serialize)]
pub struct PlanSummary {
    /// The database.
    pub database: String,
    /// The server's version.
    pub server_version: String,
    /// The directory that will be written.
    pub output: String,
    /// The format, as `--format` takes it.
    pub format: String,
    /// The version of the archive format.
    pub archive_version: String,
    /// How table data is compressed.
    pub compression: String,
    /// How many connections read at the same time.
    pub jobs: usize,
    /// How many entries the table of contents has.
    pub entries: usize,
    /// How many tables are locked.
    pub locked_tables: usize,
    /// The bytes on disk of all tables that are read.
    pub bytes: u64,
    /// How many large objects are read.
    pub large_objects: usize,
    /// How many pieces of work there are.
    pub pieces: usize,
    /// The tables that are read, largest first.
    pub tables: Vec<PlannedTableSummary>,
    /// What a person should know before.
    pub warnings: Vec<String>,
}

/// A table in a plan.
#[derive(Debug, Clone, Serialize)]
pub struct PlannedTableSummary {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Its bytes on disk, TOAST included.
    pub bytes: u64,
    /// In how many pieces it is read.
    pub pieces: usize,
    /// The condition that selects its rows, when not all are dumped.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub filter: String,
}

impl DumpPlan {
    /// Returns what the plan would do.
    pub fn summary(&self) -> PlanSummary {
        let mut pieces = vec![0; self.tables.len()];
        for piece in &self.pieces {
            if let Source::Table(table) = piece.source {
                pieces[table] += 1;
            }
        }
        let mut tables: Vec<_> = self
            .tables
            .iter()
            .zip(pieces)
            .map(|(table, pieces)| PlannedTableSummary {
                schema: table.name.schema.clone(),
                name: table.name.name.clone(),
                bytes: table.size.cost(),
                pieces,
                filter: table.filter.clone(),
            })
            .collect();
        tables.sort_by(|a, b| {
            b.bytes.cmp(&a.bytes).then_with(|| (&a.schema, &a.name).cmp(&(&b.schema, &b.name)))
        });
        PlanSummary {
            database: self.keeper.database.facts.database.clone(),
            server_version: self.keeper.database.facts.version_text.clone(),
            output: self.options.output.to_string(),
            format: self.options.format.word().to_owned(),
            archive_version: self.version.to_string(),
            compression: self.options.compression.to_string(),
            jobs: self.options.jobs,
            entries: self.entries.len(),
            locked_tables: self.keeper.locked.len(),
            bytes: self.tables.iter().map(|table| table.size.cost()).sum(),
            large_objects: self.large_objects.iter().map(|planned| planned.oids.len()).sum(),
            pieces: self.pieces.len(),
            tables,
            warnings: self.warnings.clone(),
        }
    }

    /// Returns the entries that the archive will have.
    pub fn entries(&self) -> &[TocEntry] {
        &self.entries
    }

    /// Returns the pieces of table data in the order they are begun.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }
}

impl fmt::Debug for DumpPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DumpPlan").field("keeper", &self.keeper).finish_non_exhaustive()
    }
}

impl Serialize for DumpPlan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.summary().serialize(serializer)
    }
}

impl fmt::Display for DumpPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.summary().fmt(f)
    }
}

impl fmt::Display for PlanSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "database {} on PostgreSQL {}: {} entries, {} tables locked",
            self.database, self.server_version, self.entries, self.locked_tables
        )?;
        writeln!(
            f,
            "would write {} ({} format {}, {}) over {} connections",
            self.output, self.format, self.archive_version, self.compression, self.jobs
        )?;
        writeln!(
            f,
            "table data: {} tables, {} on disk, {} pieces",
            self.tables.len(),
            ByteSize(self.bytes),
            self.pieces
        )?;
        if self.large_objects > 0 {
            writeln!(f, "large objects: {}", self.large_objects)?;
        }
        for table in &self.tables {
            let name = crate::sql::qualified(&table.schema, &table.name);
            write!(f, "{:>12}  {name}", ByteSize(table.bytes).to_string())?;
            if table.pieces > 1 {
                write!(f, "  in {} pieces", table.pieces)?;
            }
            if !table.filter.is_empty() {
                write!(f, "  {}", table.filter)?;
            }
            writeln!(f)?;
        }
        for warning in &self.warnings {
            writeln!(f, "warning: {warning}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(columns: &[&str], filter: &str) -> PlannedTable {
        PlannedTable {
            dump_id: DumpId(1),
            oid: Oid(1),
            name: TableName { schema: "S".to_owned(), name: "t".to_owned() },
            columns: columns.iter().map(|&name| name.to_owned()).collect(),
            filter: filter.to_owned(),
            foreign: false,
            insert: None,
            size: TableSize { main_bytes: 0, toast_bytes: 0, page_bytes: 8192, divisible: true },
        }
    }

    #[test]
    fn rows_are_read_with_the_column_list_and_only_a_filter_needs_a_query() {
        let range = PieceRange::Pages { first: Some(10), end: Some(20) };
        let cases = [
            (table(&["a", "B"], ""), PieceRange::Whole, "COPY \"S\".t (a, \"B\") TO stdout;"),
            (table(&[], ""), PieceRange::Whole, "COPY \"S\".t TO stdout;"),
            (
                table(&["a"], "WHERE a > 1"),
                PieceRange::Whole,
                "COPY (SELECT a FROM \"S\".t WHERE a > 1) TO stdout;",
            ),
            (
                table(&["a"], ""),
                range,
                "COPY (SELECT a FROM ONLY \"S\".t WHERE ctid >= '(10,0)'::pg_catalog.tid and ctid < \
                 '(20,0)'::pg_catalog.tid) TO stdout;",
            ),
        ];
        for (table, range, expected) in cases {
            assert_eq!(table.copy_statement(range), expected);
        }
    }
}
