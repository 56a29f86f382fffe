//! What stands under the name afterwards, and what became of the database that stood there.

use std::sync::Arc;
use std::time::Duration;

use pgark::progress::{Interrupt, silent};
use pgark::vault::managed::{ManagedOptions, ManagedReport, Moment, Step, Watch, plan};
use pgark::{Error, ErrorKind};

use super::{BACKED_UP, CHANGED, DRILLS, clear, content, made, options, sample};
use crate::support::database::psql;
use crate::support::{World, newest_server, oracle, servers};

async fn restored(options: ManagedOptions) -> ManagedReport {
    let plan = plan(options, silent(), &Interrupt::default()).await.expect("a plan");
    plan.run(None, Interrupt::default()).await.expect("a restore")
}

/// Everything that a database has besides its content, under whatever name.
const PROPERTIES: &str = "select pg_get_userbyid(d.datdba), (select array_agg(item order by item) from unnest(d.datacl::text[]) item), d.datconnlimit, d.datallowconn,
        pg_encoding_to_char(d.encoding), d.datcollate, t.spcname, shobj_description(d.oid, 'pg_database'),
        (select array_agg((r.rolname, s.setconfig) order by r.rolname) from pg_db_role_setting s
         left join pg_roles r on r.oid = s.setrole where s.setdatabase = d.oid)
    from pg_database d join pg_tablespace t on t.oid = d.dattablespace where datname = current_database()";

