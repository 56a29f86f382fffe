//! The manifest: what pgark knows about an archive beyond what pg_dump's formats can say.
//!
//! It is `manifest.json` in a directory archive. One field stands on each line, and each data entry,
//! sequence and object on a line of its own, so that people can read and compare it. The last field is
//! the SHA-256 of the file without that field: cut out the comma, the line break and the last field,
//! and what remains is the JSON text that was hashed. With standard tools:
//!
//! ```text
//! (head -n -2 manifest.json | head -c -2; printf '\n}\n') | sha256sum
//! ```

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    ArchiveFormat, ArchiveHeader, LargeObjectClass, ManifestLargeObjects, SchemaFingerprint,
};
use crate::codec::{Compression, Fingerprint, HashingWriter, Sha256Digest, check_seal, write_seal};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::model::DumpId;

/// The version of the manifest that is written here and the only one that is read.
pub const MANIFEST_VERSION: u32 = 1;

/// The name of the manifest in a directory archive.
pub const MANIFEST_FILE: &str = "manifest.json";

/// A manifest of a million tables and ten million blocks is smaller; what is larger is none.
const MANIFEST_BYTES_MAX: u64 = 2 << 30;

/// Everything the manifest says.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Manifest {
    /// [`MANIFEST_VERSION`]; set by the archive writer.
    #[serde(default)]
    pub manifest_version: u32,
    /// `pgark`; set by the archive writer.
    pub tool: String,
    /// pgark's version; set by the archive writer.
    pub tool_version: String,
    /// The archive's container, `directory`; set by the archive writer.
    pub format: String,
    /// The archive's layout version, such as `1.15`, empty for a script; set by the archive writer.
    pub archive_version: String,
    /// The compression of the data as in `-Z`; set by the archive writer.
    pub compression: String,
    /// The table of contents, which the manifest must fit; zeros for a script; set by the archive writer.
    pub toc: ManifestToc,
    /// The SHA-256 of an archive that is a single file; set by the archive writer.
    #[serde(default)]
    pub archive_sha256: Option<Sha256Digest>,
    /// The source server's version as it prints it.
    pub server_version: String,
    /// The source server's version as a number, such as 180006.
    pub server_version_num: u32,
    /// The source cluster's identifier, when it could be read.
    pub system_identifier: Option<String>,
    /// The dumped database.
    pub database: String,
    /// The encoding of all text in the archive.
    pub encoding: String,
    /// The write-ahead log position of the snapshot, when the server told it.
    pub snapshot_lsn: Option<String>,
    /// When the dump began.
    pub started: DateTime<Utc>,
    /// When the last data had been written.
    pub finished: DateTime<Utc>,
    /// The options that decided what is in the archive.
    pub options: BTreeMap<String, String>,
    /// The session settings that shaped the text of the data, such as `TimeZone`.
    pub settings: BTreeMap<String, String>,
    /// The data entries, ordered by id; the archive writer sorts them.
    pub data: Vec<ManifestData>,
    /// The entries of large objects, ordered by id; the archive writer sorts them.
    #[serde(default)]
    pub large_objects: Vec<ManifestLargeObjects>,
    /// Owners and privileges of large objects.
    #[serde(default)]
    pub large_object_classes: Vec<LargeObjectClass>,
    /// Hashes of the comments and security labels on large objects, by their oid.
    #[serde(default)]
    pub large_object_remarks: BTreeMap<u32, Sha256Digest>,
    /// The sequences with their values.
    pub sequences: Vec<ManifestSequence>,
    /// The schema's fingerprint, object by object.
    pub schema: SchemaFingerprint,
}

/// The table of contents that a manifest belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestToc {
    /// Its number of entries.
    pub entries: u64,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: Sha256Digest,
}

impl Default for ManifestToc {
    fn default() -> Self {
        ManifestToc { entries: 0, bytes: 0, sha256: Sha256Digest([0; 32]) }
    }
}

