//! Publications, their tables and their schemas.

use super::DumpId;

/// What only a publication has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// `puballtables`.
    pub all_tables: bool,
    /// Those of insert, update, delete and truncate that are published.
    pub operations: Vec<&'static str>,
    /// `pubviaroot` (13+).
    pub via_root: bool,
    /// `pubgencols` (18+): `n` none, `s` stored.
    pub generated_columns: char,
}

/// A table of a publication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicationTable {
    /// The publication.
    pub publication: DumpId,
    /// The table.
    pub table: DumpId,
    /// `prattrs` as raw names in the table's order (15+).
    pub columns: Option<Vec<String>>,
    /// `prqual` (15+).
    pub filter: Option<String>,
}

/// A schema of a publication (15+).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicationSchema {
    /// The publication.
    pub publication: DumpId,
}