#[test]
fn the_new_database_has_every_property_of_the_one_it_replaces() {
    for server in servers() {
        let world = World::new();
        let (database, archive) = sample(&world, server, "managed_properties");
        let name = database.name();
        let role = format!("{name}_role");
        psql(
            &server.uri("postgres"),
            &format!(
                "create role {role}; create role {role}2;
             grant temp on database {name} to {role}2 with grant option;
             revoke connect on database {name} from public;
             alter database {name} owner to {role};
             alter database {name} connection limit 17;
             alter database {name} set work_mem to '9MB';
             alter role {role}2 in database {name} set search_path to x, \"Y\";
             comment on database {name} is 'our ''shop''';"
            ),
        );
        let before = database.query(PROPERTIES);
        let run = world.pgark(&[
            "restore",
            "--target",
            database.uri(),
            "--yes",
            archive.to_str().expect("UTF-8"),
        ]);
        let run = run.success();
        assert_eq!(content(&database), BACKED_UP, "on {server}");
        assert_eq!(database.query(PROPERTIES), before, "on {server}");
        assert_eq!(made(server, name), ["__old"], "on {server}");
        assert!(run.stdout.contains("1,000 rows in one table"), "{}", run.stdout);

        let run = world.pgark(&["restore", "--target", database.uri(), "--rollback", "--yes"]);
        let run = run.success();
        assert_eq!(content(&database), CHANGED, "on {server}");
        assert_eq!(database.query(PROPERTIES), before, "on {server}");
        assert_eq!(made(server, name), ["__undone"], "on {server}");
        assert!(run.stdout.contains("is the old one again"), "{}", run.stdout);
        clear(server, name);
        drop(database);
        psql(&server.uri("postgres"), &format!("drop role {role}; drop role {role}2"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_old_database_is_dropped_by_a_later_run_when_its_time_is_over() {
    let server = newest_server();
    let world = World::new();
    let (database, archive) = sample(&world, server, "managed_keep");
    let keep = |keep_old| ManagedOptions { keep_old, ..options(&archive, &database) };
    let first = restored(keep(Duration::ZERO)).await;
    assert!(first.dropped.is_empty());
    assert_eq!(made(server, database.name()), ["__old"], "it is kept until somebody comes by");
    let second = restored(keep(Duration::from_secs(3600))).await;
    assert_eq!(second.dropped, [first.kept.expect("kept")]);
    let third = restored(keep(Duration::ZERO)).await;
    assert!(third.dropped.is_empty(), "an hour is not over");
    assert_eq!(made(server, database.name()), ["__old", "__old"]);
    assert_eq!(content(&database), BACKED_UP);
    clear(server, database.name());
}

#[tokio::test(flavor = "multi_thread")]
async fn restores_are_taken_back_in_reverse() {
    let server = newest_server();
    let world = World::new();
    let (database, archive) = sample(&world, server, "managed_reverse");
    let first = restored(options(&archive, &database)).await;
    database.execute("truncate t");
    restored(options(&archive, &database)).await;
    let rollback = |id: &str| world.pgark(&["restore", id, "--yes", "--target", database.uri()]);
    let run = rollback(&format!("--rollback={}", first.id)).fails_with(4);
    assert!(run.stderr.contains("take back the later restore first"), "{}", run.stderr);
    assert_eq!(content(&database), BACKED_UP);
    let _ = rollback("--rollback").success();
    assert_eq!(content(&database), "0|");
    let _ = rollback("--rollback").success();
    assert_eq!(content(&database), CHANGED);
    let _ = rollback("--rollback").fails_with(6);
    clear(server, database.name());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_database_whose_replacement_is_gone_is_never_dropped() {
    let server = newest_server();
    let world = World::new();
    let (database, archive) = sample(&world, server, "managed_gone");
    let keep = ManagedOptions { keep_old: Duration::ZERO, ..options(&archive, &database) };
    restored(keep).await;
    psql(&server.uri("postgres"), &format!("drop database {}", database.name()));
    let report = restored(options(&archive, &database)).await;
    assert!(report.dropped.is_empty() && report.kept.is_none(), "{report:?}");
    assert_eq!(content(&database), BACKED_UP, "what is not there is made");
    assert_eq!(made(server, database.name()), ["__old"]);
    clear(server, database.name());
}

#[test]
fn an_archive_of_pg_dump_is_restored_with_the_proof_that_there_can_be() {
    let Some(stock) = oracle::record() else { return };
    let server = newest_server();
    let world = World::new();
    let (database, _) = sample(&world, server, "managed_foreign");
    let archive = world.path("foreign.dump");
    stock.dump_archive(&database, &archive, &["-Fc"]);
    database.execute("drop table t cascade");
    let archive = archive.to_str().expect("UTF-8");
    let shown =
        world.pgark(&["restore", "--target", database.uri(), "--dry-run", archive]).success();
    assert!(shown.stdout.contains("nothing to compare it with"), "{}", shown.stdout);
    assert!(!shown.stdout.contains("prove"), "{}", shown.stdout);
    let run = world.pgark(&["restore", "--target", database.uri(), "--yes", archive]).success();
    assert_eq!(content(&database), CHANGED);
    assert!(run.stdout.contains("every statement succeeded"), "{}", run.stdout);
    clear(server, database.name());
}

#[test]
fn a_kept_backup_is_found_restored_drilled_and_its_history_tells() {
    let _others = DRILLS.read().unwrap_or_else(|poisoned| poisoned.into_inner());
    let server = newest_server();
    let world = World::new();
    let (database, _) = sample(&world, server, "managed_repository");
    let url = [("DATABASE_URL", database.uri())];
    let pgark = |arguments: &[&str]| world.pgark_with(&url, arguments);
    let made = pgark(&["backup", "--no-sync", "--json"]).success();
    let made: serde_json::Value = serde_json::from_str(&made.stdout).expect("JSON");
    let id = made["backups"][0]["id"].as_str().expect("an id").to_owned();
    database.execute("truncate t");

    let run = pgark(&["restore", "--latest", "--yes", "--reason", "emptied by mistake"]).success();
    assert!(run.stdout.contains("undo       pgark restore --rollback"), "{}", run.stdout);
    assert_eq!(content(&database), CHANGED);
    let run = pgark(&["drill", "--random"]).success();
    assert!(run.stdout.contains("11 rows in one table"), "{}", run.stdout);
    let _ = pgark(&["restore", &id, "--yes"]).success();
    let folder = world.path("backups").join(database.name()).join("history");
    let events = std::fs::read_dir(folder).expect("a history").count();
    assert_eq!(events, 3, "two restores and a drill have proved it");
    let run = pgark(&["restore", "--at", "2001-01-01", "--yes"]).fails_with(6);
    assert!(run.stderr.contains("there is no backup"), "{}", run.stderr);
    clear(server, database.name());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_goes_when_the_new_database_is_there_and_only_if_it_is_the_very_one() {
    let server = newest_server();
    let world = World::new();
    let (database, archive) = sample(&world, server, "managed_sweep");
    let maintenance = server.uri("postgres");
    let keep = |keep_old| ManagedOptions { keep_old, ..options(&archive, &database) };
    let first = restored(keep(Duration::ZERO)).await;
    let old = first.kept.expect("kept");
    let watch: Watch = Arc::new(|step, moment| match (step, moment) {
        (Step::Prove, Moment::Before) => Err(Error::new(ErrorKind::Server, "injected")),
        _ => Ok(()),
    });
    let failing =
        plan(keep(Duration::ZERO), silent(), &Interrupt::default()).await.expect("a plan");
    assert_eq!(failing.summary().expired, std::slice::from_ref(&old));
    let error = failing.run(Some(watch), Interrupt::default()).await.expect_err("injected");
    assert_eq!(error.kind(), ErrorKind::RolledBack);
    assert_eq!(made(server, database.name()), ["__old"], "the new one was never proved");

    // Somebody has put another database where the old one was kept.
    let comment = psql(
        &maintenance,
        &format!(
            "select shobj_description(oid, 'pg_database') from pg_database where datname = '{old}'"
        ),
    );
    psql(&maintenance, &format!("drop database {old}"));
    psql(&maintenance, &format!("create database {old}"));
    psql(&maintenance, &format!("comment on database {old} is $c${}$c$", comment.trim_end()));
    let second = restored(keep(Duration::from_secs(3600))).await;
    assert!(second.dropped.is_empty(), "{second:?}");
    assert!(second.notes.iter().any(|note| note.contains(&old)), "{second:?}");
    assert_eq!(made(server, database.name()), ["__old", "__old"]);
    clear(server, database.name());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_database_whose_replacement_was_put_aside_is_not_dropped() {
    let server = newest_server();
    let world = World::new();
    let (database, archive) = sample(&world, server, "managed_aside");
    let maintenance = server.uri("postgres");
    let keep = ManagedOptions { keep_old: Duration::ZERO, ..options(&archive, &database) };
    restored(keep).await;
    let aside = format!("{}_aside", database.name());
    psql(&maintenance, &format!("alter database {} rename to {aside}", database.name()));
    let second = restored(options(&archive, &database)).await;
    assert!(second.dropped.is_empty(), "{second:?}");
    assert_eq!(made(server, database.name()), ["__old", "_aside"]);
    clear(server, database.name());
}

#[test]
fn a_database_that_is_gone_gets_back_what_the_backup_says_about_it() {
    for server in servers() {
        let world = World::new();
        let database = server.database("managed_regained");
        let (name, role) = (database.name().to_owned(), format!("{}_role", database.name()));
        let maintenance = server.uri("postgres");
        let properties = format!(
            "alter database {name} owner to {role};
             revoke connect on database {name} from public; grant temp on database {name} to {role}2;
             alter database {name} connection limit 17; alter database {name} set work_mem to '9MB';
             alter role {role}2 in database {name} set search_path to x;
             comment on database {name} is 'our shop';"
        );
        psql(&maintenance, &format!("create role {role}; create role {role}2; {properties}"));
        let archive = world.path("archive");
        let archive = archive.to_str().expect("UTF-8");
        let _ = world.pgark(&["dump", "-d", database.uri(), "-f", archive]).success();
        let before = database.query(PROPERTIES);
        psql(&maintenance, &format!("drop database {name}"));
        let restore = ["restore", "--target", database.uri(), "--yes", archive];
        let _ = world.pgark(&restore).success();
        assert_eq!(database.query(PROPERTIES), before, "on {server}");

        // What cannot be had is told, and the rest is there.
        psql(&maintenance, &format!("drop database {name}"));
        psql(&maintenance, &format!("drop role {role}2"));
        let run = world.pgark(&restore).success();
        assert!(run.stdout.contains("not taken over from the backup: "), "{}", run.stdout);
        let owner =
            "select pg_get_userbyid(datdba) from pg_database where datname = current_database()";
        assert_eq!(database.query(owner), role, "on {server}");

        // The statements are those of a database of another name.
        let other = format!("{name}_other");
        let uri = server.uri(&other);
        let run = world.pgark(&["restore", "--target", &uri, "--yes", archive]).success();
        assert!(run.stdout.contains("it is one of another database"), "{}", run.stdout);
        psql(&maintenance, &format!("drop database {other}"));
        drop(database);
        psql(&maintenance, &format!("drop role {role}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn counters_that_were_reset_meanwhile_do_not_tell_of_less_than_nothing() {
    let server = newest_server();
    let world = World::new();
    let (database, archive) = sample(&world, server, "managed_counters");
    let uri = database.uri().to_owned();
    let watch: Watch = Arc::new(move |step, moment| {
        if (step, moment) == (Step::Restore, Moment::After) {
            psql(&uri, "select pg_stat_reset()");
        }
        Ok(())
    });
    let plan = plan(options(&archive, &database), silent(), &Interrupt::default()).await;
    let report = plan.expect("a plan").run(Some(watch), Interrupt::default()).await;
    assert_eq!(report.expect("a restore").rows_written_meanwhile, Some(0));
    clear(server, database.name());
}
