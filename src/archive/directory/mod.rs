//! The directory format: a table of contents and one file for each table's data.
//!
//! ```text
//! toc.dat          header and entries, never compressed by a writer
//! NNN.dat[.gz|.lz4|.zst]   the data of entry NNN: COPY text and its end marker
//! blobs_NNN.toc    the list of the large objects of entry NNN; blobs.toc before version 1.16
//! blob_OID.dat[.gz|.lz4|.zst]   the bytes of a large object
//! SHA256SUMS       of all the above, in the form that `sha256sum -c` reads   (pgark)
//! manifest.json    written last                                              (pgark)
//! ```
//!
//! Authority: `pg_backup_directory.c` of PostgreSQL 18. A reader finds every file by its name first,
//! then by the name with each codec's suffix, so files may be compressed or decompressed by hand.

mod check;
mod large_objects;
mod reader;
#[cfg(test)]
mod tests;
mod writer;

use super::ManifestLargeObjects;
use crate::codec::{Algorithm, Sha256Digest};

pub(super) use large_objects::file_name as blob_file_name;
pub use reader::DirectoryReader;
pub use writer::DirectoryWriter;

/// The checksums for `sha256sum -c`.
pub(super) const SUMS_FILE: &str = "SHA256SUMS";

/// The files that are not data.
pub(super) const MANIFEST_OR_TOC: [&str; 3] =
    [super::toc::TOC_FILE, SUMS_FILE, super::manifest::MANIFEST_FILE];

/// Returns the content of the file of checksums.
pub(super) fn sums_text<'a>(files: impl IntoIterator<Item = (&'a str, Sha256Digest)>) -> String {
    let mut files: Vec<_> = files.into_iter().collect();
    files.sort_by_key(|(name, _)| *name);
    files.iter().map(|(name, digest)| format!("{digest}  {name}\n")).collect()
}

/// Returns what follows in that file: the large objects, in the order of the archive.
fn large_object_sums(entries: &[ManifestLargeObjects], algorithm: Algorithm) -> String {
    let suffix = algorithm.suffix();
    let objects = entries.iter().flat_map(|entry| &entry.objects);
    objects
        .map(|object| format!("{}  {}{suffix}\n", object.sha256, blob_file_name(object.oid)))
        .collect()
}
