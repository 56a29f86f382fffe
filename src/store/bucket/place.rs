//! A prefix in a bucket.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use object_store::path::Path as ObjectPath;

use super::claim;
use super::folder::{self, ObjectFolder};
use super::{Bucket, BucketOptions, is_object_url};
use crate::error::{Error, ErrorKind, Result};

/// A place in object storage: a prefix that names stand under, or the name of an object.
#[derive(Clone)]
pub struct ObjectPlace {
    pub(super) bucket: Bucket,
    pub(super) path: ObjectPath,
    shown: Arc<PathBuf>,
}

impl ObjectPlace {
    /// Makes the place that a URL names; nothing is asked yet.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`] when it is no URL of object storage, or when settings are missing or wrong.
    pub fn open(url: &str, options: &BucketOptions) -> Result<Self> {
        // What stands before an @ or behind a ? may be a secret.
        let shown = match url.contains(['@', '?']) {
            true => "the URL of the bucket".to_owned(),
            false => format!("\"{url}\""),
        };
        let usage = |reason: &str| {
            Error::new(ErrorKind::Usage, format!("{shown} cannot be used: {reason}"))
                .with_hint("places in object storage are written s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or az://CONTAINER/PREFIX")
        };
        let (scheme, rest) = match url.split_once("://") {
            Some(parts) if is_object_url(url) => parts,
            _ => return Err(usage("it is no URL of object storage")),
        };
        let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if name.is_empty() || name.contains(['@', '?', '#', ':']) {
            return Err(usage("it does not name a bucket"));
        }
        if prefix.contains(['?', '#']) {
            return Err(usage("its prefix has a ? or #; keys belong into variables"));
        }
        let path = ObjectPath::parse(prefix.trim_matches('/'))
            .map_err(|error| usage("its prefix is none").with_source(error.to_string()))?;
        Ok(ObjectPlace::new(Bucket::open(scheme, name, options)?, path))
    }

    pub(super) fn new(bucket: Bucket, path: ObjectPath) -> Self {
        let shown = Arc::new(bucket.shown(&path));
        ObjectPlace { bucket, path, shown }
    }

    /// Returns the URL, for messages.
    pub fn shown(&self) -> &Path {
        &self.shown
    }

    /// Returns the place of that name under it.
    pub fn join(&self, name: &str) -> ObjectPlace {
        let mut path = self.path.clone();
        for part in name.split('/') {
            path = path.join(part);
        }
        ObjectPlace::new(self.bucket.clone(), path)
    }

    /// Refuses to be written to when something is under it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Refused`] when something is there, [`ErrorKind::Locked`] when another run is at work there,
    /// [`ErrorKind::Storage`] when the bucket does not answer.
    pub fn require_empty(&self) -> Result<()> {
        let objects = folder::first(self)?;
        if objects.iter().any(|object| claim::is_claim(&object.location)) {
            return Err(claim::taken(self));
        }
        let Some(object) = objects.first() else { return Ok(()) };
        let shown = self.bucket.shown(&object.location);
        Err(Error::new(
            ErrorKind::Refused,
            format!("output path \"{self}\" already exists: there is \"{}\"", shown.display()),
        )
        .with_hint("choose another output path, or remove what is there"))
    }

    /// Lists what is under it.
    pub(in crate::store) fn open_folder(&self) -> Result<ObjectFolder> {
        ObjectFolder::open(self)
    }
}

impl PartialEq for ObjectPlace {
    fn eq(&self, other: &Self) -> bool {
        self.shown == other.shown
    }
}

impl Eq for ObjectPlace {}

impl fmt::Debug for ObjectPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ObjectPlace({})", self.shown.display())
    }
}

impl fmt::Display for ObjectPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shown.display().fmt(f)
    }
}
