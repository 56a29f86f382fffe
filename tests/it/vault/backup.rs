//! `pgark backup`: what is kept, and what keeps a backup from being made.

use std::os::unix::fs::PermissionsExt;

use super::{Shop, json, text};
use crate::support::command::Run;
use crate::support::installation::Installation;
use crate::support::{Cluster, World, newest_server, oracle, servers};

#[test]
fn with_nothing_but_a_url_a_proved_backup_is_made_below_backups() {
    for server in servers() {
        let source = server.database("vault_first");
        source.execute(
            "create table t (n int primary key); insert into t select generate_series(1, 1000); \
             select lo_create(7)",
        );
        let shop = Shop::of(&source);
        let run = shop.pgark(&["backup"]).success();
        assert!(run.stdout.contains("  rows       1,000 in 1 table\n"), "{}", run.stdout);
        assert!(run.stdout.contains("proof      every byte read again"), "{}", run.stdout);
        let [backup] = &shop.list()[..] else { panic!("one backup") };
        assert_eq!(backup["proof"], "decoded");
        // The first one is the one of its month.
        assert_eq!(backup["backup_type"], "monthly");

        let folder = shop.world.path(&format!("backups/{}/{}", source.name(), text(backup, "id")));
        let archive = folder.join("archive");
        let copy = server.database("vault_first_copy");
        let restore = ["restore", "-d", copy.uri(), archive.to_str().expect("UTF-8")];
        let _ = shop.world.pgark(&restore).success();
        assert_eq!(copy.query("select count(*), sum(n) from t"), "1000|500500");
        assert_eq!(copy.query("select count(*) from pg_largeobject_metadata"), "1");
        if let Some(stock) = oracle::record() {
            let list = stock.pg_restore(&["--list"], &archive).success();
            assert!(list.stdout.contains(" TABLE DATA public t "), "{}", list.stdout);
        }
        let globals = std::fs::read_to_string(folder.join("globals.sql")).expect("globals");
        assert!(globals.contains("CREATE ROLE postgres;"), "{globals}");
        let mode = |path: &std::path::Path| {
            std::fs::metadata(path).expect("is there").permissions().mode() & 0o777
        };
        for path in [&folder, &archive, folder.parent().expect("one"), &shop.world.path("backups")]
        {
            assert_eq!(mode(path), 0o700, "{}", path.display());
        }
        assert_eq!(mode(&folder.join("globals.sql")), 0o600);
        assert_eq!(mode(&folder.join("backup.json")), 0o600);
    }
}

#[test]
fn the_second_backup_of_a_day_is_a_daily_one_and_a_type_can_be_named() {
    let source = newest_server().database("vault_types");
    let shop = Shop::of(&source);
    let types =
        [&["--no-globals"][..], &[], &["--type", "full"], &["--type=pre-migration", "--hold"]];
    let made: Vec<String> =
        types.iter().map(|arguments| text(&shop.back_up(arguments), "backup_type")).collect();
    assert_eq!(made, ["monthly", "daily", "full", "pre-migration"]);
    let list = shop.list();
    assert_eq!(list[0]["hold"], "until it is verified");
    let ids = shop.ids();
    let mut sorted = ids.clone();
    sorted.sort_by_key(|id| std::cmp::Reverse(id[id.len() - 23..].to_owned()));
    assert_eq!(ids, sorted, "the newest first, also within a second");
    let run = shop.pgark(&["backup", "--type", "weakly"]).fails_with(2);
    assert!(run.stderr.contains("pre-migration"), "the types are named: {}", run.stderr);
}

#[test]
fn several_databases_are_backed_up_and_the_failure_of_one_does_not_stop_the_others() {
    let server = newest_server();
    let (one, other) = (server.database("vault_one"), server.database("vault_other"));
    one.execute("create table t (n int); create role vault_reader login");
    let world = World::new();
    let backup = ["backup", "--no-sync", "--json", "-d", one.uri(), one.name(), other.name()];
    let run = world.pgark(&backup).success();
    assert_eq!(json(&run.stdout)["backups"].as_array().map(Vec::len), Some(2));

    // The reader may not read the table of the first.
    let backup = [&backup[..], &["-U", "vault_reader"]].concat();
    let reader = one.uri().replace("postgres@", "vault_reader@");
    let backup: Vec<&str> =
        backup.iter().map(|&word| if word == one.uri() { reader.as_str() } else { word }).collect();
    let run = world.pgark(&backup).fails_with(10);
    let report = json(&run.stdout);
    assert_eq!(report["backups"][0]["source"]["database"], other.name());
    assert_eq!(report["failed"][0]["database"], one.name());
    assert!(run.stderr.contains("1 of 2 databases could not be backed up"), "{}", run.stderr);
    one.execute("drop role vault_reader");
}

