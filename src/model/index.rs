//! Indexes and their attachment to partitioned indexes.

use super::DumpId;

/// What only an index has.
#[derive(Debug, Clone)]
pub struct Index {
    /// The table.
    pub table: DumpId,
    /// `pg_get_indexdef`; empty for an index behind a constraint, which is written instead.
    pub definition: String,
    /// The tablespace, empty for the default one.
    pub tablespace: String,
    /// `reloptions`.
    pub options: Vec<(String, String)>,
    /// `indkey`: column numbers, key columns first.
    pub keys: Vec<i32>,
    /// `indnkeyatts`.
    pub key_count: usize,
    /// `indisclustered`.
    pub clustered: bool,
    /// `indisreplident`.
    pub replica_identity: bool,
    /// `indnullsnotdistinct`.
    pub nulls_not_distinct: bool,
    /// Statistics targets by column position.
    pub statistics_targets: Vec<(i32, i32)>,
    /// Whether there is a partitioned index above it, known or not.
    pub has_parent: bool,
    /// The partitioned index above it, when it was read.
    pub parent: Option<DumpId>,
    /// The constraint it stands behind.
    pub constraint: Option<DumpId>,
    /// The attachments of partitions' indexes to this one.
    pub attached: Vec<DumpId>,
}

/// That an index of a partition belongs to a partitioned index.
#[derive(Debug, Clone, Copy)]
pub struct IndexAttach {
    /// The partitioned index.
    pub parent: DumpId,
    /// The partition's index.
    pub partition: DumpId,
}
