//! The whole database: its objects and what is known about the session that read them.

use std::collections::HashMap;

use super::binary_upgrade::BinaryUpgrade;
use super::{CatalogId, DumpId, Kind, Object, Oid, ServerVersion};

/// What shapes every string that was read.
#[derive(Debug, Clone)]
pub struct SessionFacts {
    /// The server's version number.
    pub version: ServerVersion,
    /// `server_version` as the server prints it, with the distribution's suffix.
    pub version_text: String,
    /// `client_encoding` of the reading session.
    pub encoding: String,
    /// `standard_conforming_strings`.
    pub standard_conforming_strings: bool,
    /// The name of the database.
    pub database: String,
    /// Whether the server is a standby.
    pub in_recovery: bool,
}

/// The `pg_database` row of the current database and what belongs to it.
#[derive(Debug, Clone, Default)]
pub struct DatabaseProperties {
    /// Its place in the catalogs.
    pub catalog_id: CatalogId,
    /// The owner.
    pub owner: String,
    /// The encoding's name.
    pub encoding: String,
    /// `b`, `c` or `i`.
    pub locale_provider: char,
    /// `datcollate`.
    pub collate: String,
    /// `datctype`.
    pub ctype: String,
    /// `datlocale` or `daticulocale`.
    pub locale: Option<String>,
    /// `daticurules`.
    pub icu_rules: Option<String>,
    /// The default tablespace.
    pub tablespace: String,
    /// `datistemplate`.
    pub is_template: bool,
    /// `datconnlimit`, -1 for none.
    pub connection_limit: i32,
    /// The privileges.
    pub acl: super::acl::Acl,
    /// The comment.
    pub comment: Option<String>,
    /// The shared security labels: provider and label.
    pub security_labels: Vec<(String, String)>,
    /// `(role or none, setting, value)` in catalog order: `ALTER DATABASE ... SET` and
    /// `ALTER ROLE ... IN DATABASE ... SET`.
    pub settings: Vec<(Option<String>, String, String)>,
}

/// A database as its catalogs describe it.
#[derive(Debug, Clone)]
pub struct Database {
    /// The session that read it.
    pub facts: SessionFacts,
    /// The database itself.
    pub properties: DatabaseProperties,
    /// Every object, in the order of discovery: `objects[id - 1]` has dump id `id`.
    objects: Vec<Object>,
    by_catalog_id: HashMap<CatalogId, DumpId>,
    /// Comments by object, each with its sub-object number (0 for the object itself), in that order.
    pub comments: HashMap<CatalogId, Vec<(i32, String)>>,
    /// Security labels by object: sub-object number, provider, label.
    pub security_labels: HashMap<CatalogId, Vec<(i32, String, String)>>,
    /// Names of the extensions that an object depends on without being a member (`DEPENDS ON EXTENSION`).
    pub depends_on_extensions: HashMap<DumpId, Vec<String>>,
    /// Role names by oid.
    pub roles: HashMap<Oid, String>,
    /// What pg_upgrade needs, when the dump is made for it.
    pub upgrade: Option<BinaryUpgrade>,
    /// What the reading found worth telling, in order.
    pub warnings: Vec<String>,
}

impl Database {
    /// Makes an empty database.
    pub fn new(facts: SessionFacts) -> Self {
        Database {
            facts,
            properties: DatabaseProperties::default(),
            objects: Vec::new(),
            by_catalog_id: HashMap::new(),
            comments: HashMap::new(),
            security_labels: HashMap::new(),
            depends_on_extensions: HashMap::new(),
            roles: HashMap::new(),
            upgrade: None,
            warnings: Vec::new(),
        }
    }

    /// Makes room for a number of objects, and for some that come in between: a long list that grows by doubling is
    /// three times in memory while it is copied.
    pub fn expect(&mut self, more: usize) {
        self.objects.reserve_exact(more + 4096);
    }

    /// Adds an object, gives it the next id and returns that id.
    pub fn add(&mut self, mut object: Object) -> DumpId {
        let id = DumpId(self.last_id() + 1);
        object.id = id;
        if !object.catalog_id.oid.is_zero() && !object.catalog_id.class.is_zero() {
            self.by_catalog_id.insert(object.catalog_id, id);
        }
        self.objects.push(object);
        id
    }

    /// Lets an object be found at another place in the catalogs as well.
    pub fn add_place(&mut self, catalog_id: CatalogId, id: DumpId) {
        self.by_catalog_id.insert(catalog_id, id);
    }

    /// Returns the highest id of an object; entries that are not objects take ids above it.
    pub fn last_id(&self) -> i32 {
        self.objects.len() as i32
    }

    /// Returns every object in the order of discovery.
    pub fn objects(&self) -> &[Object] {
        &self.objects
    }

    /// Returns every object for changing.
    pub fn objects_mut(&mut self) -> &mut [Object] {
        &mut self.objects
    }

    /// Returns the object with an id that [`Database::add`] gave.
    ///
    /// # Panics
    ///
    /// When the id is not that of an object.
    pub fn object(&self, id: DumpId) -> &Object {
        &self.objects[id.0 as usize - 1]
    }

    /// Returns the object with an id for changing.
    ///
    /// # Panics
    ///
    /// When the id is not that of an object.
    pub fn object_mut(&mut self, id: DumpId) -> &mut Object {
        &mut self.objects[id.0 as usize - 1]
    }

    /// Returns the id of the object at a place in the catalogs, when it was read.
    pub fn find(&self, catalog_id: CatalogId) -> Option<DumpId> {
        self.by_catalog_id.get(&catalog_id).copied()
    }

    /// Adds an edge: `from` comes after `to`.
    pub fn depend(&mut self, from: DumpId, to: DumpId) {
        self.object_mut(from).dependencies.push(to);
    }

    /// Returns the table behind an object id, when it is one.
    pub fn table(&self, id: DumpId) -> Option<&super::table::Table> {
        match &self.object(id).kind {
            Kind::Table(table) => Some(table),
            _ => None,
        }
    }

    /// Returns the table behind an object id for changing, when it is one.
    pub fn table_mut(&mut self, id: DumpId) -> Option<&mut super::table::Table> {
        match &mut self.object_mut(id).kind {
            Kind::Table(table) => Some(table),
            _ => None,
        }
    }
}
