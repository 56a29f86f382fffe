//! Large objects in a directory: a file for each, and a list of them for each entry.
//!
//! ```text
//! blobs_NNN.toc    "OID blob_OID.dat\n" for each object, never compressed by a writer
//! blob_OID.dat[.gz|.lz4|.zst]
//! ```

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};

use super::writer::FinishedFiles;
use crate::archive::block::{BlockCodec, EncodedBlock};
use crate::archive::{
    LargeObjectPiece, LargeObjectsWriter, ManifestLargeObject, ManifestLargeObjects,
};
use crate::codec::{Sha256Digest, sha256};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::model::{DumpId, Oid};

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
    /// Where the files are written now.
    folder: PathBuf,
    /// Where they will be, for messages.
    final_folder: PathBuf,
    codec: BlockCodec,
    files: Arc<FinishedFiles>,
    /// The objects of the pieces that are complete, by the number of the piece.
    pieces: Mutex<BTreeMap<usize, Vec<ManifestLargeObject>>>,
}

impl DirectoryLargeObjects {
    pub(super) fn new(
        dump_id: DumpId,
        list: String,
        folders: (PathBuf, PathBuf),
        codec: BlockCodec,
        files: Arc<FinishedFiles>,
    ) -> Self {
        let (folder, final_folder) = folders;
        let pieces = Mutex::default();
        let shared = Shared { dump_id, list, folder, final_folder, codec, files, pieces };
        DirectoryLargeObjects { shared: Arc::new(shared) }
    }
}

impl LargeObjectsWriter for DirectoryLargeObjects {
    fn piece(&self, index: usize) -> Result<Box<dyn LargeObjectPiece>> {
        self.shared.lock().remove(&index);
        Ok(Box::new(DirectoryPiece {
            shared: Arc::clone(&self.shared),
            index,
            open: None,
            objects: Vec::new(),
        }))
    }

    fn finish(&self, pieces: usize) -> Result<ManifestLargeObjects> {
        let complete = std::mem::take(&mut *self.shared.lock());
        if complete.len() != pieces {
            let reason = format!("{} of {pieces} pieces are complete", complete.len());
            return Err(self.shared.internal(&reason));
        }
        let objects: Vec<_> = complete.into_values().flatten().collect();
        let mut list = String::new();
        for object in &objects {
            // Text is not written anywhere but into memory, which cannot fail.
            let _ = writeln!(list, "{} {}", object.oid, file_name(object.oid));
        }
        let shared = &*self.shared;
        File::create_new(shared.folder.join(&shared.list))
            .and_then(|mut file| file.write_all(list.as_bytes()))
            .map_err(|error| shared.storage(&shared.list, error))?;
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
    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<usize, Vec<ManifestLargeObject>>> {
        self.pieces.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn storage(&self, name: &str, source: io::Error) -> Error {
        let shown = self.final_folder.join(name);
        Error::new(ErrorKind::Storage, format!("could not write \"{}\"", shown.display()))
            .with_source(source)
    }

    fn internal(&self, reason: &str) -> Error {
        Error::new(ErrorKind::Internal, format!("large objects of \"{}\": {reason}", self.list))
    }
}

/// Some of the objects.
#[derive(Debug)]
struct DirectoryPiece {
    shared: Arc<Shared>,
    index: usize,
    open: Option<OpenObject>,
    objects: Vec<ManifestLargeObject>,
}

#[derive(Debug)]
struct OpenObject {
    oid: Oid,
    name: String,
    file: File,
    hasher: Sha256,
    raw_bytes: u64,
    stored_bytes: u64,
}

impl LargeObjectPiece for DirectoryPiece {
    fn codec(&self) -> BlockCodec {
        self.shared.codec
    }

    fn begin(&mut self, oid: Oid) -> Result<()> {
        let suffix = self.shared.codec.compression().algorithm.suffix();
        let name = format!("{}{suffix}", file_name(oid));
        // An attempt that was given up may have left the file.
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(self.shared.folder.join(&name))
            .context(ErrorKind::Storage, || {
                let shown = self.shared.final_folder.join(&name);
                format!("could not create \"{}\"", shown.display())
            })?;
        let hasher = Sha256::new();
        self.open = Some(OpenObject { oid, name, file, hasher, raw_bytes: 0, stored_bytes: 0 });
        Ok(())
    }

    fn write(&mut self, block: &EncodedBlock) -> Result<()> {
        let Some(open) = &mut self.open else {
            return Err(self.shared.internal("bytes outside of an object"));
        };
        open.file
            .write_all(&block.bytes)
            .map_err(|error| self.shared.storage(&open.name, error))?;
        open.hasher.update(&block.bytes);
        open.raw_bytes += block.raw_bytes;
        open.stored_bytes += block.bytes.len() as u64;
        Ok(())
    }

    fn end(&mut self, hash: u128) -> Result<()> {
        let Some(open) = self.open.take() else {
            return Err(self.shared.internal("the end of no object"));
        };
        self.objects.push(ManifestLargeObject {
            oid: open.oid,
            class: 0,
            raw_bytes: open.raw_bytes,
            stored_bytes: open.stored_bytes,
            sha256: Sha256Digest(open.hasher.finalize().into()),
            hash,
        });
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        let DirectoryPiece { shared, index, open, mut objects } = *self;
        if open.is_some() {
            return Err(shared.internal("an object without an end"));
        }
        objects.shrink_to_fit();
        shared.lock().insert(index, objects);
        Ok(())
    }
}
