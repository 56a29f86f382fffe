//! The stored archives, mutated: never a panic, never more memory than files of their size are worth, and an
//! error that names the file.
//!
//! `PROPTEST_CASES` is the number of mutants; `scripts/test --all` makes it large.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use pgark::archive::check::{Depth, check};
use pgark::archive::listing::{ListingDetail, listing};
use pgark::archive::selection::Marks;
use pgark::archive::{ArchiveReader, all_large_objects, open};
use pgark::model::TocEntry;
use pgark::progress::{Interrupt, silent};
use proptest::prelude::*;
use proptest::sample::Index;

use super::fixture;
use super::stored::ARCHIVES;
use crate::support::command::Run;
use crate::support::{World, damage};

/// A change of a file's bytes.
#[derive(Debug, Clone)]
enum Change {
    Byte(Index, u8),
    /// An integer as archives have them, often a length.
    Integer(Index, i32),
    Cut(Index),
    Remove(Index, usize),
    Repeat(Index, usize),
}

fn change() -> impl Strategy<Value = Change> {
    let length = || 1..600_usize;
    let integer = prop::sample::select(vec![-1, 0, 1, 4096, 0x00ff_ffff, i32::MAX, i32::MIN + 1]);
    prop_oneof![
        4 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Byte(at, byte)),
        4 => (any::<Index>(), integer).prop_map(|(at, value)| Change::Integer(at, value)),
        1 => any::<Index>().prop_map(Change::Cut),
        1 => (any::<Index>(), length()).prop_map(|(at, length)| Change::Remove(at, length)),
        1 => (any::<Index>(), length()).prop_map(|(at, length)| Change::Repeat(at, length)),
    ]
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let end = |at: usize, length: usize, bytes: &[u8]| bytes.len().min(at + length);
        match self {
            Change::Byte(at, byte) => {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            Change::Integer(at, value) => {
                let at = at.index(bytes.len());
                let mut integer = vec![u8::from(*value < 0)];
                integer.extend(value.unsigned_abs().to_le_bytes());
                let end = end(at, integer.len(), bytes);
                bytes[at..end].copy_from_slice(&integer[..end - at]);
            }
            Change::Cut(at) => bytes.truncate(at.index(bytes.len())),
            Change::Remove(at, length) => {
                let at = at.index(bytes.len());
                bytes.drain(at..end(at, *length, bytes));
            }
            Change::Repeat(at, length) => {
                let at = at.index(bytes.len());
                let copy = bytes[at..end(at, *length, bytes)].to_vec();
                bytes.splice(at..at, copy);
            }
        }
    }
}

/// Does with an archive what can be done without a server.
fn read_everything(path: &Path) {
    let name = path.file_name().expect("a name").to_string_lossy().into_owned();
    let named = |error: String| assert!(error.contains(&name), "{error:?} does not name {name}");
    let reader = match open(path) {
        Ok(reader) => reader,
        Err(error) => return named(error.to_string()),
    };
    for entry in reader.entries() {
        let _ = (reader.data_size(entry), reader.data_name(entry));
        let read = if entry.holds_large_objects() { read_objects } else { read_data };
        if entry.has_data
            && let Err(error) = read(&*reader, entry)
        {
            named(error);
        }
    }
    let marks = vec![Marks::default(); reader.entries().len()];
    let _ = listing(reader.header(), reader.entries(), &marks, "now", ListingDetail::Everything);
    let _ = check(&*reader, Depth::Full, &silent(), &Interrupt::default());
}

fn read_data(reader: &dyn ArchiveReader, entry: &TocEntry) -> Result<(), String> {
    let mut data = reader.open_data(entry).map_err(|error| error.to_string())?;
    std::io::copy(&mut data, &mut std::io::sink()).map(drop).map_err(|error| error.to_string())
}

