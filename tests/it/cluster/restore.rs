//! The folder of `pgark dump --all` into an empty server, and dumped again.

use crate::compat::assert_same_text;
use crate::support::database::psql;
use crate::support::installation::Installation;
use crate::support::oracle::{self, Oracle};
use crate::support::{Cluster, World, newest_server};

use super::cluster_with_tablespaces_inside;

fn dumpall(stock: &Oracle, server: &Cluster) -> String {
    stock.pg_dumpall(&server.uri("postgres"), &[])
}

#[test]
fn a_server_is_restored_and_dumped_again_equal() {
    let Some(stock) = oracle::record() else { return };
    let Some(installation) = Installation::of(newest_server().major()) else { return };
    let source = cluster_with_tablespaces_inside(installation);
    let world = World::new();
    let folder = world.path("all");
    let path = folder.to_str().expect("TMPDIR is UTF-8");
    let _ = world.pgark(&["dump", "--all", "-d", &source.uri("postgres"), "-f", path]).success();

    let target = Cluster::start(installation, "allow_in_place_tablespaces = on");
    let uri = target.uri("postgres");
    let planned = world.pgark(&["restore", "-d", &uri, path, "--dry-run"]).success().stdout;
    assert_eq!(
        planned,
        "template1 is left alone: its archive is empty\nOdd \"base\" is created and filled\n\
         postgres is filled\nshop is created and filled\n"
    );
    let report = world.pgark(&["restore", "-d", &uri, path]).success().stdout;
    assert!(report.contains("role postgres exists already and is left as it is"), "{report}");
    assert_same_text(&dumpall(&stock, &source), &dumpall(&stock, &target));

    // What is there stands in the way, and is told before anything happens.
    let refused = world.pgark(&["restore", "-d", &uri, path]).fails_with(4).stderr;
    for obstacle in [
        "database \"Odd \"base\"\" exists already",
        "database \"postgres\" is not empty: table public.in_postgres",
        "database \"shop\" exists already",
    ] {
        assert!(refused.contains(obstacle), "{refused}");
    }
    psql(&target.uri("shop"), "insert into orders values (99, 'new')");
    psql(&uri, "alter role plain createdb");
    let again = ["restore", "-d", &uri, path, "--clean", "--if-exists"];
    let report = world.pgark(&again).success().stdout;
    assert!(report.contains("tablespace fast exists already and is left as it is"), "{report}");
    assert_eq!(psql(&target.uri("shop"), "select count(*) from orders").trim(), "50");
    // A role that exists belongs to whoever runs the server.
    let query = "select rolcreatedb from pg_roles where rolname = 'plain'";
    assert_eq!(psql(&uri, query).trim(), "t");
}

#[test]
fn globals_that_a_target_refuses_are_told_without_passwords() {
    let Some(installation) = Installation::of(newest_server().major()) else { return };
    let source = cluster_with_tablespaces_inside(installation);
    let world = World::new();
    let folder = world.path("all");
    let path = folder.to_str().expect("TMPDIR is UTF-8");
    let _ = world.pgark(&["dump", "--all", "-d", &source.uri("postgres"), "-f", path]).success();
    // No place for tablespaces: the roles come, and the database outside of them.
    let target = Cluster::start(installation, "");
    psql(&target.uri("postgres"), "create role everything; create role admin superuser login");
    let uri = target.uri("postgres").replace("postgres@", "admin@");
    let run = world.pgark(&["restore", "-d", &uri, path]);
    assert_ne!(run.code, Some(0));
    let query = "select count(*) from pg_roles where rolname in ('plain', 'Mixed Case', 'md5user')";
    assert_eq!(psql(&target.uri("postgres"), query).trim(), "3");
    let all = format!("{}{}", run.stdout, run.stderr);
    assert!(all.contains("tablespace fast"), "{all}");
    assert!(!all.contains("SCRAM-SHA-256") && !all.contains("md53175"), "{all}");
}
