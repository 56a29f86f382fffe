//! Where the connections of a restore lead, and which settings they have whatever the target says.

use pgark::connect::{ConnectParams, ConnectRequest, Environment};
use pgark::model::Section;
use pgark::restore::RestoreOptions;

use super::failures::dump_with_manifest;
use super::{options, restored};
use crate::support::database::{Database, run_psql};
use crate::support::proxy::address;
use crate::support::{World, newest_server, servers};

/// Returns how a connection string names the server of a database: a host and a port.
async fn host_and_port(database: &Database) -> (String, String) {
    let address = address(database).await;
    let (host, port) = match address.split_once("/.s.PGSQL.") {
        Some(socket) => socket,
        None => address.rsplit_once(':').expect("an address and a port"),
    };
    (host.to_owned(), port.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_hosts_is_one_server_for_the_whole_restore() {
    let [first, .., last] = servers() else {
        crate::support::missing("two servers, which a list of hosts could name");
        return;
    };
    let source = first.database("hosts");
    // Too large to go together.
    let table =
        |n| format!("create table t{n}(v text); insert into t{n} values (repeat('x', 300000));");
    let tables: String = (0..8).map(table).collect();
    source.execute(&tables);
    let world = World::new();
    let archive = world.path("archive");
    dump_with_manifest(&source, &archive, "none").await;
    // Copies on two servers, as before a switch from one to the other.
    crate::support::database::psql(
        &last.uri("postgres"),
        &format!("create database {}", source.name()),
    );
    let copy = last.adopt(source.name());
    copy.execute(&tables);
    let ((host, port), (other_host, other_port)) =
        (host_and_port(&source).await, host_and_port(&copy).await);
    let connection = format!(
        "host={host},{other_host} port={port},{other_port} user=postgres dbname={} load_balance_hosts=random",
        source.name()
    );
    let request = ConnectRequest { dbname: Some(connection), ..ConnectRequest::default() };
    let connection = ConnectParams::resolve(&request, &Environment::default()).expect("parameters");
    let options =
        RestoreOptions { connection, data_only: true, jobs: 8, ..options(&archive, &source) };
    restored(options).await;
    let count = (0..8).map(|n| format!("(select count(*) from t{n})")).collect::<Vec<_>>();
    let count = format!("select {}", count.join(" + "));
    let mut counts = [source.query(&count), copy.query(&count)];
    counts.sort();
    assert_eq!(counts, ["16", "8"], "the rows of one archive went to two servers");
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_of_the_target_do_not_change_values() {
    for server in servers() {
        let source = server.database("values_source");
        source.execute(&format!(
            "create table t(id int, a text[], m money);
             insert into t values (1, array['x', null, 'NULL'], 12.50);
             alter database {} set lc_monetary = 'POSIX';",
            source.name()
        ));
        let world = World::new();
        let archive = world.path("archive");
        dump_with_manifest(&source, &archive, "none").await;
        for jobs in [1, 2] {
            let target = server.database("values_target");
            target.execute(&format!(
                "create table t(id int, a text[], m money, seen text default current_setting('lc_monetary'));
                 alter database {0} set array_nulls = off; alter database {0} set lc_monetary = 'C';",
                target.name()
            ));
            let options = RestoreOptions { data_only: true, jobs, ..options(&archive, &target) };
            restored(options).await;
            assert_eq!(
                target.query("select a[2] is null, a[3] is null, m::numeric, seen from t"),
                "t|f|12.50|POSIX",
                "{server}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_waits_for_work_is_not_ended_for_being_idle() {
    let server = newest_server();
    let source = server.database("idle_source");
    source.execute(
        "create table a(id int); create table b(id int); create table c(id int);
         create function slow(int) returns bool language sql as 'select pg_sleep(1) is not null';
         insert into a values (1); insert into b values (1); insert into c values (1);
         alter table a add check (slow(id));",
    );
    let world = World::new();
    let archive = world.path("archive");
    dump_with_manifest(&source, &archive, "none").await;
    let target = server.database("idle_target");
    target.execute(&format!("alter database {} set idle_session_timeout = '100ms'", target.name()));
    let options = RestoreOptions { jobs: 3, analyze: true, ..options(&archive, &target) };
    let report = restored(options).await;
    assert_eq!((report.rows, report.analyzed), (3, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_read_only_by_its_settings_is_created_and_filled() {
    let server = newest_server();
    let source = server.database("readonly_source");
    source.execute(&format!(
        "create table t(id int primary key); insert into t values (7); create table u(id int);
         alter database {} set default_transaction_read_only = on",
        source.name()
    ));
    let world = World::new();
    let archive = world.path("archive");
    let run = world.pgark(&[
        "dump",
        "-d",
        source.uri(),
        "--create",
        "-f",
        archive.to_str().expect("a path"),
    ]);
    let _ = run.success();
    for jobs in [1, 3] {
        let maintenance = server.database("readonly_maintenance");
        let options =
            RestoreOptions { create: true, clean: true, jobs, ..options(&archive, &maintenance) };
        restored(options).await;
        assert_eq!(source.query("select id from t"), "7");
        assert_eq!(source.query("show default_transaction_read_only"), "on");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_a_session_is_survives_rows_that_were_rolled_back() {
    let server = newest_server();
    let source = server.database("authorization_source");
    let owner = format!("owner_of_{}", source.name());
    let tables = format!(
        "create schema s authorization {owner}; set role {owner};
         create table s.t(a int check (a <> 42), b int);"
    );
    source.execute(&format!(
        "create role {owner}; {tables} insert into s.t select i, i % 3 from generate_series(1, 40) i;
         create statistics s.both on a, b from s.t;"
    ));
    let world = World::new();
    let archive = world.path("archive");
    dump_with_manifest(&source, &archive, "none").await;
    for (jobs, split_load) in [(1, false), (2, false), (2, true)] {
        let target = server.database("authorization_target");
        // One of the rows is refused.
        target.execute(&tables.replace("42", "40"));
        let report = restored(RestoreOptions {
            sections: vec![Section::Data, Section::PostData],
            session_authorization: true,
            exit_on_error: false,
            jobs,
            split_load,
            ..options(&archive, &target)
        })
        .await;
        assert_eq!(report.ignored.len(), 1, "{:?}", report.ignored);
        let found = "select stxowner::regrole from pg_statistic_ext";
        assert_eq!(target.query(found), owner, "{jobs}");
    }
    // On a busy server the last target may still be on its way out; then the role stays.
    let _ = run_psql(source.uri(), &format!("drop schema s cascade; drop role {owner}"));
}
