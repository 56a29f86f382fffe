//! The bytes of a script: a file or standard input, decompressed when its first bytes say so.
//!
//! The name of a file is not asked: `dump.sql.gz` may have been unpacked by whoever moved it.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};

use crate::archive::Manifest;
use crate::archive::header::DUMPER;
use crate::archive::single_file::Beside;
use crate::codec::{Algorithm, Sha256Digest, decoder};
use crate::error::{Error, ErrorKind, Result};

/// As many bytes tell what a file is: the mark of a tar file ends at 262.
const HEAD_BYTES: u64 = 512;

/// The path that means standard input.
const STANDARD_INPUT: &str = "-";

/// What is at a path.
pub enum Opened {
    /// A script.
    Script(ScriptSource),
    /// A directory, or a file in one of the formats of archives.
    Archive,
    /// An archive that comes through a pipe, to be gathered before it can be read.
    Stream(Box<dyn Read + Send>),
}

/// What was written beside a script when it was made.
#[derive(Debug, Default)]
pub struct ScriptProof {
    /// What the script holds.
    pub manifest: Option<Box<Manifest>>,
    /// The checksum of the file.
    pub checksum: Option<Sha256Digest>,
}

impl ScriptProof {
    /// Reads what lies beside the script at a path.
    fn beside(path: &Path) -> Result<Self> {
        let beside = Beside::of(path);
        let refused = |error: Error, file: &PathBuf| {
            error.context(format!("\"{}\" cannot be used as a proof", file.display())).with_hint(
                "a script without a manifest and a checksum beside it is taken as it is: move them away if you know why they do not fit",
            )
        };
        let manifest = beside.read_manifest();
        let manifest = manifest.map_err(|error| refused(error, &beside.manifest))?;
        Ok(ScriptProof {
            manifest: manifest.map(Box::new),
            checksum: beside.read_checksum().map_err(|error| refused(error, &beside.checksum))?,
        })
    }

    /// Tells whether there is anything to compare the file with.
    pub fn has_checksum(&self) -> bool {
        self.recorded().next().is_some()
    }

    /// Compares the checksum of the file called `name` with those that were recorded.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Integrity`] when one differs.
    pub fn check(&self, found: Sha256Digest, name: &str) -> Result<()> {
        match self.recorded().all(|recorded| recorded == found) {
            true => Ok(()),
            false => Err(Error::new(
                ErrorKind::Integrity,
                format!("\"{name}\" does not have the checksum that was written beside it"),
            )
            .with_hint(
                "it is damaged, or was changed on purpose: then move what lies beside it away",
            )),
        }
    }

    fn recorded(&self) -> impl Iterator<Item = Sha256Digest> {
        let manifest = self.manifest.as_ref();
        self.checksum.into_iter().chain(manifest.and_then(|manifest| manifest.archive_sha256))
    }
}

/// The text of a script, to be read from its beginning to its end once.
pub struct ScriptSource {
    name: String,
    stored_bytes: u64,
    passed: Arc<AtomicU64>,
    algorithm: Algorithm,
    text: Box<dyn Read + Send>,
    proof: ScriptProof,
    /// The hash of what has been read, when there is something to compare it with.
    hasher: Option<Arc<Mutex<Sha256>>>,
    promises_manifest: bool,
}

