//! Whether a backup looks like the one before.

use bytesize::ByteSize;

use crate::vault::record::BackupRecord;
use crate::vault::repository::StoredBackup;

/// A database that doubles or halves between two backups is worth a look.
const FACTOR: u64 = 2;

/// Small databases change by any factor.
const BYTES_MIN: u64 = 1 << 20;

/// Returns what is odd about a backup, seen from the one before and from the newest one with rows.
pub(super) fn warnings(
    record: &BackupRecord,
    before: Option<&StoredBackup>,
    with_rows: Option<&StoredBackup>,
) -> Vec<String> {
    if let Some(with_rows) = with_rows.filter(|_| record.rows == 0) {
        let rows = with_rows.record.rows;
        return vec![format!("it holds no rows, and {} held {rows}", with_rows.id())];
    }
    before.map(|before| sizes(record, before)).unwrap_or_default()
}

fn sizes(record: &BackupRecord, before: &StoredBackup) -> Vec<String> {
    let (now, then) = (record.stored_bytes, before.record.stored_bytes);
    let sizes = || format!("{} instead of {}", ByteSize(now), ByteSize(then));
    let mut warnings = Vec::new();
    if now.max(then) < BYTES_MIN {
        return warnings;
    } else if now.saturating_mul(FACTOR) < then {
        warnings.push(format!("it is much smaller than {}: {}", before.id(), sizes()));
    } else if then.saturating_mul(FACTOR) < now {
        warnings.push(format!("it is much larger than {}: {}", before.id(), sizes()));
    }
    warnings
}
