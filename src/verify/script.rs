//! Whether a plain script is whole: its checksum, its compression, its last line.
//!
//! Nothing in a script counts its rows, so less can be proved than of an archive. What can: that the file
//! is the one a checksum beside it was made of, that all of it decompresses, that every statement, literal
//! and COPY in it has an end, and that the program that wrote it came to its closing comment.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use crate::archive::script_reader::{
    ClientEncoding, Ending, Piece, ScriptError, ScriptSource, Splitter, Statement,
};
use crate::codec::{HashingReader, Sha256Digest};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::progress::{Interrupt, ProgressHandle};

use super::{Depth, Finding, VerifyReport};

/// 256 KiB, as when the script is run.
const CHUNK_BYTES: usize = 256 * 1024;

/// Checks a script; blocks.
///
/// # Errors
///
/// [`ErrorKind::Interrupted`], [`ErrorKind::Storage`] when files cannot be read. Damage is a finding.
pub(super) fn check(
    mut source: ScriptSource,
    path: &Path,
    depth: Depth,
    progress: &ProgressHandle,
    interrupt: &Interrupt,
) -> Result<VerifyReport> {
    let mut report = VerifyReport::default();
    match recorded_digest(path)? {
        Some((sums, recorded)) => {
            compare_digest(path, &sums, recorded, &mut report, progress, interrupt)?;
        }
        None => report.notes.push(Finding::new(
            "checksums",
            "there is no file with a checksum beside the script: only what the script itself tells was checked",
        )),
    }
    if depth == Depth::Full {
        let name = source.name().to_owned();
        progress.phase("reading the script", 0, source.stored_bytes());
        progress.started(&name, source.stored_bytes());
        let read = read_through(&mut source, &mut report, progress, interrupt);
        match read {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::Integrity => {
                report.findings.push(Finding::new(file(&name), described(&error)));
            }
            Err(error) => return Err(error),
        }
        progress.finished(&name);
    }
    Ok(report)
}

fn file(name: &str) -> String {
    format!("file {name}")
}

fn described(error: &Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// Reads the checksum that `pgark dump` and `sha256sum` leave beside a file.
fn recorded_digest(path: &Path) -> Result<Option<(PathBuf, Sha256Digest)>> {
    /// A digest, a name of the file system's longest, and what is between them.
    const LONGEST: u64 = 8192;
    let mut sums = path.as_os_str().to_owned();
    sums.push(".sha256");
    let sums = PathBuf::from(sums);
    let unreadable = || format!("could not read \"{}\"", sums.display());
    let file = match File::open(&sums) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.context(ErrorKind::Storage, unreadable)?,
    };
    let mut text = String::new();
    file.take(LONGEST).read_to_string(&mut text).context(ErrorKind::Storage, unreadable)?;
    let digest = text.get(..64).unwrap_or_default().parse();
    let digest = digest.context(ErrorKind::Archive, || {
        format!("\"{}\" does not begin with a checksum", sums.display())
    })?;
    Ok(Some((sums, digest)))
}

fn compare_digest(
    path: &Path,
    sums: &Path,
    recorded: Sha256Digest,
    report: &mut VerifyReport,
    progress: &ProgressHandle,
    interrupt: &Interrupt,
) -> Result<()> {
    let unreadable = || format!("could not read \"{}\"", path.display());
    let name = path.display().to_string();
    let file_size = std::fs::metadata(path).context(ErrorKind::Storage, unreadable)?.len();
    progress.phase("checking the checksum", 0, file_size);
    progress.started(&name, file_size);
    let mut reader = HashingReader::new(File::open(path).context(ErrorKind::Storage, unreadable)?);
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        interrupt.check()?;
        let count = reader.read(&mut buffer).context(ErrorKind::Storage, unreadable)?;
        if count == 0 {
            break;
        }
        report.stored_bytes += count as u64;
        progress.advanced(&name, count as u64, 0);
    }
    progress.finished(&name);
    if reader.finish().0 != recorded {
        let what = format!("does not have the checksum in \"{}\"", sums.display());
        report.findings.push(Finding::new(file(&name), what));
    }
    Ok(())
}

