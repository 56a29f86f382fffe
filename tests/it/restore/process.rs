//! The command as a process: signals and sudden death in the middle of a restore.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::database::Database;
use crate::support::server::Server;
use crate::support::{World, oracle, servers};

const SESSIONS: &str = "select count(*) from pg_stat_activity where datname = current_database()
    and backend_type = 'client backend' and pid <> pg_backend_pid()";

const INDEXING: &str = "select count(*) from pg_stat_activity where datname = current_database()
    and state = 'active' and query like '%CREATE INDEX%' and pid <> pg_backend_pid()";

fn wait_until(condition: impl Fn() -> bool, otherwise: &str) {
    let limit = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < limit, "{otherwise}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn send(child: &Child, signal: &str) {
    let status = Command::new("/bin/kill").args([signal, &child.id().to_string()]).status();
    assert!(status.expect("kill runs").success());
}

/// Starts a restore and waits until it builds an index, which takes ten minutes on the target.
fn indexing(world: &World, server: &Server) -> Option<(Database, Child)> {
    let stock = oracle::record()?;
    let source = server.database("restore_process");
    source.execute(
        "create function slow(int) returns int language plpgsql immutable as $$ begin
             if current_setting('pgark.slow', true) = 'on' then perform pg_sleep(600); end if;
             return $1; end $$;
         create table t(a int); insert into t values (1); create index on t (public.slow(a));",
    );
    let archive = world.path("archive");
    if archive.exists() {
        std::fs::remove_dir_all(&archive).expect("removed");
    }
    stock.dump_archive(&source, &archive, &["-Fd"]);
    let target = server.database("restore_process_target");
    target.execute(&format!("alter database {} set pgark.slow = 'on'", target.name()));
    let mut command = world.command();
    command.args(["restore", "-j2", "-d", target.uri()]).arg(&archive);
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("pgark starts");
    wait_until(|| target.query(INDEXING) == "1", "no index is built");
    Some((target, child))
}

#[test]
fn a_signal_ends_the_restore_with_its_own_exit_code_and_no_session_is_left() {
    for server in servers() {
        for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
            let world = World::new();
            let Some((target, mut child)) = indexing(&world, server) else { return };
            send(&child, signal);
            assert_eq!(child.wait().expect("an end").code(), Some(code), "{signal}");
            wait_until(|| target.query(SESSIONS) == "0", "sessions outlive the restore");
        }
    }
}

#[test]
fn a_killed_restore_leaves_no_session_that_goes_on() {
    // Servers before 14 cannot watch their clients: there the statement under way runs to its end.
    for server in servers().iter().filter(|server| server.major() >= 14) {
        let world = World::new();
        let Some((target, mut child)) = indexing(&world, server) else { return };
        send(&child, "-KILL");
        child.wait().expect("an end");
        wait_until(|| target.query(SESSIONS) == "0", "sessions outlive the restore");
    }
}
