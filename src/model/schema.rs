//! Schemas.

/// What only a schema has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schema {
    /// Whether it is created and dropped, or is `public`, which `initdb` made and which only gets its
    /// owner, privileges and comment.
    pub creation: SchemaCreation,
    /// What is wanted of the objects in it.
    pub contents: super::Components,
}

/// Whether a dump creates a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaCreation {
    /// `CREATE SCHEMA`.
    Create,
    /// Made by `initdb`; the dump holds a comment in the place of CREATE and DROP.
    MadeByInitdb,
}
