//! Aggregates.

use super::Oid;

/// What only an aggregate has.
#[derive(Debug, Clone)]
pub struct Aggregate {
    /// `proargtypes`.
    pub argument_types: Vec<Oid>,
    /// `format_type` of each of `proargtypes`, for the tag; none prints `*`.
    pub argument_type_names: Vec<String>,
    /// `(schema, typname)` of each of `proargtypes`, for sorting.
    pub argument_sort_keys: Vec<(String, String)>,
    /// What it is made of; empty when nothing of the aggregate is wanted.
    pub definition: AggregateDefinition,
}

/// What an aggregate is made of. Functions and types are texts of the server.
#[derive(Debug, Clone, Default)]
pub struct AggregateDefinition {
    /// `pg_get_function_arguments`.
    pub arguments: String,
    /// `pg_get_function_identity_arguments`.
    pub identity_arguments: String,
    /// `aggkind`: `n` normal, `o` ordered-set, `h` hypothetical-set.
    pub aggkind: char,
    /// The state transition.
    pub transition: Transition,
    /// `aggcombinefn`.
    pub combine: Option<String>,
    /// `aggserialfn`.
    pub serialize: Option<String>,
    /// `aggdeserialfn`.
    pub deserialize: Option<String>,
    /// The transition of the moving-aggregate mode, with its inverse function.
    pub moving: Option<(Transition, String)>,
    /// `aggsortop` as schema and symbol.
    pub sort_operator: Option<(String, String)>,
    /// `proparallel`.
    pub parallel: char,
}

/// One of the two ways in which an aggregate gets from rows to its result.
#[derive(Debug, Clone, Default)]
pub struct Transition {
    /// The transition function.
    pub function: String,
    /// `format_type` of the state's type.
    pub state_type: String,
    /// The estimated size of the state, 0 for the default.
    pub state_space: i32,
    /// The initial state.
    pub initial: Option<String>,
    /// The final function.
    pub finish: Option<Finish>,
}

/// The function that makes the result out of the last state.
#[derive(Debug, Clone)]
pub struct Finish {
    /// The function.
    pub function: String,
    /// Whether it gets the aggregate's arguments as well.
    pub extra: bool,
    /// What it does to the state: `r` reads only, `s` shareable, `w` writes.
    pub modify: char,
}
