//! What the user asked for, as written.

use serde::{Deserialize, Serialize};

/// The include and exclude patterns of a dump, as written by the user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SelectionRequest {
    /// `-n`.
    pub schemas: Vec<String>,
    /// `-N`.
    pub exclude_schemas: Vec<String>,
    /// `-t` and `--table-and-children`.
    pub tables: Vec<TablePattern>,
    /// `-T` and `--exclude-table-and-children`.
    pub exclude_tables: Vec<TablePattern>,
    /// `--exclude-table-data` and `--exclude-table-data-and-children`.
    pub exclude_table_data: Vec<TablePattern>,
    /// `-e`.
    pub extensions: Vec<String>,
    /// `--exclude-extension`.
    pub exclude_extensions: Vec<String>,
    /// `--include-foreign-data`: servers of foreign tables whose rows are dumped.
    pub foreign_servers: Vec<String>,
    /// Extensions that a filter file includes: as `-e`, and everything else stays included.
    pub filter_extensions: Vec<String>,
    /// `--strict-names`: every include pattern must match something.
    pub strict_names: bool,
}

/// A pattern for relations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TablePattern {
    /// The pattern as written.
    pub text: String,
    /// Whether partitions and inheritance children of what matches are meant too.
    pub with_children: bool,
}

impl TablePattern {
    /// Makes a pattern that does not reach the children.
    pub fn new(text: impl Into<String>) -> Self {
        TablePattern { text: text.into(), with_children: false }
    }
}

/// When large objects, which live in no schema, are dumped together with other data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LargeObjectChoice {
    /// When nothing restricts the dump to a part.
    #[default]
    WithEverything,
    /// Also when only a part of the database is dumped (`-b`).
    Always,
    /// Not even in a complete dump (`-B`).
    Never,
}

impl LargeObjectChoice {
    /// Decides, given whether everything is dumped and whether data are.
    pub fn wanted(self, everything: bool, data: bool) -> bool {
        data && match self {
            LargeObjectChoice::WithEverything => everything,
            LargeObjectChoice::Always => true,
            LargeObjectChoice::Never => false,
        }
    }
}

impl SelectionRequest {
    /// Tells whether nothing restricts the dump to a part, so that also objects outside schemas are dumped.
    pub fn is_everything(&self) -> bool {
        self.schemas.is_empty() && self.tables.is_empty() && self.extensions.is_empty()
    }
}
