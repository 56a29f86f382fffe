//! The writing of a custom archive, by as many connections as read.
//!
//! ```text
//! worker 1 -> data of entry 7 (a file without a name) --complete--> block 7 --+
//! worker 2 -> data of entry 5 (another one)           --complete--> block 5 --+-> TOC | block | block ...
//! ```
//!
//! The chunks of an entry must lie together, and nobody knows how long they will be; so each entry is
//! gathered in a file of its own, and copied behind the others when it is complete. The kernel does that
//! without our reading it, on some file systems without any copying. At the end the positions are
//! written into the table of contents. Where nothing can be written twice (a pipe) the blocks come in
//! the order of their entries, so that a reader who cannot go back finds them.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Seek, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::TABLE_BLOCK;
use super::large_objects::CustomLargeObjects;
use crate::archive::block::BlockCodec;
use crate::archive::data_file::{DataTarget, Destination};
use crate::archive::in_order::InOrder;
use crate::archive::manifest::ManifestToc;
use crate::archive::primitive::PrimitiveWriter;
use crate::archive::single_file::{SingleFile, storage};
use crate::archive::toc::{self, Toc};
use crate::archive::{
    ArchivePlace, ArchiveWriter, DataFileSummary, DataFileWriter, DataOrder, LargeObjectsWriter,
    Manifest,
};
use crate::codec::{Compression, HashingWriter, Sha256Digest};
use crate::error::{Error, ErrorKind, Result};
use crate::model::DumpId;
use crate::store::NewFile;

/// A custom archive in the making.
#[derive(Debug)]
pub struct CustomWriter {
    toc: Arc<Toc>,
    compression: Compression,
    order: DataOrder,
    out: Arc<Out>,
}

/// The file and what is in it.
#[derive(Debug)]
pub(super) struct Out {
    /// What messages call the file.
    pub(super) shown: PathBuf,
    /// Where data may wait.
    pub(super) spool_folder: PathBuf,
    state: Mutex<State>,
}

/// A block that is complete, apart from its head.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) kind: u8,
    /// Files whose contents make the block.
    pub(super) parts: Vec<File>,
    /// What follows them.
    pub(super) tail: Vec<u8>,
}

#[derive(Debug)]
struct State {
    file: SingleFile,
    /// Where the next block begins.
    position: u64,
    positions: HashMap<DumpId, u64>,
    /// What is complete before its turn, when there are turns.
    waiting: Option<InOrder<Block>>,
}

impl CustomWriter {
    /// Begins an archive and writes its table of contents, still without positions.
    ///
    /// # Errors
    ///
    /// Those of [`archive::create`](crate::archive::create).
    pub fn create(place: &ArchivePlace, toc: Arc<Toc>, compression: Compression) -> Result<Self> {
        let mut file = SingleFile::create(place)?;
        let (_, bytes) = write_toc(&mut file, &toc, &HashMap::new())?;
        let with_data = toc.entries.iter().filter(|entry| entry.has_data);
        let waiting = match file.can_seek() {
            true => None,
            false => Some(InOrder::new(with_data.map(|entry| entry.dump_id))),
        };
        let order = if waiting.is_some() { DataOrder::OfEntries } else { DataOrder::Any };
        Ok(CustomWriter {
            compression,
            order,
            out: Arc::new(Out {
                shown: file.shown(),
                spool_folder: file.spool_folder(),
                state: Mutex::new(State {
                    position: file.start() + bytes,
                    file,
                    positions: HashMap::new(),
                    waiting,
                }),
            }),
            toc,
        })
    }
}

/// Writes the table of contents where the file stands.
fn write_toc(
    file: &mut SingleFile,
    toc: &Toc,
    positions: &HashMap<DumpId, u64>,
) -> Result<(Sha256Digest, u64)> {
    let shown = file.shown();
    let mut out = HashingWriter::new(BufWriter::with_capacity(1 << 18, file.file()));
    let written = toc::write_placed(&mut out, &toc.header, &toc.entries, positions)
        .and_then(|()| out.flush());
    written.map_err(|error| storage(&shown, error))?;
    let (_, digest, bytes) = out.finish();
    Ok((digest, bytes))
}

