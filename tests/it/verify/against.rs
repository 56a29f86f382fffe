//! A live database compared with an archive.

use super::findings;
use crate::support::database::Database;
use crate::support::{World, newest_server};

const SCHEMA: &str = "create schema shop; \
    create table shop.orders (id int primary key, note text, paid boolean default false); \
    insert into shop.orders select g, 'note ' || g, g % 2 = 0 from generate_series(1, 100) g; \
    create table shop.\"Odd Name\" (a int, \"b c\" text[]); \
    insert into shop.\"Odd Name\" values (1, '{x,NULL}'), (1, '{x,NULL}'), (2, null); \
    create sequence shop.numbers; select setval('shop.numbers', 10); \
    create view shop.paid as select * from shop.orders where paid; \
    create index orders_note on shop.orders (note)";

fn archived() -> (World, Database) {
    let source = newest_server().database("against");
    source.execute(SCHEMA);
    let world = World::new();
    let _ =
        world.pgark(&["dump", "-d", source.uri(), "-f", "archive", "--progress", "none"]).success();
    (world, source)
}

#[test]
fn a_database_equals_its_archive_and_a_restored_copy() {
    let (world, source) = archived();
    assert_eq!(findings(&world, &["archive", "--against", source.uri()]), (0, String::new()));
    let copy = newest_server().database("against_copy");
    let _ = world.pgark(&["restore", "-d", copy.uri(), "archive", "-O", "-x"]).success();
    assert_eq!(
        findings(&world, &["archive", "--against", copy.uri(), "-O", "-x"]),
        (0, String::new())
    );
}

/// A change to a database and what verification says about it; empty when nothing is wrong.
const CHANGES: &[(&str, &str)] = &[
    (
        "update shop.orders set note = 'other' where id = 7",
        "table shop.orders: its 100 rows differ in content\n",
    ),
    (
        "delete from shop.orders where id = 7",
        "table shop.orders: has 100 rows in the archive and 99 in the database\n",
    ),
    (
        "delete from shop.\"Odd Name\" where ctid = '(0,1)'",
        "table shop.\"Odd Name\": has 3 rows in the archive and 2 in the database\n",
    ),
    (
        "insert into shop.\"Odd Name\" values (1, '{x,NULL}')",
        "table shop.\"Odd Name\": has 3 rows in the archive and 4 in the database\n",
    ),
    // The same rows in another order are the same rows.
    (
        "create temp table kept as table shop.orders; delete from shop.orders; \
         insert into shop.orders select * from kept order by id desc",
        "",
    ),
    (
        "drop index shop.orders_note",
        "index shop.orders_note: is in the archive and not in the database\n",
    ),
    (
        "create table shop.more (a int)",
        "table shop.more: is in the database and not in the archive\n",
    ),
    (
        "create or replace view shop.paid as select * from shop.orders where not paid",
        "view shop.paid: is defined differently\n",
    ),
    (
        "select setval('shop.numbers', 9)",
        "sequence shop.numbers: stands at 9 (called: true) in the database, at 10 (called: true) in the archive\n",
    ),
    // Ahead is right for a database in use.
    ("select setval('shop.numbers', 11)", ""),
];

#[test]
fn every_difference_is_named() {
    let (world, source) = archived();
    let mut wrong = String::new();
    for (change, expected) in CHANGES {
        let copy = newest_server()
            .database_with("against_changed", &format!("template {}", source.name()));
        copy.execute(change);
        let (code, found) = findings(&world, &["archive", "--against", copy.uri(), "--quick"]);
        if found != *expected || code != if expected.is_empty() { 0 } else { 9 } {
            wrong += &format!("{change}\n  expected {expected:?}\n  found    {found:?} ({code})\n");
        }
    }
    assert_eq!(wrong, "");
}

#[test]
fn an_archive_of_a_part_is_compared_with_that_part() {
    let source = newest_server().database("against_part");
    source.execute(SCHEMA);
    source.execute("create table public.other (a int); insert into other values (1)");
    let world = World::new();
    let cases: &[&[&str]] = &[
        &["-n", "shop"],
        &["-t", "shop.orders"],
        &["-T", "shop.orders"],
        &["--exclude-table-data", "shop.*"],
        &["--data-only"],
        &["--schema-only"],
        &["-O", "-x"],
    ];
    for (number, options) in cases.iter().enumerate() {
        let output = format!("part{number}");
        let mut line = vec!["dump", "-d", source.uri(), "-f", &output, "--progress", "none"];
        line.extend(*options);
        let _ = world.pgark(&line).success();
        assert_eq!(
            findings(&world, &[&output, "--against", source.uri()]),
            (0, String::new()),
            "{options:?}"
        );
    }
}

#[test]
fn without_a_manifest_there_is_nothing_to_compare_with() {
    let Some(stock) = crate::support::oracle::record() else { return };
    let source = newest_server().database("against_stock");
    source.execute(SCHEMA);
    let world = World::new();
    let archive = world.path("stock");
    stock.dump_archive(&source, &archive, &["-Fd"]);
    let (code, text) = findings(&world, &["stock", "--against", source.uri()]);
    assert_eq!(code, 4);
    assert!(text.contains("has no manifest"), "{text}");
}
