//! Archives and scripts that come through standard input and other pipes.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::command::Run;
use crate::support::database::Database;
use crate::support::{World, newest_server, oracle};

const TABLES: &str = "
create table t(a int primary key, b text); insert into t select i, md5(i::text) from generate_series(1, 20000) i;
create table u(a int); insert into u select generate_series(1, 5000); create index on u(a);
select lo_from_bytea(4711, convert_to(repeat('large', 1000), 'UTF8'));";

fn name(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn source() -> Database {
    let database = newest_server().database("pipes");
    database.execute(TABLES);
    database
}

fn dumped(world: &World, source: &Database, file: &str) -> PathBuf {
    let path = world.path(file);
    let run = world.pgark(&["dump", "-d", source.uri(), "-f", name(&path)]).success();
    assert!(run.stdout.starts_with("dumped "), "{}", run.stdout);
    path
}

/// Runs pgark with something as its standard input.
fn fed(world: &World, input: Stdio, arguments: &[&str]) -> Run {
    let output = world.command().args(arguments).stdin(input).output().expect("pgark runs");
    Run {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Runs pgark behind `cat FILE |`.
fn piped(world: &World, path: &Path, arguments: &[&str]) -> Run {
    let mut cat = Command::new("cat").arg(path).stdout(Stdio::piped()).spawn().expect("cat runs");
    let run = fed(world, cat.stdout.take().expect("its output").into(), arguments);
    // It may have been left alone in the middle.
    let _ = cat.wait();
    assert!(world.leftovers().is_empty(), "{arguments:?} leaves nothing behind");
    run
}

#[test]
fn an_archive_through_a_pipe_is_restored_also_over_several_connections() {
    let source = source();
    let server = newest_server();
    let Some(stock) = oracle::record() else { return };
    let world = World::new();
    let foreign = world.path("foreign.dump");
    stock.dump_archive(&source, &foreign, &["-Fc"]);
    for path in [dumped(&world, &source, "x.dump"), dumped(&world, &source, "x.tar"), foreign] {
        for more in [&["-j4", "-"][..], &["-j1"]] {
            let target = server.database("pipes_target");
            let arguments = [&["restore", "--no-analyze", "-d", target.uri()], more].concat();
            let run = piped(&world, &path, &arguments).success();
            assert!(run.stdout.contains("proof      none"), "{}", run.stdout);
            assert_eq!(stock.pg_dump(&source, &[]), stock.pg_dump(&target, &[]));
        }
    }
}

#[test]
fn a_file_that_the_shell_opened_has_its_manifest() {
    let source = source();
    let world = World::new();
    for file in ["x.dump", "x.tar", "x.sql.gz"] {
        let path = dumped(&world, &source, file);
        let target = newest_server().database("pipes_target");
        let arguments = ["restore", "--no-analyze", "-d", target.uri()];
        let run = fed(&world, File::open(&path).expect("opens").into(), &arguments).success();
        let proof = "proof      rows and fingerprints equal the manifest's\n";
        assert!(run.stdout.contains(proof), "{file}: {}", run.stdout);
        let against = ["verify", "--against", target.uri()];
        let run = fed(&world, File::open(&path).expect("opens").into(), &against).success();
        assert!(run.stdout.contains("and the database equal to it"), "{file}: {}", run.stdout);
    }
}

#[test]
fn one_dump_flows_into_the_next_restore() {
    let source = source();
    let Some(stock) = oracle::record() else { return };
    for format in ["-Fc", "-Ft", "-Fp"] {
        let world = World::new();
        let target = newest_server().database("pipes_target");
        let mut dump = world.command();
        dump.args(["dump", format, "-f", "-", "-d", source.uri()]).stdout(Stdio::piped());
        let mut dump = dump.stderr(Stdio::null()).spawn().expect("pgark runs");
        let output = dump.stdout.take().expect("its output").into();
        let run = fed(&world, output, &["restore", "--no-analyze", "-d", target.uri()]).success();
        assert!(run.stdout.contains("proof      none"), "{}", run.stdout);
        assert!(dump.wait().expect("ends").success());
        assert_eq!(stock.pg_dump(&source, &[]), stock.pg_dump(&target, &[]), "{format}");
    }
}

#[test]
fn pipes_are_verified_listed_and_printed() {
    let source = source();
    let world = World::new();
    let path = dumped(&world, &source, "x.dump");
    for (arguments, begins) in [
        (&["verify"][..], "the archive is whole"),
        (&["verify", "--quick", "-"], "the archive is whole"),
        (&["inspect", "-"], "standard input: database "),
        (&["inspect", "--extract", "u"], "SET default_tablespace"),
        (&["restore", "-f", "-"], "--\n-- PostgreSQL database dump\n"),
        (&["restore", "-l"], ";\n; Archive created at"),
        (&["pg_restore", "-l"], ";\n; Archive created at"),
        (&["pg_restore", "-f", "-", "-s"], "--\n-- PostgreSQL database dump\n"),
    ] {
        let run = piped(&world, &path, arguments).success();
        assert!(run.stdout.starts_with(begins), "{arguments:?}: {}", run.stdout);
    }
    let script = dumped(&world, &source, "x.sql.zst");
    let run = piped(&world, &script, &["verify"]);
    assert!(run.stdout.contains("manifest: it is gone"), "{}{}", run.stdout, run.stderr);
}

#[test]
fn a_named_pipe_is_read_as_standard_input_is() {
    let source = source();
    let world = World::new();
    let path = dumped(&world, &source, "x.dump");
    let fifo = world.path("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().expect("mkfifo runs").success());
    for verb in ["inspect", "restore", "verify", "pg_restore"] {
        let (from, to) = (path.clone(), fifo.clone());
        let writing = std::thread::spawn(move || fs::copy(from, to).expect("copies"));
        let arguments = match verb {
            "verify" => vec![verb, name(&fifo)],
            _ => vec![verb, "-l", name(&fifo)],
        };
        let run = world.pgark(&arguments);
        assert_eq!(run.code, Some(0), "{verb}: {}", run.stderr);
        writing.join().expect("ends");
    }
}

#[test]
fn what_is_cut_off_empty_or_nothing_is_said() {
    let source = source();
    let world = World::new();
    let path = dumped(&world, &source, "x.dump");
    let bytes = fs::read(&path).expect("reads");
    let cut = world.path("cut");
    fs::write(&cut, &bytes[..bytes.len() - 100]).expect("writes");
    let run = piped(&world, &cut, &["verify"]).fails_with(9);
    assert!(run.stdout.starts_with("the archive is damaged"), "{}", run.stdout);
    for (arguments, code) in
        [(&["verify"][..], 1), (&["restore", "-d", source.uri()], 1), (&["inspect"], 1)]
    {
        let run = fed(&world, Stdio::null(), arguments);
        assert_eq!(run.code, Some(code), "{arguments:?}: {}", run.stderr);
        assert!(run.stderr.contains("\"standard input\" is empty"), "{}", run.stderr);
    }
    let garbage = world.path("garbage");
    fs::write(&garbage, b"\x7fELF\0\0\0\0").expect("writes");
    let run = piped(&world, &garbage, &["inspect"]).fails_with(1);
    assert!(run.stderr.contains("is neither"), "{}", run.stderr);
    let alone = world.path("alone.dump");
    fs::copy(&path, &alone).expect("copies");
    let run = world.pgark(&["restore", "-d", source.uri(), name(&alone)]).fails_with(9);
    for hint in ["\"pgark pg_restore\" restores it without proof", "\"alone.dump.manifest.json\""] {
        assert!(run.stderr.contains(hint), "{hint}: {}", run.stderr);
    }
}
