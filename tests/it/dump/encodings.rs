//! Databases in other encodings than UTF-8, with names and values outside ASCII: bytes stay bytes.

use std::process::Command;

use crate::support::database::Database;
use crate::support::oracle::{self, Oracle, RESTRICT_KEY};
use crate::support::server::Server;
use crate::support::{World, servers};

/// An encoding and statements, which are written in UTF-8 and arrive converted.
const CONVERTED: &[(&str, &str)] = &[
    (
        "LATIN1",
        r#"create schema "Größe"; create table "Größe"."tä ble" ("spälte" text default 'é');
           insert into "Größe"."tä ble" values ('ÿþ'), ('plain'), (null), (E'a\\\tñ');
           comment on table "Größe"."tä ble" is 'ñandú';
           create type "Größe".farbe as enum ('grün', 'weiß');
           create function "Größe".f(in "ä" text) returns text language sql as 'select ''ü''::text';
           create index "ïdx" on "Größe"."tä ble" ("spälte");
           create table "Größe".zz (); create table "Größe"."éa" (); create table "Größe"."Äa" ();"#,
    ),
    (
        "EUC_JP",
        r#"create table "表" ("列" text default '日本'); insert into "表" values ('日本語'), ('カタカナ');
           comment on column "表"."列" is '説明'; create view "ビュー" as select '文'::text as x;
           create table "あ" (); create table "ア" (); create table "亜" (); create sequence "番号";"#,
    ),
];

/// Bytes that belong to no encoding.
const RAW: &[u8] = b"create table \"t\xe9\xff\" (\"c\xc0\" text default '\xfe');
    insert into \"t\xe9\xff\" values ('\xe9\xff raw'), ('\xc3\xa9'), ('\xf4\x8f\xbc\x80');
    comment on table \"t\xe9\xff\" is '\x80\x81';
    create table \"t\xc3\xa9\" (); create table \"t\xc2\" (); create view \"v\x80\" as select '\xff'::text as x;
    create function f() returns text language sql as 'select ''\xc0''::text';";

fn database(server: &Server, name: &str, encoding: &str) -> Database {
    let options = format!("encoding '{encoding}' template template0 lc_collate 'C' lc_ctype 'C'");
    server.database_with(name, &options)
}

/// Runs a tool that writes to standard output; returns whether it succeeded, and the bytes.
fn bytes(command: &mut Command) -> (bool, Vec<u8>) {
    let output = command.output().expect("it starts");
    (output.status.success(), output.stdout)
}

fn compare(stock: &Oracle, world: &World, source: &Database, what: &str, options: &[&str]) {
    let key = format!("--restrict-key={RESTRICT_KEY}");
    let arguments = |command: &mut Command| {
        command.args([&key, "-d", source.uri()]).args(options);
    };
    let mut theirs = stock.command("pg_dump");
    arguments(&mut theirs);
    let mut ours = world.command();
    ours.arg("pg_dump");
    arguments(&mut ours);
    let (theirs, ours) = (bytes(&mut theirs), bytes(&mut ours));
    assert_eq!(theirs.0, ours.0, "{what} {options:?}: who succeeds");
    // What was written before an error is not promised to be equal.
    let theirs_text = oracle::bytes_without_internal_options(theirs.1);
    assert!(
        !theirs.0 || theirs_text == ours.1,
        "{what} {options:?}:\n{}\n---\n{}",
        String::from_utf8_lossy(&theirs_text),
        String::from_utf8_lossy(&ours.1)
    );
}

#[test]
fn patterns_typed_in_utf8_find_names_in_other_encodings() {
    for server in servers() {
        for (encoding, script, schema, table) in [
            ("LATIN1", CONVERTED[0].1, "Größe", "Größe.zz"),
            ("EUC_JP", CONVERTED[1].1, "public", "public.番号"),
        ] {
            let world = World::new();
            let source = database(server, "patterns", encoding);
            source.execute(script);
            let quoted = |name: &str| format!("\"{}\"", name.replace('.', "\".\""));
            let select = ["-n", &quoted(schema), "-T", &quoted(table), "-f", "archive"];
            let _ = world.pgark(&[&["dump", "-d", source.uri()], &select[..]].concat()).success();
            let list = bytes(world.command().args(["pg_restore", "-l", "archive"])).1;
            let list = String::from_utf8_lossy(&list).into_owned();
            // The names come in the encoding of the database, which these lines are not in.
            let tables = list.lines().filter(|line| line.contains(" TABLE DATA ")).count();
            let sequences = list.lines().filter(|line| line.contains(" SEQUENCE ")).count();
            let expected = if encoding == "LATIN1" { (3, 0) } else { (4, 0) };
            assert_eq!((tables, sequences), expected, "{encoding} on {server}:\n{list}");
            // Verifying reads the patterns out of the manifest.
            let _ = world.pgark(&["verify", "archive", "--against", source.uri()]).success();
            if encoding == "LATIN1" {
                let dump = ["dump", "-d", source.uri(), "-f", "nothing", "-t"];
                let _ = world.pgark(&[&dump[..], &["größer*"]].concat()).fails_with(6);
                let impossible = world.pgark(&[&dump[..], &["表"]].concat()).fails_with(1).stderr;
                assert!(impossible.contains("tables matching 表"), "{impossible}");
            }
        }
    }
}

#[test]
fn other_encodings_equal_stock_and_survive() {
    let Some(stock) = oracle::record() else { return };
    for server in servers() {
        for encoding in ["LATIN1", "EUC_JP", "SQL_ASCII"] {
            let world = World::new();
            let source = database(server, "encoded", encoding);
            match CONVERTED.iter().find(|(name, _)| *name == encoding) {
                Some((_, script)) => source.execute(script),
                None => source.execute_bytes(RAW),
            }
            let what = format!("{encoding} on {server}");
            compare(&stock, &world, &source, &what, &[]);
            for chosen in ["UTF8", "LATIN1", "EUC_JP", "SQL_ASCII"] {
                compare(&stock, &world, &source, &what, &[&format!("--encoding={chosen}")]);
            }
            let _ = world.pgark(&["dump", "-d", source.uri(), "-f", "archive", "-j2"]).success();
            let target = database(server, "encoded_again", encoding);
            let _ = world.pgark(&["restore", "-d", target.uri(), "archive"]).success();
            let _ = world.pgark(&["verify", "archive", "--against", target.uri()]).success();
            let dumped = |database: &Database| {
                let key = format!("--restrict-key={RESTRICT_KEY}");
                bytes(stock.command("pg_dump").args([&key, "-d", database.uri()])).1
            };
            let (before, after) = (dumped(&source), dumped(&target));
            let clean = oracle::bytes_without_internal_options;
            assert!(clean(before) == clean(after), "{what}: another database came out");
        }
    }
}
