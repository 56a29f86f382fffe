//! Every kind of damage to a real archive is found and named.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::archive::{
    ArchiveFormat, ArchiveHeader, ArchiveTime, ArchiveVersion, Manifest, create, open,
    own_dumper_version, toc,
};
use crate::codec::{Algorithm, Compression};
use crate::error::ErrorKind;
use crate::model::{DumpId, Section};

/// Blocks of the one table; a row spans the second and the third, and the third has no newline at all.
const BLOCKS: [&str; 5] =
    ["1\tone\n2\ttwo\n", "3\tthr", "eeeeee", "ee\n4\tfour\n5\tfive\n", "6\t\\N\n"];

/// Every format that has a manifest.
const FORMATS: [ArchiveFormat; 3] =
    [ArchiveFormat::Directory, ArchiveFormat::Custom, ArchiveFormat::Tar];

fn write_archive(folder: &Path, algorithm: Algorithm, blocks: &[&str]) -> PathBuf {
    write_format(folder, ArchiveFormat::Directory, algorithm, blocks)
}

fn write_format(
    folder: &Path,
    format: ArchiveFormat,
    algorithm: Algorithm,
    blocks: &[&str],
) -> PathBuf {
    let path = folder.join(format!("archive-{}-{algorithm}", format.word()));
    let compression = Compression::new(algorithm);
    let entry = TocEntry {
        section: Section::Data,
        namespace: Some("public".into()),
        copy_statement: Some("COPY public.t (a, b) FROM stdin;\n".into()),
        has_data: true,
        ..TocEntry::new(DumpId(7), "TABLE DATA", "t")
    };
    let created =
        ArchiveTime { second: 0, minute: 0, hour: 0, day: 1, month: 0, year: 126, is_dst: 0 };
    let header = ArchiveHeader {
        format,
        version: ArchiveVersion::oldest_for(algorithm, &[]),
        dumper_version: own_dumper_version(),
        ..ArchiveHeader::directory(algorithm, created)
    };
    let toc = toc::Toc { header, entries: vec![entry] };
    let writer = create(&path.clone().into(), Arc::new(toc), compression).expect("creates");
    let file = writer.data_file(DumpId(7)).expect("file");
    let mut piece = file.piece(0).expect("piece");
    let mut rows = RowHasher::new();
    for text in blocks {
        let ended = rows.rows();
        rows.feed(text.as_bytes());
        let block = piece.codec().encode(text.as_bytes(), rows.rows() - ended);
        piece.write_block(block.expect("compresses")).expect("writes");
    }
    piece.finish(rows.finish()).expect("finishes");
    let summary = file.finish(1).expect("finishes");
    let manifest =
        Manifest { data: vec![ManifestData::new(summary, "public", "t")], ..Manifest::default() };
    writer.finish(Some(manifest)).expect("finishes");
    path
}

fn run(path: &Path, depth: Depth) -> Result<Checked> {
    let reader = open(path)?;
    check(&*reader, depth, &crate::progress::silent(), &Interrupt::default())
}

fn every_kind() -> impl Iterator<Item = (ArchiveFormat, Algorithm)> {
    let kinds = |format: ArchiveFormat| Algorithm::ALL.map(|algorithm| (format, algorithm));
    let possible = |(format, algorithm): &(ArchiveFormat, Algorithm)| {
        format.check_compression(Compression::new(*algorithm)).is_ok()
    };
    FORMATS.into_iter().flat_map(kinds).filter(possible)
}

/// Returns the files of a directory, or a single file with those beside it.
fn files_of(path: &Path) -> Vec<PathBuf> {
    if path.is_dir() {
        let listing = std::fs::read_dir(path).expect("lists");
        return listing.map(|item| item.expect("item").path()).collect();
    }
    let beside = |suffix: &str| PathBuf::from(format!("{}{suffix}", path.display()));
    vec![path.to_owned(), beside(".manifest.json"), beside(".sha256")]
}

fn kinds(path: &Path, depth: Depth) -> Vec<FindingKind> {
    run(path, depth).expect("opens").findings.iter().map(|finding| finding.kind).collect()
}

#[test]
fn a_whole_archive_has_no_findings() {
    let folder = tempfile::tempdir().expect("temp");
    for (format, algorithm) in every_kind() {
        let path = write_format(folder.path(), format, algorithm, &BLOCKS);
        let quick = run(&path, Depth::Quick).expect("checks");
        let full = run(&path, Depth::Full).expect("checks");
        assert_eq!((&quick.findings, &full.findings), (&vec![], &vec![]), "{path:?}");
        assert_eq!((full.rows, full.data_entries, full.has_checksums), (6, 1, true));
        assert_eq!(full.raw_bytes, BLOCKS.concat().len() as u64 + 5);
    }
}

