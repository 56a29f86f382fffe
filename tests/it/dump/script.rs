//! Scripts of `pgark dump`: what they hold, what lies beside them, what a restore of them proves.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::command::Run;
use crate::support::database::Database;
use crate::support::{World, newest_server, oracle, servers};

/// Tables with text that could be taken for something else, partitions, sequences, large objects.
const TABLES: &str = r#"
create schema "Odd.one";
create table "Odd.one"."t""a ble"(id int primary key, note text);
insert into "Odd.one"."t""a ble" select i, E'\\.\n\t' || i from generate_series(1, 3000) i;
create table empty(a int);
create table part(at date, value int) partition by range (at);
create table part_1 partition of part for values from ('2000-01-01') to ('2001-01-01');
create table part_2 partition of part for values from ('2001-01-01') to ('2002-01-01');
insert into part select '2000-01-01'::date + i, i from generate_series(0, 700) i;
create view v as select count(*) from part;
create sequence counter start 7; select nextval('counter');
select lo_from_bytea(4711, '\x00ff5c0a'); comment on large object 4711 is 'kept';
"#;

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// Dumps into a file of that name and returns where it is.
#[track_caller]
fn dumped(world: &World, database: &Database, name: &str, more: &[&str]) -> PathBuf {
    let path = world.path(name);
    let arguments = ["dump", "-d", database.uri(), "-f", text(&path)];
    let run = world.pgark(&[&arguments, more].concat()).success();
    assert!(run.stdout.starts_with("dumped "), "{}", run.stdout);
    path
}

fn restore(world: &World, path: &Path, target: &Database, more: &[&str]) -> Run {
    world.pgark(&[&["restore", "--no-analyze", "-d", target.uri(), text(path)], more].concat())
}

