//! Reading an object: range after range, the next one on its way while one is read.

use std::io::{self, Read};
use std::sync::Arc;

use bytes::{Buf, Bytes};
use object_store::{GetOptions, GetRange, ObjectMeta};

use super::Bucket;
use super::runtime::{self, Pending};
use crate::error::Result;
use crate::store::Content;

/// How much a request asks for. A request is repeated as a whole when it fails, for as long as it makes sense;
/// one over a whole large object could not be.
const RANGE_BYTES: u64 = 8 << 20;

/// An object as it was when it was listed.
#[derive(Debug)]
pub(super) struct ObjectContent {
    bucket: Bucket,
    object: ObjectMeta,
}

impl ObjectContent {
    pub(super) fn new(bucket: Bucket, object: ObjectMeta) -> Self {
        ObjectContent { bucket, object }
    }

    /// Begins to fetch a range that is not empty.
    fn fetch(&self, from: u64, to: u64) -> Result<Pending<object_store::Result<Bytes>>> {
        let (store, path) = (Arc::clone(&self.bucket.objects), self.object.location.clone());
        let options = GetOptions {
            range: Some(GetRange::Bounded(from..to)),
            // What was put in its place meanwhile is something else.
            if_match: self.object.e_tag.clone(),
            ..GetOptions::default()
        };
        runtime::begin(async move { store.get_opts(&path, options).await?.bytes().await })
    }
}

impl Content for ObjectContent {
    fn bytes(&self) -> u64 {
        self.object.size
    }

    fn open(self: Arc<Self>, from: u64, to: u64) -> Box<dyn Read + Send> {
        let end = to.min(self.object.size);
        Box::new(ObjectReader {
            content: self,
            next: from,
            end,
            ready: Bytes::new(),
            asked: 0,
            coming: None,
        })
    }
}

/// Reads a part of an object.
struct ObjectReader {
    content: Arc<ObjectContent>,
    /// Where the next range begins that was not asked for.
    next: u64,
    end: u64,
    ready: Bytes,
    /// The bytes of the range that is coming.
    asked: u64,
    coming: Option<Pending<object_store::Result<Bytes>>>,
}

impl ObjectReader {
    fn ask_for_next(&mut self) -> Result<()> {
        if self.coming.is_none() && self.next < self.end {
            let to = self.next.saturating_add(RANGE_BYTES).min(self.end);
            self.coming = Some(self.content.fetch(self.next, to)?);
            self.asked = to - self.next;
            self.next = to;
        }
        Ok(())
    }
}

impl Read for ObjectReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.ready.is_empty() {
            self.ask_for_next().map_err(io::Error::other)?;
            let Some(coming) = self.coming.take() else { return Ok(0) };
            let content = &self.content;
            self.ready = coming.wait().map_err(io::Error::other)?.map_err(|error| {
                // What the network does is not what the bytes are.
                let kind = match error {
                    object_store::Error::NotFound { .. } => io::ErrorKind::NotFound,
                    _ => io::ErrorKind::ConnectionAborted,
                };
                let path = &content.object.location;
                io::Error::new(kind, content.bucket.failed("read", path, &error))
            })?;
            if self.ready.len() as u64 != self.asked {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.ask_for_next().map_err(io::Error::other)?;
        }
        let count = buffer.len().min(self.ready.len());
        self.ready.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}