impl ScriptSource {
    /// Opens what is at a path; `-` is standard input.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] when nothing is there, [`ErrorKind::Storage`] when it cannot be read,
    /// [`ErrorKind::Integrity`] when its compressed beginning is damaged, and [`ErrorKind::Archive`] when
    /// it is neither script nor archive.
    pub fn open(path: &Path) -> Result<Opened> {
        if path.as_os_str() == STANDARD_INPUT {
            return ScriptSource::of_stream("standard input".to_owned(), Box::new(io::stdin()));
        }
        let name = path.display().to_string();
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => {
                Error::new(ErrorKind::NotFound, format!("\"{name}\" does not exist"))
            }
            _ => Error::new(ErrorKind::Storage, format!("could not open \"{name}\""))
                .with_source(error),
        };
        let metadata = std::fs::metadata(path).map_err(failed)?;
        if metadata.is_dir() {
            return Ok(Opened::Archive);
        }
        let file = File::open(path).map_err(failed)?;
        if !metadata.is_file() {
            return ScriptSource::of_stream(name, Box::new(file));
        }
        ScriptSource::of(name, metadata.len(), Box::new(file), Some(path))
    }

    /// Looks at what comes through a pipe, which can be read once.
    ///
    /// # Errors
    ///
    /// Those of [`ScriptSource::open`].
    pub fn of_stream(name: String, input: Box<dyn Read + Send>) -> Result<Opened> {
        let (head, input) = look(input).map_err(|error| unreadable(&name, error))?;
        match is_archive(&head) {
            true => Ok(Opened::Stream(Box::new(input))),
            false => ScriptSource::of(name, 0, Box::new(input), None),
        }
    }

    /// Looks at the first bytes of a stream, and for a script at what lies beside it.
    fn of(
        name: String,
        stored_bytes: u64,
        input: Box<dyn Read + Send>,
        path: Option<&Path>,
    ) -> Result<Opened> {
        let (head, input) = look(input).map_err(|error| unreadable(&name, error))?;
        if is_archive(&head) {
            return Ok(Opened::Archive);
        }
        let proof = path.map(ScriptProof::beside).transpose()?.unwrap_or_default();
        let hasher = proof.has_checksum().then(|| Arc::new(Mutex::new(Sha256::new())));
        let passed = Arc::new(AtomicU64::new(0));
        let input = Passing { input, passed: Arc::clone(&passed), hasher: hasher.clone() };
        let algorithm = Algorithm::from_first_bytes(&head);
        let (head, text) = match algorithm {
            Algorithm::None => (head, Box::new(input) as Box<dyn Read + Send>),
            packed => {
                let (head, text) =
                    look(decoder(packed, input)).map_err(|error| unreadable(&name, error))?;
                (head, Box::new(text) as Box<dyn Read + Send>)
            }
        };
        if is_archive(&head) {
            return Err(Error::new(
                ErrorKind::Archive,
                format!("\"{name}\" is an archive inside of a file compressed with {algorithm}"),
            )
            .with_hint("decompress it first; archives are compressed inside"));
        }
        if head.is_empty() {
            return Err(Error::new(ErrorKind::Archive, format!("\"{name}\" is empty"))
                .with_hint("the program that should have written it has failed, most likely"));
        }
        // UTF-16 holds zero bytes too, and whoever cuts the text into statements says that it is that.
        if memchr::memchr(0, &head).is_some() && !is_utf16(&head) {
            return Err(Error::new(
                ErrorKind::Archive,
                format!("\"{name}\" is neither a PostgreSQL archive nor a script"),
            ));
        }
        let promises_manifest = names_pgark(&head);
        Ok(Opened::Script(ScriptSource {
            name,
            stored_bytes,
            passed,
            algorithm,
            text,
            proof,
            hasher,
            promises_manifest,
        }))
    }

    /// Returns what lies beside the script in the way of proof.
    pub fn proof(&self) -> &ScriptProof {
        &self.proof
    }

    /// Tells whether the script says that pgark made it, so that there was a manifest.
    pub fn promises_manifest(&self) -> bool {
        self.promises_manifest
    }

    /// Compares the checksum of what was read, at the end of the script, with those beside it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Integrity`] when they differ.
    pub fn check_checksum(&self) -> Result<()> {
        let Some(hasher) = &self.hasher else { return Ok(()) };
        let hasher = hasher.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.proof.check(Sha256Digest(hasher.finalize().into()), &self.name)
    }

    /// Returns what to call it in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns how many bytes are stored, 0 when that is not known.
    pub fn stored_bytes(&self) -> u64 {
        self.stored_bytes
    }

    /// Returns a counter of the stored bytes that have been read.
    pub fn passed(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.passed)
    }

    /// Returns how the script is compressed.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Fills `buffer` as far as there is text; fewer bytes than that are the last.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Integrity`] when the stored bytes are damaged or cut off, [`ErrorKind::Storage`] when
    /// they cannot be read.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.text.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(unreadable(&self.name, error)),
            }
        }
        Ok(filled)
    }
}

