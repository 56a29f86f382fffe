//! Two runs at once, runs that are killed, and what they leave behind.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{Shop, json};
use crate::support::damage::SmallDisk;
use crate::support::database::Database;
use crate::support::{is_long_run, missing, newest_server, oracle};

/// Holds a table's lock until it is dropped.
pub(super) struct Holder(Child);

impl Holder {
    pub(super) fn lock(source: &Database) -> Holder {
        let mut psql = Command::new(oracle::psql_program());
        psql.args(["-XAtq", "-d", source.uri(), "-c"])
            .arg("begin; lock table t in access exclusive mode; select pg_sleep(600)")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let holder = Holder(psql.spawn().expect("psql"));
        let held = "select count(*) from pg_locks where relation = 't'::regclass and granted";
        wait(|| source.query(held) == "1");
        holder
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(super) fn started(shop: &Shop) -> Child {
    let mut command = shop.world.command();
    command
        .args(["backup", "--no-sync", "-j", "1"])
        .env("DATABASE_URL", &shop.uri)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.spawn().expect("pgark")
}

fn leftovers(shop: &Shop, source: &Database) -> usize {
    let folder = shop.world.path("backups").join(source.name());
    let items = std::fs::read_dir(folder).into_iter().flatten().flatten();
    items.filter(|item| item.file_name().to_string_lossy().ends_with(".partial")).count()
}

#[test]
fn one_run_at_a_time_and_a_killed_one_is_in_nobodys_way() {
    let source = newest_server().database("vault_lock");
    source.execute("create table t (n int)");
    let shop = Shop::of(&source);
    let holder = Holder::lock(&source);
    let mut first = started(&shop);
    let waiting = "select count(*) from pg_locks where relation = 't'::regclass and not granted";
    wait(|| source.query(waiting) == "1");
    assert_eq!(leftovers(&shop, &source), 1, "it works under a hidden name");

    let run = shop.pgark(&["backup", "--no-sync"]).fails_with(7);
    let who = format!("\"pgark backup\", process {} on ", first.id());
    assert!(run.stderr.contains(&who), "{}", run.stderr);
    assert_eq!(shop.ids().len(), 0, "what is in the making is not listed");

    first.kill().expect("kills");
    first.wait().expect("ends");
    drop(holder);
    source.query("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()");
    shop.back_up(&[]);
    assert_eq!(shop.ids().len(), 1);
    assert_eq!(leftovers(&shop, &source), 0);
}

/// Kills backups at moments spread over their life. What is listed afterwards verifies, and nothing else is left.
#[test]
fn a_kill_at_any_moment_leaves_whole_backups_or_none() {
    let source = newest_server().database("vault_kill");
    source.execute("create table t as select g n, md5(g::text) m from generate_series(1, 20000) g");
    let shop = Shop::of(&source);
    let began = Instant::now();
    shop.back_up(&["--type", "manual"]);
    let whole = began.elapsed();
    let first = shop.ids();
    let kills = if is_long_run() { 200 } else { 8 };
    for number in 0..kills {
        let mut run = started(&shop);
        // Moments are what this is about: from the first to a little behind the usual end.
        std::thread::sleep(whole * (number * 11 / 10 + 1) / kills);
        let _ = run.kill();
        let _ = run.wait();
        let listed = json(&shop.pgark(&["list", "--json"]).success().stdout);
        assert_eq!(listed["unreadable"].as_array().map(Vec::len), Some(0), "{listed}");
    }
    let _ = shop.pgark(&["verify", "--all"]).success();
    assert!(shop.ids().contains(&first[0]), "older backups are left alone");
    shop.back_up(&[]);
    assert_eq!(leftovers(&shop, &source), 0);
}

#[test]
fn an_interrupted_backup_says_so_and_leaves_nothing() {
    let source = newest_server().database("vault_interrupt");
    source.execute("create table t (n int)");
    let shop = Shop::of(&source);
    let holder = Holder::lock(&source);
    let mut run = started(&shop);
    let waiting = "select count(*) from pg_locks where relation = 't'::regclass and not granted";
    wait(|| source.query(waiting) == "1");
    let sent = Command::new("kill").args(["-TERM", &run.id().to_string()]).status();
    assert!(sent.expect("kill").success());
    assert_eq!(run.wait().expect("ends").code(), Some(143));
    assert_eq!(leftovers(&shop, &source), 0);
    assert_eq!(shop.ids().len(), 0);
    drop(holder);
    source.query("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()");
}

#[test]
fn a_disk_that_fills_up_leaves_the_older_backups_and_nothing_else() {
    let source = newest_server().database("vault_full");
    source.execute("create table t as select 1 n");
    let shop = Shop::of(&source);
    let disk = shop.world.path("backups");
    std::fs::create_dir(&disk).expect("a directory");
    let Some(_mounted) = SmallDisk::mount(&disk, "size=3m") else {
        missing("no file system can be mounted to fill it up");
        return;
    };
    let first = ["--type", "daily", "--no-globals"];
    shop.back_up(&first);
    let old = shop.ids();
    // What cannot be compressed, so that there seems to be room at first.
    source.execute(
        "insert into t select 2; alter table t add b text; \
         insert into t select g, md5(random()::text) || md5(random()::text) || md5(random()::text) \
         from generate_series(1, 80000) g",
    );
    let arguments = ["backup", "--no-globals", "-j", "1", "--keep-daily", "0"];
    let run = shop.pgark(&arguments).fails_with(8);
    assert!(run.stderr.contains("No space left on device"), "{}", run.stderr);
    assert_eq!(shop.ids(), old, "and nothing was dropped");
    assert_eq!(leftovers(&shop, &source), 0);
    std::fs::write(disk.join("filler"), vec![1; 10_000_000]).expect_err("the disk is small");
    let run = shop.pgark(&arguments).fails_with(4);
    assert!(run.stderr.contains("there is no room for the backup"), "{}", run.stderr);
}

/// Waits for a condition; the limit only turns a hang into a failure.
pub(super) fn wait(mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < Duration::from_secs(60), "the condition never held");
        std::thread::sleep(Duration::from_millis(20));
    }
}
