//! The custom format: one file with a table of contents and a block for each entry with data.
//!
//! ```text
//! header and entries        each entry says where its block begins, when that could be written
//! block    type (1 byte: 1 table, 3 large objects) | entry id (integer) | chunks     table
//!                                                  | oid (integer) | chunks | ... | 0    large objects
//! block ...
//! ```
//!
//! Nothing follows the last block. Beside a file by pgark lie `NAME.manifest.json` and `NAME.sha256`.
//!
//! Authority: `pg_backup_custom.c` of PostgreSQL 18.

mod blocks;
mod check;
mod large_objects;
mod reader;
#[cfg(test)]
mod tests;
mod writer;

pub use reader::CustomReader;
pub use writer::CustomWriter;

/// The type of a block with the data of a table.
const TABLE_BLOCK: u8 = 1;

/// The type of a block with large objects.
const LARGE_OBJECTS_BLOCK: u8 = 3;
