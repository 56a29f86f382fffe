//! The directory format: a table of contents and one file for each table's data.
//!
//! ```text
//! toc.dat          header and entries, never compressed by a writer
//! NNN.dat[.gz|.lz4|.zst]   the data of entry NNN: COPY text and its end marker
//! SHA256SUMS       of all the above, in the form that `sha256sum -c` reads   (pgark)
//! manifest.json    written last                                              (pgark)
//! ```
//!
//! Authority: `pg_backup_directory.c` of PostgreSQL 18. A reader finds every file by its name first,
//! then by the name with each codec's suffix, so files may be compressed or decompressed by hand.

mod check;
mod reader;
#[cfg(test)]
mod tests;
mod writer;

pub use reader::DirectoryReader;
pub use writer::DirectoryWriter;

/// The table of contents.
pub(super) const TOC_FILE: &str = "toc.dat";

/// The checksums for `sha256sum -c`.
pub(super) const SUMS_FILE: &str = "SHA256SUMS";

/// The files that are not data.
pub(super) const MANIFEST_OR_TOC: [&str; 3] = [TOC_FILE, SUMS_FILE, super::manifest::MANIFEST_FILE];

/// Returns the content of the file of checksums.
pub(super) fn sums_text<'a>(
    files: impl IntoIterator<Item = (&'a str, crate::codec::Sha256Digest)>,
) -> String {
    let mut files: Vec<_> = files.into_iter().collect();
    files.sort_by_key(|(name, _)| *name);
    files.iter().map(|(name, digest)| format!("{digest}  {name}\n")).collect()
}
