//! Cloning on real servers: what stock pg_dump sees afterwards, and what happens when a side goes away.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use chrono::Local;
use pgark::clone::CloneSource;
use pgark::connect::{ConnectParams, Session};
use pgark::dump::{DumpOptions, Output};
use pgark::error::ErrorKind;
use pgark::progress::{Interrupt, silent};
use pgark::restore::{Mode, RestoreOptions};

use crate::restore::load_demo;
use crate::support::database::Database;
use crate::support::proxy::Proxy;
use crate::support::{World, assert_same, newest_server, oracle, servers};

const LARGE_OBJECTS: &str = "
    select lo_from_bytea(4000 + n, decode(repeat(md5(n::text), n), 'hex')) from generate_series(0, 60) n;
    select lo_from_bytea(5000, decode(repeat('00ff5c0a', 800000), 'hex'));
    select lo_create(5001); select lo_put(5001, 3000000, 'tail');
    comment on large object 5000 is 'the big one';
    create role clone_reader_%; grant select on large object 5001 to clone_reader_%;";

fn clone(
    world: &World,
    source: &Database,
    target: &Database,
    more: &[&str],
) -> crate::support::command::Run {
    let mut arguments = vec!["clone", "--from", source.uri(), "--to", target.uri()];
    arguments.extend(more);
    world.pgark(&arguments)
}

#[test]
fn the_sample_database_and_large_objects_arrive_as_they_are() {
    let Some(stock) = oracle::record() else { return };
    for server in servers() {
        let source = server.database("clone_source");
        load_demo(&source);
        source.execute(&LARGE_OBJECTS.replace('%', source.name()));
        let expected = stock.pg_dump(&source, &[]);
        let target = server.database("clone_target");
        let run = clone(&World::new(), &source, &target, &["-j3"]).success();
        assert!(run.stdout.contains("proof      equal in "), "{}", run.stdout);
        assert!(run.stdout.contains("large      63 objects"), "{}", run.stdout);
        assert_same(&expected, &stock.pg_dump(&target, &[]), &server.to_string());
        source.execute(&format!("drop owned by clone_reader_{0}", source.name()));
    }
}

#[test]
fn a_database_moves_to_a_newer_major_and_is_created_there() {
    let newest = newest_server();
    for server in servers() {
        let source = server.database("clone_upgrade");
        source.execute(
            "create table t(id int generated always as identity primary key, v text);
             insert into t(v) select repeat(n::text, n % 40) from generate_series(1, 20000) n;
             create table p(id int references t, d date) partition by range (d);
             create table p1 partition of p for values from ('2020-01-01') to ('2030-01-01');
             insert into p select n, date '2020-01-01' + n % 3000 from generate_series(1, 5000) n;",
        );
        if server.major() == newest.major() {
            continue;
        }
        let world = World::new();
        let to = newest.uri("postgres");
        let run = world.pgark(&["clone", "--from", source.uri(), "--to", &to, "--create", "-j2"]);
        let run = run.success();
        let moved = newest.adopt(source.name());
        assert!(run.stdout.contains("proof      equal in "), "{}", run.stdout);
        assert_eq!(
            moved.query("select count(*), sum(length(v)) from t"),
            source.query("select count(*), sum(length(v)) from t")
        );
        assert_eq!(moved.query("select count(*) from p1"), "5000");
    }
}

/// Tables that may go in binary form, and tables that may not.
const FORMS: &str = "
    create type mood as enum ('good', 'bad'); create domain counted as int4range check (not isempty(value));
    create type pair as (a int, b text);
    create table every(b bool, y bytea, i2 int2, i4 int4, i8 int8, n numeric, f float4, d float8, t text,
        v varchar(9), c char(5), q \"char\", dt date, ts timestamp, tz timestamptz, iv interval, u uuid, j json,
        jb jsonb, ip inet, bits varbit, m mood, r counted, a int[], aa text[], tsv tsvector, p point);
    insert into every select n % 2 = 0, sha256(n::text::bytea), n, -n, n::int8 << 40, n / 7.0, 'nan', n / 3.0,
        repeat('ä\\', n), 'v' || n, 'c', 'q', 'infinity', '4713-01-01 BC', '2024-02-29 12:00+05', '-1 mon 3 days',
        md5(n::text)::uuid, '{\"a\": [1]}', '{\"b\": null}', '10.0.0.1/8', '0101', 'bad', int4range(n, n + 9),
        array[[n, 2], [3, null]], '{x,NULL,\"NULL\"}', 'a:1A b', point(n, -n) from generate_series(1, 300) n;
    insert into every(n) values ('nan'), (null);
    create table \"Empty\"(a int);
    create table reg(a regclass); insert into reg values ('every');
    create table paid(a money); insert into paid values ('12.5');
    create table marked(a xml); create table pairs(a pair); insert into pairs values ((1, 'x'));
    create table moods(a mood[]); insert into moods values ('{good,bad}');
    create table parts(a int) partition by list (a); create table parts_1 partition of parts for values in (1);
    insert into parts values (1);";

