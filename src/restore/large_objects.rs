//! Large objects: making them, giving them to their owner, filling them.
//!
//! Since archive version 1.16 one entry stands for up to a thousand large objects and lists their oids
//! in place of a definition; its privileges are written for the first oid and repeated for all
//! (`pg_backup_archiver.c`, `IssueCommandPerBlob` and `IssueACLPerBlob`).

use std::io::Read;

use super::data::LoadError;
use crate::archive::ArchiveReader;
use crate::archive::large_object_text::oids;
use crate::connect::Session;
use crate::error::{Error, ErrorKind, Result};
use crate::model::TocEntry;
use crate::progress::{Interrupt, Progress};
use crate::sql::quote_identifier;

/// Bytes of a large object per statement; hexadecimal digits make it twice as long on the wire.
const PIECE_BYTES: usize = 256 * 1024;

/// Small objects are sent together until their statements are about this long.
const STATEMENT_BYTES: usize = 512 * 1024;

/// Returns the statements that make the large objects of a metadata entry.
pub(super) fn definitions(entry: &TocEntry, no_owner: bool) -> Vec<String> {
    let oids = oids(&entry.definition);
    let mut statements: Vec<String> =
        oids.iter().map(|oid| format!("SELECT pg_catalog.lo_create('{oid}');")).collect();
    if !no_owner && let Some(owner) = entry.owner.as_deref().filter(|owner| !owner.is_empty()) {
        let owner = quote_identifier(owner);
        statements
            .extend(oids.iter().map(|oid| format!("ALTER LARGE OBJECT {oid} OWNER TO {owner};")));
    }
    statements
}

/// Returns the statement that drops the large objects of a metadata entry.
pub(super) fn drops(entry: &TocEntry, if_exists: bool) -> String {
    let mut sql = String::new();
    for oid in oids(&entry.definition) {
        sql.push_str(&format!("SELECT pg_catalog.lo_unlink('{oid}')"));
        if if_exists {
            sql.push_str(&format!(" FROM pg_catalog.pg_largeobject_metadata WHERE oid = '{oid}'"));
        }
        sql.push_str(";\n");
    }
    sql
}

/// Fills the large objects of a data entry in one transaction and returns their number.
pub(super) async fn load(
    session: &Session,
    archive: &dyn ArchiveReader,
    entry: &TocEntry,
    item: &str,
    own_transaction: bool,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) -> Result<u64, LoadError> {
    let purpose = format!("load {}", entry.describe());
    let objects = archive.large_objects(entry).map_err(LoadError::Archive)?;
    let result = async {
        if own_transaction {
            session.execute(&purpose, "BEGIN").await.map_err(LoadError::Server)?;
        }
        let mut pending = String::new();
        for object in &objects {
            interrupt.check().map_err(LoadError::Server)?;
            let mut reader = archive.open_large_object(object).map_err(LoadError::Archive)?;
            let mut offset: u64 = 0;
            loop {
                let (back, piece) =
                    read_piece(reader, &object.file).await.map_err(LoadError::Archive)?;
                reader = back;
                if piece.is_empty() {
                    break;
                }
                pending.push_str(&format!(
                    "SELECT pg_catalog.lo_put('{}', {offset}, '\\x",
                    object.oid
                ));
                push_hex(&mut pending, &piece);
                pending.push_str("');\n");
                offset += piece.len() as u64;
                progress.advanced(item, piece.len() as u64, 0);
                if pending.len() >= STATEMENT_BYTES {
                    session.execute(&purpose, &pending).await.map_err(LoadError::Server)?;
                    pending.clear();
                }
            }
        }
        if own_transaction {
            pending.push_str("COMMIT;\n");
        }
        if !pending.is_empty() {
            session.execute(&purpose, &pending).await.map_err(LoadError::Server)?;
        }
        Ok(objects.len() as u64)
    }
    .await;
    if result.is_err() && own_transaction && !session.is_closed() {
        // The first error is the one to report.
        let _ = session.execute("roll back", "ROLLBACK").await;
    }
    result
}

async fn read_piece(
    mut reader: Box<dyn Read + Send>,
    file: &str,
) -> Result<(Box<dyn Read + Send>, Vec<u8>)> {
    let read = tokio::task::spawn_blocking(move || {
        let mut piece = Vec::with_capacity(PIECE_BYTES);
        let result = (&mut reader).take(PIECE_BYTES as u64).read_to_end(&mut piece);
        result.map(|_| (reader, piece))
    })
    .await;
    let failed = || format!("could not read the large object in {file:?}");
    match read {
        Ok(Ok(read)) => Ok(read),
        Ok(Err(error)) => Err(Error::new(ErrorKind::Integrity, failed()).with_source(error)),
        Err(panic) => Err(Error::new(ErrorKind::Internal, failed()).with_source(panic)),
    }
}

fn push_hex(text: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    text.reserve(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DumpId;

    #[test]
    fn a_group_becomes_statements_for_each_object() {
        let mut entry = TocEntry::new(DumpId(1), "BLOB METADATA", "7..9");
        entry.definition = "7\n9\n".into();
        entry.owner = Some("Boss".into());
        assert_eq!(
            definitions(&entry, false),
            [
                "SELECT pg_catalog.lo_create('7');",
                "SELECT pg_catalog.lo_create('9');",
                "ALTER LARGE OBJECT 7 OWNER TO \"Boss\";",
                "ALTER LARGE OBJECT 9 OWNER TO \"Boss\";",
            ]
        );
        assert_eq!(definitions(&entry, true).len(), 2);
        assert_eq!(
            drops(&entry, false),
            "SELECT pg_catalog.lo_unlink('7');\nSELECT pg_catalog.lo_unlink('9');\n"
        );
    }
}
