//! A planned dump as a source for somebody else than an archive: rows are read when they are asked for.
//!
//! It has everything a dump has read and holds: the locks, the snapshot, the entries. Each reading takes a
//! session of its own in that snapshot; sessions are kept for the next one.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::block::BLOCK_BYTES;
use super::describe;
use super::keep::{HEARTBEAT, explain_conflict};
use super::large_object_stream::{Assembler, Part};
use super::large_objects::PlannedLargeObjects;
use super::options::DumpOptions;
use super::plan::{DumpPlan, PlannedTable};
use super::split::PieceRange;
use crate::archive::{ArchiveHeader, DataFileSummary, Manifest, ManifestLargeObjects};
use crate::catalog::{
    LargeObjectMetadata, LargeObjectReading, LargeObjectRow, LargeObjectRows, ServerIdentity,
    SessionRecipe, open_foreign_tables, tables_with_binary_form,
};
use crate::codec::{Fingerprint, RowHasher, sha256};
use crate::connect::Session;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Database, DumpId, Oid, TocEntry};

/// Parts of large objects that are gathered before they are handed on.
const PART_BYTES: usize = BLOCK_BYTES;

/// A database that is locked and read up to its rows.
pub struct LiveSource {
    options: DumpOptions,
    header: ArchiveHeader,
    entries: Vec<TocEntry>,
    tables: HashMap<DumpId, PlannedTable>,
    large_objects: HashMap<DumpId, PlannedLargeObjects>,
    reading: LargeObjectReading,
    database: Database,
    recipe: SessionRecipe,
    identity: ServerIdentity,
    snapshot: String,
    settings: BTreeMap<String, String>,
    /// Holds the locks and the snapshot, and reads what others may not lock.
    /// Gone when everything has been let go of.
    keeper: tokio::sync::Mutex<Option<Session>>,
    /// When the keeper was asked something for the last time.
    beat: Mutex<Instant>,
    /// None when everything has been let go of.
    idle: Mutex<Option<Vec<Session>>>,
}

/// In which form rows are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowsForm {
    /// COPY text.
    Text,
    /// COPY text, of which a fingerprint is taken.
    HashedText,
    /// Binary COPY.
    Binary,
}

/// What was read of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowsRead {
    /// How many rows the server sent.
    pub rows: u64,
    /// Bytes that the server sent.
    pub bytes: u64,
    /// The fingerprint of the rows, when it was wanted.
    pub fingerprint: Option<Fingerprint>,
}

/// Bytes of a large object that follow each other.
#[derive(Debug)]
pub struct LargeObjectBytes {
    /// The object.
    pub oid: Oid,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The hash of the whole object, when it ends with these bytes.
    pub end: Option<u128>,
}

impl DumpPlan {
    /// Turns the plan into a source whose rows are read one table at a time.
    ///
    /// # Errors
    ///
    /// As for every query.
    pub async fn into_source(self) -> Result<LiveSource> {
        let DumpPlan { options, keeper, entries, version, tables, large_objects, reading, .. } =
            self;
        let settings = describe::settings(&keeper.session).await?;
        Ok(LiveSource {
            header: describe::header(&options, &keeper.database.facts, version, false),
            options,
            entries,
            tables: tables.into_iter().map(|table| (table.dump_id, table)).collect(),
            large_objects: large_objects
                .into_iter()
                .map(|planned| (planned.dump_id, planned))
                .collect(),
            reading,
            database: keeper.database,
            recipe: keeper.recipe,
            identity: keeper.identity,
            snapshot: keeper.snapshot,
            settings,
            keeper: tokio::sync::Mutex::new(Some(keeper.session)),
            beat: Mutex::new(Instant::now()),
            idle: Mutex::new(Some(Vec::new())),
        })
    }
}

impl LiveSource {
    /// Returns what an archive of it would say about itself.
    pub fn header(&self) -> &ArchiveHeader {
        &self.header
    }

    /// Returns the entries in the order of an archive.
    pub fn entries(&self) -> &[TocEntry] {
        &self.entries
    }

    /// Returns what was read of the catalogs.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Returns what tells the server from every other.
    pub fn identity(&self) -> &ServerIdentity {
        &self.identity
    }

