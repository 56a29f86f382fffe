//! What pg_dump says on standard error about a database that it cannot dump quite well.

use crate::support::oracle;
use crate::support::{World, newest_server};

/// Keys in circles of one, two and more tables, and a view over a function that waits for a primary key.
const SCRIPT: &str = r#"
create schema w;
create table w.own (id int primary key, up int references w.own);
create table w."one ""x" (id int primary key, other int);
create table w.two (id int primary key, other int references w."one ""x");
alter table w."one ""x" add foreign key (other) references w.two;
create table w.three (id int primary key, t int references w.two, o int references w."one ""x");
create function w.grouped() returns bigint language sql begin atomic
    select count(*) from (select id, up from w.own group by id) x;
end;
create view w.above as select w.grouped();
"#;

#[test]
fn warnings_are_those_of_stock() {
    let Some(stock) = oracle::record() else { return };
    let database = newest_server().database("warnings");
    database.execute(SCRIPT);
    let world = World::new();
    for options in [&["-a"][..], &["-s"], &["--section=data"], &["-n", "public"]] {
        let mut command = stock.command("pg_dump");
        let expected = command.args(options).args(["-d", database.uri()]).output();
        let expected = expected.expect("pg_dump can be started").stderr;
        let ours = world.pgark(&[&["pg_dump", "-d", database.uri()], options].concat()).success();
        assert_eq!(ours.stderr, String::from_utf8_lossy(&expected), "{options:?}");
    }
    // Those of `pgark dump` are lines of their own.
    let ours = world.pgark(&["dump", "-a", "-d", database.uri(), "-f", "archive"]).success();
    assert!(
        ours.stderr.contains("among these tables: w.one \"x, w.two; the dump may"),
        "{}",
        ours.stderr
    );
}
