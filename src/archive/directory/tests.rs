//! Round trips through real directories, and what is refused.

use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;

use crate::archive::toc::Toc;
use crate::archive::{
    ArchiveHeader, ArchiveReader, ArchiveTime, ArchiveVersion, ArchiveWriter, DataFileWriter,
    EncodedBlock, Manifest, ManifestData, ManifestState, PieceWriter, create, open,
    own_dumper_version,
};
use crate::codec::{Algorithm, Compression, Fingerprint, RowHasher, encode_block};
use crate::error::ErrorKind;
use crate::model::{DumpId, Section, TocEntry};

fn header(algorithm: Algorithm, entries: &[TocEntry]) -> ArchiveHeader {
    let created =
        ArchiveTime { second: 1, minute: 2, hour: 3, day: 4, month: 5, year: 126, is_dst: 0 };
    ArchiveHeader {
        version: ArchiveVersion::oldest_for(algorithm, entries),
        database: "db".into(),
        server_version: "18.6".into(),
        dumper_version: own_dumper_version(),
        ..ArchiveHeader::directory(algorithm, created)
    }
}

fn table_data(id: i32, table: &str) -> TocEntry {
    TocEntry {
        section: Section::Data,
        namespace: Some("public".into()),
        owner: Some("postgres".into()),
        copy_statement: Some(format!("COPY public.{table} (a) FROM stdin;\n")),
        has_data: true,
        file_name: Some(format!("{id}.dat")),
        ..TocEntry::new(DumpId(id), "TABLE DATA", table)
    }
}

fn writer(path: &Path, algorithm: Algorithm, entries: &[TocEntry]) -> Box<dyn ArchiveWriter> {
    let toc = Toc { header: header(algorithm, entries), entries: entries.to_vec() };
    create(&path.into(), Arc::new(toc), Compression::new(algorithm)).expect("creates")
}

fn block(piece: &PieceWriter, text: &str) -> (EncodedBlock, Fingerprint) {
    let mut hasher = RowHasher::new();
    hasher.feed(text.as_bytes());
    let fingerprint = hasher.finish();
    (piece.codec().encode(text.as_bytes(), fingerprint.rows).expect("compresses"), fingerprint)
}

fn write_piece(file: &DataFileWriter, index: usize, blocks: &[&str]) {
    let mut piece = file.piece(index).expect("begins");
    let mut sum = Fingerprint::default();
    for text in blocks {
        let (block, fingerprint) = block(&piece, text);
        piece.write_block(block).expect("writes");
        sum.merge(fingerprint);
    }
    piece.finish(sum).expect("finishes");
}

/// Writes an archive of two tables, one of them in three pieces that end in another order.
fn write_sample(path: &Path, algorithm: Algorithm) {
    let writer = writer(path, algorithm, &[table_data(8, "t"), table_data(3, "u")]);
    let first = writer.data_file(DumpId(8)).expect("file");
    let mut lost = first.piece(0).expect("begins");
    let text = block(&lost, "lost\n").0;
    lost.write_block(text).expect("writes");
    write_piece(&first, 2, &["e\n", "f\n"]);
    write_piece(&first, 0, &["a\n", "b\n"]);
    let late = block(&lost, "late\n").0;
    lost.write_block(late).expect_err("begun again");
    let spooled = first.piece(1).expect("begins");
    drop(spooled);
    write_piece(&first, 1, &["c\nd\n"]);
    let first = first.finish(3).expect("finishes");
    let second = writer.data_file(DumpId(3)).expect("file");
    write_piece(&second, 0, &[]);
    let second = second.finish(1).expect("finishes");
    assert_eq!(first.fingerprint.rows, 6);
    assert_eq!(first.raw_bytes, 12 + 5);
    let manifest = Manifest {
        data: vec![
            ManifestData::new(first, "public", "t"),
            ManifestData::new(second, "public", "u"),
        ],
        ..Manifest::default()
    };
    writer.finish(Some(manifest)).expect("finishes");
}

fn text_of(reader: &dyn ArchiveReader, position: usize) -> String {
    let mut text = String::new();
    let mut data = reader.open_data(&reader.entries()[position]).expect("opens");
    data.read_to_string(&mut text).expect("reads");
    text
}

