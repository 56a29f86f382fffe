//! `pgark config`, and settings from flags, variables and file in their order.

use std::path::Path;

use super::{json, text};
use crate::support::command::Run;
use crate::support::{World, newest_server};

const FILE: &str = r#"
[defaults]
keep_daily = "14d"
jobs = 1

[source.shop]
connection = "postgresql://me:${SECRET}@127.0.0.1:1/shop"
exclude_table_data = ["sessions"]

[repo.local]
path = "kept"

[job.shop]
keep_weekly = 8
"#;

fn written(content: &str) -> World {
    let world = World::new();
    std::fs::write(world.path("pgark.toml"), content).expect("a file");
    world
}

fn shown(world: &World, variables: &[(&str, &str)], arguments: &[&str]) -> serde_json::Value {
    let all = [&["config", "show", "--json"], arguments].concat();
    json(&world.pgark_with(variables, &all).success().stdout)
}

#[track_caller]
fn setting(shown: &serde_json::Value, name: &str) -> (String, String) {
    let settings = shown["settings"].as_array().expect("settings");
    let found = settings.iter().find(|setting| setting["name"] == name).expect("a setting");
    (
        found["value"].as_str().unwrap_or("-").to_owned(),
        found["origin"].as_str().unwrap_or("-").to_owned(),
    )
}

#[test]
fn each_value_comes_with_its_origin_and_no_secret() {
    let world = written(FILE);
    let secret = [("SECRET", "hunter2"), ("BACKUP_KEEP_MONTHS", "6")];
    let found = shown(&world, &secret, &[]);
    assert_eq!(text(&found, "profile"), "shop");
    for (name, value, origin) in [
        (
            "connection",
            "host 127.0.0.1, port 1, user \"me\", database \"shop\"",
            "pgark.toml [source.shop]",
        ),
        ("path", "kept", "pgark.toml [repo.local]"),
        ("keep_daily", "14d", "pgark.toml [defaults]"),
        ("keep_weekly", "8", "pgark.toml [job.shop]"),
        // The file says how long backups are kept.
        ("keep_monthly", "365d", "default"),
        ("keep_safety", "30d", "default"),
        ("keep_yearly", "-", "-"),
    ] {
        assert_eq!(setting(&found, name), (value.to_owned(), origin.to_owned()), "{name}");
    }
    assert!(!found.to_string().contains("hunter2"));
    let unused = "BACKUP_KEEP_MONTHS is not used: pgark.toml [defaults] says how long";
    assert!(found["notes"].to_string().contains(unused), "{}", found["notes"]);
    let people = world.pgark_with(&secret, &["config", "show"]).success();
    assert!(!people.stdout.contains("hunter2"), "{}", people.stdout);

    let over =
        [("SECRET", "x"), ("DATABASE_URL", "postgresql://other/db"), ("BACKUP_DIR", "elsewhere")];
    let found = shown(&world, &over, &["--repo", "typed"]);
    assert_eq!(setting(&found, "connection").1, "DATABASE_URL");
    assert_eq!(setting(&found, "path"), ("typed".to_owned(), "--repo".to_owned()));
    assert!(
        found["notes"].to_string().contains("DATABASE_URL comes before pgark.toml [source.shop]")
    );
}

#[test]
fn a_check_names_everything_that_is_wrong_and_needs_no_server() {
    let world = written(FILE);
    let run = world.pgark_with(&[("SECRET", "x")], &["config", "check"]).success();
    assert!(run.stdout.starts_with("pgark.toml is right: shop"), "{}", run.stdout);
    let run = world.pgark(&["config", "check"]).fails_with(2);
    assert!(run.stderr.contains("the variable SECRET is not set"), "{}", run.stderr);

    let world = written(
        "[job.a]\nkeep_daily = \"often\"\n[job.b]\ntype = \"weakly\"\n[job.c]\nverify = \"perhaps\"\n",
    );
    let run = world.pgark(&["config", "check"]).fails_with(2);
    for expected in ["profile a: keep_daily", "profile b: type", "profile c: verify"] {
        assert!(run.stderr.contains(expected), "{expected} in {}", run.stderr);
    }
    for (content, expected) in [
        ("[job.a]\nkeep_dayly = 1\n", "there is no key keep_dayly; is keep_daily meant?"),
        ("[job.a]\nschedule = \"@daily\"\n", "job.a: schedule does nothing yet"),
        ("[notify.x]\n", "[notify] does nothing yet"),
        ("[job.a\n", "line 1"),
    ] {
        let run = written(content).pgark(&["config", "check"]).fails_with(2);
        assert!(run.stderr.contains(expected), "{expected} in {}", run.stderr);
    }
    let run = World::new().pgark(&["config", "check", "--config", "none.toml"]).fails_with(6);
    assert!(run.stderr.contains("none.toml"), "{}", run.stderr);
}

