//! What lies beside an archive that is a single file: its manifest and its checksum.
//!
//! ```text
//! NAME   NAME.manifest.json   NAME.sha256 (in the form that `sha256sum -c` reads)
//! ```

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::check::{CheckFinding, ContainerChecked, FindingKind};
use super::directory::sums_text;
use super::reader::{ArchiveReader, ManifestState};
use super::{ArchivePlace, Manifest, manifest::MANIFEST_FILE};
use crate::codec::{HashingReader, Sha256Digest};
use crate::error::{Error, ErrorKind, Result, with_causes};
use crate::store::{Durability, Existing, SetAside, StagedFile};

/// The longest name of a file, twice, and a checksum fit easily.
const SUM_BYTES_MAX: u64 = 64 << 10;

/// The files beside an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Beside {
    name: OsString,
    pub(super) manifest: PathBuf,
    pub(super) checksum: PathBuf,
}

impl Beside {
    /// Returns what lies beside the archive at a path, for a symbolic link beside what it leads to when
    /// nothing lies beside the link.
    pub(super) fn of(archive: &Path) -> Self {
        let beside = Beside::named(archive);
        match std::fs::canonicalize(archive) {
            Ok(real) if real != archive && !beside.manifest.exists() => Beside::named(&real),
            _ => beside,
        }
    }

    fn named(archive: &Path) -> Self {
        let name = archive.file_name().unwrap_or_default().to_owned();
        let beside = |suffix: &str| {
            let mut full = name.clone();
            full.push(suffix);
            archive.with_file_name(full)
        };
        let manifest = beside(&format!(".{MANIFEST_FILE}"));
        let checksum = beside(".sha256");
        Beside { name, manifest, checksum }
    }

    /// Reads the manifest.
    pub(super) fn read_manifest(&self) -> Result<Option<Manifest>> {
        match open_file(&self.manifest)? {
            None => Ok(None),
            Some(file) => Manifest::read_file(file).map(Some),
        }
    }

    /// Reads the checksum, which may be one of `sha256sum` too.
    pub(super) fn read_checksum(&self) -> Result<Option<Sha256Digest>> {
        let Some(file) = open_file(&self.checksum)? else { return Ok(None) };
        let mut text = String::new();
        let read = file.take(SUM_BYTES_MAX).read_to_string(&mut text);
        let digest = text.get(..64).unwrap_or_default().parse();
        match (read, digest) {
            (Ok(_), Ok(digest)) => Ok(Some(digest)),
            _ => Err(Error::new(
                ErrorKind::Integrity,
                format!("\"{}\" does not begin with a checksum", self.checksum.display()),
            )),
        }
    }

    /// Returns the content of the file with the checksum.
    pub(super) fn checksum_text(&self, digest: Sha256Digest) -> String {
        sums_text([(self.name.to_string_lossy().as_ref(), digest)])
    }
}

/// Opens a file that may be missing.
fn open_file(path: &Path) -> Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            Err(Error::new(ErrorKind::Storage, format!("could not open \"{}\"", path.display()))
                .with_source(error))
        }
    }
}

/// Judges the manifest and the checksum of an archive that is a single file.
///
/// The checksum of the whole is not computed again: the manifest has one for every part.
pub(super) fn check_beside(archive: &dyn ArchiveReader) -> Result<ContainerChecked> {
    let beside = Beside::of(archive.path());
    let shown = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut checked = ContainerChecked::default();
    match archive.manifest_state() {
        ManifestState::NotExpected => {}
        ManifestState::Gone => checked.findings.push(CheckFinding::file(
            FindingKind::ManifestGone,
            &shown(&beside.manifest),
            format!("it is gone; {} writes one", archive.header().dumper_version),
        )),
        ManifestState::Damaged(reason) => checked.findings.push(CheckFinding::file(
            FindingKind::ManifestDamaged,
            &shown(&beside.manifest),
            with_causes(reason),
        )),
        ManifestState::Valid(manifest) => {
            checked.has_checksums = true;
            let expected = manifest.archive_sha256.map(|digest| beside.checksum_text(digest));
            let mut text = Vec::new();
            let what = match open_file(&beside.checksum)? {
                None => Some((FindingKind::FileMissing, "it is missing")),
                Some(file) => {
                    let read = file.take(SUM_BYTES_MAX).read_to_end(&mut text);
                    let fits = expected.is_some_and(|expected| expected.as_bytes() == text);
                    (read.is_err() || !fits).then_some((
                        FindingKind::ChecksumDiffers,
                        "it does not say what the manifest says",
                    ))
                }
            };
            if let Some((kind, what)) = what {
                checked.findings.push(CheckFinding::file(kind, &shown(&beside.checksum), what));
            }
        }
    }
    Ok(checked)
}