#[test]
fn one_that_cannot_even_be_reached_does_not_stop_the_others() {
    let source = newest_server().database("vault_reached");
    source.execute("create table t as select 1 n");
    let world = World::new();
    let backup = ["backup", "--no-sync", "--json", "-d", source.uri(), "not_there_xyz"];
    let _ = world.pgark(&backup).fails_with(3);
    let backup = [&backup[..], &[source.name()]].concat();
    let run = world.pgark(&backup).fails_with(10);
    let report = json(&run.stdout);
    assert_eq!(report["backups"][0]["source"]["database"], source.name());
    assert_eq!(report["failed"][0]["database"], "not_there_xyz");
    assert!(run.stderr.contains("1 of 2 databases could not be backed up"), "{}", run.stderr);
    let run = world.pgark(&[&backup[..], &["--dry-run"]].concat()).fails_with(10);
    assert_eq!(json(&run.stdout)["failed"][0]["code"], "connection");
}

#[test]
fn all_databases_of_a_server_are_backed_up_but_for_those_left_out() {
    // A server of its own: on the others databases of other tests come and go.
    let Some(installation) = Installation::all().last() else { return };
    let cluster = Cluster::start(installation, "");
    let uri = cluster.uri("postgres");
    for database in ["shop", "test_1", "closed"] {
        crate::support::database::psql(&uri, &format!("create database {database}"));
    }
    crate::support::database::psql(&uri, "alter database closed allow_connections false");
    let world = World::new();
    let made = |run: Run| -> Vec<String> {
        let report = json(&run.stdout);
        let backups = report["backups"].as_array().expect("a list");
        backups.iter().map(|it| text(&it["source"], "database")).collect()
    };
    let all = ["backup", "--no-sync", "--json", "-d", &uri, "--all", "--exclude-database", "test*"];
    let run = world.pgark(&all).success();
    assert!(run.stderr.contains("\"closed\" is not dumped"), "{}", run.stderr);
    assert_eq!(made(run), ["template1", "postgres", "shop"]);
    let file = format!(
        "[source.s]\nconnection = \"{uri}\"\nall_databases = true\n\
         exclude_databases = [\"test*\", \"template1\", \"closed\"]\n"
    );
    std::fs::write(world.path("pgark.toml"), file).expect("a file");
    let run = world.pgark(&["backup", "--no-sync", "--json"]).success();
    assert_eq!(made(run), ["postgres", "shop"]);
    let run = world.pgark(&["backup", "--no-sync", "--json", "test_1"]).success();
    assert_eq!(made(run), ["test_1"], "what is typed is meant");
    let world = World::new();
    let run = world.pgark(&["backup", "-d", &uri, "--exclude-database", "x"]).fails_with(2);
    assert!(run.stderr.contains("which is not asked for"), "{}", run.stderr);
}

#[test]
fn lock_slots_are_counted_before_they_run_out() {
    let Some(installation) = Installation::all().last() else { return };
    let settings = "max_locks_per_transaction = 10\nmax_connections = 20";
    let cluster = Cluster::start(installation, settings);
    let uri = cluster.uri("postgres");
    let psql = |script: &str| crate::support::database::psql(&uri, script);
    psql("select format('create table t%s (n int)', i) from generate_series(1, 160) i \\gexec");
    let world = World::new();
    let run = world.pgark(&["backup", "--dry-run", "-d", &uri]).success();
    assert!(!run.stderr.contains("lock slots"), "160 and a quarter are 200: {}", run.stderr);
    psql("create table one_more (n int)");
    let run = world.pgark(&["backup", "--dry-run", "-d", &uri]).success();
    let said = "the dump locks 161 tables, and the server has about 200 lock slots for everybody: \
                set max_locks_per_transaction to at least 11";
    assert!(run.stderr.contains(said), "{}", run.stderr);
}

