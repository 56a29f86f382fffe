//! What goes wrong in the middle of a dump, and what is left behind: nothing.

use std::sync::Arc;

use pgark::dump::{DumpOptions, DumpReport};
use pgark::error::ErrorKind;
use pgark::progress::Interrupt;

use super::{Gate, OpenAtEnd, beside, options, plan, run, somebody, wait_for};
use crate::support::damage::SmallDisk;
use crate::support::database::Database;
use crate::support::proxy::Proxy;
use crate::support::{World, newest_server, servers};

/// Enough rows that a COPY cannot end while the gate holds its blocks: more than the blocks in flight and
/// the buffers of a socket hold.
fn large_tables(database: &Database) {
    database.execute(
        "create table first(id int, filler text);
         insert into first select i, repeat(md5(i::text), 12) from generate_series(1, 150000) i;
         create table second(id int, filler text); insert into second select * from first limit 1000;
         create table third(id int); insert into third select generate_series(1, 10);",
    );
}

const COPYING: &str = "select count(*) from pg_stat_activity
    where datname = current_database() and state = 'active' and query ilike 'copy%'";

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_terminated_is_replaced_and_its_piece_read_again() {
    for server in servers() {
        let database = server.database("dump_worker");
        large_tables(&database);
        let world = World::new();
        let undisturbed =
            run(options(&database, &world.path("undisturbed"))).await.expect("a dump");
        let (gate, administrator) = (Gate::new(), somebody(&database).await);
        let _open = OpenAtEnd(Arc::clone(&gate));
        let output = world.path("archive");
        let options = DumpOptions { jobs: 2, ..options(&database, &output) };
        let plan = plan(options, gate.clone()).await.expect("a plan");
        let running = tokio::spawn(plan.run(Interrupt::default()));
        gate.reached().await;
        let terminate = "select pg_terminate_backend(pid) from pg_stat_activity
            where datname = current_database() and query ilike 'copy%'";
        administrator.execute("terminate the workers", terminate).await.expect("terminated");
        gate.open();
        let report = running.await.expect("no panic").expect("a dump");
        assert!(report.restarts > 0, "nothing was read again");
        assert!(gate.warnings()[0].starts_with("reading public."), "{:?}", gate.warnings());
        let content = |report: &DumpReport| {
            report
                .tables
                .iter()
                .map(|table| (table.name.clone(), table.fingerprint, table.raw_bytes))
                .collect::<Vec<_>>()
        };
        assert_eq!(content(&report), content(&undisturbed), "on {server}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn losing_the_keeper_ends_the_dump_with_nothing_left() {
    let database = newest_server().database("dump_keeper");
    large_tables(&database);
    for jobs in [1, 2] {
        let world = World::new();
        let (gate, administrator) = (Gate::new(), somebody(&database).await);
        let _open = OpenAtEnd(Arc::clone(&gate));
        let output = world.path("archive");
        let options = DumpOptions { jobs, ..options(&database, &output) };
        let plan = plan(options, gate.clone()).await.expect("a plan");
        // No worker has come yet; sessions that were closed before may still be on their way out.
        let keeper = "select pid from pg_stat_activity where datname = current_database()
            and pid <> pg_backend_pid() and state = 'idle in transaction'";
        let rows = administrator.query("find the keeper", keeper).await.expect("the keeper");
        let keeper = rows.single().expect("one").text("pid").expect("pid").to_owned();
        let running = tokio::spawn(plan.run(Interrupt::default()));
        gate.reached().await;
        administrator
            .execute("terminate the keeper", &format!("select pg_terminate_backend({keeper})"))
            .await
            .expect("terminated");
        gate.open();
        let error = running.await.expect("no panic").expect_err("the snapshot is gone");
        assert_eq!(error.kind(), ErrorKind::Connection, "{error:?}");
        assert!(
            error.message().starts_with("lost the connection that holds the snapshot"),
            "{error}"
        );
        assert_eq!(beside(&output), Vec::<String>::new());
        wait_for(&administrator, COPYING, "0").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keeper_that_was_lost_without_a_word_is_noticed_in_the_end() {
    let database = newest_server().database("dump_silence");
    large_tables(&database);
    let proxy = Proxy::in_front_of(&database).await;
    let world = World::new();
    let (gate, administrator) = (Gate::new(), somebody(&database).await);
    let _open = OpenAtEnd(Arc::clone(&gate));
    let output = world.path("archive");
    let mut options = DumpOptions { jobs: 2, ..options(&database, &output) };
    options.connection = super::params_of(proxy.uri());
    let plan = plan(options, gate.clone()).await.expect("a plan");
    let running = tokio::spawn(plan.run(Interrupt::default()));
    gate.reached().await;
    proxy.forget_first();
    // Nothing keeps anybody from it any more, and the snapshot does not see what was there before.
    administrator.execute("empty a table", "truncate third").await.expect("truncated");
    gate.open();
    let error = running.await.expect("no panic").expect_err("the locks are gone");
    assert!(
        error.message().starts_with("lost the connection that holds the snapshot"),
        "{error:?}"
    );
    assert_eq!(beside(&output), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alter_table_that_waits_in_the_middle_neither_stops_the_dump_nor_starves() {
    for server in servers() {
        let database = server.database("dump_alter");
        large_tables(&database);
        let world = World::new();
        let (gate, watcher) = (Gate::new(), somebody(&database).await);
        let _open = OpenAtEnd(Arc::clone(&gate));
        let output = world.path("archive");
        let options = DumpOptions { jobs: 2, ..options(&database, &output) };
        let plan = plan(options, gate.clone()).await.expect("a plan");
        let other = somebody(&database).await;
        let alter = tokio::spawn(async move {
            other.execute("alter", "alter table third add column more int default 1").await
        });
        let waiting =
            "select count(*) from pg_locks where not granted and mode = 'AccessExclusiveLock'
            and database = (select oid from pg_database where datname = current_database())";
        wait_for(&watcher, waiting, "1").await;
        gate.open();
        let report = plan.run(Interrupt::default()).await.expect("a dump");
        assert_eq!(report.yielded, 1);
        assert_eq!(
            report
                .tables
                .iter()
                .find(|table| table.name == "third")
                .expect("third")
                .fingerprint
                .rows,
            10
        );
        alter.await.expect("no panic").expect("the ALTER got its turn");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_cancels_the_queries_and_leaves_nothing() {
    let database = newest_server().database("dump_interrupt");
    large_tables(&database);
    for jobs in [1, 3] {
        let world = World::new();
        let (gate, watcher) = (Gate::new(), somebody(&database).await);
        let _open = OpenAtEnd(Arc::clone(&gate));
        let output = world.path("archive");
        let options = DumpOptions { jobs, ..options(&database, &output) };
        let plan = plan(options, gate.clone()).await.expect("a plan");
        let interrupt = Interrupt::default();
        let running = tokio::spawn(plan.run(interrupt.clone()));
        gate.reached().await;
        interrupt.trigger();
        gate.open();
        let error = running.await.expect("no panic").expect_err("interrupted");
        assert_eq!(error.kind(), ErrorKind::Interrupted);
        assert_eq!(beside(&output), Vec::<String>::new());
        wait_for(&watcher, COPYING, "0").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_is_cancelled_is_run_again() {
    let database = newest_server().database("dump_cancel");
    large_tables(&database);
    for jobs in [1, 2] {
        let world = World::new();
        let (gate, administrator) = (Gate::new(), somebody(&database).await);
        let _open = OpenAtEnd(Arc::clone(&gate));
        let options = DumpOptions { jobs, ..options(&database, &world.path("archive")) };
        let plan = plan(options, gate.clone()).await.expect("a plan");
        let running = tokio::spawn(plan.run(Interrupt::default()));
        gate.reached().await;
        let cancel = "select pg_cancel_backend(pid) from pg_stat_activity
            where datname = current_database() and query ilike 'copy%' and pid <> pg_backend_pid()";
        administrator.execute("cancel", cancel).await.expect("cancelled");
        gate.open();
        let report = running.await.expect("no panic").expect("a dump");
        assert!(report.restarts > 0);
        assert_eq!(report.rows, 151_010);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_output_that_exists_is_refused_before_anything_is_asked() {
    let database = newest_server().database("dump_exists");
    let world = World::new();
    let output = world.path("archive");
    std::fs::create_dir(&output).expect("a directory");
    run(options(&database, &output)).await.expect("an empty directory is filled");
    let before = std::fs::read(output.join("toc.dat")).expect("an archive");
    let error = run(options(&database, &output)).await.expect_err("it is there");
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert_eq!(std::fs::read(output.join("toc.dat")).expect("untouched"), before);
    let file = world.path("file");
    std::fs::write(&file, "precious").expect("a file");
    assert_eq!(
        run(options(&database, &file)).await.expect_err("a file").kind(),
        ErrorKind::Refused
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runs_on_one_output_exclude_each_other() {
    let database = newest_server().database("dump_twice");
    large_tables(&database);
    let world = World::new();
    let gate = Gate::new();
    let _open = OpenAtEnd(Arc::clone(&gate));
    let output = world.path("archive");
    let plan = plan(options(&database, &output), gate.clone()).await.expect("a plan");
    let first = tokio::spawn(plan.run(Interrupt::default()));
    gate.reached().await;
    let error = run(options(&database, &output)).await.expect_err("somebody writes there");
    assert_eq!(error.kind(), ErrorKind::Locked, "{error}");
    gate.open();
    first.await.expect("no panic").expect("the first one is not disturbed");
    assert_eq!(beside(&output), ["archive"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_leaves_nothing() {
    let database = newest_server().database("dump_full");
    large_tables(&database);
    let world = World::new();
    let disk = world.path("disk");
    std::fs::create_dir(&disk).expect("a directory");
    let Some(_mounted) = SmallDisk::mount(&disk, "size=2m") else {
        crate::support::missing("a full disk: mounting a small tmpfs is not allowed here");
        return;
    };
    for jobs in [1, 2] {
        let output = disk.join("archive");
        let options = DumpOptions { jobs, ..options(&database, &output) };
        let error = run(options).await.expect_err("no room");
        assert_eq!(error.kind(), ErrorKind::Storage, "{error:?}");
        assert!(error.message().contains("could not write"), "{error}");
        assert_eq!(beside(&output), Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_room_for_all_workers_is_dumped_with_those_it_takes() {
    use crate::support::Cluster;
    use crate::support::installation::Installation;
    let Some(installation) = Installation::of(18) else { return };
    let cluster = Cluster::start(
        installation,
        "max_connections = 4\nsuperuser_reserved_connections = 0\nreserved_connections = 0\nmax_wal_senders = 0",
    );
    let uri = cluster.uri("postgres");
    crate::support::database::psql(
        &uri,
        "select format('create table t%s as select generate_series(1, 1000) a', i) from generate_series(1, 20) i \\gexec",
    );
    let world = World::new();
    let gate = Gate::new();
    gate.open();
    let options = DumpOptions {
        jobs: 8,
        ..DumpOptions::new(super::params_of(&uri), world.path("archive"), chrono::Local::now())
    };
    let plan = plan(options, gate.clone()).await.expect("a plan");
    let report = plan.run(Interrupt::default()).await.expect("a dump");
    assert_eq!(report.rows, 20_000);
    assert_eq!(report.restarts, 0, "nothing was read twice");
}
