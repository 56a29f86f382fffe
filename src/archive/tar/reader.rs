//! The reading of a tar archive: every member at its place.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::list_name;
use super::member::{self, UNIT};
use crate::archive::check::ContainerChecked;
use crate::archive::reader::{
    ArchiveReader, LargeObjectFile, ManifestState, Named, read_large_object_list,
};
use crate::archive::single_file::Beside;
use crate::archive::stored_data::{Layout, StoredData};
use crate::archive::toc::{self, Toc};
use crate::archive::{ArchiveFormat, ArchiveHeader, Manifest};
use crate::codec::{Algorithm, HashingReader};
use crate::error::{Error, ErrorKind, Result};
use crate::model::TocEntry;
use crate::store::{Content, FileContent, Part};

/// Ten million large objects and a million tables are fewer.
const MEMBERS_MAX: usize = 20_000_000;

/// A tar archive, opened.
#[derive(Debug)]
pub struct TarReader {
    path: PathBuf,
    pub(super) content: Arc<dyn Content>,
    pub(super) members: Members,
    toc: Toc,
    manifest: ManifestState,
}

/// What a tar file holds.
#[derive(Debug, Default)]
pub(super) struct Members {
    /// Where each file's bytes are, by its name.
    pub(super) by_name: HashMap<String, (u64, u64)>,
    /// The names that occur again.
    pub(super) twice: Vec<String>,
    /// Where bytes stand that should be zeros and are not.
    pub(super) not_zero: Option<u64>,
    /// Why the rest of the file could not be read, and where it begins.
    pub(super) broken: Option<(u64, &'static str)>,
}

impl Members {
    /// Reads the heads of all members.
    ///
    /// What cannot be read ends the reading and is remembered: what stands before it may be enough.
    fn find(file: &File, end: u64) -> io::Result<Self> {
        let mut members = Members::default();
        let mut offset = 0;
        let mut head = [0; UNIT];
        while offset < end {
            if end - offset < UNIT as u64 {
                members.broken = Some((offset, "the file ends inside the head of a member"));
                break;
            }
            file.read_exact_at(&mut head, offset)?;
            let start = offset + UNIT as u64;
            let found = match member::decode(&head) {
                Ok(None) => {
                    offset = start;
                    continue;
                }
                Ok(Some(found)) => found,
                Err(reason) => {
                    members.broken = Some((offset, reason));
                    break;
                }
            };
            if found.bytes > end - start {
                members.broken = Some((offset, "the file ends inside the member"));
                break;
            }
            offset = start + found.bytes;
            let mut padding = [0; UNIT];
            let padding = &mut padding[..member::padding(found.bytes).min((end - offset) as usize)];
            file.read_exact_at(padding, offset)?;
            if padding.iter().any(|&byte| byte != 0) {
                members.not_zero.get_or_insert(offset);
            }
            offset += padding.len() as u64;
            if !found.is_file {
                continue;
            }
            // What other programs pack may be called "./toc.dat".
            let name = found.name.strip_prefix("./").unwrap_or(&found.name).to_owned();
            match members.by_name.entry(name) {
                Entry::Occupied(taken) => members.twice.push(taken.key().clone()),
                Entry::Vacant(free) => {
                    free.insert((start, found.bytes));
                }
            }
            if members.by_name.len() + members.twice.len() > MEMBERS_MAX {
                members.broken = Some((offset, "there are too many members"));
                break;
            }
        }
        Ok(members)
    }
}

impl TarReader {
    /// Opens a tar archive: finds its members, reads its table of contents and the manifest beside it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Archive`] when it is not an archive or its table of contents is damaged.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|error| storage(path, error))?;
        Self::of_file(file, path, Beside::of(path).read_manifest())
    }