fn unreadable(name: &str, error: io::Error) -> Error {
    use io::ErrorKind::{InvalidData, InvalidInput, Other, UnexpectedEof};
    match error.kind() {
        // What the codecs say about damage.
        InvalidData | InvalidInput | Other | UnexpectedEof => {
            Error::new(ErrorKind::Integrity, format!("could not decompress \"{name}\""))
                .with_source(error)
        }
        _ => {
            Error::new(ErrorKind::Storage, format!("could not read \"{name}\"")).with_source(error)
        }
    }
}

/// A stream whose first bytes have been read.
type Seen<R> = io::Chain<Cursor<Vec<u8>>, R>;

/// Returns the first bytes, and the stream with them still in it.
fn look<R: Read>(mut input: R) -> io::Result<(Vec<u8>, Seen<R>)> {
    let mut head = Vec::new();
    input.by_ref().take(HEAD_BYTES).read_to_end(&mut head)?;
    Ok((head.clone(), Cursor::new(head).chain(input)))
}

fn is_archive(head: &[u8]) -> bool {
    head.starts_with(b"PGDMP") || head.get(257..262) == Some(b"ustar")
}

fn is_utf16(head: &[u8]) -> bool {
    head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff")
}

/// Tells whether the beginning of a script names pgark, under its own name, as what made it.
fn names_pgark(head: &[u8]) -> bool {
    let mark = format!("\n-- Dumped by pg_dump version {}", DUMPER);
    memchr::memmem::find(head, mark.as_bytes()).is_some()
}

/// A reader that counts, and hashes.
struct Passing<R> {
    input: R,
    passed: Arc<AtomicU64>,
    hasher: Option<Arc<Mutex<Sha256>>>,
}

impl<R: Read> Read for Passing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        self.passed.fetch_add(count as u64, Ordering::Relaxed);
        if let Some(hasher) = &self.hasher {
            hasher.lock().unwrap_or_else(PoisonError::into_inner).update(&buffer[..count]);
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Compression, encode_block};

    fn open(bytes: &[u8]) -> Result<Opened> {
        let bytes = bytes.to_vec();
        ScriptSource::of("x.sql".into(), bytes.len() as u64, Box::new(Cursor::new(bytes)), None)
    }

    fn text(bytes: &[u8]) -> String {
        let Ok(Opened::Script(mut source)) = open(bytes) else { panic!("no script") };
        let mut buffer = vec![0; 4096];
        let count = source.read(&mut buffer).expect("readable");
        assert_eq!(source.passed().load(Ordering::Relaxed), bytes.len() as u64);
        String::from_utf8_lossy(&buffer[..count]).into_owned()
    }

    #[test]
    fn scripts_are_read_however_they_are_compressed() {
        let script = "SELECT 1;\n".repeat(100);
        for algorithm in Algorithm::ALL {
            let packed =
                encode_block(&Compression::new(algorithm), script.as_bytes()).expect("compresses");
            assert_eq!(text(&packed), script, "{algorithm}");
        }
        assert_eq!(open(b"").err().map(|error| error.kind()), Some(ErrorKind::Archive));
    }

    #[test]
    fn archives_and_other_files_are_told_apart() {
        assert!(matches!(open(b"PGDMP\x01\x0e\x00"), Ok(Opened::Archive)));
        let mut tar = vec![0; 512];
        tar[257..262].copy_from_slice(b"ustar");
        assert!(matches!(open(&tar), Ok(Opened::Archive)));
        let gzip = Compression::new(Algorithm::Gzip);
        for strange in
            [encode_block(&gzip, b"PGDMP\x01").expect("compresses"), b"\x7fELF\0\0\0".to_vec()]
        {
            let error = open(&strange).err().expect("no script");
            assert_eq!(error.kind(), ErrorKind::Archive);
        }
        let cut = &encode_block(&gzip, b"SELECT 1;").expect("compresses")[..12];
        assert_eq!(open(cut).err().map(|error| error.kind()), Some(ErrorKind::Integrity));
    }
}
