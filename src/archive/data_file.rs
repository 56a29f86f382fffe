//! The writing of one entry's data by any number of workers.
//!
//! A table may be read in pieces on several connections. The first piece goes straight into the file;
//! every other one waits in a file of its own, which has no name and vanishes with its handle, and is
//! appended, in order, as soon as all before it are complete. A piece counts only when it is finished,
//! and a piece that is begun again (its worker was lost) forgets what it had. What becomes of the file
//! then is the business of the container, its [`Destination`].

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};

use super::COPY_END;
use super::block::{BlockCodec, EncodedBlock};
use super::manifest::{Block, DataFileSummary};
use crate::codec::{ADLER32_START, Fingerprint, Sha256Digest, adler32_join};
use crate::error::{Error, ErrorKind, Result};
use crate::model::DumpId;
use crate::store::NewFile;

/// Where complete data go.
pub(super) trait Destination: fmt::Debug + Send + Sync {
    /// Takes over a file of complete data and corrects what is said about it.
    fn take(&self, file: NewFile, summary: &mut DataFileSummary) -> Result<()>;
}

/// How an entry's data are to be written.
#[derive(Debug)]
pub(super) struct DataTarget {
    /// The entry.
    pub(super) dump_id: DumpId,
    /// What the manifest calls the file.
    pub(super) name: String,
    /// What messages call it.
    pub(super) shown: PathBuf,
    /// Where it is written, empty; on disk it is open for reading too.
    pub(super) file: NewFile,
    /// Where pieces may wait.
    pub(super) spool_folder: PathBuf,
    /// How blocks are stored.
    pub(super) codec: BlockCodec,
    /// Who takes the complete file.
    pub(super) destination: Arc<dyn Destination>,
}

/// The data of one table in the making; cheap to share between workers.
#[derive(Debug, Clone)]
pub struct DataFileWriter {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    dump_id: DumpId,
    name: String,
    shown: PathBuf,
    spool_folder: PathBuf,
    codec: BlockCodec,
    destination: Arc<dyn Destination>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Handed on when it is complete.
    file: Option<NewFile>,
    hasher: Sha256,
    stored_bytes: u64,
    raw_bytes: u64,
    adler32: u32,
    fingerprint: Fingerprint,
    blocks: Vec<Block>,
    /// By index.
    pieces: Vec<Piece>,
    /// How many pieces are in the file for good.
    appended: usize,
    /// Tells a writer that its piece was begun again by another one.
    generation: u64,
}

#[derive(Debug)]
enum Piece {
    Waiting,
    Running { generation: u64 },
    Finished(FinishedPiece),
    Appended,
}

#[derive(Debug)]
struct FinishedPiece {
    /// Where its bytes wait; `None` when they are in the file already.
    spool: Option<File>,
    content: Content,
    fingerprint: Fingerprint,
}

/// What a piece consists of; offsets count from its beginning.
#[derive(Debug)]
struct Content {
    blocks: Vec<Block>,
    stored_bytes: u64,
    raw_bytes: u64,
    rows: u64,
    adler32: u32,
}

impl Default for Content {
    fn default() -> Self {
        Content {
            blocks: Vec::new(),
            stored_bytes: 0,
            raw_bytes: 0,
            rows: 0,
            adler32: ADLER32_START,
        }
    }
}

impl Content {
    fn push(&mut self, block: &EncodedBlock) {
        self.blocks.push(Block {
            offset: self.stored_bytes,
            raw_bytes: block.raw_bytes,
            rows: block.rows,
        });
        self.adler32 = adler32_join(self.adler32, block.adler32, block.raw_bytes);
        self.stored_bytes += block.bytes.len() as u64;
        self.raw_bytes += block.raw_bytes;
        self.rows += block.rows;
    }
}

