//! Tar archives written in any order, read in any, and damaged.

use proptest::prelude::*;

use crate::archive::sample::{read, read_mutated, text_of, write};
use crate::archive::{ArchiveFormat, open};
use crate::codec::Algorithm;
use crate::error::ErrorKind;

const TAR: ArchiveFormat = ArchiveFormat::Tar;

#[test]
fn members_come_in_the_order_of_their_entries_and_are_read_in_any() {
    let folder = tempfile::tempdir().expect("temp");
    let path = folder.path().join("a.tar");
    write(TAR, &path, Algorithm::None, &[7, 3, 12], &[12, 7, 3]);
    let bytes = std::fs::read(&path).expect("reads");
    let place = |name: &str| {
        let mut head = name.as_bytes().to_vec();
        head.push(0);
        bytes.chunks(512).position(|unit| unit.starts_with(&head)).expect("a member")
    };
    let places = ["toc.dat", "7.dat", "3.dat", "12.dat", "restore.sql"].map(place);
    assert!(places.is_sorted(), "{places:?}");
    assert!(bytes.ends_with(&[0; 1024]));
    let reader = open(&path).expect("opens");
    for id in [3, 12, 7] {
        let text = read(&*reader, id).expect("reads");
        assert_eq!(text, format!("{}\\.\n\n\n", text_of(id)));
    }
    assert_eq!(std::fs::read_dir(folder.path()).expect("lists").count(), 1, "nothing is left over");
}

#[test]
fn the_script_for_people_names_the_files() {
    let folder = tempfile::tempdir().expect("temp");
    let path = folder.path().join("a.tar");
    write(TAR, &path, Algorithm::None, &[7], &[7]);
    let text = String::from_utf8_lossy(&std::fs::read(&path).expect("reads")).into_owned();
    let copies =
        "COPY public.t7 (a) FROM stdin;\n\\.\nCOPY public.t7 (a) FROM '$$PATH$$/7.dat';\n\n";
    assert!(text.contains(copies), "{text}");
    assert!(!text.contains("restrict"));
}

#[test]
fn what_is_not_there_is_named() {
    let folder = tempfile::tempdir().expect("temp");
    let path = folder.path().join("a.tar");
    write(TAR, &path, Algorithm::None, &[7, 3], &[7, 3]);
    let whole = std::fs::read(&path).expect("reads");
    let member = |name: &str| {
        whole.chunks(512).position(|unit| unit.starts_with(name.as_bytes())).expect("a member")
            * 512
    };
    std::fs::write(&path, &whole[..member("3.dat") + 100]).expect("writes");
    let reader = open(&path).expect("what is there can be read");
    read(&*reader, 7).expect("reads");
    let error = read(&*reader, 3).expect_err("is cut away");
    assert_eq!(error.kind(), ErrorKind::Archive);
    assert!(error.message().contains("member \"3.dat\" of TABLE DATA public.t3"), "{error}");
    std::fs::write(&path, &whole[member("7.dat")..]).expect("writes");
    let error = open(&path).err().expect("has no table of contents");
    assert!(error.message().contains("without a member \"toc.dat\""), "{error}");
}

proptest! {
    #[test]
    fn a_mutated_archive_never_panics(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
        more in prop::collection::vec(any::<u8>(), 0..600),
    ) {
        let folder = tempfile::tempdir().expect("temp");
        let path = folder.path().join("a.tar");
        write(TAR, &path, Algorithm::None, &[2, 1], &[1, 2]);
        let bytes = std::fs::read(&path).expect("reads");
        read_mutated(&path, bytes, &changes, cut, &more);
    }
}
