//! Small JSON files that end with their own SHA-256, each written once.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::codec::{HashingWriter, check_seal, write_seal};
use crate::error::{Context, Error, ErrorKind, Result};

/// Nothing that is written here comes near this; what is larger is something else.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// Returns a value as sealed text, a field on each line.
///
/// # Errors
///
/// [`ErrorKind::Internal`] when the value is no object with fields.
pub(super) fn sealed(value: &impl Serialize) -> Result<Vec<u8>> {
    let what = || "could not write a record as JSON".to_owned();
    let text = serde_json::to_string_pretty(value).context(ErrorKind::Internal, what)?;
    let open = text.strip_suffix("\n}").unwrap_or_default();
    let mut bytes = Vec::new();
    let mut body = HashingWriter::new(&mut bytes);
    body.write_all(open.as_bytes()).context(ErrorKind::Internal, what)?;
    write_seal(body).context(ErrorKind::Internal, what)?;
    Ok(bytes)
}

/// Reads sealed text whose `version_field` must hold the version that is known here.
///
/// # Errors
///
/// [`ErrorKind::NotFound`] when there is no file, [`ErrorKind::Storage`] when it cannot be read,
/// [`ErrorKind::Integrity`] when it is not what was written, [`ErrorKind::Archive`] when a newer pgark wrote it.
pub(super) fn read_sealed<T: DeserializeOwned>(path: &Path, version: u32) -> Result<T> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut bytes));
    read.map_err(|error| {
        let kind = match error.kind() {
            std::io::ErrorKind::NotFound => ErrorKind::NotFound,
            _ => ErrorKind::Storage,
        };
        Error::new(kind, format!("could not read \"{}\"", path.display())).with_source(error)
    })?;
    read_bytes(&bytes, version)
        .map_err(|error| error.context(format!("could not read \"{}\"", path.display())))
}

fn read_bytes<T: DeserializeOwned>(bytes: &[u8], version: u32) -> Result<T> {
    #[derive(Deserialize)]
    struct Version {
        version: u32,
    }
    let damaged =
        |reason: &str| Error::new(ErrorKind::Integrity, format!("it is damaged: {reason}"));
    check_seal(bytes).map_err(damaged)?;
    if let Ok(found) = serde_json::from_slice::<Version>(bytes)
        && found.version != version
    {
        let found = found.version;
        let message = format!("it has version {found}, and only version {version} is known");
        return Err(Error::new(ErrorKind::Archive, message)
            .with_hint("use the pgark that made the backup, or a newer one"));
    }
    serde_json::from_slice(bytes)
        .map_err(|error| damaged("it is not in the expected form").with_source(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Sample {
        version: u32,
        name: String,
    }

    #[test]
    fn what_is_written_is_read_and_any_flip_is_found() {
        let sample = Sample { version: 1, name: "größe".to_owned() };
        let bytes = sealed(&sample).expect("JSON");
        assert_eq!(read_bytes::<Sample>(&bytes, 1).expect("reads"), sample);
        for position in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[position] ^= 1;
            let error = read_bytes::<Sample>(&flipped, 1).expect_err("flipped");
            assert_eq!(error.kind(), ErrorKind::Integrity, "{position}");
            assert!(read_bytes::<Sample>(&bytes[..position], 1).is_err(), "cut at {position}");
        }
        let error = read_bytes::<Sample>(&bytes, 2).expect_err("another version");
        assert_eq!(error.kind(), ErrorKind::Archive);
    }
}