#[test]
fn rows_go_in_binary_form_where_both_sides_mean_the_same() {
    let Some(stock) = oracle::record() else { return };
    for server in servers() {
        let source = server.database("clone_binary");
        source.execute(FORMS);
        let expected = stock.pg_dump(&source, &[]);
        let target = server.database("clone_binary_target");
        let run = clone(&World::new(), &source, &target, &["--no-proof", "--json"]).success();
        let report: serde_json::Value = serde_json::from_str(&run.stdout).expect("JSON");
        // every, "Empty" and parts_1.
        assert_eq!(report["binary_tables"], 3, "{server}");
        assert_same(&expected, &stock.pg_dump(&target, &[]), &server.to_string());
        // Types that look alike in binary form: only text may meet a table that was there.
        let old = server.database("clone_binary_old");
        old.execute("create table plain(a timestamptz)");
        let new = server.database("clone_binary_new");
        new.execute("create table plain(a timestamp); insert into plain values ('2024-01-01')");
        let options = ["--no-proof", "--json", "--append", "--data-only"];
        let run = clone(&World::new(), &new, &old, &options).success();
        let report: serde_json::Value = serde_json::from_str(&run.stdout).expect("JSON");
        assert_eq!(report["binary_tables"], 0, "{server}");
        // The same where a domain stays that is of another type.
        let new = server.database("clone_binary_domain");
        new.execute("create domain d as int4; create table t(a d); insert into t values (1)");
        let old = server.database("clone_binary_old_domain");
        old.execute("create domain d as float4; create table t(a d)");
        let options = ["--no-proof", "--json", "--clean", "-t", "t"];
        let run = clone(&World::new(), &new, &old, &options).success();
        let report: serde_json::Value = serde_json::from_str(&run.stdout).expect("JSON");
        assert_eq!(report["binary_tables"], 0, "{server}");
        assert_eq!(old.query("select a from t"), "1", "{server}");
    }
}

#[test]
fn a_database_is_never_cloned_into_itself() {
    let server = newest_server();
    let source = server.database("clone_itself");
    source.execute("create table t(a int); insert into t values (1), (2)");
    let maintenance = server.uri("postgres");
    // The same server by another way.
    let port = source.query("show port");
    let elsewhere = match source.query("select coalesce(host(inet_server_addr()), '')").as_str() {
        "" => format!("postgresql://postgres@127.0.0.1:{port}/{}", source.name()),
        _ => {
            let directory = source.query("show unix_socket_directories").replace('/', "%2F");
            format!("postgresql://postgres@/{}?host={directory}&port={port}", source.name())
        }
    };
    for (to, options) in [
        (elsewhere.as_str(), &["--clean"][..]),
        (source.uri(), &["--clean"]),
        (source.uri(), &["--append"]),
        (&maintenance, &["--create", "--clean"]),
    ] {
        let mut arguments = vec!["clone", "--from", source.uri(), "--to", to];
        arguments.extend(options);
        let run = World::new().pgark(&arguments).fails_with(4);
        assert!(run.stderr.contains("source and target are the same database"), "{}", run.stderr);
        assert_eq!(source.query("select count(*) from t"), "2", "{options:?}");
    }
}

#[test]
fn what_arrives_changed_is_found_by_the_proof() {
    let server = newest_server();
    let source = server.database("clone_changed");
    source.execute(
        "create table t(a int, b text); insert into t select n, 'x' from generate_series(1, 100) n",
    );
    let target = server.database("clone_changed_target");
    target.execute(
        "create table t(a int, b text);
         create function change() returns trigger language plpgsql as $$ begin
             if new.a = 77 then new.b := 'y'; end if; return new; end $$;
         create trigger change before insert on t for each row execute function change();",
    );
    let run = clone(&World::new(), &source, &target, &["--data-only", "--append"]).fails_with(9);
    assert!(
        run.stdout.contains("table public.t: its 100 rows differ in content"),
        "{}",
        run.stdout
    );
    let unproved = server.database("clone_unproved");
    let run = clone(&World::new(), &source, &unproved, &["--no-proof"]).success();
    assert!(run.stdout.contains("proof      not asked for"), "{}", run.stdout);
}