#[test]
fn a_url_of_something_else_is_refused_and_not_shown() {
    let world = World::new();
    let url = [("DATABASE_URL", "mysql://me:hunter2@h/shop")];
    let found = shown(&world, &url, &[]);
    assert_eq!(setting(&found, "connection").0, "***");
    for verb in [&["config", "check"][..], &["backup"]] {
        let run = world.pgark_with(&url, verb).fails_with(2);
        assert!(run.stderr.contains("mysql://... is no connection"), "{}", run.stderr);
        assert!(!run.stderr.contains("hunter2"), "{}", run.stderr);
    }
    let bucket = shown(&world, &[("BACKUP_DIR", "s3://key:hunter2@store/bucket")], &[]);
    assert_eq!(setting(&bucket, "path").0, "s3://***@store/bucket");
}

#[test]
fn backups_go_nowhere_when_the_file_has_several_places_and_nobody_names_one() {
    let world = written("[repo.x]\npath = \"x\"\n[repo.y]\npath = \"y\"\n[job.a]\n");
    for verb in [&["list"][..], &["status"], &["config", "check"]] {
        let run = world.pgark(verb).fails_with(2);
        assert!(run.stderr.contains("several repositories: x, y"), "{}", run.stderr);
    }
    std::fs::create_dir(world.path("z")).expect("a folder");
    let _ = world.pgark(&["list", "--repo", "z"]).success();
}

#[test]
fn variables_that_may_mean_anything_drop_nothing() {
    let source = newest_server().database("vault_generic");
    source.execute("create table t as select 1 n");
    let world = World::new();
    let run = |variables: &[(&str, &str)], arguments: &[&str]| {
        let own = [&[("DATABASE_URL", source.uri())], variables].concat();
        world.pgark_with(&own, arguments)
    };
    let backup = ["backup", "-j1", "--type", "daily"];
    let said = run(&[("RETENTION_DAYS", "1")], &backup).success();
    assert!(
        said.stderr.contains("--keep-all is 1d because RETENTION_DAYS is set"),
        "{}",
        said.stderr
    );
    let said = run(&[("RETENTION_DAYS", "1")], &["prune"]).success();
    assert!(
        said.stderr.contains("--keep-all is 1d because RETENTION_DAYS is set"),
        "{}",
        said.stderr
    );
    let _ = run(&[("RETENTION_DAYS", "0")], &["prune"]).fails_with(2);
    // What is meant for us counts, and alone.
    let said = run(&[("PGARK_KEEP_ALL", "0"), ("BACKUP_KEEP_WEEKS", "4")], &backup).success();
    let unused = "BACKUP_KEEP_WEEKS is not used: PGARK_KEEP_ALL says how long";
    assert!(said.stderr.contains(unused), "{}", said.stderr);
    let listed = json(&world.pgark(&["list", "--json"]).success().stdout);
    assert_eq!(listed["backups"].as_array().map(Vec::len), Some(1));
}

#[test]
fn one_of_several_jobs_is_named() {
    let world = written(
        "[repo.x]\npath = \"x\"\n[repo.y]\npath = \"y\"\n[job.a]\nrepo = \"x\"\n[job.b]\nrepo = \"y\"\n",
    );
    let run = world.pgark(&["list"]).fails_with(2);
    assert!(run.stderr.contains("has several jobs: a, b"), "{}", run.stderr);
    assert_eq!(setting(&shown(&world, &[], &["--profile", "b"]), "path").0, "y");
    assert_eq!(setting(&shown(&world, &[("PGARK_PROFILE", "a")], &[]), "path").0, "x");
    let run = world.pgark(&["list", "--profile", "c"]).fails_with(2);
    assert!(run.stderr.contains("there are: a, b"), "{}", run.stderr);
}

#[test]
fn variables_with_a_typing_error_are_refused() {
    let world = World::new();
    let run = world.pgark_with(&[("PGARK_KEEP_DAYLY", "7")], &["list"]).fails_with(2);
    assert!(run.stderr.contains("hint: is PGARK_KEEP_DAILY meant?"), "{}", run.stderr);
    let platform = [("PGARK_PORT", "tcp://10.0.0.1:80"), ("PGARK_SERVICE_HOST", "10.0.0.1")];
    let found = shown(&world, &platform, &[]);
    assert_eq!(found["notes"].as_array().map(Vec::len), Some(2));
}