/// Decompresses the script and cuts it from its beginning to its end.
fn read_through(
    source: &mut ScriptSource,
    report: &mut VerifyReport,
    progress: &ProgressHandle,
    interrupt: &Interrupt,
) -> Result<()> {
    let passed = source.passed();
    let mut splitter = Splitter::default();
    let mut settings = Settings::default();
    let mut ending = Ending::default();
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut seen = 0;
    let name = source.name().to_owned();
    let cut = |error: ScriptError| {
        Error::new(ErrorKind::Integrity, "cannot be run to its end").with_source(error)
    };
    loop {
        match splitter.next_piece().map_err(cut)? {
            Piece::NeedMore => {
                interrupt.check()?;
                let count = source.read(&mut buffer)?;
                ending.see(&buffer[..count]);
                splitter.push(&buffer[..count]);
                if count < buffer.len() {
                    splitter.finish();
                }
                let now = passed.load(Ordering::Relaxed);
                progress.advanced(&name, now - seen, 0);
                seen = now;
                report.stored_bytes = now;
            }
            Piece::Statement(statement) => {
                report.data_entries += u64::from(statement.rows_follow);
                if settings.follow(&statement) {
                    splitter.settings(settings.standard_strings, settings.encoding);
                }
            }
            Piece::Rows(rows) => report.rows += memchr::memchr_iter(b'\n', &rows).count() as u64,
            Piece::End => break,
            Piece::EndOfRows(_) => {}
            Piece::Connect { .. } => {
                settings = Settings::default();
                splitter.settings(settings.standard_strings, settings.encoding);
            }
            Piece::Encoding { name, .. } => {
                settings.encoding = ClientEncoding::from_name(&name);
                splitter.settings(settings.standard_strings, settings.encoding);
            }
        }
    }
    if ending.is_missing() {
        return Err(Error::new(
            ErrorKind::Integrity,
            "was cut off: the closing comment of the program that wrote it is missing",
        ));
    }
    Ok(())
}

/// What a script says about how it is to be read, where no server follows it.
struct Settings {
    standard_strings: bool,
    encoding: ClientEncoding,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { standard_strings: true, encoding: ClientEncoding::default() }
    }
}

impl Settings {
    /// Takes over what a statement sets; tells whether anything changed.
    fn follow(&mut self, statement: &Statement) -> bool {
        if statement.rows_follow
            || !statement.text[..3.min(statement.text.len())].eq_ignore_ascii_case(b"set")
        {
            return false;
        }
        match statement.setting() {
            Some((name, value)) if name == "standard_conforming_strings" => {
                self.standard_strings = !matches!(value.as_str(), "off" | "false" | "no" | "0");
                true
            }
            Some((name, value)) if name == "client_encoding" => {
                self.encoding = ClientEncoding::from_name(&value);
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::script_reader::Opened;
    use crate::codec::sha256;
    use crate::progress::silent;

    const DUMP: &str = "--\n-- PostgreSQL database dump\n--\n\nSET standard_conforming_strings = off;\n\
        SELECT '\\';';\nCOPY t FROM stdin;\n1\n2\n\\.\n\n--\n-- PostgreSQL database dump complete\n--\n\n";

    /// Checks a script with the checksum of another, or its own.
    fn checked(script: &str, sums_of: Option<&str>) -> VerifyReport {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.sql");
        std::fs::write(&path, script).expect("written");
        if let Some(other) = sums_of {
            let text = format!("{}  x.sql\n", sha256(other.as_bytes()));
            std::fs::write(folder.path().join("x.sql.sha256"), text).expect("written");
        }
        let Ok(Opened::Script(source)) = ScriptSource::open(&path) else { panic!("no script") };
        check(source, &path, Depth::Full, &silent(), &Interrupt::default()).expect("checked")
    }

    #[test]
    fn a_whole_script_is_sound() {
        let report = checked(DUMP, Some(DUMP));
        assert!(report.is_sound() && report.notes.is_empty(), "{report:?}");
        assert_eq!((report.data_entries, report.rows), (1, 2));
        assert_eq!(report.stored_bytes, DUMP.len() as u64);
        assert_eq!(checked(DUMP, None).notes.len(), 1);
    }

    #[test]
    fn what_is_missing_or_different_is_found() {
        for length in [DUMP.len() - 30, DUMP.find("2\n").expect("a row"), 60] {
            assert_eq!(checked(&DUMP[..length], None).findings.len(), 1, "cut to {length}");
        }
        assert_eq!(checked(DUMP, Some("other")).findings.len(), 1);
    }
}
