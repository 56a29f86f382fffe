//! Extended statistics.

use super::DumpId;

/// What only a statistics object has.
#[derive(Debug, Clone)]
pub struct Statistics {
    /// The table it is about, when it was read.
    pub table: Option<DumpId>,
    /// `pg_get_statisticsobjdef`.
    pub definition: String,
    /// `stxstattarget`, when it is set.
    pub target: Option<i32>,
}