#[test]
fn many_blocks_are_checked_on_all_cores() {
    let folder = tempfile::tempdir().expect("temp");
    let blocks: Vec<&str> = BLOCKS.into_iter().cycle().take(500).collect();
    for (format, algorithm) in every_kind() {
        let path = write_format(folder.path(), format, algorithm, &blocks);
        let full = run(&path, Depth::Full).expect("checks");
        assert_eq!((full.findings, full.rows), (vec![], 600), "{path:?}");
    }
}

#[test]
fn a_flipped_byte_anywhere_is_found_by_both_depths() {
    let folder = tempfile::tempdir().expect("temp");
    for (format, algorithm) in every_kind() {
        let path = write_format(folder.path(), format, algorithm, &BLOCKS);
        for file in files_of(&path) {
            let whole = std::fs::read(&file).expect("reads");
            // Every position would take a minute; the ends and a prime step meet every structure.
            let last = whole.len() - 1;
            for position in (0..last).step_by(17).chain([last]) {
                let mut damaged = whole.clone();
                damaged[position] ^= 0x04;
                std::fs::write(&file, &damaged).expect("writes");
                for depth in [Depth::Quick, Depth::Full] {
                    if let Ok(report) = run(&path, depth) {
                        assert!(
                            !report.findings.is_empty(),
                            "{} flipped at {position}, {depth:?}",
                            file.display()
                        );
                    }
                }
            }
            std::fs::write(&file, &whole).expect("writes");
        }
        assert!(kinds(&path, Depth::Full).is_empty(), "everything is as it was");
    }
}

#[test]
fn a_cut_anywhere_and_a_missing_file_are_found() {
    let folder = tempfile::tempdir().expect("temp");
    for (format, algorithm) in every_kind() {
        if !matches!(algorithm, Algorithm::None | Algorithm::Zstd) {
            continue;
        }
        let path = write_format(folder.path(), format, algorithm, &BLOCKS);
        for file in files_of(&path) {
            let whole = std::fs::read(&file).expect("reads");
            for length in (0..whole.len()).step_by(11) {
                std::fs::write(&file, &whole[..length]).expect("writes");
                for depth in [Depth::Quick, Depth::Full] {
                    assert!(run(&path, depth).map_or(true, |report| !report.findings.is_empty()));
                }
            }
            std::fs::write(&file, [&whole[..], b"more"].concat()).expect("writes");
            assert!(run(&path, Depth::Quick).map_or(true, |report| !report.findings.is_empty()));
            std::fs::remove_file(&file).expect("removes");
            assert!(run(&path, Depth::Quick).map_or(true, |report| !report.findings.is_empty()));
            std::fs::write(&file, &whole).expect("writes");
        }
    }
}

#[test]
fn findings_name_file_offset_and_table() {
    let folder = tempfile::tempdir().expect("temp");
    let path = write_archive(folder.path(), Algorithm::Zstd, &BLOCKS);
    let file = path.join("7.dat.zst");
    let whole = std::fs::read(&file).expect("reads");
    let reader = open(&path).expect("opens");
    let block = reader.manifest().expect("manifest").data[0].blocks[3];
    let mut damaged = whole.clone();
    damaged[block.offset as usize + 12] ^= 0xFF;
    std::fs::write(&file, &damaged).expect("writes");
    let findings = run(&path, Depth::Full).expect("opens").findings;
    let damage = findings
        .iter()
        .find(|finding| finding.kind == FindingKind::DataDamaged)
        .expect("the damaged block");
    assert_eq!(damage.offset, Some(block.offset));
    assert_eq!(damage.table.as_deref(), Some("public.t"));
    assert_eq!(damage.entry, Some(7));
    assert_eq!(damage.subject(), "file 7.dat.zst (table public.t)");
    let shown = format!("file 7.dat.zst (table public.t) at offset {}: ", block.offset);
    assert!(damage.to_string().starts_with(&shown), "{damage}");
    assert!(findings.iter().any(|finding| finding.kind == FindingKind::ChecksumDiffers));
}

#[test]
fn what_is_gone_and_what_is_too_much_is_named() {
    let folder = tempfile::tempdir().expect("temp");
    let path = write_archive(folder.path(), Algorithm::Gzip, &BLOCKS);
    std::fs::write(path.join("8.dat"), "x").expect("writes");
    assert_eq!(kinds(&path, Depth::Quick), [FindingKind::FileExtra]);
    std::fs::remove_file(path.join("8.dat")).expect("removes");

    std::fs::rename(path.join("7.dat.gz"), folder.path().join("away")).expect("renames");
    assert_eq!(kinds(&path, Depth::Full), [FindingKind::FileMissing]);
    std::fs::rename(folder.path().join("away"), path.join("7.dat.gz")).expect("renames");

    std::fs::remove_file(path.join("manifest.json")).expect("removes");
    assert_eq!(kinds(&path, Depth::Full), [FindingKind::ManifestGone]);
    // The list of checksums still finds damage.
    let mut toc = std::fs::read(path.join("toc.dat")).expect("reads");
    toc[20] ^= 1;
    std::fs::write(path.join("toc.dat"), toc).expect("writes");
    let found = kinds(&path, Depth::Quick);
    assert!(found.contains(&FindingKind::ChecksumDiffers), "{found:?}");
}

