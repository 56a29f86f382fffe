//! Archives by stock pg_dump, restored by pgark, dumped again: nothing may differ.

use pgark::restore::{Mode, RestoreOptions};

use super::{contents, load_demo, options, params_as, restored};
use crate::support::assert_same;
use crate::support::{World, newest_server, oracle, servers};

#[tokio::test(flavor = "multi_thread")]
async fn the_sample_database_comes_back_as_it_was() {
    let stocks = oracle::all();
    for server in servers() {
        let source = server.database("restore_source");
        load_demo(&source);
        for stock in stocks.iter().filter(|stock| stock.can_dump(&source)) {
            let world = World::new();
            let archive = world.path("archive");
            stock.dump_archive(&source, &archive, &["-Fd"]);
            let expected = contents(stock, &source);
            for jobs in [1, 4] {
                let target = server.database("restore_target");
                let report = restored(RestoreOptions { jobs, ..options(&archive, &target) }).await;
                assert!(report.rows > 0 && report.ignored.is_empty());
                assert!(!report.checked, "pg_dump writes no manifest");
                let context = format!("{server}, pg_dump {}, -j {jobs}", stock.major());
                assert_same(&expected, &contents(stock, &target), &context);
            }
        }
    }
}

/// Tables of every size with keys in all directions: what `-j 8` has to keep apart.
const TANGLE: &str = "
create schema a; create schema \"B c\";
create table a.plain(id int primary key, v text);
insert into a.plain select i, repeat('x', i % 50) from generate_series(1, 3000) i;
create table \"B c\".\"Ref\"(id bigint generated always as identity primary key, plain int references a.plain, self bigint references \"B c\".\"Ref\");
insert into \"B c\".\"Ref\"(plain, self) select i, null from generate_series(1, 2000) i;
create table a.measure(id int, day date, v numeric default random()) partition by range (day);
create table a.measure_1 partition of a.measure for values from ('2024-01-01') to ('2024-07-01');
create table a.measure_2 partition of a.measure for values from ('2024-07-01') to ('2025-01-01') partition by list (id);
create table a.measure_2a partition of a.measure_2 for values in (1, 2, 3);
create table a.measure_2b partition of a.measure_2 default;
insert into a.measure select i % 7 + 1, date '2024-01-01' + i % 360, i from generate_series(1, 5000) i;
alter table a.measure add primary key (id, day, v);
create index on a.measure (day);
alter table a.measure add foreign key (id) references a.plain(id);
create function a.touch() returns trigger language plpgsql as $$ begin new.v := new.v; return new; end $$;
create trigger touch after insert on a.measure for each row execute function a.touch();
create table a.parent(x int check (x > 0)); create table a.child(y int) inherits (a.parent);
insert into a.child select i, i from generate_series(1, 100) i;
create function a.allowed(int) returns bool language plpgsql stable as $$ begin return exists (select from a.plain where id = $1); end $$;
create table a.checked(id int check (a.allowed(id) is not null)); insert into a.checked select generate_series(1, 50);
create materialized view a.summary as select day, count(*) from a.measure group by day;
create unique index on a.summary(day);
create materialized view a.summary2 as select max(count) from a.summary;
create view a.v1 as select * from a.plain; create view a.v2 as select * from a.v1 join \"B c\".\"Ref\" r using (id);
create rule r as on insert to a.v1 do instead nothing;
create sequence a.s increment by -3 maxvalue 100 minvalue -100 start 50 cycle; select nextval('a.s');
comment on table a.plain is 'plain'; comment on column a.plain.v is 'v'; comment on constraint plain_pkey on a.plain is 'pk';
create statistics a.st (dependencies) on id, v from a.plain;
create publication p for table a.plain, \"B c\".\"Ref\";
alter table a.plain enable row level security; create policy see on a.plain for select using (id > 0);
create event trigger et on ddl_command_start execute function a.et();
";

