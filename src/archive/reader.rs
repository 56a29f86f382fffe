//! The reading of archives, whatever their container.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::check::ContainerChecked;
use super::custom::CustomReader;
use super::directory::DirectoryReader;
use super::large_object_text::not_listed;
use super::manifest::MANIFEST_FILE;
use super::stored_data::StoredData;
use super::tar::TarReader;
use super::toc::{self, Toc};
use super::unnamed::{self, UnnamedReader};
use super::{ArchiveFormat, ArchiveHeader, Manifest};
use crate::codec::Sha256Digest;
use crate::error::{Error, ErrorKind, Result, with_causes};
use crate::model::TocEntry;
use crate::store::Location;

/// 40 bytes a line for ten million large objects.
const LARGE_OBJECT_LIST_BYTES_MAX: u64 = 400_000_000;

/// What can be done about a manifest that nobody has any more.
const WITHOUT_PROOF: &str = "\"pgark pg_restore\" restores it without proof, as pg_restore does";

/// What is known about the manifest of an opened archive.
#[derive(Debug)]
pub enum ManifestState {
    /// It is there and fits the table of contents.
    Valid(Box<Manifest>),
    /// There is none, and its maker makes none: pg_dump, or pgark under pg_dump's name.
    NotExpected,
    /// There is none although pgark made the archive.
    Gone,
    /// It is there and cannot be trusted, for this reason.
    Damaged(Error),
}

impl ManifestState {
    /// Judges what was read as a manifest beside a table of contents of so many bytes.
    pub(super) fn judge(
        read: Result<Option<Manifest>>,
        toc: &Toc,
        digest: Sha256Digest,
        bytes: u64,
    ) -> Self {
        match read {
            Err(error) => ManifestState::Damaged(error),
            Ok(None) if toc.header.is_by_pgark() => ManifestState::Gone,
            Ok(None) => ManifestState::NotExpected,
            Ok(Some(manifest)) => match misfit(&manifest, toc, digest, bytes) {
                None => ManifestState::Valid(Box::new(manifest)),
                Some(reason) => ManifestState::Damaged(
                    Error::new(
                        ErrorKind::Integrity,
                        "the manifest does not fit the table of contents",
                    )
                    .with_source(io::Error::other(reason)),
                ),
            },
        }
    }
}

/// Returns in what a manifest does not fit a table of contents.
fn misfit(manifest: &Manifest, toc: &Toc, digest: Sha256Digest, bytes: u64) -> Option<String> {
    if manifest.toc.bytes != bytes {
        return Some(format!("it should have {} bytes and has {bytes}", manifest.toc.bytes));
    }
    if manifest.toc.sha256 != digest {
        return Some("it has another SHA-256".to_owned());
    }
    if !manifest.data.is_sorted_by(|one, next| one.dump_id < next.dump_id) {
        return Some("its data entries are not in order".to_owned());
    }
    if !manifest.large_objects.is_sorted_by(|one, next| one.dump_id < next.dump_id) {
        return Some("its entries of large objects are not in order".to_owned());
    }
    let with_data = toc.entries.iter().filter(|entry| entry.has_data);
    let mut count = 0;
    for entry in with_data {
        let known = if entry.holds_large_objects() {
            manifest.large_objects_of(entry.dump_id).is_some()
        } else {
            manifest.data_entry(entry.dump_id).is_some()
        };
        if !known {
            return Some(format!("{} is not in the manifest", entry.describe()));
        }
        count += 1;
    }
    let listed = manifest.data.len() + manifest.large_objects.len();
    (count != listed).then(|| format!("the manifest lists {listed} data entries, not {count}"))
}

/// A large object of an archive and where its bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LargeObjectFile {
    /// The large object.
    pub oid: u32,
    /// The name of its data, without the codec's suffix.
    pub file: String,
    /// Where its data begin in an archive that is a single file.
    pub position: u64,
}

