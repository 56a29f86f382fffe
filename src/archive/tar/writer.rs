//! The writing of a tar archive: from the beginning to the end, to a file or a pipe.
//!
//! A member's size stands before its bytes, so each entry is gathered in a file without a name first.
//! What is complete before its turn waits there.

use std::fs::File;
use std::io::{self, BufWriter, Seek, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::UNIX_EPOCH;

use super::large_objects::TarLargeObjects;
use super::member::{self, UNIT};
use super::{SCRIPT, list_name, restore_sql};
use crate::archive::block::BlockCodec;
use crate::archive::data_file::{DataTarget, Destination};
use crate::archive::in_order::InOrder;
use crate::archive::manifest::ManifestToc;
use crate::archive::single_file::{SingleFile, storage};
use crate::archive::toc::{self, TOC_FILE, Toc};
use crate::archive::{
    ArchiveFormat, ArchivePlace, ArchiveWriter, DataFileSummary, DataFileWriter, DataOrder,
    LargeObjectsWriter, Manifest,
};
use crate::codec::{Compression, HashingWriter, Sha256Digest};
use crate::error::{Error, ErrorKind, Result};
use crate::model::DumpId;
use crate::store::NewFile;

/// A tar archive in the making.
#[derive(Debug)]
pub struct TarWriter {
    toc: Arc<Toc>,
    described: ManifestToc,
    out: Arc<Out>,
}

/// The file and what waits for its turn.
#[derive(Debug)]
pub(super) struct Out {
    /// What messages call the file.
    pub(super) shown: PathBuf,
    /// Where data may wait.
    pub(super) spool_folder: PathBuf,
    state: Mutex<State>,
}

/// The data of an entry, complete.
#[derive(Debug)]
pub(super) enum Waiting {
    /// The content of one member.
    Rows { name: String, content: File },
    /// Finished members, and the content of the one behind them.
    LargeObjects { parts: Vec<File>, list_name: String, list: String },
}

#[derive(Debug)]
struct State {
    file: SingleFile,
    waiting: InOrder<Waiting>,
    written: usize,
}

impl TarWriter {
    /// Begins an archive and writes its table of contents.
    ///
    /// # Errors
    ///
    /// Those of [`archive::create`](crate::archive::create); [`ErrorKind::Usage`] for compressed data.
    pub fn create(place: &ArchivePlace, toc: Arc<Toc>, compression: Compression) -> Result<Self> {
        ArchiveFormat::Tar.check_compression(compression)?;
        let file = SingleFile::create(place)?;
        let with_data = toc.entries.iter().filter(|entry| entry.has_data);
        let waiting = InOrder::new(with_data.map(|entry| entry.dump_id));
        let mut state = State { file, waiting, written: 0 };
        let (shown, spool_folder) = (state.file.shown(), state.file.spool_folder());
        let (sha256, bytes) =
            state.add(TOC_FILE, &mut |out| toc::write(out, &toc.header, &toc.entries))?;
        let described = ManifestToc { entries: toc.entries.len() as u64, bytes, sha256 };
        let out = Arc::new(Out { shown, spool_folder, state: Mutex::new(state) });
        Ok(TarWriter { toc, described, out })
    }
}

/// Returns when a file was changed, in seconds since 1970.
pub(super) fn modified(file: &File) -> u64 {
    let time = file.metadata().and_then(|metadata| metadata.modified()).ok();
    time.and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default().as_secs()
}

impl Out {
    /// Takes over the data of an entry; they are written now or when their turn comes.
    pub(super) fn add(&self, id: DumpId, waiting: Waiting) -> Result<()> {
        let state = &mut *self.lock();
        state.waiting.push(id, waiting);
        while let Some((_, waiting)) = state.waiting.pop() {
            match waiting {
                Waiting::Rows { name, content } => state.member(&name, content)?,
                Waiting::LargeObjects { parts, list_name, list } => {
                    for part in parts {
                        state.members(part)?;
                    }
                    state.add(&list_name, &mut |out| out.write_all(list.as_bytes()))?;
                }
            }
            state.written += 1;
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Writes a member with the bytes that are in a file.
    fn member(&mut self, name: &str, mut content: File) -> Result<()> {
        let result = content.metadata().and_then(|metadata| {
            let head = member::encode(name, metadata.len(), modified(&content))
                .ok_or(io::ErrorKind::InvalidFilename)?;
            content.rewind()?;
            let out = self.file.file();
            out.write_all(&head)?;
            let copied = io::copy(&mut content, out)?;
            if copied != metadata.len() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            out.write_all(&[0; UNIT][..member::padding(copied)])
        });
        result.map_err(|error| storage(&self.file.shown(), error))
    }

    /// Writes members that are finished.
    fn members(&mut self, mut finished: File) -> Result<()> {
        let copied = finished.rewind().and_then(|()| io::copy(&mut finished, self.file.file()));
        copied.map(|_| ()).map_err(|error| storage(&self.file.shown(), error))
    }

    /// Writes a member whose bytes are made here.
    fn add(
        &mut self,
        name: &str,
        write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(Sha256Digest, u64)> {
        let shown = self.file.shown();
        let made = tempfile::tempfile_in(self.file.spool_folder()).and_then(|mut file| {
            let mut out = HashingWriter::new(BufWriter::with_capacity(1 << 18, &mut file));
            write(&mut out)?;
            out.flush()?;
            let (buffer, digest, bytes) = out.finish();
            drop(buffer);
            Ok((file, digest, bytes))
        });
        let (file, digest, bytes) = made.map_err(|error| storage(&shown, error))?;
        self.member(name, file)?;
        Ok((digest, bytes))
    }
}

impl Destination for Out {
    fn take(&self, file: NewFile, summary: &mut DataFileSummary) -> Result<()> {
        let content = file.on_disk()?;
        self.add(summary.dump_id, Waiting::Rows { name: summary.file.clone(), content })
    }
}

impl ArchiveWriter for TarWriter {
    fn data_file(&self, dump_id: DumpId) -> Result<DataFileWriter> {
        let folder = &self.out.spool_folder;
        let file = tempfile::tempfile_in(folder).map_err(|error| storage(folder, error))?;
        Ok(DataFileWriter::new(DataTarget {
            dump_id,
            name: format!("{dump_id}.dat"),
            shown: self.out.shown.clone(),
            file: NewFile::Disk(file),
            spool_folder: folder.clone(),
            codec: BlockCodec::file(Compression::NONE),
            destination: self.out.clone(),
        }))
    }

    fn large_objects(&self, dump_id: DumpId) -> Result<Box<dyn LargeObjectsWriter>> {
        let list = list_name(self.toc.header.version, dump_id);
        Ok(Box::new(TarLargeObjects::new(dump_id, list, self.out.clone())))
    }

    fn order(&self) -> DataOrder {
        DataOrder::OfEntries
    }

    fn finish(self: Box<Self>, manifest: Option<Manifest>) -> Result<()> {
        let out = Arc::into_inner(self.out).ok_or_else(|| {
            Error::new(ErrorKind::Internal, "somebody still writes to the archive")
        })?;
        let mut state = out.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        let expected = self.toc.entries.iter().filter(|entry| entry.has_data).count();
        if state.written != expected {
            let what = format!("{} data members for {expected} entries", state.written);
            return Err(Error::new(ErrorKind::Internal, what));
        }
        state
            .add(SCRIPT, &mut |out| restore_sql::write(out, &self.toc).map_err(io::Error::other))?;
        let end = state.file.file().write_all(&[0; 2 * UNIT]);
        end.map_err(|error| storage(&out.shown, error))?;
        let manifest = manifest.map(|mut manifest| {
            manifest.complete(&self.toc.header, Compression::NONE, self.described);
            manifest
        });
        state.file.finish(manifest)
    }
}
