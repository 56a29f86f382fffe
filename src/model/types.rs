//! Types: enumerations, composite types, domains, ranges, base types and shells.

use super::{DumpId, Oid};

/// What only a type has.
#[derive(Debug, Clone)]
pub struct Type {
    /// `format_type(oid, NULL)`: qualified unless it lives in `pg_catalog`.
    pub sql_name: String,
    /// `pg_type.typrelid` of a composite type.
    pub relation: Oid,
    /// The element type, or zero.
    pub element: Oid,
    /// The shell type object announced before its functions.
    pub shell: Option<DumpId>,
    /// The sort of type and what goes with it.
    pub sort: TypeSort,
}

/// The sorts of types that are printed.
#[derive(Debug, Clone)]
pub enum TypeSort {
    /// `CREATE TYPE ... AS ENUM`, with its labels in order.
    Enum(Vec<String>),
    /// `CREATE TYPE ... AS (...)`.
    Composite(Vec<CompositeAttribute>),
    /// `CREATE DOMAIN`.
    Domain(Domain),
    /// `CREATE TYPE ... AS RANGE`.
    Range(Range),
    /// `CREATE TYPE ... (INPUT = ...)`.
    Base(Box<BaseType>),
    /// A shell type that its user never completed.
    Undefined,
}

/// One attribute of a composite type.
#[derive(Debug, Clone)]
pub struct CompositeAttribute {
    /// `attnum`, which the comments refer to.
    pub number: i32,
    /// The raw name.
    pub name: String,
    /// `format_type`.
    pub type_name: String,
    /// The collation as schema and name, when it is not the type's own.
    pub collation: Option<(String, String)>,
}

/// A domain without its constraints, which are objects of their own.
#[derive(Debug, Clone)]
pub struct Domain {
    /// `format_type` of the base type.
    pub base_type: String,
    /// `typnotnull`.
    pub not_null: bool,
    /// The default expression as SQL text (a plain `typdefault` is a literal already).
    pub default: Option<String>,
    /// The collation as schema and name, when it is not the base type's own.
    pub collation: Option<(String, String)>,
    /// Its constraints, in the order of their names; a not-null constraint (17+) last.
    pub constraints: Vec<DumpId>,
}

/// A range type.
#[derive(Debug, Clone)]
pub struct Range {
    /// `format_type` of the subtype.
    pub subtype: String,
    /// `format_type` of the multirange type (14+).
    pub multirange: Option<String>,
    /// The operator class as schema and name, when it is not the default one.
    pub operator_class: Option<(String, String)>,
    /// The collation as schema and name, when it is not the subtype's own.
    pub collation: Option<(String, String)>,
    /// The canonical function (`regproc` text).
    pub canonical: Option<String>,
    /// The difference function (`regproc` text).
    pub difference: Option<String>,
}

/// A base type; every text is as the server prints it.
#[derive(Debug, Clone, Default)]
pub struct BaseType {
    /// `typlen`, -1 for variable.
    pub length: i32,
    /// `CLAUSE = value` pairs between OUTPUT and the end, already in pg_dump's order.
    pub clauses: Vec<(String, String)>,
    /// `typbyval`.
    pub passed_by_value: bool,
}
