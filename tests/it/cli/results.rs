//! What the verbs print when they succeed, on a real server.

use std::time::Duration;

use serde_json::Value;

use crate::support::{World, newest_server, oracle};

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn dump_inspect_and_restore_talk_to_people_and_to_programs() {
    let source = newest_server().database("results");
    source.execute(
        "create table numbers (n int primary key, t text); \
         insert into numbers select g, 'row ' || g from generate_series(1, 1000) g",
    );
    let world = World::new();
    let planned = world.pgark(&["dump", "-d", source.uri(), "--dry-run", "--json"]).success();
    assert_eq!(json(&planned.stdout)["tables"][0]["name"], "numbers");

    let run = world.pgark(&["dump", "-d", source.uri(), "-f", "archive", "-j", "2"]).success();
    assert!(run.stdout.contains("  rows       1,000\n"), "{}", run.stdout);
    assert!(run.stderr.contains("dumping"), "lines without a terminal: {}", run.stderr);
    assert!(!run.stderr.contains('\x1b') && !run.stdout.contains('\x1b'));

    let run = world.pgark(&["inspect", "archive", "--json"]).success();
    let contents = json(&run.stdout);
    assert_eq!(contents["manifest"], "valid");
    assert_eq!(contents["rows"], 1000);
    let list = world.pgark(&["inspect", "archive", "--list"]).success();
    assert!(list.stdout.contains(" TABLE DATA public numbers "), "{}", list.stdout);

    let copy = newest_server().database("results_copy");
    let run = world.pgark(&["restore", "-d", copy.uri(), "archive", "--json"]).success();
    assert_eq!(json(&run.stdout)["rows"], 1000);
    assert_eq!(copy.query("select count(*), max(t) from numbers"), "1000|row 999");

    let again = world.pgark(&["restore", "-d", copy.uri(), "archive"]).fails_with(4);
    assert!(again.stderr.contains("error: "), "{}", again.stderr);
    assert_eq!(world.leftovers(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn the_list_equals_that_of_pg_restore() {
    let Some(stock) = oracle::record() else { return };
    let source = newest_server().database("list");
    source.execute(
        "create schema \"a b\"; create table \"a b\".\"new\nline\" (n int primary key); \
         comment on table \"a b\".\"new\nline\" is 'x'; grant select on \"a b\".\"new\nline\" to public",
    );
    let world = World::new();
    let _ = world.pgark(&["dump", "-d", source.uri(), "-f", "archive"]).success();
    let ours = world.pgark(&["inspect", "archive", "--list"]).success();
    let theirs = stock.pg_restore(&["--list"], &world.path("archive")).success();
    assert_eq!(ours.stdout, theirs.stdout);
    let ours = world.pgark(&["restore", "archive", "-l"]).success();
    assert_eq!(ours.stdout, theirs.stdout);
}

#[test]
fn an_output_that_exists_is_refused_and_left_alone() {
    let source = newest_server().database("exists");
    let world = World::new();
    std::fs::create_dir(world.path("archive")).expect("a directory");
    std::fs::write(world.path("archive/precious"), "x").expect("a file");
    let run = world.pgark(&["dump", "-d", source.uri(), "-f", "archive"]).fails_with(4);
    assert!(run.stderr.contains("archive"), "{}", run.stderr);
    assert_eq!(std::fs::read(world.path("archive/precious")).expect("still there"), b"x");
}

#[test]
fn progress_as_json_is_one_object_per_line_on_standard_error() {
    let source = newest_server().database("objects");
    source.execute("create table t as select g from generate_series(1, 10) g");
    let world = World::new();
    let run =
        world.pgark(&["dump", "-d", source.uri(), "-f", "archive", "--progress", "json"]).success();
    let events: Vec<Value> = run.stderr.lines().map(json).collect();
    assert!(events.iter().any(|event| event["event"] == "phase"), "{}", run.stderr);
    assert!(events.iter().any(|event| event["event"] == "finished" && event["rows"] == 10));
}

#[test]
fn a_dump_that_is_interrupted_says_so_and_leaves_nothing() {
    let source = newest_server().database("interrupted");
    source.execute("create table held (n int)");
    for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
        let world = World::new();
        let mut holder = std::process::Command::new(oracle::psql_program());
        holder.args(["-XAtq", "-d", source.uri(), "-c"]).arg(
            "begin; lock table held in access exclusive mode; select 'locked'; select pg_sleep(60)",
        );
        holder.stdout(std::process::Stdio::piped());
        let mut holder = holder.spawn().expect("psql");
        wait(|| {
            source.query("select count(*) from pg_locks where relation = 'held'::regclass") != "0"
        });
        let mut command = world.command();
        command.args(["dump", "-d", source.uri(), "-f", "archive"]);
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let dump = command.spawn().expect("pgark");
        wait(|| {
            source.query(
                "select count(*) from pg_locks where relation = 'held'::regclass and not granted",
            ) == "1"
        });
        let id = dump.id().to_string();
        let sent = std::process::Command::new("kill").args([signal, &id]).status();
        assert!(sent.expect("kill").success());
        let output = dump.wait_with_output().expect("pgark ends");
        assert_eq!(output.status.code(), Some(code));
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.contains("error: interrupted"), "{text}");
        assert_eq!(std::fs::read_dir(world.path(".")).expect("a directory").count(), 0);
        holder.kill().expect("psql ends");
        let _ = holder.wait();
        source.query("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()");
    }
}

/// Waits for a condition; the limit only turns a hang into a failure.
fn wait(mut condition: impl FnMut() -> bool) {
    let began = std::time::Instant::now();
    while !condition() {
        assert!(began.elapsed() < Duration::from_secs(60), "the condition never held");
        std::thread::sleep(Duration::from_millis(20));
    }
}
