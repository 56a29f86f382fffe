//! What is in a repository: backups, what happened to them, and what cannot be read.
//!
//! A backup counts once, in the folder of its database. A copy of that folder, or a link to it under another name,
//! would make one backup look like two, of which one can go.

use std::collections::{HashMap, HashSet};
use std::fs::ReadDir;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{HISTORY_FOLDER, RECORD_FILE, Repository, StoredBackup, storage};
use crate::error::{Error, ErrorKind, Result, with_causes};
use crate::vault::event::{EVENT_VERSION, Event};
use crate::vault::id::BackupId;
use crate::vault::lineage::{Line, Lineage};
use crate::vault::record::{BackupRecord, RECORD_VERSION};
use crate::vault::sealed::read_sealed;

/// What is in a repository.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Listing {
    /// The backups, the newest first.
    pub backups: Vec<StoredBackup>,
    /// What has the name of a backup and cannot be read as one.
    pub unreadable: Vec<Unreadable>,
}

/// Something that has the name of a backup, or of an event, and cannot be read as one.
#[derive(Debug, Clone, Serialize)]
pub struct Unreadable {
    /// What it is.
    pub part: Part,
    /// Where it is.
    pub path: PathBuf,
    /// The backup that it should be, or be about.
    pub id: BackupId,
    /// What is wrong with it.
    pub what: String,
}

/// What cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// A backup.
    Backup,
    /// What happened to one.
    Event,
}

/// What a file system of its own has at its root, for the administrator only.
const LOST_AND_FOUND: &str = "lost+found";

impl Repository {
    /// Reads what is there, of one database or of all.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Storage`] when a folder cannot be read. What is wrong with one backup is part of the answer.
    pub fn list(&self, database: Option<&str>) -> Result<Listing> {
        let mut folders: Vec<PathBuf> = match database {
            Some(name) => vec![self.database_folder(name)],
            None => names(self.folder())?
                .filter(|name| name != LOST_AND_FOUND)
                .map(|name| self.folder().join(name))
                .collect(),
        };
        folders.sort();
        let mut listing = Listing::default();
        for folder in folders.iter().filter(|folder| folder.is_dir()) {
            list_folder(folder, &mut listing)?;
        }
        if let Some(name) = database {
            // A file system that knows no case has the backups of "shop" and "Shop" in one folder.
            listing.backups.retain(|backup| backup.database() == name);
        }
        listing.backups.sort_by(|one, other| other.id().cmp(one.id()));
        listing.set_copies_apart();
        Ok(listing)
    }

    /// Reads the events of one backup, the oldest first; those that cannot be read are left out.
    ///
    /// # Errors
    ///
    /// As [`Repository::list`].
    pub(super) fn events_of(&self, database: &str, id: &BackupId) -> Result<Vec<Event>> {
        let found = read_events(&self.database_folder(database), Some(id), &mut Vec::new())?;
        Ok(found.into_values().next().unwrap_or_default())
    }
}

impl Listing {
    /// Returns the backups of the same database and server as one of them, with the same left out.
    pub fn line_of(&self, backup: &StoredBackup) -> Line<'_> {
        Line::one(&self.backups, &Lineage::of(&backup.record))
    }

    /// Puts what is there a second time among what cannot be used.
    fn set_copies_apart(&mut self) {
        let mut seen = HashSet::new();
        for backup in std::mem::take(&mut self.backups) {
            if seen.insert(backup.id().clone()) {
                self.backups.push(backup);
            } else {
                self.unreadable.push(Unreadable {
                    part: Part::Backup,
                    id: backup.id().clone(),
                    path: backup.folder,
                    what: "a backup of this name is in another folder too".to_owned(),
                });
            }
        }
    }
}

fn list_folder(folder: &Path, listing: &mut Listing) -> Result<()> {
    let mut broken_events = Vec::new();
    let mut events = read_events(folder, None, &mut broken_events)?;
    let mut unreadable_events: HashMap<BackupId, usize> = HashMap::new();
    for broken in &broken_events {
        *unreadable_events.entry(broken.id.clone()).or_default() += 1;
    }
    listing.unreadable.append(&mut broken_events);
    for name in names(folder)? {
        let Ok(id) = name.parse::<BackupId>() else { continue };
        let place = folder.join(&name);
        match read_backup(&place, &id) {
            Ok(record) => listing.backups.push(StoredBackup {
                record,
                folder: place,
                events: events.remove(&id).unwrap_or_default(),
                unreadable_events: unreadable_events.remove(&id).unwrap_or_default(),
            }),
            Err(error) => listing.unreadable.push(Unreadable {
                part: Part::Backup,
                path: place,
                id,
                what: with_causes(&error),
            }),
        }
    }
    Ok(())
}

fn read_backup(folder: &Path, id: &BackupId) -> Result<BackupRecord> {
    let misplaced = |what: String| Error::new(ErrorKind::Integrity, what);
    let parent = folder.parent().and_then(Path::file_name).unwrap_or_default();
    // A file system that knows no case may have it in the folder of "Shop".
    if !parent.eq_ignore_ascii_case(id.database_folder()) {
        let place = id.database_folder();
        return Err(misplaced(format!("it is a copy, or misplaced: its folder is \"{place}\"")));
    }
    let record: BackupRecord = read_sealed(&folder.join(RECORD_FILE), RECORD_VERSION)?;
    if record.id != *id {
        return Err(misplaced(format!("its {RECORD_FILE} is that of {}", record.id)));
    }
    Ok(record)
}

/// Reads the events of a database or of one backup, the oldest first.
fn read_events(
    folder: &Path,
    wanted: Option<&BackupId>,
    unreadable: &mut Vec<Unreadable>,
) -> Result<HashMap<BackupId, Vec<Event>>> {
    let folder = folder.join(HISTORY_FOLDER);
    let mut events: HashMap<BackupId, Vec<Event>> = HashMap::new();
    if !folder.is_dir() {
        return Ok(events);
    }
    for name in names(&folder)? {
        let Some(id) = name.split('.').next().and_then(|id| id.parse::<BackupId>().ok()) else {
            continue;
        };
        if wanted.is_some_and(|wanted| *wanted != id) {
            continue;
        }
        let path = folder.join(&name);
        let read =
            read_sealed::<Event>(&path, EVENT_VERSION).and_then(|event| match event.id == id {
                true => Ok(event),
                false => Err(Error::new(ErrorKind::Integrity, format!("it is about {}", event.id))),
            });
        match read {
            Ok(event) => events.entry(id).or_default().push(event),
            Err(error) => {
                let what = with_causes(&error);
                unreadable.push(Unreadable { part: Part::Event, path, id, what });
            }
        }
    }
    for events in events.values_mut() {
        events.sort_by_key(|event| event.at);
    }
    Ok(events)
}

/// Returns the names in a folder; those that are no text are nothing of ours.
fn names(folder: &Path) -> Result<impl Iterator<Item = String>> {
    let listing: ReadDir =
        std::fs::read_dir(folder).map_err(|error| storage("list", folder, error))?;
    let items: Vec<_> =
        listing.collect::<std::io::Result<_>>().map_err(|error| storage("list", folder, error))?;
    Ok(items.into_iter().filter_map(|item: std::fs::DirEntry| item.file_name().into_string().ok()))
}
