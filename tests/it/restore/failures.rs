//! What a restore leaves behind when the archive is damaged, the server refuses, or somebody stops it.

use std::path::Path;
use std::time::Duration;

use chrono::Local;
use pgark::codec::Compression;
use pgark::dump::{self, DumpOptions};
use pgark::error::ErrorKind;
use pgark::progress::{Interrupt, Progress, silent};
use pgark::restore::{RestoreOptions, plan};

use super::{chain, options, params_as, restore, restored};
use crate::support::damage::SmallDisk;
use crate::support::database::Database;
use crate::support::installation::{Installation, server_user};
use crate::support::{Cluster, World, damage, newest_server, oracle};

/// Writes an archive with pgark, which has a manifest.
pub(super) async fn dump_with_manifest(source: &Database, archive: &Path, compression: &str) {
    let compression: Compression = compression.parse().expect("compression");
    let options = DumpOptions {
        compression,
        ..DumpOptions::new(params_as(source, None), archive, Local::now())
    };
    let plan = dump::plan(options, silent(), &Interrupt::default()).await.expect("plan");
    plan.run(Interrupt::default()).await.expect("dump");
}

/// Returns the file of the only table of an archive.
fn data_file(archive: &Path) -> std::path::PathBuf {
    let is_data = |path: &std::path::PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.contains(".dat") && !name.starts_with("toc")
    };
    damage::files(archive).into_iter().find(is_data).expect("a data file")
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_is_found_while_loading_and_nothing_is_half_loaded() {
    let server = newest_server();
    let source = server.database("damage_source");
    source.execute("create table t(id int, v text); insert into t select i, 'row ' || i from generate_series(1, 50000) i");
    let world = World::new();
    for compression in ["none", "gzip", "lz4", "zstd"] {
        let archive = world.path(&format!("archive-{compression}"));
        dump_with_manifest(&source, &archive, compression).await;
        let target = server.database("damage_target");
        let report = restored(options(&archive, &target)).await;
        assert!(report.checked);
        assert_eq!(report.rows, 50_000);

        let size = std::fs::metadata(data_file(&archive)).expect("a file").len();
        type Harm = fn(&Path, u64);
        let harms: [(&str, Harm); 3] = [
            ("flipped", |file, size| damage::flip(file, (size / 2) as usize)),
            ("cut", |file, size| damage::truncate(file, size / 2)),
            ("cut at the end", |file, size| damage::truncate(file, size - 1)),
        ];
        for (name, harm) in harms {
            let damaged = damage::copy(&archive, &format!("{name}-{compression}"));
            harm(&data_file(&damaged), size);
            let target = server.database("damage_target");
            for jobs in [1, 2] {
                let base = options(&damaged, &target);
                let clean = jobs == 2;
                let mut options = RestoreOptions { jobs, clean, if_exists: clean, ..base };
                options.exit_on_error = false;
                let error = restore(options).await.expect_err("damaged");
                let text = chain(&error);
                assert_eq!(error.kind(), ErrorKind::Integrity, "{name} {compression}: {text}");
                assert!(text.contains("TABLE DATA public.t"), "{text}");
                assert!(text.contains("0 of 1 tables are loaded"), "{text}");
                assert_eq!(target.query("select count(*) from t"), "0", "{name} {compression}");
            }
        }
        let damaged = damage::copy(&archive, &format!("gone-{compression}"));
        damage::remove(&data_file(&damaged));
        let target = server.database("damage_target");
        let error = restore(options(&damaged, &target)).await.expect_err("a file is missing");
        assert!(chain(&error).contains("is missing"), "{}", chain(&error));

        let damaged = damage::copy(&archive, &format!("bare-{compression}"));
        damage::remove(&damaged.join("manifest.json"));
        let error = restore(options(&damaged, &target)).await.expect_err("no manifest");
        assert_eq!(error.kind(), ErrorKind::Integrity, "{}", chain(&error));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_off_file_without_manifest_is_found_too() {
    let Some(stock) = oracle::record() else { return };
    let server = newest_server();
    let source = server.database("cut_source");
    source.execute("create table t(id int); insert into t select generate_series(1, 1000)");
    let world = World::new();
    for compression in ["none", "gzip", "lz4", "zstd"] {
        let archive = world.path(compression);
        stock.dump_archive(&source, &archive, &["-Fd", "-Z", compression]);
        let file = data_file(&archive);
        let size = std::fs::metadata(&file).expect("a file").len();
        damage::truncate(&file, size * 3 / 4);
        let target = server.database("cut_target");
        let error = restore(options(&archive, &target)).await.expect_err("cut off");
        assert_eq!(error.kind(), ErrorKind::Integrity, "{}", chain(&error));
        assert_eq!(target.query("select count(*) from t"), "0");
    }
}

/// Waits until a query answers what is expected.
async fn until(database: &Database, sql: &str, expected: &str) {
    for _ in 0..500 {
        if database.query(sql) == expected {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{sql} never answered {expected}");
}

const WAITING: &str = "select count(*) > 0 from pg_locks where not granted and database = (select oid from pg_database where datname = current_database())";
const OTHERS: &str = "select count(*) from pg_stat_activity where datname = current_database() and application_name like 'pgark%'";

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_restore_ends_at_once_and_leaves_no_session() {
    let Some(stock) = oracle::record() else { return };
    let server = newest_server();
    let source = server.database("interrupt_source");
    source.execute("create table a(id int); create table b(id int); insert into a select generate_series(1, 100000); insert into b values (1)");
    let world = World::new();
    let archive = world.path("archive");
    stock.dump_archive(&source, &archive, &["-Fd"]);
    for (jobs, single_transaction) in [(1, false), (4, false), (1, true)] {
        let target = server.database("interrupt_target");
        target.execute("create table a(id int); create table b(id int)");
        let blocker =
            pgark::connect::Session::connect(&params_as(&target, None)).await.expect("session");
        blocker.execute("block", "begin; lock table a, b").await.expect("lock");
        let mut options = options(&archive, &target);
        options.data_only = true;
        options.jobs = jobs;
        options.single_transaction = single_transaction;
        let interrupt = Interrupt::default();
        let planned = plan(options, silent()).await.expect("plan");
        let running = tokio::spawn(planned.run(interrupt.clone()));
        until(&target, WAITING, "t").await;
        interrupt.trigger();
        let ended = tokio::time::timeout(Duration::from_secs(10), running).await;
        let error = ended.expect("at once").expect("no panic").expect_err("interrupted");
        assert_eq!(error.kind(), ErrorKind::Interrupted, "{}", chain(&error));
        let text = chain(&error);
        let expected = if single_transaction { "rolled back" } else { "0 of 2 tables are loaded" };
        assert!(text.contains(expected), "{text}");
        blocker.close().await;
        until(&target, OTHERS, "0").await;
        assert_eq!(target.query("select count(*) from a"), "0");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_what_somebody_uses_can_be_interrupted() {
    let Some(stock) = oracle::record() else { return };
    let server = newest_server();
    let source = server.database("drop_source");
    source.execute("create table a(id int)");
    let world = World::new();
    let archive = world.path("archive");
    stock.dump_archive(&source, &archive, &["-Fd"]);
    for single_transaction in [false, true] {
        let target = server.database("drop_target");
        target.execute("create table a(id int); insert into a values (1)");
        let user = pgark::connect::Session::connect(&params_as(&target, None)).await.expect("one");
        user.execute("use", "begin; select from a").await.expect("in use");
        let options =
            RestoreOptions { clean: true, single_transaction, ..options(&archive, &target) };
        let interrupt = Interrupt::default();
        let planned = plan(options, silent()).await.expect("plan");
        let running = tokio::spawn(planned.run(interrupt.clone()));
        until(&target, WAITING, "t").await;
        interrupt.trigger();
        let ended = tokio::time::timeout(Duration::from_secs(10), running).await;
        let error = ended.expect("at once").expect("no panic").expect_err("interrupted");
        assert_eq!(error.kind(), ErrorKind::Interrupted, "{}", chain(&error));
        user.close().await;
        until(&target, OTHERS, "0").await;
        assert_eq!(target.query("select count(*) from a"), "1");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_ends_the_restore_with_its_cause() {
    let Some(stock) = oracle::record() else { return };
    let server = newest_server();
    let source = server.database("lost_source");
    source.execute("create table a(id int); create table b(id int); insert into a select generate_series(1, 100000)");
    let world = World::new();
    let archive = world.path("archive");
    stock.dump_archive(&source, &archive, &["-Fd"]);
    for jobs in [1, 2] {
        let target = server.database("lost_target");
        target.execute("create table a(id int); create table b(id int)");
        let blocker =
            pgark::connect::Session::connect(&params_as(&target, None)).await.expect("session");
        blocker.execute("block", "begin; lock table a, b").await.expect("lock");
        let mut options = options(&archive, &target);
        options.data_only = true;
        options.jobs = jobs;
        options.exit_on_error = false;
        let planned = plan(options, silent()).await.expect("plan");
        let running = tokio::spawn(planned.run(Interrupt::default()));
        until(&target, WAITING, "t").await;
        target.query("select count(pg_terminate_backend(pid)) from pg_locks where not granted");
        let ended = tokio::time::timeout(Duration::from_secs(20), running).await;
        let error = ended.expect("soon").expect("no panic").expect_err("lost");
        let text = chain(&error);
        assert_eq!(error.kind(), ErrorKind::Connection, "{text}");
        assert!(text.contains("was lost") && text.contains("terminating connection"), "{text}");
        blocker.close().await;
        until(&target, OTHERS, "0").await;
        assert_eq!(target.query("select count(*) from a"), "0");
    }
}

/// Asks to stop when a phase begins.
struct StopAt(&'static str, Interrupt);

impl Progress for StopAt {
    fn phase(&self, name: &str, _items: u64, _bytes: u64) {
        if name == self.0 {
            self.1.trigger();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_committed_is_not_called_rolled_back() {
    let Some(stock) = oracle::record() else { return };
    let server = newest_server();
    let source = server.database("commit_source");
    source.execute("create table t(id int); insert into t values (1)");
    let world = World::new();
    let archive = world.path("archive");
    stock.dump_archive(&source, &archive, &["-Fd"]);

    let target = server.database("commit_target");
    let once = |target| RestoreOptions {
        single_transaction: true,
        analyze: true,
        ..options(&archive, target)
    };
    let interrupt = Interrupt::default();
    let stop = std::sync::Arc::new(StopAt("analyze", interrupt.clone()));
    let planned = plan(once(&target), stop).await.expect("plan");
    let error = planned.run(interrupt).await.expect_err("interrupted");
    let text = chain(&error);
    assert_eq!(error.kind(), ErrorKind::Interrupted, "{text}");
    assert!(text.contains("is restored and committed"), "{text}");
    assert_eq!(target.query("select count(*) from t"), "1");

    // A server that goes away at COMMIT does not say what it has done.
    let target = server.database("commit_target");
    let dying = "create table t(id int);
        create function die() returns trigger language plpgsql as $$ begin
            perform pg_terminate_backend(pg_backend_pid()); return null; end $$;
        create constraint trigger die after insert on t deferrable initially deferred
            for each row execute function die();";
    target.execute(dying);
    let error = restore(RestoreOptions { data_only: true, ..once(&target) }).await;
    let text = chain(&error.expect_err("the server is gone"));
    assert!(text.contains("it is not known whether the restore was committed"), "{text}");
    let script = world.path("script.sql");
    std::fs::write(&script, "COPY public.t (id) FROM stdin;\n1\n\\.\n").expect("a script");
    let script = script.to_str().expect("a path");
    let run = world.pgark(&["restore", script, "-1", "--mode", "append", "-d", target.uri()]);
    let said = run.fails_with(3).stderr;
    assert!(said.contains("it is not known whether the restore was committed"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn few_locks_and_few_connections_are_enough() {
    let Some(stock) = oracle::record() else { return };
    let Some(installation) = Installation::of(18) else { return };
    let settings = "max_locks_per_transaction = 10\nmax_connections = 12\nsuperuser_reserved_connections = 1\nautovacuum = off";
    let cluster = Cluster::start(installation, settings);
    let maintenance = cluster.uri("postgres");
    let sql: String =
        (0..400).map(|n| format!("create table t{n}(id int primary key, v text);")).collect();
    crate::support::database::psql(&maintenance, "create database few");
    let uri = cluster.uri("few");
    for chunk in sql.split_inclusive(';').collect::<Vec<_>>().chunks(10) {
        crate::support::database::psql(&uri, &chunk.concat());
    }
    // A dump of it locks all tables at once, which these settings do not allow either: an archive of the
    // same tables is made elsewhere.
    let source = newest_server().database("few_source");
    source.execute(&sql);
    let world = World::new();
    let archive = world.path("archive");
    stock.dump_archive(&source, &archive, &["-Fd"]);
    crate::support::database::psql(&maintenance, "create database target");
    let request = pgark::connect::ConnectRequest {
        dbname: Some(cluster.uri("target")),
        ..pgark::connect::ConnectRequest::default()
    };
    let params =
        pgark::connect::ConnectParams::resolve(&request, &pgark::connect::Environment::default())
            .expect("parameters");
    let mut options = RestoreOptions::new(&archive, params);
    options.jobs = 24;
    options.exit_on_error = true;
    restored(options.clone()).await;
    let count = crate::support::database::psql(
        &cluster.uri("target"),
        "select count(*) from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace",
    );
    assert_eq!(count.trim(), "400");
    options.jobs = 1;
    options.clean = true;
    options.single_transaction = true;
    let error = restore(options.clone()).await.expect_err("more locks than there are");
    assert_eq!(error.kind(), ErrorKind::RolledBack, "{}", chain(&error));
    assert!(chain(&error).contains("max_locks_per_transaction"), "{}", chain(&error));
    options.single_transaction = false;
    options.jobs = 4;
    restored(options).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_while_loading_names_table_and_line() {
    let Some(stock) = oracle::record() else { return };
    let server = newest_server();
    let source = server.database("line_source");
    source.execute("create table t(id int); insert into t select generate_series(1, 100); create table u(id int); insert into u values (1)");
    let world = World::new();
    let archive = world.path("archive");
    stock.dump_archive(&source, &archive, &["-Fd"]);
    for jobs in [1, 2] {
        let target = server.database("line_target");
        target.execute("create table t(id int check (id <> 42)); create table u(id int)");
        let mut options = options(&archive, &target);
        options.data_only = true;
        options.exit_on_error = false;
        options.jobs = jobs;
        let report = restored(options).await;
        assert_eq!(report.ignored.len(), 1);
        let error = &report.ignored[0];
        assert!(error.entry.starts_with("TABLE DATA public.t"), "{error:?}");
        assert_eq!(error.statement, "COPY public.t (id) FROM stdin;");
        assert!(error.message.contains("COPY t, line 42"), "{error:?}");
        assert_eq!(target.query("select count(*), (select count(*) from u) from t"), "0|1");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_of_the_server_is_named_and_nothing_is_half_loaded() {
    let Some(stock) = oracle::record() else { return };
    let Some(installation) = Installation::of(18) else { return };
    let source = newest_server().database("full_source");
    source.execute(
        "create table z_large(a text); alter table z_large alter a set storage external;
         insert into z_large select repeat(md5(i::text), 1000) from generate_series(1, 500) i;
         create table a_small(a int); insert into a_small values (7);",
    );
    let world = World::new();
    let archive = world.path("archive");
    stock.dump_archive(&source, &archive, &["-Fd"]);

    // A server whose databases lie in 12 MiB: room for an empty one, not for the large table.
    let cluster = Cluster::start(installation, "");
    let disk = cluster.directory().join("disk");
    std::fs::create_dir(&disk).expect("a directory");
    // Mounting takes root, and then the server runs as somebody else, whose directory it has to be.
    let (user, group) = server_user().unwrap_or_default();
    let Some(_mounted) = SmallDisk::mount(&disk, &format!("size=12m,uid={user},gid={group}"))
    else {
        crate::support::missing(
            "a full disk of the server: mounting a small tmpfs is not allowed here",
        );
        return;
    };
    let psql = |database: &str, sql: &str| {
        crate::support::database::psql(&cluster.uri(database), sql).trim().to_owned()
    };
    psql("postgres", &format!("create tablespace tiny location '{}'", disk.display()));
    psql("postgres", "create database target tablespace tiny");
    let request = pgark::connect::ConnectRequest {
        dbname: Some(cluster.uri("target")),
        ..pgark::connect::ConnectRequest::default()
    };
    let params =
        pgark::connect::ConnectParams::resolve(&request, &pgark::connect::Environment::default())
            .expect("parameters");
    let mut options = RestoreOptions::new(&archive, params);
    options.analyze = false;
    options.exit_on_error = true;
    let text = chain(&restore(options.clone()).await.expect_err("no room"));
    assert!(text.contains("TABLE DATA public.z_large"), "{text}");
    assert!(text.contains("No space left on device"), "{text}");
    assert!(text.contains("1 of 2 tables are loaded"), "{text}");
    assert_eq!(psql("target", "select count(*) from z_large"), "0");

    // Without --exit-on-error the other tables are loaded, and what failed is counted.
    options.clean = true;
    options.if_exists = true;
    options.exit_on_error = false;
    let report = restored(options).await;
    assert_eq!(report.ignored.len(), 1, "{:?}", report.ignored);
    assert!(report.ignored[0].message.contains("No space left on device"), "{:?}", report.ignored);
    assert_eq!(psql("target", "select (select count(*) from z_large), a from a_small"), "0|7");
}
