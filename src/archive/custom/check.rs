//! Whether the blocks of a custom archive are those of its entries, one behind the other, and nothing
//! else is in the file.

use std::collections::HashSet;

use super::CustomReader;
use crate::archive::check::{CheckFinding, ContainerChecked, FindingKind};
use crate::archive::reader::ArchiveReader;
use crate::archive::single_file;
use crate::error::Result;

/// Checks everything that is not data.
pub(super) fn check(archive: &CustomReader) -> Result<ContainerChecked> {
    let name = archive.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut checked = single_file::check_beside(archive)?;
    let mut report = |kind, offset, entry: Option<i32>, what: String| {
        let finding = CheckFinding::file(kind, &name, what);
        checked.findings.push(CheckFinding { offset, entry, ..finding });
    };
    let mut scanner = archive.scanner(archive.toc.bytes);
    let mut seen = HashSet::new();
    loop {
        let before = scanner.position();
        let block = match scanner.next_block() {
            Ok(None) => break,
            Ok(Some(block)) => block,
            Err(error) => {
                let what = format!("what begins here is no block of data: {error}");
                report(FindingKind::DataDamaged, Some(before), None, what);
                break;
            }
        };
        let id = block.dump_id;
        match archive.toc.positions.get(&id) {
            None => {
                let what = format!("a block belongs to toc entry {id}, which has no data");
                report(FindingKind::FileExtra, Some(before), None, what);
            }
            Some(Some(position)) if *position != block.position => {
                let what = format!("the block is not at offset {position}, where it should be");
                report(FindingKind::DataDamaged, Some(before), Some(id.0), what);
            }
            Some(_) if !seen.insert(id) => {
                let what = "a second block for the same entry".to_owned();
                report(FindingKind::FileExtra, Some(before), Some(id.0), what);
            }
            Some(_) => {}
        }
    }
    Ok(checked)
}
