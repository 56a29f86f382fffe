//! A prefix in the making: its objects are written under their names, the one that counts last.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use object_store::ObjectStoreExt;

use super::place::ObjectPlace;
use super::read::ObjectContent;
use super::upload::{self, SharedUpload, Upload};
use super::{claim, folder, runtime};
use crate::error::{Error, ErrorKind, Result};
use crate::store::{Content, FileKind};

/// Objects in the making under one prefix.
///
/// Nothing says that they are whole before the last one is there, and it appears with
/// [`StagedObjects::commit`]. Dropping removes them.
#[derive(Debug)]
pub(in crate::store) struct StagedObjects {
    place: ObjectPlace,
    /// The name of the object that appears last.
    last: String,
    made: Mutex<Made>,
}

#[derive(Debug, Default)]
struct Made {
    /// What was begun and is to be removed when nothing comes of it, with the uploads that are not complete.
    ///
    /// Writers may outlive the run that fails: what they have begun is ended here and not when they notice.
    begun: BTreeMap<String, Option<SharedUpload>>,
    /// The last object, written and not yet there.
    held: Option<SharedUpload>,
    /// Whether it has appeared, or was given up.
    ended: bool,
}

impl StagedObjects {
    /// Begins a prefix under which nothing may be yet.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Refused`] when something is there, [`ErrorKind::Locked`] when another run is at work there,
    /// [`ErrorKind::Storage`] when the bucket does not answer.
    pub(in crate::store) fn create(place: &ObjectPlace, last: &str) -> Result<Self> {
        place.require_empty()?;
        claim::claim(place)?;
        // Between the look and the claim another run may have come and gone, and left its archive.
        let others = folder::first(place)
            .map(|objects| objects.iter().any(|object| !claim::is_claim(&object.location)));
        if !matches!(others, Ok(false)) {
            claim::give_back(place)?;
            others?;
            place.require_empty()?;
            return Err(claim::taken(place));
        }
        Ok(StagedObjects { place: place.clone(), last: last.to_owned(), made: Mutex::default() })
    }

    pub(in crate::store) fn shown(&self) -> &Path {
        self.place.shown()
    }

    /// Begins an object.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Internal`] when everything was given up.
    pub(in crate::store) fn file(&self, name: &str, kind: FileKind) -> Result<SharedUpload> {
        let upload = SharedUpload::new(Upload::new(self.place.join(name), kind));
        let mut made = self.made();
        if made.ended {
            return Err(self.over());
        }
        let before = made.begun.insert(name.to_owned(), Some(upload.clone()));
        drop(made);
        if let Some(Some(before)) = before {
            before.lock().give_up();
        }
        Ok(upload)
    }

    /// Completes an object; the last one waits until everything else is there.
    pub(in crate::store) fn keep(&self, name: &str, file: SharedUpload) -> Result<()> {
        if name == self.last {
            self.made().held = Some(file);
            return Ok(());
        }
        file.lock().complete()?;
        // Only the name is needed from now on; there may be a hundred thousand.
        if let Some(upload) = self.made().begun.get_mut(name) {
            *upload = None;
        }
        Ok(())
    }

    /// Finds an object that was completed.
    pub(in crate::store) fn content(&self, name: &str) -> Result<Arc<dyn Content>> {
        let place = self.place.join(name);
        let (store, path) = (Arc::clone(&place.bucket.objects), place.path.clone());
        let found = runtime::ask(async move { store.head(&path).await })?;
        let object = found.map_err(|error| place.bucket.failed("read", &place.path, &error))?;
        Ok(Arc::new(ObjectContent::new(place.bucket, object)))
    }

    /// Makes the last object appear.
    pub(in crate::store) fn commit(&self) -> Result<()> {
        let held = self.made().held.take().ok_or_else(|| {
            Error::new(ErrorKind::Internal, format!("\"{}\" has no {}", self.place, self.last))
        })?;
        // From here on nobody else can begin: the other objects are there. Who may write and not remove, as those who
        // make backups should be, leaves it; readers pass over it.
        let _ = claim::give_back(&self.place);
        held.lock().complete()?;
        self.made().ended = true;
        Ok(())
    }

    /// Ends all uploads and removes all objects, unless the last one has appeared.
    pub(in crate::store) fn give_up(&self) {
        let begun = {
            let mut made = self.made();
            if made.ended {
                return;
            }
            made.ended = true;
            std::mem::take(&mut made.begun)
        };
        // One that is being completed at this moment is waited for, and removed with the others.
        for upload in begun.values().flatten() {
            upload.lock().give_up();
        }
        // Without this one the others are no archive, however far the removal comes.
        let bucket = &self.place.bucket;
        let _ = upload::remove(bucket, vec![self.place.join(&self.last).path]);
        let names = begun.into_keys().map(|name| self.place.join(&name).path);
        // The failure that led here is the one to tell; what stays is no archive.
        if upload::remove(bucket, names.collect()).is_ok() {
            let _ = claim::give_back(&self.place);
        }
    }

    fn over(&self) -> Error {
        Error::new(ErrorKind::Internal, format!("\"{}\" was given up", self.place))
    }

    fn made(&self) -> MutexGuard<'_, Made> {
        // Only names are in it.
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for StagedObjects {
    fn drop(&mut self) {
        self.give_up();
    }
}
