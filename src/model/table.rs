//! Relations: tables of every sort, views, materialized views, sequences.

use std::sync::Arc;

use super::sequence::{OwningColumn, Sequence};
use super::{DumpId, Oid};

/// What only a relation has.
#[derive(Debug, Clone, Default)]
pub struct Table {
    /// `pg_class.relkind`: `r`, `p`, `f`, `v`, `m`, `S`, or `c` for the relation of a composite type.
    pub relkind: char,
    /// `relpersistence`.
    pub persistence: char,
    /// `relispopulated` (materialized views).
    pub populated: bool,
    /// `relreplident`.
    pub replica_identity: char,
    /// `relrowsecurity`.
    pub row_security: bool,
    /// `relforcerowsecurity`.
    pub force_row_security: bool,
    /// `relhasindex`.
    pub has_indexes: bool,
    /// `relhasrules`.
    pub has_rules: bool,
    /// `relhastriggers`.
    pub has_triggers: bool,
    /// `relchecks`.
    pub check_count: i32,
    /// `relispartition`.
    pub is_partition: bool,
    /// `format_type` of `reloftype` for typed tables.
    pub of_type: Option<String>,
    /// `reloptions` without the check option, as name and value.
    pub options: Vec<(String, String)>,
    /// `reloptions` of the TOAST table.
    pub toast_options: Vec<(String, String)>,
    /// `LOCAL` or `CASCADED`.
    pub check_option: Option<String>,
    /// The tablespace, empty for the default one.
    pub tablespace: String,
    /// The access method, when it has one.
    pub access_method: Option<String>,
    /// `relpages`.
    pub pages: u32,
    /// `relpages` of the TOAST table.
    pub toast_pages: u32,
    /// Whether details were read: it is wanted itself, or somebody needs its columns.
    pub interesting: bool,
    /// Whether CREATE TABLE names every column, dropped and inherited ones included, so that each gets the
    /// number it has.
    pub prints_all_columns: bool,
    /// Its columns by `attnum`, dropped ones included.
    pub columns: Vec<Column>,
    /// Direct parents in `inhseqno` order.
    pub parents: Vec<DumpId>,
    /// `pg_get_partkeydef`.
    pub partition_key: Option<String>,
    /// The bound of a partition (`FOR VALUES ...` or `DEFAULT`).
    pub partition_bound: Option<String>,
    /// Whether data below it must be loaded through the root (hash partitioning on an enum).
    pub unsafe_partitioning: bool,
    /// CHECK constraints in name order.
    pub checks: Vec<DumpId>,
    /// Indexes in name order.
    pub indexes: Vec<DumpId>,
    /// The statistics of its rows, when they are dumped.
    pub statistics: Option<DumpId>,
    /// The object of its rows, its sequence value or its refresh, when one is dumped.
    pub data: Option<DumpId>,
    /// `pg_get_viewdef` for views and materialized views.
    pub view_definition: Option<String>,
    /// Whether loop repair made the view a dummy whose query follows as a rule.
    pub dummy_view: bool,
    /// Whether loop repair moved the materialized view behind the data.
    pub postponed: bool,
    /// Server and options of a foreign table (`OPTIONS` text as the server quotes it).
    pub foreign: Option<ForeignTable>,
    /// The sequence's parameters.
    pub sequence: Option<Sequence>,
    /// The column that owns the sequence.
    pub owned_by: Option<OwningColumn>,
    /// Column privileges: `attnum`, raw name, privileges; system columns included.
    pub column_acls: Vec<(i32, String, super::acl::Acl)>,
}

/// The server of a foreign table.
#[derive(Debug, Clone, Default)]
pub struct ForeignTable {
    /// The server's oid.
    pub server_oid: Oid,
    /// The server's raw name.
    pub server: String,
    /// The options as `name 'value'` joined by a comma, a newline and four spaces.
    pub options: String,
}

/// One column of a relation. Kept small, because there are more of them than of anything else.
#[derive(Debug, Clone, Default)]
pub struct Column {
    /// `attnum`.
    pub number: i32,
    /// The raw name.
    pub name: String,
    /// `attisdropped`.
    pub dropped: bool,
    /// `format_type`, which many columns share.
    pub type_name: Arc<str>,
    /// `attislocal`.
    pub local: bool,
    /// `attidentity`, `' '` for none.
    pub identity: char,
    /// `attgenerated`, `' '` for none.
    pub generated: char,
    /// `attstattarget` when it is set.
    pub statistics_target: Option<i32>,
    /// `attstorage`.
    pub storage: char,
    /// `typstorage`.
    pub type_storage: char,
    /// `attcompression`, `' '` for the default.
    pub compression: char,
    /// What few columns have.
    pub rare: Option<Box<RareColumn>>,
    /// The not-null constraint, when there is one.
    pub not_null: Option<NotNull>,
    /// The default or generation expression.
    pub default: Option<DumpId>,
}

/// What few columns have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RareColumn {
    /// `attoptions` joined with `, `.
    pub options: String,
    /// `attfdwoptions` as text ready to print.
    pub fdw_options: String,
    /// The collation as schema and name, when it is not the type's own.
    pub collation: Option<(String, String)>,
}

impl Column {
    /// Returns its options as they are set.
    pub fn options(&self) -> Option<&str> {
        self.rare.as_ref().map(|rare| rare.options.as_str()).filter(|options| !options.is_empty())
    }

    /// Returns its options as a column of a foreign table.
    pub fn fdw_options(&self) -> Option<&str> {
        let options = self.rare.as_ref().map(|rare| rare.fdw_options.as_str());
        options.filter(|options| !options.is_empty())
    }

    /// Returns schema and name of its collation, when it is not the type's own.
    pub fn collation(&self) -> Option<(&str, &str)> {
        let (schema, name) = self.rare.as_ref()?.collation.as_ref()?;
        Some((schema, name))
    }
}

/// A valid not-null constraint of a column.
#[derive(Debug, Clone, Default)]
pub struct NotNull {
    /// The raw name, when it must be printed.
    pub name: Option<Box<str>>,
    /// `conislocal`, adjusted for inheritance.
    pub local: bool,
    /// `connoinherit`.
    pub no_inherit: bool,
    /// The catalog name and comment of the constraint (18+), when it has a comment.
    pub comment: Option<Box<(String, String)>>,
}

/// That a table is a partition of another.
#[derive(Debug, Clone, Copy)]
pub struct TableAttach {
    /// The partitioned table.
    pub parent: DumpId,
    /// The partition.
    pub partition: DumpId,
}

impl Table {
    /// Returns the column with a number.
    pub fn column(&self, number: i32) -> Option<&Column> {
        self.columns.get(usize::try_from(number.checked_sub(1)?).ok()?)
    }

    /// Returns the type that the columns of a typed table are left to.
    pub fn columns_of(&self) -> Option<&str> {
        self.of_type.as_deref().filter(|_| !self.prints_all_columns)
    }

    /// Tells whether a column is printed in CREATE TABLE rather than left to inheritance.
    pub fn prints_column(&self, column: &Column) -> bool {
        self.prints_all_columns || !column.dropped && (column.local || self.is_partition)
    }

    /// Returns the columns that COPY moves: neither dropped nor generated.
    pub fn copied_columns(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|column| !column.dropped && column.generated == ' ')
    }
}
