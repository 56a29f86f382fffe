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
    /// `pg_get_triggerdef(oid, false)`.
    pub definition: String,
}
