//! The large objects of a custom archive: each piece in a file without a name, all of them one block.
//!
//! ```text
//! 3 | entry id | oid, chunks | oid, chunks | ...  piece 0 | oid, chunks ...  piece 1 | 0
//! ```

use std::fs::File;
use std::io::{self, BufWriter, Seek, Write};
use std::sync::Arc;

use super::LARGE_OBJECTS_BLOCK;
use super::writer::{Block, Out};
use crate::archive::block::{BlockCodec, EncodedBlock};
use crate::archive::large_objects::{OpenObject, Pieces};
use crate::archive::primitive::PrimitiveWriter;
use crate::archive::single_file::storage;
use crate::archive::{
    LargeObjectPiece, LargeObjectsWriter, ManifestLargeObject, ManifestLargeObjects,
};
use crate::codec::{ADLER32_START, HashingWriter, adler32_join};
use crate::error::Result;
use crate::model::{DumpId, Oid};

/// The large objects of one entry.
#[derive(Debug)]
pub(super) struct CustomLargeObjects {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    dump_id: DumpId,
    codec: BlockCodec,
    out: Arc<Out>,
    pieces: Pieces<File>,
}

impl CustomLargeObjects {
    pub(super) fn new(dump_id: DumpId, codec: BlockCodec, out: Arc<Out>) -> Self {
        let pieces = Pieces::new(&out.shown);
        CustomLargeObjects { shared: Arc::new(Shared { dump_id, codec, out, pieces }) }
    }
}

impl LargeObjectsWriter for CustomLargeObjects {
    fn piece(&self, index: usize) -> Result<Box<dyn LargeObjectPiece>> {
        self.shared.pieces.forget(index);
        let out = &self.shared.out;
        let spool = tempfile::tempfile_in(&out.spool_folder)
            .map_err(|error| storage(&out.spool_folder, error))?;
        Ok(Box::new(CustomPiece {
            shared: Arc::clone(&self.shared),
            index,
            spool: BufWriter::with_capacity(1 << 16, spool),
            open: None,
            adler32: ADLER32_START,
            objects: Vec::new(),
        }))
    }

    fn finish(&self, pieces: usize) -> Result<ManifestLargeObjects> {
        let shared = &*self.shared;
        let (mut parts, objects) = shared.pieces.take(pieces)?;
        let mut tail = Vec::new();
        let mut content = HashingWriter::new(io::sink());
        let hashed = PrimitiveWriter::new(&mut tail).integer(0).and_then(|()| {
            for part in &mut parts {
                part.rewind()?;
                io::copy(part, &mut content)?;
            }
            content.write_all(&tail)
        });
        hashed.map_err(|error| storage(&shared.out.shown, error))?;
        let (_, sha256, stored_bytes) = content.finish();
        shared.out.add(shared.dump_id, Block { kind: LARGE_OBJECTS_BLOCK, parts, tail })?;
        Ok(ManifestLargeObjects {
            dump_id: shared.dump_id.0,
            file: shared.out.file_name(),
            stored_bytes,
            sha256,
            objects,
        })
    }
}

/// Some of the objects.
#[derive(Debug)]
struct CustomPiece {
    shared: Arc<Shared>,
    index: usize,
    spool: BufWriter<File>,
    open: Option<OpenObject>,
    /// The checksum of the open object's bytes.
    adler32: u32,
    objects: Vec<ManifestLargeObject>,
}

impl CustomPiece {
    /// Writes stored bytes of the open object.
    fn store(&mut self, bytes: &[u8]) -> Result<()> {
        self.shared.pieces.open(&mut self.open)?.stored(bytes);
        self.spool.write_all(bytes).map_err(|error| storage(&self.shared.out.shown, error))
    }
}

impl LargeObjectPiece for CustomPiece {
    fn codec(&self) -> BlockCodec {
        self.shared.codec
    }

    fn begin(&mut self, oid: Oid) -> Result<()> {
        // As pg_dump: an oid above 2^31 is stored as a negative number.
        PrimitiveWriter::new(&mut self.spool)
            .integer(oid.0 as i32)
            .map_err(|error| storage(&self.shared.out.shown, error))?;
        self.open = Some(OpenObject::new(oid));
        self.adler32 = ADLER32_START;
        let head = self.shared.codec.head()?;
        self.store(&head)
    }

    fn write(&mut self, block: &EncodedBlock) -> Result<()> {
        self.store(&block.bytes)?;
        self.adler32 = adler32_join(self.adler32, block.adler32, block.raw_bytes);
        if let Some(open) = &mut self.open {
            open.raw_bytes += block.raw_bytes;
        }
        Ok(())
    }

    fn end(&mut self, hash: u128) -> Result<()> {
        let tail = self.shared.codec.tail(self.adler32)?;
        self.store(&tail)?;
        self.objects.push(self.shared.pieces.end(&mut self.open, hash)?);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        let CustomPiece { shared, index, spool, open, objects, .. } = *self;
        let spool =
            spool.into_inner().map_err(|error| storage(&shared.out.shown, error.into_error()))?;
        shared.pieces.complete(index, spool, open, objects)
    }
}
