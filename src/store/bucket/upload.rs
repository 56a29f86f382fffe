//! Writing an object: in parts of equal size, one of them on its way while the next one fills.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures::StreamExt;
use object_store::multipart::PartId;
use object_store::path::Path as ObjectPath;
use object_store::{
    Attribute, Attributes, MultipartId, PutMultipartOptions, PutOptions, PutPayload,
};

use super::place::ObjectPlace;
use super::runtime::{self, Pending};
use super::{Bucket, PART_BYTES};
use crate::error::{Error, ErrorKind, Result, with_causes};
use crate::store::FileKind;

/// An object that is larger than this is likely to need a whole part.
const SMALL_BYTES: usize = 1 << 20;

/// What the services allow.
const PARTS_MAX: usize = 10_000;

/// An object in the making; it appears with [`Upload::complete`]. Dropping it aborts the upload.
pub(in crate::store) struct Upload {
    place: ObjectPlace,
    kind: FileKind,
    buffer: Vec<u8>,
    parts: Option<Parts>,
    state: State,
}

/// How far an upload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Complete,
    GivenUp,
}

/// What was sent of an object that is larger than a part.
struct Parts {
    upload: MultipartId,
    sent: Vec<PartId>,
    coming: Option<Pending<object_store::Result<PartId>>>,
    count: usize,
}

impl Upload {
    pub(super) fn new(place: ObjectPlace, kind: FileKind) -> Self {
        Upload { place, kind, buffer: Vec::new(), parts: None, state: State::Open }
    }

    fn bucket(&self) -> &Bucket {
        &self.place.bucket
    }

    fn failed(&self, error: &object_store::Error) -> Error {
        self.bucket().failed("write", &self.place.path, error)
    }

    /// Forgets what was written.
    pub(in crate::store) fn restart(&mut self) {
        self.abort();
        self.buffer.clear();
    }

    /// Makes the object appear.
    pub(in crate::store) fn complete(&mut self) -> Result<()> {
        match self.state {
            State::Open => {}
            State::Complete => return Ok(()),
            State::GivenUp => return Err(self.given_up()),
        }
        if self.parts.is_none() {
            self.put_whole()?;
        } else {
            if !self.buffer.is_empty() {
                self.send_part()?;
            }
            self.take_sent()?;
            self.join_parts()?;
        }
        self.state = State::Complete;
        self.parts = None;
        Ok(())
    }

    /// Ends it without an object.
    pub(super) fn give_up(&mut self) {
        if self.state == State::Open {
            self.state = State::GivenUp;
            self.restart();
        }
    }

    fn given_up(&self) -> Error {
        Error::new(ErrorKind::Storage, format!("the upload of \"{}\" was given up", self.place))
    }

    fn attributes(&self) -> Attributes {
        let mut attributes = Attributes::new();
        if self.kind == FileKind::Data
            && let Some(class) = &self.bucket().storage_class
        {
            attributes.insert(Attribute::StorageClass, class.clone().into());
        }
        attributes
    }

    fn put_whole(&mut self) -> Result<()> {
        let (store, path) = (Arc::clone(&self.bucket().objects), self.place.path.clone());
        let payload = PutPayload::from(Bytes::from(std::mem::take(&mut self.buffer)));
        let options = PutOptions { attributes: self.attributes(), ..PutOptions::default() };
        let put = runtime::ask(async move { store.put_opts(&path, payload, options).await })?;
        put.map(|_| ()).map_err(|error| self.failed(&error))
    }