#[tokio::test(flavor = "multi_thread")]
async fn tangled_schemas_restore_on_many_connections_without_deadlock() {
    let Some(stock) = oracle::record() else { return };
    for server in servers() {
        let source = server.database("restore_tangle");
        let event = "create schema a; create function a.et() returns event_trigger language plpgsql as $$ begin end $$;";
        source.execute(&format!("{event}{}", TANGLE.replacen("create schema a;", "", 1)));
        let many: String = (0..120)
            .map(|n| {
                format!(
                    "create table a.t{n}(id int primary key, o int); insert into a.t{n} select i, {} from generate_series(1, {}) i; create index on a.t{n}(o);\n",
                    if n == 0 { "null".to_owned() } else { "i % 5 + 1".to_owned() },
                    10 + n * 7
                )
            })
            .collect();
        let keys: String = (1..120)
            .map(|n| {
                format!("alter table a.t{n} add foreign key (o) references a.t{}(id);\n", n / 2)
            })
            .collect();
        source.execute(&format!("{many}{keys}"));
        let world = World::new();
        let archive = world.path("archive");
        stock.dump_archive(&source, &archive, &["-Fd", "-Z", "zstd"]);
        let expected = contents(&stock, &source);
        for jobs in [1, 2, 4, 8] {
            let target = server.database("restore_tangle_target");
            let report =
                restored(RestoreOptions { jobs, analyze: true, ..options(&archive, &target) })
                    .await;
            assert!(report.analyzed > 100);
            assert_same(&expected, &contents(&stock, &target), &format!("{server}, -j {jobs}"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn large_objects_come_back() {
    for stock in oracle::all() {
        for server in servers() {
            let source = server.database("restore_lo");
            if !stock.can_dump(&source) {
                continue;
            }
            source.execute(
                "select lo_from_bytea(5001, decode(repeat('00ff', 300000), 'hex'));
                 select lo_from_bytea(5002, ''); select lo_from_bytea(5003, 'three');
                 comment on large object 5002 is 'empty'; grant select on large object 5003 to public;
                 grant select on large object 5002 to public",
            );
            let world = World::new();
            let archive = world.path("archive");
            stock.dump_archive(&source, &archive, &["-Fd"]);
            for jobs in [1, 4] {
                let target = server.database("restore_lo_target");
                let report = restored(RestoreOptions { jobs, ..options(&archive, &target) }).await;
                assert_eq!(report.large_objects, 3);
                assert_same(
                    &contents(&stock, &source),
                    &contents(&stock, &target),
                    &format!("{server}"),
                );
                let mut again = RestoreOptions { jobs, clean: true, ..options(&archive, &target) };
                again.if_exists = true;
                restored(again).await;
                assert_eq!(target.query("select count(*) from pg_largeobject_metadata"), "3");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn large_objects_that_were_there_stay_as_they_are() {
    for server in servers() {
        let source = server.database("restore_lo_other");
        // One layout up to a thousand objects, the other one for more.
        for count in [3, 1200] {
            source.execute(&format!(
                "select count(lo_unlink(oid)) from pg_largeobject_metadata;
                 select count(lo_from_bytea(7000 + n, 'new')) from generate_series(1, {count}) n;
                 comment on large object 7002 is 'new'; comment on large object 7003 is 'new';
                 grant select on large object 7002 to public",
            ));
            let world = World::new();
            let archive = world.path("archive");
            super::failures::dump_with_manifest(&source, &archive, "none").await;
            for (jobs, data_only) in [(1, false), (2, false), (1, true)] {
                let target = server.database("restore_lo_other_target");
                target.execute(
                    "select lo_from_bytea(7002, 'somebody else''s'); create table t(a int)",
                );
                let report = restored(RestoreOptions {
                    mode: Mode::Append,
                    data_only: data_only && count > 1000,
                    jobs,
                    exit_on_error: false,
                    ..options(&archive, &target)
                })
                .await;
                assert_eq!(report.ignored.len(), 1, "{:?}", report.ignored);
                assert!(report.ignored[0].message.contains("(7002)"), "{:?}", report.ignored);
                assert_eq!(report.large_objects, count - 1);
                let there = "select convert_from(lo_get(oid), 'utf8'), count(*), min(lomacl::text),
                    min(obj_description(oid, 'pg_largeobject')) from pg_largeobject_metadata group by 1 order by 1";
                let expected = format!("new|{}||new\nsomebody else's|1||", count - 1);
                assert_eq!(target.query(there), expected, "{server} {count} {jobs} {data_only}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn data_stored_as_inserts_comes_back() {
    let Some(stock) = oracle::record() else { return };
    let server = newest_server();
    let source = server.database("restore_inserts");
    source.execute(
        "create table t(id int, v text); insert into t values (1, 'a;b'), (2, 'it''s \\ back'), (3, null);
         insert into t select i, repeat('long; ''quoted''', 50) from generate_series(4, 2000) i",
    );
    let world = World::new();
    let archive = world.path("archive");
    stock.dump_archive(&source, &archive, &["-Fd", "--inserts"]);
    let target = server.database("restore_inserts_target");
    let report = restored(options(&archive, &target)).await;
    assert_eq!(report.rows, 2000);
    assert_same(&contents(&stock, &source), &contents(&stock, &target), "inserts");
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_loaded_through_their_root_keep_every_row() {
    let Some(stock) = oracle::record() else { return };
    for server in servers() {
        let source = server.database("restore_root");
        source.execute(
            "create table p(id int, v text) partition by hash (id);
             create table p0 partition of p for values with (modulus 3, remainder 0);
             create table p1 partition of p for values with (modulus 3, remainder 1);
             create table p2 partition of p for values with (modulus 3, remainder 2);
             insert into p select i, 'row' from generate_series(1, 9000) i;
             alter table p add primary key (id); create index on p (v)",
        );
        let world = World::new();
        let archive = world.path("archive");
        stock.dump_archive(&source, &archive, &["-Fd", "--load-via-partition-root"]);
        for jobs in [1, 8] {
            let target = server.database("restore_root_target");
            restored(RestoreOptions { jobs, ..options(&archive, &target) }).await;
            assert_same(
                &contents(&stock, &source),
                &contents(&stock, &target),
                &format!("{server}"),
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn create_makes_the_database_with_its_properties() {
    let Some(stock) = oracle::record() else { return };
    for server in servers() {
        let source = server.database("restore_create");
        let name = source.name().to_owned();
        source.execute(&format!(
            "create table t(a int); insert into t values (1), (2);
             alter database {name} set work_mem = '5MB'; comment on database {name} is 'made by a test'"
        ));
        let world = World::new();
        let archive = world.path("archive");
        stock.dump_archive(&source, &archive, &["-Fd", "-C"]);
        let expected = stock.pg_dump(&source, &["-C"]);
        let maintenance = server.database("restore_maintenance");
        let options = RestoreOptions {
            create: true,
            clean: true,
            if_exists: true,
            ..RestoreOptions::new(&archive, params_as(&maintenance, None))
        };
        // Twice: the second time it replaces what the first one made.
        for _ in 0..2 {
            let report = restored(RestoreOptions { exit_on_error: true, ..options.clone() }).await;
            assert_eq!((report.database.as_str(), report.rows), (name.as_str(), 2));
            assert_same(&expected, &stock.pg_dump(&source, &["-C"]), &format!("{server}"));
        }
    }
}
