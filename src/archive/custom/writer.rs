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
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::TABLE_BLOCK;
use crate::archive::block::BlockCodec;
use crate::archive::data_file::{DataTarget, Destination};
use crate::archive::in_order::InOrder;
use crate::archive::manifest::ManifestToc;
use crate::archive::primitive::PrimitiveWriter;
use crate::archive::single_file::SingleFile;
use crate::archive::toc::{self, Toc};
use crate::archive::{
    ArchivePlace, ArchiveWriter, DataFileSummary, DataFileWriter, DataOrder, LargeObjectsWriter,
    Manifest,
};
use crate::codec::{Compression, HashingWriter, Sha256Digest};
use crate::error::{Error, ErrorKind, Result};
use crate::model::DumpId;

/// A custom archive in the making.
#[derive(Debug)]
pub struct CustomWriter {
    toc: Arc<Toc>,
    compression: Compression,
    shown: PathBuf,
    spool_folder: PathBuf,
    order: DataOrder,
    out: Arc<Out>,
}

/// The file and what is in it.
#[derive(Debug)]
struct Out {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    file: SingleFile,
    /// Where the next block begins.
    position: u64,
    positions: HashMap<DumpId, u64>,
    /// What is complete before its turn, when there are turns.
    waiting: Option<InOrder<File>>,
}

impl CustomWriter {
    /// Begins an archive and writes its table of contents, still without positions.
    ///
    /// # Errors
    ///
    /// Those of [`archive::create`](crate::archive::create).
    pub fn create(place: &ArchivePlace, toc: Arc<Toc>, compression: Compression) -> Result<Self> {
        let mut file = SingleFile::create(place)?;
        let shown = file.shown();
        let (_, bytes) = write_toc(&mut file, &toc, &HashMap::new())?;
        let with_data = toc.entries.iter().filter(|entry| entry.has_data);
        let waiting = match file.can_seek() {
            true => None,
            false => Some(InOrder::new(with_data.map(|entry| entry.dump_id))),
        };
        let order = if waiting.is_some() { DataOrder::OfEntries } else { DataOrder::Any };
        Ok(CustomWriter {
            compression,
            shown,
            spool_folder: file.spool_folder(),
            order,
            out: Arc::new(Out {
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

fn storage(shown: &std::path::Path, source: io::Error) -> Error {
    let kind = match source.kind() {
        io::ErrorKind::InvalidInput => ErrorKind::Internal,
        _ => ErrorKind::Storage,
    };
    Error::new(kind, format!("could not write \"{}\"", shown.display())).with_source(source)
}

impl Out {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Writes a block with the chunks that are in a file.
    fn append(&mut self, id: DumpId, mut chunks: File) -> Result<()> {
        let mut head = Vec::new();
        let mut writer = PrimitiveWriter::new(&mut head);
        let copied = writer
            .bytes(&[TABLE_BLOCK])
            .and_then(|()| writer.integer(id.0))
            .and_then(|()| io::Seek::rewind(&mut chunks))
            .and_then(|()| self.file.file().write_all(&head))
            .and_then(|()| io::copy(&mut chunks, self.file.file()));
        let copied = copied.map_err(|error| storage(&self.file.shown(), error))?;
        self.positions.insert(id, self.position);
        self.position += head.len() as u64 + copied;
        Ok(())
    }
}

impl Destination for Out {
    fn take(&self, file: File, summary: &mut DataFileSummary) -> Result<()> {
        let state = &mut *self.lock();
        let Some(waiting) = &mut state.waiting else { return state.append(summary.dump_id, file) };
        waiting.push(summary.dump_id, file);
        while let Some((id, file)) = state.waiting.as_mut().and_then(InOrder::pop) {
            state.append(id, file)?;
        }
        Ok(())
    }
}

impl ArchiveWriter for CustomWriter {
    fn data_file(&self, dump_id: DumpId) -> Result<DataFileWriter> {
        let file = tempfile::tempfile_in(&self.spool_folder)
            .map_err(|error| storage(&self.spool_folder, error))?;
        Ok(DataFileWriter::new(DataTarget {
            dump_id,
            name: self.shown.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            shown: self.shown.clone(),
            file,
            spool_folder: self.spool_folder.clone(),
            codec: BlockCodec::chunks(self.compression),
            destination: self.out.clone(),
        }))
    }

    fn large_objects(&self, _dump_id: DumpId) -> Result<Box<dyn LargeObjectsWriter>> {
        Err(Error::new(
            ErrorKind::Usage,
            "large objects are not written in custom format by this version of pgark",
        )
        .with_hint("use --format directory, or leave them out with --no-large-objects"))
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
