//! What the manifest says about large objects: their bytes, whose they are, what is said about them.
//!
//! A line for each object would be the larger part of many manifests, so an object is a short list of
//! values, and owner and privileges, which whole groups share, are written once.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::codec::{Sha256Digest, sha256};
use crate::model::{Oid, TocEntry};
use crate::sql::text;

/// The large objects of one data entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestLargeObjects {
    /// The entry's id in the table of contents.
    pub dump_id: i32,
    /// The file that lists the objects.
    pub file: String,
    /// Bytes of that file.
    pub stored_bytes: u64,
    /// The SHA-256 of that file.
    pub sha256: Sha256Digest,
    /// The objects in the order of the archive.
    pub objects: Vec<ManifestLargeObject>,
}

/// One large object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Fields", into = "Fields")]
pub struct ManifestLargeObject {
    /// Its oid.
    pub oid: Oid,
    /// Which of the manifest's [`LargeObjectClass`] values it belongs to.
    pub class: u32,
    /// Its size.
    pub raw_bytes: u64,
    /// Its size in the archive.
    pub stored_bytes: u64,
    /// The SHA-256 of what is stored.
    pub sha256: Sha256Digest,
    /// XXH3-128 of its oid and its bytes.
    pub hash: u128,
}

/// An object as it is written: oid, class, raw bytes, stored bytes, SHA-256, hash.
type Fields = (u32, u32, u64, u64, Sha256Digest, String);

impl From<ManifestLargeObject> for Fields {
    fn from(object: ManifestLargeObject) -> Self {
        let ManifestLargeObject { oid, class, raw_bytes, stored_bytes, sha256, hash } = object;
        (oid.0, class, raw_bytes, stored_bytes, sha256, format!("{hash:032x}"))
    }
}

impl TryFrom<Fields> for ManifestLargeObject {
    type Error = &'static str;

    fn try_from(fields: Fields) -> Result<Self, Self::Error> {
        let (oid, class, raw_bytes, stored_bytes, sha256, hash) = fields;
        let hash = u128::from_str_radix(&hash, 16).map_err(|_| "not a hash")?;
        Ok(ManifestLargeObject { oid: Oid(oid), class, raw_bytes, stored_bytes, sha256, hash })
    }
}

/// What many large objects have in common.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LargeObjectClass {
    /// Who owns them.
    pub owner: String,
    /// The statements that grant privileges on them, with [`PRIVILEGES_ON`] for the oid; empty for none.
    pub privileges: String,
}

/// What stands for the oid of each large object in the statements of a class.
pub const PRIVILEGES_ON: &str = "0";

/// Returns, for every large object with a comment or a security label, a hash of the statements.
pub fn large_object_remarks(entries: &[TocEntry]) -> BTreeMap<u32, Sha256Digest> {
    let mut texts: BTreeMap<u32, String> = BTreeMap::new();
    for entry in entries {
        if let Some(oid) = remarked(entry) {
            texts.entry(oid).or_default().push_str(&entry.definition);
        }
    }
    texts.into_iter().map(|(oid, remarks)| (oid, sha256(&text::encode(&remarks)))).collect()
}

fn remarked(entry: &TocEntry) -> Option<u32> {
    if !matches!(entry.desc.as_str(), "COMMENT" | "SECURITY LABEL") {
        return None;
    }
    entry.tag.strip_prefix("LARGE OBJECT ")?.parse().ok()
}
