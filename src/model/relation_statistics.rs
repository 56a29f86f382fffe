//! What the planner knows about the rows of a relation, from `pg_class` and `pg_stats`.

use super::DumpId;

/// The columns of `pg_stats` after the name, with the types that their text has when it is loaded.
///
/// The order is that of the arguments of `pg_restore_attribute_stats`.
pub const COLUMN_FACTS: [(&str, &str); 14] = [
    ("inherited", "boolean"),
    ("null_frac", "real"),
    ("avg_width", "integer"),
    ("n_distinct", "real"),
    ("most_common_vals", "text"),
    ("most_common_freqs", "real[]"),
    ("histogram_bounds", "text"),
    ("correlation", "real"),
    ("most_common_elems", "text"),
    ("most_common_elem_freqs", "real[]"),
    ("elem_count_histogram", "real[]"),
    ("range_length_histogram", "text"),
    ("range_empty_frac", "real"),
    ("range_bounds_histogram", "text"),
];

/// The statistics of one table, materialized view, foreign table or index.
#[derive(Debug, Clone)]
pub struct RelationStatistics {
    /// The relation.
    pub relation: DumpId,
    /// Its `relkind`; every index that is part of another one counts as `I`.
    pub relkind: char,
    /// Whether they are loaded after the data: those of indexes, and of materialized views that are
    /// filled there.
    pub after_data: bool,
    /// `relpages`; -1 for partitioned tables.
    pub pages: i32,
    /// `reltuples` as the server prints it; `-1` when it is not known.
    pub tuples: String,
    /// `relallvisible`.
    pub all_visible: i32,
    /// `relallfrozen`, from servers that have it.
    pub all_frozen: Option<i32>,
    /// The names of an index's columns by position, when it has expressions: their names are not the
    /// same after a restore, so the statistics are loaded by position.
    pub index_columns: Vec<String>,
    /// The statistics of its columns, by name and whether children are included.
    pub columns: Vec<ColumnStatistics>,
}

/// The statistics of one column.
#[derive(Debug, Clone)]
pub struct ColumnStatistics {
    /// The raw name of the column.
    pub name: String,
    /// The values of [`COLUMN_FACTS`] as text; nothing where the server knows nothing.
    pub values: Vec<Option<String>>,
}