    /// Returns one of the settings that shape the text of values.
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.settings.get(name).map(String::as_str)
    }

    /// Returns the bytes on disk of an entry's table, TOAST included.
    pub fn size(&self, id: DumpId) -> u64 {
        self.tables.get(&id).map_or(0, |table| table.size.cost())
    }

    /// Returns the large objects of an entry, in the order in which they are read.
    pub fn large_objects(&self, id: DumpId) -> &[Oid] {
        self.large_objects.get(&id).map_or(&[], |planned| &planned.oids)
    }

    /// Looks whether the session that holds locks and snapshot is still there, and asks it something from time
    /// to time, because firewalls and proxies forget connections that are silent.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Connection`] when it is gone.
    pub async fn keep_alive(&self) -> Result<()> {
        // Who reads over it at the moment hears of its end first.
        let Ok(keeper) = self.keeper.try_lock() else { return Ok(()) };
        let Some(keeper) = keeper.as_ref() else { return Ok(()) };
        if !keeper.is_closed() && lock(&self.beat).elapsed() < HEARTBEAT {
            return Ok(());
        }
        self.ask(keeper).await
    }

    /// Makes sure that locks and snapshot have held until now. A connection may be gone without a word, and
    /// what was read since then may be of another moment.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Connection`] when they have not.
    pub async fn still_held(&self) -> Result<()> {
        match self.keeper.lock().await.as_ref() {
            Some(keeper) => self.ask(keeper).await,
            None => Ok(()),
        }
    }

    async fn ask(&self, keeper: &Session) -> Result<()> {
        *lock(&self.beat) = Instant::now();
        keeper.execute("keep the snapshot", "select 1").await.map_err(|error| {
            error.context(format!(
                "lost the connection that holds the snapshot and the locks of the source, {}",
                self.snapshot
            ))
        })
    }

    /// Returns the data entries whose rows another server of the same major can read in binary form.
    ///
    /// # Errors
    ///
    /// As for every query.
    pub async fn entries_with_binary_form(&self) -> Result<HashSet<DumpId>> {
        let oids: Vec<Oid> = self.tables.values().map(|table| table.oid).collect();
        if oids.is_empty() {
            return Ok(HashSet::new());
        }
        let keeper = self.keeper.lock().await;
        let keeper = keeper.as_ref().ok_or_else(let_go)?;
        let fitting = tables_with_binary_form(keeper, &oids).await?;
        let entries = self.tables.values().filter(|table| fitting.contains(&table.oid));
        Ok(entries.map(|table| table.dump_id).collect())
    }

    /// Reads the rows of a data entry's table, COPY text without an end mark or binary form with its trailer.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Interrupted`] when the receiver is gone; what the server says, and the loss of its
    /// connection.
    pub async fn copy_rows(
        &self,
        id: DumpId,
        form: RowsForm,
        chunks: &mpsc::Sender<Bytes>,
    ) -> Result<RowsRead> {
        let table = self.tables.get(&id).ok_or_else(|| no_such_entry(id))?;
        let mut session = self.session().await?;
        let name = table.name.sql();
        // The keeper has the lock already. Who refuses it here waits for the keeper: see `work`.
        let lock = format!(
            "rollback to savepoint piece; lock table only {name} in access share mode nowait"
        );
        match session.execute(&format!("lock {name}"), &lock).await {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::Locked => {
                self.put_back(session);
                return self.copy_over_keeper(table, form, chunks).await;
            }
            Err(error) => return Err(error),
        }
        let read = copy(&mut session, table, form, chunks).await?;
        self.put_back(session);
        Ok(read)
    }

    async fn copy_over_keeper(
        &self,
        table: &PlannedTable,
        form: RowsForm,
        chunks: &mpsc::Sender<Bytes>,
    ) -> Result<RowsRead> {
        let mut keeper = self.keeper.lock().await;
        let keeper = keeper.as_mut().ok_or_else(let_go)?;
        // Without the savepoint an error would take the snapshot along.
        keeper.execute("set a savepoint", "savepoint piece").await?;
        let read = copy(keeper, table, form, chunks).await;
        if read.is_err() && !keeper.is_closed() {
            keeper.execute("go back", "rollback to savepoint piece").await?;
        }
        read
    }

    /// Reads the large objects of a data entry, from the one at a place on.
    ///
    /// # Errors
    ///
    /// As for [`copy_rows`](Self::copy_rows).
    pub async fn copy_large_objects(
        &self,
        id: DumpId,
        first: usize,
        parts: &mpsc::Sender<LargeObjectBytes>,
    ) -> Result<()> {
        let oids = self.large_objects(id).get(first..).ok_or_else(|| no_such_entry(id))?;
        let mut session = self.session().await?;
        session.execute("prepare to read", LargeObjectReading::preparation()).await?;
        let statement = self.reading.statement(oids);
        let mut rows = LargeObjectRows::default();
        let mut assembler = Assembler::new(oids.to_vec(), PART_BYTES);
        let mut copy = session.copy_out("read large objects", &statement).await?;
        while let Some(chunk) = copy.next().await.map_err(explain_conflict)? {
            rows.feed(&chunk);
            while let Some(LargeObjectRow { oid, offset, bytes }) = rows.next_row()? {
                let mut hole = assembler.go_to(oid, offset)?;
                while hole > 0 {
                    hole -= assembler.zeros(hole);
                    if assembler.full() {
                        hand_on(assembler.take(), parts).await?;
                    }
                }
                assembler.bytes(bytes);
                if assembler.full() {
                    hand_on(assembler.take(), parts).await?;
                }
            }
        }
        rows.finish()?;
        hand_on(assembler.finish(), parts).await?;
        session.execute("go back to the savepoint", "rollback to savepoint piece").await?;
        self.put_back(session);
        Ok(())
    }

    /// Returns the manifest that an archive of what was read would have.
    ///
    /// Tables that are not among `rows` are left out.
    ///
    /// # Errors
    ///
    /// When what was read of the catalogs does not fit together.
    pub fn manifest(
        &self,
        rows: &HashMap<DumpId, RowsRead>,
        large_objects: Vec<ManifestLargeObjects>,
    ) -> Result<Manifest> {
        let mut data = Vec::new();
        for entry in &self.entries {
            let Some(table) = self.tables.get(&entry.dump_id) else { continue };
            let read = rows.get(&entry.dump_id);
            let Some((read, fingerprint)) = read.and_then(|read| Some((read, read.fingerprint?)))
            else {
                continue;
            };
            let summary = DataFileSummary {
                dump_id: entry.dump_id,
                file: String::new(),
                raw_bytes: read.bytes,
                stored_bytes: 0,
                sha256: sha256(b""),
                fingerprint,
                blocks: Vec::new(),
            };
            data.push((table.clone(), summary));
        }
        Ok(describe::manifest(describe::Facts {
            options: &self.options,
            session: &self.database.facts,
            system_identifier: self.identity.system_identifier.as_deref(),
            snapshot_lsn: None,
            elapsed: Duration::ZERO,
            settings: self.settings.clone(),
            sequences: describe::sequences(&self.database, &self.entries),
            entries: &self.entries,
            data,
            large_objects,
            large_object_metadata: LargeObjectMetadata::of(&self.database)?,
        }))
    }

    /// Lets go of locks and snapshot.
    pub async fn close(&self) {
        let idle = self.idle().take();
        for session in idle.into_iter().flatten() {
            session.close().await;
        }
        if let Some(keeper) = self.keeper.lock().await.take() {
            keeper.close().await;
        }
    }

    async fn session(&self) -> Result<Session> {
        let idle = self.idle().as_mut().and_then(Vec::pop);
        match idle {
            Some(session) if !session.is_closed() => Ok(session),
            _ => self.recipe.join(&self.identity, &self.snapshot).await,
        }
    }

    /// Keeps a session for the next reading. Who is done after everything was let go of has it closed: it would
    /// hold the snapshot.
    fn put_back(&self, session: Session) {
        if let Some(idle) = self.idle().as_mut() {
            idle.push(session);
        }
    }

    fn idle(&self) -> MutexGuard<'_, Option<Vec<Session>>> {
        lock(&self.idle)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Moves the rows of a table into a channel.
