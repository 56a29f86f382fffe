//! A database as plain data: what the catalogs say, without I/O and without SQL text of our own.
//!
//! [`Database`] holds every object in the order it was discovered; [`Object`] is what all kinds share,
//! [`Kind`] what they do not. `catalog` fills it, `select` decides what of it is wanted, `order` sorts
//! it and repairs loops, `ddl` turns it into [`TocEntry`] values.

pub mod acl;
pub mod aggregate;
pub mod column_default;
pub mod constraint;
pub mod database;
pub mod default_acl;
pub mod extension;
pub mod function;
mod id;
pub mod index;
mod object;
pub mod policy;
pub mod rule;
pub mod schema;
pub mod sequence;
mod server_version;
pub mod statistics;
pub mod table;
mod toc;
pub mod trigger;
pub mod types;

pub use database::{Database, SessionFacts};
pub use id::{CatalogId, DumpId, Oid};
pub use object::{Components, Kind, Object};
pub use server_version::ServerVersion;
pub use toc::{Section, TocEntry};
