//! Sequences.

use super::Oid;

/// The parameters and the value of a sequence.
#[derive(Debug, Clone, Default)]
pub struct Sequence {
    /// `smallint`, `integer` or `bigint`.
    pub type_name: String,
    /// `seqstart`.
    pub start: i64,
    /// `seqincrement`.
    pub increment: i64,
    /// `seqmin`.
    pub minimum: i64,
    /// `seqmax`.
    pub maximum: i64,
    /// `seqcache`.
    pub cache: i64,
    /// `seqcycle`.
    pub cycle: bool,
    /// `last_value` and `is_called`, when values were asked for.
    pub value: Option<(i64, bool)>,
}

/// The column that owns a sequence.
#[derive(Debug, Clone, Copy)]
pub struct OwningColumn {
    /// The table's oid.
    pub table: Oid,
    /// `attnum` of the column.
    pub column: i32,
    /// Whether it is an identity column, whose sequence is part of the table.
    pub identity: bool,
}