/// An archive that is a single file, in the making.
#[derive(Debug)]
pub(super) struct SingleFile {
    staged: StagedFile,
    /// Where the archive begins, when what was written can be written again.
    start: Option<u64>,
    spool_folder: PathBuf,
    durability: Durability,
}

impl SingleFile {
    /// Begins the file, or opens what is written in place.
    pub(super) fn create(place: &ArchivePlace) -> Result<Self> {
        let staged = StagedFile::open(&place.output, place.existing)?;
        let mut staged = staged.with_durability(place.durability);
        let start = match staged.is_staged() {
            true => Some(0),
            false => place_in(staged.file()),
        };
        let beside = staged.final_path().parent().map(Path::to_owned);
        let spool_folder = match beside {
            Some(folder) if staged.is_staged() => folder,
            _ => place.spool_folder.clone(),
        };
        Ok(SingleFile { staged, start, spool_folder, durability: place.durability })
    }

    pub(super) fn file(&mut self) -> &mut File {
        self.staged.file()
    }

    /// Returns what messages call the file.
    pub(super) fn shown(&self) -> PathBuf {
        self.staged.final_path().to_owned()
    }

    /// Tells whether this is a file that appears at the end, so that something can lie beside it.
    pub(super) fn is_staged(&self) -> bool {
        self.staged.is_staged()
    }

    /// Tells whether what was written can be written again.
    pub(super) fn can_seek(&self) -> bool {
        self.start.is_some()
    }

    /// Returns where the archive begins in the file.
    pub(super) fn start(&self) -> u64 {
        self.start.unwrap_or(0)
    }

    /// Returns where data may wait.
    pub(super) fn spool_folder(&self) -> PathBuf {
        self.spool_folder.clone()
    }

    pub(super) fn go_to_start(&mut self) -> Result<()> {
        let start = SeekFrom::Start(self.start());
        self.seek(start)
    }

    pub(super) fn go_to_end(&mut self) -> Result<()> {
        self.seek(SeekFrom::End(0))
    }

    fn seek(&mut self, to: SeekFrom) -> Result<()> {
        match self.file().seek(to) {
            Ok(_) => Ok(()),
            Err(error) => Err(storage(&self.shown(), error)),
        }
    }

    /// Lets the file appear, with a manifest and a checksum beside it when there is one to write.
    ///
    /// What lies beside is set aside first, and the manifest comes last: at no time does a manifest lie
    /// beside an archive that it does not belong to. Somebody who does not know our locks may do this:
    ///
    /// ```text
    /// we                                  cp, mv, another machine
    /// nothing is called NAME
    ///                                     NAME and NAME.manifest.json appear
    /// NAME.manifest.json is set aside
    /// NAME may not be replaced: refused
    /// NAME.manifest.json is put back
    /// ```
    ///
    /// Removing it instead would have taken the proof from an archive that is not ours.
    pub(super) fn finish(mut self, manifest: Option<Manifest>) -> Result<()> {
        if !self.is_staged() {
            return self.staged.commit();
        }
        let path = self.shown();
        let beside = Beside::of(&path);
        let manifest = match manifest {
            None => None,
            Some(mut manifest) => {
                let digest = match manifest.archive_sha256 {
                    Some(digest) => digest,
                    None => self.digest()?,
                };
                manifest.archive_sha256 = Some(digest);
                let checksum = self.write_beside(&beside.checksum, |out| {
                    out.write_all(beside.checksum_text(digest).as_bytes())
                })?;
                let file =
                    self.write_beside(&beside.manifest, |out| manifest.write(out).map(|_| ()))?;
                Some((manifest, checksum, file))
            }
        };
        self.staged.check_place()?;
        let stale = SetAside::take([beside.manifest.as_path(), &beside.checksum])?;
        self.staged.commit()?;
        stale.discard();
        let Some((manifest, checksum, file)) = manifest else { return Ok(()) };
        checksum.commit()?;
        file.commit()?;
        match beside.read_manifest()? {
            Some(read) if read == manifest => Ok(()),
            _ => Err(Error::new(
                ErrorKind::Integrity,
                format!("\"{}\" reads back differently", beside.manifest.display()),
            )),
        }
    }

