//! Whether a plain script is whole: its checksum, its compression, its last line.
//!
//! Nothing in a script counts its rows, so less can be proved than of an archive. What can: that the file
//! is the one a checksum beside it was made of, that all of it decompresses, that every statement, literal
//! and COPY in it has an end, and that the program that wrote it came to its closing comment.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::atomic::Ordering;

use crate::archive::script_reader::{
    ClientEncoding, Ending, ExpectedRows, Piece, ScriptError, ScriptSource, Splitter, Statement,
};
use crate::codec::{HashingReader, RowHasher, Sha256Digest};
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
    let proof = source.proof();
    if source.promises_manifest() && proof.manifest.is_none() {
        report.findings.push(Finding::new(
            "manifest",
            "it is gone; the script was made by pgark, which writes one beside it",
        ));
    } else if !proof.has_checksum() {
        report.notes.push(Finding::new(
            "checksums",
            "there is none beside the script: only what the script itself tells was checked",
        ));
    }
    let mut expected = proof.manifest.as_deref().and_then(ExpectedRows::of);
    if depth == Depth::Quick && proof.has_checksum() {
        let digest = digest_of(path, &mut report, progress, interrupt)?;
        if proof.check(digest, source.name()).is_err() {
            report.findings.push(wrong_checksum(source.name()));
        }
    }
    if depth == Depth::Full {
        let name = source.name().to_owned();
        progress.phase("reading the script", 0, source.stored_bytes());
        progress.started(&name, source.stored_bytes());
        match read_through(&mut source, expected.as_mut(), &mut report, progress, interrupt) {
            Ok(()) if source.check_checksum().is_err() => {
                report.findings.push(wrong_checksum(&name));
            }
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

fn wrong_checksum(name: &str) -> Finding {
    Finding::new(file(name), "does not have the checksum that was written beside it")
}

fn described(error: &Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// Returns the checksum of the file.
fn digest_of(
    path: &Path,
    report: &mut VerifyReport,
    progress: &ProgressHandle,
    interrupt: &Interrupt,
) -> Result<Sha256Digest> {
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
        progress.advanced(&name, count as u64, 0);
    }
    progress.finished(&name);
    let (digest, bytes) = reader.finish();
    report.stored_bytes = bytes;
    Ok(digest)
}

/// Decompresses the script, cuts it from its beginning to its end and compares the rows of each COPY with
/// those that are expected.
///
/// A script of INSERT statements has none to compare; its checksum is its proof.
fn read_through(
    source: &mut ScriptSource,
    mut expected: Option<&mut ExpectedRows>,
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
    // The COPY whose rows pass.
    let mut copied: Option<(Statement, RowHasher)> = None;
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
                if statement.rows_follow {
                    report.data_entries += 1;
                    copied = Some((statement.clone(), RowHasher::new()));
                }
                if settings.follow(&statement) {
                    splitter.settings(settings.standard_strings, settings.encoding);
                }
            }
            Piece::Rows(chunk) => {
                if let Some((_, hasher)) = &mut copied {
                    hasher.feed(&chunk);
                }
            }
            Piece::End => break,
            Piece::EndOfRows(_) => {
                let Some((statement, hasher)) = copied.take() else { continue };
                let found = hasher.finish();
                report.rows += found.rows;
                if let Some(expected) = &mut expected
                    && let Err(why) = expected.see(&statement, found)
                {
                    let table = statement.copied_table().unwrap_or_default();
                    let line = statement.line;
                    report.findings.push(Finding::new(format!("table {table} (line {line})"), why));
                }
            }
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
    for table in expected.iter().flat_map(|expected| expected.missing()) {
        let what = "its rows are not in the script, and the manifest lists them";
        report.findings.push(Finding::new(format!("table {table}"), what));
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
    use crate::archive::{DataFileSummary, Manifest, ManifestData};
    use crate::codec::sha256;
    use crate::model::DumpId;
    use crate::progress::silent;

    const DUMP: &str = "--\n-- PostgreSQL database dump\n--\n\nSET standard_conforming_strings = off;\n\
        SELECT '\\';';\nCOPY t FROM stdin;\n1\n2\n\\.\n\n--\n-- PostgreSQL database dump complete\n--\n\n";

    /// Checks a script with the checksum of another, or its own.
    fn checked(script: &str, sums_of: Option<&str>) -> VerifyReport {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.sql");
        if let Some(other) = sums_of {
            let text = format!("{}  x.sql\n", sha256(other.as_bytes()));
            std::fs::write(folder.path().join("x.sql.sha256"), text).expect("written");
        }
        let source = opened(&path, script);
        check(source, &path, Depth::Full, &silent(), &Interrupt::default()).expect("checked")
    }

    fn opened(path: &Path, script: &str) -> ScriptSource {
        std::fs::write(path, script).expect("written");
        let Ok(Opened::Script(source)) = ScriptSource::open(path) else { panic!("no script") };
        source
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
    fn rows_are_compared_with_those_of_the_manifest() {
        let findings = |expected: &[(&str, &str)]| {
            let data = expected.iter().map(|&(table, rows)| data(table, rows)).collect();
            let manifest = Manifest { data, ..Manifest::default() };
            let mut expected = ExpectedRows::of(&manifest).expect("rows of COPY");
            let mut report = VerifyReport::default();
            let folder = tempfile::tempdir().expect("a folder");
            let mut source = opened(&folder.path().join("x.sql"), DUMP);
            let (progress, interrupt) = (silent(), Interrupt::default());
            let read =
                read_through(&mut source, Some(&mut expected), &mut report, &progress, &interrupt);
            read.expect("whole");
            report.findings.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert!(findings(&[("t", "2\n1\n")]).is_empty());
        assert_eq!(findings(&[("t", "1\n")]), ["table t (line 7): has 2 rows instead of 1"]);
        assert_eq!(findings(&[("t", "1\n2\n"), ("u", "")]).len(), 1);
        assert_eq!(findings(&[]).len(), 1);
    }

    fn data(table: &str, rows: &str) -> ManifestData {
        let mut hasher = RowHasher::new();
        hasher.feed(rows.as_bytes());
        let summary = DataFileSummary {
            dump_id: DumpId(1),
            file: String::new(),
            raw_bytes: 0,
            stored_bytes: 0,
            sha256: sha256(b""),
            fingerprint: hasher.finish(),
            blocks: Vec::new(),
        };
        ManifestData::new(summary, "", table)
    }

    #[test]
    fn what_is_missing_or_different_is_found() {
        for length in [DUMP.len() - 30, DUMP.find("2\n").expect("a row"), 60] {
            assert_eq!(checked(&DUMP[..length], None).findings.len(), 1, "cut to {length}");
        }
        assert_eq!(checked(DUMP, Some("other")).findings.len(), 1);
    }
}
