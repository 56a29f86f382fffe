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

/// Where its checksum lies.
const TAR_CHECKSUM: std::ops::Range<usize> = 148..156;

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
            Some(asked) if asked != found => {
                Err(Error::new(ErrorKind::Archive, self.mismatch(asked, found)))
            }
            _ => Ok(found),
        }
    }

    /// Returns what is told where the archive is of another format than `-F` says.
    fn mismatch(&self, asked: ArchiveFormat, found: ArchiveFormat) -> String {
        match (asked, found) {
            (_, ArchiveFormat::Directory) => {
                "could not read from input file: Is a directory".to_owned()
            }
            (ArchiveFormat::Directory, _) => {
                let shown = self.path.display();
                format!("could not open input file \"{shown}/toc.dat\": Not a directory")
            }
            (ArchiveFormat::Tar, _) => self.corrupt_tar_header(),
            _ => "did not find magic string in file header".to_owned(),
        }
    }

    /// Returns what pg_restore says of a file that has no header of a tar archive.
    fn corrupt_tar_header(&self) -> String {
        let mut block = Vec::new();
        // It was read before.
        let _ = File::open(&self.path)
            .and_then(|file| file.take(TAR_BLOCK as u64).read_to_end(&mut block));
        block.resize(TAR_BLOCK, 0);
        let name: Vec<u8> = block[..100].iter().copied().take_while(|&byte| byte != 0).collect();
        let digits = block[TAR_CHECKSUM].iter().take_while(|byte| (b'0'..=b'7').contains(byte));
        let expected = digits.fold(0, |sum: u32, digit| sum * 8 + u32::from(digit - b'0'));
        // The checksum counts as blanks itself.
        let computed: u32 = block
            .iter()
            .enumerate()
            .map(|(at, &byte)| u32::from(if TAR_CHECKSUM.contains(&at) { b' ' } else { byte }))
            .sum();
        format!(
            "corrupt tar header found in {} (expected {expected}, computed {computed}) file position \
             {TAR_BLOCK}",
            text::decode(&name)
        )
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
