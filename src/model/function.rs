//! Functions, procedures and window functions.

use super::Oid;

/// What only a function has.
#[derive(Debug, Clone)]
pub struct Function {
    /// `prokind`: `f`, `p` or `w`.
    pub prokind: char,
    /// `proargtypes`.
    pub argument_types: Vec<Oid>,
    /// `format_type` of each of `proargtypes`, for the tag.
    pub argument_type_names: Vec<String>,
    /// `(schema, typname)` of each of `proargtypes`, for sorting.
    pub argument_sort_keys: Vec<(String, String)>,
    /// What it is made of; empty when nothing of the function is wanted.
    pub definition: FunctionDefinition,
    /// Whether loop repair moved it behind the data.
    pub postponed: bool,
}

/// What a function is made of. Texts made by server functions are used as they are.
#[derive(Debug, Clone, Default)]
pub struct FunctionDefinition {
    /// `pg_get_function_arguments`.
    pub arguments: String,
    /// `pg_get_function_identity_arguments`.
    pub identity_arguments: String,
    /// `pg_get_function_result`, `None` for procedures.
    pub result: Option<String>,
    /// `proretset`.
    pub returns_set: bool,
    /// The language's raw name.
    pub language: String,
    /// `format_type` of `protrftypes`.
    pub transform_types: Vec<String>,
    /// `provolatile`.
    pub volatility: char,
    /// `proisstrict`.
    pub strict: bool,
    /// `prosecdef`.
    pub security_definer: bool,
    /// `proleakproof`.
    pub leakproof: bool,
    /// `procost` as text.
    pub cost: String,
    /// `prorows` as text.
    pub rows: String,
    /// `prosupport` (`regproc` text), `-` for none.
    pub support: String,
    /// `proparallel`.
    pub parallel: char,
    /// `proconfig` elements, `name=value`.
    pub configuration: Vec<String>,
    /// `prosrc`.
    pub source: String,
    /// `probin`, when not empty.
    pub binary: Option<String>,
    /// `pg_get_function_sqlbody` (14+).
    pub sql_body: Option<String>,
}
