//! Large objects in the proof: damage to their files, differences to a live database.

use super::findings;
use crate::support::database::Database;
use crate::support::{World, damage, newest_server, servers};

const OBJECTS: &str = "select lo_create(9000);
    select lo_from_bytea(9001, 'hello'); comment on large object 9001 is 'first';
    select lo_create(9002); select lo_put(9002, 100000, 'tail');
    select lo_from_bytea(9003, decode(repeat(md5('x'), 100000), 'hex'));
    create table t(a int); insert into t values (1)";

fn archived(source: &Database, arguments: &[&str]) -> World {
    source.execute(OBJECTS);
    let world = World::new();
    let mut line = vec!["dump", "-d", source.uri(), "-f", "archive", "--progress", "none"];
    line.extend(arguments);
    let _ = world.pgark(&line).success();
    world
}

/// A change, its undoing, and what verification says about it.
const CHANGES: &[(&str, &str, &str)] = &[
    (
        "select lo_put(9001, 1, 'a')",
        "select lo_put(9001, 1, 'e')",
        "large object 9001: its bytes differ\n",
    ),
    (
        "select lo_put(9000, 0, 'x')",
        "select lo_unlink(9000); select lo_create(9000)",
        "large object 9000: has 0 bytes in the archive and 1 in the database\n",
    ),
    (
        "delete from pg_largeobject where loid = 9002 and pageno > 0",
        "select lo_put(9002, 100000, 'tail')",
        "large object 9002: has 100004 bytes in the archive and 0 in the database\n",
    ),
    (
        "select lo_create(9999)",
        "select lo_unlink(9999)",
        "large object 9999: is in the database and not in the archive\n",
    ),
    (
        "alter large object 9003 owner to pg_monitor",
        "alter large object 9003 owner to postgres",
        "large object 9003: has another owner than postgres\n",
    ),
    (
        "grant select on large object 9002 to public",
        "revoke select on large object 9002 from public",
        "large object 9002: has other privileges\n",
    ),
    (
        "comment on large object 9001 is 'second'",
        "comment on large object 9001 is 'first'",
        "large object 9001: has another comment or security label\n",
    ),
    (
        "select lo_unlink(9001)",
        "",
        "large object 9001: is in the archive and not in the database\n",
    ),
];

#[test]
fn every_difference_of_a_large_object_is_named() {
    for server in servers() {
        let source = server.database("verify_lo");
        let world = archived(&source, &[]);
        let against = ["archive", "--against", source.uri(), "-j2"];
        assert_eq!(findings(&world, &against), (0, String::new()), "on {server}");
        for (change, undo, expected) in CHANGES {
            source.execute(change);
            let found = findings(&world, &against);
            assert_eq!(found, (9, (*expected).to_owned()), "{change} on {server}");
            source.execute(undo);
        }
    }
}

#[test]
fn what_was_left_out_is_not_missed() {
    for arguments in [&["-B"][..], &["-n", "public"], &["-s"]] {
        let source = newest_server().database("verify_lo_part");
        let world = archived(&source, arguments);
        let found = findings(&world, &["archive", "--against", source.uri()]);
        assert_eq!(found, (0, String::new()), "{arguments:?}");
    }
    let source = newest_server().database("verify_lo_part");
    let world = archived(&source, &["-n", "public", "-b"]);
    source.execute("select lo_unlink(9000)");
    let found = findings(&world, &["archive", "--against", source.uri()]);
    assert_eq!(found.1, "large object 9000: is in the archive and not in the database\n");
}

/// What is done to an archive, in words and as code, and what verification says.
type Damage = (&'static str, fn(&std::path::Path), &'static str);

#[test]
fn damage_to_a_large_object_is_found_and_not_restored() {
    let source = newest_server().database("verify_lo_damage");
    let world = archived(&source, &["-Z", "gzip"]);
    let sound = world.path("archive");
    let cases: &[Damage] = &[
        (
            "a flipped bit",
            |archive| damage::flip(&archive.join("blob_9003.dat.gz"), 40),
            "file blob_9003.dat.gz: the SHA-256 differs\n",
        ),
        (
            "a file cut off",
            |archive| damage::truncate(&archive.join("blob_9001.dat.gz"), 10),
            "file blob_9001.dat.gz: it should have ",
        ),
        (
            "a missing file",
            |archive| damage::remove(&archive.join("blob_9000.dat.gz")),
            "file blob_9000.dat.gz: it is missing\n",
        ),
        (
            "an object taken off the list",
            |archive| {
                let list = archive.join("blobs.toc");
                let text = std::fs::read_to_string(&list).expect("a list");
                let rest = text.replace("9001 blob_9001.dat\n", "");
                std::fs::write(&list, rest).expect("written");
            },
            "file blobs.toc: it does not list the large objects that the manifest lists\n",
        ),
        (
            "the bytes of another object",
            |archive| {
                let (from, to) = ("blob_9002.dat.gz", "blob_9003.dat.gz");
                std::fs::copy(archive.join(from), archive.join(to)).expect("copied");
            },
            "file blob_9003.dat.gz: it should have ",
        ),
        (
            "a file that does not belong",
            |archive| std::fs::write(archive.join("blob_1.dat.gz"), "x").expect("written"),
            "file blob_1.dat.gz: it does not belong to the archive\n",
        ),
    ];
    for (name, harm, expected) in cases {
        let damaged = damage::copy(&sound, name);
        harm(&damaged);
        let path = damaged.display().to_string();
        let (code, found) = findings(&world, &[&path]);
        assert_eq!(code, 9, "{name}");
        assert!(found.contains(expected), "{name}: {found}");
        let quick = findings(&world, &[&path, "--quick"]);
        assert_eq!(quick.0, 9, "{name}");
        if *name != "a file that does not belong" {
            let copy = newest_server().database("verify_lo_damage_copy");
            let run = world.pgark(&["restore", "-d", copy.uri(), &path, "--progress", "none"]);
            assert_ne!(run.code, Some(0), "{name} was restored");
        }
    }
}
