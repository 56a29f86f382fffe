//! Archives in pg_dump's formats: the table of contents, the directory format, the manifest.

pub mod script;
pub mod statements;
