//! The harness itself: a test that trusts it should know that it holds.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::installation::{Installation, REQUIRED};
use crate::support::{Cluster, World, cluster, damage, newest_server, oracle, server_of, servers};

#[test]
fn databases_are_empty_at_first_and_gone_at_the_end() {
    for server in servers() {
        let name = {
            let database = server.database("harness");
            assert_eq!(database.major(), server.major());
            assert_eq!(
                database.query("select count(*) from pg_class where relnamespace = 2200"),
                "0"
            );
            database
                .execute("create table t(a int, b text);\ncopy t from stdin;\n1\tä\n2\t\\N\n\\.\n");
            assert_eq!(database.query("select a, b from t order by a"), "1|ä\n2|");
            database.name().to_owned()
        };
        let other = server.database_with("harness", "encoding 'LATIN1' template template0");
        assert_eq!(other.query("show server_encoding"), "LATIN1");
        let count = format!("select count(*) from pg_database where datname = '{name}'");
        assert_eq!(other.query(&count), "0", "{name} on {server}");
    }
}

#[test]
fn the_required_majors_are_there() {
    for server in REQUIRED.into_iter().filter_map(server_of) {
        let address = format!(
            "postgresql://postgres@127.0.0.1:{}/postgres",
            match server.cluster() {
                Some(cluster) => cluster.port(),
                None => continue,
            }
        );
        let found = crate::support::database::psql(&address, "show server_version_num");
        assert!(found.starts_with(&server.major().to_string()), "{found}");
    }
}

#[test]
fn a_server_ends_when_its_leash_is_let_go() {
    let Some(installation) = Installation::of(18) else { return };
    let cluster = Cluster::start(installation, "work_mem = '5MB'");
    let (port, directory) = (cluster.port(), cluster.directory().to_owned());
    assert!(cluster::answers(port));
    assert!(directory.exists());
    drop(cluster);
    assert!(!cluster::answers(port));
    assert!(!directory.exists());
}

/// Does nothing in an ordinary run; the next test starts this one in a process of its own and kills it.
#[test]
fn holder_of_a_server() {
    if std::env::var_os(HOLDER).is_none() {
        return;
    }
    let installation = Installation::of(18).expect("the parent has looked");
    let cluster = Cluster::start(installation, "");
    let (port, directory) = (cluster.port(), cluster.directory().display());
    writeln!(std::io::stdout(), "\nport {port} directory {directory}").expect("somebody reads");
    let _ = std::io::stdin().read_line(&mut String::new());
}

const HOLDER: &str = "PGARK_HARNESS_HOLDER";

#[test]
fn a_killed_test_process_takes_its_server_along() {
    if Installation::of(18).is_none() {
        return;
    }
    let mut holder = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "harness::holder_of_a_server", "--nocapture"])
        .env(HOLDER, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this program again");
    let lines = BufReader::new(holder.stdout.take().expect("a pipe")).lines();
    let line = lines.map_while(Result::ok).find(|line| line.starts_with("port "));
    let line = line.expect("the holder says where its server is");
    let words: Vec<&str> = line.split(' ').collect();
    let (port, directory) = (words[1].parse().expect("a port"), Path::new(words[3]));
    assert!(cluster::answers(port));

    holder.kill().expect("SIGKILL, which no destructor survives");
    holder.wait().expect("the end");
    let limit = Instant::now() + Duration::from_secs(60);
    while cluster::answers(port) || directory.exists() {
        assert!(Instant::now() < limit, "the server outlived its process");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn the_command_runs_in_a_world_of_its_own() {
    let world = World::new();
    let run = world.pgark(&["--version"]).success();
    assert!(world.leftovers().is_empty() && world.home().exists());
    let again = world.pgark_with(&[("PGUSER", "nobody")], &["--version"]).success();
    assert_eq!(run, again);

    let said = format!("{} 20260102T030405Z in 1.5 s", world.path("archive").display());
    insta::with_settings!({ filters => world.filters() }, {
        insta::assert_snapshot!(said, @"[WORLD]/work/archive [STAMP] in [DURATION]");
    });
}

#[test]
fn oracles_dump_and_restore() {
    let server = newest_server();
    let database = server.database("oracle");
    database.execute("create table t(a int); insert into t values (1), (2)");
    for stock in oracle::all().iter().filter(|stock| stock.can_dump(&database)) {
        let world = World::new();
        let archive = world.path("archive");
        stock.dump_archive(&database, &archive, &["-Fd", "-Z0"]);
        assert!(
            stock.pg_restore(&["-l"], &archive).success().stdout.contains("TABLE DATA public t")
        );
        let target = server.database("oracle_target");
        stock.restore(&archive, &target, &["-j2"]);
        assert_eq!(stock.pg_dump(&database, &[]), stock.pg_dump(&target, &[]));
        assert!(stock.knows("gzip") && stock.knows("zstd") == (stock.major() == 18));

        let damaged = damage::copy(&archive, "damaged");
        damage::truncate(&damaged.join("toc.dat"), 20);
        assert_ne!(stock.pg_restore(&["-l"], &damaged).code, Some(0));
        let damaged = damage::copy(&archive, "flipped");
        damage::flip(&damaged.join("toc.dat"), 0);
        assert_ne!(stock.pg_restore(&["-l"], &damaged).code, Some(0));
        damage::remove(&damaged.join("toc.dat"));
        assert_eq!(damage::files(&damaged).len() + 1, damage::files(&archive).len());
    }
}