    /// Sends what has gathered, after what was sent before has arrived.
    fn send_part(&mut self) -> Result<()> {
        if self.parts.is_none() {
            let (store, path) = (Arc::clone(&self.bucket().uploads), self.place.path.clone());
            let options =
                PutMultipartOptions { attributes: self.attributes(), ..Default::default() };
            let begun =
                runtime::ask(async move { store.create_multipart_opts(&path, options).await })?;
            let upload = begun.map_err(|error| self.failed(&error))?;
            self.parts = Some(Parts { upload, sent: Vec::new(), coming: None, count: 0 });
        }
        self.take_sent()?;
        let (store, path) = (Arc::clone(&self.bucket().uploads), self.place.path.clone());
        let Some(parts) = &mut self.parts else { return Ok(()) };
        if parts.count == PARTS_MAX {
            let shown = self.place.shown().display();
            let limit = (PARTS_MAX * PART_BYTES) >> 30;
            return Err(Error::new(
                ErrorKind::Storage,
                format!("\"{shown}\" would be larger than {limit} GiB, the limit of an upload"),
            )
            .with_hint("compress more, or leave the table out and back it up to a disk"));
        }
        let part = PutPayload::from(Bytes::from(std::mem::take(&mut self.buffer)));
        let (upload, number) = (parts.upload.clone(), parts.count);
        parts.count += 1;
        let sending = async move { store.put_part(&path, &upload, number, part).await };
        parts.coming = Some(runtime::begin(sending)?);
        Ok(())
    }

    /// Waits for the part that is on its way.
    fn take_sent(&mut self) -> Result<()> {
        let Some(parts) = &mut self.parts else { return Ok(()) };
        let Some(coming) = parts.coming.take() else { return Ok(()) };
        match coming.wait()? {
            Ok(part) => {
                parts.sent.push(part);
                Ok(())
            }
            Err(error) => Err(self.failed(&error)),
        }
    }

    fn join_parts(&mut self) -> Result<()> {
        let (store, path) = (Arc::clone(&self.bucket().uploads), self.place.path.clone());
        let Some(parts) = &mut self.parts else { return Ok(()) };
        let (upload, sent) = (parts.upload.clone(), std::mem::take(&mut parts.sent));
        let joined =
            runtime::ask(async move { store.complete_multipart(&path, &upload, sent).await })?;
        joined.map(|_| ()).map_err(|error| self.failed(&error))
    }

    /// Takes back what was sent: parts that nobody joins are paid for and listed nowhere.
    fn abort(&mut self) {
        let Some(mut parts) = self.parts.take() else { return };
        if let Some(coming) = parts.coming.take() {
            // A part that arrives after the end of its upload would stay.
            let _ = coming.wait();
        }
        let (store, path) = (Arc::clone(&self.bucket().uploads), self.place.path.clone());
        let aborted =
            runtime::ask(async move { store.abort_multipart(&path, &parts.upload).await });
        // The failure that led here is the one to tell.
        let _ = aborted;
    }
}

impl Write for Upload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.state != State::Open {
            return Err(io::Error::other(with_causes(&self.given_up())));
        }
        if self.buffer.len() == PART_BYTES {
            self.send_part().map_err(|error| io::Error::other(with_causes(&error)))?;
        }
        let count = bytes.len().min(PART_BYTES - self.buffer.len());
        if self.buffer.len() + count > SMALL_BYTES {
            // Doubling would end at twice of what a part holds.
            self.buffer.reserve_exact(PART_BYTES - self.buffer.len());
        }
        self.buffer.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.give_up();
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Upload({})", self.place)
    }
}

/// Removes objects; those that are gone already are fine.
pub(super) fn remove(bucket: &Bucket, paths: Vec<ObjectPath>) -> Result<()> {
    let Some(first) = paths.first().cloned() else { return Ok(()) };
    let store = Arc::clone(&bucket.objects);
    let removed = runtime::ask(async move {
        let paths = futures::stream::iter(paths.into_iter().map(Ok)).boxed();
        let mut removed = store.delete_stream(paths);
        let mut failed = Ok(());
        while let Some(one) = removed.next().await {
            match one {
                Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => failed = Err(error),
            }
        }
        failed
    })?;
    removed.map_err(|error| bucket.failed("remove", &first, &error))
}

/// An upload that its writer and the folder it belongs to know.
#[derive(Debug, Clone)]
pub(in crate::store) struct SharedUpload(Arc<Mutex<Upload>>);

impl SharedUpload {
    pub(super) fn new(upload: Upload) -> Self {
        SharedUpload(Arc::new(Mutex::new(upload)))
    }

    /// Waits until nobody else writes to it.
    pub(in crate::store) fn lock(&self) -> MutexGuard<'_, Upload> {
        // After a panic elsewhere the upload is given up at the worst.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
