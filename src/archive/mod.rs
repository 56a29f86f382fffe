//! Archives in pg_dump's formats: the table of contents, the directory format, the manifest.
//!
//! [`open`] gives an [`ArchiveReader`] for whatever is at a path; [`DirectoryWriter`] makes an archive.
//! What an archive *means* (which statements an entry consists of, in what order they run) is in
//! [`statements`] and [`script`]; executing them is the business of `restore`.

pub mod check;
pub mod directory;
mod header;
pub mod manifest;
mod primitive;
mod reader;
mod schema_fingerprint;
pub mod script;
pub mod selection;
pub mod statements;
pub mod toc;
mod version;

pub use directory::{
    COPY_END, DataFileWriter, DirectoryReader, DirectoryWriter, EncodedBlock, PieceWriter,
};
pub use header::{ArchiveFormat, ArchiveHeader, ArchiveTime, own_dumper_version};
pub use manifest::{Block, DataFileSummary, Manifest, ManifestData, ManifestSequence};
pub use reader::{ArchiveReader, LargeObjectFile, ManifestState, open};
pub use schema_fingerprint::{SchemaComparison, SchemaDifference, SchemaFingerprint, SchemaItem};
pub use version::ArchiveVersion;