#[test]
fn pieces_are_joined_in_their_order() {
    for algorithm in Algorithm::ALL {
        let folder = tempfile::tempdir().expect("temp");
        let path = folder.path().join("out");
        write_sample(&path, algorithm);
        let reader = open(&path).expect("opens");
        let manifest = reader.manifest().expect("manifest");
        reader.require_manifest().expect("is there");
        assert_eq!(text_of(&*reader, 0), "a\nb\nc\nd\ne\nf\n\\.\n\n\n");
        assert_eq!(text_of(&*reader, 1), "\\.\n\n\n");
        let data = manifest.data_entry(DumpId(8)).expect("listed");
        let rows: Vec<u64> = data.blocks.iter().map(|block| block.rows).collect();
        assert_eq!(rows, [1, 1, 2, 1, 1, 0]);
        assert_eq!(reader.data_size(&reader.entries()[0]), data.stored_bytes);
        // Every block can be entered at its offset.
        let file = std::fs::read(path.join(&data.file)).expect("reads");
        let tail = file[data.blocks[2].offset as usize..].to_vec();
        let mut text = String::new();
        crate::codec::decoder(algorithm, std::io::Cursor::new(tail))
            .read_to_string(&mut text)
            .expect("reads");
        assert_eq!(text, "c\nd\ne\nf\n\\.\n\n\n");
        assert_eq!(std::fs::read_dir(&path).expect("lists").count(), 5, "no spool file is left");
    }
}

#[test]
fn the_version_is_the_oldest_that_holds_the_content() {
    let table = TocEntry::new(DumpId(1), "TABLE", "t");
    let partitioned =
        TocEntry { relkind: Some('p'), table_access_method: Some("heap".into()), ..table.clone() };
    for (algorithm, entry, version) in [
        (Algorithm::None, &table, ArchiveVersion::V1_14),
        (Algorithm::Gzip, &table, ArchiveVersion::V1_14),
        (Algorithm::Zstd, &table, ArchiveVersion::V1_15),
        (Algorithm::Lz4, &table, ArchiveVersion::V1_15),
        (Algorithm::None, &partitioned, ArchiveVersion::V1_16),
    ] {
        assert_eq!(ArchiveVersion::oldest_for(algorithm, std::slice::from_ref(entry)), version);
    }
}

#[test]
fn an_unfinished_archive_leaves_nothing() {
    let folder = tempfile::tempdir().expect("temp");
    let path = folder.path().join("out");
    let writer = writer(&path, Algorithm::None, &[table_data(1, "t")]);
    let file = writer.data_file(DumpId(1)).expect("file");
    let piece = file.piece(0).expect("begins");
    drop(piece);
    let error = file.finish(1).expect_err("its piece is missing");
    assert_eq!(error.kind(), ErrorKind::Internal);
    let error = writer.finish(Some(Manifest::default())).expect_err("an entry has no file");
    assert_eq!(error.kind(), ErrorKind::Internal);
    assert_eq!(std::fs::read_dir(folder.path()).expect("lists").count(), 0);
}

#[test]
fn blocks_and_fingerprint_must_agree() {
    let folder = tempfile::tempdir().expect("temp");
    let writer = writer(&folder.path().join("out"), Algorithm::None, &[]);
    let file = writer.data_file(DumpId(1)).expect("file");
    let mut piece = file.piece(0).expect("begins");
    let row = block(&piece, "a\n").0;
    piece.write_block(row).expect("writes");
    piece.finish(Fingerprint { rows: 2, sum: 0 }).expect_err("one row is missing");
}

#[test]
fn the_manifest_is_judged() {
    let folder = tempfile::tempdir().expect("temp");
    let path = folder.path().join("out");
    write_sample(&path, Algorithm::Gzip);
    let manifest = path.join("manifest.json");
    let whole = std::fs::read(&manifest).expect("reads");

    std::fs::write(&manifest, &whole[..whole.len() - 4]).expect("writes");
    let reader = open(&path).expect("opens all the same");
    assert!(matches!(reader.manifest_state(), ManifestState::Damaged(_)));
    assert_eq!(reader.require_manifest().expect_err("cut").kind(), ErrorKind::Integrity);

    std::fs::remove_file(&manifest).expect("removes");
    let reader = open(&path).expect("opens all the same");
    assert!(matches!(reader.manifest_state(), ManifestState::Gone));
    let error = reader.require_manifest().expect_err("gone");
    assert_eq!(error.kind(), ErrorKind::Integrity);
    assert!(error.message().contains("is gone"));
    assert_eq!(text_of(&*reader, 1), "\\.\n\n\n", "data are readable without it");

    let other = folder.path().join("other");
    write_sample(&other, Algorithm::None);
    std::fs::copy(other.join("manifest.json"), &manifest).expect("copies");
    let reader = open(&path).expect("opens all the same");
    let error = reader.require_manifest().expect_err("another archive's");
    assert_eq!(error.kind(), ErrorKind::Integrity);
}