/// Returns the names in the folder of a file.
fn names(path: &Path) -> Vec<String> {
    let folder = std::fs::read_dir(path.parent().expect("a folder")).expect("lists");
    let mut names: Vec<String> = folder
        .map(|item| item.expect("an item").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn scripts_are_proved_on_the_way_in_however_they_are_compressed() {
    for server in servers() {
        let source = server.database("script_out");
        source.execute(TABLES);
        for (name, magic) in [
            ("x.sql", &b"--\n-- P"[..]),
            ("x.sql.gz", b"\x1f\x8b"),
            ("x.sql.zst", b"\x28\xb5\x2f\xfd"),
            ("x.sql.lz4", b"\x04\x22\x4d\x18"),
        ] {
            let world = World::new();
            let path = dumped(&world, &source, name, &[]);
            assert!(std::fs::read(&path).expect("reads").starts_with(magic), "{name}");
            assert_eq!(
                names(&path),
                [name.to_owned(), format!("{name}.manifest.json"), format!("{name}.sha256")]
            );
            let sums = Command::new("sha256sum")
                .args(["--quiet", "-c", &format!("{name}.sha256")])
                .current_dir(world.path("."))
                .status();
            assert!(sums.expect("sha256sum runs").success(), "{name}");
            let verified = world.pgark(&["verify", text(&path)]).success();
            assert!(verified.stdout.starts_with("the archive is whole"), "{}", verified.stdout);
            let quick = world.pgark(&["verify", "--quick", text(&path)]).success().stdout;
            assert!(quick.starts_with("the archive is whole"), "{quick}");

            let target = server.database("script_in");
            let report = restore(&world, &path, &target, &[]).success().stdout;
            let proof = "proof      rows and fingerprints equal the manifest's\n";
            assert!(report.contains(proof), "{report}");
            let against = ["verify", text(&path), "--against", target.uri()];
            let report = world.pgark(&against).success().stdout;
            assert!(report.contains("and the database equal to it"), "{report}");
            target.execute("update part set value = -1 where value = 500");
            let report = world.pgark(&against).fails_with(9).stdout;
            assert!(report.contains("public.part_2"), "{report}");
        }
    }
}

#[test]
fn psql_runs_the_script_and_stock_sees_no_difference() {
    for server in servers() {
        let source = server.database("script_out");
        source.execute(TABLES);
        for stock in oracle::all().iter().filter(|stock| stock.can_dump(&source)) {
            let world = World::new();
            let path = dumped(&world, &source, "x.sql", &[]);
            let target = server.database("script_psql");
            let psql = Command::new(oracle::psql_program())
                .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-o", "/dev/null", "-d"])
                .args([target.uri(), "-f", text(&path)])
                .env_clear()
                .output()
                .expect("psql runs");
            assert!(psql.status.success(), "{}", String::from_utf8_lossy(&psql.stderr));
            assert_eq!(stock.pg_dump(&source, &[]), stock.pg_dump(&target, &[]), "{server}");
        }
    }
}

#[test]
fn a_script_that_is_not_what_was_written_is_found() {
    let server = newest_server();
    let source = server.database("script_out");
    source.execute(
        "create table first(a int); create table t(a text); insert into t values ('one'), ('two')",
    );
    let world = World::new();
    let path = dumped(&world, &source, "x.sql", &[]);
    let script = std::fs::read_to_string(&path).expect("reads");
    for (changed, what, left) in [
        (script.replace("\ntwo\n", "\ntwO\n"), "has other rows than were dumped", "0"),
        (script.replace("\ntwo\n", "\n"), "has 1 rows instead of 2", "0"),
        (script.replace("SET row_security = off", "SET row_security = on "), "the checksum", "2"),
    ] {
        assert_ne!(changed, script);
        std::fs::write(&path, &changed).expect("writes");
        let report = world.pgark(&["verify", text(&path)]).fails_with(9);
        assert!(report.stdout.contains(what), "{what}: {}", report.stdout);
        let quick = world.pgark(&["verify", "--quick", text(&path)]).fails_with(9).stdout;
        assert!(quick.contains("the checksum"), "{quick}");
        let target = server.database("script_in");
        let refused = restore(&world, &path, &target, &[]).fails_with(9);
        assert!(refused.stderr.contains(what), "{what}: {}", refused.stderr);
        assert_eq!(target.query("select count(*) from t").trim(), left, "{what}");
        let target = server.database("script_in");
        let refused = restore(&world, &path, &target, &["--single-transaction"]).fails_with(11);
        assert!(refused.stderr.contains(what), "{what}: {}", refused.stderr);
        assert_eq!(target.query("select to_regclass('t') is null").trim(), "t", "{what}");
    }
}

#[test]
fn a_script_alone_is_restored_without_proof_and_not_called_whole() {
    let server = newest_server();
    let source = server.database("script_out");
    source.execute(TABLES);
    let world = World::new();
    let path = dumped(&world, &source, "x.sql", &[]);
    let alone = world.path("alone.sql");
    std::fs::copy(&path, &alone).expect("copies");
    let report = world.pgark(&["verify", text(&alone)]).fails_with(9);
    assert!(report.stdout.contains("manifest: it is gone"), "{}", report.stdout);
    let target = server.database("script_in");
    let run = restore(&world, &alone, &target, &[]).success();
    assert!(run.stdout.contains("proof      none"), "{}", run.stdout);
    assert!(run.stderr.contains("was made with a manifest"), "{}", run.stderr);
}

#[test]
fn a_script_goes_to_standard_output_without_a_manifest() {
    let server = newest_server();
    let source = server.database("script_out");
    source.execute(TABLES);
    let world = World::new();
    for more in [&["-f", "-"][..], &["-f", "/dev/stdout"]] {
        let arguments = [&["dump", "-Fp", "-d", source.uri()], more].concat();
        let output =
            world.command().args(&arguments).stdin(Stdio::null()).output().expect("pgark runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let path = world.path("copy.sql");
        std::fs::write(&path, &output.stdout).expect("writes");
        let verified = world.pgark(&["verify", text(&path)]).success();
        assert!(verified.stdout.contains("there is none beside the script"), "{}", verified.stdout);
    }
    assert_eq!(names(&world.path("copy.sql")), ["copy.sql"]);
}

#[test]
fn without_a_name_the_suffix_says_how_a_script_is_compressed() {
    let server = newest_server();
    let source = server.database("script_out");
    source.execute("create table t(a int)");
    let world = World::new();
    let report = world.pgark(&["dump", "-Fp", "-Zgzip", "-d", source.uri()]).success().stdout;
    assert!(report.starts_with("dumped "), "{report}");
    let found = names(&world.path("x"));
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found[0].starts_with(source.name()) && found[0].ends_with("Z.sql.gz"), "{found:?}");
}