/// The roles in a backup are those that the database in it knew: a grant to a role that comes later is not there.
#[test]
fn roles_are_those_of_the_moment_of_the_dump() {
    let source = newest_server().database("vault_moment");
    let role = format!("vault_later_{}", source.name());
    source.execute("create table t (n int)");
    let shop = Shop::of(&source);
    let holder = super::runs::Holder::lock(&source);
    let mut backup = super::runs::started(&shop);
    super::runs::wait(|| {
        source.query("select count(*) from pg_locks where relation = 't'::regclass and not granted")
            == "1"
    });
    // The dump waits for its locks, and what comes before its snapshot belongs to it.
    source.execute(&format!("create role {role}"));
    drop(holder);
    source.query("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and query like '%pg_sleep%' and pid <> pg_backend_pid()");
    assert!(backup.wait().expect("ends").success());
    source.execute(&format!("drop role {role}"));
    let folder = text(&shop.list()[0], "folder");
    let globals = shop.world.path(&folder).join("globals.sql");
    let globals = std::fs::read_to_string(globals).expect("globals");
    assert!(globals.contains(&format!("CREATE ROLE {role};")), "{globals}");
}

#[test]
fn who_may_open_one_session_only_gets_a_backup_too() {
    let source = newest_server().database("vault_single");
    let role = format!("vault_single_{}", source.name());
    source.execute(&format!(
        "create table t as select 1 n; create role {role} superuser login connection limit 1"
    ));
    // A superuser is bound by no limit; who reads all without being one is.
    source.execute(&format!("alter role {role} nosuperuser; grant pg_read_all_data to {role}"));
    let world = World::new();
    let uri = source.uri().replace("postgres@", &format!("{role}@"));
    let run = world.pgark(&["backup", "-d", &uri, "-j", "1", "--no-sync", "--json"]);
    source.execute(&format!("drop owned by {role}; drop role {role}"));
    let made = json(&run.success().stdout);
    assert_ne!(made["backups"][0]["globals_sha256"], serde_json::Value::Null);
}

#[test]
fn what_cannot_be_read_is_named_and_nothing_is_left() {
    let source = newest_server().database("vault_unreadable");
    source.execute("create table secret (n int); create role vault_blind login");
    let world = World::new();
    let uri = source.uri().replace("postgres@", "vault_blind@");
    let run = world.pgark(&["backup", "-d", &uri]).fails_with(4);
    source.execute("drop role vault_blind");
    assert!(run.stderr.contains("secret"), "{}", run.stderr);
    let run = world.pgark(&["list"]).success();
    assert!(run.stdout.starts_with("0 backups in backups"), "{}", run.stdout);
    let folder = world.path(&format!("backups/{}", source.name()));
    let names: Vec<_> = std::fs::read_dir(folder)
        .expect("a folder")
        .map(|item| item.expect("item").file_name())
        .collect();
    assert_eq!(names, [".lock"]);
}

#[test]
fn a_dry_run_says_what_would_be_made_and_makes_nothing() {
    let source = newest_server().database("vault_dry");
    let shop = Shop::of(&source);
    let run = shop.pgark(&["backup", "--dry-run"]).success();
    let expected = format!("would make a monthly backup of {} (", source.name());
    assert!(run.stdout.starts_with(&expected), "{}", run.stdout);
    assert!(run.stdout.contains(" free\n"), "{}", run.stdout);
    assert!(!shop.world.path("backups").exists());
    let _ = shop.pgark(&["list"]).fails_with(6);
}

#[test]
fn odd_names_of_databases_are_kept_apart() {
    let server = newest_server();
    let first = server.database("vault_odd");
    let odd = format!("{}/../ü \"x\"", first.name());
    first.execute(&format!("create database \"{}\"", odd.replace('"', "\"\"")));
    let world = World::new();
    let run = world.pgark(&["backup", "--no-sync", "--json", "-d", first.uri(), &odd]);
    first.execute(&format!("drop database \"{}\"", odd.replace('"', "\"\"")));
    let run = run.success();
    assert_eq!(json(&run.stdout)["backups"][0]["source"]["database"], odd);
    let run = world.pgark(&["list", &odd]).success();
    assert!(run.stdout.starts_with("1 backup in backups"), "{}", run.stdout);
    assert_eq!(std::fs::read_dir(world.path("backups")).expect("a folder").count(), 1);
    let run = world.pgark(&["verify", "--latest", &odd]).success();
    assert!(run.stdout.contains(" is whole "), "{}", run.stdout);
}

