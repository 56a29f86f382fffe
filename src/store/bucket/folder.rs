//! The objects under a prefix as a folder: listed once, found without a request.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::sync::Arc;

use futures::TryStreamExt;
use object_store::ObjectMeta;

use super::place::ObjectPlace;
use super::read::ObjectContent;
use super::runtime;
use crate::error::Result;
use crate::store::{Content, Folder};

/// What was under a prefix when it was opened. The objects of an archive never change, and what is read of
/// one that did is refused.
#[derive(Debug)]
pub(in crate::store) struct ObjectFolder {
    place: ObjectPlace,
    objects: BTreeMap<String, ObjectMeta>,
}

impl ObjectFolder {
    pub(super) fn open(place: &ObjectPlace) -> Result<Self> {
        let objects = list(place)?;
        let direct = objects.into_iter().filter_map(|object| {
            let mut parts = object.location.prefix_match(&place.path)?;
            let name = parts.next()?.as_ref().to_owned();
            // Deeper ones belong to somebody else.
            parts.next().is_none().then_some(())?;
            drop(parts);
            Some((name, object))
        });
        Ok(ObjectFolder { place: place.clone(), objects: direct.collect() })
    }
}

/// Lists all objects under a prefix, at any depth.
pub(super) fn list(place: &ObjectPlace) -> Result<Vec<ObjectMeta>> {
    let (store, prefix) = (Arc::clone(&place.bucket.objects), place.path.clone());
    let listed = runtime::ask(async move {
        let prefix = (!prefix.as_ref().is_empty()).then_some(&prefix);
        store.list(prefix).try_collect::<Vec<ObjectMeta>>().await
    })?;
    listed.map_err(|error| place.bucket.failed("list", &place.path, &error))
}

impl Folder for ObjectFolder {
    fn place(&self) -> &Path {
        self.place.shown()
    }

    fn find(&self, name: &OsStr) -> Result<Option<Arc<dyn Content>>> {
        let object = name.to_str().and_then(|name| self.objects.get(name));
        let found = object.map(|object| {
            let content = ObjectContent::new(self.place.bucket.clone(), object.clone());
            Arc::new(content) as Arc<dyn Content>
        });
        Ok(found)
    }

    fn names(&self) -> Result<Vec<OsString>> {
        Ok(self.objects.keys().map(OsString::from).collect())
    }
}