impl DataFileWriter {
    pub(super) fn new(target: DataTarget) -> Self {
        let DataTarget { dump_id, name, shown, file, spool_folder, codec, destination } = target;
        let state = State {
            file: Some(file),
            hasher: Sha256::new(),
            stored_bytes: 0,
            raw_bytes: 0,
            adler32: ADLER32_START,
            fingerprint: Fingerprint::default(),
            blocks: Vec::new(),
            pieces: Vec::new(),
            appended: 0,
            generation: 0,
        };
        let state = Mutex::new(state);
        let shared = Shared { dump_id, name, shown, spool_folder, codec, destination, state };
        DataFileWriter { shared: Arc::new(shared) }
    }

    /// Begins the piece with a number, counted from 0; forgets what an earlier beginning had written.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Storage`] when its file cannot be made, [`ErrorKind::Internal`] when the piece is
    /// already in the file for good.
    pub fn piece(&self, index: usize) -> Result<PieceWriter> {
        let mut state = self.shared.lock();
        if matches!(state.pieces.get(index), Some(Piece::Appended)) {
            return Err(self.shared.internal(&format!("piece {index} is already complete")));
        }
        while state.pieces.len() <= index {
            state.pieces.push(Piece::Waiting);
        }
        state.generation += 1;
        let generation = state.generation;
        state.pieces[index] = Piece::Running { generation };
        let spool = if index == 0 {
            let head = self.shared.codec.head()?;
            state.begin(&head).map_err(|error| self.shared.storage(error))?;
            None
        } else {
            let folder = &self.shared.spool_folder;
            Some(tempfile::tempfile_in(folder).map_err(|error| self.shared.storage(error))?)
        };
        drop(state);
        Ok(PieceWriter {
            shared: Arc::clone(&self.shared),
            index,
            generation,
            spool,
            content: Content::default(),
        })
    }

    /// Ends a file of COPY text that has this many pieces: appends the end marker and returns what
    /// there is to know about the file.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Storage`] when the disk fails, [`ErrorKind::Internal`] when a piece is missing.
    pub fn finish(self, pieces: usize) -> Result<DataFileSummary> {
        self.finish_with(pieces, COPY_END)
    }

    /// Ends a file with other bytes than the end marker of COPY: two newlines for INSERT statements.
    ///
    /// # Errors
    ///
    /// As [`DataFileWriter::finish`].
    pub fn finish_with(self, pieces: usize, end: &[u8]) -> Result<DataFileSummary> {
        let shared = &*self.shared;
        let mut state = shared.lock();
        let state = &mut *state;
        if state.appended != pieces || state.pieces.len() != pieces {
            return Err(
                shared.internal(&format!("{} of {pieces} pieces are complete", state.appended))
            );
        }
        let storage = |error| shared.storage(error);
        if pieces == 0 {
            state.begin(&shared.codec.head()?).map_err(storage)?;
        }
        if !end.is_empty() {
            let mut content = Content::default();
            let block = shared.codec.encode(end, 0)?;
            content.push(&block);
            state.append(&block.bytes).map_err(storage)?;
            state.count(content, Fingerprint::default());
        }
        let tail = shared.codec.tail(state.adler32)?;
        state.append(&tail).map_err(storage)?;
        state.stored_bytes += tail.len() as u64;
        let digest =
            Sha256Digest(std::mem::replace(&mut state.hasher, Sha256::new()).finalize().into());
        let mut summary = DataFileSummary {
            dump_id: shared.dump_id,
            file: shared.name.clone(),
            raw_bytes: state.raw_bytes,
            stored_bytes: state.stored_bytes,
            sha256: digest,
            fingerprint: state.fingerprint,
            blocks: std::mem::take(&mut state.blocks),
        };
        let file = state.file.take().ok_or_else(|| shared.internal("it was finished already"))?;
        shared.destination.take(file, &mut summary)?;
        Ok(summary)
    }
}

impl State {
    fn file(&mut self) -> io::Result<&mut NewFile> {
        self.file.as_mut().ok_or_else(|| io::Error::other("it was finished already"))
    }

    /// Empties the file for the first piece.
    fn begin(&mut self, head: &[u8]) -> io::Result<()> {
        self.file()?.restart()?;
        self.hasher = Sha256::new();
        self.stored_bytes = head.len() as u64;
        self.append(head)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file()?.write_all(bytes)?;
        self.hasher.update(bytes);
        Ok(())
    }

