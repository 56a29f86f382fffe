//! Options of how the server takes what is loaded.

use std::sync::{Arc, Mutex};

use pgark::error::ErrorKind;
use pgark::progress::{Interrupt, Progress};
use pgark::restore::{Mode, RestoreOptions, SessionSettings, plan};

use super::failures::dump_with_manifest;
use super::{chain, options, restore, restored};
use crate::support::database::Database;
use crate::support::server::servers;
use crate::support::{World, damage, newest_server, oracle};

const SCHEMA: &str = "create table large (id int primary key, v text); \
    insert into large select g, md5(g::text) || repeat('x', 900) from generate_series(1, 12000) g; \
    create table small_1 (id int primary key); insert into small_1 values (1), (2); \
    create table small_2 (id int primary key); insert into small_2 values (1), (2), (3)";

/// Returns how many rows an index alone cannot answer for, which are those on pages that are not all frozen.
fn rows_to_look_at(database: &Database, table: &str) -> String {
    let plan = database.query(&format!(
        "set enable_seqscan = off; set enable_bitmapscan = off; \
         explain (analyze, costs off, timing off, summary off) select id from {table} where id > 0"
    ));
    let fetches = plan.split("Heap Fetches: ").nth(1).expect("an index-only scan");
    fetches.split_whitespace().next().expect("a number").to_owned()
}

#[derive(Default)]
struct Notes(Mutex<Vec<String>>);

