//! Identifiers that cannot be mixed up: oids, dump ids, catalog ids.

use std::fmt;

/// The oid of a row in a system catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Oid(pub u32);

impl Oid {
    /// The oid that means "none".
    pub const ZERO: Oid = Oid(0);

    /// The last oid that `initdb` hands out; objects above it were made by users
    /// (`access/transam.h`, `FirstNormalObjectId` - 1).
    pub const LAST_BUILT_IN: Oid = Oid(16383);

    /// Tells whether this names no object.
    pub fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Tells whether the object was made by `initdb`, including those of built-in extensions.
    pub fn is_built_in(self) -> bool {
        self <= Oid::LAST_BUILT_IN
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number of a TOC entry inside its archive, above 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DumpId(pub i32);

impl fmt::Display for DumpId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The place of an object in the system catalogs: the catalog and the row in it.
///
/// Objects that exist only in the dump, such as the section boundaries, have zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct CatalogId {
    /// The oid of the catalog (`pg_class.tableoid` and so on).
    pub class: Oid,
    /// The oid of the row.
    pub oid: Oid,
}

impl CatalogId {
    /// Returns the place of a relation (`pg_class`, whose own oid is the same in every database).
    pub fn relation(oid: Oid) -> CatalogId {
        CatalogId { class: Oid(1259), oid }
    }

    /// Returns the place of a type (`pg_type`).
    pub fn of_type(oid: Oid) -> CatalogId {
        CatalogId { class: Oid(1247), oid }
    }

    /// Returns the place of a function or aggregate (`pg_proc`).
    pub fn function(oid: Oid) -> CatalogId {
        CatalogId { class: Oid(1255), oid }
    }

    /// Returns the place of a default (`pg_attrdef`).
    pub fn column_default(oid: Oid) -> CatalogId {
        CatalogId { class: Oid(2604), oid }
    }

    /// Returns the place of a constraint (`pg_constraint`).
    pub fn constraint(oid: Oid) -> CatalogId {
        CatalogId { class: Oid(2606), oid }
    }

    /// Returns the place of a large object (`pg_largeobject`, which stands for its metadata too).
    pub fn large_object(oid: Oid) -> CatalogId {
        CatalogId { class: Oid(2613), oid }
    }

    /// Returns the place of a schema (`pg_namespace`).
    pub fn schema(oid: Oid) -> CatalogId {
        CatalogId { class: Oid(2615), oid }
    }
}
