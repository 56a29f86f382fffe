//! A way back that fails: the door is opened again, or it is said aloud that it is closed.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pgark::progress::{Interrupt, silent};
use pgark::vault::managed::{
    Direction, ManagedOptions, ManagedReport, Moment, Names, Sessions, Step, Watch, plan, settle,
};
use pgark::{Error, ErrorKind};

use super::{BACKED_UP, CHANGED, clear, content, made, options, params, sample};
use crate::support::cluster::Cluster;
use crate::support::database::{Database, psql};
use crate::support::installation::Installation;
use crate::support::server::Server;
use crate::support::{World, newest_server};

async fn restored(options: ManagedOptions, watch: Option<Watch>) -> Result<ManagedReport, Error> {
    let plan = plan(options, silent(), &Interrupt::default()).await?;
    plan.run(watch, Interrupt::default()).await
}

async fn taken_back(
    options: ManagedOptions,
    watch: Watch,
    interrupt: Interrupt,
) -> Result<ManagedReport, Error> {
    let plan = settle(options, None, Direction::Backwards, silent(), &interrupt).await?;
    plan.run(Some(watch), interrupt).await
}

fn is_open(server: &Server, database: &Database) -> bool {
    let sql = format!("select datallowconn from pg_database where datname = '{}'", database.name());
    psql(&server.uri("postgres"), &sql).trim() == "t"
}

/// Ends the session that holds the lock on a database.
fn lose_the_session(server: &Server, database: &Database) {
    let sql = format!(
        "select pg_terminate_backend(l.pid) from pg_locks l
         join pg_database d on d.oid = l.database and d.datname = 'postgres'
         where l.locktype = 'advisory' and l.objid = hashtext('{}')::oid",
        database.name()
    );
    psql(&server.uri("postgres"), &sql);
}

