//! The writing of a directory archive.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
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
use crate::error::{Context, Error, ErrorKind, Result};
use crate::model::{DumpId, TocEntry};
use crate::store::{Durability, StagedDirectory};

/// The data files that are complete, by name.
#[derive(Debug, Default)]
pub(super) struct FinishedFiles(Mutex<BTreeMap<String, Sha256Digest>>);

impl FinishedFiles {
    /// Notes that a file is complete.
    pub(super) fn record(&self, name: String, digest: Sha256Digest) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name, digest);
    }

    fn take_all(&self) -> BTreeMap<String, Sha256Digest> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Destination for FinishedFiles {
    /// The file stays where it was written.
    fn take(&self, _file: File, summary: &mut DataFileSummary) -> Result<()> {
        self.record(summary.file.clone(), summary.sha256);
        Ok(())
    }
}

/// A directory archive in the making.
#[derive(Debug)]
pub struct DirectoryWriter {
    staged: StagedDirectory,
    toc: Arc<Toc>,
    compression: Compression,
    files: Arc<FinishedFiles>,
}

impl DirectoryWriter {
    /// Begins an archive at `path`.
    ///
    /// # Errors
    ///
    /// Those of [`StagedDirectory::create`].
    pub fn create(path: &Path, toc: Arc<Toc>, compression: Compression) -> Result<Self> {
        let staged = StagedDirectory::create(path)?;
        Ok(DirectoryWriter { staged, toc, compression, files: Arc::default() })
    }

    /// Chooses whether finishing waits for the disk, as it does otherwise.
    pub fn with_durability(self, durability: Durability) -> Self {
        DirectoryWriter { staged: self.staged.with_durability(durability), ..self }
    }
}

impl ArchiveWriter for DirectoryWriter {
    fn data_file(&self, dump_id: DumpId) -> Result<DataFileWriter> {
        let name = format!("{dump_id}.dat{}", self.compression.algorithm.suffix());
        let shown = self.shown(&name);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(self.staged.path().join(&name))
            .context(ErrorKind::Storage, || format!("could not create \"{}\"", shown.display()))?;
        Ok(DataFileWriter::new(DataTarget {
            dump_id,
            name,
            shown,
            file,
            spool_folder: self.staged.path().to_owned(),
            codec: BlockCodec::file(self.compression),
            destination: self.files.clone(),
        }))
    }

    fn large_objects(&self, dump_id: DumpId) -> Result<Box<dyn LargeObjectsWriter>> {
        let entry = self.toc.entries.iter().find(|entry| entry.dump_id == dump_id);
        let list = entry.and_then(toc::data_file_name).ok_or_else(|| {
            Error::new(ErrorKind::Internal, format!("entry {dump_id} has no large objects"))
        })?;
        let folders = (self.staged.path().to_owned(), self.staged.final_path().to_owned());
        let codec = BlockCodec::file(self.compression);
        let files = self.files.clone();
        Ok(Box::new(DirectoryLargeObjects::new(dump_id, list, folders, codec, files)))
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
        self.staged.commit(TOC_FILE)
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
        let written = File::create_new(self.staged.path().join(name)).and_then(|file| {
            let mut out = HashingWriter::new(BufWriter::with_capacity(1 << 18, file));
            write(&mut out)?;
            out.flush()?;
            let (_, digest, bytes) = out.finish();
            Ok((digest, bytes))
        });
        written.map_err(|error| self.storage(name, error))
    }

    fn read_back(&self, manifest: &Manifest) -> Result<()> {
        let bytes = std::fs::read(self.staged.path().join(MANIFEST_FILE))
            .map_err(|error| self.storage(MANIFEST_FILE, error))?;
        if Manifest::read(&bytes)? != *manifest {
            return Err(Error::new(
                ErrorKind::Integrity,
                format!("\"{}\" reads back differently", self.shown(MANIFEST_FILE).display()),
            ));
        }
        Ok(())
    }

    fn shown(&self, name: &str) -> PathBuf {
        self.staged.final_path().join(name)
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
