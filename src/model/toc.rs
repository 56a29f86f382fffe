//! One entry of an archive's table of contents, as plain data.
//!
//! `ddl` makes entries out of the database model, `archive` moves them to and from bytes, `restore`
//! executes them. The meaning of every field is that of PostgreSQL's `pg_backup_archiver.h`
//! (`struct _tocEntry`). Strings are [`crate::sql::text`] strings: bytes that are not UTF-8 survive.

use super::{CatalogId, DumpId};

/// The part of an archive that an entry belongs to (`pg_restore --section`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Section {
    /// Follows the entry before it: comments, privileges, security labels.
    None,
    /// Definitions that must exist before data.
    PreData,
    /// Rows, sequence values, large objects.
    Data,
    /// Indexes, constraints, triggers and what else is faster or only possible after the data.
    PostData,
}

impl Section {
    const WORDS: [(Section, &'static str); 4] = [
        (Section::None, "none"),
        (Section::PreData, "pre-data"),
        (Section::Data, "data"),
        (Section::PostData, "post-data"),
    ];

    /// Returns the word for it, as `--section` takes it.
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(section, _)| *section == self).map_or("", |(_, word)| word)
    }

    /// Returns the section that a word of `--section` means.
    pub fn from_word(word: &str) -> Option<Self> {
        let found = Self::WORDS.iter().skip(1).find(|(_, known)| *known == word);
        found.map(|(section, _)| *section)
    }
}

/// An entry of the table of contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TocEntry {
    /// The number of the entry, unique in the archive.
    pub dump_id: DumpId,
    /// Where the object stood in the source's catalogs; zeros when it has no place there.
    pub catalog_id: CatalogId,
    /// The display name: raw for objects, quoted inside tags of comments and privileges.
    pub tag: String,
    /// The kind of the entry, such as `TABLE DATA`.
    pub desc: String,
    /// The section it belongs to.
    pub section: Section,
    /// The SQL that makes the object, empty when there is none.
    pub definition: String,
    /// The SQL that drops it; `None` and empty differ only in the bytes of the archive.
    pub drop_statement: Option<String>,
    /// `COPY ... FROM stdin;` and a newline, for table data stored in COPY format.
    pub copy_statement: Option<String>,
    /// The schema, unquoted.
    pub namespace: Option<String>,
    /// `None`: the kind has no tablespace; empty: the database's default; else its name.
    pub tablespace: Option<String>,
    /// The table access method, for relations that have one.
    pub table_access_method: Option<String>,
    /// `pg_class.relkind` for tables, views and their kin, otherwise `None`.
    pub relkind: Option<char>,
    /// The owner, unquoted; `None` for kinds without one.
    pub owner: Option<String>,
    /// Ids of entries that must come first; may name ids that no entry has.
    pub dependencies: Vec<DumpId>,
    /// Whether a data file or block belongs to the entry.
    pub has_data: bool,
    /// The name of the data file in directory and tar archives, without the codec's suffix.
    pub file_name: Option<String>,
}

impl TocEntry {
    /// The kind of the entry that keeps the files of all large objects, which pg_upgrade alone needs. It goes
    /// with the entry of the database.
    pub const LARGE_OBJECT_FILES: &str = "pg_largeobject";

    /// Makes an entry of a kind with a tag; everything else is empty and the section pre-data.
    pub fn new(dump_id: DumpId, desc: impl Into<String>, tag: impl Into<String>) -> Self {
        TocEntry {
            dump_id,
            catalog_id: CatalogId::default(),
            tag: tag.into(),
            desc: desc.into(),
            section: Section::PreData,
            definition: String::new(),
            drop_statement: None,
            copy_statement: None,
            namespace: None,
            tablespace: None,
            table_access_method: None,
            relkind: None,
            owner: None,
            dependencies: Vec::new(),
            has_data: false,
            file_name: None,
        }
    }

    /// Tells whether its data are the bytes of large objects.
    pub fn holds_large_objects(&self) -> bool {
        self.desc == "BLOBS"
    }

    /// Tells whether its data are rows of a table, and not what old archives (before 1.12) have instead of
    /// entries for the comments of large objects.
    pub fn holds_rows(&self) -> bool {
        self.has_data && !self.holds_large_objects() && self.desc != "BLOB COMMENTS"
    }

    /// Names the entry for messages, as `TABLE DATA public.orders (toc entry 2134)`.
    pub fn describe(&self) -> String {
        match &self.namespace {
            Some(namespace) => {
                format!("{} {}.{} (toc entry {})", self.desc, namespace, self.tag, self.dump_id)
            }
            None => format!("{} {} (toc entry {})", self.desc, self.tag, self.dump_id),
        }
    }
}