    /// Opens a tar archive in a file that may have no name of its own.
    pub(in crate::archive) fn of_file(
        file: File,
        path: &Path,
        manifest: Result<Option<Manifest>>,
    ) -> Result<Self> {
        let bytes = file.metadata().map_err(|error| storage(path, error))?.len();
        let members = Members::find(&file, bytes).map_err(|error| storage(path, error))?;
        let content = FileContent::new(file).map_err(|error| storage(path, error))?;
        let content: Arc<dyn Content> = Arc::new(content);
        let shown = path.display();
        let Some(&(offset, bytes)) = members.by_name.get(toc::TOC_FILE) else {
            let mut error = Error::new(
                ErrorKind::Archive,
                format!("\"{shown}\" is a tar file without a member \"{}\"", toc::TOC_FILE),
            );
            if let Some((at, reason)) = members.broken {
                error = error.with_source(format!("at offset {at}: {reason}"));
            }
            return Err(error);
        };
        let part = Part::between(Arc::clone(&content), offset, offset + bytes);
        let mut input = HashingReader::new(part.open());
        let toc = toc::read(
            io::BufReader::with_capacity(1 << 18, &mut input),
            ArchiveFormat::Tar,
            &format!("{shown}: {}", toc::TOC_FILE),
        )?;
        let (digest, bytes) = input.finish();
        let manifest = ManifestState::judge(manifest, &toc, digest, bytes);
        Ok(TarReader { path: path.to_owned(), content, members, toc, manifest })
    }

    fn list_name(&self, entry: &TocEntry) -> String {
        list_name(self.toc.header.version, entry.dump_id)
    }

    fn member(&self, name: &str) -> Option<StoredData> {
        let &(offset, bytes) = self.members.by_name.get(name)?;
        let bytes = Part::between(Arc::clone(&self.content), offset, offset + bytes);
        Some(StoredData { bytes, algorithm: Algorithm::None, layout: Layout::Plain })
    }

    fn open_member(&self, name: &str, owner: &str) -> Result<Box<dyn Read + Send>> {
        let data = self.member(name).ok_or_else(|| {
            let shown = self.path.display();
            Error::new(
                ErrorKind::Archive,
                format!("\"{shown}\": member \"{name}\" of {owner} is missing"),
            )
        })?;
        Ok(Box::new(Named::new(data.open(), self.path.join(name))))
    }
}

fn storage(path: &Path, source: io::Error) -> Error {
    Error::new(ErrorKind::Storage, format!("could not read archive \"{}\"", path.display()))
        .with_source(source)
}

impl ArchiveReader for TarReader {
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
        if !entry.has_data {
            let shown = self.path.display();
            let what = format!("\"{shown}\": {} has no data", entry.describe());
            return Err(Error::new(ErrorKind::Archive, what));
        }
        self.open_member(&self.data_name(entry), &entry.describe())
    }

    fn large_objects(&self, entry: &TocEntry) -> Result<Vec<LargeObjectFile>> {
        let name = self.list_name(entry);
        let list = self.open_member(&name, &entry.describe())?;
        read_large_object_list(list, &self.path.join(&name))
    }

    fn open_large_object(&self, object: &LargeObjectFile) -> Result<Box<dyn Read + Send>> {
        self.open_member(&object.file, &format!("large object {}", object.oid))
    }

    fn data_size(&self, entry: &TocEntry) -> u64 {
        self.members.by_name.get(&self.data_name(entry)).map_or(0, |&(_, bytes)| bytes)
    }

    fn path(&self) -> &Path {
        &self.path
    }

    fn data_name(&self, entry: &TocEntry) -> String {
        match entry.desc.as_str() {
            "BLOBS" => self.list_name(entry),
            _ => toc::data_file_name(entry).unwrap_or_default(),
        }
    }

    fn stored_data(&self, entry: &TocEntry) -> Result<Option<StoredData>> {
        Ok(self.member(&self.data_name(entry)))
    }

    fn stored_large_object(&self, object: &LargeObjectFile) -> Result<Option<StoredData>> {
        Ok(self.member(&object.file))
    }

    fn check_container(&self) -> Result<ContainerChecked> {
        super::check::check(self)
    }
}
