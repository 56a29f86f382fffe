//! A folder in the making, on disk or in a bucket; it counts when it is complete.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::bucket::{SharedUpload, StagedObjects};
use super::content::{Content, FileContent};
use super::{Durability, Location, StagedDirectory, storage};
use crate::error::{Error, ErrorKind, Result};

/// A folder in the making. Dropping it leaves nothing.
#[derive(Debug)]
pub struct NewFolder {
    place: Place,
    /// The file whose presence makes the folder what it is.
    last: String,
}

#[derive(Debug)]
enum Place {
    Disk(StagedDirectory),
    Bucket(StagedObjects),
}

/// What a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// It tells what the others are, and is read first and often: never in cold storage.
    Head,
    /// It is read when its content is wanted.
    Data,
}

/// A file in the making.
#[derive(Debug)]
pub enum NewFile {
    /// On disk.
    Disk(File),
    /// An object of a bucket.
    Object(ObjectFile),
}

/// An object in the making.
#[derive(Debug)]
pub struct ObjectFile(SharedUpload);

impl NewFolder {
    /// Begins a folder; the file `last` is the one that appears last.
    ///
    /// # Errors
    ///
    /// Those of [`StagedDirectory::create`]; in a bucket [`ErrorKind::Refused`] when something is under the
    /// prefix, [`ErrorKind::Storage`] when it does not answer.
    pub fn create(location: &Location, last: &str, durability: Durability) -> Result<Self> {
        let place = match location {
            Location::Path(path) => {
                Place::Disk(StagedDirectory::create(path)?.with_durability(durability))
            }
            Location::Object(place) => Place::Bucket(StagedObjects::create(place, last)?),
        };
        Ok(NewFolder { place, last: last.to_owned() })
    }

    /// Begins a file that is not there yet.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Storage`] when it cannot be created.
    pub fn file(&self, name: &str, kind: FileKind) -> Result<NewFile> {
        self.open(name, kind, OpenOptions::new().read(true).write(true).create_new(true))
    }

    /// Begins a file that an attempt which was given up may have left.
    ///
    /// # Errors
    ///
    /// As [`NewFolder::file`].
    pub fn file_again(&self, name: &str) -> Result<NewFile> {
        self.open(name, FileKind::Data, OpenOptions::new().write(true).create(true).truncate(true))
    }

    fn open(&self, name: &str, kind: FileKind, options: &OpenOptions) -> Result<NewFile> {
        match &self.place {
            Place::Disk(staged) => match options.open(staged.path().join(name)) {
                Ok(file) => Ok(NewFile::Disk(file)),
                Err(error) => Err(storage(&self.shown(name), "create", error)),
            },
            Place::Bucket(objects) => Ok(NewFile::Object(ObjectFile(objects.file(name, kind)?))),
        }
    }

    /// Completes a file.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Storage`] when a bucket does not take it.
    pub fn keep(&self, name: &str, file: NewFile) -> Result<()> {
        match (&self.place, file) {
            (Place::Bucket(objects), NewFile::Object(ObjectFile(upload))) => {
                objects.keep(name, upload)
            }
            // What is on disk is where it belongs; it is made durable with the folder.
            _ => Ok(()),
        }
    }

    /// Opens a file that is complete.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Storage`] when it cannot be read.
    pub fn content(&self, name: &str) -> Result<Arc<dyn Content>> {
        match &self.place {
            Place::Disk(staged) => {
                match File::open(staged.path().join(name)).and_then(FileContent::new) {
                    Ok(content) => Ok(Arc::new(content)),
                    Err(error) => Err(storage(&self.shown(name), "read", error)),
                }
            }
            Place::Bucket(objects) => objects.content(name),
        }
    }

    /// Returns where a file will be, for messages.
    pub fn shown(&self, name: &str) -> PathBuf {
        match &self.place {
            Place::Disk(staged) => staged.final_path().join(name),
            Place::Bucket(objects) => objects.shown().join(name),
        }
    }

    /// Returns where files may wait that will be part of others, if that can be here.
    pub fn spool_folder(&self) -> Option<&Path> {
        match &self.place {
            Place::Disk(staged) => Some(staged.path()),
            Place::Bucket(_) => None,
        }
    }

    /// Makes everything durable, then makes the folder appear.
    ///
    /// # Errors
    ///
    /// Those of [`StagedDirectory::commit`]; in a bucket [`ErrorKind::Storage`].
    pub fn commit(&self) -> Result<()> {
        match &self.place {
            Place::Disk(staged) => staged.appear(&self.last),
            Place::Bucket(objects) => objects.commit(),
        }
    }

    /// Removes everything now, unless the folder has appeared; who still writes to it fails.
    pub fn give_up(&self) {
        match &self.place {
            Place::Disk(staged) => staged.give_up(),
            Place::Bucket(objects) => objects.give_up(),
        }
    }
}

impl NewFile {
    /// Forgets what was written.
    ///
    /// # Errors
    ///
    /// When the disk fails.
    pub fn restart(&mut self) -> io::Result<()> {
        match self {
            NewFile::Disk(file) => {
                file.set_len(0)?;
                file.rewind()
            }
            NewFile::Object(ObjectFile(upload)) => {
                upload.lock().restart();
                Ok(())
            }
        }
    }

    /// Returns the file that is on disk.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Internal`] when it is none.
    pub fn on_disk(self) -> Result<File> {
        match self {
            NewFile::Disk(file) => Ok(file),
            NewFile::Object(_) => Err(Error::new(ErrorKind::Internal, "an object is no file")),
        }
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            NewFile::Disk(file) => file.write(bytes),
            NewFile::Object(ObjectFile(upload)) => upload.lock().write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            NewFile::Disk(file) => file.flush(),
            NewFile::Object(ObjectFile(upload)) => upload.lock().flush(),
        }
    }
}
