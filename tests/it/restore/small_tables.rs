//! Small tables, which are loaded together: nobody sees it, whatever goes wrong with one of them.

use pgark::error::ErrorKind;
use pgark::restore::{Mode, RestoreOptions};

use super::failures::dump_with_manifest;
use super::{chain, options, restore, restored};
use crate::support::database::Database;
use crate::support::{World, damage, newest_server};

const TABLES: i32 = 40;

/// Makes tables t1 to t40 with as many rows as their number, but 1,000 in t7.
fn fill(database: &Database) {
    database.execute(&format!(
        "do $$ begin for i in 1 .. {TABLES} loop \
           execute format('create table t%s (id int, v text)', i); \
           execute format('insert into t%s select g, md5(g::text) from generate_series(1, %s) g', \
             i, case i when 7 then 1000 else i end); \
         end loop; end $$"
    ));
}

/// Returns how many rows each table has.
fn rows(database: &Database) -> Vec<i64> {
    let count = |number| database.query(&format!("select count(*) from t{number}"));
    (1..=TABLES).map(|number| count(number).parse().expect("a number")).collect()
}

fn expected(but: Option<i64>) -> Vec<i64> {
    (1..=i64::from(TABLES)).map(|n| if n == 7 { but.unwrap_or(1000) } else { n }).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_table_has_its_rows_and_its_line_in_the_report() {
    let server = newest_server();
    let source = server.database("together_source");
    fill(&source);
    let world = World::new();
    let archive = world.path("archive");
    dump_with_manifest(&source, &archive, "zstd").await;
    for jobs in [1, 3] {
        let target = server.database("together_target");
        let report = restored(RestoreOptions { jobs, ..options(&archive, &target) }).await;
        assert_eq!(rows(&target), expected(None));
        let mut reported: Vec<_> =
            report.tables.iter().map(|table| (table.rows, table.bytes > 0)).collect();
        reported.sort_unstable();
        let mut wanted: Vec<_> = expected(None).iter().map(|&n| (n as u64, true)).collect();
        wanted.sort_unstable();
        assert_eq!(reported, wanted);
        let together = target.query("select count(distinct xmin::text) from (select xmin from t1 union all select xmin from t2 union all select xmin from t3) x");
        assert!(jobs > 1 || together == "1", "with one connection these share a transaction");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_refuses_its_rows_is_the_only_one_without() {
    let server = newest_server();
    let source = server.database("together_source");
    fill(&source);
    let world = World::new();
    let archive = world.path("archive");
    dump_with_manifest(&source, &archive, "zstd").await;
    let swallow = "create function f() returns trigger language plpgsql as 'begin return null; end'; \
                   create trigger x before insert on t7 for each row when (new.id = 3) execute function f()";
    for (obstacle, said) in [
        ("alter table t7 add check (id < 500)", "violates check constraint"),
        (swallow, "the server stored 999 rows"),
    ] {
        let target = server.database("together_target");
        fill(&target);
        if !obstacle.starts_with("create function") {
            target.execute("truncate t7");
        }
        target.execute(obstacle);
        let truncate = |n| target.execute(&format!("truncate t{n}"));
        (1..=TABLES).for_each(truncate);
        let base = options(&archive, &target);
        let options = RestoreOptions {
            mode: Mode::Append,
            data_only: true,
            exit_on_error: false,
            jobs: 2,
            ..base
        };
        match restore(options).await {
            Ok(report) => {
                let ignored = format!("{:?}", report.ignored);
                assert_eq!(report.ignored.len(), 1, "{ignored}");
                assert!(ignored.contains("t7") && ignored.contains(said), "{ignored}");
                assert_eq!(rows(&target), expected(Some(0)));
            }
            // Other rows than the archive's end the run.
            Err(error) => {
                let text = chain(&error);
                assert!(text.contains("public.t7") && text.contains(said), "{text}");
                assert_eq!(rows(&target)[6], 0);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_in_one_of_them_is_named_and_nothing_is_half_loaded() {
    let server = newest_server();
    let source = server.database("together_source");
    fill(&source);
    let world = World::new();
    let archive = world.path("archive");
    dump_with_manifest(&source, &archive, "none").await;
    let largest = damage::files(&archive)
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "dat"))
        .filter(|path| path.file_stem().is_some_and(|name| name != "toc"))
        .max_by_key(|path| path.metadata().expect("a file").len())
        .expect("data");
    for harm in [
        |path: &std::path::Path| damage::flip(path, 100),
        |path: &std::path::Path| damage::truncate(path, 3000),
    ] {
        harm(&largest);
        let target = server.database("together_target");
        let error = restore(options(&archive, &target)).await.expect_err("damaged");
        let text = chain(&error);
        assert_eq!(error.kind(), ErrorKind::Integrity, "{text}");
        assert!(text.contains("TABLE DATA public.t7"), "{text}");
        let found = rows(&target);
        assert_eq!(found[6], 0);
        let whole = found.iter().zip(1..).all(|(&rows, n)| rows == 0 || rows == n || n == 7);
        assert!(whole, "{found:?}");
    }
}
