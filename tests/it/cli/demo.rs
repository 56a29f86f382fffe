//! The demo plays to its end and leaves nothing behind.

use std::path::PathBuf;

use crate::support::installation::Installation;
use crate::support::{World, newest_server};

/// The roles and databases of the demo on a server; those of tests that run beside this one included.
const DATABASES: &str = "select datname from pg_database where datname like 'pgark_demo%'";

#[test]
fn demo_on_a_throw_away_server_leaves_nothing() {
    for installation in Installation::all() {
        let world = World::new();
        let binaries = installation.bin.to_str().expect("UTF-8");
        let run = world
            .pgark(&["demo", "--rows", "2000", "-j", "2", "--binaries", binaries, "--keep", "kept"])
            .success();
        assert!(run.stdout.contains("The copy equals the source"), "{}", run.stdout);
        assert!(!run.stderr.contains("warning"), "{}", run.stderr);
        assert_eq!(world.leftovers(), Vec::<PathBuf>::new());
        let _ = world.pgark(&["verify", "kept"]).success();
    }
}

#[test]
fn demo_on_a_server_in_use_asks_first_and_cleans_up() {
    let database = newest_server().database("demo_host");
    let world = World::new();
    let variables = [("DATABASE_URL", database.uri())];
    let run = world.pgark_with(&variables, &["demo"]).fails_with(5);
    assert!(run.stderr.contains("there is nobody to ask"), "{}", run.stderr);
    assert_eq!(run.stdout, "");

    let run =
        world.pgark_with(&variables, &["demo", "--yes", "--rows", "2000", "--json"]).success();
    let told: serde_json::Value = serde_json::from_str(&run.stdout).expect("JSON");
    assert_eq!(told["comparison"]["findings"], serde_json::json!([]));
    assert_eq!(told["dump"]["rows"], told["restore"]["rows"]);
    assert_eq!(database.query(DATABASES), "");
    assert_eq!(world.leftovers(), Vec::<PathBuf>::new());
}

#[test]
fn demo_without_a_server_says_what_to_do() {
    let world = World::new();
    let run = world.pgark(&["demo", "--binaries", "nowhere"]).fails_with(6);
    assert!(run.stderr.contains("does not hold initdb and postgres"), "{}", run.stderr);
}