/// An opened archive.
pub trait ArchiveReader: Send + Sync {
    /// Returns what the archive says about itself.
    fn header(&self) -> &ArchiveHeader;
    /// Returns the entries in the order of the file.
    fn entries(&self) -> &[TocEntry];
    /// Returns what is known about the manifest.
    fn manifest_state(&self) -> &ManifestState;
    /// Returns a reader of an entry's decompressed data, with the end marker.
    ///
    /// What it reads is not compared with the manifest; damage that decompression notices is an error
    /// of the reader, of kind `InvalidData` or `UnexpectedEof` for a cut file.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Archive`] when the entry has no data or its file is missing.
    fn open_data(&self, entry: &TocEntry) -> Result<Box<dyn Read + Send>>;
    /// Returns the large objects whose data belongs to a `BLOBS` entry.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Archive`] when the list is missing or malformed.
    fn large_objects(&self, entry: &TocEntry) -> Result<Vec<LargeObjectFile>>;
    /// Returns a reader of a large object's decompressed bytes.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Archive`] when its file is missing.
    fn open_large_object(&self, object: &LargeObjectFile) -> Result<Box<dyn Read + Send>>;
    /// Returns the stored size of an entry's data, 0 when it is not known.
    fn data_size(&self, entry: &TocEntry) -> u64;
    /// Returns where the archive is.
    fn path(&self) -> &Path;
    /// Returns what the file that holds an entry's data is called, for messages.
    fn data_name(&self, entry: &TocEntry) -> String;
    /// Returns where an entry's data lie, `None` when they are missing.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Archive`] when what is there does not belong to the entry.
    fn stored_data(&self, entry: &TocEntry) -> Result<Option<StoredData>>;
    /// Returns where a large object's data lie, `None` when they are missing.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Archive`] when what is there does not belong to it.
    fn stored_large_object(&self, object: &LargeObjectFile) -> Result<Option<StoredData>>;
    /// Checks everything that is not an entry's data: names, checksums, what lies between the data.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Storage`] when it cannot be read. Damage is no error but a finding.
    fn check_container(&self) -> Result<ContainerChecked>;

    /// Returns the manifest when it can be trusted.
    fn manifest(&self) -> Option<&Manifest> {
        match self.manifest_state() {
            ManifestState::Valid(manifest) => Some(manifest),
            _ => None,
        }
    }

    /// Returns the `lc_monetary` that values of type `money` were written with, when it is known.
    fn money_locale(&self) -> Option<&str> {
        self.manifest()?.settings.get("lc_monetary").map(String::as_str)
    }

    /// Returns an error when the archive should have a manifest and has none that can be trusted.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Integrity`], or [`ErrorKind::Archive`] for a manifest of a newer version.
    fn require_manifest(&self) -> Result<()> {
        let shown = self.path().display();
        match self.manifest_state() {
            ManifestState::Valid(_) | ManifestState::NotExpected => Ok(()),
            ManifestState::Gone => Err(Error::new(
                ErrorKind::Integrity,
                format!("the manifest of archive \"{shown}\" is gone"),
            )
            .with_hint(format!(
                "the archive was made by {}, which writes a manifest; without it nothing proves that the archive is complete",
                self.header().dumper_version
            ))
            .with_hint(match self.header().format {
                ArchiveFormat::Directory => format!("copy \"{MANIFEST_FILE}\" of the original into it"),
                _ => format!("copy \"{}\" of the original beside it", beside_name(self.path())),
            })
            .with_hint(WITHOUT_PROOF)),
            ManifestState::Damaged(reason) => {
                let mut error = Error::new(
                    reason.kind(),
                    format!("the manifest of archive \"{shown}\" cannot be used"),
                )
                .with_source(with_causes(reason));
                for hint in reason.hints() {
                    error = error.with_hint(hint.clone());
                }
                Err(error.with_hint(WITHOUT_PROOF))
            }
        }
    }
}

/// Returns the large objects whose data belong to an entry, certain to be all that the table of contents
/// names.
///
/// # Errors
///
/// Those of [`ArchiveReader::large_objects`], and [`ErrorKind::Integrity`] when one is missing.
pub fn all_large_objects(
    archive: &dyn ArchiveReader,
    entry: &TocEntry,
) -> Result<Vec<LargeObjectFile>> {
    let objects = archive.large_objects(entry)?;
    let listed = objects.iter().map(|object| object.oid).collect();
    match not_listed(archive.entries(), entry, &listed) {
        None => Ok(objects),
        Some(oid) => Err(Error::new(
            ErrorKind::Integrity,
            format!(
                "\"{}\": the list of {} does not have large object {oid}",
                archive.path().display(),
                entry.describe()
            ),
        )),
    }
}

/// Returns what the manifest beside an archive is called.
fn beside_name(archive: &Path) -> String {
    let name = archive.file_name().unwrap_or_default().to_string_lossy();
    format!("{name}.{MANIFEST_FILE}")
}

/// Opens an archive, whatever its container.
///
/// What a descriptor names (`/proc/self/fd/7`) needs no manifest, because none can lie beside it.
///
/// # Errors
///
/// [`ErrorKind::NotFound`] when nothing is there, [`ErrorKind::Archive`] when it is not an archive that
/// can be read here (the message names what it is).
pub fn open(location: impl Into<Location>) -> Result<Box<dyn ArchiveReader>> {
    match location.into() {
        Location::Path(path) => {
            let archive = open_container(&path)?;
            match unnamed::is_descriptor(&path) {
                true => Ok(Box::new(UnnamedReader::new(archive))),
                false => Ok(archive),
            }
        }
        // Under a prefix there can only be the files of a directory.
        bucket @ Location::Object(_) => Ok(Box::new(DirectoryReader::open(&bucket)?)),
    }
}

