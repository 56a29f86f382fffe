//! The writing of the large objects of an entry: pieces in parallel, the objects of a piece one after the other.
//!
//! ```text
//! large_objects(entry) -> piece(0..n) -> (begin, write ..., end) ... finish -> finish(n)
//! ```
//!
//! A large object may have 4 TB and there may be millions with a few bytes each, so nothing here holds
//! an object, and of those that are written only what the manifest says about them.

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};

use super::block::{BlockCodec, EncodedBlock};
use super::directory::blob_file_name;
use super::manifest_large_objects::{ManifestLargeObject, ManifestLargeObjects};
use crate::codec::Sha256Digest;
use crate::error::{Error, ErrorKind, Result};
use crate::model::Oid;

/// The large objects of an entry in the making.
pub trait LargeObjectsWriter: fmt::Debug + Send + Sync {
    /// Begins the piece with a number, counted from 0; an earlier beginning is forgotten.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Storage`] when there is no place for it.
    fn piece(&self, index: usize) -> Result<Box<dyn LargeObjectPiece>>;

    /// Ends an entry that has this many pieces and returns what there is to know about its objects.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Storage`] when the disk fails, [`crate::ErrorKind::Internal`] when a piece is
    /// missing.
    fn finish(&self, pieces: usize) -> Result<ManifestLargeObjects>;
}

/// Some large objects of an entry, written one after the other; a piece counts only when it is finished.
pub trait LargeObjectPiece: fmt::Debug + Send {
    /// Returns how the bytes of an object are compressed.
    fn codec(&self) -> BlockCodec;

    /// Begins an object.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Storage`] when the disk fails.
    fn begin(&mut self, oid: Oid) -> Result<()>;

    /// Writes the next bytes of the object; an empty one gets one empty block.
    ///
    /// # Errors
    ///
    /// As [`LargeObjectPiece::begin`].
    fn write(&mut self, block: &EncodedBlock) -> Result<()>;

    /// Ends the object; `hash` is that of its oid and bytes.
    ///
    /// # Errors
    ///
    /// As [`LargeObjectPiece::begin`].
    fn end(&mut self, hash: u128) -> Result<()>;

    /// Declares the piece complete.
    ///
    /// # Errors
    ///
    /// As [`LargeObjectPiece::begin`].
    fn finish(self: Box<Self>) -> Result<()>;
}

/// What is known of an object while it is written.
#[derive(Debug)]
pub(super) struct OpenObject {
    oid: Oid,
    hasher: Sha256,
    pub(super) raw_bytes: u64,
    stored_bytes: u64,
}

impl OpenObject {
    pub(super) fn new(oid: Oid) -> Self {
        OpenObject { oid, hasher: Sha256::new(), raw_bytes: 0, stored_bytes: 0 }
    }

    /// Counts bytes as they are stored.
    pub(super) fn stored(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.stored_bytes += bytes.len() as u64;
    }

    pub(super) fn finish(self, hash: u128) -> ManifestLargeObject {
        ManifestLargeObject {
            oid: self.oid,
            class: 0,
            raw_bytes: self.raw_bytes,
            stored_bytes: self.stored_bytes,
            sha256: Sha256Digest(self.hasher.finalize().into()),
            hash,
        }
    }
}

/// The pieces of an entry that are complete, by number, each with what its writer keeps of it.
#[derive(Debug)]
pub(super) struct Pieces<T> {
    /// What messages call the whole.
    shown: String,
    complete: Mutex<BTreeMap<usize, (T, Vec<ManifestLargeObject>)>>,
}

impl<T> Pieces<T> {
    pub(super) fn new(shown: &Path) -> Self {
        Pieces { shown: shown.display().to_string(), complete: Mutex::default() }
    }

    /// Forgets what an earlier attempt at a piece came to.
    pub(super) fn forget(&self, index: usize) {
        self.lock().remove(&index);
    }

    /// Takes over a piece that is complete, unless one of its objects is still open.
    pub(super) fn complete(
        &self,
        index: usize,
        kept: T,
        open: Option<OpenObject>,
        mut objects: Vec<ManifestLargeObject>,
    ) -> Result<()> {
        if open.is_some() {
            return Err(self.internal("an object without an end"));
        }
        objects.shrink_to_fit();
        self.lock().insert(index, (kept, objects));
        Ok(())
    }

    /// Returns everything in the order of the pieces, of which there must be so many.
    pub(super) fn take(&self, pieces: usize) -> Result<(Vec<T>, Vec<ManifestLargeObject>)> {
        let complete = std::mem::take(&mut *self.lock());
        if complete.len() != pieces {
            let reason = format!("{} of {pieces} pieces are complete", complete.len());
            return Err(self.internal(&reason));
        }
        let (kept, objects): (Vec<T>, Vec<_>) = complete.into_values().unzip();
        Ok((kept, objects.into_iter().flatten().collect()))
    }

    /// Returns the object that is written.
    pub(super) fn open<'a>(&self, open: &'a mut Option<OpenObject>) -> Result<&'a mut OpenObject> {
        open.as_mut().ok_or_else(|| self.internal("bytes outside of an object"))
    }

    /// Ends the object that is written.
    pub(super) fn end(
        &self,
        open: &mut Option<OpenObject>,
        hash: u128,
    ) -> Result<ManifestLargeObject> {
        let open = open.take().ok_or_else(|| self.internal("the end of no object"))?;
        Ok(open.finish(hash))
    }

    fn internal(&self, reason: &str) -> Error {
        Error::new(ErrorKind::Internal, format!("large objects of \"{}\": {reason}", self.shown))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<usize, (T, Vec<ManifestLargeObject>)>> {
        self.complete.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the list of objects that lie in files of their own, as a directory and a tar file have it.
pub(super) fn list_of_files(objects: &[ManifestLargeObject]) -> String {
    let mut list = String::new();
    for object in objects {
        // Text is not written anywhere but into memory, which cannot fail.
        let _ = writeln!(list, "{} {}", object.oid, blob_file_name(object.oid));
    }
    list
}
