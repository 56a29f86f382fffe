//! A live source in the place of an archive.

use std::collections::{HashMap, HashSet};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::large_objects::{EntryObjects, ObjectStream, PARTS_IN_FLIGHT};
use super::rows::{CHUNKS_IN_FLIGHT, RowsReader};
use crate::archive::check::ContainerChecked;
use crate::archive::statements::partition_root;
use crate::archive::{
    ArchiveHeader, ArchiveReader, LargeObjectFile, Manifest, ManifestLargeObjects, ManifestState,
    StoredData, binary_copy_statement,
};
use crate::codec::sha256;
use crate::dump::{LiveSource, RowsForm, RowsRead};
use crate::error::{Error, ErrorKind, Result, with_causes};
use crate::model::{DumpId, TocEntry};

/// A source that a restore reads as if it were an archive. Clones are the same one.
#[derive(Clone)]
pub(super) struct LiveReader(Arc<Live>);

struct Live {
    source: Arc<LiveSource>,
    entries: Vec<TocEntry>,
    /// The data entries that go in binary form.
    binary: HashSet<DumpId>,
    /// What stands where an archive has its path.
    shown: PathBuf,
    manifest: ManifestState,
    runtime: Handle,
    /// Whether rows are hashed as they pass.
    hash: bool,
    rows: Mutex<HashMap<DumpId, RowsRead>>,
    objects: Mutex<HashMap<DumpId, EntryObjects>>,
    /// The first reason why the source could not be read; to the restore it is only broken data.
    failure: Mutex<Option<Error>>,
}

impl LiveReader {
    /// Makes a reader; readings run on the runtime that this is called in.
    ///
    /// With `hash` rows are hashed as they pass, which needs them as text: `binary` should be empty then.
    pub(super) fn new(
        source: Arc<LiveSource>,
        shown: &str,
        hash: bool,
        mut binary: HashSet<DumpId>,
    ) -> Self {
        let mut entries = source.entries().to_vec();
        binary.retain(|id| !hash && load_as_binary(&mut entries, *id));
        LiveReader(Arc::new(Live {
            source,
            entries,
            binary,
            shown: PathBuf::from(shown),
            manifest: ManifestState::NotExpected,
            runtime: Handle::current(),
            hash,
            rows: Mutex::default(),
            objects: Mutex::default(),
            failure: Mutex::default(),
        }))
    }

    /// Returns how many tables go in binary form.
    pub(super) fn binary_tables(&self) -> usize {
        self.0.binary.len()
    }

    pub(super) fn source(&self) -> &LiveSource {
        &self.0.source
    }

    /// Returns why the source could not be read, once.
    pub(super) fn take_failure(&self) -> Option<Error> {
        lock(&self.0.failure).take()
    }

    /// Returns what was read of an entry's table.
    pub(super) fn rows_read(&self, id: DumpId) -> Option<RowsRead> {
        lock(&self.0.rows).get(&id).copied()
    }

    /// Returns how many data entries were read to their end.
    pub(super) fn entries_read(&self) -> usize {
        let whole = |(id, entry): (&DumpId, &EntryObjects)| {
            entry.read().len() == self.0.source.large_objects(*id).len()
        };
        lock(&self.0.rows).len()
            + lock(&self.0.objects).iter().filter(|entry| whole(*entry)).count()
    }

    /// Returns what a manifest of everything that was read would say.
    pub(super) fn manifest_of_read(&self) -> Result<Manifest> {
        let rows = lock(&self.0.rows).clone();
        let mut objects: Vec<ManifestLargeObjects> = lock(&self.0.objects)
            .iter()
            .map(|(id, entry)| ManifestLargeObjects {
                dump_id: id.0,
                file: String::new(),
                stored_bytes: 0,
                sha256: sha256(b""),
                objects: entry.read(),
            })
            .collect();
        objects.sort_by_key(|entry| entry.dump_id);
        self.0.source.manifest(&rows, objects)
    }
}

impl Live {
    fn failed(&self, error: Error) {
        // Who stopped reading knows why.
        if error.kind() != ErrorKind::Interrupted {
            lock(&self.failure).get_or_insert(error);
        }
    }
}

