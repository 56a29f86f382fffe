//! Large objects in a directory: a file for each, and a list of them for each entry.
//!
//! ```text
//! blobs_NNN.toc    "OID blob_OID.dat\n" for each object, never compressed by a writer
//! blob_OID.dat[.gz|.lz4|.zst]
//! ```

use std::io::{self, Write};
use std::sync::Arc;

use super::writer::Files;
use crate::archive::block::{BlockCodec, EncodedBlock};
use crate::archive::large_objects::{OpenObject, Pieces, list_of_files};
use crate::archive::{
    LargeObjectPiece, LargeObjectsWriter, ManifestLargeObject, ManifestLargeObjects,
};
use crate::codec::sha256;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{DumpId, Oid};
use crate::store::{FileKind, NewFile};

/// Returns the name of a large object's file, without the codec's suffix.
pub(in crate::archive) fn file_name(oid: Oid) -> String {
    format!("blob_{oid}.dat")
}

/// The large objects of one entry.
#[derive(Debug)]
pub(super) struct DirectoryLargeObjects {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    dump_id: DumpId,
    /// The name of the list.
    list: String,
    codec: BlockCodec,
    files: Arc<Files>,
    pieces: Pieces<()>,
}

impl DirectoryLargeObjects {
    pub(super) fn new(dump_id: DumpId, list: String, codec: BlockCodec, files: Arc<Files>) -> Self {
        let pieces = Pieces::new(&files.folder.shown(&list));
        let shared = Shared { dump_id, list, codec, files, pieces };
        DirectoryLargeObjects { shared: Arc::new(shared) }
    }
}

impl LargeObjectsWriter for DirectoryLargeObjects {
    fn piece(&self, index: usize) -> Result<Box<dyn LargeObjectPiece>> {
        self.shared.pieces.forget(index);
        Ok(Box::new(DirectoryPiece {
            shared: Arc::clone(&self.shared),
            index,
            open: None,
            file: None,
            objects: Vec::new(),
        }))
    }

    fn finish(&self, pieces: usize) -> Result<ManifestLargeObjects> {
        let shared = &*self.shared;
        let (_, objects) = shared.pieces.take(pieces)?;
        let list = list_of_files(&objects);
        let mut file = shared.files.folder.file(&shared.list, FileKind::Head)?;
        file.write_all(list.as_bytes()).map_err(|error| shared.storage(&shared.list, error))?;
        shared.files.folder.keep(&shared.list, file)?;
        let digest = sha256(list.as_bytes());
        shared.files.record(shared.list.clone(), digest);
        Ok(ManifestLargeObjects {
            dump_id: shared.dump_id.0,
            file: shared.list.clone(),
            stored_bytes: list.len() as u64,
            sha256: digest,
            objects,
        })
    }
}

impl Shared {
    fn storage(&self, name: &str, source: io::Error) -> Error {
        let shown = self.files.folder.shown(name);
        Error::new(ErrorKind::Storage, format!("could not write \"{}\"", shown.display()))
            .with_source(source)
    }
}

/// Some of the objects.
#[derive(Debug)]
struct DirectoryPiece {
    shared: Arc<Shared>,
    index: usize,
    open: Option<OpenObject>,
    /// The file of the open object and its name.
    file: Option<(NewFile, String)>,
    objects: Vec<ManifestLargeObject>,
}

impl LargeObjectPiece for DirectoryPiece {
    fn codec(&self) -> BlockCodec {
        self.shared.codec
    }

    fn begin(&mut self, oid: Oid) -> Result<()> {
        let suffix = self.shared.codec.compression().algorithm.suffix();
        let name = format!("{}{suffix}", file_name(oid));
        // An attempt that was given up may have left the file.
        let file = self.shared.files.folder.file_again(&name)?;
        self.open = Some(OpenObject::new(oid));
        self.file = Some((file, name));
        Ok(())
    }

    fn write(&mut self, block: &EncodedBlock) -> Result<()> {
        let open = self.shared.pieces.open(&mut self.open)?;
        if let Some((file, name)) = &mut self.file {
            let written = file.write_all(&block.bytes);
            written.map_err(|error| self.shared.storage(name, error))?;
        }
        open.stored(&block.bytes);
        open.raw_bytes += block.raw_bytes;
        Ok(())
    }

    fn end(&mut self, hash: u128) -> Result<()> {
        self.objects.push(self.shared.pieces.end(&mut self.open, hash)?);
        match self.file.take() {
            Some((file, name)) => self.shared.files.folder.keep(&name, file),
            None => Ok(()),
        }
    }

    fn finish(self: Box<Self>) -> Result<()> {
        let DirectoryPiece { shared, index, open, objects, .. } = *self;
        shared.pieces.complete(index, (), open, objects)
    }
}
