//! Whether a backup looks like the one before.

use bytesize::ByteSize;

use crate::vault::record::BackupRecord;
use crate::vault::repository::StoredBackup;

/// A database that doubles or halves between two backups is worth a look.
const FACTOR: u64 = 2;

/// Small databases change by any factor.
const BYTES_MIN: u64 = 1 << 20;

/// Returns what is odd about a backup, seen from the one before.
pub(super) fn warnings(record: &BackupRecord, before: &StoredBackup) -> Vec<String> {
    let (now, then) = (record.stored_bytes, before.record.stored_bytes);
    let sizes = || format!("{} instead of {}", ByteSize(now), ByteSize(then));
    let mut warnings = Vec::new();
    if vanished(record, before) {
        let rows = before.record.rows;
        warnings.push(format!("it holds no rows, and {} held {rows}", before.id()));
    } else if now.max(then) < BYTES_MIN {
        return warnings;
    } else if now.saturating_mul(FACTOR) < then {
        warnings.push(format!("it is much smaller than {}: {}", before.id(), sizes()));
    } else if then.saturating_mul(FACTOR) < now {
        warnings.push(format!("it is much larger than {}: {}", before.id(), sizes()));
    }
    warnings
}

/// Tells whether all rows are gone.
pub(super) fn vanished(record: &BackupRecord, before: &StoredBackup) -> bool {
    record.rows == 0 && before.record.rows > 0
}
