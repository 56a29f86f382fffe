//! What `restore`, `verify` and `inspect` read: a path, a bucket, a pipe or standard input.
//!
//! A script is read as it comes. The entries of an archive are read in any order and by several at once,
//! so one that comes through a pipe is gathered first, in a file without a name that nothing can leave
//! behind. A file that the shell opened (`< shop.dump`) is found under its name, with what lies beside it.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::location::location;
use super::world::World;
use crate::archive::script_reader::{Opened, ScriptSource};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::progress::Interrupt;
use crate::store::Location;
use crate::vault::Reading;

/// The path that means standard input.
pub(super) const STANDARD_INPUT: &str = "-";

/// As much as one read of a pipe gives.
const CHUNK_BYTES: usize = 1 << 16;

/// What is there to be read.
pub(super) enum Input {
    Script(ScriptSource, PathBuf),
    Archive(ArchiveInput),
}

/// An archive that is there to be read in any order.
#[derive(Debug)]
pub(super) struct ArchiveInput {
    pub(super) location: Location,
    /// What was gathered; it goes away with this.
    _gathered: Option<File>,
    /// A backup of a repository is not removed while it is read.
    _reading: Option<Reading>,
}

impl ArchiveInput {
    /// Returns the path, for verbs that do not read from buckets yet.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`] when it is in a bucket.
    pub(super) fn path(&self) -> Result<&Path> {
        self.location.path().ok_or_else(|| {
            let message =
                format!("\"{}\" is in a bucket, and this reads from disks only", self.location);
            Error::new(ErrorKind::Usage, message)
                .with_hint("load it into a database that exists: pgark restore -d NAME ARCHIVE")
        })
    }
}

impl Input {
    /// Finds out what is at a path.
    pub(super) async fn open(path: &Path, world: &World, interrupt: &Interrupt) -> Result<Input> {
        let bucket @ Location::Object(_) = location(path, world)? else {
            return Self::open_path(path, world, interrupt).await;
        };
        Ok(Input::Archive(ArchiveInput { location: bucket, _gathered: None, _reading: None }))
    }

    async fn open_path(path: &Path, world: &World, interrupt: &Interrupt) -> Result<Input> {
        let path = path.to_owned();
        let folder = world.temporary_directory.clone();
        let stop = interrupt.clone();
        // Opening a pipe waits for its other end, and reading it for as long as that likes.
        let opening = tokio::task::spawn_blocking(move || open(&path, &folder, &stop));
        tokio::select! {
            opened = opening => opened.map_err(|panic| {
                Error::new(ErrorKind::Internal, "could not open the input").with_source(panic)
            })?,
            () = interrupt.wait() => Err(Error::new(ErrorKind::Interrupted, "interrupted")),
        }
    }

    /// As [`Input::open`], for a verb that reads archives only.
    pub(super) async fn open_archive(
        path: &Path,
        world: &World,
        interrupt: &Interrupt,
    ) -> Result<ArchiveInput> {
        match Input::open(path, world, interrupt).await? {
            Input::Archive(archive) => Ok(archive),
            Input::Script(source, _) => Err(Error::new(
                ErrorKind::Archive,
                format!("\"{}\" is a plain script, which has no table of contents", source.name()),
            )),
        }
    }
}

fn open(path: &Path, folder: &Path, interrupt: &Interrupt) -> Result<Input> {
    let path = match path == Path::new(STANDARD_INPUT) {
        true => match standard_input()? {
            Some(path) => path,
            None => {
                let stdin = Box::new(io::stdin());
                let opened = ScriptSource::of_stream("standard input".to_owned(), stdin)?;
                return gathered(opened, path, folder, interrupt);
            }
        },
        // The folder of a backup stands for the archive in it.
        false => crate::vault::archive_in(path).unwrap_or_else(|| path.to_owned()),
    };
    // What is missing or no script is told by those who read archives.
    let opened = match std::fs::metadata(&path) {
        Ok(_) => ScriptSource::open(&path)?,
        Err(_) => Opened::Archive,
    };
    gathered(opened, &path, folder, interrupt)
}

fn gathered(opened: Opened, path: &Path, folder: &Path, interrupt: &Interrupt) -> Result<Input> {
    let (path, gathered) = match opened {
        Opened::Script(source) => return Ok(Input::Script(source, path.to_owned())),
        Opened::Archive => (path.to_owned(), None),
        Opened::Stream(input) => {
            let (file, path) = gather(input, folder, &|| interrupt.check())?;
            (path, Some(file))
        }
    };
    let reading = Reading::of(&path)?;
    Ok(Input::Archive(ArchiveInput {
        location: path.into(),
        _gathered: gathered,
        _reading: reading,
    }))
}

/// Returns the name of the file that is standard input, `None` when it is a pipe.
fn standard_input() -> Result<Option<PathBuf>> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        return Err(Error::new(
            ErrorKind::Usage,
            "no archive was named, and standard input is a terminal",
        )
        .with_hint("name an archive, or let one come in with < or |"));
    }
    let failed = || "could not look at standard input".to_owned();
    let descriptor = stdin.lock().as_raw_fd();
    let own = Path::new("/proc/self/fd").join(descriptor.to_string());
    let Ok(metadata) = std::fs::metadata(&own) else { return Ok(None) };
    if !metadata.is_file() && !metadata.is_dir() {
        return Ok(None);
    }
    // What somebody has read of it before is not meant.
    if metadata.is_file()
        && rustix::fs::tell(&stdin).map_err(io::Error::from).context(ErrorKind::Storage, failed)?
            > 0
    {
        return Ok(None);
    }
    // A file that was removed meanwhile has no name any more.
    let named = std::fs::canonicalize(&own).ok().filter(|path| {
        let same = |found: std::fs::Metadata| {
            (found.dev(), found.ino()) == (metadata.dev(), metadata.ino())
        };
        std::fs::metadata(path).is_ok_and(same)
    });
    Ok(Some(named.unwrap_or(own)))
}

/// Copies a stream into a file without a name, and returns that with a path that leads to it.
///
/// # Errors
///
/// [`ErrorKind::Storage`] when there is no room, and what `check` returns, which is asked now and then.
pub(super) fn gather(
    mut input: impl Read,
    folder: &Path,
    check: &dyn Fn() -> Result<()>,
) -> Result<(File, PathBuf)> {
    let failed =
        || format!("could not copy standard input to a temporary file in \"{}\"", folder.display());
    let mut file = tempfile::tempfile_in(folder).context(ErrorKind::Storage, failed)?;
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        check()?;
        let count = match input.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                let message = "could not read standard input";
                return Err(Error::new(ErrorKind::Storage, message).with_source(error));
            }
        };
        io::Write::write_all(&mut file, &buffer[..count]).map_err(|error| {
            Error::new(ErrorKind::Storage, failed())
                .with_source(error)
                .with_hint("TMPDIR names the folder; an archive from a pipe needs its room there")
        })?;
    }
    let path = Path::new("/proc/self/fd").join(file.as_raw_fd().to_string());
    Ok((file, path))
}
