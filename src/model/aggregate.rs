//! Aggregates.

/// What only an aggregate has.
#[derive(Debug, Clone)]
pub struct Aggregate {
    /// `format_type` of each of `proargtypes`, for the tag; empty prints `*`.
    pub argument_type_names: Vec<String>,
    /// `(schema, typname)` of each of `proargtypes`, for sorting.
    pub argument_sort_keys: Vec<(String, String)>,
    /// `pg_get_function_arguments`.
    pub arguments: String,
    /// `pg_get_function_identity_arguments`.
    pub identity_arguments: String,
    /// `CLAUSE` or `CLAUSE = value` lines after the opening parenthesis, in pg_dump's order.
    pub clauses: Vec<String>,
}
