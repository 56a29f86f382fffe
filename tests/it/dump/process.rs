//! The command as a process: signals, sudden death, memory.

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::support::database::Database;
use crate::support::{World, newest_server, servers};

const COPYING: &str = "select count(*) from pg_stat_activity
    where datname = current_database() and state = 'active' and query ilike 'copy%'";

/// Rows for some seconds of reading.
fn large_table(database: &Database) {
    database.execute(
        "create table large(id int, filler text);
         insert into large select i, repeat(md5(i::text), 30) from generate_series(1, 300000) i;",
    );
}

/// Starts a dump and waits until it reads rows.
fn reading(world: &World, database: &Database, output: &Path) -> Child {
    let mut command = world.command();
    command.args(["dump", "-j2", "-Z", "gzip:9", "-d", database.uri(), "-f"]).arg(output);
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("pgark starts");
    wait_until(|| database.query(COPYING) != "0", "nothing is read");
    child
}

fn wait_until(condition: impl Fn() -> bool, otherwise: &str) {
    let limit = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < limit, "{otherwise}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn send(child: &Child, signal: &str) {
    let status =
        std::process::Command::new("/bin/kill").args([signal, &child.id().to_string()]).status();
    assert!(status.expect("kill runs").success());
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a listing");
    entries
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect()
}

#[test]
fn a_signal_ends_the_dump_with_its_own_exit_code_and_nothing_left() {
    for server in servers() {
        let database = server.database("dump_signal");
        large_table(&database);
        for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
            let world = World::new();
            let output = world.path("archive");
            let mut child = reading(&world, &database, &output);
            send(&child, signal);
            assert_eq!(child.wait().expect("an end").code(), Some(code), "{signal}");
            assert_eq!(names(output.parent().expect("a folder")), Vec::<String>::new());
            wait_until(|| database.query(COPYING) == "0", "the server goes on reading");
        }
    }
}

#[test]
fn a_killed_dump_leaves_nothing_that_looks_complete_and_the_next_one_cleans_up() {
    let database = newest_server().database("dump_killed");
    large_table(&database);
    let world = World::new();
    let output = world.path("archive");
    let mut child = reading(&world, &database, &output);
    send(&child, "-KILL");
    child.wait().expect("an end");
    let left = names(output.parent().expect("a folder"));
    assert!(left.iter().all(|name| name.starts_with('.')), "{left:?}");
    // client_connection_check_interval is what makes the server look.
    let sessions = "select count(*) from pg_stat_activity where datname = current_database()
        and backend_type = 'client backend' and pid <> pg_backend_pid()";
    wait_until(|| database.query(sessions) == "0", "sessions outlive the dump");
    let arguments = ["dump", "-d", database.uri(), "-f", output.to_str().expect("a path")];
    let _ = world.pgark(&arguments).success();
    assert_eq!(names(output.parent().expect("a folder")), ["archive"]);
}

#[test]
fn memory_is_bounded_with_rows_of_200_megabytes() {
    let database = newest_server().database("dump_memory");
    database.execute(
        "create table rows(a int, b text); alter table rows alter b set storage external;
         insert into rows select 1, string_agg(md5(i::text), '') from generate_series(1, 6250000) i;
         insert into rows select 2, b from rows; insert into rows values (3, 'short');",
    );
    for (jobs, mebibytes) in [("1", 64 + 16), ("2", 64 + 32)] {
        for compression in ["zstd", "gzip", "none"] {
            let world = World::new();
            let mut command = world.command();
            command.args([
                "dump",
                "-j",
                jobs,
                "-Z",
                compression,
                "-d",
                database.uri(),
                "-f",
                "archive",
            ]);
            let mut child =
                command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("pgark starts");
            let status = format!("/proc/{}/status", child.id());
            let mut peak = 0;
            let result = loop {
                // The high-water mark only rises, so the last look before the end is what counts.
                peak = peak.max(high_water(&status).unwrap_or(0));
                if let Some(result) = child.try_wait().expect("a state") {
                    break result;
                }
                std::thread::sleep(Duration::from_millis(2));
            };
            assert!(result.success());
            assert!(
                peak > 0 && peak <= mebibytes * 1024,
                "{peak} KiB with -j{jobs} -Z {compression}"
            );
        }
    }
}

/// Returns the most memory a process has had so far, in KiB.
fn high_water(status: &str) -> Option<u64> {
    let text = std::fs::read_to_string(status).ok()?;
    let line = text.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
