//! The reading of a directory archive.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

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
use crate::sql::text;
use crate::store::{Content, Folder, Location, Part, PartReader, open_folder};

/// The list of all large objects in archives before 1.16.
const OLD_LARGE_OBJECT_LIST: &str = "blobs.toc";

/// The files of one directory.
#[derive(Debug)]
pub(super) struct Files {
    folder: Box<dyn Folder>,
}

/// A file that was found.
pub(super) struct StoredFile {
    /// Its name, with the codec's suffix.
    pub(super) name: String,
    /// The codec that its name tells.
    pub(super) algorithm: Algorithm,
    /// What is in it.
    pub(super) content: Arc<dyn Content>,
}

impl StoredFile {
    /// Returns a reader of the bytes as they are stored.
    pub(super) fn stored(&self) -> PartReader {
        Part::whole(Arc::clone(&self.content)).open()
    }
}

impl Files {
    pub(super) fn open(location: &Location) -> Result<Self> {
        Ok(Files { folder: open_folder(location)? })
    }

    /// Returns a file's path for messages.
    pub(super) fn shown(&self, name: &str) -> PathBuf {
        self.folder.place().join(name)
    }

    /// Opens a file by its exact name; `None` when it does not exist.
    pub(super) fn open_exact(&self, name: &str) -> Result<Option<Arc<dyn Content>>> {
        if !toc::is_plain_file_name(name) {
            return Err(Error::new(
                ErrorKind::Archive,
                format!("\"{}\" is not a plain file name", self.shown(name).display()),
            ));
        }
        self.folder.find(OsStr::from_bytes(&text::encode(name)))
    }

    /// Finds a file by its name, then by its name with the suffix of each codec.
    pub(super) fn find(&self, name: &str) -> Result<Option<StoredFile>> {
        for algorithm in Algorithm::ALL {
            let name = format!("{name}{}", algorithm.suffix());
            if let Some(content) = self.open_exact(&name)? {
                return Ok(Some(StoredFile { name, algorithm, content }));
            }
        }
        Ok(None)
    }

    /// Returns the names of everything in the directory.
    pub(super) fn list(&self) -> Result<Vec<String>> {
        let names = self.folder.names()?;
        Ok(names.into_iter().map(|name| text::decode(name.as_bytes())).collect())
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
    pub fn open(location: &Location) -> Result<Self> {
        let files = Files::open(location)?;
        let Some(stored) = files.find(TOC_FILE)? else {
            return Err(Error::new(
                ErrorKind::Archive,
                format!(
                    "directory \"{}\" does not appear to be a valid archive (\"{TOC_FILE}\" does not exist)",
                    location
                ),
            ));
        };
        let shown = files.shown(&stored.name).display().to_string();
        let text = list_decoder(stored.algorithm, stored.stored(), stored.content.bytes());
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
    let Some(content) = files.open_exact(MANIFEST_FILE)? else { return Ok(None) };
    Manifest::read_file(Part::whole(content).open()).map(Some)
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
        Ok(Box::new(Named::new(decoder(stored.algorithm, stored.stored()), shown)))
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
        let shown = self.path().display();
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
        let list = list_decoder(stored.algorithm, stored.stored(), stored.content.bytes());
        read_large_object_list(list, &shown)
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
            .map_or(0, |stored| stored.content.bytes().saturating_mul(factor))
    }

    fn path(&self) -> &Path {
        self.files.folder.place()
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
        let content = self.files.open_exact(&name)?;
        Ok(content.map(|content| StoredData::of_file(content, Algorithm::from_suffix(&name))))
    }

    fn stored_large_object(&self, object: &LargeObjectFile) -> Result<Option<StoredData>> {
        let found = self.files.find(&object.file)?;
        Ok(found.map(|found| StoredData::of_file(found.content, found.algorithm)))
    }

    fn check_container(&self) -> Result<ContainerChecked> {
        super::check::check(self)
    }
}
