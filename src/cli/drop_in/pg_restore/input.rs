//! The archive that `pg_restore` reads: a path, or standard input, and what is told when it is no archive.

use std::fs::File;
use std::io::{ErrorKind as IoErrorKind, Read};
use std::path::{Path, PathBuf};

use crate::archive::{self, ArchiveFormat};
use crate::cli::input::gather;
use crate::cli::world::World;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::sql::text;

/// What the beginning of a file must have to be judged (`ReadHead`).
const MAGIC_BYTES: usize = 5;

/// A block of a tar file.
const TAR_BLOCK: usize = 512;

/// An archive that is there to be read.
pub(super) struct Input {
    pub(super) path: PathBuf,
    /// A copy of what came through a pipe, which goes away with it.
    _copy: Option<File>,
}

impl Input {
    /// Finds the archive; what comes through a pipe is copied to a file, because entries are read in any
    /// order.
    pub(super) fn find(name: Option<&str>, world: &World) -> Result<Input> {
        let path = name.map(text::path);
        let is_pipe = |path: &PathBuf| {
            std::fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir())
        };
        let folder = &world.temporary_directory;
        let (path, copy) = match path {
            Some(path) if !is_pipe(&path) => (path, None),
            Some(path) => {
                let failed = || format!("could not open input file \"{}\"", path.display());
                let pipe = File::open(&path).context(ErrorKind::Storage, failed)?;
                let (file, path) = gather(pipe, folder, &|| Ok(()))?;
                (path, Some(file))
            }
            None => {
                let (file, path) = gather(std::io::stdin().lock(), folder, &|| Ok(()))?;
                (path, Some(file))
            }
        };
        let input = Input { path, _copy: copy };
        look(&input.path)?;
        Ok(input)
    }

    /// Returns the container of the archive, which must be the one asked for.
    pub(super) fn check_format(&self, asked: Option<ArchiveFormat>) -> Result<ArchiveFormat> {
        let found = archive::open(&self.path)?.header().format;
        match asked {
            Some(asked) if asked != found => Err(Error::new(
                ErrorKind::Archive,
                format!(
                    "the archive is in {} format, not {}",
                    found.name().to_ascii_lowercase(),
                    asked.name().to_ascii_lowercase()
                ),
            )),
            _ => Ok(found),
        }
    }
}

/// Says what stock pg_restore says about something that is no archive at first sight.
fn look(path: &Path) -> Result<()> {
    let shown = path.display();
    let refused = |message: String| Err(Error::new(ErrorKind::Archive, message));
    let metadata = match std::fs::metadata(path) {
        Err(error) if error.kind() == IoErrorKind::NotFound => {
            let message =
                format!("could not open input file \"{shown}\": No such file or directory");
            return Err(Error::new(ErrorKind::NotFound, message));
        }
        metadata => metadata
            .context(ErrorKind::Storage, || format!("could not open input file \"{shown}\""))?,
    };
    if metadata.is_dir() {
        let has_toc = ["toc.dat", "toc.dat.gz", "toc.dat.lz4", "toc.dat.zst"]
            .iter()
            .any(|name| path.join(name).exists());
        return match has_toc {
            true => Ok(()),
            false => refused(format!(
                "directory \"{shown}\" does not appear to be a valid archive (\"toc.dat\" does not exist)"
            )),
        };
    }
    let mut head = Vec::new();
    File::open(path)
        .and_then(|file| file.take(TAR_BLOCK as u64).read_to_end(&mut head))
        .context(ErrorKind::Storage, || format!("could not open input file \"{shown}\""))?;
    if head.len() < MAGIC_BYTES {
        let read = head.len();
        return refused(format!("input file is too short (read {read}, expected {MAGIC_BYTES})"));
    }
    if head.starts_with(b"PGDMP") {
        return Ok(());
    }
    let texts = ["database dump", "database cluster dump"];
    if texts
        .iter()
        .any(|text| head.starts_with(format!("--\n-- PostgreSQL {text}\n--\n\n").as_bytes()))
    {
        return refused("input file appears to be a text format dump. Please use psql.".to_owned());
    }
    if head.len() < TAR_BLOCK {
        return refused("input file does not appear to be a valid archive (too short?)".to_owned());
    }
    if head.get(257..262) != Some(b"ustar") {
        return refused("input file does not appear to be a valid tar archive".to_owned());
    }
    Ok(())
}
