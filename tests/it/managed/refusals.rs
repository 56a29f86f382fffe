//! What is refused before anything is changed, and what is asked.

use pgark::ErrorKind;
use pgark::progress::{Interrupt, silent};
use pgark::vault::managed::plan;

use super::{CHANGED, clear, content, made, options, sample};
use crate::support::cluster::Cluster;
use crate::support::database::psql;
use crate::support::installation::Installation;
use crate::support::{World, damage, newest_server, servers};

#[test]
fn without_a_terminal_and_without_yes_it_is_declined() {
    let server = newest_server();
    let world = World::new();
    let (database, archive) = sample(&world, server, "managed_declined");
    let archive = archive.to_str().expect("UTF-8");
    let run = world.pgark(&["restore", "--target", database.uri(), archive]).fails_with(5);
    assert!(run.stderr.contains("--yes does it without asking"), "{}", run.stderr);
    let run = world.pgark(&["restore", "--target", database.uri(), "--dry-run", archive]).success();
    assert!(run.stdout.contains("exchange the names in one transaction"), "{}", run.stdout);
    assert!(
        run.stdout.contains(" are free\n"),
        "a server on this host shows its disk: {}",
        run.stdout
    );
    assert_eq!(content(&database), CHANGED);
    assert!(made(server, database.name()).is_empty());
}

