//! Whether a tar archive holds the members of its entries and nothing else.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;

use super::{SCRIPT, TarReader};
use crate::archive::check::{CheckFinding, ContainerChecked, FindingKind};
use crate::archive::reader::{ArchiveReader, ManifestState};
use crate::archive::{single_file, toc};
use crate::codec::HashingReader;
use crate::error::Result;
use crate::store::Part;

/// Checks everything that is not data.
pub(super) fn check(archive: &TarReader) -> Result<ContainerChecked> {
    let name = archive.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut checked = single_file::check_beside(archive)?;
    let mut report = |kind, offset, what: String| {
        let finding = CheckFinding::file(kind, &name, what);
        checked.findings.push(CheckFinding { offset, ..finding });
    };
    let members = &archive.members;
    if let Some((offset, reason)) = members.broken {
        let what = format!("what begins here cannot be read: {reason}");
        report(FindingKind::DataDamaged, Some(offset), what);
    }
    if let Some(offset) = members.not_zero {
        let what = "the bytes between two members are not zeros".to_owned();
        report(FindingKind::DataDamaged, Some(offset), what);
    }
    for twice in &members.twice {
        report(FindingKind::FileExtra, None, format!("member \"{twice}\" occurs twice"));
    }
    let mut expected: HashSet<String> = [toc::TOC_FILE, SCRIPT].map(str::to_owned).into();
    for entry in archive.entries().iter().filter(|entry| entry.has_data) {
        expected.insert(archive.data_name(entry));
        if entry.desc == "BLOBS"
            && let Ok(objects) = archive.large_objects(entry)
        {
            expected.extend(objects.into_iter().map(|object| object.file));
        }
    }
    let mut extra: Vec<&String> =
        members.by_name.keys().filter(|name| !expected.contains(*name)).collect();
    extra.sort();
    for extra in extra {
        let what = format!("member \"{extra}\" does not belong to the archive");
        report(FindingKind::FileExtra, None, what);
    }
    // The script for people is nobody's data; only the checksum of the whole covers it.
    if let ManifestState::Valid(manifest) = archive.manifest_state()
        && let Some(expected) = manifest.archive_sha256
    {
        let whole = Part::whole(Arc::clone(&archive.content)).open();
        let mut reader = HashingReader::new(io::BufReader::with_capacity(1 << 18, whole));
        let whole = io::copy(&mut reader, &mut io::sink());
        if whole.is_err() || reader.finish().0 != expected {
            let what = "the SHA-256 of the whole file differs".to_owned();
            report(FindingKind::ChecksumDiffers, None, what);
        }
    }
    Ok(checked)
}
