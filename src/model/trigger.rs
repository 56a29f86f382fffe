//! Triggers.

use super::DumpId;

/// What only a trigger has.
#[derive(Debug, Clone)]
pub struct Trigger {
    /// The table.
    pub table: DumpId,
    /// `tgenabled`.
    pub enabled: char,
    /// Whether it is the clone of a partitioned table's trigger, of which only the state is printed.
    pub partition_clone: bool,
    /// Whether it enforces a foreign key, so that its name holds an oid and no restore knows it (15+).
    pub of_foreign_key: bool,
    /// `pg_get_triggerdef(oid, false)`.
    pub definition: String,
}
