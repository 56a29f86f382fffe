//! The reading of a directory archive.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, openat};

use super::TOC_FILE;
use crate::archive::manifest::{MANIFEST_FILE, Manifest};
use crate::archive::reader::{ArchiveReader, LargeObjectFile, ManifestState};
use crate::archive::toc::{self, Toc};
use crate::archive::{ArchiveFormat, ArchiveHeader, ArchiveVersion};
use crate::codec::{Algorithm, HashingReader, Sha256Digest, decoder};
use crate::error::{Error, ErrorKind, Result};
use crate::model::TocEntry;

/// A manifest of a million tables and ten million blocks is smaller; what is larger is none.
const MANIFEST_BYTES_MAX: u64 = 2 << 30;

/// The list of all large objects in archives before 1.16.
const OLD_LARGE_OBJECT_LIST: &str = "blobs.toc";

/// 40 bytes a line for ten million large objects.
const LARGE_OBJECT_LIST_BYTES_MAX: u64 = 400_000_000;

/// The files of one directory; nothing outside of it can be reached, not even by a symbolic link.
#[derive(Debug)]
pub(in crate::archive) struct Files {
    path: PathBuf,
    directory: File,
}

/// A file that was found.
pub(in crate::archive) struct StoredFile {
    /// Its name, with the codec's suffix.
    pub(in crate::archive) name: String,
    /// The codec that its name tells.
    pub(in crate::archive) algorithm: Algorithm,
    /// The file, opened.
    pub(in crate::archive) file: File,
    /// Its size.
    pub(in crate::archive) bytes: u64,
}

impl Files {
    pub(in crate::archive) fn open(path: &Path) -> Result<Self> {
        let directory = File::open(path).map_err(|error| {
            Error::new(ErrorKind::Storage, format!("could not open \"{}\"", path.display()))
                .with_source(error)
        })?;
        Ok(Files { path: path.to_owned(), directory })
    }