const COPYING: &str = "select count(*) from pg_stat_activity where datname = current_database()
    and state = 'active' and query ilike 'copy%' and pid <> pg_backend_pid()";

const SESSIONS: &str = "select count(*) from pg_stat_activity where datname = current_database()
    and backend_type = 'client backend' and pid <> pg_backend_pid()";

fn wait_until(condition: impl Fn() -> bool, otherwise: &str) {
    let limit = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < limit, "{otherwise}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A source whose table takes minutes to read, because of a column that is computed while it is.
fn slow_source() -> Database {
    let source = newest_server().database("clone_slow");
    source.execute(
        "create table quick(a int); insert into quick select generate_series(1, 1000);
         create table slow(a int, b text);
         insert into slow select n, repeat(md5(n::text), 60) from generate_series(1, 150000) n;",
    );
    source
}

/// Starts a clone that is kept waiting by its target in the middle of a table.
fn cloning(world: &World, source: &Database, target: &Database, seconds: u32) -> Child {
    target.execute(&format!(
        "create table quick(a int); create table slow(a int, b text);
         create function wait() returns trigger language plpgsql as $$ begin
             if new.a = 100000 then perform pg_sleep({seconds}); end if; return new; end $$;
         create trigger wait before insert on slow for each row execute function wait();",
    ));
    let mut command = world.command();
    command.args(["clone", "-j2", "--data-only", "--append"]);
    command.args(["--from", source.uri(), "--to", target.uri()]);
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
    let waiting = "select count(*) from pg_stat_activity where datname = current_database()
        and wait_event = 'PgSleep'";
    wait_until(|| target.query(waiting) == "1", "the target does not wait");
    wait_until(|| source.query(COPYING) == "1", "the source does not send");
    child
}

#[test]
fn a_source_that_goes_away_is_named_and_its_table_stays_empty() {
    let source = slow_source();
    let target = newest_server().database("clone_slow_target");
    let child = cloning(&World::new(), &source, &target, 3);
    source.query(&COPYING.replace("count(*)", "pg_terminate_backend(pid)"));
    let output = child.wait_with_output().expect("an end");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("could not read the source to its end"), "{said}");
    assert_eq!(target.query("select count(*) from slow"), "0", "{said}");
    wait_until(|| source.query(SESSIONS) == "0", "sessions stay on the source");
    wait_until(|| target.query(SESSIONS) == "0", "sessions stay on the target");
}

#[test]
fn without_its_locks_the_source_is_not_read_on() {
    let source = slow_source();
    let target = newest_server().database("clone_slow_target");
    let child = cloning(&World::new(), &source, &target, 600);
    let keeper =
        "select pg_terminate_backend(pid) from pg_locks join pg_stat_activity a using (pid)
        where relation = 'quick'::regclass and a.datname = current_database()";
    assert_eq!(source.query(keeper), "t");
    let output = child.wait_with_output().expect("an end");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("the snapshot and the locks of the source"), "{said}");
    assert_eq!(target.query("select count(*) from slow"), "0", "{said}");
    wait_until(|| source.query(SESSIONS) == "0", "sessions stay on the source");
    wait_until(|| target.query(SESSIONS) == "0", "sessions stay on the target");
}

