//! Dumping a standby, with and without the primary pulling the rows away.

use std::sync::Arc;

use pgark::connect::Session;
use pgark::dump::DumpOptions;
use pgark::error::ErrorKind;
use pgark::progress::Interrupt;

use super::{Gate, OpenAtEnd, beside, params_of, plan, run, wait_for};
use crate::support::database::psql;
use crate::support::installation::Installation;
use crate::support::{Cluster, World, missing};

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_is_dumped_like_its_primary_and_a_conflict_is_explained() {
    for major in [15, 18] {
        let Some(installation) = Installation::of(major) else { continue };
        let primary = Cluster::start(installation, "");
        psql(
            &primary.uri("postgres"),
            "create table large(id int, filler text);
             insert into large select i, repeat(md5(i::text), 12) from generate_series(1, 150000) i;
             create table small(a serial); insert into small select from generate_series(1, 10);
             create unlogged table unlogged(a int); insert into unlogged values (1);",
        );
        let settings =
            "hot_standby = on\nhot_standby_feedback = off\nmax_standby_streaming_delay = 0";
        let Some(standby) = primary.standby(installation, settings) else {
            missing(&format!("a standby of {major}: there is no pg_basebackup"));
            continue;
        };
        let watcher =
            Session::connect(&params_of(&standby.uri("postgres"))).await.expect("a session");
        wait_for(&watcher, "select count(*) from pg_class where relname = 'unlogged'", "1").await;
        let world = World::new();
        let options = |cluster: &Cluster, name: &str| DumpOptions {
            jobs: 2,
            ..DumpOptions::new(
                params_of(&cluster.uri("postgres")),
                world.path(name),
                chrono::Local::now(),
            )
        };
        let from_primary = run(options(&primary, "primary")).await.expect("a dump");
        let from_standby = run(options(&standby, "standby")).await.expect("a dump");
        let logged = |report: &pgark::dump::DumpReport| {
            let tables = report.tables.iter().filter(|table| table.name != "unlogged");
            tables.map(|table| (table.name.clone(), table.fingerprint)).collect::<Vec<_>>()
        };
        assert_eq!(logged(&from_primary), logged(&from_standby));
        assert_eq!(from_standby.tables.len(), 2, "a standby has no rows of unlogged tables");

        let gate = Gate::new();
        let _open = OpenAtEnd(Arc::clone(&gate));
        let output = World::new().path("conflict");
        std::fs::create_dir_all(output.parent().expect("a folder")).expect("a folder");
        let options = DumpOptions { output: (&output).into(), ..options(&standby, "conflict") };
        let running = tokio::spawn(
            plan(options, gate.clone()).await.expect("a plan").run(Interrupt::default()),
        );
        gate.reached().await;
        psql(&primary.uri("postgres"), "delete from large");
        psql(&primary.uri("postgres"), "vacuum large");
        wait_for_conflict(&primary, &watcher).await;
        gate.open();
        let error = running.await.expect("no panic").expect_err("the rows are gone");
        assert!(matches!(error.kind(), ErrorKind::Connection | ErrorKind::Server), "{error:?}");
        assert!(
            error.hints().iter().any(|hint| hint.contains("hot_standby_feedback")),
            "{error:?}"
        );
        assert_eq!(beside(&output), Vec::<String>::new());
        std::fs::remove_dir(output.parent().expect("a folder")).expect("nothing in it");
    }
}

/// Waits until the standby has replayed what it can: all of it, when the dump's query gave way, or up to
/// the rows that the query still sees. A backend that cannot send its rows gives way only when it can.
async fn wait_for_conflict(primary: &Cluster, standby: &Session) {
    let writer = Session::connect(&params_of(&primary.uri("postgres"))).await.expect("a session");
    let rows =
        writer.query("look", "select pg_current_wal_lsn()::text as lsn").await.expect("rows");
    let written = rows.single().expect("one row").text("lsn").expect("a position").to_owned();
    let received = format!("select pg_last_wal_receive_lsn() >= '{written}'");
    wait_for(standby, &received, "t").await;
    let mut replayed = String::new();
    let mut unchanged = 0;
    while unchanged < 50 {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        let query = "select pg_last_wal_replay_lsn()::text as lsn";
        let rows = standby.query("look", query).await.expect("rows");
        let now = rows.single().expect("one row").text("lsn").expect("a position").to_owned();
        unchanged = if now == replayed { unchanged + 1 } else { 0 };
        replayed = now;
    }
}