    /// Returns a file's path for messages.
    pub(in crate::archive) fn shown(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Opens a file by its exact name; `None` when it does not exist.
    pub(in crate::archive) fn open_exact(&self, name: &str) -> Result<Option<File>> {
        let refused = |reason: &str| {
            Error::new(
                ErrorKind::Archive,
                format!("\"{}\" is {reason}", self.shown(name).display()),
            )
        };
        if !toc::is_plain_file_name(name) {
            return Err(refused("not a plain file name"));
        }
        // Without NONBLOCK, opening a pipe would wait for somebody to write into it.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let name_bytes = crate::sql::text::encode(name);
        match openat(&self.directory, &*name_bytes, flags, Mode::empty()) {
            Ok(descriptor) => {
                let file = File::from(descriptor);
                let metadata = file.metadata().map_err(|error| self.storage(name, error))?;
                if !metadata.is_file() {
                    return Err(refused("not a file"));
                }
                Ok(Some(file))
            }
            Err(rustix::io::Errno::NOENT) => Ok(None),
            Err(rustix::io::Errno::LOOP) => Err(refused("a symbolic link, which is not followed")),
            Err(errno) => Err(self.storage(name, errno.into())),
        }
    }

    /// Finds a file by its name, then by its name with the suffix of each codec.
    pub(in crate::archive) fn find(&self, name: &str) -> Result<Option<StoredFile>> {
        for algorithm in Algorithm::ALL {
            let name = format!("{name}{}", algorithm.suffix());
            if let Some(file) = self.open_exact(&name)? {
                let bytes = file.metadata().map_err(|error| self.storage(&name, error))?.size();
                return Ok(Some(StoredFile { name, algorithm, file, bytes }));
            }
        }
        Ok(None)
    }

    /// Returns the names of everything in the directory.
    pub(in crate::archive) fn list(&self) -> Result<Vec<String>> {
        let storage = |error| {
            Error::new(ErrorKind::Storage, format!("could not list \"{}\"", self.path.display()))
                .with_source(io::Error::from(error))
        };
        let mut names = Vec::new();
        for item in rustix::fs::Dir::read_from(&self.directory).map_err(storage)? {
            let name = crate::sql::text::decode(item.map_err(storage)?.file_name().to_bytes());
            if name != "." && name != ".." {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    pub(in crate::archive) fn storage(&self, name: &str, source: io::Error) -> Error {
        Error::new(ErrorKind::Storage, format!("could not read \"{}\"", self.shown(name).display()))
            .with_source(source)
    }
}

/// A directory archive, opened.
#[derive(Debug)]
pub struct DirectoryReader {
    files: Files,
    toc: Toc,
    manifest: ManifestState,
}

impl DirectoryReader {
    /// Opens a directory archive: reads its table of contents and its manifest.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Archive`] when it is not an archive or its table of contents is damaged. A missing
    /// or damaged manifest is no error here: [`ArchiveReader::manifest_state`].
    pub fn open(path: &Path) -> Result<Self> {
        let files = Files::open(path)?;
        let Some(stored) = files.find(TOC_FILE)? else {
            return Err(Error::new(
                ErrorKind::Archive,
                format!(
                    "directory \"{}\" does not appear to be a valid archive (\"{TOC_FILE}\" does not exist)",
                    path.display()
                ),
            ));
        };
        let shown = files.shown(&stored.name).display().to_string();
        let mut input = HashingReader::new(decoder(stored.algorithm, stored.file));
        let toc = toc::read(
            io::BufReader::with_capacity(1 << 18, &mut input),
            ArchiveFormat::Directory,
            &shown,
        )?;
        let (digest, bytes) = input.finish();
        let manifest = manifest_state(&files, &toc, digest, bytes);
        Ok(DirectoryReader { files, toc, manifest })
    }

    pub(in crate::archive) fn files(&self) -> &Files {
        &self.files
    }
}

/// Reads the manifest and compares it with the table of contents.
fn manifest_state(files: &Files, toc: &Toc, digest: Sha256Digest, bytes: u64) -> ManifestState {
    let read = || -> Result<Option<Manifest>> {
        let Some(file) = files.open_exact(MANIFEST_FILE)? else { return Ok(None) };
        let mut content = Vec::new();
        let count = file
            .take(MANIFEST_BYTES_MAX)
            .read_to_end(&mut content)
            .map_err(|error| files.storage(MANIFEST_FILE, error))?;
        if count as u64 == MANIFEST_BYTES_MAX {
            return Err(Error::new(ErrorKind::Integrity, "the manifest is too large"));
        }
        Manifest::read(&content).map(Some)
    };
    match read() {
        Err(error) => ManifestState::Damaged(error),
        Ok(None) if toc.header.is_by_pgark() => ManifestState::Gone,
        Ok(None) => ManifestState::NotExpected,
        Ok(Some(manifest)) => match misfit(&manifest, toc, digest, bytes) {
            None => ManifestState::Valid(Box::new(manifest)),
            Some(reason) => ManifestState::Damaged(
                Error::new(ErrorKind::Integrity, "the manifest does not fit the table of contents")
                    .with_source(io::Error::other(reason)),
            ),
        },
    }
}

/// Returns in what a manifest does not fit a table of contents.
fn misfit(manifest: &Manifest, toc: &Toc, digest: Sha256Digest, bytes: u64) -> Option<String> {
    if manifest.toc.bytes != bytes {
        return Some(format!(
            "{TOC_FILE} should have {} bytes and has {bytes}",
            manifest.toc.bytes
        ));
    }
    if manifest.toc.sha256 != digest {
        return Some(format!("{TOC_FILE} has another SHA-256"));
    }
    if !manifest.data.is_sorted_by(|one, next| one.dump_id < next.dump_id) {
        return Some("its data entries are not in order".to_owned());
    }
    let with_data = toc.entries.iter().filter(|entry| entry.has_data);
    let mut count = 0;
    for entry in with_data {
        if manifest.data_entry(entry.dump_id).is_none() {
            return Some(format!("{} is not in the manifest", entry.describe()));
        }
        count += 1;
    }
    (count != manifest.data.len())
        .then(|| format!("the manifest lists {} data entries, not {count}", manifest.data.len()))
}

impl DirectoryReader {
    /// Opens a file by its name without the codec's suffix; `owner` is what it belongs to, in words.
    fn open_stored(&self, name: &str, owner: &str) -> Result<Box<dyn Read + Send>> {
        let stored = self.files.find(name)?.ok_or_else(|| {
            Error::new(
                ErrorKind::Archive,
                format!("data file \"{}\" of {owner} is missing", self.files.shown(name).display()),
            )
        })?;
        let shown = self.files.shown(&stored.name);
        Ok(Box::new(Named { inner: decoder(stored.algorithm, stored.file), shown, offset: 0 }))
    }

    /// Reads a line of a list of large objects: the oid, a blank, the name of the file.
    fn large_object(&self, list: &str, line: &str) -> Result<LargeObjectFile> {
        let parts = line.split_once(char::is_whitespace);
        match parts.and_then(|(oid, file)| Some((oid.parse().ok()?, file.trim()))) {
            Some((oid, file)) if toc::is_plain_file_name(file) => {
                Ok(LargeObjectFile { oid, file: file.to_owned() })
            }
            _ => Err(Error::new(
                ErrorKind::Archive,
                format!(
                    "\"{}\" does not list a large object in the line {line:?}",
                    self.files.shown(list).display()
                ),
            )),
        }
    }
}

impl ArchiveReader for DirectoryReader {
    fn header(&self) -> &ArchiveHeader {
        &self.toc.header
    }

    fn entries(&self) -> &[TocEntry] {
        &self.toc.entries
    }

    fn manifest_state(&self) -> &ManifestState {
        &self.manifest
    }

    fn open_data(&self, entry: &TocEntry) -> Result<Box<dyn Read + Send>> {
        let missing =
            || Error::new(ErrorKind::Archive, format!("{} has no data file", entry.describe()));
        let name = toc::data_file_name(entry).ok_or_else(missing)?;
        if entry.desc == "BLOBS" || entry.desc == "BLOB COMMENTS" {
            return Err(Error::new(
                ErrorKind::Archive,
                format!("{} lists large objects and has no data of its own", entry.describe()),
            ));
        }
        self.open_stored(&name, &entry.describe())
    }

    fn large_objects(&self, entry: &TocEntry) -> Result<Vec<LargeObjectFile>> {
        // Before 1.16 there is one list for the whole archive, and some writers recorded a wrong name.
        let name = if self.toc.header.version < ArchiveVersion::V1_16 {
            OLD_LARGE_OBJECT_LIST.to_owned()
        } else {
            toc::data_file_name(entry).unwrap_or_default()
        };
        let mut list = String::new();
        let read = self
            .open_stored(&name, &entry.describe())?
            .take(LARGE_OBJECT_LIST_BYTES_MAX)
            .read_to_string(&mut list);
        read.map_err(|error| self.files.storage(&name, error))?;
        list.lines().map(|line| self.large_object(&name, line)).collect()
    }

    fn open_large_object(&self, object: &LargeObjectFile) -> Result<Box<dyn Read + Send>> {
        self.open_stored(&object.file, &format!("large object {}", object.oid))
    }

    fn data_size(&self, entry: &TocEntry) -> u64 {
        if let ManifestState::Valid(manifest) = &self.manifest
            && let Some(data) = manifest.data_entry(entry.dump_id)
        {
            return data.stored_bytes;
        }
        toc::data_file_name(entry)
            .and_then(|name| self.files.find(&name).ok().flatten())
            .map_or(0, |stored| stored.bytes)
    }

    fn path(&self) -> &Path {
        &self.files.path
    }

    fn as_directory(&self) -> Option<&DirectoryReader> {
        Some(self)
    }
}

/// A reader whose errors name the file and how far it had come.
struct Named {
    inner: Box<dyn Read + Send>,
    shown: PathBuf,
    offset: u64,
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