#[test]
fn archives_of_pg_dump_are_checked_for_damage_and_ends() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/archives");
    for name in ["pg15-none", "pg15-gzip", "pg18-none", "pg18-gzip", "pg18-lz4", "pg18-zstd"] {
        let report = run(&root.join(name), Depth::Full).expect(name);
        assert_eq!((report.findings, report.rows, report.has_checksums), (vec![], 57, false));
        for (cut, kind) in [
            ("damaged-data-cut", FindingKind::DataDamaged),
            ("damaged-data-missing", FindingKind::FileMissing),
        ] {
            let folder = tempfile::tempdir().expect("temp");
            let copy = folder.path().join(cut);
            std::fs::create_dir(&copy).expect("creates");
            let mut largest = (0, PathBuf::new());
            for item in std::fs::read_dir(root.join(name)).expect("lists") {
                let item = item.expect("item");
                let target = copy.join(item.file_name());
                let size = std::fs::copy(item.path(), &target).expect("copies");
                if size > largest.0 && item.file_name() != "toc.dat" {
                    largest = (size, target);
                }
            }
            if kind == FindingKind::FileMissing {
                std::fs::remove_file(&largest.1).expect("removes");
            } else {
                let bytes = std::fs::read(&largest.1).expect("reads");
                std::fs::write(&largest.1, &bytes[..bytes.len() / 2]).expect("writes");
            }
            let expected = match (kind, name.ends_with("none")) {
                (FindingKind::DataDamaged, true) => FindingKind::DataIncomplete,
                (kind, _) => kind,
            };
            assert_eq!(kinds(&copy, Depth::Full), [expected], "{name} {cut}");
        }
    }
}

#[test]
fn a_check_stops_when_asked() {
    let folder = tempfile::tempdir().expect("temp");
    let path = write_archive(folder.path(), Algorithm::None, &BLOCKS);
    let interrupt = Interrupt::default();
    interrupt.trigger();
    let reader = open(&path).expect("opens");
    let error = check(&*reader, Depth::Full, &crate::progress::silent(), &interrupt)
        .expect_err("interrupted");
    assert_eq!(error.kind(), ErrorKind::Interrupted);
}

/// Replaces numbers of a manifest, and seals it again as its writer would.
fn with_other_numbers(manifest: &str, changes: &[(prop::sample::Index, &str)]) -> String {
    let end = manifest.rfind(",\n\"sha256\"").expect("a seal");
    let mut body = manifest[..end].to_owned();
    for (place, number) in changes {
        let bytes = body.as_bytes();
        let begins =
            |at: &usize| bytes[*at].is_ascii_digit() && !bytes[at - 1].is_ascii_alphanumeric();
        let places: Vec<usize> = (1..bytes.len()).filter(begins).collect();
        let start = places[place.index(places.len())];
        let length = bytes[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        body.replace_range(start..start + length, number);
    }
    let hash = crate::codec::sha256(format!("{body}\n}}\n").as_bytes());
    format!("{body},\n\"sha256\": \"{hash}\"\n}}\n")
}

proptest! {
    #[test]
    fn manifests_that_lie_never_panic(
        format in prop::sample::select(FORMATS.to_vec()),
        changes in prop::collection::vec((
            any::<prop::sample::Index>(),
            prop::sample::select(vec!["0", "1", "2", "7", "4294967296", "9223372036854775807",
                "18446744073709551615", "18446744073709551616"]),
        ), 1..5),
    ) {
        let folder = tempfile::tempdir().expect("temp");
        let path = write_format(folder.path(), format, Algorithm::None, &BLOCKS);
        let file = if path.is_dir() { path.join("manifest.json") } else { files_of(&path)[1].clone() };
        let manifest = std::fs::read_to_string(&file).expect("reads");
        std::fs::write(&file, with_other_numbers(&manifest, &changes)).expect("writes");
        let reader = open(&path).expect("the table of contents is whole");
        reader.entries().iter().for_each(|entry| drop((reader.data_size(entry), reader.data_name(entry))));
        for depth in [Depth::Quick, Depth::Full] {
            let _ = run(&path, depth);
        }
    }

    #[test]
    fn manifests_of_noise_never_panic(noise in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Manifest::read(&noise).is_err());
    }
}
