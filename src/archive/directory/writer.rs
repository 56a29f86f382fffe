//! The writing of a directory archive.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::{DataFileWriter, SUMS_FILE, TOC_FILE, sums_text};
use crate::archive::manifest::{MANIFEST_FILE, MANIFEST_VERSION, Manifest, ManifestToc};
use crate::archive::toc;
use crate::archive::{ArchiveFormat, ArchiveHeader};
use crate::codec::{Compression, HashingWriter, Sha256Digest};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{DumpId, TocEntry};
use crate::store::StagedDirectory;

/// The data files that are complete, by name.
pub(super) type FinishedFiles = Arc<Mutex<BTreeMap<String, Sha256Digest>>>;

pub(super) fn record(files: &FinishedFiles, name: String, digest: Sha256Digest) {
    files.lock().unwrap_or_else(PoisonError::into_inner).insert(name, digest);
}

/// A directory archive in the making.
///
/// Nothing appears under its name before [`DirectoryWriter::finish`] has succeeded; dropping it removes
/// everything.
#[derive(Debug)]
pub struct DirectoryWriter {
    staged: StagedDirectory,
    compression: Compression,
    files: FinishedFiles,
}

impl DirectoryWriter {
    /// Begins an archive at `path`.
    ///
    /// # Errors
    ///
    /// Those of [`StagedDirectory::create`].
    pub fn create(path: &Path, compression: Compression) -> Result<Self> {
        let staged = StagedDirectory::create(path)?;
        Ok(DirectoryWriter { staged, compression, files: FinishedFiles::default() })
    }

    /// Returns where the archive will be found.
    pub fn path(&self) -> &Path {
        self.staged.final_path()
    }

    /// Returns how blocks are to be compressed.
    pub fn compression(&self) -> Compression {
        self.compression
    }

    /// Begins the data file of an entry.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Storage`] when the file cannot be made.
    pub fn data_file(&self, dump_id: DumpId) -> Result<DataFileWriter> {
        DataFileWriter::create(
            self.staged.path(),
            self.staged.final_path(),
            dump_id,
            self.compression,
            Arc::clone(&self.files),
        )
    }

    /// Completes the archive: writes table of contents, checksums and manifest, reads the manifest
    /// back, makes all of it durable and lets the directory appear.
    ///
    /// The manifest's fields about the archive itself are set here. Without a manifest (a drop-in run)
    /// neither it nor the checksums are written.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Storage`] when the disk fails, [`ErrorKind::Refused`] when something has appeared
    /// under the archive's name, [`ErrorKind::Internal`] when entries and data files do not fit
    /// together.
    pub fn finish(
        self,
        header: &ArchiveHeader,
        entries: &[TocEntry],
        manifest: impl Into<Option<Manifest>>,
    ) -> Result<()> {
        let files = std::mem::take(&mut *self.files.lock().unwrap_or_else(PoisonError::into_inner));
        self.check(header, entries, &files)?;
        let (toc_digest, toc_bytes) =
            self.write_file(TOC_FILE, |out| toc::write(out, header, entries))?;
        if let Some(mut manifest) = manifest.into() {
            manifest.data.sort_by_key(|data| data.dump_id);
            manifest.manifest_version = MANIFEST_VERSION;
            manifest.tool = "pgark".to_owned();
            manifest.tool_version = env!("CARGO_PKG_VERSION").to_owned();
            manifest.format = "directory".to_owned();
            manifest.archive_version = header.version.to_string();
            manifest.compression = self.compression.to_string();
            manifest.toc =
                ManifestToc { entries: entries.len() as u64, bytes: toc_bytes, sha256: toc_digest };
            let mut sums: Vec<_> =
                files.iter().map(|(name, &digest)| (name.as_str(), digest)).collect();
            sums.push((TOC_FILE, toc_digest));
            let text = sums_text(sums);
            self.write_file(SUMS_FILE, |out| out.write_all(text.as_bytes()))?;
            self.write_file(MANIFEST_FILE, |out| manifest.write(out).map(|_| ()))?;
            self.read_back(&manifest)?;
        }
        self.staged.commit(TOC_FILE)
    }

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