    /// Reads the whole file for its checksum.
    fn digest(&mut self) -> Result<Sha256Digest> {
        self.go_to_start()?;
        let mut reader = HashingReader::new(BufReader::with_capacity(1 << 18, self.file()));
        match io::copy(&mut reader, &mut io::sink()) {
            Ok(_) => Ok(reader.finish().0),
            Err(error) => Err(storage(&self.shown(), error)),
        }
    }

    fn write_beside(
        &self,
        path: &Path,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<StagedFile> {
        let staged = StagedFile::create(path, Existing::Replace)?;
        let mut staged = staged.with_durability(self.durability);
        let mut out = BufWriter::with_capacity(1 << 18, &mut staged);
        let written = write(&mut out).and_then(|()| out.flush());
        drop(out);
        written.map_err(|error| storage(path, error))?;
        Ok(staged)
    }
}

/// Returns the error of writing an archive that is a single file.
pub(super) fn storage(shown: &Path, source: io::Error) -> Error {
    let kind = match source.kind() {
        // What the writers of the table of contents say of text that cannot be stored.
        io::ErrorKind::InvalidInput => ErrorKind::Internal,
        _ => ErrorKind::Storage,
    };
    Error::new(kind, format!("could not write \"{}\"", shown.display())).with_source(source)
}

/// Returns where a file stands that can be written again at places where it was written.
///
/// A file that is opened for appending puts every byte at its end, wherever it is told to write.
fn place_in(file: &mut File) -> Option<u64> {
    let appends = rustix::fs::fcntl_getfl(&*file).is_ok_and(|flags| flags.contains(OFlags::APPEND));
    if appends || !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
        return None;
    }
    file.stream_position().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun(path: &Path, existing: Existing) -> SingleFile {
        let place = ArchivePlace { existing, ..ArchivePlace::from(path) };
        let mut file = SingleFile::create(&place).expect("creates");
        file.file().write_all(b"ours").expect("writes");
        file
    }

    fn text(path: &Path) -> Option<String> {
        std::fs::read_to_string(path).ok()
    }

    #[test]
    fn an_archive_that_appeared_meanwhile_keeps_its_manifest() {
        let folder = tempfile::tempdir().expect("temp");
        let path = folder.path().join("x.dump");
        let beside = Beside::of(&path);
        let appear = || {
            std::fs::write(&path, "theirs").expect("writes");
            std::fs::write(&beside.manifest, "their manifest").expect("writes");
        };
        let file = begun(&path, Existing::Refuse);
        appear();
        let refused = file.finish(Some(Manifest::default())).expect_err("it is there");
        assert_eq!(refused.kind(), ErrorKind::Refused);
        assert_eq!(text(&beside.manifest).as_deref(), Some("their manifest"));

        // The same in the moment between the look and the rename.
        std::fs::remove_file(&path).expect("removes");
        let file = begun(&path, Existing::Refuse);
        file.staged.check_place().expect("nothing is there");
        appear();
        let stale = SetAside::take([beside.manifest.as_path()]).expect("renames");
        assert_eq!(file.staged.commit().expect_err("late").kind(), ErrorKind::Refused);
        drop(stale);
        assert_eq!(text(&beside.manifest).as_deref(), Some("their manifest"));
        assert_eq!(text(&path).as_deref(), Some("theirs"));
        assert_eq!(std::fs::read_dir(folder.path()).expect("lists").count(), 2);
    }

    #[test]
    fn an_archive_without_manifest_removes_that_of_what_it_replaces() {
        let folder = tempfile::tempdir().expect("temp");
        let path = folder.path().join("x.dump");
        let beside = Beside::of(&path);
        for (existing, before) in [(Existing::Replace, Some("old")), (Existing::Refuse, None)] {
            if let Some(before) = before {
                std::fs::write(&path, before).expect("writes");
            }
            std::fs::write(&beside.manifest, "stale").expect("writes");
            std::fs::write(&beside.checksum, "stale").expect("writes");
            begun(&path, existing).finish(None).expect("finishes");
            assert_eq!(text(&path).as_deref(), Some("ours"));
            assert_eq!(std::fs::read_dir(folder.path()).expect("lists").count(), 1);
            std::fs::remove_file(&path).expect("removes");
        }
    }
}