impl ArchiveReader for LiveReader {
    fn header(&self) -> &ArchiveHeader {
        self.0.source.header()
    }

    fn entries(&self) -> &[TocEntry] {
        &self.0.entries
    }

    fn manifest_state(&self) -> &ManifestState {
        &self.0.manifest
    }

    fn open_data(&self, entry: &TocEntry) -> Result<Box<dyn Read + Send>> {
        let (chunks, arriving) = mpsc::channel(CHUNKS_IN_FLIGHT);
        let (ended, outcome) = std::sync::mpsc::sync_channel(1);
        let live = Arc::clone(&self.0);
        let id = entry.dump_id;
        let form = match (live.binary.contains(&id), live.hash) {
            (true, _) => RowsForm::Binary,
            (false, true) => RowsForm::HashedText,
            (false, false) => RowsForm::Text,
        };
        self.0.runtime.spawn(async move {
            let read = live.source.copy_rows(id, form, &chunks).await;
            let said = match read {
                Ok(read) => {
                    lock(&live.rows).insert(id, read);
                    Ok(())
                }
                Err(error) => {
                    let reason = with_causes(&error).to_string();
                    live.failed(error);
                    Err(reason)
                }
            };
            drop(chunks);
            // Nobody listens when the target has failed meanwhile.
            let _ = ended.send(said);
        });
        Ok(Box::new(RowsReader::new(arriving, form, outcome)))
    }

    fn large_objects(&self, entry: &TocEntry) -> Result<Vec<LargeObjectFile>> {
        let oids = self.0.source.large_objects(entry.dump_id);
        let file = entry.dump_id.0.to_string();
        let object = |(place, oid): (usize, &crate::model::Oid)| LargeObjectFile {
            oid: oid.0,
            file: file.clone(),
            position: place as u64,
        };
        Ok(oids.iter().enumerate().map(object).collect())
    }

    fn open_large_object(&self, object: &LargeObjectFile) -> Result<Box<dyn Read + Send>> {
        let place = usize::try_from(object.position);
        let (Ok(id), Ok(place)) = (object.file.parse().map(DumpId), place) else {
            let what = format!("large object {} belongs to no entry", object.oid);
            return Err(Error::new(ErrorKind::Internal, what));
        };
        let entry = lock(&self.0.objects).entry(id).or_default().clone();
        Ok(entry.open(place, || {
            let (parts, arriving) = mpsc::channel(PARTS_IN_FLIGHT);
            let live = Arc::clone(&self.0);
            self.0.runtime.spawn(async move {
                if let Err(error) = live.source.copy_large_objects(id, place, &parts).await {
                    live.failed(error);
                }
            });
            ObjectStream::new(arriving, place)
        }))
    }

    fn data_size(&self, entry: &TocEntry) -> u64 {
        self.0.source.size(entry.dump_id)
    }

    fn path(&self) -> &Path {
        &self.0.shown
    }

    fn data_name(&self, entry: &TocEntry) -> String {
        entry.describe()
    }

    fn stored_data(&self, _entry: &TocEntry) -> Result<Option<StoredData>> {
        Ok(None)
    }

    fn stored_large_object(&self, _object: &LargeObjectFile) -> Result<Option<StoredData>> {
        Ok(None)
    }

    fn money_locale(&self) -> Option<&str> {
        self.0.source.setting("lc_monetary")
    }

    fn check_container(&self) -> Result<ContainerChecked> {
        Ok(ContainerChecked::default())
    }
}

/// Makes an entry load its rows in binary form; tells whether that is possible.
fn load_as_binary(entries: &mut [TocEntry], id: DumpId) -> bool {
    let Some(entry) = entries.iter_mut().find(|entry| entry.dump_id == id) else { return false };
    // Rows that go through the root of a table may meet another column order there.
    let statement = match partition_root(entry) {
        Some(_) => None,
        None => entry.copy_statement.as_deref().and_then(binary_copy_statement),
    };
    let possible = statement.is_some();
    entry.copy_statement = statement.or(entry.copy_statement.take());
    possible
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
