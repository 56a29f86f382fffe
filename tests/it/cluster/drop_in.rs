//! `pgark pg_dumpall` prints what pg_dumpall 18 prints, whatever the server.

use crate::support::Cluster;
use crate::support::database::psql;
use crate::support::installation::Installation;
use crate::support::oracle::{self, Oracle, RESTRICT_KEY};
use crate::support::{World, every_server};

use super::cluster;
use crate::compat::assert_same_text;

/// Returns the binaries of every major that tests of dumped text run on.
fn installations() -> impl Iterator<Item = &'static Installation> {
    every_server().iter().filter_map(|server| Installation::of(server.major()))
}

fn stock_dumpall(stock: &Oracle, cluster: &Cluster, arguments: &[&str]) -> String {
    stock.pg_dumpall(&cluster.uri("postgres"), arguments)
}

fn dumpall(world: &World, cluster: &Cluster, arguments: &[&str]) -> String {
    let key = format!("--restrict-key={RESTRICT_KEY}");
    let uri = cluster.uri("postgres");
    let line: Vec<&str> = ["pg_dumpall", &key]
        .into_iter()
        .chain(arguments.iter().copied())
        .chain(["-d", &uri])
        .collect();
    world.pgark(&line).success().stdout
}

#[test]
fn globals_equal_stock() {
    let Some(stock) = oracle::record() else { return };
    for installation in installations() {
        let cluster = cluster(installation);
        let world = World::new();
        for options in [
            &["-g"][..],
            &["-r", "-c"],
            &["-t", "-c"],
            &["-gc", "--if-exists"],
            &["-g", "--no-role-passwords", "-x", "--no-comments", "--no-tablespaces"],
            &["-g", "--quote-all-identifiers"],
            &["-g", "-E", "LATIN1"],
            &["-g", "--no-schema"],
            &["-g", "--binary-upgrade"],
            &["-r", "--no-security-labels", "--no-comments"],
            &["-t", "--no-owner", "--no-comments"],
            &["-r", "-c", "--if-exists", "--no-role-passwords", "--quote-all-identifiers"],
            &["-g", "--use-set-session-authorization"],
        ] {
            let expected = stock_dumpall(&stock, &cluster, options);
            assert_same_text(&expected, &dumpall(&world, &cluster, options));
        }
        let uri = cluster.uri("postgres");
        let key = format!("--restrict-key={RESTRICT_KEY}");
        let linked = world.called_as("pg_dumpall", &["--globals", &key, "-d", &uri]).success();
        assert_same_text(&stock_dumpall(&stock, &cluster, &["-g"]), &linked.stdout);
    }
}

#[test]
fn whole_servers_equal_stock() {
    let Some(stock) = oracle::record() else { return };
    for installation in installations() {
        let cluster = cluster(installation);
        let world = World::new();
        for options in [
            &[][..],
            &["-c", "--if-exists"],
            &["-s", "-O", "-x", "--exclude-database=sh*"],
            &["-a", "--inserts", "--exclude-database", "postgres"],
            &["-l", "shop", "--quote-all-identifiers", "--no-tablespaces", "--no-comments"],
            &[
                "--no-data",
                "--statistics",
                "--no-publications",
                "--no-table-access-method",
                "-S",
                "me",
            ],
            &["-a", "--disable-triggers", "--column-inserts", "--on-conflict-do-nothing"],
            &["-sc", "--exclude-database=p*", "--no-policies", "--no-unlogged-table-data"],
        ] {
            let expected = stock_dumpall(&stock, &cluster, options);
            assert_same_text(&expected, &dumpall(&world, &cluster, options));
        }
        // What comes before it in the file is not lost.
        let file = world.path("all.sql");
        std::fs::write(&file, "left over").expect("a file");
        let nothing = dumpall(&world, &cluster, &["-f", file.to_str().expect("UTF-8")]);
        assert_eq!(nothing, "");
        let written = std::fs::read_to_string(&file).expect("a script");
        assert_same_text(&stock_dumpall(&stock, &cluster, &[]), &written);
    }
}

#[test]
fn a_database_that_no_script_can_connect_to_ends_the_dump() {
    let Some(installation) = installations().last() else { return };
    let cluster = Cluster::start(installation, "");
    psql(&cluster.uri("postgres"), "create database \"foo\nbar\"");
    let world = World::new();
    let run = world.pgark(&["pg_dumpall", "-d", &cluster.uri("postgres")]).fails_with(1);
    assert!(run.stderr.contains("shell command argument contains a newline"), "{}", run.stderr);
    assert!(!run.stdout.lines().any(|line| line.starts_with("bar")), "{}", run.stdout);
    // What pg_dump refuses ends pg_dumpall.
    let run =
        world.pgark(&["pg_dumpall", "-a", "-s", "-d", &cluster.uri("postgres")]).fails_with(1);
    assert!(run.stderr.contains("pg_dump: error: options"), "{}", run.stderr);
    assert!(
        run.stderr.contains("pg_dump failed on database \"template1\", exiting"),
        "{}",
        run.stderr
    );
}

#[test]
fn wrong_arguments_are_refused_as_by_stock() {
    let Some(stock) = oracle::record() else { return };
    let world = World::new();
    let filter = world.path("filter");
    let filter = filter.to_str().expect("TMPDIR is UTF-8");
    std::fs::write(filter, "# a comment\nexclude table t\n").expect("a file");
    let including = world.path("including");
    let including = including.to_str().expect("TMPDIR is UTF-8");
    std::fs::write(including, "include database t\n").expect("a file");
    for arguments in [
        &["qqq"][..],
        &["-g", "-r"],
        &["-g", "-t"],
        &["-r", "-t"],
        &["-g", "-r", "-t", "--if-exists"],
        &["--if-exists"],
        &["--exclude-database=foo", "--globals-only"],
        &["--foo"],
        &["-d"],
        &["--no"],
        &["-g", "--version"],
        &["--filter", filter],
        &["--filter", including],
        &["--filter", "/not/there"],
        &["--restrict-key=a b"],
        &["-d", "nonsense"],
    ] {
        let mut command = stock.command("pg_dumpall");
        let expected = command.args(arguments).output().expect("pg_dumpall can be started");
        let ours = world.pgark(&[&["pg_dumpall"], arguments].concat()).fails_with(1);
        // The C library names the program by the path it was called by.
        let program = format!("{}: ", command.get_program().display());
        let said = String::from_utf8_lossy(&expected.stderr).replace(&program, "pg_dumpall: ");
        if arguments == ["-d", "nonsense"] {
            assert!(ours.stderr.starts_with("pg_dumpall: error: "), "{}", ours.stderr);
        } else {
            assert_eq!(ours.stderr, said, "{arguments:?}");
        }
        assert_eq!(expected.status.code(), Some(1), "{arguments:?}");
    }
}
