//! Archives in pg_dump's formats: the table of contents, the directory format, the manifest.

mod schema_fingerprint;
pub mod script;
pub mod statements;

pub use schema_fingerprint::{SchemaComparison, SchemaDifference, SchemaFingerprint, SchemaItem};
