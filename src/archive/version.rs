//! The version of an archive's layout.

use std::fmt;
use std::str::FromStr;

use crate::codec::Algorithm;
use crate::model::TocEntry;

/// More large objects than this are written in groups, which needs 1.16.
pub const UNGROUPED_LARGE_OBJECTS: usize = 1_000;

/// Major, minor and revision of the layout; every change of layout has a new minor number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArchiveVersion {
    /// 1 in every archive since 2000.
    pub major: u8,
    /// Decides which fields there are.
    pub minor: u8,
    /// 0 in every archive.
    pub revision: u8,
}

impl ArchiveVersion {
    /// The oldest version that is read here (PostgreSQL 8.0).
    pub const OLDEST: ArchiveVersion = ArchiveVersion::new(1, 10);
    /// The oldest version that is written here, read by PostgreSQL 12 and later.
    pub const V1_14: ArchiveVersion = ArchiveVersion::new(1, 14);
    /// Names its codec, so it can hold zstd and lz4; read by PostgreSQL 16 and later.
    pub const V1_15: ArchiveVersion = ArchiveVersion::new(1, 15);
    /// Has `relkind` and grouped large objects; read by PostgreSQL 17 and later.
    pub const V1_16: ArchiveVersion = ArchiveVersion::new(1, 16);
    /// The newest version there is.
    pub const NEWEST: ArchiveVersion = ArchiveVersion::V1_16;

    /// Makes a version with revision 0.
    pub const fn new(major: u8, minor: u8) -> Self {
        ArchiveVersion { major, minor, revision: 0 }
    }

    /// Returns the oldest version that can hold an archive, so that the oldest `pg_restore` reads it.
    pub fn oldest_for(algorithm: Algorithm, entries: &[TocEntry]) -> Self {
        let large_objects = entries.iter().filter(|entry| entry.desc == "BLOB").count();
        let needs_relkind = |entry: &TocEntry| {
            entry.desc == "BLOB METADATA"
                || (entry.relkind == Some('p') && entry.table_access_method.is_some())
        };
        if large_objects > UNGROUPED_LARGE_OBJECTS || entries.iter().any(needs_relkind) {
            return ArchiveVersion::V1_16;
        }
        match algorithm {
            Algorithm::None | Algorithm::Gzip => ArchiveVersion::V1_14,
            Algorithm::Lz4 | Algorithm::Zstd => ArchiveVersion::V1_15,
        }
    }

    /// Tells whether entries have a section (1.11).
    pub fn has_section(self) -> bool {
        self >= ArchiveVersion::new(1, 11)
    }

    /// Tells whether large objects have entries that make them (1.12); before, loading their data made them.
    pub fn has_large_object_entries(self) -> bool {
        self >= ArchiveVersion::new(1, 12)
    }

    /// Tells whether entries name a table access method (1.14).
    pub fn has_table_access_method(self) -> bool {
        self >= ArchiveVersion::V1_14
    }

    /// Tells whether the header names the codec instead of a level (1.15).
    pub fn has_algorithm(self) -> bool {
        self >= ArchiveVersion::V1_15
    }

    /// Tells whether entries have a relkind (1.16).
    pub fn has_relkind(self) -> bool {
        self >= ArchiveVersion::V1_16
    }

    /// Tells whether large objects are written in groups (1.16) instead of one by one.
    pub fn groups_large_objects(self) -> bool {
        self >= ArchiveVersion::V1_16
    }

    /// Tells whether any revision of this version is read here.
    pub fn is_readable(self) -> bool {
        (self.major, self.minor) >= (Self::OLDEST.major, Self::OLDEST.minor)
            && (self.major, self.minor) <= (Self::NEWEST.major, Self::NEWEST.minor)
    }

    /// Tells whether this version is written here.
    pub fn is_writable(self) -> bool {
        self >= ArchiveVersion::V1_14 && self <= ArchiveVersion::NEWEST
    }
}

impl FromStr for ArchiveVersion {
    type Err = &'static str;

    /// Reads a version that can be written here, such as `1.15`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split_once('.');
        let version = parts.and_then(|(major, minor)| {
            Some(ArchiveVersion::new(major.parse().ok()?, minor.parse().ok()?))
        });
        version
            .filter(|version| version.is_writable())
            .ok_or("archive versions that can be written are 1.14, 1.15 and 1.16")
    }
}

impl fmt::Display for ArchiveVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}
