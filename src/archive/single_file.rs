//! What lies beside an archive that is a single file: its manifest and its checksum.
//!
//! ```text
//! NAME   NAME.manifest.json   NAME.sha256 (in the form that `sha256sum -c` reads)
//! ```

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::check::{CheckFinding, ContainerChecked, Depth, FindingKind};
use super::directory::sums_text;
use super::reader::{ArchiveReader, ManifestState};
use super::{Manifest, manifest::MANIFEST_FILE};
use crate::codec::Sha256Digest;
use crate::error::{Error, ErrorKind, Result, with_causes};

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
    /// Returns what lies beside the archive at a path.
    pub(super) fn of(archive: &Path) -> Self {
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
/// The checksum is not computed again: the manifest has one for every part of the file.
pub(super) fn check_beside(archive: &dyn ArchiveReader, _depth: Depth) -> Result<ContainerChecked> {
    let beside = Beside::of(archive.path());
    let shown =
        |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
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
        ManifestState::Valid(_) => {
            checked.has_checksums = true;
            let mut text = String::new();
            let what = match open_file(&beside.checksum)? {
                None => Some((FindingKind::FileMissing, "it is missing")),
                Some(file) => {
                    let read = file.take(SUM_BYTES_MAX).read_to_string(&mut text);
                    let digest = text.split_once("  ").and_then(|(digest, _)| digest.parse().ok());
                    let fits = digest.is_some_and(|digest| beside.checksum_text(digest) == text);
                    (read.is_err() || !fits).then_some((
                        FindingKind::ChecksumDiffers,
                        "it is not a checksum of this archive",
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