#[test]
fn nothing_outside_the_archive_is_read() {
    let folder = tempfile::tempdir().expect("temp");
    let path = folder.path().join("out");
    write_sample(&path, Algorithm::None);
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "secret").expect("writes");
    let data = path.join("8.dat");
    std::fs::remove_file(&data).expect("removes");
    let reader = open(&path).expect("opens");
    let missing = reader.open_data(&reader.entries()[0]).err().expect("missing");
    assert!(
        missing.message().contains("8.dat") && missing.message().contains("TABLE DATA public.t")
    );
    std::os::unix::fs::symlink(&secret, &data).expect("links");
    let error = reader.open_data(&reader.entries()[0]).err().expect("a link");
    assert_eq!(error.kind(), ErrorKind::Archive);
    std::fs::remove_file(&data).expect("removes");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &data,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .expect("makes a pipe");
    let error = reader.open_data(&reader.entries()[0]).err().expect("a pipe");
    assert_eq!(error.kind(), ErrorKind::Archive);
}

#[test]
fn files_are_found_by_their_suffix() {
    let folder = tempfile::tempdir().expect("temp");
    let path = folder.path().join("out");
    write_sample(&path, Algorithm::None);
    for name in ["8.dat", "toc.dat"] {
        let raw = std::fs::read(path.join(name)).expect("reads");
        let packed = encode_block(&Compression::new(Algorithm::Zstd), &raw).expect("compresses");
        std::fs::write(path.join(format!("{name}.zst")), packed).expect("writes");
        std::fs::remove_file(path.join(name)).expect("removes");
    }
    let reader = open(&path).expect("opens");
    reader.require_manifest().expect("the content is the same");
    assert_eq!(text_of(&*reader, 0), "a\nb\nc\nd\ne\nf\n\\.\n\n\n");
}

#[test]
fn what_is_not_an_archive_is_named() {
    let folder = tempfile::tempdir().expect("temp");
    let missing = open(folder.path().join("nothing")).err().expect("missing");
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    let empty = open(folder.path()).err().expect("empty directory");
    assert!(empty.message().ends_with("(\"toc.dat\" does not exist)"), "{empty}");
    for (content, what) in [
        (&b"PGDMP\x01\x10"[..], "at offset 5 in the header"),
        (b"--\n-- PostgreSQL database dump\n--\n\n", "a plain script"),
        (b"", "an empty file"),
        (b"hello", "not a PostgreSQL archive"),
    ] {
        let path = folder.path().join("file");
        std::fs::File::create(&path).expect("creates").write_all(content).expect("writes");
        let error = open(&path).err().expect("not supported");
        assert_eq!(error.kind(), ErrorKind::Archive);
        assert!(error.message().contains(what), "{error}");
    }
}

#[test]
fn archives_of_pg_dump_are_read_in_every_codec() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/archives");
    for name in ["pg15-none", "pg15-gzip", "pg18-none", "pg18-gzip", "pg18-lz4", "pg18-zstd"] {
        let reader = open(root.join(name)).expect(name);
        assert!(matches!(reader.manifest_state(), ManifestState::NotExpected));
        reader.require_manifest().expect("pg_dump writes none");
        let with_data = reader.entries().iter().enumerate().filter(|(_, entry)| entry.has_data);
        let mut rows = 0;
        for (position, _) in with_data {
            let text = text_of(&*reader, position);
            rows += text.strip_suffix("\\.\n\n\n").expect("end marker").lines().count();
        }
        assert_eq!(rows, 50 + 5 + 1 + 1, "{name}");
    }
}
