//! SIGKILL at any moment: what is found afterwards is one of the two databases, and both can be reached.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;

use super::{BACKED_UP, CHANGED, clear, content, made, sample};
use crate::support::database::psql;
use crate::support::{World, is_long_run, newest_server};

/// What is told before each step.
const STEPS: [&str; 7] = [
    "create the side database",
    "restore into it",
    "prove it equal",
    "close the old database",
    "see that nobody is connected",
    "exchange the names",
    "look at the new database",
];

/// A small generator, so that a failure can be repeated by its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

#[test]
fn after_a_kill_both_ends_can_be_reached() {
    let server = newest_server();
    let world = World::new();
    let (database, archive) = sample(&world, server, "managed_kill");
    let archive = archive.to_str().expect("UTF-8");
    let target = ["--target", database.uri(), "--progress", "plain", "-v"];
    let mut reached = std::collections::BTreeSet::new();
    let moments = if is_long_run() { 100 } else { 10 };
    for seed in 0..moments {
        let mut random = Random(seed * 7919 + 1);
        // The kill comes a little after a step was told of.
        let step = STEPS[random.below(7) as usize];
        let micros = random.below(8000);
        let mut child = world
            .command()
            .args(["restore", archive, "--yes"])
            .args(target)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("pgark starts");
        let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let told = lines.by_ref().map_while(Result::ok).any(|line| line.contains(step));
        assert!(told, "seed {seed}: {step} was never told");
        std::thread::sleep(Duration::from_micros(micros));
        child.kill().expect("killed");
        child.wait().expect("an end");
        let context = format!("seed {seed}: {micros} us after \"{step}\"");

        let left = made(server, database.name());
        let way = if seed % 2 == 0 { "--resume" } else { "--rollback" };
        let run = world.pgark(&["restore", way, "--yes", "--target", database.uri(), "--json"]);
        // Before the first journal and after the last one there is nothing to finish.
        assert!(matches!(run.code, Some(0 | 6)), "{context}: {run:?}");
        let now = content(&database);
        match (way, run.code) {
            ("--resume", Some(0)) => assert_eq!(now, BACKED_UP, "{context}"),
            ("--rollback", Some(0)) => assert_eq!(now, CHANGED, "{context}"),
            _ => assert!(now == BACKED_UP || now == CHANGED, "{context}: {now}"),
        }
        reached.insert((left, run.code));
        // Whatever is left is no obstacle to the next run.
        let _ = world.pgark(&["restore", "--rollback", "--yes", "--target", database.uri()]);
        let open = "select count(*) from pg_database where not datallowconn and datname = current_database()";
        assert_eq!(database.query(open), "0", "{context}");
        assert!(!made(server, database.name()).iter().any(|name| name == "__old"), "{context}");
        let maintenance = server.uri("postgres");
        let idle = format!(
            "select count(*) from pg_stat_activity where datname like '{}\\_%'",
            database.name()
        );
        while psql(&maintenance, &idle).trim() != "0" {
            std::thread::sleep(Duration::from_millis(10));
        }
        clear(server, database.name());
        database.execute("delete from t where id > 10; insert into t values (10011, 'new') on conflict do nothing");
    }
    assert!(reached.len() > 2, "the kills all came at one moment: {reached:?}");
}

#[test]
fn after_a_kill_on_the_way_back_both_ends_can_be_reached() {
    const WAY_BACK: [&str; 3] =
        ["close the new database", "see that nobody is connected", "exchange the names back"];
    let server = newest_server();
    let world = World::new();
    let (database, archive) = sample(&world, server, "managed_kill_back");
    let archive = archive.to_str().expect("UTF-8");
    let target = ["--target", database.uri(), "--yes"];
    let moments = if is_long_run() { 60 } else { 6 };
    for seed in 0..moments {
        let restore = ["restore", archive];
        let _ = world.pgark(&[&restore[..], &target].concat()).success();
        assert_eq!(content(&database), BACKED_UP);
        let mut random = Random(seed * 104_729 + 3);
        let step = WAY_BACK[(seed % 3) as usize];
        let micros = random.below(4000);
        let mut child = world
            .command()
            .args(["restore", "--rollback", "--progress", "plain", "-v"])
            .args(target)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("pgark starts");
        let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let told = lines.by_ref().map_while(Result::ok).any(|line| line.contains(step));
        assert!(told, "seed {seed}: {step} was never told");
        std::thread::sleep(Duration::from_micros(micros));
        child.kill().expect("killed");
        child.wait().expect("an end");
        let context = format!("seed {seed}: {micros} us after \"{step}\"");

        let way = if seed % 2 == 0 { "--resume" } else { "--rollback" };
        let run = world.pgark(&[&["restore", way][..], &target].concat());
        // What had been finished in either way before the kill is not finished again.
        assert!(matches!(run.code, Some(0 | 6)), "{context}: {run:?}");
        let now = content(&database);
        match (way, run.code) {
            ("--resume", Some(0)) => assert_eq!(now, BACKED_UP, "{context}"),
            ("--rollback", Some(0)) => assert_eq!(now, CHANGED, "{context}"),
            _ => assert!(now == BACKED_UP || now == CHANGED, "{context}: {now}"),
        }
        let _ = world.pgark(&[&["restore", "--rollback"][..], &target].concat());
        assert_eq!(content(&database), CHANGED, "{context}");
        let maintenance = server.uri("postgres");
        let idle = format!(
            "select count(*) from pg_stat_activity where datname like '{}\\_%'",
            database.name()
        );
        while psql(&maintenance, &idle).trim() != "0" {
            std::thread::sleep(Duration::from_millis(10));
        }
        clear(server, database.name());
    }
}