/// One data entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestData {
    /// The entry's id in the table of contents.
    pub dump_id: i32,
    /// The table's schema.
    pub schema: String,
    /// The table.
    pub table: String,
    /// The file, with the codec's suffix; empty for a script.
    pub file: String,
    /// Bytes of the decompressed file, with the end marker.
    pub raw_bytes: u64,
    /// Bytes of the file.
    pub stored_bytes: u64,
    /// The SHA-256 of the file.
    pub sha256: Sha256Digest,
    /// How many rows there are.
    pub rows: u64,
    /// The rows' fingerprint.
    pub fingerprint: Fingerprint,
    /// The table that the rows are loaded into when it is another one: the root of a partitioned table,
    /// quoted and qualified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loaded_into: Option<String>,
    /// The columns in the order of the data; empty when the COPY statement names none.
    pub columns: Vec<String>,
    /// The condition that selected the rows, as it stood in the COPY query; empty for all rows.
    pub filter: String,
    /// Where the file can be entered.
    pub blocks: Vec<Block>,
}

impl ManifestData {
    /// Makes the entry of a data file that is complete; `columns` and `filter` are empty.
    pub fn new(summary: DataFileSummary, schema: &str, table: &str) -> Self {
        ManifestData {
            dump_id: summary.dump_id.0,
            schema: schema.to_owned(),
            table: table.to_owned(),
            file: summary.file,
            raw_bytes: summary.raw_bytes,
            stored_bytes: summary.stored_bytes,
            sha256: summary.sha256,
            rows: summary.fingerprint.rows,
            fingerprint: summary.fingerprint,
            loaded_into: None,
            columns: Vec::new(),
            filter: String::new(),
            blocks: summary.blocks,
        }
    }

    /// Names the table for messages.
    pub fn describe(&self) -> String {
        format!("{}.{}", self.schema, self.table)
    }
}

/// A part of a data file that can be decompressed without what stands before it.
///
/// The blocks of a file cover it without gaps. The last one holds the end marker alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "[u64; 3]", into = "[u64; 3]")]
pub struct Block {
    /// Where it begins in the stored file.
    pub offset: u64,
    /// Its decompressed length.
    pub raw_bytes: u64,
    /// How many rows end in it.
    pub rows: u64,
}

impl From<[u64; 3]> for Block {
    fn from([offset, raw_bytes, rows]: [u64; 3]) -> Self {
        Block { offset, raw_bytes, rows }
    }
}

impl From<Block> for [u64; 3] {
    fn from(block: Block) -> Self {
        [block.offset, block.raw_bytes, block.rows]
    }
}

/// What is known about a data file when it has been written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataFileSummary {
    /// The entry it belongs to.
    pub dump_id: DumpId,
    /// Its name, with the codec's suffix.
    pub file: String,
    /// Its decompressed size, with the end marker.
    pub raw_bytes: u64,
    /// Its size.
    pub stored_bytes: u64,
    /// Its SHA-256.
    pub sha256: Sha256Digest,
    /// The fingerprint of all its rows.
    pub fingerprint: Fingerprint,
    /// Where it can be entered.
    pub blocks: Vec<Block>,
}

/// The state of a sequence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestSequence {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// The last value.
    pub last_value: i64,
    /// Whether that value was handed out.
    pub is_called: bool,
}

impl Manifest {
    /// Writes the manifest and returns the hash in its last field.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<Sha256Digest> {
        let mut body = HashingWriter::new(&mut *out);
        body.write_all(b"{")?;
        let head = serde_json::json!({
            "manifest_version": self.manifest_version,
            "tool": self.tool,
            "tool_version": self.tool_version,
            "format": self.format,
            "archive_version": self.archive_version,
            "compression": self.compression,
            "toc": self.toc,
            "server_version": self.server_version,
            "server_version_num": self.server_version_num,
            "system_identifier": self.system_identifier,
            "database": self.database,
            "encoding": self.encoding,
            "snapshot_lsn": self.snapshot_lsn,
            "started": self.started,
            "finished": self.finished,
            "options": self.options,
            "settings": self.settings,
        });
        // The version comes first; the others in the order of their names, which `Value` keeps.
        let mut head = head.as_object().cloned().unwrap_or_default();
        if let Some(digest) = self.archive_sha256 {
            head.insert("archive_sha256".to_owned(), digest.to_string().into());
        }
        let (first, others): (Vec<_>, Vec<_>) =
            head.iter().partition(|(key, _)| key.as_str() == "manifest_version");
        for (position, (key, value)) in first.into_iter().chain(others).enumerate() {
            let separator = if position == 0 { "" } else { "," };
            write!(body, "{separator}\n{}: {value}", serde_json::Value::from(key.as_str()))?;
        }
        write_list(&mut body, "data", &self.data)?;
        write_list(&mut body, "large_objects", &self.large_objects)?;
        write_list(&mut body, "large_object_classes", &self.large_object_classes)?;
        write!(body, ",\n\"large_object_remarks\": ")?;
        serde_json::to_writer(&mut body, &self.large_object_remarks)?;
        write_list(&mut body, "sequences", &self.sequences)?;
        write_list(&mut body, "schema", &self.schema.items)?;

