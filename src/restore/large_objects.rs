//! Large objects: making them, giving them to their owner, filling them.
//!
//! Since archive version 1.16 one entry stands for up to a thousand large objects and lists their oids
//! in place of a definition; its privileges are written for the first oid and repeated for all
//! (`pg_backup_archiver.c`, `IssueCommandPerBlob` and `IssueACLPerBlob`).

use std::collections::{HashMap, HashSet};
use std::io::Read;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

use super::data::LoadError;
use crate::archive::large_object_text::oids;
use crate::archive::statements::unlink_if_exists;
use crate::archive::{ArchiveReader, LargeObjectFile, ManifestLargeObject, all_large_objects};
use crate::codec::LargeObjectHasher;
use crate::connect::{Session, server_error};
use crate::error::{Error, ErrorKind, Result};
use crate::model::TocEntry;
use crate::progress::{Interrupt, Progress};
use crate::sql::quote_identifier;

/// Bytes of a large object per statement; hexadecimal digits make it twice as long on the wire.
const PIECE_BYTES: usize = 256 * 1024;

/// Small objects are sent together until they have about this many bytes.
const STATEMENT_BYTES: usize = 256 * 1024;

/// Objects that are made with one query, a statement of about 150 bytes for each.
const OBJECTS_TOGETHER: usize = 1_000;

/// Statements that may wait between reading and sending, about 512 KiB each.
const BATCHES_IN_FLIGHT: usize = 2;

/// The beginning of the statement that makes an object.
const CREATE: &str = "SELECT pg_catalog.lo_create('";

/// What stands before the oid in all others.
const KIND: &str = "LARGE OBJECT";

