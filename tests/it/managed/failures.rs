//! Whatever fails, and wherever: the database is as it was.

use std::sync::Arc;

use pgark::progress::{Interrupt, silent};
use pgark::vault::managed::{
    Direction, ManagedOptions, Moment, Sessions, Step, Watch, plan, settle,
};
use pgark::{Error, ErrorKind};

use super::{BACKED_UP, CHANGED, clear, content, made, options, sample};
use crate::support::database::{Database, psql};
use crate::support::server::Server;
use crate::support::{World, is_long_run, newest_server, servers};

/// Every step of an ordinary run.
const STEPS: [Step; 7] = [
    Step::CreateSide,
    Step::Restore,
    Step::Prove,
    Step::Fence,
    Step::EndSessions,
    Step::Swap,
    Step::Accept,
];

async fn run(options: ManagedOptions, watch: Watch) -> Result<(), Error> {
    let plan = plan(options, silent(), &Interrupt::default()).await?;
    plan.run(Some(watch), Interrupt::default()).await.map(|_| ())
}

fn is_open(server: &Server, database: &Database) -> bool {
    let sql = format!("select datallowconn from pg_database where datname = '{}'", database.name());
    psql(&server.uri("postgres"), &sql).trim() == "t"
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_before_or_after_any_step_leaves_the_database_as_it_was() {
    // Creating and dropping databases takes long where the disk is busy: one server every day, all of them in the
    // long run.
    let newest = [newest_server()];
    let servers = if is_long_run() { servers() } else { &newest };
    for server in servers {
        let world = World::new();
        let (database, archive) = sample(&world, server, "managed_failure");
        for step in STEPS {
            for moment in [Moment::Before, Moment::After] {
                let context = format!("{moment:?} {step:?} on {server}");
                let watch: Watch = Arc::new(move |now, then| match (now, then) == (step, moment) {
                    true => Err(Error::new(ErrorKind::Server, "injected")),
                    false => Ok(()),
                });
                let error = run(options(&archive, &database), watch).await.expect_err(&context);
                assert_eq!(error.kind(), ErrorKind::RolledBack, "{context}: {error:?}");
                assert_eq!(content(&database), CHANGED, "{context}");
                assert!(is_open(server, &database), "{context}");
                // What was proved by then waits, what was in its place already is kept, and all else is gone.
                let left: &[&str] = match (step, moment) {
                    (Step::CreateSide | Step::Restore, _) | (Step::Prove, Moment::Before) => &[],
                    (Step::Accept, _) | (Step::Swap, Moment::After) => &["__undone"],
                    _ => &["__restore"],
                };
                assert_eq!(made(server, database.name()), left, "{context}");
                let told = error.hints().join("\n");
                match left {
                    ["__restore"] => assert!(told.contains("--resume"), "{context}: {told}"),
                    ["__undone"] => assert!(
                        told.contains("after the exchange are in") && told.contains("__undone_"),
                        "{context}: {told}"
                    ),
                    _ => {}
                }
                clear(server, database.name());
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_at_any_step_leaves_the_database_as_it_was() {
    let server = newest_server();
    let world = World::new();
    let (database, archive) = sample(&world, server, "managed_lost");
    let maintenance = server.uri("postgres");
    for step in STEPS {
        let kill = format!(
            "select pg_terminate_backend(l.pid) from pg_locks l
             join pg_database d on d.oid = l.database and d.datname = 'postgres'
             where l.locktype = 'advisory' and l.objid = hashtext('{}')::oid",
            database.name()
        );
        let maintenance = maintenance.clone();
        let watch: Watch = Arc::new(move |now, moment| {
            if (now, moment) == (step, Moment::Before) {
                psql(&maintenance, &kill);
            }
            Ok(())
        });
        // The session may be seen to be gone before the next statement; then it is simply opened again.
        match run(options(&archive, &database), watch).await {
            Ok(()) => assert_eq!(content(&database), BACKED_UP, "{step:?}"),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::RolledBack, "{step:?}: {error:?}");
                assert_eq!(content(&database), CHANGED, "{step:?}");
            }
        }
        assert!(is_open(server, &database), "{step:?}");
        clear(server, database.name());
        database.execute("delete from t where id > 10; insert into t values (10011, 'new')");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_were_changed_behind_our_back_are_found_before_the_swap() {
    let server = newest_server();
    let world = World::new();
    let (database, archive) = sample(&world, server, "managed_proof");
    let mut options = options(&archive, &database);
    options.sessions = Sessions::Ended;
    let names = pgark::vault::managed::Names::new(database.name(), &options.id);
    let side = server.uri(&names.side);
    let watch: Watch = Arc::new(move |step, moment| {
        if (step, moment) == (Step::Restore, Moment::After) {
            psql(&side, "update t set text = 'other' where id = 500");
        }
        Ok(())
    });
    let error = run(options, watch).await.expect_err("the proof fails");
    assert_eq!(error.kind(), ErrorKind::RolledBack);
    let cause = std::error::Error::source(&error).expect("a cause").to_string();
    assert!(cause.contains("table public.t: its 1000 rows differ in content"), "{cause}");
    assert_eq!(content(&database), CHANGED);
    assert!(made(server, database.name()).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_during_the_restore_is_respected_and_the_restored_database_waits() {
    let server = newest_server();
    let world = World::new();
    let (database, archive) = sample(&world, server, "managed_visitor");
    let guest = super::params(database.uri());
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let handle = tokio::runtime::Handle::current();
    let watch: Watch = Arc::new(move |step, moment| {
        if (step, moment) == (Step::Prove, Moment::After) {
            let connecting = pgark::connect::Session::connect(&guest);
            let session = tokio::task::block_in_place(|| handle.block_on(connecting));
            let _ = sender.send(session.expect("a session"));
        }
        Ok(())
    });
    let error = run(options(&archive, &database), watch).await.expect_err("somebody is there");
    assert_eq!(error.kind(), ErrorKind::Refused, "{error:?}");
    assert!(error.hints().iter().any(|hint| hint.contains("--resume")), "{error:?}");
    assert!(is_open(server, &database));
    assert_eq!(content(&database), CHANGED);
    assert_eq!(made(server, database.name()), ["__restore"]);

    let guest = receiver.recv().await.expect("a session");
    assert!(!guest.is_closed(), "nobody was thrown out");
    // A new run does not step over the one that waits.
    let mut again = options(&archive, &database);
    again.sessions = Sessions::Ended;
    let error = plan(again.clone(), silent(), &Interrupt::default()).await.err().expect("refused");
    assert_eq!(error.kind(), ErrorKind::Refused);
    let interrupt = Interrupt::default();
    let plan = settle(again, None, Direction::Forwards, silent(), &interrupt).await;
    let report = plan.expect("a plan").run(None, interrupt).await;
    assert_eq!(report.expect("finished").sessions_ended, 1);
    assert_eq!(content(&database), BACKED_UP);
    clear(server, database.name());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_watches_every_database_of_the_server_does_not_keep_the_new_one_from_its_place() {
    let server = newest_server();
    let world = World::new();
    let (database, archive) = sample(&world, server, "managed_monitor");
    let options = options(&archive, &database);
    let names = pgark::vault::managed::Names::new(database.name(), &options.id);
    let side = super::params(&server.uri(&names.side));
    let handle = tokio::runtime::Handle::current();
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let watch: Watch = Arc::new(move |step, moment| {
        if (step, moment) == (Step::Prove, Moment::After) {
            let connecting = pgark::connect::Session::connect(&side);
            let session = tokio::task::block_in_place(|| handle.block_on(connecting));
            let _ = sender.send(session.expect("a session"));
        }
        Ok(())
    });
    run(options, watch).await.expect("a restore");
    assert!(receiver.recv().await.is_some(), "somebody was there");
    assert_eq!(content(&database), BACKED_UP);
    assert!(is_open(server, &database));
    clear(server, database.name());
}
