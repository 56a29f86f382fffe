//! The decisions: what of an object is wanted, given what the patterns matched.

use std::collections::HashSet;

use crate::model::schema::SchemaCreation;
use crate::model::{Components, Oid};

/// The role `pg_database_owner`, which owns schema `public` since version 15 (`pg_authid.dat`).
const DATABASE_OWNER_ROLE: Oid = Oid(6171);

/// A request with every pattern resolved.
///
/// `None` means that there were no include patterns of this kind; an empty set would mean that nothing matched.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Schemas of `-n`.
    pub schemas: Option<HashSet<Oid>>,
    /// Schemas of `-N`.
    pub excluded_schemas: HashSet<Oid>,
    /// Relations of `-t`.
    pub tables: Option<HashSet<Oid>>,
    /// Relations of `-T`.
    pub excluded_tables: HashSet<Oid>,
    /// Relations of `--exclude-table-data`.
    pub excluded_table_data: HashSet<Oid>,
    /// Servers of `--include-foreign-data`.
    pub foreign_servers: HashSet<Oid>,
    /// Extensions of `-e`.
    pub extensions: Option<HashSet<Oid>>,
    /// Extensions of `--exclude-extension`.
    pub excluded_extensions: HashSet<Oid>,
    /// Whether objects that live in no schema are wanted.
    pub everything: bool,
}

/// What is wanted of a schema and of the objects in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SchemaDecision {
    /// Of the schema itself.
    pub wanted: Components,
    /// Of what it holds.
    pub contents: Components,
    /// Whether it is created or was there from the start.
    pub creation: SchemaCreation,
}

impl Selection {
    /// Selects everything.
    pub fn everything() -> Self {
        Selection { everything: true, ..Selection::default() }
    }

    /// Decides about a schema.
    pub fn schema(&self, oid: Oid, name: &str, owner: Oid) -> SchemaDecision {
        let mut creation = SchemaCreation::Create;
        let mut wanted;
        let mut contents;
        if self.tables.is_some() {
            (wanted, contents) = (Components::empty(), Components::empty());
        } else if let Some(schemas) = &self.schemas {
            wanted = if schemas.contains(&oid) { Components::all() } else { Components::empty() };
            contents = wanted;
        } else if name == "pg_catalog" {
            (wanted, contents) = (Components::ACL, Components::ACL);
        } else if name.starts_with("pg_") || name == "information_schema" {
            (wanted, contents) = (Components::empty(), Components::empty());
        } else if name == "public" {
            creation = SchemaCreation::MadeByInitdb;
            (wanted, contents) = (Components::all(), Components::all());
            if owner == DATABASE_OWNER_ROLE {
                wanted.remove(Components::DEFINITION);
            }
        } else {
            (wanted, contents) = (Components::all(), Components::all());
        }
        if !contents.is_empty() && self.excluded_schemas.contains(&oid) {
            (wanted, contents) = (Components::empty(), Components::empty());
        }
        SchemaDecision { wanted, contents, creation }
    }

    /// Decides about a relation in a schema whose contents are wanted so far.
    pub fn table(&self, oid: Oid, schema_contents: Components) -> Components {
        let wanted = match &self.tables {
            Some(tables) if tables.contains(&oid) => Components::all(),
            Some(_) => Components::empty(),
            None => schema_contents,
        };
        if self.excluded_tables.contains(&oid) { Components::empty() } else { wanted }
    }

    /// Decides about an extension.
    pub fn extension(&self, oid: Oid) -> Components {
        // The extensions that initdb makes are there in every new database: only changed privileges
        // of their members are worth telling, and those also in a restricted dump.
        if oid.is_built_in() {
            return Components::ACL;
        }
        let wanted = match &self.extensions {
            Some(extensions) => extensions.contains(&oid),
            None => self.everything,
        };
        if wanted && !self.excluded_extensions.contains(&oid) {
            Components::all()
        } else {
            Components::empty()
        }
    }

    /// Decides about an object that lives in no schema.
    pub fn outside_schemas(&self) -> Components {
        if self.everything { Components::all() } else { Components::empty() }
    }

    /// Tells whether the rows of a relation are left out by name.
    pub fn excludes_data_of(&self, oid: Oid) -> bool {
        self.excluded_table_data.contains(&oid)
    }
}
