//! Custom archives written in any order, without positions, and damaged.

use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;

use crate::archive::sample::{read, read_mutated, text_of, toc, write, write_data};
use crate::archive::{ArchiveFormat, ArchivePlace, ArchiveReader, ManifestState, create, open};
use crate::codec::{Algorithm, Compression};
use crate::error::ErrorKind;
use crate::model::DumpId;
use crate::store::{Durability, Existing, Output};

use super::CustomReader;

const CUSTOM: ArchiveFormat = ArchiveFormat::Custom;

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
        write(CUSTOM, &path, algorithm, &[7, 3, 12], &[12, 7, 3]);
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
        assert!(
            open(&path).expect("opens").data_size(&toc(CUSTOM, algorithm, &[7]).entries[0]) > 0
        );
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
        durability: Durability::Synced,
    };
    assert!(!place.keeps_manifest());
    let from = std::thread::spawn(move || std::fs::read(fifo).expect("reads"));
    let compression = Compression::new(Algorithm::Gzip);
    let writer = create(&place, Arc::new(toc(CUSTOM, Algorithm::Gzip, &[7, 3, 12])), compression)
        .expect("creates");
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
    write(CUSTOM, &path, Algorithm::Zstd, &[7, 3], &[7, 3]);
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
    let toc = Arc::new(toc(CUSTOM, Algorithm::None, &[7]));
    let writer = create(&path.into(), toc, compression).expect("creates");
    let error = writer.finish(None).expect_err("an entry has no data");
    assert_eq!(error.kind(), ErrorKind::Internal);
    assert_eq!(std::fs::read_dir(folder.path()).expect("lists").count(), 0);
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
        write(CUSTOM, &path, algorithm, &[2, 1], &[1, 2]);
        let bytes =
            if placed { std::fs::read(&path).expect("reads") } else { without_positions(&path) };
        read_mutated(&path, bytes, &changes, cut, &more);
    }
}