#[test]
fn quotes_and_backslashes_that_only_a_setting_wants_are_no_difference() {
    for server in servers() {
        let source = server.database("clone_quotes");
        source.execute(&format!(
            "create table t(id int, v text default E'\\\\' check (v <> 'y')); comment on table t is E'\\\\';
             alter database {0} set quote_all_identifiers = on;
             alter database {0} set standard_conforming_strings = off",
            source.name()
        ));
        let target = server.database("clone_quotes_target");
        let run = clone(&World::new(), &source, &target, &[]).success();
        assert!(run.stdout.contains("proof      equal in "), "{server}: {}", run.stdout);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_was_lost_without_a_word_is_noticed_in_the_end() {
    let source = newest_server().database("clone_silence");
    let tables = "create table a(v text); create table b(v text);";
    let rows = "insert into a select repeat(md5(n::text), 60) from generate_series(1, 20000) n;
         insert into b select * from a limit 1000;";
    source.execute(&format!("{tables}{rows}"));
    let target = newest_server().database("clone_silence_target");
    target.execute(tables);
    let params = |uri: &str| ConnectParams::parse(uri).expect("a URI");
    let session = async |database: &Database| {
        Session::connect(&params(database.uri())).await.expect("a session")
    };
    let (blocker, administrator) = (session(&target).await, session(&source).await);
    blocker.execute("block", "begin; lock table a").await.expect("locked");
    let proxy = Proxy::in_front_of(&source).await;
    let interrupt = Interrupt::default();
    let options = DumpOptions::new(params(proxy.uri()), Output::Stdout, Local::now());
    let opened = CloneSource::open(options, true, silent(), &interrupt).await.expect("opened");
    let options = RestoreOptions {
        mode: Mode::Append,
        data_only: true,
        analyze: false,
        ..RestoreOptions::new("", params(target.uri()))
    };
    let plan = opened.plan_into(options).await.expect("a plan");
    let running = tokio::spawn(plan.run(interrupt));
    let copying = || tokio::task::block_in_place(|| source.query(COPYING) == "1");
    wait_until(copying, "the source does not send");
    proxy.forget_first();
    administrator.execute("empty a table", "truncate b").await.expect("truncated");
    blocker.close().await;
    let error = running.await.expect("no panic").expect_err("nobody held the tables");
    assert!(error.message().contains("could not be sure of what was read"), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::Connection, "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_refuses_rows_does_not_cost_the_snapshot_they_come_from() {
    let source = slow_source();
    let target = newest_server().database("clone_slow_target");
    target.execute(
        "create table quick(a int); create table slow(a int, b text);
         create function refuse() returns trigger language plpgsql as $$ begin
             if new.a = 20000 then raise exception 'not this one'; end if; return new; end $$;
         create trigger refuse before insert on slow for each row execute function refuse();",
    );
    let params = |database: &Database| ConnectParams::parse(database.uri()).expect("a URI");
    let interrupt = Interrupt::default();
    let options = DumpOptions::new(params(&source), Output::Stdout, Local::now());
    let opened = CloneSource::open(options, false, silent(), &interrupt).await.expect("opened");
    std::thread::scope(|scope| {
        // It waits behind the keeper, so everybody else's lock is refused and the keeper has to read.
        scope.spawn(|| source.execute("alter table slow add c int"));
        wait_until(
            || {
                source.query("select count(*) from pg_locks where not granted and relation = 'slow'::regclass") == "1"
            },
            "nobody waits",
        );
        tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(async {
                let options = RestoreOptions {
                    mode: Mode::Append,
                    data_only: true,
                    analyze: false,
                    ..RestoreOptions::new("", params(&target))
                };
                let plan = opened.plan_into(options).await.expect("a plan");
                let report = plan.run(interrupt.clone()).await.expect("the others arrive").restored;
                assert_eq!(report.ignored.len(), 1, "{:?}", report.ignored);
                assert!(report.ignored[0].message.contains("not this one"), "{:?}", report.ignored);
            });
        });
    });
    let rows = "select (select count(*) from quick) || ' ' || (select count(*) from slow)";
    assert_eq!(target.query(rows), "1000 0");
}

#[test]
fn the_source_is_free_while_indexes_are_built() {
    let source = newest_server().database("clone_free");
    source.execute(
        "create table t(a int); insert into t values (1);
         create function slow(int) returns int language plpgsql immutable as $$ begin
             if current_setting('pgark.slow', true) = 'on' then perform pg_sleep(600); end if;
             return $1; end $$;
         create index on t (public.slow(a));",
    );
    let target = newest_server().database("clone_free_target");
    target.execute(&format!("alter database {} set pgark.slow = 'on'", target.name()));
    let world = World::new();
    let mut command = world.command();
    command.args(["clone", "-j2", "--from", source.uri(), "--to", target.uri()]);
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    let building = "select count(*) from pg_stat_activity where datname = current_database()
        and state = 'active' and query like '%CREATE INDEX%' and pid <> pg_backend_pid()";
    wait_until(|| target.query(building) == "1", "no index is built");
    wait_until(|| source.query(SESSIONS) == "0", "the source is still held");
    interrupt(child);
}

fn interrupt(child: Child) -> String {
    let pid = child.id().to_string();
    let status = std::process::Command::new("/bin/kill").args(["-INT", &pid]).status();
    assert!(status.expect("kill runs").success());
    let output = child.wait_with_output().expect("an end");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(130), "{said}");
    said
}

#[test]
fn a_signal_ends_it_on_both_sides() {
    let source = slow_source();
    let target = newest_server().database("clone_slow_target");
    let child = cloning(&World::new(), &source, &target, 600);
    let said = interrupt(child);
    assert_eq!(target.query("select count(*) from slow"), "0", "{said}");
    wait_until(|| source.query(SESSIONS) == "0", "sessions stay on the source");
    wait_until(|| target.query(SESSIONS) == "0", "sessions stay on the target");
}