impl Out {
    /// Takes over a complete block; it is written now or when its turn comes.
    pub(super) fn add(&self, id: DumpId, block: Block) -> Result<()> {
        let state = &mut *self.lock();
        let Some(waiting) = &mut state.waiting else { return state.append(id, block) };
        waiting.push(id, block);
        while let Some((id, block)) = state.waiting.as_mut().and_then(InOrder::pop) {
            state.append(id, block)?;
        }
        Ok(())
    }

    /// Returns the name of the archive without its folder.
    pub(super) fn file_name(&self) -> String {
        self.shown.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn append(&mut self, id: DumpId, block: Block) -> Result<()> {
        match self.write(id, block) {
            Ok(bytes) => {
                self.positions.insert(id, self.position);
                self.position += bytes;
                Ok(())
            }
            Err(error) => Err(storage(&self.file.shown(), error)),
        }
    }

    /// Writes a block and returns its length.
    fn write(&mut self, id: DumpId, block: Block) -> io::Result<u64> {
        let out = self.file.file();
        let mut head = vec![block.kind];
        PrimitiveWriter::new(&mut head).integer(id.0)?;
        out.write_all(&head)?;
        let mut bytes = (head.len() + block.tail.len()) as u64;
        for mut part in block.parts {
            part.rewind()?;
            bytes += io::copy(&mut part, out)?;
        }
        out.write_all(&block.tail)?;
        Ok(bytes)
    }
}

impl Destination for Out {
    fn take(&self, file: NewFile, summary: &mut DataFileSummary) -> Result<()> {
        let parts = vec![file.on_disk()?];
        let block = Block { kind: TABLE_BLOCK, parts, tail: Vec::new() };
        self.add(summary.dump_id, block)
    }
}

impl ArchiveWriter for CustomWriter {
    fn data_file(&self, dump_id: DumpId) -> Result<DataFileWriter> {
        let folder = &self.out.spool_folder;
        let file = tempfile::tempfile_in(folder).map_err(|error| storage(folder, error))?;
        Ok(DataFileWriter::new(DataTarget {
            dump_id,
            name: self.out.file_name(),
            shown: self.out.shown.clone(),
            file: NewFile::Disk(file),
            spool_folder: folder.clone(),
            codec: BlockCodec::chunks(self.compression),
            destination: self.out.clone(),
        }))
    }

    fn large_objects(&self, dump_id: DumpId) -> Result<Box<dyn LargeObjectsWriter>> {
        let codec = BlockCodec::chunks(self.compression);
        Ok(Box::new(CustomLargeObjects::new(dump_id, codec, self.out.clone())))
    }

    fn order(&self) -> DataOrder {
        self.order
    }

    fn finish(self: Box<Self>, manifest: Option<Manifest>) -> Result<()> {
        let out = Arc::into_inner(self.out).ok_or_else(|| {
            Error::new(ErrorKind::Internal, "somebody still writes to the archive")
        })?;
        let state = out.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        let State { mut file, positions, .. } = state;
        let toc = &*self.toc;
        for entry in toc.entries.iter().filter(|entry| entry.has_data) {
            if !positions.contains_key(&entry.dump_id) {
                return Err(Error::new(
                    ErrorKind::Internal,
                    format!("{} has no data", entry.describe()),
                ));
            }
        }
        let manifest = match file.can_seek() {
            false => None,
            true => {
                file.go_to_start()?;
                let (sha256, bytes) = write_toc(&mut file, toc, &positions)?;
                file.go_to_end()?;
                manifest.map(|mut manifest| {
                    let entries = toc.entries.len() as u64;
                    let described = ManifestToc { entries, bytes, sha256 };
                    manifest.complete(&toc.header, self.compression, described);
                    manifest
                })
            }
        };
        file.finish(manifest)
    }
}