impl Progress for Notes {
    fn info(&self, message: &str) {
        self.0.lock().expect("notes").push(message.to_owned());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn frozen_rows_need_no_vacuum_and_tables_that_were_there_are_loaded_as_always() {
    for server in servers() {
        let source = server.database("freeze_source");
        source.execute(SCHEMA);
        let world = World::new();
        let archive = world.path("archive");
        dump_with_manifest(&source, &archive, "zstd").await;
        for (jobs, single_transaction) in [(1, false), (2, false), (1, true)] {
            let target = server.database("freeze_target");
            let base = options(&archive, &target);
            let options = RestoreOptions { jobs, single_transaction, freeze: true, ..base };
            let report = restored(options).await;
            assert_eq!(report.rows, 12_005);
            // Before 14 rows were frozen, too, but pages were not said to hold nothing else.
            let tables =
                if target.major() >= 14 { &["large", "small_1", "small_2"][..] } else { &[] };
            for table in tables {
                assert_eq!(rows_to_look_at(&target, table), "0", "{table} {jobs}");
            }
            assert_eq!(target.query("select count(*), sum(id) from large"), "12000|72006000");
        }

        let target = server.database("freeze_target");
        target.execute(
            "create table large (id int primary key, v text); insert into large values (-1, 'old')",
        );
        let mut options = options(&archive, &target);
        options.freeze = true;
        options.data_only = true;
        options.mode = Mode::Append;
        options.tables = vec!["large".into()];
        let notes = Arc::new(Notes::default());
        let plan = plan(options, Arc::clone(&notes) as _).await.expect("plan");
        plan.run(Interrupt::default()).await.expect("restored");
        assert_eq!(target.query("select count(*) from large"), "12001");
        let notes = notes.0.lock().expect("notes").join("\n");
        assert!(notes.contains("the rows of public.large are not frozen"), "{notes}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_have_the_settings_that_were_asked_for() {
    let server = newest_server();
    let source = server.database("settings_source");
    // What the sessions have set is what the default of a column writes down.
    source.execute(
        "create table t (id int, seen text); insert into t values (1); \
         create function seen() returns text language sql as $$ select current_setting('maintenance_work_mem') || ' ' \
           || current_setting('max_parallel_maintenance_workers') || ' ' || current_setting('synchronous_commit') $$; \
         create materialized view m as select public.seen() as s",
    );
    let world = World::new();
    let archive = world.path("archive");
    dump_with_manifest(&source, &archive, "zstd").await;
    let target = server.database("settings_target");
    let mut asked = options(&archive, &target);
    asked.settings = SessionSettings {
        maintenance_work_mem: Some("77MB".into()),
        max_parallel_maintenance_workers: Some(3),
        synchronous_commit: Some("local".into()),
    };
    restored(asked).await;
    assert_eq!(target.query("select s from m"), "77MB 3 local");

    let target = server.database("settings_target");
    let report = restored(RestoreOptions { jobs: 2, ..options(&archive, &target) }).await;
    assert_eq!(report.rows, 1);
    let memory = target.query("show maintenance_work_mem");
    let helpers = target.query("show max_parallel_maintenance_workers");
    assert_eq!(target.query("select s from m"), format!("{memory} {helpers} off"));
    // Two connections on two cores need no help; on three cores they get it.
    for (cores, expected) in [(1, "0"), (3, helpers.as_str())] {
        let target = server.database("settings_target");
        restored(RestoreOptions { jobs: 2, cores: Some(cores), ..options(&archive, &target) })
            .await;
        let seen = target.query("select split_part(s, ' ', 2) from m");
        assert_eq!(seen, expected, "{cores} cores");
    }

    let target = server.database("settings_target");
    let mut wrong = options(&archive, &target);
    wrong.settings.maintenance_work_mem = Some("much'; drop table t".into());
    let text = chain(&restore(wrong).await.expect_err("no amount"));
    assert!(text.contains("invalid value for parameter \"maintenance_work_mem\""), "{text}");
}

/// A table of 12 MB, whose rows 5 to 9 are longer than a block together, with an index and a key on it.
const LARGE: &str = "create table large (id int, v text); \
    insert into large select g, case when g between 5 and 9 then repeat(md5(g::text), 10000) \
      else repeat(md5(g::text), 3) end from generate_series(1, 100000) g; \
    insert into large values (0, repeat(E'a\\n\\\\\\n', 500000)); \
    alter table large add primary key (id); create index on large (length(v)); \
    create table small (id int); insert into small values (7)";

const SUM: &str = "select count(*), sum(hashtext(t::text)::bigint) from large t";

#[tokio::test(flavor = "multi_thread")]
async fn a_large_table_is_loaded_by_all_who_are_idle_and_is_the_same() {
    for server in servers() {
        let source = server.database("split_source");
        source.execute(LARGE);
        let world = World::new();
        let archive = world.path("archive");
        dump_with_manifest(&source, &archive, "zstd").await;
        for (jobs, split_load) in [(3, true), (3, false), (1, true)] {
            let target = server.database("split_target");
            let base = options(&archive, &target);
            let report = restored(RestoreOptions { jobs, split_load, ..base }).await;
            assert!(report.checked);
            assert_eq!(report.rows, 100_002);
            assert_eq!(target.query(SUM), source.query(SUM));
            let transactions: usize = target
                .query("select count(distinct xmin::text) from large")
                .parse()
                .expect("a number");
            assert_eq!(transactions > 1, jobs > 1 && split_load, "{transactions} by {jobs}");
            assert_eq!(target.query("select count(*) from pg_index where indisvalid and indrelid = 'large'::regclass"), "2");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_which_a_part_fails_stays_empty() {
    let Some(stock) = oracle::record() else { return };
    let source = newest_server().database("split_source");
    source.execute(LARGE);
    let world = World::new();
    let largest = |archive: &std::path::Path| {
        damage::files(archive)
            .into_iter()
            .max_by_key(|path| path.metadata().expect("a file").len())
            .expect("data")
    };
    // A row in the middle that the server refuses; nothing tells before it does.
    let archive = world.path("archive");
    stock.dump_archive(&source, &archive, &["-Fd", "-Z0"]);
    let file = largest(&archive);
    let text = std::fs::read(&file).expect("data");
    let row = text.windows(7).position(|bytes| bytes == b"\n70000\t").expect("a row");
    let mut text = text;
    text[row + 1] = b'x';
    std::fs::write(&file, &text).expect("written");
    let target = newest_server().database("split_target");
    let base = options(&archive, &target);
    let asked = RestoreOptions { jobs: 3, split_load: true, exit_on_error: false, ..base };
    let report = restored(asked).await;
    assert_eq!(report.ignored.len(), 1, "{:?}", report.ignored);
    assert!(report.ignored[0].message.contains("x0000"), "{:?}", report.ignored);
    assert_eq!(target.query("select (select count(*) from large), id from small"), "0|7");
    assert_eq!(
        target.query("select count(*) from pg_index where indrelid = 'large'::regclass"),
        "2"
    );

    // Damage that shows at the end only: every part has been taken by the server by then.
    let archive = world.path("with-manifest");
    dump_with_manifest(&source, &archive, "none").await;
    damage::flip(&largest(&archive), 10_000_000);
    let target = newest_server().database("split_target");
    let base = options(&archive, &target);
    let error = restore(RestoreOptions { jobs: 3, split_load: true, ..base }).await;
    let error = error.expect_err("damaged");
    let text = chain(&error);
    assert!(matches!(error.kind(), ErrorKind::Integrity | ErrorKind::Server), "{text}");
    assert!(text.contains("TABLE DATA public.large"), "{text}");
    assert_eq!(target.query("select count(*) from large"), "0");

    let base = options(&archive, &target);
    let both = RestoreOptions { split_load: true, freeze: true, ..base };
    assert_eq!(restore(both).await.expect_err("exclusive").kind(), ErrorKind::Usage);
}