async fn copy(
    session: &mut Session,
    table: &PlannedTable,
    form: RowsForm,
    chunks: &mpsc::Sender<Bytes>,
) -> Result<RowsRead> {
    if table.foreign {
        open_foreign_tables(session, true).await?;
    }
    let mut hasher = (form == RowsForm::HashedText).then(RowHasher::default);
    let statement = match form {
        RowsForm::Binary => table.binary_copy_statement(),
        _ => table.copy_statement(PieceRange::Whole),
    };
    let mut bytes = 0;
    let purpose = format!("read the rows of {}", table.name.sql());
    let canceller = session.canceller();
    let mut copy = session.copy_out(&purpose, &statement).await?;
    while let Some(chunk) = copy.next().await.map_err(explain_conflict)? {
        if let Some(hasher) = &mut hasher {
            hasher.feed(&chunk);
        }
        bytes += chunk.len() as u64;
        if chunks.send(chunk).await.is_err() {
            // The server would go on to the end of the table before it notices that nobody listens.
            if canceller.cancel().await.is_ok() {
                // Until it says so: a COPY that is left in the middle takes its session along, which may be the
                // keeper's, and with it the snapshot.
                while let Ok(Some(_)) = copy.next().await {}
            }
            return Err(unread());
        }
    }
    let rows = copy.rows().unwrap_or_default();
    drop(copy);
    if table.foreign {
        open_foreign_tables(session, false).await?;
    }
    Ok(RowsRead { rows, bytes, fingerprint: hasher.map(RowHasher::finish) })
}

async fn hand_on(parts: Vec<Part>, receiver: &mpsc::Sender<LargeObjectBytes>) -> Result<()> {
    for part in parts {
        let end = part.hash();
        let bytes = LargeObjectBytes { oid: part.oid, bytes: part.bytes, end };
        receiver.send(bytes).await.map_err(|_| unread())?;
    }
    Ok(())
}

fn let_go() -> Error {
    Error::new(ErrorKind::Internal, "the source has been let go of")
}

fn unread() -> Error {
    Error::new(ErrorKind::Interrupted, "nobody reads what the source sends")
}

fn no_such_entry(id: DumpId) -> Error {
    Error::new(ErrorKind::Internal, format!("entry {} has no data", id.0))
}