    /// Takes a piece's blocks over; its bytes are in the file.
    fn count(&mut self, content: Content, fingerprint: Fingerprint) {
        let start = self.stored_bytes;
        self.blocks.extend(
            content.blocks.into_iter().map(|block| Block { offset: start + block.offset, ..block }),
        );
        self.adler32 = adler32_join(self.adler32, content.adler32, content.raw_bytes);
        self.stored_bytes += content.stored_bytes;
        self.raw_bytes += content.raw_bytes;
        self.fingerprint.merge(fingerprint);
    }

    /// Appends every piece whose predecessors are all in the file.
    fn append_ready(&mut self) -> io::Result<()> {
        let mut buffer = Vec::new();
        while let Some(piece @ Piece::Finished(_)) = self.pieces.get_mut(self.appended) {
            let Piece::Finished(piece) = std::mem::replace(piece, Piece::Appended) else { break };
            if let Some(mut spool) = piece.spool {
                spool.rewind()?;
                buffer.resize(1 << 20, 0);
                let mut rest = piece.content.stored_bytes;
                while rest > 0 {
                    let part = buffer.len().min(usize::try_from(rest).unwrap_or(usize::MAX));
                    spool.read_exact(&mut buffer[..part])?;
                    self.append(&buffer[..part])?;
                    rest -= part as u64;
                }
            }
            self.count(piece.content, piece.fingerprint);
            self.appended += 1;
        }
        Ok(())
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves numbers that `finish` checks again.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn storage(&self, source: io::Error) -> Error {
        Error::new(ErrorKind::Storage, format!("could not write \"{}\"", self.shown.display()))
            .with_source(source)
    }

    fn internal(&self, reason: &str) -> Error {
        Error::new(ErrorKind::Internal, format!("data file \"{}\": {reason}", self.shown.display()))
    }
}

/// One piece of a data file in the making.
///
/// Dropping it unfinished forgets it; the file cannot be finished without it.
#[derive(Debug)]
pub struct PieceWriter {
    shared: Arc<Shared>,
    index: usize,
    generation: u64,
    spool: Option<File>,
    content: Content,
}

impl PieceWriter {
    /// Returns what makes the blocks of this archive.
    pub fn codec(&self) -> BlockCodec {
        self.shared.codec
    }

    /// Writes the next block of the piece.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Storage`] when the disk fails, [`ErrorKind::Internal`] when the piece was begun
    /// again by somebody else.
    pub fn write_block(&mut self, block: EncodedBlock) -> Result<()> {
        let written = match &mut self.spool {
            Some(spool) => spool.write_all(&block.bytes),
            None => {
                let mut state = self.shared.lock();
                self.check_current(&state)?;
                state.append(&block.bytes)
            }
        };
        written.map_err(|error| self.shared.storage(error))?;
        self.content.push(&block);
        Ok(())
    }

    /// Returns how many bytes of COPY text were written.
    pub fn raw_bytes(&self) -> u64 {
        self.content.raw_bytes
    }

    /// Declares the piece complete, with the fingerprint of its rows.
    ///
    /// # Errors
    ///
    /// As [`PieceWriter::write_block`]; also [`ErrorKind::Internal`] when blocks and fingerprint differ
    /// in their number of rows.
    pub fn finish(self, fingerprint: Fingerprint) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        let mut state = shared.lock();
        self.check_current(&state)?;
        if self.content.rows != fingerprint.rows {
            return Err(shared.internal(&format!(
                "piece {} has {} rows in its blocks and {} in its fingerprint",
                self.index, self.content.rows, fingerprint.rows
            )));
        }
        state.pieces[self.index] = Piece::Finished(FinishedPiece {
            spool: self.spool,
            content: self.content,
            fingerprint,
        });
        state.append_ready().map_err(|error| shared.storage(error))
    }

    fn check_current(&self, state: &State) -> Result<()> {
        match state.pieces.get(self.index) {
            Some(Piece::Running { generation }) if *generation == self.generation => Ok(()),
            _ => Err(self.shared.internal(&format!("piece {} was begun again", self.index))),
        }
    }
}