fn read_objects(reader: &dyn ArchiveReader, entry: &TocEntry) -> Result<(), String> {
    for object in all_large_objects(reader, entry).map_err(|error| error.to_string())? {
        let mut data = reader.open_large_object(&object).map_err(|error| error.to_string())?;
        std::io::copy(&mut data, &mut std::io::sink()).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Copies a stored archive with one of its files changed.
fn mutant(folder: &Path, name: &str, file: Index, changes: &[Change]) -> PathBuf {
    let target = folder.join(name);
    let source = fixture(name);
    let mutate = |from: &Path, to: &Path| {
        let mut bytes = std::fs::read(from).expect("reads");
        changes.iter().for_each(|change| change.apply(&mut bytes));
        std::fs::write(to, bytes).expect("writes");
    };
    if !source.is_dir() {
        mutate(&source, &target);
        return target;
    }
    std::fs::create_dir(&target).expect("creates");
    let files = damage::files(&source);
    let chosen = file.index(files.len());
    for (at, from) in files.iter().enumerate() {
        let to = target.join(from.file_name().expect("a name"));
        if at == chosen {
            mutate(from, &to);
        } else {
            std::fs::copy(from, &to).expect("copies");
        }
    }
    target
}

proptest! {
    #[test]
    fn mutated_archives_never_panic(
        name in prop::sample::select(ARCHIVES.map(|(name, ..)| name).to_vec()),
        file in any::<Index>(),
        changes in prop::collection::vec(change(), 1..6),
    ) {
        let folder = tempfile::tempdir().expect("temp");
        read_everything(&mutant(folder.path(), name, file, &changes));
    }
}

/// What a process may have for its data: far more than any archive of these sizes needs.
const MEMORY_KIB: u64 = 700 * 1024;

/// Runs pgark with little memory.
fn with_little_memory(world: &World, arguments: &[&str]) -> Run {
    let pgark = world.command();
    let mut shell = Command::new("/bin/bash");
    let limited = format!("ulimit -d {MEMORY_KIB}; exec \"$0\" \"$@\"");
    shell.args(["-c", &limited]).arg(pgark.get_program()).args(arguments);
    let directory = pgark.get_current_dir().expect("a directory");
    Run::of(shell.env_clear().env("PATH", "/usr/bin:/bin").current_dir(directory))
}

/// Compresses `head` and then `pattern` so often that it is `bytes` long.
fn bomb(path: &Path, head: &[u8], pattern: &str, bytes: usize) {
    let mut out =
        zstd::Encoder::new(std::fs::File::create(path).expect("creates"), 1).expect("zstd");
    out.write_all(head).expect("writes");
    let piece = pattern.repeat((1 << 20) / pattern.len());
    for _ in 0..bytes / piece.len() {
        out.write_all(piece.as_bytes()).expect("writes");
    }
    out.finish().expect("finishes");
}

#[test]
fn files_that_expand_without_end_do_not_take_all_memory() {
    const GIB: usize = 1 << 30;
    let world = World::new();
    // A name in the table of contents that never ends.
    let archive = damage::copy_to(&fixture("pg14-gzip"), &world.path("toc"));
    let toc = std::fs::read(archive.join("toc.dat")).expect("reads");
    // The name of the database begins behind 51 bytes (1.14).
    let mut head = toc[..51].to_vec();
    head.extend([0, 0xff, 0xff, 0xff, 0x7f]);
    damage::remove(&archive.join("toc.dat"));
    bomb(&archive.join("toc.dat.zst"), &head, "name", 2 * GIB);
    // A list of large objects that never ends.
    let archive = damage::copy_to(&fixture("pg14-gzip"), &world.path("list"));
    damage::remove(&archive.join("blobs.toc"));
    bomb(&archive.join("blobs.toc.zst"), b"", "4001 blob_4001.dat\n", GIB);
    // A row that never ends.
    let archive = damage::copy_to(&fixture("pg14-gzip"), &world.path("row"));
    // The files of tables begin with a digit, and so sort before those of large objects.
    let data = damage::files(&archive).remove(0);
    damage::remove(&data);
    bomb(&data.with_extension("zst"), b"", "row", GIB / 2);
    for (name, said) in [
        ("toc", "expands without end"),
        ("list", "expands without end"),
        ("row", "the data end before their end mark"),
    ] {
        let run = with_little_memory(&world, &["verify", name]);
        let text = run.stdout + &run.stderr;
        assert!(matches!(run.code, Some(code) if code != 0), "{name}: {:?} {text}", run.code);
        assert!(text.contains(said), "{name}: {text}");
    }
    let whole = world.path("whole");
    damage::copy_to(&fixture("pg14-gzip"), &whole);
    let _ = with_little_memory(&world, &["verify", "whole"]).success();
}