fn open_container(path: &Path) -> Result<Box<dyn ArchiveReader>> {
    let shown = path.display();
    let metadata = std::fs::metadata(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            Error::new(ErrorKind::NotFound, format!("archive \"{shown}\" does not exist"))
        }
        _ => Error::new(ErrorKind::Storage, format!("could not open archive \"{shown}\""))
            .with_source(error),
    })?;
    if metadata.is_dir() {
        return Ok(Box::new(DirectoryReader::open(&path.into())?));
    }
    let mut head = Vec::new();
    File::open(path).and_then(|file| file.take(512).read_to_end(&mut head)).map_err(|error| {
        Error::new(ErrorKind::Storage, format!("could not read archive \"{shown}\""))
            .with_source(error)
    })?;
    if head.starts_with(b"PGDMP") {
        return Ok(Box::new(CustomReader::open(path)?));
    }
    if head.get(257..262) == Some(b"ustar") {
        return Ok(Box::new(TarReader::open(path)?));
    }
    let what = if head.starts_with(b"--\n-- PostgreSQL database") {
        "a plain script, which has no table of contents"
    } else if head.is_empty() {
        "an empty file"
    } else {
        "not a PostgreSQL archive"
    };
    Err(Error::new(ErrorKind::Archive, format!("\"{shown}\" is {what}")))
}

/// A reader whose errors name the file and how far it had come.
pub(super) struct Named {
    inner: Box<dyn Read + Send>,
    shown: PathBuf,
    offset: u64,
}

impl Named {
    pub(super) fn new(inner: Box<dyn Read + Send>, shown: PathBuf) -> Self {
        Named { inner, shown, offset: 0 }
    }
}

impl Read for Named {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.inner.read(buffer) {
            Ok(count) => {
                self.offset += count as u64;
                Ok(count)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => Err(io::Error::new(
                error.kind(),
                format!(
                    "could not read \"{}\" after {} decompressed bytes: {error}",
                    self.shown.display(),
                    self.offset
                ),
            )),
        }
    }
}

/// Reads a list of large objects: lines with the oid, a blank and the name of the file.
pub(super) fn read_large_object_list(
    list: Box<dyn Read + Send>,
    shown: &Path,
) -> Result<Vec<LargeObjectFile>> {
    let mut text = String::new();
    list.take(LARGE_OBJECT_LIST_BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| {
        let kind = if toc::is_damage(&error) { ErrorKind::Archive } else { ErrorKind::Storage };
        Error::new(kind, format!("could not read \"{}\"", shown.display())).with_source(error)
    })?;
    if text.len() as u64 > LARGE_OBJECT_LIST_BYTES_MAX {
        let what = format!("\"{}\" lists too many large objects", shown.display());
        return Err(Error::new(ErrorKind::Archive, what));
    }
    let read_line = |line: &str| {
        let parts = line.split_once(char::is_whitespace);
        match parts.and_then(|(oid, file)| Some((oid.parse().ok()?, file.trim()))) {
            Some((oid, file)) if toc::is_plain_file_name(file) => {
                Ok(LargeObjectFile { oid, file: file.to_owned(), position: 0 })
            }
            _ => Err(Error::new(
                ErrorKind::Archive,
                format!(
                    "\"{}\" does not list a large object in the line {:?}",
                    shown.display(),
                    // A file without line ends is one line.
                    line.chars().take(200).collect::<String>()
                ),
            )),
        }
    };
    text.lines().map(read_line).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;

    fn listed(text: &[u8]) -> Result<Vec<LargeObjectFile>> {
        read_large_object_list(Box::new(Cursor::new(text.to_vec())), Path::new("blobs.toc"))
    }

    #[test]
    fn lists_of_large_objects_name_files_of_the_archive_only() {
        let objects = listed(b"7 blob_7.dat\n4000000000\tblob_4000000000.dat\n").expect("reads");
        assert_eq!(objects.iter().map(|object| object.oid).collect::<Vec<_>>(), [7, 4_000_000_000]);
        for line in
            ["7", "7 ", "x blob_7.dat", "-7 blob_7.dat", "5000000000 b", "7 ../b", "7 /b", ""]
        {
            let error = listed(format!("1 blob_1.dat\n{line}\n").as_bytes()).expect_err(line);
            let shown = error.to_string();
            assert!(shown.contains("blobs.toc") && shown.contains(&format!("{line:?}")), "{shown}");
        }
    }

    proptest! {
        #[test]
        fn noise_never_panics(noise in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = listed(&noise);
            let text: String = noise.iter().map(|byte| char::from(b"07 \t\nab./_"[usize::from(byte % 10)])).collect();
            let _ = listed(text.as_bytes());
        }
    }
}
