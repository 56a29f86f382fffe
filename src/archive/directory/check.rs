//! Whether a directory archive is as its manifest and its file of checksums say, apart from the data.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

use super::{
    DirectoryReader, MANIFEST_OR_TOC, SUMS_FILE, blob_file_name, large_object_sums, sums_text,
};
use crate::archive::check::{CheckFinding, ContainerChecked, FindingKind};
use crate::archive::manifest::MANIFEST_FILE;
use crate::archive::reader::{ArchiveReader, ManifestState};
use crate::archive::toc::TOC_FILE;
use crate::codec::{HashingReader, Sha256Digest};
use crate::error::{Result, with_causes};
use crate::model::TocEntry;
use crate::store::Part;

/// Checks everything that is not data.
pub(super) fn check(directory: &DirectoryReader) -> Result<ContainerChecked> {
    let mut head = Head { directory, findings: Vec::new() };
    let sums = head.check_head()?;
    head.check_names(!sums.is_empty())?;
    Ok(ContainerChecked { findings: head.findings, has_checksums: !sums.is_empty(), sums })
}

struct Head<'a> {
    directory: &'a DirectoryReader,
    findings: Vec<CheckFinding>,
}

impl Head<'_> {
    fn report_file(&mut self, kind: FindingKind, file: &str, what: impl Into<String>) {
        self.findings.push(CheckFinding::file(kind, file, what));
    }

    /// Judges the manifest, the table of contents and the file of checksums, and returns the checksum
    /// that every other file should have; empty when the archive has none.
    fn check_head(&mut self) -> Result<BTreeMap<String, Sha256Digest>> {
        let listed = self.read_small(SUMS_FILE)?;
        let from_list = || -> BTreeMap<String, Sha256Digest> {
            let text = listed.as_deref().unwrap_or_default();
            text.lines()
                .filter_map(|line| line.split_once("  "))
                .filter_map(|(digest, name)| Some((name.to_owned(), digest.parse().ok()?)))
                .collect()
        };
        match self.directory.manifest_state() {
            ManifestState::NotExpected => Ok(from_list()),
            ManifestState::Gone => {
                self.report_file(
                    FindingKind::ManifestGone,
                    MANIFEST_FILE,
                    format!("it is gone; {} writes one", self.directory.header().dumper_version),
                );
                self.compare_toc(&from_list());
                Ok(from_list())
            }
            ManifestState::Damaged(reason) => {
                self.report_file(FindingKind::ManifestDamaged, MANIFEST_FILE, with_causes(reason));
                self.compare_toc(&from_list());
                Ok(from_list())
            }
            ManifestState::Valid(manifest) => {
                let mut sums: BTreeMap<String, Sha256Digest> =
                    manifest.data.iter().map(|data| (data.file.clone(), data.sha256)).collect();
                sums.insert(TOC_FILE.to_owned(), manifest.toc.sha256);
                sums.extend(
                    manifest.large_objects.iter().map(|list| (list.file.clone(), list.sha256)),
                );
                let expected =
                    sums_text(sums.iter().map(|(name, &digest)| (name.as_str(), digest)))
                        + &large_object_sums(
                            &manifest.large_objects,
                            self.directory.header().algorithm,
                        );
                match listed {
                    None => self.report_file(FindingKind::FileMissing, SUMS_FILE, "it is missing"),
                    Some(text) if text != expected => self.report_file(
                        FindingKind::ChecksumDiffers,
                        SUMS_FILE,
                        "it does not list what the manifest lists",
                    ),
                    Some(_) => {}
                }
                Ok(sums)
            }
        }
    }

    /// Compares the table of contents with a checksum, where the manifest could not do it.
    fn compare_toc(&mut self, sums: &BTreeMap<String, Sha256Digest>) {
        let Some(&expected) = sums.get(TOC_FILE) else { return };
        let found = self.directory.files.open_exact(TOC_FILE).ok().flatten().and_then(|content| {
            let mut reader = HashingReader::new(Part::whole(content).open());
            io::copy(&mut reader, &mut io::sink()).ok()?;
            Some(reader.finish().0)
        });
        if found.is_some_and(|digest| digest != expected) {
            self.report_file(
                FindingKind::ChecksumDiffers,
                TOC_FILE,
                format!("its SHA-256 is not the one in {SUMS_FILE}"),
            );
        }
    }

    fn read_small(&self, name: &str) -> Result<Option<String>> {
        let Some(content) = self.directory.files.open_exact(name)? else { return Ok(None) };
        let mut bytes = Vec::new();
        Part::whole(content)
            .open()
            .take(1 << 30)
            .read_to_end(&mut bytes)
            .map_err(|error| self.directory.files.storage(name, error))?;
        // Damaged text compares as different; that it is not UTF-8 needs no word of its own.
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Reports files that do not belong to the archive. Without checksums nobody says what belongs.
    fn check_names(&mut self, has_checksums: bool) -> Result<()> {
        if !has_checksums {
            return Ok(());
        }
        let mut expected = BTreeSet::new();
        for entry in self.directory.entries().iter().filter(|entry| entry.has_data) {
            expected.insert(self.directory.data_name(entry));
            if entry.holds_large_objects() {
                expected.extend(self.large_object_names(entry));
            }
        }
        for name in self.directory.files.list()? {
            if !expected.contains(&name) && !MANIFEST_OR_TOC.contains(&name.as_str()) {
                self.report_file(
                    FindingKind::FileExtra,
                    &name,
                    "it does not belong to the archive",
                );
            }
        }
        Ok(())
    }

    /// Returns the names of the files of an entry's large objects.
    fn large_object_names(&self, entry: &TocEntry) -> Vec<String> {
        let known = self.directory.manifest();
        if let Some(known) = known.and_then(|manifest| manifest.large_objects_of(entry.dump_id)) {
            let suffix = self.directory.header().algorithm.suffix();
            let objects = known.objects.iter();
            return objects
                .map(|object| format!("{}{suffix}", blob_file_name(object.oid)))
                .collect();
        }
        let listed = self.directory.large_objects(entry).unwrap_or_default();
        let name = |file: String| match self.directory.files.find(&file) {
            Ok(Some(found)) => found.name,
            Ok(None) | Err(_) => file,
        };
        listed.into_iter().map(|object| name(object.file)).collect()
    }
}
