//! A backup for unit tests.

use std::path::PathBuf;

use super::StoredBackup;
use crate::codec::sha256;
use crate::vault::event::Proof;
use crate::vault::id::BackupId;
use crate::vault::record::{BackupRecord, RECORD_VERSION, SourceRecord};

/// Makes a proved backup with a name.
pub(in crate::vault) fn sample(database: &str, id: BackupId) -> StoredBackup {
    let record = BackupRecord {
        version: RECORD_VERSION,
        backup_type: id.backup_type(),
        tool_version: "0.1.0".to_owned(),
        source: SourceRecord {
            database: database.to_owned(),
            database_oid: 16384,
            database_bytes: Some(1),
            system_identifier: None,
            server_version: "18.6".to_owned(),
            server: "host h, port 5432, user \"u\"".to_owned(),
        },
        excluded: Default::default(),
        started: id.moment(),
        finished: id.moment(),
        snapshot_lsn: None,
        tables: 1,
        rows: 2,
        raw_bytes: 3,
        stored_bytes: 4,
        manifest_sha256: sha256(b""),
        globals_sha256: None,
        passwords: false,
        proof: Proof::Decoded,
        hold: None,
        warnings: Vec::new(),
        id,
    };
    StoredBackup { record, folder: PathBuf::new(), events: Vec::new(), unreadable_events: 0 }
}
