//! What each option does to the target.

use std::time::Duration;

use pgark::error::ErrorKind;
use pgark::model::Section;
use pgark::restore::RestoreOptions;

use super::{chain, contents, options, restore, restored};
use crate::support::assert_same;
use crate::support::{World, newest_server, oracle, server_of, servers};

const SHOP: &str = "
create schema app;
create table app.customers(id serial primary key, name text not null);
create table app.orders(id serial primary key, customer int references app.customers, total numeric);
create view app.big as select * from app.orders where total > 10;
create function app.double(numeric) returns numeric language sql immutable as 'select $1 * 2';
create index orders_total on app.orders (app.double(total));
create table app.accounts(id int primary key, customer int references app.customers);
insert into app.customers(name) values ('a'), ('b');
insert into app.orders(customer, total) select 1 + i % 2, i from generate_series(1, 100) i;
insert into app.accounts select i, 1 from generate_series(1, 5000) i;
create table public.notes(t text); insert into public.notes values ('n');
";

#[tokio::test(flavor = "multi_thread")]
async fn sections_add_up_to_the_whole() {
    let Some(stock) = oracle::record() else { return };
    for server in servers() {
        let source = server.database("option_sections");
        source.execute(SHOP);
        let world = World::new();
        let archive = world.path("archive");
        stock.dump_archive(&source, &archive, &["-Fd"]);
        let expected = contents(&stock, &source);
        for jobs in [1, 4] {
            let target = server.database("option_sections_target");
            for section in [Section::PreData, Section::Data, Section::PostData] {
                let sections = vec![section];
                restored(RestoreOptions { sections, jobs, ..options(&archive, &target) }).await;
            }
            assert_same(
                &expected,
                &contents(&stock, &target),
                &format!("{server}, sections, -j {jobs}"),
            );
            let target = server.database("option_schema_data");
            restored(RestoreOptions { schema_only: true, jobs, ..options(&archive, &target) })
                .await;
            assert_eq!(target.query("select count(*) from app.orders"), "0");
            // The foreign keys are there already: rows come in their order.
            restored(RestoreOptions { data_only: true, jobs, ..options(&archive, &target) }).await;
            assert_same(
                &expected,
                &contents(&stock, &target),
                &format!("{server}, -s and -a, -j {jobs}"),
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clean_if_exists_can_be_repeated() {
    let Some(stock) = oracle::record() else { return };
    for server in servers() {
        let source = server.database("option_clean");
        source.execute(SHOP);
        let world = World::new();
        let archive = world.path("archive");
        stock.dump_archive(&source, &archive, &["-Fd"]);
        let expected = contents(&stock, &source);
        let target = server.database("option_clean_target");
        for (jobs, single_transaction) in [(4, false), (4, false), (1, true), (1, false)] {
            let options = RestoreOptions {
                clean: true,
                if_exists: true,
                jobs,
                single_transaction,
                ..options(&archive, &target)
            };
            restored(options).await;
            assert_same(&expected, &contents(&stock, &target), &format!("{server}, -j {jobs}"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_are_ignored_counted_and_belong_to_their_entry() {
    let Some(stock) = oracle::record() else { return };
    let server = newest_server();
    let source = server.database("option_errors");
    source.execute(SHOP);
    let world = World::new();
    let archive = world.path("archive");
    stock.dump_archive(&source, &archive, &["-Fd"]);
    for jobs in [1, 4] {
        let target = server.database("option_errors_target");
        // In the way: the view's name is taken, and so is one index's.
        target.execute("create schema app; create table app.big(x int); create table app.other(x int); create index orders_total on app.other(x)");
        let mut options = options(&archive, &target);
        options.mode = pgark::restore::Mode::Append;
        options.exit_on_error = false;
        options.jobs = jobs;
        let report = restored(options.clone()).await;
        let entries: Vec<&str> = report
            .ignored
            .iter()
            .map(|error| error.entry.split(" (").next().expect("text"))
            .collect();
        assert_eq!(entries, ["SCHEMA app", "VIEW app.big", "INDEX app.orders_total"], "-j {jobs}");
        assert!(report.ignored[1].statement.starts_with("CREATE VIEW app.big"));
        assert_eq!(report.ignored[1].sqlstate.as_deref(), Some("42P07"));
        let partial = report.partial().expect("errors were ignored");
        assert_eq!(
            (partial.kind(), partial.message()),
            (ErrorKind::Partial, "restored with 3 errors ignored")
        );
        assert_eq!(
            target.query("select count(*), (select count(*) from app.customers) from app.orders"),
            "100|2"
        );
        assert_eq!(target.query("select count(*) from pg_constraint where conrelid = 'app.orders'::regclass and contype in ('p', 'f')"), "2");

        options.exit_on_error = true;
        let error = restore(options).await.expect_err("the first error ends it");
        assert!(chain(&error).contains("SCHEMA app"), "{}", chain(&error));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_transaction_restores_everything_or_nothing() {
    let Some(stock) = oracle::record() else { return };
    let server = newest_server();
    let source = server.database("option_single");
    source.execute(SHOP);
    let world = World::new();
    let archive = world.path("archive");
    stock.dump_archive(&source, &archive, &["-Fd"]);
    let target = server.database("option_single_target");
    let single = RestoreOptions { single_transaction: true, ..options(&archive, &target) };
    restored(single).await;
    assert_same(&contents(&stock, &source), &contents(&stock, &target), "-1");

    let target = server.database("option_single_target");
    target.execute("create schema app; create table app.other(x int); create index orders_total on app.other(x)");
    let before = contents(&stock, &target);
    let mut single = RestoreOptions { single_transaction: true, ..options(&archive, &target) };
    single.mode = pgark::restore::Mode::Append;
    single.exclude_schemas = Vec::new();
    let error = restore(single).await.expect_err("the schema exists");
    assert_eq!(error.kind(), ErrorKind::RolledBack, "{}", chain(&error));
    assert_same(&before, &contents(&stock, &target), "after the rollback");
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_are_selected_by_exact_name() {
    let Some(stock) = oracle::record() else { return };
    let server = newest_server();
    let source = server.database("option_names");
    source.execute(&format!(
        "{SHOP} create table public.\"Notes\"(t int); comment on table app.orders is 'o'"
    ));
    let world = World::new();
    let archive = world.path("archive");
    stock.dump_archive(&source, &archive, &["-Fd"]);

    let target = server.database("option_names_target");
    restored(RestoreOptions { tables: vec!["notes".into()], ..options(&archive, &target) }).await;
    assert_eq!(target.query("select string_agg(relname, ' ') from pg_class where relkind in ('r', 'i', 'S') and relnamespace = 'public'::regnamespace"), "notes");

    // As in pg_restore, naming a schema does not create it.
    let target = server.database("option_names_target");
    target.execute("create schema app");
    restored(RestoreOptions { schemas: vec!["app".into()], jobs: 4, ..options(&archive, &target) })
        .await;
    assert_eq!(
        target.query("select count(*), obj_description('app.orders'::regclass) from app.orders"),
        "100|o"
    );
    assert_eq!(target.query("select to_regclass('public.notes') is null"), "t");

    let missing = RestoreOptions { tables: vec!["NOTES".into()], ..options(&archive, &target) };
    let error = restore(missing).await.expect_err("no such table");
    assert_eq!(
        (error.kind(), error.message()),
        (
            ErrorKind::NotFound,
            "not everything that was named is in the archive: table \"NOTES\" not found"
        )
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn circular_foreign_keys_load_with_triggers_disabled() {
    let Some(stock) = oracle::record() else { return };
    for server in servers() {
        let source = server.database("option_circle");
        source.execute(
            "create table a(id int primary key, b int); create table b(id int primary key, a int references a);
             insert into a values (1, 1); insert into b values (1, 1); alter table a add foreign key (b) references b",
        );
        let world = World::new();
        let archive = world.path("archive");
        stock.dump_archive(&source, &archive, &["-Fd"]);
        for jobs in [1, 2] {
            let target = server.database("option_circle_target");
            restored(RestoreOptions { schema_only: true, ..options(&archive, &target) }).await;
            let data = RestoreOptions { data_only: true, jobs, ..options(&archive, &target) };
            let error = restore(data.clone()).await.expect_err("no order is right");
            assert!(chain(&error).contains("violates foreign key"), "{}", chain(&error));
            restored(RestoreOptions { disable_triggers: true, ..data }).await;
            assert_same(
                &contents(&stock, &source),
                &contents(&stock, &target),
                &format!("{server}, -j {jobs}"),
            );
            assert_eq!(target.query("select count(*) from pg_trigger where tgenabled = 'D'"), "0");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sequences_behind_their_column_are_moved_in_their_direction() {
    let Some(stock) = oracle::record() else { return };
    for server in servers() {
        let source = server.database("option_sequences");
        source.execute(
            "create table up(id serial primary key); insert into up values (5), (9);
             create table down(id int generated by default as identity (increment -2 maxvalue 100 minvalue -100 start 50));
             insert into down values (-7);
             create table ahead(id serial); insert into ahead default values; select setval('ahead_id_seq', 40);
             create table turning(id int generated by default as identity (cycle)); insert into turning values (3);
             create table odd(\"The Id\" bigserial); insert into odd values (2)",
        );
        let world = World::new();
        let archive = world.path("archive");
        stock.dump_archive(&source, &archive, &["-Fd"]);
        let target = server.database("option_sequences_target");
        let report =
            restored(RestoreOptions { fix_sequences: true, jobs: 2, ..options(&archive, &target) })
                .await;
        let found: Vec<(&str, i64, i64, bool)> = report
            .sequences
            .iter()
            .map(|s| (s.sequence.as_str(), s.next_value, s.column_value, s.moved))
            .collect();
        assert_eq!(
            found,
            [
                ("public.down_id_seq", 50, -7, true),
                ("public.\"odd_The Id_seq\"", 1, 2, true),
                ("public.turning_id_seq", 1, 3, false),
                ("public.up_id_seq", 1, 9, true),
            ],
            "{server}"
        );
        assert_eq!(target.query("select nextval('up_id_seq'), nextval('down_id_seq'), nextval('ahead_id_seq'), nextval('turning_id_seq')"), "10|-9|41|1");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn statistics_are_collected_also_of_partitioned_tables() {
    let Some(stock) = oracle::record() else { return };
    for server in servers() {
        let source = server.database("option_analyze");
        source.execute(
            "create table p(id int) partition by range (id); create table p1 partition of p for values from (0) to (1000);
             insert into p select generate_series(1, 500); create table t(id int); insert into t select generate_series(1, 100);
             create materialized view m as select id from t",
        );
        let world = World::new();
        let archive = world.path("archive");
        stock.dump_archive(&source, &archive, &["-Fd"]);
        let target = server.database("option_analyze_target");
        let report =
            restored(RestoreOptions { analyze: true, jobs: 2, ..options(&archive, &target) }).await;
        assert!(report.analyzed >= 3 && report.time > Duration::ZERO);
        assert_eq!(
            target.query("select string_agg(distinct tablename, ' ' order by tablename) from pg_stats where schemaname = 'public'"),
            "m p p1 t",
            "{server}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn statistics_in_the_archive_are_restored_after_the_data() {
    let Some(stock) = oracle::record() else { return };
    let Some(server) = server_of(18) else { return };
    let source = server.database("option_statistics");
    source.execute("create table t(id int); insert into t select generate_series(1, 1000); analyze t; create materialized view m as select id from t; analyze m");
    let world = World::new();
    let archive = world.path("archive");
    stock.dump_archive(&source, &archive, &["-Fd", "--statistics"]);
    let target = server.database("option_statistics_target");
    restored(RestoreOptions { jobs: 4, ..options(&archive, &target) }).await;
    assert_eq!(target.query("select string_agg(relname || ' ' || reltuples, ', ' order by relname) from pg_class where relname in ('t', 'm')"), "m 1000, t 1000");
    assert_eq!(target.query("select count(*) from pg_stats where schemaname = 'public'"), "2");
    // An older server cannot take them: a warning, and everything else.
    if let Some(old) = server_of(15) {
        let target = old.database("option_statistics_old");
        let report = restored(options(&archive, &target)).await;
        assert_eq!(report.rows, 1000);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn owners_and_privileges_can_be_left_out() {
    let Some(stock) = oracle::record() else { return };
    let server = newest_server();
    let source = server.database("option_owner");
    let role = format!("{}_owner", source.name());
    source.execute(&format!(
        "create role {role}; create schema s authorization {role}; create table s.t(a int); alter table s.t owner to {role};
         create table u(a int); grant select on u to {role}"
    ));
    let world = World::new();
    let archive = world.path("archive");
    stock.dump_archive(&source, &archive, &["-Fd"]);
    let target = server.database("option_owner_target");
    restored(RestoreOptions { no_owner: true, no_privileges: true, ..options(&archive, &target) })
        .await;
    assert_eq!(target.query("select count(*) from pg_class c where relname in ('t', 'u') and (relowner <> current_user::regrole or relacl is not null)"), "0");
    let target = server.database("option_owner_target");
    restored(options(&archive, &target)).await;
    assert_eq!(target.query("select relowner::regrole from pg_class where relname = 't'"), role);
    // Working as another role: its own objects need no change of owner.
    let target2 = server.database("option_owner_target");
    target2.execute(&format!(
        "grant create on schema public to {role}; grant create on database {} to {role}",
        target2.name()
    ));
    restored(RestoreOptions {
        role: Some(role.clone()),
        no_owner: true,
        no_privileges: true,
        jobs: 2,
        ..options(&archive, &target2)
    })
    .await;
    assert_eq!(target2.query("select relowner::regrole from pg_class where relname = 'u'"), role);
    target2.execute(&format!("drop owned by {role} cascade"));
    target.execute(&format!("drop owned by {role} cascade"));
    source.execute(&format!("drop owned by {role} cascade; drop role {role}"));
}