#[test]
fn rows_that_are_gone_are_told_each_time_and_the_backups_that_have_them_stay() {
    let source = newest_server().database("vault_gone");
    source.execute("create table t as select generate_series(1, 10) n");
    let shop = Shop::of(&source);
    let full = text(&shop.back_up(&["--type", "daily"]), "id");
    source.execute("truncate t");
    // A policy under which the empty one pushes the others out.
    let policy = ["backup", "--type", "daily", "--json", "-j1", "--keep-all", "0"];
    for made in 2..4 {
        let run = shop.pgark(&policy).fails_with(9);
        assert!(run.stderr.contains(&format!("holds no rows, and {full} did")), "{}", run.stderr);
        assert!(run.stderr.contains("the older backups are kept"), "{}", run.stderr);
        let backup = &json(&run.stdout)["backups"][0];
        assert_eq!(backup["expired_are_dropped"], false);
        assert_eq!(shop.ids().len(), made);
    }
    // Nor does prune drop the one that has the rows.
    let _ = shop.pgark(&["prune", "--apply", "--keep-all", "0"]).success();
    let ids = shop.ids();
    assert_eq!((ids.len(), ids.contains(&full)), (2, true), "{ids:?}");

    let _ = shop.pgark(&["mark", &ids[0], "verified"]).success();
    let _ = shop.pgark(&policy).success();
    let left = shop.ids_of_readable();
    assert!(!left.contains(&full), "it was emptied on purpose: {left:?}");
    assert_eq!(left[1], ids[0], "what tells so is kept");
}

#[test]
fn a_backup_that_leaves_something_out_stands_for_no_whole_one() {
    let source = newest_server().database("vault_part");
    source.execute("create table t as select 1 n; create table log as select 2 n");
    let shop = Shop::of(&source);
    let whole = text(&shop.back_up(&[]), "id");
    let part = ["--exclude-table-data", "log", "-T", "x", "-N", "y", "--keep-all", "0"];
    let made = shop.back_up_synced(&part);
    // It is the first of its kind, so it is the yearly one of it, and drops none of the other kind.
    assert_eq!(text(&made, "backup_type"), "yearly");
    assert_eq!(made["excluded"]["table_data"][0], "log");
    assert_eq!(shop.ids().len(), 2);
    let run = shop.pgark(&["list"]).success();
    let without = "without schema y, table x, rows of log";
    assert!(run.stdout.contains(without), "{}", run.stdout);
    let run = shop.pgark(&["status", "--json"]).success();
    assert_eq!(json(&run.stdout)["databases"].as_array().map(Vec::len), Some(2));
    let run = shop.pgark(&["backup", "--dry-run", "-T", "x"]).success();
    assert!(run.stdout.contains("  without    table x\n"), "{}", run.stdout);

    let run = shop.pgark(&["restore", "--latest", "--dry-run"]).success();
    assert!(run.stdout.contains(&whole), "{}", run.stdout);
    let made_on = format!("of {}\n", text(&shop.list()[0], "server"));
    assert!(run.stdout.contains(&made_on), "{made_on}{}", run.stdout);
    let passed = format!("{} is newer and {without}", text(&made, "id"));
    assert!(run.stderr.contains(&passed), "{}", run.stderr);
}

#[test]
fn what_is_not_on_disk_yet_drops_nothing() {
    let source = newest_server().database("vault_nosync");
    source.execute("create table t as select 1 n");
    let shop = Shop::of(&source);
    shop.back_up(&["--type", "daily"]);
    let run = shop.pgark(&["backup", "--type", "daily", "--no-sync", "--keep-all", "0"]).success();
    let said = "none was dropped: the new backup may not be on disk yet";
    assert!(run.stdout.contains(said), "{}", run.stdout);
    assert_eq!(shop.ids().len(), 2);
}

#[test]
fn what_fails_when_a_backup_is_made_does_not_unmake_it() {
    let source = newest_server().database("vault_after");
    source.execute("create table t as select 1 n");
    let shop = Shop::of(&source);
    shop.back_up(&["--type", "daily"]);
    // Nothing can be noted, so nothing can be dropped.
    let history = shop.world.path(&format!("backups/{}/history", source.name()));
    std::fs::write(history, "x").expect("a file");
    let run = shop.pgark(&["backup", "--type", "daily", "--json", "-j1", "--keep-all", "0"]);
    let run = run.fails_with(8);
    let backup = &json(&run.stdout)["backups"][0];
    assert_eq!(backup["afterwards"]["code"], "storage");
    let made = format!("backup {} is made, and what comes after it failed", text(backup, "id"));
    assert!(run.stderr.contains(&made), "{}", run.stderr);
    assert_eq!(shop.ids().len(), 2);
}

#[test]
fn a_folder_that_cannot_be_one_is_refused_before_anything_is_read() {
    let source = newest_server().database("vault_folder");
    let shop = Shop::of(&source);
    std::fs::write(shop.world.path("file"), "x").expect("a file");
    let run = shop.pgark(&["backup", "--repo", "file/backups"]).fails_with(4);
    assert!(run.stderr.contains("it is not a folder"), "{}", run.stderr);
}
