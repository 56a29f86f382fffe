//! Archives in pg_dump's formats: the table of contents, the directory format, the manifest.
//!
//! [`open`] gives an [`ArchiveReader`] for whatever is at a path, [`create`] an [`ArchiveWriter`] for
//! whichever format is asked for.
//! What an archive *means* (which statements an entry consists of, in what order they run) is in
//! [`statements`] and [`script`]; executing them is the business of `restore`.

mod block;
pub mod check;
mod chunks;
pub mod cluster;
pub mod custom;
mod data_end;
mod data_file;
pub mod directory;
mod header;
mod in_order;
pub mod large_object_text;
mod large_objects;
pub mod listing;
pub mod manifest;
mod manifest_large_objects;
mod name;
mod primitive;
mod reader;
mod reordered;
#[cfg(test)]
mod sample;
mod schema_fingerprint;
pub mod script;
pub mod script_reader;
pub mod selection;
mod single_file;
pub mod statements;
mod stored_data;
pub mod tar;
pub mod toc;
mod unnamed;
mod version;
mod writer;

pub use block::{BlockCodec, EncodedBlock};
pub use custom::{CustomReader, CustomWriter};
pub use data_end::{DataEnd, DataEndError, binary_copy_statement, freezing_copy_statement};
pub use data_file::{DataFileWriter, PieceWriter};
pub use directory::{DirectoryReader, DirectoryWriter};
pub use header::{
    ArchiveFormat, ArchiveHeader, ArchiveTime, own_dumper_version,
    own_dumper_version_without_manifest,
};
pub use large_objects::{LargeObjectPiece, LargeObjectsWriter};
pub use manifest::{Block, DataFileSummary, Manifest, ManifestData, ManifestSequence};
pub use manifest_large_objects::{
    LargeObjectClass, ManifestLargeObject, ManifestLargeObjects, PRIVILEGES_ON,
    large_object_remarks,
};
pub use name::file_name_of;
pub use reader::{ArchiveReader, LargeObjectFile, ManifestState, all_large_objects, open};
pub use reordered::ReorderedReader;
pub use schema_fingerprint::{SchemaComparison, SchemaDifference, SchemaFingerprint, SchemaItem};
pub use stored_data::StoredData;
pub use tar::{TarReader, TarWriter};
pub use version::{ArchiveVersion, UNGROUPED_LARGE_OBJECTS};
pub use writer::{ArchivePlace, ArchiveWriter, DataOrder, create};

/// What ends COPY text in an archive: the end-of-data line and two empty ones.
pub const COPY_END: &[u8] = b"\\.\n\n\n";
