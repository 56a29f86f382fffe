//! Defaults and generation expressions of columns.

use super::DumpId;

/// The default of one column.
#[derive(Debug, Clone)]
pub struct ColumnDefault {
    /// The table.
    pub table: DumpId,
    /// `attnum`.
    pub column: i32,
    /// The expression.
    pub expression: String,
    /// Whether it is printed after the table rather than inside it.
    pub separate: bool,
}