/// Returns the statements that make the large objects of a metadata entry.
pub(super) fn definitions(entry: &TocEntry, no_owner: bool) -> Vec<String> {
    let oids = oids(&entry.definition);
    let mut statements: Vec<String> = oids.iter().map(|oid| format!("{CREATE}{oid}');")).collect();
    if !no_owner && let Some(owner) = entry.owner.as_deref().filter(|owner| !owner.is_empty()) {
        let owner = quote_identifier(owner);
        statements.extend(oids.iter().map(|oid| format!("ALTER {KIND} {oid} OWNER TO {owner};")));
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

/// The large objects that could not be made: what is there under their oid is somebody else's, and filling it
/// would overwrite it.
#[derive(Debug, Default)]
pub(super) struct NotMade(Mutex<HashSet<u32>>);

impl NotMade {
    /// Notes that a statement failed; tells whether it was one that makes an object.
    pub(super) fn note(&self, statement: &str) -> bool {
        let Some(oid) = statement.strip_prefix(CREATE).and_then(leading_number) else {
            return false;
        };
        self.lock().insert(oid);
        true
    }

    /// Tells whether a statement of an entry would change an object that was not made: give it away, comment on
    /// it, let others read it.
    pub(super) fn concerns(&self, entry: &TocEntry, statement: &str) -> bool {
        let of_object = entry.desc.starts_with("BLOB") || entry.tag.starts_with(KIND);
        let after = statement.split_once(KIND).map(|(_, after)| after.trim_start());
        let oid = after.filter(|_| of_object).and_then(leading_number);
        oid.is_some_and(|oid| self.lock().contains(&oid))
    }

    fn oids(&self) -> HashSet<u32> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<u32>> {
        // A panic elsewhere leaves a set of numbers as valid as it was.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn leading_number(text: &str) -> Option<u32> {
    let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().ok()
}

/// Whether the objects are there when they are filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Making {
    /// Entries of their own have made them.
    Made,
    /// Nobody has: archives before 1.12 have no such entries. `clean` drops what is in the way.
    Here { clean: bool },
}

/// What is to be loaded, and how.
pub(super) struct Load<'a> {
    /// The archive.
    pub(super) archive: &'a Arc<dyn ArchiveReader>,
    /// The data entry.
    pub(super) entry: &'a TocEntry,
    /// The name under which progress is reported.
    pub(super) item: &'a str,
    /// Whether to open a transaction; if not, there is one already.
    pub(super) own_transaction: bool,
    /// Whether the objects are to be made.
    pub(super) making: Making,
    /// Those that are not to be touched.
    pub(super) not_made: &'a NotMade,
}

/// Fills the large objects of a data entry in one transaction and returns their oids.
///
/// A thread reads and decompresses while the server works. What passes must be what the manifest says
/// before anything is committed.
pub(super) async fn load(
    session: &Session,
    load: Load<'_>,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) -> Result<Vec<u32>, LoadError> {
    let purpose = format!("load {}", load.entry.describe());
    let (sender, mut batches) = mpsc::channel(BATCHES_IN_FLIGHT);
    let (archive, entry, making) = (Arc::clone(load.archive), load.entry.clone(), load.making);
    let not_made = load.not_made.oids();
    let reading =
        tokio::task::spawn_blocking(move || read(&*archive, &entry, making, &not_made, &sender));
    let result = async {
        if load.own_transaction {
            session.execute(&purpose, "BEGIN").await.map_err(LoadError::Server)?;
        }
        while let Some(Batch { sql, bytes }) = batches.recv().await {
            interrupt.check().map_err(LoadError::Server)?;
            session.execute(&purpose, &sql).await.map_err(LoadError::Server)?;
            progress.advanced(load.item, bytes, 0);
        }
        Ok(())
    }
    .await;
    // The reader ends when nobody takes what it has.
    drop(batches);
    let read = reading.await.unwrap_or_else(|panic| {
        Err(Error::new(ErrorKind::Internal, "could not read large objects").with_source(panic))
    });
    let result = match (result, read) {
        (Err(error), _) => Err(error),
        (Ok(()), Err(error)) => Err(LoadError::Archive(error)),
        (Ok(()), Ok(oids)) if load.own_transaction => {
            session.execute(&purpose, "COMMIT").await.map(|()| oids).map_err(LoadError::Server)
        }
        (Ok(()), Ok(oids)) => Ok(oids),
    };
    if result.is_err() && load.own_transaction && !session.is_closed() {
        // The first error is the one to report.
        let _ = session.execute("roll back", "ROLLBACK").await;
    }
    result
}

/// Makes the error that ends a restore like pg_restore's, which opens one object after the other.
///
/// Here many are filled together, and which one it was stands in the words of the server alone.
pub(super) fn not_opened(error: Error) -> Error {
    let message = server_error(&error).map(|server| server.message.clone()).unwrap_or_default();
    let oid =
        message.split(|character: char| !character.is_ascii_digit()).find(|part| !part.is_empty());
    let which = oid.map(|oid| format!(" {oid}")).unwrap_or_default();
    error.context(format!("could not open large object{which}"))
}

/// Statements that belong together.
struct Batch {
    sql: String,
    /// The bytes of large objects in it.
    bytes: u64,
}

/// Reads the objects of an entry, apart from those that were not made, and makes statements of them; returns
/// their oids.
fn read(
    archive: &dyn ArchiveReader,
    entry: &TocEntry,
    making: Making,
    not_made: &HashSet<u32>,
    batches: &mpsc::Sender<Batch>,
) -> Result<Vec<u32>> {
    let objects = all_large_objects(archive, entry)?;
    for objects in objects.chunks(OBJECTS_TOGETHER) {
        let sql = make(objects, making);
        if !sql.is_empty() && batches.blocking_send(Batch { sql, bytes: 0 }).is_err() {
            return Ok(Vec::new());
        }
    }
    let expected: HashMap<u32, ManifestLargeObject> = archive
        .manifest()
        .and_then(|manifest| manifest.large_objects_of(entry.dump_id))
        .map(|entry| entry.objects.iter().map(|object| (object.oid.0, *object)).collect())
        .unwrap_or_default();
    if let Some(missing) = missing(&expected, &objects) {
        return Err(Error::new(
            ErrorKind::Integrity,
            format!("the list of {} does not have large object {missing}", entry.describe()),
        ));
    }
    let mut objects = objects;
    objects.retain(|object| !not_made.contains(&object.oid));
    let mut small = Small::default();
    let mut piece = Vec::with_capacity(PIECE_BYTES);
    for object in &objects {
        let mut reader = archive.open_large_object(object)?;
        let mut hasher = LargeObjectHasher::new(object.oid);
        let mut offset: u64 = 0;
        loop {
            piece.clear();
            let read = (&mut reader).take(PIECE_BYTES as u64).read_to_end(&mut piece);
            read.map_err(|error| {
                let message = format!("could not read the large object in {:?}", object.file);
                Error::new(ErrorKind::Integrity, message).with_source(error)
            })?;
            if piece.is_empty() {
                break;
            }
            hasher.feed(&piece);
            let whole = offset == 0 && piece.len() < PIECE_BYTES;
            let sent = if whole {
                small.add(object.oid, &piece);
                small.bytes < STATEMENT_BYTES as u64 || small.send(batches)
            } else {
                send_piece(object.oid, offset, &piece, batches)
            };
            if !sent {
                // The other side has an error to report.
                return Ok(Vec::new());
            }
            offset += piece.len() as u64;
            if whole {
                break;
            }
        }
        if let Some(expected) = expected.get(&object.oid)
            && (expected.raw_bytes, expected.hash) != (offset, hasher.finish())
        {
            return Err(Error::new(
                ErrorKind::Integrity,
                format!("large object {} is not what the manifest says", object.oid),
            ));
        }
    }
    let sent = small.bytes == 0 || small.send(batches);
    Ok(if sent { objects.iter().map(|object| object.oid).collect() } else { Vec::new() })
}

/// Returns the statements that make objects which nobody else makes.
fn make(objects: &[LargeObjectFile], making: Making) -> String {
    let Making::Here { clean } = making else { return String::new() };
    let mut sql = String::new();
    for oid in objects.iter().map(|object| object.oid.to_string()) {
        if clean {
            sql.push_str(&unlink_if_exists(&oid));
        }
        sql.push_str(&format!("{CREATE}{oid}');\n"));
    }
    sql
}

/// Returns an object that the manifest knows and the list of the archive does not.
fn missing(
    expected: &HashMap<u32, ManifestLargeObject>,
    listed: &[LargeObjectFile],
) -> Option<u32> {
    let listed: HashSet<u32> = listed.iter().map(|object| object.oid).collect();
    expected.keys().find(|oid| !listed.contains(oid)).copied()
}

/// Small objects, which one statement fills together: parsing a statement costs more than a small object.
#[derive(Default)]
struct Small {
    values: String,
    bytes: u64,
}

impl Small {
    fn add(&mut self, oid: u32, bytes: &[u8]) {
        self.values.push_str(if self.values.is_empty() { "(" } else { ",\n(" });
        self.values.push_str(&oid.to_string());
        self.values.push_str("::pg_catalog.oid, '");
        push_hex(&mut self.values, bytes);
        self.values.push_str("')");
        self.bytes += bytes.len() as u64;
    }

    /// Sends what has gathered; tells whether somebody takes it.
    fn send(&mut self, batches: &mpsc::Sender<Batch>) -> bool {
        let values = std::mem::take(&mut self.values);
        let sql = format!(
            "SELECT pg_catalog.lo_put(o.oid, 0, pg_catalog.decode(o.hex, 'hex')) FROM (VALUES\n{values}) AS o(oid, hex);"
        );
        batches.blocking_send(Batch { sql, bytes: std::mem::take(&mut self.bytes) }).is_ok()
    }
}

/// Sends a part of a large object; tells whether somebody takes it.
fn send_piece(oid: u32, offset: u64, bytes: &[u8], batches: &mpsc::Sender<Batch>) -> bool {
    let mut sql = String::with_capacity(2 * bytes.len() + 100);
    sql.push_str(&format!("SELECT pg_catalog.lo_put({oid}, {offset}, pg_catalog.decode('"));
    push_hex(&mut sql, bytes);
    sql.push_str("', 'hex'));");
    batches.blocking_send(Batch { sql, bytes: bytes.len() as u64 }).is_ok()
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
    fn what_was_not_made_is_not_changed() {
        let not_made = NotMade::default();
        let entry = TocEntry::new(DumpId(1), "BLOB METADATA", "7..9");
        assert!(not_made.note("SELECT pg_catalog.lo_create('7');\n"));
        assert!(!not_made.note("ALTER LARGE OBJECT 9 OWNER TO x;"));
        assert!(not_made.concerns(&entry, "ALTER LARGE OBJECT 7 OWNER TO x;"));
        assert!(!not_made.concerns(&entry, "ALTER LARGE OBJECT 77 OWNER TO x;"));
        assert!(!not_made.concerns(&entry, "ALTER LARGE OBJECT 9 OWNER TO x;"));
        let grant = "GRANT SELECT ON LARGE OBJECT 7 TO PUBLIC;";
        assert!(not_made.concerns(&TocEntry::new(DumpId(1), "ACL", "LARGE OBJECT 7"), grant));
        assert!(!not_made.concerns(&TocEntry::new(DumpId(1), "FUNCTION", "f()"), grant));
        assert_eq!(not_made.oids(), HashSet::from([7]));
    }

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