/// How a step is disturbed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Disturbance {
    Failure,
    Interrupt,
    LostConnection,
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_happens_on_the_way_back_nobody_stands_before_a_closed_door() {
    let server = newest_server();
    let world = World::new();
    let (database, archive) = sample(&world, server, "managed_back");
    restored(options(&archive, &database), None).await.expect("a restore");
    let database = Arc::new(database);
    for disturbance in [Disturbance::Failure, Disturbance::Interrupt, Disturbance::LostConnection] {
        for (step, moment) in [
            (Step::Close, Moment::Before),
            (Step::Close, Moment::After),
            (Step::EndSessions, Moment::After),
            (Step::SwapBack, Moment::Before),
        ] {
            let context = format!("{disturbance:?} {moment:?} {step:?}");
            let interrupt = Interrupt::default();
            let watch: Watch = {
                let (interrupt, database) = (interrupt.clone(), Arc::clone(&database));
                Arc::new(move |now, then| {
                    if (now, then) != (step, moment) {
                        return Ok(());
                    }
                    match disturbance {
                        Disturbance::Failure => Err(Error::new(ErrorKind::Server, "injected")),
                        Disturbance::Interrupt => {
                            interrupt.trigger();
                            Ok(())
                        }
                        Disturbance::LostConnection => {
                            lose_the_session(server, &database);
                            Ok(())
                        }
                    }
                })
            };
            let outcome = taken_back(options(&archive, &database), watch, interrupt).await;
            assert!(is_open(server, &database), "{context}: {outcome:?}");
            // A lost session is opened again when that is seen in time, and the last step is not interrupted.
            let may_succeed = disturbance == Disturbance::LostConnection
                || (disturbance, step) == (Disturbance::Interrupt, Step::SwapBack)
                || (disturbance, step, moment)
                    == (Disturbance::Interrupt, Step::EndSessions, Moment::After);
            match outcome {
                Ok(_) => {
                    assert!(may_succeed, "{context}");
                    assert_eq!(content(&database), CHANGED, "{context}");
                    clear(server, database.name());
                    restored(options(&archive, &database), None).await.expect("a restore");
                }
                Err(error) => {
                    assert!(!matches!(error.kind(), ErrorKind::RollbackFailed), "{error:?}");
                    assert!(
                        error.hints().iter().any(|hint| hint.contains("in its place, as before")),
                        "{context}: {error:?}"
                    );
                    assert_eq!(content(&database), BACKED_UP, "{context}");
                }
            }
        }
    }
    // An answer that got lost with the last step is read from the journal.
    let watch: Watch = Arc::new(|step, moment| match (step, moment) {
        (Step::SwapBack, Moment::After) => Err(Error::new(ErrorKind::Server, "injected")),
        _ => Ok(()),
    });
    let report = taken_back(options(&archive, &database), watch, Interrupt::default()).await;
    assert!(report.expect("taken back").kept.expect("kept").contains("__undone_"));
    assert_eq!(content(&database), CHANGED);
    clear(server, database.name());
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_a_role_may_not_end_keep_the_door_open() {
    let server = newest_server();
    let world = World::new();
    let (database, archive) = sample(&world, server, "managed_denied");
    let maintenance = server.uri("postgres");
    let role = format!("{}_role", database.name());
    psql(
        &maintenance,
        &format!(
            "create role {role} login createdb; alter database {} owner to {role}",
            database.name()
        ),
    );
    let options = || {
        let uri = database.uri().replacen("postgres@", &format!("{role}@"), 1);
        ManagedOptions {
            connection: params(&uri),
            no_owner: true,
            sessions: Sessions::Ended,
            ..options(&archive, &database)
        }
    };
    let guest = pgark::connect::Session::connect(&params(database.uri())).await.expect("a session");
    let error = restored(options(), None).await.expect_err("the session of a superuser");
    assert_eq!(error.kind(), ErrorKind::RolledBack, "{error:?}");
    assert!(is_open(server, &database));
    assert_eq!(made(server, database.name()), ["__restore"], "hours of work are not thrown away");
    guest.close().await;
    let interrupt = Interrupt::default();
    let resumed = settle(options(), None, Direction::Forwards, silent(), &interrupt).await;
    resumed.expect("a plan").run(None, interrupt).await.expect("resumed");
    assert_eq!(content(&database), BACKED_UP);

    let guest = pgark::connect::Session::connect(&params(database.uri())).await.expect("a session");
    let watch: Watch = Arc::new(|_, _| Ok(()));
    let error = taken_back(options(), watch, Interrupt::default()).await.expect_err("denied");
    assert_eq!(error.kind(), ErrorKind::Server, "{error:?}");
    assert!(is_open(server, &database), "{error:?}");
    assert!(!guest.is_closed());
    guest.close().await;
    clear(server, database.name());
    drop(database);
    psql(&maintenance, &format!("drop role {role}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_works_with_the_new_database_already_keeps_it_where_it_is() {
    let server = newest_server();
    let world = World::new();
    let (database, archive) = sample(&world, server, "managed_early");
    let guest = params(database.uri());
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let handle = tokio::runtime::Handle::current();
    let watch: Watch = Arc::new(move |step, moment| {
        if (step, moment) != (Step::Swap, Moment::After) {
            return Ok(());
        }
        let connecting = pgark::connect::Session::connect(&guest);
        let session = tokio::task::block_in_place(|| handle.block_on(connecting));
        let _ = sender.send(session.expect("a session"));
        Err(Error::new(ErrorKind::Server, "injected"))
    });
    let error = restored(options(&archive, &database), Some(watch)).await.expect_err("injected");
    assert_eq!(error.kind(), ErrorKind::RollbackFailed, "{error:?}");
    assert!(error.hints().iter().any(|hint| hint.contains("is the restored one")), "{error:?}");
    assert!(is_open(server, &database), "{error:?}");
    assert_eq!(content(&database), BACKED_UP);
    let session = receiver.recv().await.expect("a session");
    assert!(!session.is_closed(), "nobody was thrown out");
    session.close().await;
    let _ = world.pgark(&["restore", "--rollback", "--yes", "--target", database.uri()]).success();
    assert_eq!(content(&database), CHANGED);
    clear(server, database.name());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_somebody_else_has_gone_on_with_is_let_alone() {
    let server = newest_server();
    let world = World::new();
    let (database, archive) = sample(&world, server, "managed_taken");
    let options = options(&archive, &database);
    let side = Names::new(database.name(), &options.id).side;
    let database = Arc::new(database);
    let watch: Watch = {
        let (database, side) = (Arc::clone(&database), side.clone());
        Arc::new(move |step, moment| {
            if (step, moment) == (Step::Fence, Moment::Before) {
                lose_the_session(server, &database);
                psql(&server.uri("postgres"), &format!("comment on database {side} is 'mine now'"));
            }
            Ok(())
        })
    };
    let error = restored(options, Some(watch)).await.expect_err("it is somebody else's");
    assert_eq!(error.kind(), ErrorKind::Refused, "{error:?}");
    assert!(error.to_string().contains("somebody else went on with"), "{error}");
    assert_eq!(made(server, database.name()), ["__restore"]);
    assert!(is_open(server, &database));
    clear(server, database.name());
}

/// Stops a server at once, or starts it again.
fn control(installation: &Installation, directory: &Path, action: &[&str]) {
    let mut command = installation.command("pg_ctl");
    command.arg("-D").arg(directory.join("data")).args(["-s", "-w", "-l"]);
    command.arg(directory.join("log")).args(action).current_dir(directory);
    assert!(command.status().expect("pg_ctl runs").success(), "{action:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_goes_away_behind_the_closed_door_is_waited_for_or_the_door_is_told_of() {
    let Some(installation) = Installation::of(18) else { return };
    let cluster = Cluster::start(installation, "");
    let directory = cluster.directory().to_owned();
    let uri = cluster.uri("shop");
    psql(&cluster.uri("postgres"), "create database shop");
    psql(&uri, "create table t(id int primary key); insert into t select generate_series(1, 10)");
    let world = World::new();
    let archive = world.path("archive");
    let _ = world.pgark(&["dump", "-d", &uri, "-f", archive.to_str().expect("UTF-8")]).success();
    psql(&uri, "delete from t where id > 3");
    let rows = || psql(&uri, "select count(*) from t").trim().to_owned();
    let mut number = 100;
    let mut options = |patience| {
        number += 1;
        let moment = chrono::DateTime::from_timestamp(2_000_000_000, 0).expect("a moment");
        let id = pgark::vault::managed::RestoreId::new(moment, number);
        ManagedOptions { patience, ..ManagedOptions::new(&archive, params(&uri), id) }
    };
    let stopping = |step: Step, comes_back: bool| -> Watch {
        let directory = directory.clone();
        Arc::new(move |now, moment| {
            if (now, moment) == (step, Moment::After) {
                control(installation, &directory, &["-m", "immediate", "stop"]);
                if comes_back {
                    let directory = directory.clone();
                    std::thread::spawn(move || {
                        std::thread::sleep(Duration::from_secs(1));
                        control(installation, &directory, &["start"]);
                    });
                }
            }
            Ok(())
        })
    };

    let watch = stopping(Step::Fence, true);
    let error = restored(options(Duration::from_secs(60)), Some(watch)).await.expect_err("stopped");
    assert_eq!(error.kind(), ErrorKind::RolledBack, "{error:?}");
    assert_eq!(rows(), "3", "it was opened again when the server came back");
    let _ = world.pgark(&["restore", "--rollback", "--target", &uri]).success();

    let watch = stopping(Step::Fence, false);
    let error = restored(options(Duration::ZERO), Some(watch)).await.expect_err("stopped");
    assert_eq!(error.kind(), ErrorKind::RollbackFailed, "{error:?}");
    assert!(error.to_string().contains("\"shop\" is CLOSED"), "{error}");
    assert!(error.hints().iter().any(|hint| hint.contains("--rollback=")), "{error:?}");
    control(installation, &directory, &["start"]);
    let run = world.pgark(&["restore", "--rollback", "--target", &uri]).success();
    assert!(run.stdout.contains("gave up the restore"), "{}", run.stdout);
    assert_eq!(rows(), "3");

    restored(options(Duration::ZERO), None).await.expect("a restore");
    assert_eq!(rows(), "10");
    let watch = stopping(Step::Close, true);
    let error = taken_back(options(Duration::from_secs(60)), watch, Interrupt::default()).await;
    let error = error.expect_err("stopped");
    assert_ne!(error.kind(), ErrorKind::RollbackFailed, "{error:?}");
    assert_eq!(rows(), "10", "it was opened again when the server came back");
    let watch = stopping(Step::Close, false);
    let error = taken_back(options(Duration::ZERO), watch, Interrupt::default()).await;
    let error = error.expect_err("stopped");
    assert_eq!(error.kind(), ErrorKind::RollbackFailed, "{error:?}");
    assert!(error.to_string().contains("\"shop\" is CLOSED"), "{error}");
    control(installation, &directory, &["start"]);
    let _ = world.pgark(&["restore", "--rollback", "--target", &uri]).success();
    assert_eq!(rows(), "3");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_database_whose_last_answer_got_lost_is_there() {
    let server = newest_server();
    let world = World::new();
    let (database, archive) = sample(&world, server, "managed_new");
    psql(&server.uri("postgres"), &format!("drop database {}", database.name()));
    let watch: Watch = Arc::new(|step, moment| match (step, moment) {
        (Step::Swap, Moment::After) => Err(Error::new(ErrorKind::Connection, "injected")),
        _ => Ok(()),
    });
    let report = restored(options(&archive, &database), Some(watch)).await.expect("it is there");
    assert!(report.notes.iter().any(|note| note.contains("injected")), "{report:?}");
    assert_eq!(content(&database), BACKED_UP);
}
