//! Security labels of a real provider, on everything that can have one, shared objects included.
//!
//! The provider is `dummy_seclabel` of PostgreSQL's own tests, which `scripts/conformance setup` builds for 18.
//! The labels of fixtures/objects stand in the catalogs without a provider; those of every server are
//! compared there, and here they are also restored.

use crate::compat::assert_same_text;
use crate::support::Cluster;
use crate::support::database::{psql, run_psql};
use crate::support::installation::Installation;
use crate::support::oracle::{self, RESTRICT_KEY};
use crate::support::{World, every_server, missing};

const LABELS: &str = include_str!("../../../fixtures/security_label.sql");

/// Starts a server whose sessions have the provider; `None` where there is none.
fn labelled(installation: &Installation) -> Option<Cluster> {
    let cluster = Cluster::start(installation, "wal_level = logical");
    let uri = cluster.uri("postgres");
    run_psql(&uri, "load 'dummy_seclabel'").ok()?;
    psql(&uri, "alter system set session_preload_libraries = 'dummy_seclabel'");
    psql(&uri, "select pg_reload_conf()");
    // Only sessions that begin after the reload have it, and the reload takes a moment.
    let has_it = "show session_preload_libraries";
    while psql(&uri, has_it).trim() != "dummy_seclabel" {}
    Some(cluster)
}

#[test]
fn labels_of_a_real_provider_equal_stock_and_survive() {
    let Some(stock) = oracle::record() else { return };
    let installations = every_server().iter().filter_map(|server| Installation::of(server.major()));
    let mut found = false;
    for installation in installations {
        let Some(source) = labelled(installation) else { continue };
        found = true;
        let uri = source.uri("postgres");
        psql(&uri, "create database labels");
        let database = source.uri("labels");
        psql(&database, LABELS);
        psql(&uri, "alter system set allow_in_place_tablespaces = on");
        psql(&uri, "select pg_reload_conf()");
        let space = "create tablespace label_space location ''";
        while run_psql(&uri, space).is_err() {}
        psql(&uri, "security label on tablespace label_space is 'secret'");

        let world = World::new();
        let key = format!("--restrict-key={RESTRICT_KEY}");
        let pgark = |tool: &str, uri: &str, options: &[&str]| {
            let line = [&[tool, &key, "-d", uri], options].concat();
            world.pgark(&line).success().stdout
        };
        for options in [&[][..], &["-C"], &["--no-security-labels"], &["-n", "sl"], &["-t", "sl.*"]]
        {
            let mut command = stock.command("pg_dump");
            command.args([&key, "-d", &database]).args(options);
            let expected = command.output().expect("pg_dump can be started");
            assert!(expected.status.success());
            let expected = String::from_utf8_lossy(&expected.stdout).into_owned();
            assert_same_text(&expected, &pgark("pg_dump", &database, options));
        }
        for options in [&[][..], &["-g"], &["-g", "--no-security-labels"]] {
            let expected = stock.pg_dumpall(&uri, options);
            assert_same_text(&expected, &pgark("pg_dumpall", &uri, options));
        }

        let whole = pgark("pg_dumpall", &uri, &[]);
        let labels = whole.lines().filter(|line| line.starts_with("SECURITY LABEL FOR dummy"));
        let given = LABELS.lines().filter(|line| line.starts_with("security label ")).count();
        // Two more: of the database, which the fixture makes another way, and of the tablespace. One less:
        // pg_dump forgets the attributes of composite types.
        assert_eq!(labels.count(), given + 1, "{whole}");
        let _ = world.pgark(&["dump", "--all", "-d", &uri, "-f", "all", "-j2"]).success();
        let target = labelled(installation).expect("the provider is there");
        let maintenance = target.uri("postgres");
        psql(&maintenance, "alter system set allow_in_place_tablespaces = on");
        psql(&maintenance, "select pg_reload_conf()");
        while psql(&maintenance, "show allow_in_place_tablespaces").trim() != "on" {}
        let _ = world.pgark(&["restore", "-d", &maintenance, "all"]).success();
        assert_same_text(&whole, &pgark("pg_dumpall", &maintenance, &[]));
        let _ = world.pgark(&["verify", "all", "--against", &maintenance]).success();
        // `pgark dump` does not forget them.
        let attribute = "select objname, label from pg_seclabels where objname = 'sl.c.b'";
        assert_eq!(psql(&target.uri("labels"), attribute), psql(&database, attribute));
        assert_ne!(psql(&database, attribute).trim(), "");
    }
    if !found {
        missing("no server has dummy_seclabel; scripts/conformance setup builds it for 18");
    }
}