        write_seal(body)
    }

    /// Reads a manifest from a file and checks its seal.
    ///
    /// # Errors
    ///
    /// As [`Manifest::read`], and [`ErrorKind::Storage`] when the file cannot be read.
    pub(super) fn read_file(file: impl Read) -> Result<Self> {
        let mut content = Vec::new();
        let count = file
            .take(MANIFEST_BYTES_MAX)
            .read_to_end(&mut content)
            .context(ErrorKind::Storage, || "could not read the manifest".to_owned())?;
        if count as u64 == MANIFEST_BYTES_MAX {
            return Err(Error::new(ErrorKind::Integrity, "the manifest is too large"));
        }
        Manifest::read(&content)
    }

    /// Reads a manifest and checks its seal.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Integrity`] when the bytes are not what was written, [`ErrorKind::Archive`] when
    /// they were written by a newer pgark in a form that is not known here.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        let manifest: Manifest = read_sealed(bytes)?;
        match manifest.total() {
            Some(_) => Ok(manifest),
            // Whoever adds some of them up need not think of it again.
            None => Err(Error::new(
                ErrorKind::Integrity,
                "the manifest is damaged: it holds numbers that are impossible",
            )),
        }
    }

    /// Adds all sizes and counts up, `None` when that is more than a number holds.
    fn total(&self) -> Option<u64> {
        let of_blocks = |block: &Block| [block.offset, block.raw_bytes, block.rows];
        let of_data = self.data.iter().flat_map(|data| {
            let own = [data.raw_bytes, data.stored_bytes, data.rows, data.fingerprint.rows];
            own.into_iter().chain(data.blocks.iter().flat_map(of_blocks))
        });
        let of_objects = self.large_objects.iter().flat_map(|entry| {
            let objects = entry.objects.iter();
            let objects = objects.flat_map(|object| [object.raw_bytes, object.stored_bytes]);
            std::iter::once(entry.stored_bytes).chain(objects)
        });
        let mut all = of_data.chain(of_objects).chain([self.toc.entries, self.toc.bytes]);
        all.try_fold(0_u64, u64::checked_add)
    }

    /// Fills in what only the writer of the archive knows, and orders the data entries.
    pub(super) fn complete(
        &mut self,
        header: &ArchiveHeader,
        compression: Compression,
        toc: ManifestToc,
    ) {
        self.archive_version = header.version.to_string();
        self.data.sort_by_key(|data| data.dump_id);
        self.large_objects.sort_by_key(|objects| objects.dump_id);
        self.complete_as(header.format, compression, toc);
    }

    /// Fills in what only the writer of a script knows; the data entries stay in the order of the script.
    pub(super) fn complete_script(
        &mut self,
        compression: Compression,
        digest: Option<Sha256Digest>,
    ) {
        self.archive_sha256 = digest;
        self.complete_as(ArchiveFormat::Plain, compression, ManifestToc::default());
    }

    fn complete_as(&mut self, format: ArchiveFormat, compression: Compression, toc: ManifestToc) {
        self.manifest_version = MANIFEST_VERSION;
        self.tool = "pgark".to_owned();
        self.tool_version = env!("CARGO_PKG_VERSION").to_owned();
        self.format = format.word().to_owned();
        self.compression = compression.to_string();
        self.toc = toc;
    }

    /// Returns the data entry with an id; the entries are in the order of their ids.
    pub fn data_entry(&self, dump_id: DumpId) -> Option<&ManifestData> {
        let position = self.data.binary_search_by_key(&dump_id.0, |data| data.dump_id).ok()?;
        self.data.get(position)
    }

    /// Returns what it says about the large objects of the entry with an id.
    pub fn large_objects_of(&self, dump_id: DumpId) -> Option<&ManifestLargeObjects> {
        let objects = &self.large_objects;
        let position = objects.binary_search_by_key(&dump_id.0, |objects| objects.dump_id).ok()?;
        objects.get(position)
    }
}

