//! What the archive writers make of hand-made entries is read by stock pg_restore.

use std::path::Path;
use std::sync::Arc;

use pgark::archive::toc::Toc;
use pgark::archive::{
    ArchiveFormat, ArchiveHeader, ArchiveTime, ArchiveVersion, Manifest, ManifestData, create,
    own_dumper_version,
};
use pgark::codec::{Algorithm, Compression, RowHasher};
use pgark::model::{CatalogId, DumpId, Oid, Section, TocEntry};

use crate::support::oracle::{self, Oracle};

/// Entries with everything that is easily got wrong: oids above 2^31, NULL and empty strings, ids out
/// of order with gaps, dependencies on nothing, names that need quotes.
fn entries() -> Vec<TocEntry> {
    let session = |id, desc: &str, definition: &str| TocEntry {
        definition: definition.to_owned(),
        ..TocEntry::new(DumpId(id), desc, desc)
    };
    let table = |id, name: &str| TocEntry {
        catalog_id: CatalogId { class: Oid(1259), oid: Oid(4_000_000_000) },
        namespace: Some("Odd schema".into()),
        tablespace: Some(String::new()),
        table_access_method: Some("heap".into()),
        relkind: Some('r'),
        owner: Some("postgres".into()),
        definition: format!("CREATE TABLE \"Odd schema\".{name} (\n    a text\n);\n"),
        drop_statement: Some(format!("DROP TABLE \"Odd schema\".{name};\n")),
        dependencies: vec![DumpId(20), DumpId(20), DumpId(99_999)],
        ..TocEntry::new(DumpId(id), "TABLE", name)
    };
    let data = |id, table_id, name: &str| TocEntry {
        catalog_id: CatalogId { class: Oid(0), oid: Oid(4_000_000_000) },
        section: Section::Data,
        namespace: Some("Odd schema".into()),
        owner: Some("postgres".into()),
        copy_statement: Some(format!("COPY \"Odd schema\".{name} (a) FROM stdin;\n")),
        dependencies: vec![DumpId(table_id)],
        has_data: true,
        file_name: Some(format!("{id}.dat")),
        ..TocEntry::new(DumpId(id), "TABLE DATA", name)
    };
    vec![
        session(3, "ENCODING", "SET client_encoding = 'UTF8';\n"),
        session(1, "STDSTRINGS", "SET standard_conforming_strings = 'on';\n"),
        session(2, "SEARCHPATH", "SELECT pg_catalog.set_config('search_path', '', false);\n"),
        TocEntry {
            catalog_id: CatalogId { class: Oid(2615), oid: Oid(2_147_483_648) },
            owner: Some("postgres".into()),
            definition: "CREATE SCHEMA \"Odd schema\";\n".into(),
            drop_statement: Some("DROP SCHEMA \"Odd schema\";\n".into()),
            ..TocEntry::new(DumpId(20), "SCHEMA", "Odd schema")
        },
        table(700, "t"),
        table(10, "empty"),
        data(1_000, 700, "t"),
        data(5, 10, "empty"),
    ]
}

const ROWS: [&str; 3] = ["one\n\\N\n", "\\\\.\n", "größe\\tand\\nmore\n"];

fn write(path: &Path, format: ArchiveFormat, algorithm: Algorithm, version: ArchiveVersion) {
    let compression = Compression::new(algorithm);
    let created =
        ArchiveTime { second: 1, minute: 2, hour: 3, day: 4, month: 4, year: 126, is_dst: 0 };
    let header = ArchiveHeader {
        format,
        version,
        database: "hand made".into(),
        server_version: "18.6".into(),
        dumper_version: own_dumper_version(),
        ..ArchiveHeader::directory(algorithm, created)
    };
    let toc = Toc { header, entries: entries() };
    let writer = create(&path.into(), Arc::new(toc), compression).expect("creates");
    let mut manifest = Manifest::default();
    for (id, table, pieces) in [(1_000, "t", &ROWS[..]), (5, "empty", &[])] {
        let file = writer.data_file(DumpId(id)).expect("file");
        // One piece for each block, written from the last to the first.
        for (index, text) in pieces.iter().enumerate().rev() {
            let mut piece = file.piece(index).expect("piece");
            let mut rows = RowHasher::new();
            rows.feed(text.as_bytes());
            let block = piece.codec().encode(text.as_bytes(), rows.rows()).expect("compresses");
            piece.write_block(block).expect("writes");
            piece.finish(rows.finish()).expect("finishes");
        }
        let summary = file.finish(pieces.len()).expect("finishes");
        manifest.data.push(ManifestData::new(summary, "Odd schema", table));
    }
    writer.finish(Some(manifest)).expect("finishes");
}