#[test]
fn who_is_connected_is_named_and_only_ended_when_that_was_asked_for() {
    let server = newest_server();
    let world = World::new();
    let (database, archive) = sample(&world, server, "managed_connected");
    let archive = archive.to_str().expect("UTF-8");
    let mut guest = std::process::Command::new(crate::support::oracle::psql_program())
        .args(["-X", "-c", "select pg_sleep(600)", database.uri()])
        .env("PGAPPNAME", "the till")
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("psql");
    let there = "select count(*) from pg_stat_activity where application_name = 'the till'";
    while database.query(there) != "1" {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let shown =
        world.pgark(&["restore", "--target", database.uri(), "--dry-run", archive]).success();
    for part in ["connected: the till", "keeps the new database waiting"] {
        assert!(shown.stdout.contains(part), "{part} is not in\n{}", shown.stdout);
    }
    let arguments = ["restore", "--target", database.uri(), "--yes", archive];
    let run = world.pgark(&arguments).fails_with(4);
    assert!(run.stderr.contains("the till (postgres, pid "), "{}", run.stderr);
    assert!(run.stderr.contains("--terminate-connections"), "{}", run.stderr);
    assert_eq!(content(&database), CHANGED);
    assert_eq!(made(server, database.name()), ["__restore"], "the new database is ready");
    let again = world.pgark(&arguments).fails_with(4);
    assert!(again.stderr.contains("--resume"), "{}", again.stderr);
    let resume = ["restore", "--target", database.uri(), "--resume", "--terminate-connections"];
    let run = world.pgark(&resume).success();
    assert!(run.stdout.contains("ended      1 sessions"), "{}", run.stdout);
    guest.wait().expect("psql ends");
    clear(server, database.name());
}

#[test]
fn a_backup_that_is_not_whole_is_refused() {
    let server = newest_server();
    let world = World::new();
    let (database, archive) = sample(&world, server, "managed_damaged");
    let file = damage::files(&archive)
        .into_iter()
        .find(|file| file.extension().is_some_and(|extension| extension == "zst"));
    damage::flip(&file.expect("a data file"), 100);
    let archive = archive.to_str().expect("UTF-8");
    let run = world.pgark(&["restore", "--target", database.uri(), "--yes", archive]).fails_with(9);
    assert!(run.stderr.contains("is not whole"), "{}", run.stderr);
    assert_eq!(content(&database), CHANGED);
    assert!(made(server, database.name()).is_empty());
}

#[test]
fn what_a_role_lacks_for_a_swap_is_said_at_once() {
    for server in servers() {
        let world = World::new();
        let (database, archive) = sample(&world, server, "managed_rights");
        let role = format!("{}_role", database.name());
        psql(&server.uri("postgres"), &format!("create role {role} login"));
        let uri = database.uri().replacen("postgres@", &format!("{role}@"), 1);
        let archive = archive.to_str().expect("UTF-8");
        let run = world.pgark(&["restore", "--target", &uri, "--yes", archive]).fails_with(4);
        assert!(run.stderr.contains("may not create databases"), "{}", run.stderr);
        assert!(run.stderr.contains("belongs to \"postgres\""), "{}", run.stderr);
        assert_eq!(content(&database), CHANGED, "on {server}");
        psql(&server.uri("postgres"), &format!("drop role {role}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_restores_of_one_database_do_not_run_at_once() {
    let server = newest_server();
    let world = World::new();
    let (database, archive) = sample(&world, server, "managed_lock");
    let first = plan(options(&archive, &database), silent(), &Interrupt::default()).await;
    let first = first.expect("a plan");
    let second = plan(options(&archive, &database), silent(), &Interrupt::default()).await;
    let error = second.err().expect("the lock is taken");
    assert_eq!(error.kind(), ErrorKind::Locked);
    assert!(error.to_string().contains("user postgres"), "{error}");
    first.give_up().await;
    let third = plan(options(&archive, &database), silent(), &Interrupt::default()).await;
    third.expect("the lock is free").give_up().await;
}

#[test]
fn slots_and_prepared_transactions_tie_a_database_to_what_it_is() {
    let Some(installation) = Installation::of(18) else { return };
    let cluster = Cluster::start(
        installation,
        "wal_level = logical\nmax_prepared_transactions = 2\nmax_replication_slots = 4",
    );
    let world = World::new();
    let uri = cluster.uri("shop");
    psql(&cluster.uri("postgres"), "create database shop");
    psql(&uri, "create table t(a int)");
    let archive = world.path("archive");
    let archive = archive.to_str().expect("UTF-8");
    let _ = world.pgark(&["dump", "-d", &uri, "-f", archive]).success();
    psql(
        &uri,
        "select pg_create_logical_replication_slot('tail', 'pgoutput');
         begin; insert into t values (1); prepare transaction 'half';",
    );
    let run = world.pgark(&["restore", "--target", &uri, "--yes", archive]).fails_with(4);
    for part in
        ["old one: tail", "prepared in it: half", "pgark restore --clean", "COMMIT PREPARED"]
    {
        assert!(run.stderr.contains(part), "{part} is not in\n{}", run.stderr);
    }
    psql(&uri, "commit prepared 'half'; select pg_drop_replication_slot('tail')");
    let _ = world.pgark(&["restore", "--target", &uri, "--yes", archive]).success();
}

#[test]
fn a_part_of_a_database_does_not_take_its_place_by_mistake() {
    let server = newest_server();
    let world = World::new();
    let (database, archive) = sample(&world, server, "managed_part");
    let parts: [&[&str]; 4] =
        [&["-t", "t"], &["--schema-only"], &["--data-only"], &["-N", "other"]];
    for options in parts {
        let part = world.path(&format!("part{}", options[0]));
        let part = part.to_str().expect("UTF-8");
        let dump = ["dump", "-d", database.uri(), "-f", part];
        let _ = world.pgark(&[&dump[..], options].concat()).success();
        let run =
            world.pgark(&["restore", "--target", database.uri(), "--yes", part]).fails_with(4);
        for text in ["only a part of a database", options[0], "--allow-partial"] {
            assert!(run.stderr.contains(text), "{text} is not in\n{}", run.stderr);
        }
        assert_eq!(content(&database), CHANGED);
    }
    let part = world.path("part-t");
    let part = part.to_str().expect("UTF-8");
    let allowed = ["restore", "--target", database.uri(), "--yes", "--allow-partial", part];
    let run = world.pgark(&allowed).success();
    assert!(run.stdout.contains("it was made with -t t"), "{}", run.stdout);
    assert_eq!(database.query("select count(*) from pg_views where viewname = 'v'"), "0");
    clear(server, database.name());

    let rowless = world.path("rowless");
    let rowless = rowless.to_str().expect("UTF-8");
    let dump = ["dump", "-d", database.uri(), "-f", rowless, "--exclude-table-data", "t"];
    let _ = world.pgark(&dump).success();
    let run = world.pgark(&["restore", "--target", database.uri(), "--dry-run", rowless]).success();
    assert!(run.stdout.contains("no rows of t"), "{}", run.stdout);

    // A backup of another database: somebody who looks is told, and without anybody it must be said.
    let other = server.database("managed_other");
    let url = [("DATABASE_URL", other.uri())];
    let archive = archive.to_str().expect("UTF-8");
    let run = world.pgark_with(&url, &["restore", "--yes", archive]).fails_with(4);
    assert!(run.stderr.contains("the backup is one of the database"), "{}", run.stderr);
    let run = world.pgark_with(&url, &["restore", "--dry-run", archive]).success();
    assert!(run.stdout.contains("note: the backup is one of the database"), "{}", run.stdout);
    let _ = world.pgark(&["restore", "--target", other.uri(), "--yes", archive]).success();
    assert_eq!(content(&other), super::BACKED_UP);
    clear(server, other.name());
}

#[test]
fn autovacuum_is_nobody_and_a_door_that_is_full_is_not_another_one() {
    let Some(installation) = Installation::of(18) else { return };
    let cluster = Cluster::start(
        installation,
        "autovacuum = on\nautovacuum_naptime = 1s\nautovacuum_vacuum_cost_limit = 1\n\
         autovacuum_vacuum_cost_delay = 100ms",
    );
    let maintenance = cluster.uri("postgres");
    psql(&maintenance, "create role clerk login createdb");
    psql(&maintenance, "create database shop owner clerk");
    let uri = cluster.uri("shop").replacen("postgres@", "clerk@", 1);
    psql(&cluster.uri("shop"), "grant create on schema public to clerk");
    psql(
        &uri,
        "create table t(id int, text text);
         insert into t select n, repeat('x', 500) from generate_series(1, 20000) n;
         update t set id = id + 1",
    );
    let world = World::new();
    let archive = world.path("archive");
    let archive = archive.to_str().expect("UTF-8");
    let _ = world.pgark(&["dump", "-d", &uri, "-f", archive]).success();
    let works = "select count(*) > 0 from pg_stat_activity
        where backend_type = 'autovacuum worker' and datname = 'shop'";
    while psql(&maintenance, works).trim() != "t" {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let restore = ["restore", "--target", &uri, "--yes", "--no-analyze", "-x", archive];
    let _ = world.pgark(&restore).success();

    // Others come through the same door as soon as there is room again.
    psql(&maintenance, "alter database postgres connection limit 0");
    let run = world.pgark(&restore).fails_with(3);
    assert!(run.stderr.contains("too many connections for database"), "{}", run.stderr);
    psql(&maintenance, "alter database postgres connection limit -1");
    psql(&cluster.uri("template1"), "drop database postgres");
    let _ = world.pgark(&restore).success();
}
