//! The demo plays to its end and leaves nothing behind.

use std::path::PathBuf;

use crate::support::installation::{Installation, REQUIRED};
use crate::support::{World, newest_server};

/// The roles and databases of the demo on a server; those of tests that run beside this one included.
const DATABASES: &str = "select datname from pg_database where datname like 'pgark_demo%'";

#[test]
fn demo_on_a_throw_away_server_leaves_nothing() {
    for installation in REQUIRED.into_iter().filter_map(Installation::of) {
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

#[test]
fn demo_that_is_killed_takes_its_server_along() {
    let installation = Installation::all().last().expect("an installed server");
    let world = World::new();
    let mut command = world.command();
    command.args(["demo", "--rows", "2000", "--binaries"]).arg(&installation.bin);
    command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let mut demo = command.spawn().expect("pgark");
    // initdb or the server itself: whatever it is, it must not stay.
    let runs = |path: &PathBuf| path.join("data/postmaster.pid").exists();
    wait(|| world.leftovers().iter().any(runs));
    demo.kill().expect("killed");
    let _ = demo.wait();
    wait(|| world.leftovers().is_empty());
}

/// Waits for a condition; the limit only turns a hang into a failure.
fn wait(mut condition: impl FnMut() -> bool) {
    let began = std::time::Instant::now();
    while !condition() {
        assert!(began.elapsed() < std::time::Duration::from_secs(60), "the condition never held");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}
