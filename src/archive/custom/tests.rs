//! Custom archives written in any order, without positions, and damaged.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;

use crate::archive::toc::Toc;
use crate::archive::{
    ArchiveFormat, ArchiveHeader, ArchivePlace, ArchiveReader, ArchiveTime, ArchiveWriter,
    ManifestState, create, open, own_dumper_version_without_manifest,
};
use crate::codec::{Algorithm, Compression, RowHasher};
use crate::error::{ErrorKind, Result};
use crate::model::{DumpId, Section, TocEntry};
use crate::store::{Existing, Output};

use super::CustomReader;

fn toc(algorithm: Algorithm, ids: &[i32]) -> Toc {
    let time = ArchiveTime::from_naive(chrono::NaiveDateTime::default());
    let header = ArchiveHeader {
        format: ArchiveFormat::Custom,
        dumper_version: own_dumper_version_without_manifest(),
        ..ArchiveHeader::directory(algorithm, time)
    };
    let entry = |&id: &i32| TocEntry {
        section: Section::Data,
        namespace: Some("public".into()),
        copy_statement: Some(format!("COPY public.t{id} (a) FROM stdin;\n")),
        has_data: true,
        ..TocEntry::new(DumpId(id), "TABLE DATA", format!("t{id}"))
    };
    let mut entries: Vec<TocEntry> = ids.iter().map(entry).collect();
    entries.push(TocEntry::new(DumpId(900), "INDEX", "i"));
    Toc { header, entries }
}

fn text_of(id: i32) -> String {
    (0..id * 100).map(|row| format!("{row}\trow {row} of {id}\n")).collect()
}

/// Writes the data of an entry in two pieces, the second one first.
fn write_data(writer: &dyn ArchiveWriter, id: i32) {
    let file = writer.data_file(DumpId(id)).expect("file");
    let text = text_of(id);
    let middle = text[..text.len() / 2].rfind('\n').map_or(0, |newline| newline + 1);
    for (index, part) in [(1, &text[middle..]), (0, &text[..middle])] {
        let mut rows = RowHasher::new();
        rows.feed(part.as_bytes());
        let rows = rows.finish();
        let mut piece = file.piece(index).expect("piece");
        let block = piece.codec().encode(part.as_bytes(), rows.rows).expect("encodes");
        piece.write_block(block).expect("writes");
        piece.finish(rows).expect("finishes");
    }
    file.finish(2).expect("finishes");
}

fn write(path: &Path, algorithm: Algorithm, ids: &[i32], order: &[i32]) {
    let compression = Compression::new(algorithm);
    let writer = create(&path.into(), Arc::new(toc(algorithm, ids)), compression).expect("creates");
    order.iter().for_each(|&id| write_data(&*writer, id));
    writer.finish(None).expect("finishes");
}

fn read(reader: &dyn ArchiveReader, id: i32) -> Result<String> {
    let entry = reader.entries().iter().find(|entry| entry.dump_id.0 == id).expect("entry");
    let mut text = String::new();
    let mut data = reader.open_data(entry)?;
    data.read_to_string(&mut text).map_err(|error| {
        crate::Error::new(ErrorKind::Archive, "could not read").with_source(error)
    })?;
    Ok(text)
}

/// Takes the positions out of an archive, as if it had been written to a pipe.
fn without_positions(path: &Path) -> Vec<u8> {
    let reader = CustomReader::open(path).expect("opens");
    let mut head = Vec::new();
    crate::archive::toc::write(&mut head, reader.header(), reader.entries()).expect("writes");
    let mut bytes = std::fs::read(path).expect("reads");
    bytes[..head.len()].copy_from_slice(&head);
    bytes
}

#[test]
fn entries_may_be_completed_in_any_order_and_are_found_with_and_without_positions() {
    let folder = tempfile::tempdir().expect("temp");
    for algorithm in Algorithm::ALL {
        let path = folder.path().join(format!("{algorithm}.dump"));
        write(&path, algorithm, &[7, 3, 12], &[12, 7, 3]);
        let unplaced = folder.path().join(format!("{algorithm}-unplaced.dump"));
        std::fs::write(&unplaced, without_positions(&path)).expect("writes");
        for path in [&path, &unplaced] {
            let reader = open(path).expect("opens");
            assert!(matches!(reader.manifest_state(), ManifestState::NotExpected));
            for id in [3, 12, 7, 3] {
                let text = read(&*reader, id).expect("reads");
                assert_eq!(text, format!("{}\\.\n\n\n", text_of(id)), "{path:?}");
            }
            let index = reader.entries().last().expect("entry");
            assert!(!index.has_data && reader.open_data(index).is_err());
        }
        assert!(open(&path).expect("opens").data_size(&toc(algorithm, &[7]).entries[0]) > 0);
    }
    assert_eq!(std::fs::read_dir(folder.path()).expect("lists").count(), 8, "nothing is left over");
}

