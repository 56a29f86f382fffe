//! What pg_upgrade must find unchanged in the new cluster, because files and rows refer to it.

use std::collections::{HashMap, HashSet};

use super::{DumpId, Oid};

/// The oldest transactions that a relation or a database may still hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Horizon {
    /// `relfrozenxid` or `datfrozenxid`.
    pub transaction: u32,
    /// `relminmxid` or `datminmxid`.
    pub multixact: u32,
}

/// Identities and storage of everything in a database, by oid.
#[derive(Debug, Clone, Default)]
pub struct BinaryUpgrade {
    /// How far the database is frozen.
    pub horizon: Horizon,
    /// `datcollversion`.
    pub collation_version: Option<String>,
    /// Relations of every kind, indexes included.
    pub relations: HashMap<Oid, RelationStorage>,
    /// The relations of large objects, `pg_largeobject` and its index, as the catalog has them.
    pub large_objects: Vec<(Oid, RelationStorage)>,
    /// Columns that were dropped, or have a value for the rows that are older than they are, by relation.
    pub columns: HashMap<Oid, Vec<StoredColumn>>,
    /// The array type of a type.
    pub array_types: HashMap<Oid, Oid>,
    /// The multirange type of a range type and its array type (14+).
    pub multiranges: HashMap<Oid, (Oid, Oid)>,
    /// Every oid of `pg_type`.
    pub types: HashSet<Oid>,
    /// The oids of an enum's labels, in their order.
    pub enum_labels: HashMap<Oid, Vec<Oid>>,
    /// `collversion` of collations.
    pub collation_versions: HashMap<Oid, String>,
    /// `extconfig` and `extcondition` of extensions, as the catalog prints them.
    pub configurations: HashMap<Oid, (String, String)>,
    /// Subscriptions (17+).
    pub subscriptions: HashMap<Oid, RunningSubscription>,
}

/// Where the rows of a relation lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RelationStorage {
    /// `relkind`.
    pub relkind: char,
    /// `relfilenode`.
    pub file: Oid,
    /// `reltype`.
    pub row_type: Oid,
    /// How far it is frozen.
    pub horizon: Horizon,
    /// Its TOAST table.
    pub toast: Option<ToastStorage>,
}

/// A TOAST table and its index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ToastStorage {
    /// Its oid.
    pub oid: Oid,
    /// `relfilenode`.
    pub file: Oid,
    /// The oid of its index.
    pub index: Oid,
    /// `relfilenode` of its index.
    pub index_file: Oid,
    /// How far it is frozen.
    pub horizon: Horizon,
}

/// A column as its bytes lie in rows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoredColumn {
    /// `attnum`.
    pub number: i32,
    /// Its raw name.
    pub name: String,
    /// `attisdropped`.
    pub dropped: bool,
    /// `attlen`.
    pub length: i32,
    /// `attalign`.
    pub alignment: char,
    /// `attmissingval`.
    pub missing_value: Option<String>,
}

/// How far a subscription has come.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RunningSubscription {
    /// `remote_lsn` of its origin.
    pub remote_lsn: Option<String>,
    /// `subenabled`.
    pub enabled: bool,
}

/// A table that a subscription feeds (`pg_subscription_rel`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionTable {
    /// The subscription.
    pub subscription: DumpId,
    /// The table.
    pub table: DumpId,
    /// `srsubstate`.
    pub state: char,
    /// `srsublsn`.
    pub lsn: Option<String>,
}

impl BinaryUpgrade {
    /// Returns a column of a relation whose bytes must be told.
    pub fn column(&self, relation: Oid, number: i32) -> Option<&StoredColumn> {
        self.columns.get(&relation)?.iter().find(|column| column.number == number)
    }
}
