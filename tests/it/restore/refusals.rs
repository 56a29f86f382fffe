//! What stands in the way is said before anything is changed, all of it at once.

use pgark::error::ErrorKind;
use pgark::model::Section;
use pgark::progress::silent;
use pgark::restore::{Mode, RestoreOptions, plan};

use super::{chain, options, params_as, restore, restored};
use crate::support::database::Database;
use crate::support::{World, newest_server, oracle, server_of, servers};

/// Plans and returns the refusal; nothing may have been changed.
async fn refused(options: RestoreOptions) -> String {
    let error = plan(options, silent()).await.expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Refused, "{}", chain(&error));
    chain(&error)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_with_user_objects_is_refused_unless_an_option_expects_them() {
    let Some(stock) = oracle::record() else { return };
    for server in servers() {
        let source = server.database("refuse_source");
        source.execute("create table t(id int); insert into t values (1); create table u(id int); create schema s; create table s.t(a int)");
        let world = World::new();
        let archive = world.path("archive");
        stock.dump_archive(&source, &archive, &["-Fd"]);
        let occupants = [
            "create table mine(id int)",
            "create view mine as select 1 as one",
            "create sequence mine",
            "create type mine as enum ('a')",
            "create domain mine as int",
            "create type mine as (a int)",
            "create function mine() returns int language sql as 'select 1'",
            "create materialized view mine as select 1 as one",
        ];
        for occupant in occupants {
            let target = server.database("refuse_target");
            target.execute(occupant);
            let text = refused(options(&archive, &target)).await;
            assert!(
                text.contains("the database is not empty: ") && text.contains("mine"),
                "{text}"
            );
            assert!(text.contains("--mode append"), "{text}");
        }
        // An extension's objects are nobody's data, and an empty schema holds nothing.
        let target = server.database("refuse_target");
        target.execute("create schema nothing");
        if target.query("select count(*) from pg_available_extensions where name = 'hstore'") == "1"
        {
            target.execute("create extension hstore");
        }
        restored(options(&archive, &target)).await;

        let other = server.database("refuse_other");
        other.execute("create table mine(id int)");
        restored(RestoreOptions { mode: Mode::Append, ..options(&archive, &other) }).await;
        assert_eq!(other.query("select count(*) from t"), "1");
        let tables = vec!["t".to_owned()];
        let text =
            refused(RestoreOptions { tables: tables.clone(), ..options(&archive, &other) }).await;
        assert!(text.contains("holds already what is to be restored: table public.t"), "{text}");
        restored(RestoreOptions {
            data_only: true,
            tables: tables.clone(),
            ..options(&archive, &other)
        })
        .await;
        assert_eq!(other.query("select count(*) from t"), "2");
        restored(RestoreOptions { sections: vec![Section::PostData], ..options(&archive, &other) })
            .await;
        restored(RestoreOptions { clean: true, if_exists: true, ..options(&archive, &other) })
            .await;
        assert_eq!(other.query("select count(*) from t"), "1");
        other.execute("drop table t; drop schema s cascade; create schema s");
        let report = restored(RestoreOptions { tables, ..options(&archive, &other) }).await;
        assert_eq!(report.tables.len(), 2, "both tables of that name");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_is_missing_is_named_at_once() {
    let Some(stock) = oracle::record() else { return };
    let server = newest_server();
    let source = server.database("refuse_missing");
    let role = |name: &str| format!("{}_{name}", source.name());
    let (owner, reader) = (role("owner"), role("reader"));
    source.execute(&format!(
        "create role {owner}; create role {reader};
         create table t(id int); alter table t owner to {owner}; grant select on t to {reader};
         create table u(id int); alter table u enable row level security; create policy p on u to {reader} using (true)"
    ));
    let world = World::new();
    let archive = world.path("archive");
    stock.dump_archive(&source, &archive, &["-Fd"]);
    source
        .execute(&format!("drop owned by {owner}, {reader} cascade; drop role {owner}, {reader}"));
    let target = server.database("refuse_missing_target");
    let text = refused(options(&archive, &target)).await;
    assert!(text.contains("2 things stand in the way"), "{text}");
    assert!(text.contains(&format!("roles that own objects do not exist: {owner}")), "{text}");
    assert!(
        text.contains(&format!("privileges or policies name do not exist: {reader}")),
        "{text}"
    );
    assert!(text.contains("--no-owner") && text.contains("--no-privileges"), "{text}");
    restored(RestoreOptions {
        no_owner: true,
        no_privileges: true,
        no_policies: true,
        ..options(&archive, &target)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_extensions_are_refused() {
    let Some(stock) = oracle::record() else { return };
    let Some(server) = server_of(18) else { return };
    let source = server.database("refuse_extension");
    source.execute("create extension hstore; create table t(a hstore)");
    let world = World::new();
    let archive = world.path("archive");
    stock.dump_archive(&source, &archive, &["-Fd"]);
    // No server offers an extension of that name. The archive is text enough to be edited in place.
    let toc = archive.join("toc.dat");
    let mut bytes = std::fs::read(&toc).expect("toc");
    let mut at = 0;
    while let Some(found) = bytes[at..].windows(6).position(|window| window == b"hstore") {
        bytes[at + found..at + found + 6].copy_from_slice(b"hstorx");
        at += found + 6;
    }
    std::fs::write(&toc, bytes).expect("toc");
    let target = server.database("refuse_extension_target");
    let text = refused(options(&archive, &target)).await;
    assert!(text.contains("the server does not have the extensions hstorx"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_tablespaces_are_refused_unless_they_are_not_wanted() {
    let Some(stock) = oracle::record() else { return };
    for server in servers() {
        let source = server.database("refuse_tablespace");
        let tablespace = format!("{}_fast", source.name());
        // In the data directory, so that it works on any server; older minor releases cannot do that.
        let made = "select count(*) from pg_settings where name = 'allow_in_place_tablespaces'";
        if source.query(made) == "0" {
            crate::support::missing("tablespaces: this server has no allow_in_place_tablespaces");
            continue;
        }
        source.execute(&format!(
            "set allow_in_place_tablespaces = on;\ncreate tablespace {tablespace} location '';
             create table t(a int) tablespace {tablespace}; insert into t values (7);"
        ));
        let world = World::new();
        let archive = world.path("archive");
        stock.dump_archive(&source, &archive, &["-Fd"]);
        source.execute("drop table t");
        source.execute(&format!("drop tablespace {tablespace}"));
        let target = server.database("refuse_tablespace_target");
        let text = refused(options(&archive, &target)).await;
        assert!(text.contains("tablespace") && text.contains(&tablespace), "{text}");
        assert!(text.contains("--no-tablespaces"), "{text}");
        assert_eq!(target.query("select count(*) from pg_class where relname = 't'"), "0");
        restored(RestoreOptions { no_tablespaces: true, ..options(&archive, &target) }).await;
        assert_eq!(target.query("select a from t"), "7");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn encodings_that_cannot_hold_the_data_are_refused_or_named_with_the_row() {
    let Some(stock) = oracle::record() else { return };
    let server = newest_server();
    let options_of = |encoding: &str| {
        format!("encoding '{encoding}' lc_collate 'C' lc_ctype 'C' template template0")
    };
    let source = server.database_with("encoding_source", &options_of("EUC_JP"));
    source.execute("create table t(id int, v text); insert into t values (1, 'plain')");
    let world = World::new();
    let archive = world.path("archive");
    stock.dump_archive(&source, &archive, &["-Fd"]);
    let target = server.database_with("encoding_target", &options_of("LATIN1"));
    let text = refused(options(&archive, &target)).await;
    assert!(text.contains("cannot be converted to the database's encoding LATIN1"), "{text}");

    let source = server.database_with("encoding_source", &options_of("UTF8"));
    source
        .execute("create table t(id int, v text); insert into t values (1, 'plain'), (2, '日本')");
    let archive = world.path("utf8");
    stock.dump_archive(&source, &archive, &["-Fd"]);
    let target = server.database_with("encoding_target", &options_of("LATIN1"));
    let error = restore(options(&archive, &target)).await.expect_err("no such character");
    let text = chain(&error);
    assert!(text.contains("TABLE DATA public.t") && text.contains("COPY t, line 2"), "{text}");
    assert_eq!(target.query("select count(*) from t"), "0", "nothing half-loaded");
    let mut options = options(&archive, &target);
    options.clean = true;
    options.exit_on_error = false;
    let report = restored(options).await;
    assert_eq!(report.ignored.len(), 1);
    assert!(report.ignored[0].message.contains("COPY t, line 2"), "{:?}", report.ignored);

    let target = server.database_with("encoding_target", &options_of("SQL_ASCII"));
    restored(super::options(&archive, &target)).await;
    assert_eq!(target.query("select octet_length(v) from t where id = 2"), "6");
}

#[tokio::test(flavor = "multi_thread")]
async fn create_refuses_an_existing_database_and_an_unknown_locale() {
    let Some(stock) = oracle::record() else { return };
    let server = newest_server();
    let source = server.database("refuse_create");
    source.execute("create table t(a int); insert into t values (7)");
    let world = World::new();
    let archive = world.path("archive");
    stock.dump_archive(&source, &archive, &["-Fd", "-C"]);
    let maintenance = server.database("refuse_maintenance");
    let base = RestoreOptions { create: true, ..options(&archive, &maintenance) };
    let text = refused(base.clone()).await;
    assert!(text.contains(&format!("the database {:?} exists already", source.name())), "{text}");
    // To itself: it could not be dropped.
    let own = RestoreOptions { create: true, clean: true, ..options(&archive, &source) };
    assert!(refused(own).await.contains("cannot be dropped by a connection to itself"));
    // A locale the server does not know: the database that is there must survive.
    let toc = archive.join("toc.dat");
    let bytes = std::fs::read(&toc).expect("toc");
    let text = b"LOCALE = '";
    let at = bytes.windows(text.len()).position(|window| window == text).expect("a locale");
    let mut damaged = bytes.clone();
    damaged[at + text.len()] = b'Q';
    std::fs::write(&toc, damaged).expect("toc");
    let error = restore(RestoreOptions { clean: true, ..base }).await.expect_err("no such locale");
    assert_eq!(error.kind(), ErrorKind::Refused, "{}", chain(&error));
    assert!(chain(&error).contains("nothing was changed"), "{}", chain(&error));
    assert_eq!(source.query("select a from t"), "7");
}

#[tokio::test(flavor = "multi_thread")]
async fn triggers_are_turned_off_only_by_a_superuser() {
    let Some(stock) = oracle::record() else { return };
    let server = newest_server();
    let source = server.database("refuse_triggers");
    source.execute("create table t(a int)");
    let world = World::new();
    let archive = world.path("archive");
    stock.dump_archive(&source, &archive, &["-Fd"]);
    let role = format!("{}_plain", source.name());
    source.execute(&format!("create role {role} login"));
    let mut options = options(&archive, &source);
    options.connection = params_as(&source, Some(&role));
    options.data_only = true;
    options.disable_triggers = true;
    let text = refused(options).await;
    assert!(text.contains("only a superuser may do"), "{text}");
    source.execute(&format!("drop role {role}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn options_that_exclude_each_other_are_a_usage_error() {
    let server = newest_server();
    let target = server.database("refuse_usage");
    let base = |target: &Database| options("nowhere".as_ref(), target);
    let cases: Vec<(RestoreOptions, &str)> = vec![
        (
            RestoreOptions { clean: true, data_only: true, ..base(&target) },
            "-c/--clean and -a/--data-only",
        ),
        (
            RestoreOptions { schema_only: true, data_only: true, ..base(&target) },
            "-s/--schema-only and -a/--data-only",
        ),
        (
            RestoreOptions { single_transaction: true, jobs: 2, ..base(&target) },
            "--single-transaction and multiple jobs",
        ),
        (
            RestoreOptions { single_transaction: true, create: true, ..base(&target) },
            "-C/--create and -1",
        ),
        (
            RestoreOptions { if_exists: true, ..base(&target) },
            "--if-exists requires option -c/--clean",
        ),
    ];
    for (options, expected) in cases {
        let error = plan(options, silent()).await.expect_err("usage");
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert!(error.message().contains(expected), "{error}");
    }
    let error = plan(base(&target), silent()).await.expect_err("no archive");
    assert_eq!(error.kind(), ErrorKind::NotFound);
}
