//! The large objects of a tar archive: a member for each, and behind them the list.
//!
//! A piece is gathered as finished members in a file without a name. An object's size stands before
//! its bytes and is known after them, so the head is put in at the end.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::member::{self, UNIT};
use super::writer::{Out, Waiting, modified};
use crate::archive::block::{BlockCodec, EncodedBlock};
use crate::archive::directory::blob_file_name;
use crate::archive::large_objects::{OpenObject, Pieces, list_of_files};
use crate::archive::single_file::storage;
use crate::archive::{
    LargeObjectPiece, LargeObjectsWriter, ManifestLargeObject, ManifestLargeObjects,
};
use crate::codec::{Compression, sha256};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{DumpId, Oid};

/// The large objects of one entry.
#[derive(Debug)]
pub(super) struct TarLargeObjects {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    dump_id: DumpId,
    /// The name of the list.
    list: String,
    out: Arc<Out>,
    pieces: Pieces<File>,
}

impl TarLargeObjects {
    pub(super) fn new(dump_id: DumpId, list: String, out: Arc<Out>) -> Self {
        let pieces = Pieces::new(&out.shown);
        TarLargeObjects { shared: Arc::new(Shared { dump_id, list, out, pieces }) }
    }
}

impl LargeObjectsWriter for TarLargeObjects {
    fn piece(&self, index: usize) -> Result<Box<dyn LargeObjectPiece>> {
        self.shared.pieces.forget(index);
        let folder = &self.shared.out.spool_folder;
        let spool = tempfile::tempfile_in(folder).map_err(|error| storage(folder, error))?;
        Ok(Box::new(TarPiece {
            modified: modified(&spool),
            shared: Arc::clone(&self.shared),
            index,
            spool,
            position: 0,
            pending: Vec::new(),
            open: None,
            start: 0,
            objects: Vec::new(),
        }))
    }

    fn finish(&self, pieces: usize) -> Result<ManifestLargeObjects> {
        let shared = &*self.shared;
        let (parts, objects) = shared.pieces.take(pieces)?;
        let list = list_of_files(&objects);
        let described = ManifestLargeObjects {
            dump_id: shared.dump_id.0,
            file: shared.list.clone(),
            stored_bytes: list.len() as u64,
            sha256: sha256(list.as_bytes()),
            objects,
        };
        let waiting = Waiting::LargeObjects { parts, list_name: shared.list.clone(), list };
        shared.out.add(shared.dump_id, waiting)?;
        Ok(described)
    }
}

/// Many small objects are written to the file together.
const PENDING_BYTES: usize = 1 << 18;

/// Some of the objects.
#[derive(Debug)]
struct TarPiece {
    shared: Arc<Shared>,
    index: usize,
    modified: u64,
    spool: File,
    /// How many bytes are in the file.
    position: u64,
    /// What comes behind them.
    pending: Vec<u8>,
    open: Option<OpenObject>,
    /// Where the head of the open object belongs.
    start: u64,
    objects: Vec<ManifestLargeObject>,
}

impl TarPiece {
    fn flush(&mut self) -> Result<()> {
        let written = self.spool.write_all_at(&self.pending, self.position);
        written.map_err(|error| storage(&self.shared.out.shown, error))?;
        self.position += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }
}

impl LargeObjectPiece for TarPiece {
    fn codec(&self) -> BlockCodec {
        BlockCodec::file(Compression::NONE)
    }

    fn begin(&mut self, oid: Oid) -> Result<()> {
        if self.pending.len() >= PENDING_BYTES {
            self.flush()?;
        }
        self.start = self.position + self.pending.len() as u64;
        self.pending.extend_from_slice(&[0; UNIT]);
        self.open = Some(OpenObject::new(oid));
        Ok(())
    }

    fn write(&mut self, block: &EncodedBlock) -> Result<()> {
        let open = self.shared.pieces.open(&mut self.open)?;
        open.stored(&block.bytes);
        open.raw_bytes += block.raw_bytes;
        self.pending.extend_from_slice(&block.bytes);
        if self.pending.len() >= PENDING_BYTES { self.flush() } else { Ok(()) }
    }

    fn end(&mut self, hash: u128) -> Result<()> {
        let object = self.shared.pieces.end(&mut self.open, hash)?;
        let head = member::encode(&blob_file_name(object.oid), object.stored_bytes, self.modified)
            .ok_or_else(|| Error::new(ErrorKind::Internal, "the name of a member is too long"))?;
        match self.start.checked_sub(self.position).and_then(|at| usize::try_from(at).ok()) {
            Some(at) => self.pending[at..at + UNIT].copy_from_slice(&head),
            None => {
                let written = self.spool.write_all_at(&head, self.start);
                written.map_err(|error| storage(&self.shared.out.shown, error))?;
            }
        }
        self.pending.extend_from_slice(&[0; UNIT][..member::padding(object.stored_bytes)]);
        self.objects.push(object);
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.flush()?;
        let TarPiece { shared, index, spool, open, objects, .. } = *self;
        shared.pieces.complete(index, spool, open, objects)
    }
}
