//! Types: enumerations, composite types, domains, ranges, base types and shells.

use super::{DumpId, Oid};

/// What only a type has.
#[derive(Debug, Clone)]
pub struct Type {
    /// `pg_type.typrelid` of a composite type, which the comments on its attributes belong to.
    pub relation: Oid,
    /// The shell type object announced before its functions.
    pub shell: Option<DumpId>,
    /// The sort of type and what goes with it; the latter is empty when no definition is wanted.
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
    /// A pseudo-type or a `typtype` nobody knows: not printed.
    Unknown(char),
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
#[derive(Debug, Clone, Default)]
pub struct Domain {
    /// `format_type` of the base type.
    pub base_type: String,
    /// `typnotnull`.
    pub not_null: bool,
    /// The default.
    pub default: Option<TypeDefault>,
    /// The collation as schema and name, when it is not the base type's own.
    pub collation: Option<(String, String)>,
    /// Its constraints, in the order of their names; a not-null constraint (17+) last.
    pub constraints: Vec<DumpId>,
}

/// A range type.
#[derive(Debug, Clone, Default)]
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

/// The default of a domain or base type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TypeDefault {
    /// An expression (`typdefaultbin`) as the server prints it.
    Expression(String),
    /// A text (`typdefault`) that becomes a literal.
    Text(String),
}

/// A base type; functions are `regproc` texts, `-` for none.
#[derive(Debug, Clone, Default)]
pub struct BaseType {
    /// `typlen`, -1 for variable.
    pub length: i32,
    /// `typinput`.
    pub input: String,
    /// `typoutput`.
    pub output: String,
    /// `typreceive`.
    pub receive: String,
    /// `typsend`.
    pub send: String,
    /// `typmodin`.
    pub modifier_input: String,
    /// `typmodout`.
    pub modifier_output: String,
    /// `typanalyze`.
    pub analyze: String,
    /// `typsubscript` (14+).
    pub subscript: String,
    /// Whether values can have a collation.
    pub collatable: bool,
    /// The default.
    pub default: Option<TypeDefault>,
    /// `format_type` of the element type.
    pub element: Option<String>,
    /// `typcategory`, `U` for user-defined.
    pub category: char,
    /// `typispreferred`.
    pub preferred: bool,
    /// `typdelim`.
    pub delimiter: char,
    /// `typalign`.
    pub alignment: char,
    /// `typstorage`.
    pub storage: char,
    /// `typbyval`.
    pub passed_by_value: bool,
}
