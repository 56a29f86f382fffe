//! One run at a time works on the backups of a database.
//!
//! The lock is one of the system, which ends with its process, whatever ends that: a lock that nobody holds is
//! never in the way, and what clocks say does not matter. What the file says is for people.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Repository, make_folder, storage};
use crate::error::{Error, ErrorKind, Result};

/// The file that is locked.
const LOCK_FILE: &str = ".lock";

/// What is longer was not written here.
const NOTE_BYTES_MAX: u64 = 4096;

/// Who works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Worker {
    /// What the run does, such as `backup`.
    pub verb: String,
    /// The machine.
    pub host: String,
    /// The process.
    pub pid: u32,
    /// Since when.
    pub since: DateTime<Utc>,
}

/// That nobody else works on the backups of a database, as long as this lives.
#[derive(Debug)]
pub struct DatabaseLock {
    _file: File,
}

impl Repository {
    /// Keeps everybody else from working on the backups of a database; its folder is made when it is not there.
    ///
    /// On a file system that knows no locks nobody is kept out.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Locked`] when another run works there, with its process, machine and age;
    /// [`ErrorKind::Storage`] when the file cannot be made.
    pub fn lock(&self, database: &str, worker: &Worker) -> Result<DatabaseLock> {
        let folder = self.database_folder(database);
        make_folder(&folder)?;
        let path = folder.join(LOCK_FILE);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(|error| storage("open", &path, error))?;
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            return Err(held(database, &path, worker.since));
        }
        let note = serde_json::to_string(worker).unwrap_or_default();
        // A note that cannot be written takes nothing away from the lock.
        let _ = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(note.as_bytes()));
        Ok(DatabaseLock { _file: file })
    }
}

fn held(database: &str, path: &Path, now: DateTime<Utc>) -> Error {
    let mut note = String::new();
    let read = File::open(path)
        .and_then(|file| file.take(NOTE_BYTES_MAX).read_to_string(&mut note))
        .ok()
        .and_then(|_| serde_json::from_str::<Worker>(&note).ok());
    let who = match read {
        Some(worker) => {
            let seconds = (now - worker.since).num_seconds().max(0);
            let Worker { verb, host, pid, .. } = worker;
            format!("\"pgark {verb}\", process {pid} on {host}, for {seconds} s")
        }
        None => "another run".to_owned(),
    };
    Error::new(
        ErrorKind::Locked,
        format!("the backups of database \"{database}\" are being worked on: {who}"),
    )
    .with_hint("wait for the other run to end; a run that was killed holds nothing")
}
