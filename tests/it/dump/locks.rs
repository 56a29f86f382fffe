//! Locks before the snapshot: what happens between the list, the locks and the snapshot.

use pgark::catalog::{Keeper, KeeperOptions};
use pgark::error::ErrorKind;
use pgark::progress::{Interrupt, silent};

use super::{params_as, params_of, somebody, wait_for};
use crate::support::{newest_server, servers};

const WAITING: &str = "select count(*) from pg_locks where not granted and mode = 'AccessShareLock'
    and database = (select oid from pg_database where datname = current_database())";

#[tokio::test(flavor = "multi_thread")]
async fn a_table_truncated_while_the_dump_starts_is_read_as_it_is_then() {
    for server in servers() {
        let database = server.database("dump_truncate");
        database.execute("create table t(a int); insert into t select generate_series(1, 1000)");
        let other = somebody(&database).await;
        let watcher = somebody(&database).await;
        // The keeper waits for the lock; the table gets a new file and new rows meanwhile.
        other
            .execute("truncate", "begin; truncate t; insert into t values (1), (2)")
            .await
            .expect("truncate");
        let params = params_as(&database, None);
        let keeper = tokio::spawn(async move {
            Keeper::open(&params, &KeeperOptions::default(), &silent()).await
        });
        wait_for(&watcher, WAITING, "1").await;
        other.execute("commit", "commit").await.expect("commit");
        let keeper = keeper.await.expect("no panic").expect("a keeper");
        // A snapshot older than the truncation would see no row at all.
        let rows = keeper
            .session
            .query("count", "select count(*) as n from public.t")
            .await
            .expect("a count");
        assert_eq!(rows.single().expect("row").text("n").expect("n"), "2", "on {server}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_that_come_go_and_are_exchanged_meanwhile_make_it_begin_again() {
    let server = newest_server();
    let database = server.database("dump_exchange");
    database.execute("create table a(x int); create table b(x int); create table gone(x int)");
    let other = somebody(&database).await;
    let watcher = somebody(&database).await;
    let change = "begin; drop table gone; create table fresh(x int);
        alter table b rename to old_b; create table b(y int); lock table a in access exclusive mode";
    other.execute("change", change).await.expect("change");
    let params = params_as(&database, None);
    let keeper =
        tokio::spawn(
            async move { Keeper::open(&params, &KeeperOptions::default(), &silent()).await },
        );
    wait_for(&watcher, WAITING, "1").await;
    other.execute("commit", "commit").await.expect("commit");
    let keeper = keeper.await.expect("no panic").expect("a keeper");
    let mut names: Vec<_> = keeper.locked.values().map(|table| table.sql()).collect();
    names.sort();
    assert_eq!(names, ["public.a", "public.b", "public.fresh", "public.old_b"]);
    let held = "select count(*) as n from pg_locks l join pg_class c on c.oid = l.relation
        where l.pid = pg_backend_pid() and c.relnamespace = 'public'::regnamespace and l.mode = 'AccessShareLock'";
    let rows = keeper.session.query("count", held).await.expect("a count");
    assert_eq!(rows.single().expect("row").text("n").expect("n"), "4");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_is_not_granted_in_time_names_the_table_and_who_holds_it() {
    for server in servers() {
        let database = server.database("dump_lock_timeout");
        database
            .execute("create schema s; create table s.\"Busy\"(a int); create table free(a int)");
        let other = somebody(&database).await;
        other
            .execute(
                "lock",
                "set application_name to 'nightly job'; begin; alter table s.\"Busy\" add b int",
            )
            .await
            .expect("lock");
        // With 100 ms nobody had asked who is in the way before the time was over.
        for timeout in ["100ms", "1s"] {
            let options = KeeperOptions {
                lock_wait_timeout: Some(timeout.to_owned()),
                ..KeeperOptions::default()
            };
            let error = Keeper::open(&params_as(&database, None), &options, &silent())
                .await
                .expect_err("the table is locked");
            assert_eq!(error.kind(), ErrorKind::Locked);
            let message = error.message();
            let pid = other.backend_pid();
            assert!(message.starts_with(&format!("could not lock the tables within {timeout}: waited for s.\"Busy\", locked by process {pid} of postgres (nightly job), in a transaction since ")), "{message}");
            assert!(message.contains("alter table s.\"Busy\" add b int"), "{message}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_for_a_lock_ends_with_an_interrupt_and_leaves_nothing_on_the_server() {
    let database = newest_server().database("dump_lock_interrupt");
    database.execute("create table t(a int)");
    let other = somebody(&database).await;
    other.execute("lock", "begin; lock table t").await.expect("lock");
    let interrupt = Interrupt::default();
    let options = KeeperOptions { interrupt: interrupt.clone(), ..KeeperOptions::default() };
    let params = params_as(&database, None);
    let keeper = tokio::spawn(async move { Keeper::open(&params, &options, &silent()).await });
    wait_for(&other, WAITING, "1").await;
    interrupt.trigger();
    let error = keeper.await.expect("no panic").expect_err("interrupted");
    assert_eq!(error.kind(), ErrorKind::Interrupted);
    wait_for(&other, WAITING, "0").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_lock_slots_is_told_with_figures() {
    use crate::support::Cluster;
    use crate::support::installation::Installation;
    for major in [12, 18] {
        let Some(installation) = Installation::of(major) else { continue };
        // 10 x 20 slots, and the room the server adds for safety.
        let settings = "max_locks_per_transaction = 10\nmax_connections = 20\nmax_wal_senders = 0\nsuperuser_reserved_connections = 1\nautovacuum_max_workers = 1\nmax_worker_processes = 0";
        let cluster = Cluster::start(installation, settings);
        let uri = cluster.uri("postgres");
        for part in 0..30 {
            crate::support::database::psql(
                &uri,
                &format!(
                    "select format('create table t%s_%s()', {part}, i) from generate_series(1, 80) i \\gexec"
                ),
            );
        }
        let error = Keeper::open(&params_of(&uri), &KeeperOptions::default(), &silent())
            .await
            .expect_err("no slots");
        assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
        assert!(error.message().starts_with("could not lock 2400 tables: the server has no lock slots left (max_locks_per_transaction is 10: about 200 for everybody)"), "{error}");
        assert!(
            error.hints()[0].starts_with(
                "set max_locks_per_transaction to at least 151 and restart the server"
            ),
            "{:?}",
            error.hints()
        );
    }
}