#[test]
fn a_profile_says_what_is_restored_where_and_what_must_be_true_of_it() {
    let source = newest_server().database("vault_profile");
    source.execute("create table t as select 1 n");
    let world = World::new();
    let uri = source.uri();
    let file = |checks: &str| {
        format!(
            "[source.s]\nconnection = \"{uri}\"\n[source.other]\nconnection = \"postgres://h/other\"\n\
             [job.shop]\nsource = \"s\"\nchecks = [{checks}]\n[job.other]\nsource = \"other\"\n\
             checks = [\"select false\"]\n"
        )
    };
    let write = |checks| std::fs::write(world.path("pgark.toml"), file(checks)).expect("a file");
    write("\"select count(*) = 1 from t\"");
    let _ = world.pgark(&["backup", "--profile", "shop", "--no-sync", "-j1"]).success();
    let drill = ["drill", "--latest", "--profile", "shop", "--server", uri, "--json"];
    let run = world.pgark(&drill).success();
    assert_eq!(json(&run.stdout)["checks"], 1);
    // The checks of another database say nothing about this one.
    let id = json(&world.pgark(&["list", "--profile", "shop", "--json"]).success().stdout);
    let id = text(&id["backups"][0], "id");
    let run = world.pgark(&["drill", &id, "--profile", "other", "--server", uri, "--json"]);
    assert_eq!(json(&run.success().stdout)["checks"], 0);
    write("\"select count(*) = 2 from t\"");
    let run = world.pgark(&drill).fails_with(9);
    assert!(run.stderr.contains("select count(*) = 2 from t"), "{}", run.stderr);

    let run = world.pgark(&["restore", "--latest", "--dry-run", "--profile", "shop"]).success();
    assert!(
        run.stdout.contains(&format!("over     database \"{}\"", source.name())),
        "{}",
        run.stdout
    );
    let _ = world.pgark(&["restore", "--latest", "--dry-run"]).fails_with(2);
}

#[test]
fn a_backup_follows_file_variables_and_flags() {
    let source = newest_server().database("vault_config");
    source.execute("create table t as select 1 n; create table sessions as select 1 n");
    let world = World::new();
    std::fs::write(world.path("url"), format!("{}\n", source.uri())).expect("a file");
    let file = "[source.s]\nconnection = { file = \"url\" }\nexclude_table_data = [\"sessions\"]\n\
                [repo.r]\npath = \"kept\"\n[job.j]\ntype = \"manual\"\nverify = false\njobs = 1\nkeep_manual = 2\n";
    std::fs::write(world.path("pgark.toml"), file).expect("a file");
    let made = |variables: &[(&str, &str)], arguments: &[&str]| {
        let all = [&["backup", "--no-sync", "--json"], arguments].concat();
        json(&world.pgark_with(variables, &all).success().stdout)["backups"][0].clone()
    };
    let first = made(&[], &[]);
    assert_eq!(
        (text(&first, "backup_type"), text(&first, "proof")),
        ("manual".into(), "none".into())
    );
    assert_eq!(first["rows"], 1, "the rows of sessions are left out");
    assert!(Path::new(&text(&first, "folder")).starts_with(world.path("kept")));
    let second = made(&[("PGARK_TYPE", "daily"), ("PGARK_VERIFY", "true")], &[]);
    assert_eq!(
        (text(&second, "backup_type"), text(&second, "proof")),
        ("daily".into(), "decoded".into())
    );
    let third = made(&[("PGARK_TYPE", "daily")], &["--type", "weekly", "--repo", "typed"]);
    assert_eq!(text(&third, "backup_type"), "weekly");
    assert!(Path::new(&text(&third, "folder")).starts_with(world.path("typed")));
}

#[test]
fn the_variables_of_the_official_image_lead_to_the_server() {
    let source = newest_server().database("vault_image");
    let (host, port, user) = (
        source.query(
            "select coalesce(nullif(current_setting('unix_socket_directories'), ''), '127.0.0.1')",
        ),
        source.query("select current_setting('port')"),
        source.query("select current_user"),
    );
    let host = match source.uri().contains("127.0.0.1") {
        true => "127.0.0.1".to_owned(),
        false => host,
    };
    let world = World::new();
    std::fs::write(world.path("user"), format!("{user}\n")).expect("a file");
    let variables = [
        ("POSTGRES_HOST", host.as_str()),
        ("POSTGRES_PORT", port.as_str()),
        ("POSTGRES_DB", source.name()),
        ("POSTGRES_USER_FILE", "user"),
        ("RETENTION_DAYS", "7"),
    ];
    let run: Run = world.pgark_with(&variables, &["backup", "--no-sync"]).success();
    assert!(run.stdout.contains(&format!("backup of {} in ", source.name())), "{}", run.stdout);
}
