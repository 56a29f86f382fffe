//! An earlier run that is named, shown, asked about, and finished or taken back.

use pgark::progress::{Interrupt, silent};
use pgark::vault::managed::{Names, RestoreId, plan};

use super::{BACKED_UP, CHANGED, clear, content, made, options, sample};
use crate::support::database::{Database, psql};
use crate::support::server::Server;
use crate::support::{World, damage, newest_server};

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_is_shown_and_asked_about_before_it_is_done() {
    let server = newest_server();
    let world = World::new();
    let (database, archive) = sample(&world, server, "managed_asked");
    let done = plan(options(&archive, &database), silent(), &Interrupt::default()).await;
    let done = done.expect("a plan").run(None, Interrupt::default()).await.expect("a restore");
    let pgark = |arguments: &[&str]| {
        let mut all = vec!["restore", "--target", database.uri()];
        all.extend(arguments);
        world.pgark(&all)
    };
    let run = pgark(&["--rollback", "--dry-run"]).success();
    for part in ["exchange the names back", "__undone_", "which is kept", "are in"] {
        assert!(run.stdout.contains(part), "{part} is not in\n{}", run.stdout);
    }
    assert_eq!(content(&database), BACKED_UP);
    let run = pgark(&["--rollback"]).fails_with(5);
    assert!(run.stderr.contains("--yes does it without asking"), "{}", run.stderr);
    // With a blank before it the id is an archive, and another run would be taken back.
    for option in ["--rollback", "--resume"] {
        let run = pgark(&[option, &done.id, "--yes"]).fails_with(2);
        assert!(run.stderr.contains(&format!("{option}={}", done.id)), "{}", run.stderr);
    }
    let archive = archive.to_str().expect("UTF-8");
    let run = pgark(&["--rollback", "--yes", archive]).fails_with(2);
    assert!(run.stderr.contains("needs no archive"), "{}", run.stderr);
    let _ = pgark(&["--rollback", "--latest", "--yes"]).fails_with(2);
    assert_eq!(content(&database), BACKED_UP);
    assert_eq!(made(server, database.name()), ["__old"]);
    let run = pgark(&["--rollback", "--yes"]).success();
    assert!(run.stdout.contains("rows written since the restore are in"), "{}", run.stdout);
    assert_eq!(content(&database), CHANGED);
    clear(server, database.name());
}

/// Leaves a half-restored database as a kill does.
fn half_restored(server: &Server, database: &Database, backup: &str, more: &str) -> RestoreId {
    let id: RestoreId = "20350101t000000_0001".parse().expect("an id");
    let side = Names::new(database.name(), &id).side;
    let maintenance = server.uri("postgres");
    psql(&maintenance, &format!("create database {side}"));
    let oid = database.query("select oid from pg_database where datname = current_database()");
    let journal = format!(
        r#"{{"pgark":"restore","version":1,"id":"{id}","target":"{}","stage":"restoring","backup":"{backup}","began":"2035-01-01T00:00:00Z","keep_seconds":0,"side_oid":1,"target_oid":{oid},"allow_connections":true{more}}}"#,
        database.name()
    );
    psql(&maintenance, &format!("comment on database {side} is '{journal}'"));
    id
}

#[test]
fn a_restore_is_finished_as_it_was_begun_and_from_a_backup_that_is_still_whole() {
    let server = newest_server();
    let world = World::new();
    let database = server.database("managed_begun");
    let role = format!("{}_role", database.name());
    database.execute(&format!(
        "create role {role}; create table t(id int, text text);
         insert into t select n, 'row ' || n from generate_series(1, 1000) n;
         alter table t owner to {role}"
    ));
    let archive = world.path("archive");
    let path = archive.to_str().expect("UTF-8");
    let _ = world.pgark(&["dump", "-d", database.uri(), "-f", path]).success();
    database.execute(&format!("drop table t; drop role {role}; create table t(id int)"));
    half_restored(server, &database, path, r#","no_owner":true"#);
    let resume = || world.pgark(&["restore", "--target", database.uri(), "--resume"]);
    let _ = resume().success();
    assert_eq!(content(&database), BACKED_UP, "without the owner, as it was begun");
    clear(server, database.name());

    half_restored(server, &database, path, r#","no_owner":true"#);
    let file = damage::files(&archive)
        .into_iter()
        .find(|file| file.extension().is_some_and(|extension| extension == "zst"));
    damage::flip(&file.expect("a data file"), 100);
    let run = resume().fails_with(9);
    assert!(run.stderr.contains("is not whole"), "{}", run.stderr);
    assert_eq!(made(server, database.name()), ["__restore"], "nothing was begun");
    clear(server, database.name());

    // Another backup lies where the one was that the restore was begun with.
    std::fs::remove_dir_all(&archive).expect("removed");
    let _ = world.pgark(&["dump", "-d", database.uri(), "-f", path]).success();
    half_restored(server, &database, path, r#","mark":"0 0""#);
    let run = resume().fails_with(4);
    assert!(
        run.stderr.contains("is not the backup that the restore was begun with"),
        "{}",
        run.stderr
    );
    assert_eq!(made(server, database.name()), ["__restore"], "nothing was begun");
    clear(server, database.name());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_half_restored_is_not_taken_for_what_was_restored_before() {
    let server = newest_server();
    let world = World::new();
    let (database, archive) = sample(&world, server, "managed_half");
    let done = plan(options(&archive, &database), silent(), &Interrupt::default()).await;
    let done = done.expect("a plan").run(None, Interrupt::default()).await.expect("a restore");
    let half = half_restored(server, &database, "/b", "");

    let rollback =
        |option: &str| world.pgark(&["restore", "--target", database.uri(), "--yes", option]);
    let run = rollback("--rollback").fails_with(2);
    for id in [half.as_str(), &done.id] {
        assert!(run.stderr.contains(&format!("--rollback={id}")), "{}", run.stderr);
    }
    assert_eq!(made(server, database.name()), ["__old", "__restore"]);
    let run = rollback(&format!("--rollback={half}")).success();
    assert!(run.stdout.contains("gave up the restore"), "{}", run.stdout);
    assert!(!run.stdout.contains("the old one again"), "{}", run.stdout);
    assert_eq!(content(&database), BACKED_UP);
    let run = rollback("--rollback").success();
    assert!(run.stdout.contains("is the old one again"), "{}", run.stdout);
    assert_eq!(content(&database), CHANGED);
    clear(server, database.name());
}
