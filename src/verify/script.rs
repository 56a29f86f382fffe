//! Whether a plain script is whole: its checksum, its compression, its last line.
//!
//! Nothing in a script counts its rows, so less can be proved than of an archive. What can: that the file
//! is the one a checksum beside it was made of, that all of it decompresses, that every statement, literal
//! and COPY in it has an end, and that the program that wrote it came to its closing comment.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::atomic::Ordering;

use crate::archive::Manifest;
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
    let proof = ScriptSource::proof_beside(path)?;
    let recorded: Vec<Sha256Digest> = proof
        .checksum
        .into_iter()
        .chain(proof.manifest.as_ref().and_then(|manifest| manifest.archive_sha256))
        .collect();
    if recorded.is_empty() {
        report.notes.push(Finding::new(
            "checksums",
            "there is none beside the script: only what the script itself tells was checked",
        ));
    } else {
        let digest = digest_of(path, &mut report, progress, interrupt)?;
        if recorded.iter().any(|&recorded| recorded != digest) {
            let what = "does not have the checksum that was written beside it";
            report.findings.push(Finding::new(file(source.name()), what));
        }
    }
    if depth == Depth::Full {
        let name = source.name().to_owned();
        progress.phase("reading the script", 0, source.stored_bytes());
        progress.started(&name, source.stored_bytes());
        let read = read_through(&mut source, &mut report, progress, interrupt);
        match read {
            Ok(rows) => {
                if let Some(manifest) = &proof.manifest {
                    compare_rows(manifest, &rows, &mut report);
                }
            }
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

/// Compares the rows of each COPY with those the manifest counts.
///
/// A script of INSERT statements has none to count; its checksum is its proof.
fn compare_rows(manifest: &Manifest, rows: &BTreeMap<String, u64>, report: &mut VerifyReport) {
    if rows.is_empty() {
        return;
    }
    for data in &manifest.data {
        let found = rows.get(&data.describe()).copied().unwrap_or_default();
        if found != data.rows {
            let what = format!("has {found} rows instead of {}", data.rows);
            report.findings.push(Finding::new(format!("table {}", data.describe()), what));
        }
    }
}

/// Takes the quotes off a name, which a script may write also where none are needed.
fn unquoted(name: &str) -> String {
    let doubled = name.replace("\"\"", "\0");
    doubled.replace('"', "").replace('\0', "\"")
}

/// Decompresses the script and cuts it from its beginning to its end; returns the rows of each table.
fn read_through(
    source: &mut ScriptSource,
    report: &mut VerifyReport,
    progress: &ProgressHandle,
    interrupt: &Interrupt,
) -> Result<BTreeMap<String, u64>> {
    let passed = source.passed();
    let mut splitter = Splitter::default();
    let mut settings = Settings::default();
    let mut ending = Ending::default();
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut seen = 0;
    let mut rows = BTreeMap::new();
    let mut table = String::new();
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
                if let Some(copied) = statement.copied_table() {
                    report.data_entries += 1;
                    table = unquoted(&copied);
                    rows.entry(table.clone()).or_default();
                }
                if settings.follow(&statement) {
                    splitter.settings(settings.standard_strings, settings.encoding);
                }
            }
            Piece::Rows(chunk) => {
                let count = memchr::memchr_iter(b'\n', &chunk).count() as u64;
                report.rows += count;
                *rows.entry(table.clone()).or_default() += count;
            }
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
    Ok(rows)
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
    use crate::archive::ManifestData;
    use crate::archive::script_reader::Opened;
    use crate::codec::{Fingerprint, sha256};
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
    fn rows_are_compared_with_those_of_the_manifest() {
        let data = |table: &str, rows| ManifestData {
            dump_id: 1,
            schema: "s".into(),
            table: table.into(),
            file: String::new(),
            raw_bytes: 0,
            stored_bytes: 0,
            sha256: sha256(b""),
            rows,
            fingerprint: Fingerprint::default(),
            columns: Vec::new(),
            filter: String::new(),
            blocks: Vec::new(),
        };
        let manifest =
            Manifest { data: vec![data("a\"b", 2), data("c", 0)], ..Manifest::default() };
        let findings = |table: &str, count| {
            let mut report = VerifyReport::default();
            let rows = BTreeMap::from([(unquoted(table), count)]);
            compare_rows(&manifest, &rows, &mut report);
            report.findings.len()
        };
        assert_eq!(findings("\"s\".\"a\"\"b\"", 2), 0);
        assert_eq!(findings("s.\"a\"\"b\"", 1), 1);
        assert_eq!(findings("s.c", 1), 2);
    }

    #[test]
    fn what_is_missing_or_different_is_found() {
        for length in [DUMP.len() - 30, DUMP.find("2\n").expect("a row"), 60] {
            assert_eq!(checked(&DUMP[..length], None).findings.len(), 1, "cut to {length}");
        }
        assert_eq!(checked(DUMP, Some("other")).findings.len(), 1);
    }
}
