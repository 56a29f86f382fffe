//! The writing of a directory archive.

use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::large_objects::DirectoryLargeObjects;
use super::{SUMS_FILE, large_object_sums, sums_text};
use crate::archive::block::BlockCodec;
use crate::archive::data_file::{DataTarget, Destination};
use crate::archive::manifest::{MANIFEST_FILE, Manifest, ManifestToc};
use crate::archive::toc::{self, TOC_FILE, Toc};
use crate::archive::{
    ArchiveFormat, ArchiveHeader, ArchiveWriter, DataFileSummary, DataFileWriter,
    LargeObjectsWriter,
};
use crate::codec::{Compression, HashingWriter, Sha256Digest};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{DumpId, TocEntry};
use crate::store::{Durability, FileKind, Location, NewFile, NewFolder, Part};

/// The folder of the archive, and the data files that are complete in it.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) folder: NewFolder,
    finished: Mutex<BTreeMap<String, Sha256Digest>>,
}

impl Files {
    /// Notes that a file is complete.
    pub(super) fn record(&self, name: String, digest: Sha256Digest) {
        self.finished.lock().unwrap_or_else(PoisonError::into_inner).insert(name, digest);
    }

    fn take_all(&self) -> BTreeMap<String, Sha256Digest> {
        std::mem::take(&mut *self.finished.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Destination for Files {
    /// The file stays where it was written.
    fn take(&self, file: NewFile, summary: &mut DataFileSummary) -> Result<()> {
        self.folder.keep(&summary.file, file)?;
        self.record(summary.file.clone(), summary.sha256);
        Ok(())
    }
}

/// A directory archive in the making.
#[derive(Debug)]
pub struct DirectoryWriter {
    toc: Arc<Toc>,
    compression: Compression,
    files: Arc<Files>,
    /// Where pieces of data wait when it cannot be in the folder.
    spool_folder: PathBuf,
}

impl DirectoryWriter {
    /// Begins an archive.
    ///
    /// # Errors
    ///
    /// Those of [`NewFolder::create`].
    pub fn create(
        location: &Location,
        durability: Durability,
        spool_folder: &Path,
        toc: Arc<Toc>,
        compression: Compression,
    ) -> Result<Self> {
        let folder = NewFolder::create(location, TOC_FILE, durability)?;
        let spool_folder = folder.spool_folder().unwrap_or(spool_folder).to_owned();
        let files = Arc::new(Files { folder, finished: Mutex::default() });
        Ok(DirectoryWriter { toc, compression, files, spool_folder })
    }
}

impl Drop for DirectoryWriter {
    /// A run that fails leaves nothing, also while somebody still holds a data file.
    fn drop(&mut self) {
        self.files.folder.give_up();
    }
}

impl ArchiveWriter for DirectoryWriter {
    fn data_file(&self, dump_id: DumpId) -> Result<DataFileWriter> {
        let name = format!("{dump_id}.dat{}", self.compression.algorithm.suffix());
        let shown = self.shown(&name);
        let file = self.files.folder.file(&name, FileKind::Data)?;
        Ok(DataFileWriter::new(DataTarget {
            dump_id,
            name,
            shown,
            file,
            spool_folder: self.spool_folder.clone(),
            codec: BlockCodec::file(self.compression),
            destination: self.files.clone(),
        }))
    }

    fn large_objects(&self, dump_id: DumpId) -> Result<Box<dyn LargeObjectsWriter>> {
        let entry = self.toc.entries.iter().find(|entry| entry.dump_id == dump_id);
        let list = entry.and_then(toc::data_file_name).ok_or_else(|| {
            Error::new(ErrorKind::Internal, format!("entry {dump_id} has no large objects"))
        })?;
        let codec = BlockCodec::file(self.compression);
        Ok(Box::new(DirectoryLargeObjects::new(dump_id, list, codec, self.files.clone())))
    }

    fn finish(self: Box<Self>, manifest: Option<Manifest>) -> Result<()> {
        let files = self.files.take_all();
        let Toc { header, entries } = &*self.toc;
        self.check(header, entries, &files)?;
        let (toc_digest, toc_bytes) =
            self.write_file(TOC_FILE, |out| toc::write(out, header, entries))?;
        if let Some(mut manifest) = manifest {
            manifest.complete(
                header,
                self.compression,
                ManifestToc { entries: entries.len() as u64, bytes: toc_bytes, sha256: toc_digest },
            );
            let mut sums: Vec<_> =
                files.iter().map(|(name, &digest)| (name.as_str(), digest)).collect();
            sums.push((TOC_FILE, toc_digest));
            let text = sums_text(sums)
                + &large_object_sums(&manifest.large_objects, self.compression.algorithm);
            self.write_file(SUMS_FILE, |out| out.write_all(text.as_bytes()))?;
            self.write_file(MANIFEST_FILE, |out| manifest.write(out).map(|_| ()))?;
            self.read_back(&manifest)?;
        }
        self.files.folder.commit()
    }
}

impl DirectoryWriter {
    /// Checks that exactly the entries with data have a file.
    fn check(
        &self,
        header: &ArchiveHeader,
        entries: &[TocEntry],
        files: &BTreeMap<String, Sha256Digest>,
    ) -> Result<()> {
        let internal = |reason: String| Err(Error::new(ErrorKind::Internal, reason));
        if header.format != ArchiveFormat::Directory
            || header.algorithm != self.compression.algorithm
        {
            return internal("the header does not describe the archive that was written".into());
        }
        let suffix = self.compression.algorithm.suffix();
        let mut expected = 0;
        for entry in entries {
            let Some(name) = toc::data_file_name(entry) else { continue };
            let suffix = if entry.holds_large_objects() { "" } else { suffix };
            if !files.contains_key(&format!("{name}{suffix}")) {
                return internal(format!("{} has no data file", entry.describe()));
            }
            expected += 1;
        }
        if expected != files.len() {
            return internal(format!("{} data files for {expected} entries", files.len()));
        }
        Ok(())
    }

    fn write_file(
        &self,
        name: &str,
        write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
    ) -> Result<(Sha256Digest, u64)> {
        let mut file = self.files.folder.file(name, FileKind::Head)?;
        let mut out = HashingWriter::new(BufWriter::with_capacity(1 << 18, &mut file));
        let written = write(&mut out).and_then(|()| out.flush());
        written.map_err(|error| self.storage(name, error))?;
        let (buffer, digest, bytes) = out.finish();
        drop(buffer);
        self.files.folder.keep(name, file)?;
        Ok((digest, bytes))
    }

    fn read_back(&self, manifest: &Manifest) -> Result<()> {
        let content = self.files.folder.content(MANIFEST_FILE)?;
        if Manifest::read_file(Part::whole(content).open())? != *manifest {
            return Err(Error::new(
                ErrorKind::Integrity,
                format!("\"{}\" reads back differently", self.shown(MANIFEST_FILE).display()),
            ));
        }
        Ok(())
    }

    fn shown(&self, name: &str) -> PathBuf {
        self.files.folder.shown(name)
    }

    fn storage(&self, name: &str, source: std::io::Error) -> Error {
        let kind = match source.kind() {
            std::io::ErrorKind::InvalidInput => ErrorKind::Internal,
            _ => ErrorKind::Storage,
        };
        Error::new(kind, format!("could not write \"{}\"", self.shown(name).display()))
            .with_source(source)
    }
}
