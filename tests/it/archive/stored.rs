//! The stored archives of every version, format and codec: inspected, listed, verified, restored.

use std::collections::BTreeSet;

use pgark::archive::{ArchiveFormat, ArchiveReader, open};
use pgark::codec::Algorithm;

use super::fixture;
use crate::support::database::Database;
use crate::support::oracle::{self, RESTRICT_KEY};
use crate::support::{World, assert_same, newest_server};

use Algorithm::{Gzip, Lz4, None as Stored, Zstd};
use ArchiveFormat::{Custom, Directory, Tar};

/// Name, minor version, format, codec.
pub(super) const ARCHIVES: [(&str, u8, ArchiveFormat, Algorithm); 39] = [
    ("v1.10-none.dump", 10, Custom, Stored),
    // As programs of 32 bits wrote it: offsets of four bytes.
    ("v1.10-offset4.dump", 10, Custom, Stored),
    ("v1.10.tar", 10, Tar, Stored),
    ("v1.11-none.dump", 11, Custom, Stored),
    ("v1.11.tar", 11, Tar, Stored),
    ("v1.12-gzip", 12, Directory, Gzip),
    ("v1.12-gzip.dump", 12, Custom, Gzip),
    ("v1.12-none.dump", 12, Custom, Stored),
    ("v1.12.tar", 12, Tar, Stored),
    ("v1.13-gzip", 13, Directory, Gzip),
    ("v1.13-gzip.dump", 13, Custom, Gzip),
    ("v1.13-none.dump", 13, Custom, Stored),
    ("v1.13.tar", 13, Tar, Stored),
    ("pg14-gzip", 14, Directory, Gzip),
    ("pg14-gzip.dump", 14, Custom, Gzip),
    ("pg14-none.dump", 14, Custom, Stored),
    ("pg14.tar", 14, Tar, Stored),
    ("pg15-gzip", 14, Directory, Gzip),
    ("pg15-gzip.dump", 14, Custom, Gzip),
    ("pg15-none", 14, Directory, Stored),
    ("pg15-none.dump", 14, Custom, Stored),
    ("pg15-piped.dump", 14, Custom, Gzip),
    ("pg15.tar", 14, Tar, Stored),
    ("pg16-gzip.dump", 15, Custom, Gzip),
    ("pg16-lz4.dump", 15, Custom, Lz4),
    ("pg16-none.dump", 15, Custom, Stored),
    ("pg16-piped.dump", 15, Custom, Gzip),
    ("pg16-zstd.dump", 15, Custom, Zstd),
    ("pg16.tar", 15, Tar, Stored),
    ("pg18-gzip", 16, Directory, Gzip),
    ("pg18-gzip.dump", 16, Custom, Gzip),
    ("pg18-lz4", 16, Directory, Lz4),
    ("pg18-lz4.dump", 16, Custom, Lz4),
    ("pg18-none", 16, Directory, Stored),
    ("pg18-none.dump", 16, Custom, Stored),
    ("pg18-zstd", 16, Directory, Zstd),
    ("pg18-piped.dump", 16, Custom, Gzip),
    ("pg18-zstd.dump", 16, Custom, Zstd),
    ("pg18.tar", 16, Tar, Stored),
];

/// What else is in the folder.
const OTHERS: [&str; 4] = ["README.md", "large_objects.sql", "make", "source.sql"];

#[test]
fn versions_formats_and_codecs_are_told() {
    let folder = fixture(".");
    let there: BTreeSet<String> = std::fs::read_dir(folder)
        .expect("lists")
        .map(|item| item.expect("item").file_name().to_string_lossy().into_owned())
        .collect();
    let known = ARCHIVES.iter().map(|(name, ..)| (*name).to_owned());
    assert_eq!(
        there,
        known.chain(OTHERS.map(str::to_owned)).collect(),
        "every archive is in the table"
    );
    for (name, minor, format, algorithm) in ARCHIVES {
        let archive = open(fixture(name)).expect(name);
        let header = archive.header();
        let found = (header.version.minor, header.format, header.algorithm);
        assert_eq!(found, (minor, format, algorithm), "{name}");
    }
}

/// Tells whether an archive holds large objects; the first ones that were stored do not.
fn has_large_objects(archive: &dyn ArchiveReader) -> bool {
    archive.entries().iter().any(|entry| entry.desc == "BLOBS")
}

#[test]
fn they_are_listed_and_become_scripts_as_stock_does_it() {
    let Some(stock) = oracle::record() else { return };
    let world = World::new();
    let key = format!("--restrict-key={RESTRICT_KEY}");
    for (name, ..) in ARCHIVES {
        let path = fixture(name);
        let shown = path.to_str().expect("UTF-8");
        for options in [
            &["-l"][..],
            &["-l", "-v"],
            &["-f", "-", &key],
            &["-f", "-", &key, "-c", "--if-exists", "-O"],
        ] {
            let expected = stock.pg_restore(options, &path).success().stdout;
            let arguments = [&["pg_restore"], options, &[shown]].concat();
            let found = world.pgark(&arguments).success().stdout;
            assert_same(&expected, &found, &format!("{name} {options:?}"));
        }
    }
}

fn large_objects(database: &Database) -> String {
    database.query(
        "select string_agg(concat_ws('|', oid, md5(lo_get(oid)), obj_description(oid, 'pg_largeobject')),
             ' ' order by oid) from pg_largeobject_metadata",
    )
}

#[test]
fn they_are_verified_and_restored() {
    let Some(stock) = oracle::record() else { return };
    let server = newest_server();
    let role = server.database("stored_role");
    role.execute(
        "do $$ begin create role archive_owner; exception when duplicate_object then end $$",
    );
    let text = |database: &Database| stock.pg_dump(database, &[]);
    let source = |scripts: &str| {
        let source = server.database("stored_source");
        source.execute(scripts);
        text(&source)
    };
    let tables = include_str!("../../../fixtures/archives/source.sql")
        .replace("create role archive_owner;", "");
    let objects = include_str!("../../../fixtures/archives/large_objects.sql");
    // Before 1.12 nobody owned large objects, and whoever could connect could read them.
    let unowned = |line: &&str| !line.starts_with("grant") && !line.starts_with("alter");
    let old: Vec<&str> = objects.lines().filter(unowned).collect();
    let without = source(&tables);
    let with = source(&format!("{tables}{objects}"));
    let with_old = source(&format!("{tables}{}", old.join("\n")));
    let world = World::new();
    for (name, minor, ..) in ARCHIVES {
        let path = fixture(name);
        let shown = path.to_str().expect("UTF-8");
        let objects = has_large_objects(&*open(&path).expect(name));
        let verified = world.pgark(&["verify", shown]).success().stdout;
        assert!(verified.contains("  rows       57\n"), "{name}: {verified}");
        assert_eq!(verified.contains("  large      3 objects"), objects, "{name}: {verified}");
        let target = server.database("stored");
        let _ = world.pgark(&["restore", "-d", target.uri(), "-j", "2", shown]).success();
        let expected = match (objects, minor) {
            (false, _) => &without,
            (true, ..12) => &with_old,
            (true, _) => &with,
        };
        assert_same(expected, &text(&target), name);
        if objects && minor < 12 {
            // What is there is dropped first, although no entry says how.
            let before = large_objects(&target);
            target.execute("select lo_put(4002, 0, 'changed')");
            let again = ["restore", "-d", target.uri(), "--clean", "--if-exists", shown];
            let _ = world.pgark(&again).success();
            assert_eq!(large_objects(&target), before, "{name} --clean");
        }
    }
    role.execute("drop role archive_owner");
}
