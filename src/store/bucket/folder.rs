//! The objects under a prefix as a folder: listed once, found without a request.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use object_store::ObjectMeta;

use super::claim;
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
        let (store, prefix) = (Arc::clone(&place.bucket.objects), place.path.clone());
        let listed = runtime::ask(async move {
            let prefix = (!prefix.as_ref().is_empty()).then_some(&prefix);
            store.list_with_delimiter(prefix).await
        })?;
        let listed = listed.map_err(|error| place.bucket.failed("list", &place.path, &error))?;
        let named = listed.objects.into_iter();
        let named = named
            .filter(|object| object.location != place.path && !claim::is_claim(&object.location));
        let named =
            named.filter_map(|object| Some((object.location.filename()?.to_owned(), object)));
        Ok(ObjectFolder { place: place.clone(), objects: named.collect() })
    }
}

/// How many objects are enough to know what is under a prefix.
const FEW: usize = 1000;

/// Lists the first objects under a prefix, at any depth.
pub(super) fn first(place: &ObjectPlace) -> Result<Vec<ObjectMeta>> {
    let (store, prefix) = (Arc::clone(&place.bucket.objects), place.path.clone());
    let listed = runtime::ask(async move {
        let listing = store.list((!prefix.as_ref().is_empty()).then_some(&prefix));
        listing.take(FEW).try_collect::<Vec<ObjectMeta>>().await
    })?;
    let mut objects = listed.map_err(|error| place.bucket.failed("list", &place.path, &error))?;
    // What consoles make where somebody asks for a folder.
    objects.retain(|object| object.size > 0 || object.location != place.path);
    Ok(objects)
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
