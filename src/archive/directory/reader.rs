//! The reading of a directory archive.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, openat};

use crate::archive::check::ContainerChecked;
use crate::archive::manifest::{MANIFEST_FILE, Manifest};
use crate::archive::reader::{
    ArchiveReader, LargeObjectFile, ManifestState, Named, read_large_object_list,
};
use crate::archive::stored_data::StoredData;
use crate::archive::toc::{self, TOC_FILE, Toc};
use crate::archive::{ArchiveFormat, ArchiveHeader, ArchiveVersion};
use crate::codec::{Algorithm, HashingReader, decoder, list_decoder};
use crate::error::{Error, ErrorKind, Result};
use crate::model::TocEntry;

/// The list of all large objects in archives before 1.16.
const OLD_LARGE_OBJECT_LIST: &str = "blobs.toc";

/// The files of one directory; nothing outside of it can be reached, not even by a symbolic link.
#[derive(Debug)]
pub(super) struct Files {
    path: PathBuf,
    directory: File,
}

/// A file that was found.
pub(super) struct StoredFile {
    /// Its name, with the codec's suffix.
    pub(super) name: String,
    /// The codec that its name tells.
    pub(super) algorithm: Algorithm,
    /// The file, opened.
    pub(super) file: File,
    /// Its size.
    pub(super) bytes: u64,
}

impl Files {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let directory = File::open(path).map_err(|error| {
            Error::new(ErrorKind::Storage, format!("could not open \"{}\"", path.display()))
                .with_source(error)
        })?;
        Ok(Files { path: path.to_owned(), directory })
    }

    /// Returns a file's path for messages.
    pub(super) fn shown(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Opens a file by its exact name; `None` when it does not exist.
    pub(super) fn open_exact(&self, name: &str) -> Result<Option<File>> {
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
    pub(super) fn find(&self, name: &str) -> Result<Option<StoredFile>> {
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
    pub(super) fn list(&self) -> Result<Vec<String>> {
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

    pub(super) fn storage(&self, name: &str, source: io::Error) -> Error {
        Error::new(ErrorKind::Storage, format!("could not read \"{}\"", self.shown(name).display()))
            .with_source(source)
    }
}

/// A directory archive, opened.
#[derive(Debug)]
pub struct DirectoryReader {
    pub(super) files: Files,
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
        let text = list_decoder(stored.algorithm, stored.file, stored.bytes);
        let mut input = HashingReader::new(text);
        let toc = toc::read(
            io::BufReader::with_capacity(1 << 18, &mut input),
            ArchiveFormat::Directory,
            &shown,
        )?;
        let (digest, bytes) = input.finish();
        let manifest = ManifestState::judge(read_manifest(&files), &toc, digest, bytes);
        Ok(DirectoryReader { files, toc, manifest })
    }
}

/// Reads the manifest.
fn read_manifest(files: &Files) -> Result<Option<Manifest>> {
    let Some(file) = files.open_exact(MANIFEST_FILE)? else { return Ok(None) };
    Manifest::read_file(file).map(Some)
}

impl DirectoryReader {
    /// Finds a file by its name without the codec's suffix; `owner` is what it belongs to, in words.
    fn find_stored(&self, name: &str, owner: &str) -> Result<StoredFile> {
        self.files.find(name)?.ok_or_else(|| {
            Error::new(
                ErrorKind::Archive,
                format!("data file \"{}\" of {owner} is missing", self.files.shown(name).display()),
            )
        })
    }

    /// Opens such a file.
    fn open_stored(&self, name: &str, owner: &str) -> Result<Box<dyn Read + Send>> {
        let stored = self.find_stored(name, owner)?;
        let shown = self.files.shown(&stored.name);
        Ok(Box::new(Named::new(decoder(stored.algorithm, stored.file), shown)))
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
        let shown = self.files.path.display();
        let missing = || {
            let what = format!("\"{shown}\": {} has no data file", entry.describe());
            Error::new(ErrorKind::Archive, what)
        };
        let name = toc::data_file_name(entry).ok_or_else(missing)?;
        if entry.holds_large_objects() || entry.desc == "BLOB COMMENTS" {
            return Err(Error::new(
                ErrorKind::Archive,
                format!(
                    "\"{shown}\": {} lists large objects and has no data of its own",
                    entry.describe()
                ),
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
        let stored = self.find_stored(&name, &entry.describe())?;
        let shown = self.files.shown(&stored.name);
        read_large_object_list(list_decoder(stored.algorithm, stored.file, stored.bytes), &shown)
    }

    fn open_large_object(&self, object: &LargeObjectFile) -> Result<Box<dyn Read + Send>> {
        self.open_stored(&object.file, &format!("large object {}", object.oid))
    }

    fn data_size(&self, entry: &TocEntry) -> u64 {
        if let ManifestState::Valid(manifest) = &self.manifest {
            if let Some(data) = manifest.data_entry(entry.dump_id) {
                return data.stored_bytes;
            }
            if let Some(objects) = manifest.large_objects_of(entry.dump_id) {
                return objects.objects.iter().map(|object| object.stored_bytes).sum();
            }
        }
        // Of large objects there is only the list; pg_restore takes a byte of it for a KiB of them.
        let factor = if entry.holds_large_objects() { 1024 } else { 1 };
        toc::data_file_name(entry)
            .and_then(|name| self.files.find(&name).ok().flatten())
            .map_or(0, |stored| stored.bytes.saturating_mul(factor))
    }

    fn path(&self) -> &Path {
        &self.files.path
    }

    fn data_name(&self, entry: &TocEntry) -> String {
        if let Some(data) = self.manifest().and_then(|known| known.data_entry(entry.dump_id)) {
            return data.file.clone();
        }
        if let Some(list) = self.manifest().and_then(|known| known.large_objects_of(entry.dump_id))
        {
            return list.file.clone();
        }
        let stem = toc::data_file_name(entry).unwrap_or_default();
        match self.files.find(&stem) {
            Ok(Some(found)) => found.name,
            Ok(None) | Err(_) => format!("{stem}{}", self.toc.header.algorithm.suffix()),
        }
    }

    fn stored_data(&self, entry: &TocEntry) -> Result<Option<StoredData>> {
        let name = self.data_name(entry);
        let Some(file) = self.files.open_exact(&name)? else { return Ok(None) };
        let bytes = file.metadata().map_err(|error| self.files.storage(&name, error))?.size();
        Ok(Some(StoredData::of_file(file, bytes, Algorithm::from_suffix(&name))))
    }

    fn stored_large_object(&self, object: &LargeObjectFile) -> Result<Option<StoredData>> {
        let found = self.files.find(&object.file)?;
        Ok(found.map(|found| StoredData::of_file(found.file, found.bytes, found.algorithm)))
    }

    fn check_container(&self) -> Result<ContainerChecked> {
        super::check::check(self)
    }
}