#[test]
fn a_pipe_gets_the_entries_in_their_order() {
    let folder = tempfile::tempdir().expect("temp");
    let fifo = folder.path().join("fifo");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .expect("makes a pipe");
    let place = ArchivePlace {
        output: Output::Path(fifo.clone()),
        existing: Existing::Refuse,
        spool_folder: folder.path().to_owned(),
    };
    assert!(!place.keeps_manifest());
    let from = std::thread::spawn(move || std::fs::read(fifo).expect("reads"));
    let compression = Compression::new(Algorithm::Gzip);
    let writer =
        create(&place, Arc::new(toc(Algorithm::Gzip, &[7, 3, 12])), compression).expect("creates");
    [12, 7, 3].iter().for_each(|&id| write_data(&*writer, id));
    writer.finish(None).expect("finishes");
    let path = folder.path().join("copy.dump");
    std::fs::write(&path, from.join().expect("ends")).expect("writes");
    let reader = CustomReader::open(&path).expect("opens");
    let mut scanner = reader.scanner(reader.toc.bytes);
    let mut ids = Vec::new();
    while let Some(block) = scanner.next_block().expect("a block") {
        ids.push(block.dump_id.0);
    }
    assert_eq!(ids, [7, 3, 12]);
    assert_eq!(read(&reader, 3).expect("reads"), format!("{}\\.\n\n\n", text_of(3)));
}

#[test]
fn positions_that_point_elsewhere_are_errors_that_say_so() {
    let folder = tempfile::tempdir().expect("temp");
    let path = folder.path().join("a.dump");
    write(&path, Algorithm::Zstd, &[7, 3], &[7, 3]);
    let bytes = std::fs::read(&path).expect("reads");
    let placed = CustomReader::open(&path).expect("opens");
    let position = placed.toc.positions[&DumpId(7)].expect("a position");
    let at = bytes
        .windows(8)
        .position(|window| window == position.to_le_bytes())
        .expect("the position is in the table of contents");
    for elsewhere in [0, 20, position + 1, u64::MAX, bytes.len() as u64] {
        let mut damaged = bytes.clone();
        damaged[at..at + 8].copy_from_slice(&elsewhere.to_le_bytes());
        std::fs::write(&path, &damaged).expect("writes");
        let reader = open(&path).expect("opens");
        let error = read(&*reader, 7).expect_err("no data there");
        assert_eq!(error.kind(), ErrorKind::Archive);
        assert!(error.message().contains("public.t7 (toc entry 7)"), "{error}");
        assert!(error.message().contains(&elsewhere.to_string()), "{error}");
        read(&*reader, 3).expect("the other one is where it was");
    }
}

#[test]
fn an_unfinished_archive_leaves_nothing() {
    let folder = tempfile::tempdir().expect("temp");
    let path = folder.path().join("a.dump");
    let compression = Compression::NONE;
    let toc = Arc::new(toc(Algorithm::None, &[7]));
    let writer = create(&path.into(), toc, compression).expect("creates");
    let error = writer.finish(None).expect_err("an entry has no data");
    assert_eq!(error.kind(), ErrorKind::Internal);
    assert_eq!(std::fs::read_dir(folder.path()).expect("lists").count(), 0);
}

/// Reads everything of an archive that may be anything.
fn read_all(path: &Path) {
    let Ok(reader) = open(path) else { return };
    for entry in reader.entries() {
        reader.data_size(entry);
        if let Ok(data) = reader.open_data(entry) {
            let _ = std::io::copy(&mut data.take(1 << 22), &mut std::io::sink());
        }
        if let Ok(objects) = reader.large_objects(entry) {
            objects.iter().for_each(|object| drop(reader.open_large_object(object)));
        }
    }
    let depth = crate::archive::check::Depth::Full;
    let _ = crate::archive::check::check(
        &*reader,
        depth,
        &crate::progress::silent(),
        &crate::progress::Interrupt::default(),
    );
}

proptest! {
    #[test]
    fn a_mutated_archive_never_panics(
        algorithm in prop::sample::select(Algorithm::ALL.to_vec()),
        placed: bool,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
        more in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let folder = tempfile::tempdir().expect("temp");
        let path = folder.path().join("a.dump");
        write(&path, algorithm, &[2, 1], &[1, 2]);
        let mut bytes =
            if placed { std::fs::read(&path).expect("reads") } else { without_positions(&path) };
        for (place, value) in changes {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        bytes.extend(more);
        std::fs::write(&path, &bytes).expect("writes");
        read_all(&path);
    }
}
