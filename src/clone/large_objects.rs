//! The large objects of an entry, read one after the other out of one stream.
//!
//! A restore opens the objects of an entry in their order. One COPY brings them all, so that a hundred
//! thousand small ones do not cost a question each. Who opens another one than the next begins anew.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Buf, Bytes};
use tokio::sync::mpsc;

use crate::archive::ManifestLargeObject;
use crate::codec::sha256;
use crate::dump::LargeObjectBytes;

/// Parts that may wait between the source and the target; a part has about 1 MiB at most.
pub(super) const PARTS_IN_FLIGHT: usize = 4;

/// The large objects of an entry: the stream they come in, and what has come of it.
#[derive(Debug, Clone, Default)]
pub(super) struct EntryObjects(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// None before the first object, and while somebody reads one.
    stream: Option<ObjectStream>,
    /// The objects that were read whole, by their place.
    read: BTreeMap<usize, ManifestLargeObject>,
}

/// What of an entry comes next.
#[derive(Debug)]
pub(super) struct ObjectStream {
    parts: mpsc::Receiver<LargeObjectBytes>,
    /// The place of the object whose bytes come next.
    next: usize,
}

impl ObjectStream {
    /// Takes a stream that begins with the object at a place.
    pub(super) fn new(parts: mpsc::Receiver<LargeObjectBytes>, next: usize) -> Self {
        ObjectStream { parts, next }
    }
}

impl EntryObjects {
    /// Returns a reader of the object at a place; `begin` makes a stream that begins there.
    pub(super) fn open(
        &self,
        place: usize,
        begin: impl FnOnce() -> ObjectStream,
    ) -> Box<dyn Read + Send> {
        let waiting = self.lock().stream.take().filter(|stream| stream.next == place);
        let stream = Some(waiting.unwrap_or_else(begin));
        Box::new(ObjectReader { entry: self.clone(), stream, current: Bytes::new(), bytes: 0 })
    }

    /// Returns the objects that were read whole.
    pub(super) fn read(&self) -> Vec<ManifestLargeObject> {
        self.lock().read.values().copied().collect()
    }

    fn ended(&self, mut stream: ObjectStream, part: &LargeObjectBytes, raw_bytes: u64, hash: u128) {
        let mut state = self.lock();
        let object = ManifestLargeObject {
            oid: part.oid,
            class: 0,
            raw_bytes,
            stored_bytes: 0,
            sha256: sha256(b""),
            hash,
        };
        state.read.insert(stream.next, object);
        stream.next += 1;
        state.stream = Some(stream);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The bytes of one large object.
struct ObjectReader {
    entry: EntryObjects,
    /// Given back with the object's end.
    stream: Option<ObjectStream>,
    current: Bytes,
    bytes: u64,
}

impl Read for ObjectReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            let Some(mut stream) = self.stream.take() else { return Ok(0) };
            let Some(mut part) = stream.parts.blocking_recv() else {
                return Err(io::Error::other("the source sends no more large objects"));
            };
            self.current = Bytes::from(std::mem::take(&mut part.bytes));
            self.bytes += self.current.len() as u64;
            match part.end {
                Some(hash) => self.entry.ended(stream, &part, self.bytes, hash),
                None => self.stream = Some(stream),
            }
        }
        let count = buffer.len().min(self.current.len());
        buffer[..count].copy_from_slice(&self.current[..count]);
        self.current.advance(count);
        Ok(count)
    }
}
