//! Whether there is room for a backup, before it is begun.

use std::path::Path;

use bytesize::ByteSize;

use crate::error::{Error, ErrorKind, Result};
use crate::vault::repository::StoredBackup;

/// What a database takes on its server shrinks to a fifth or less as compressed rows, as a rule: indexes are
/// not stored. A refusal must not be wrong, so the estimate is at the low end.
const USUAL_SHARE: f64 = 0.1;

/// Returns about how many bytes a backup of a database of `database_bytes` will take.
///
/// The one before knows best how well the rows can be compressed.
pub(super) fn needed(database_bytes: u64, before: Option<&StoredBackup>) -> u64 {
    let share = before.and_then(|before| {
        let size = before.record.source.database_bytes.filter(|&size| size > 0)?;
        Some(before.record.stored_bytes as f64 / size as f64)
    });
    // A little smaller than the one before is no reason to refuse.
    (database_bytes as f64 * share.map_or(USUAL_SHARE, |share| share * 0.9)) as u64
}

/// Returns the folder that is there, of a folder and those above it.
pub(super) fn nearest(folder: &Path) -> &Path {
    let above = folder.ancestors().find(|path| path.exists());
    // Above a relative path there is always the folder that it is relative to.
    above.unwrap_or(Path::new("."))
}

/// Returns how many bytes an ordinary user may still write where a folder is or will be.
pub(in crate::vault) fn free(folder: &Path) -> Option<u64> {
    let system = rustix::fs::statvfs(nearest(folder)).ok()?;
    Some(system.f_bavail.saturating_mul(system.f_frsize))
}

/// Refuses a backup for which there is no room.
///
/// # Errors
///
/// [`ErrorKind::Refused`] with both numbers.
pub(super) fn check(folder: &Path, needed: u64) -> Result<()> {
    match free(folder) {
        Some(free) if free < needed => Err(Error::new(
            ErrorKind::Refused,
            format!(
                "there is no room for the backup in \"{}\": about {} are needed and {} are free",
                folder.display(),
                ByteSize(needed),
                ByteSize(free)
            ),
        )
        .with_hint("make room, with \"pgark prune\" perhaps, or name another folder with --repo")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_room_is_told_with_both_numbers() {
        let folder = tempfile::tempdir().expect("temp");
        let not_yet = folder.path().join("a/b");
        assert!(free(&not_yet).is_some_and(|free| free > 0));
        assert!(check(&not_yet, 0).is_ok());
        let error = check(&not_yet, u64::MAX).expect_err("no disk is so large");
        assert_eq!(error.kind(), ErrorKind::Refused);
        assert!(error.message().contains("about 16.0 EiB are needed and "), "{error}");
        assert_eq!(needed(1000, None), 100);
        assert!(free(Path::new("not-here")).is_some());
    }
}
