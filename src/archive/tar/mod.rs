//! The tar format: the files of an uncompressed directory archive as the members of a tar file.
//!
//! ```text
//! toc.dat | NNN.dat ... in the order of the entries | restore.sql | 1024 zero bytes
//! ```
//!
//! pg_restore reads it from the beginning to the end and cannot go back, so members come in the order
//! of their entries. `restore.sql` is for people who have no pg_restore. Here every member is found by
//! its name, so an archive is read in any order and by several threads.
//!
//! Authority: `pg_backup_tar.c` of PostgreSQL 18.

mod check;
mod large_objects;
mod member;
mod reader;
mod restore_sql;
#[cfg(test)]
mod tests;
mod writer;

use super::ArchiveVersion;
use crate::model::DumpId;

pub use reader::TarReader;
pub use writer::TarWriter;

/// Returns the name of the list of an entry's large objects; what the entry says may be another name.
fn list_name(version: ArchiveVersion, entry: DumpId) -> String {
    match version.groups_large_objects() {
        true => format!("blobs_{entry}.toc"),
        false => "blobs.toc".to_owned(),
    }
}

/// The script for people.
const SCRIPT: &str = "restore.sql";
