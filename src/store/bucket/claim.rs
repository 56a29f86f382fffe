//! A prefix belongs to one run at a time: the object that says so is made by a request that fails when it is
//! there already.
//!
//! Two runs under one prefix would mix their objects, and the one that fails would remove those of the other.

use std::fmt::Write;
use std::sync::Arc;

use object_store::path::Path as ObjectPath;
use object_store::{GetOptions, PutMode, PutOptions, PutPayload};

use super::place::ObjectPlace;
use super::{runtime, upload};
use crate::error::{Error, ErrorKind, Result};

/// The object that says that a run is at work, or was killed at it.
const NAME: &str = "pgark.partial";

/// Tells whether an object says that a run is at work.
pub(super) fn is_claim(path: &ObjectPath) -> bool {
    path.filename() == Some(NAME)
}

/// Makes a prefix this run's.
///
/// # Errors
///
/// [`ErrorKind::Locked`] when another run has it, [`ErrorKind::Storage`] when the bucket does not answer.
pub(super) fn claim(place: &ObjectPlace) -> Result<()> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| {
        Error::new(ErrorKind::Internal, format!("the system gives no random numbers: {error}"))
    })?;
    let token = random.iter().fold(String::new(), |mut text, byte| {
        // Writing into a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    });
    let object = place.join(NAME);
    let (store, path, content) =
        (Arc::clone(&place.bucket.objects), object.path.clone(), token.clone());
    let claimed = runtime::ask(async move {
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        let put = store.put_opts(&path, PutPayload::from(content.clone()), options).await;
        match put {
            // The answer to the first attempt may have been lost, and the second one then finds its own object.
            Err(
                object_store::Error::AlreadyExists { .. }
                | object_store::Error::Precondition { .. },
            ) => {
                let found = store.get_opts(&path, GetOptions::default()).await?.bytes().await?;
                Ok(*found == *content.as_bytes())
            }
            // A service that knows no conditions keeps no two runs apart.
            Err(
                object_store::Error::NotImplemented { .. }
                | object_store::Error::NotSupported { .. },
            ) => Ok(true),
            put => put.map(|_| true),
        }
    })?;
    match claimed {
        Ok(true) => Ok(()),
        Ok(false) => Err(taken(place)),
        Err(error) => Err(place.bucket.failed("write", &object.path, &error)),
    }
}

/// Gives the prefix back.
///
/// # Errors
///
/// [`ErrorKind::Storage`] when the bucket does not answer.
pub(super) fn give_back(place: &ObjectPlace) -> Result<()> {
    upload::remove(&place.bucket, vec![place.join(NAME).path])
}

/// Returns the error of a prefix that another run has.
pub(super) fn taken(place: &ObjectPlace) -> Error {
    Error::new(ErrorKind::Locked, format!("another run is writing to output path \"{place}\""))
        .with_hint(format!(
            "if none is, one was killed: remove what is under the path, \"{NAME}\" last, or choose another one"
        ))
}
