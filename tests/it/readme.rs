//! The commands of the README, executed.

use std::process::Command;

use crate::support::command::Run;
use crate::support::installation::Installation;
use crate::support::{Cluster, World, missing};

#[test]
fn commands_of_the_readme_work() {
    // A server of its own, because the README names its databases.
    let Some(installation) = Installation::all().last() else { return };
    let cluster = Cluster::start(installation, "");
    let psql = |script: &str| crate::support::database::psql(&cluster.uri("postgres"), script);
    for database in [
        "shop",
        "shop_clone",
        "shop_copy",
        "shop_frozen",
        "shop_part",
        "shop_piped",
        "shop_plain",
        "shop_psql",
        "shop_script",
        "shop_stock",
    ] {
        psql(&format!("create database {database}"));
    }
    let sample = "create table customer(id int primary key, name text);\n\
                  insert into customer select g, 'customer ' || g from generate_series(1, 1000) g;\n\
                  create schema sales; create table sales.invoice(id int primary key);\n\
                  create table sales.log_2026(id bigserial, line text);\n\
                  insert into sales.log_2026(line) values ('x')";
    crate::support::database::psql(&cluster.uri("shop"), sample);

    let world = World::new();
    let folder = world.home().join("bin");
    std::fs::create_dir(&folder).expect("a folder");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_pgark"), folder.join("pgark")).expect("a link");
    let readme = include_str!("../../README.md");
    let blocks: Vec<&str> =
        readme.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(blocks.len() >= 3, "the README shows its commands in blocks of sh");
    for block in blocks {
        if block.contains("\npg_restore ") && !installation.bin.join("pg_restore").exists() {
            missing("the client tools of the newest server are not here to follow the README");
            continue;
        }
        let mut shell = Command::new("/bin/sh");
        shell.args(["-e", "-c", block]).current_dir(world.path(""));
        shell.env_clear().env("HOME", world.home()).env("PGUSER", "postgres");
        // The stock tools of the newest server, for those who have nothing else.
        let stock = installation.bin.display();
        shell.env("PATH", format!("{}:{stock}:/usr/bin:/bin", folder.display()));
        shell.env("PGHOST", cluster.directory()).env("PGPORT", cluster.port().to_string());
        let run = Run::of(&mut shell);
        assert_eq!(run.code, Some(0), "{block}\n{}", run.stderr);
    }
}
