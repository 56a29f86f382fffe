//! What a role may not read is said before any data is read, all of it at once.

use pgark::catalog::{Keeper, KeeperOptions};
use pgark::connect::Session;
use pgark::error::ErrorKind;
use pgark::progress::silent;
use pgark::select::{SelectionRequest, TablePattern};

use super::params_as;
use crate::support::command::Run;
use crate::support::{World, newest_server, oracle, servers};

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_cannot_be_read_is_named_with_the_remedy() {
    for server in servers() {
        let database = server.database("dump_refusal");
        let role = format!("{}_reader", database.name());
        database.execute(&format!(
            "create role {role} login;
             create schema hidden; create table hidden.t(a int); create table open(a int);
             create table \"Closed\"(a int); create sequence steps; create table secret(a int);
             alter table secret enable row level security;
             create table owned(a int); alter table owned enable row level security; alter table owned owner to {role};
             grant select on open, secret to {role};"
        ));
        let mut options = KeeperOptions::default();
        let params = params_as(&database, Some(&role));
        let error = Keeper::open(&params, &options, &silent()).await.expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Refused);
        assert_eq!(
            error.message(),
            format!(
                "the role {role} cannot read everything that was asked for: no USAGE privilege on the schemas hidden; \
                 no SELECT privilege on the tables hidden.t, public.\"Closed\"; no SELECT privilege on the sequences public.steps; \
                 row security may hide rows of the tables public.secret"
            ),
            "on {server}"
        );
        // The remedy is SQL that works.
        let remedy = error.hints()[0].split_once(": ").expect("statements").1.to_owned();
        let administrator = Session::connect(&params_as(&database, None)).await.expect("session");
        administrator.execute("follow the advice", &remedy).await.expect("valid statements");
        Keeper::open(&params, &options, &silent()).await.expect("allowed now");
        administrator
            .execute(
                "take it back",
                &format!("alter role {role} nobypassrls; revoke select on \"Closed\" from {role}"),
            )
            .await
            .expect("revoke");
        // What is not dumped needs no privilege.
        options.request = SelectionRequest {
            exclude_tables: vec![TablePattern::new("\"Closed\"")],
            exclude_table_data: vec![TablePattern::new("secret")],
            ..SelectionRequest::default()
        };
        Keeper::open(&params, &options, &silent()).await.expect("only what may be read");
        administrator
            .execute("drop", &format!("drop owned by {role} cascade; drop role {role}"))
            .await
            .expect("drop");
    }
}

#[test]
fn a_copy_that_breaks_in_the_middle_is_told_in_the_words_of_the_stand_in() {
    let Some(stock) = oracle::record() else { return };
    let database = newest_server().database("dump_broken_copy");
    // Rows are on their way when the function fails.
    let role = format!("{}_reader", database.name());
    database.execute(&format!(
        "create table t(a int); insert into t select generate_series(1, 30000);
         create function f(int) returns int language plpgsql immutable as
         'begin if $1 = 20000 then raise ''no %'', $1 using detail = ''d''; end if; return $1; end';
         alter table t enable row level security; create policy p on t using (f(a) > 0);
         create role {role} login; grant select on t to {role};"
    ));
    let arguments = ["-a", "-d", database.uri(), "--role", &role, "--enable-row-security"];
    let theirs = Run::of(stock.command("pg_dump").args(arguments)).fails_with(1);
    for more in [&["-Fp"][..], &["-Fc", "-f", "out"]] {
        let arguments = [&["pg_dump"], &arguments[..], more].concat();
        let ours = World::new().pgark(&arguments).fails_with(1);
        assert_eq!(ours.stderr, theirs.stderr, "{more:?}");
    }
    database.execute(&format!("drop owned by {role} cascade; drop role {role}"));
}

#[test]
fn the_stand_in_fails_with_the_servers_first_refusal() {
    let Some(stock) = oracle::record() else { return };
    for server in servers() {
        let database = server.database("dump_refused");
        let role = format!("{}_reader", database.name());
        database.execute(&format!(
            "create role {role} login;
             create schema hidden; create table hidden.t(a int); create table closed(a int);
             create table secret(a int); alter table secret enable row level security;
             create sequence steps; grant select on secret to {role}; grant usage on schema hidden to {role};
             create foreign data wrapper dumb; create server nowhere foreign data wrapper dumb;
             create foreign table far(a int) server nowhere; grant select on far to {role};"
        ));
        let foreign: [&str; 3] = ["--include-foreign-data=nowhere", "-t", "far"];
        for options in [
            &["-t", "hidden.t"][..],
            &["-t", "closed"],
            &["-t", "secret"],
            &["-N", "none"],
            &foreign,
        ] {
            let arguments = [&["-d", database.uri(), "--role", &role], options].concat();
            let theirs = Run::of(stock.command("pg_dump").args(&arguments)).fails_with(1);
            let ours = World::new().pgark(&[&["pg_dump"], &arguments[..]].concat()).fails_with(1);
            // The two ask in other words.
            let said = |run: &Run| {
                let (said, asked) = run.stderr.split_once("detail: Query was: ").expect("a query");
                assert!(!asked.trim().is_empty());
                said.to_owned()
            };
            assert_eq!(said(&ours), said(&theirs), "{options:?} on {server}");
        }
        database.execute(&format!("drop owned by {role} cascade; drop role {role}"));
    }
}