#[test]
fn stock_pg_restore_reads_every_version_and_codec() {
    for format in [ArchiveFormat::Directory, ArchiveFormat::Custom, ArchiveFormat::Tar] {
        stock_reads(format);
    }
}

/// Returns the newest version that the tools read.
fn newest_known(stock: &Oracle) -> ArchiveVersion {
    match stock.major() {
        ..=15 => ArchiveVersion::V1_14,
        16 => ArchiveVersion::V1_15,
        _ => ArchiveVersion::V1_16,
    }
}

fn stock_reads(format: ArchiveFormat) {
    let folder = tempfile::tempdir().expect("temp");
    for stock in [oracle::record(), oracle::second(), oracle::third()].into_iter().flatten() {
        for algorithm in Algorithm::ALL.into_iter().filter(|a| stock.knows(a.name())) {
            for version in [ArchiveVersion::V1_14, ArchiveVersion::V1_15, ArchiveVersion::V1_16] {
                let named = version.has_algorithm()
                    || matches!(algorithm, Algorithm::None | Algorithm::Gzip);
                let known = format.check_compression(Compression::new(algorithm)).is_ok();
                if !known || !named || version > newest_known(&stock) {
                    continue;
                }
                let path = folder.path().join(format!("{}-{algorithm}-{version}", stock.major()));
                write(&path, format, algorithm, version);
                let list = stock.pg_restore(&["-l"], &path).success();
                assert_eq!(list.stderr, "");
                let listed: Vec<&str> =
                    list.stdout.lines().filter(|line| !line.starts_with(';')).collect();
                assert_eq!(
                    listed,
                    [
                        "20; 2615 2147483648 SCHEMA - Odd schema postgres",
                        "700; 1259 4000000000 TABLE Odd schema t postgres",
                        "10; 1259 4000000000 TABLE Odd schema empty postgres",
                        "1000; 0 4000000000 TABLE DATA Odd schema t postgres",
                        "5; 0 4000000000 TABLE DATA Odd schema empty postgres",
                    ]
                );
                assert!(list.stdout.contains("; Archive created at 2026-05-04 03:02:01"));
                let script = stock.pg_restore(&["-f", "-", "-a"], &path).success();
                assert_eq!(script.stderr, "");
                let expected =
                    format!("COPY \"Odd schema\".t (a) FROM stdin;\n{}\\.\n\n\n", ROWS.concat());
                assert!(script.stdout.contains(&expected), "{}", script.stdout);
                assert!(script.stdout.contains("COPY \"Odd schema\".empty (a) FROM stdin;\n\\.\n"));
            }
        }
    }
}

#[test]
fn sha256sum_reads_the_checksums() {
    let folder = tempfile::tempdir().expect("temp");
    let path = folder.path().join("archive");
    write(&path, ArchiveFormat::Directory, Algorithm::Gzip, ArchiveVersion::V1_14);
    let check = || {
        std::process::Command::new("sha256sum")
            .args(["--check", "--strict", "--quiet", "SHA256SUMS"])
            .current_dir(&path)
            .status()
            .expect("sha256sum can be started")
    };
    assert!(check().success());
    // The recipe in the documentation of the manifest.
    let sealed = std::process::Command::new("bash")
        .args(["-c", "(head -n -2 manifest.json | head -c -2; printf '\\n}\\n') | sha256sum"])
        .current_dir(&path)
        .output()
        .expect("bash can be started");
    let digest = String::from_utf8_lossy(&sealed.stdout[..64]).into_owned();
    let manifest = std::fs::read_to_string(path.join("manifest.json")).expect("reads");
    assert!(
        manifest.ends_with(&format!("\n\"sha256\": \"{digest}\"\n}}\n")),
        "{digest}\n{manifest}"
    );

    let mut toc = std::fs::read(path.join("toc.dat")).expect("reads");
    toc[60] ^= 1;
    std::fs::write(path.join("toc.dat"), toc).expect("writes");
    assert!(!check().success());
}
