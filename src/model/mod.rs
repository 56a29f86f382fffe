//! A database as plain data: what the catalogs say, without I/O and without SQL text of our own.
//!
//! [`Database`] holds every object in the order it was discovered; [`Object`] is what all kinds share,
//! [`Kind`] what they do not. `catalog` fills it, `select` decides what of it is wanted, `order` sorts
//! it and repairs loops, `ddl` turns it into [`TocEntry`] values.

pub mod access_method;
pub mod acl;
pub mod aggregate;
pub mod binary_upgrade;
pub mod cast;
pub mod cluster;
pub mod collation;
pub mod column_default;
pub mod constraint;
pub mod conversion;
pub mod database;
pub mod default_acl;
pub mod event_trigger;
pub mod extension;
pub mod foreign_data;
pub mod function;
mod id;
pub mod index;
pub mod language;
pub mod large_object;
mod object;
pub mod operator;
pub mod operator_class;
pub mod policy;
pub mod publication;
pub mod relation_statistics;
pub mod rule;
pub mod schema;
pub mod sequence;
mod server_version;
pub mod statistics;
pub mod subscription;
pub mod table;
pub mod text_search;
mod toc;
pub mod transform;
pub mod trigger;
pub mod types;

pub use database::{Database, SessionFacts};
pub use id::{CatalogId, DumpId, Oid};
pub use object::{Components, Kind, Object};
pub use server_version::ServerVersion;
pub use toc::{Section, TocEntry};
