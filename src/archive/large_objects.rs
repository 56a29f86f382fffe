//! The writing of the large objects of an entry: pieces in parallel, the objects of a piece one after the other.
//!
//! ```text
//! large_objects(entry) -> piece(0..n) -> (begin, write ..., end) ... finish -> finish(n)
//! ```
//!
//! A large object may have 4 TB and there may be millions with a few bytes each, so nothing here holds
//! an object, and of those that are written only what the manifest says about them.

use std::fmt;

use sha2::{Digest, Sha256};

use super::block::{BlockCodec, EncodedBlock};
use super::manifest_large_objects::{ManifestLargeObject, ManifestLargeObjects};
use crate::codec::Sha256Digest;
use crate::error::Result;
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
