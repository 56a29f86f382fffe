//! Transforms between a type and a procedural language.

use super::DumpId;

/// What only a transform has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transform {
    /// `format_type` of `trftype`.
    pub type_name: String,
    /// The raw name of the language.
    pub language: String,
    /// `trffromsql`.
    pub from_sql: Option<DumpId>,
    /// `trftosql`.
    pub to_sql: Option<DumpId>,
}