/// Reads something that ends with the hash of the rest; as [`Manifest::read`].
pub(super) fn read_sealed<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    #[derive(Deserialize)]
    struct Version {
        manifest_version: u32,
    }
    let damaged = |reason: &str| {
        Error::new(ErrorKind::Integrity, format!("the manifest is damaged: {reason}"))
    };
    let sealed = check_seal(bytes);
    if let Ok(Version { manifest_version }) = serde_json::from_slice(bytes)
        && manifest_version != MANIFEST_VERSION
        && sealed.is_ok()
    {
        return Err(Error::new(
            ErrorKind::Archive,
            format!(
                "the manifest has version {manifest_version}, and only version {MANIFEST_VERSION} is known"
            ),
        )
        .with_hint("use the pgark that made the archive, or a newer one"));
    }
    sealed.map_err(damaged)?;
    serde_json::from_slice(bytes)
        .map_err(|error| damaged("it is not in the expected form").with_source(error))
}

/// Writes a list with an item on each line.
pub(super) fn write_list<T: Serialize>(
    out: &mut impl Write,
    key: &str,
    items: &[T],
) -> io::Result<()> {
    write!(out, ",\n\"{key}\": [")?;
    for (position, item) in items.iter().enumerate() {
        out.write_all(if position == 0 { b"\n" } else { b",\n" })?;
        serde_json::to_writer(&mut *out, item)?;
    }
    out.write_all(b"]")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::sha256;

    fn sample() -> Manifest {
        Manifest {
            manifest_version: MANIFEST_VERSION,
            tool: "pgark".into(),
            database: "größe \u{10ff80}".into(),
            data: vec![ManifestData {
                dump_id: 7,
                schema: "public".into(),
                table: "t \"quoted\"".into(),
                file: "7.dat.zst".into(),
                raw_bytes: 17,
                stored_bytes: 30,
                sha256: sha256(b"x"),
                rows: 2,
                fingerprint: Fingerprint { rows: 2, sum: 5 },
                loaded_into: None,
                columns: vec!["a".into()],
                filter: String::new(),
                blocks: vec![[0, 12, 2].into(), [20, 5, 0].into()],
            }],
            sequences: vec![ManifestSequence {
                schema: "public".into(),
                name: "s".into(),
                last_value: -3,
                is_called: true,
            }],
            ..Manifest::default()
        }
    }

    fn bytes(manifest: &Manifest) -> Vec<u8> {
        let mut out = Vec::new();
        manifest.write(&mut out).expect("writes");
        out
    }

    #[test]
    fn what_is_written_is_read() {
        for manifest in [sample(), Manifest { manifest_version: 1, ..Manifest::default() }] {
            assert_eq!(Manifest::read(&bytes(&manifest)).expect("reads"), manifest);
        }
    }

    #[test]
    fn the_hash_is_that_of_the_rest() {
        let text = String::from_utf8(bytes(&sample())).expect("text");
        let (rest, last) = text.split_at(text.rfind(",\n").expect("last field"));
        let hash = sha256(format!("{rest}\n}}\n").as_bytes());
        assert_eq!(last, format!(",\n\"sha256\": \"{hash}\"\n}}\n"));
        serde_json::from_str::<serde_json::Value>(&format!("{rest}\n}}\n")).expect("is json too");
    }

    #[test]
    fn any_flipped_byte_and_any_cut_are_found() {
        let whole = bytes(&sample());
        for position in 0..whole.len() {
            for mask in [0x01, 0x20] {
                let mut damaged = whole.clone();
                damaged[position] ^= mask;
                let error = Manifest::read(&damaged).expect_err("flipped");
                assert_eq!(error.kind(), ErrorKind::Integrity, "{position}");
            }
            Manifest::read(&whole[..position]).expect_err("cut");
        }
    }

    #[test]
    fn a_newer_manifest_is_named_as_such() {
        let error = Manifest::read(&bytes(&Manifest { manifest_version: 2, ..sample() }))
            .expect_err("newer");
        assert_eq!(error.kind(), ErrorKind::Archive);
        assert!(error.message().contains("version 2"), "{error}");
    }
}
