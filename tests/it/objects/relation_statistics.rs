//! What the planner knows: the entries of `pgark dump --statistics` are stock's, and 18 takes them.

use super::make_roles;
use crate::support::database::Database;
use crate::support::oracle::{self, Oracle, RESTRICT_KEY, without_internal_options};
use crate::support::{World, every_server, server_of};

/// Relations of every sort with rows of every sort that has its own kind of statistics.
const SCRIPT: &str = r#"
create schema "St a";
create table "St a".r(a int4range, "b'\x" text[], c box, d int);
insert into "St a".r
select int4range(i, i + i % 7), array['x' || i % 5, 'y''\' || i % 3, 'ü'], '(1,1),(2,2)', nullif(i % 9, 0)
from generate_series(1, 1000) i;
create index on "St a".r ((lower(a)), d, (upper(a) + 1)) include (c);
create index "plain " on "St a".r (d);
create table "St a".never(a int);
create table "St a".empty(a int primary key, b text unique);
create materialized view "St a".mv as select * from "St a".r;
create index on "St a".mv ((lower(a)));
create materialized view "St a".unfilled as select * from "St a".r with no data;
-- The key makes its definition wait for the data.
create materialized view "St a".late as select e.* from "St a".empty e group by e.a;
create table parent(a int, b text, primary key (a)) partition by range (a);
create table part partition of parent for values from (0) to (100);
insert into parent select i, i::text from generate_series(0, 99) i;
create table old(a int);
create table young(b int) inherits (old);
insert into young select i, i from generate_series(1, 50) i;
create index on old ((a + 1));
create foreign data wrapper nowhere;
create server nowhere foreign data wrapper nowhere;
create foreign table far(a int) server nowhere;
create view seen as select * from old;
create sequence counted;
analyze "St a".r, "St a".empty, "St a".mv, "St a".late, parent, old;
vacuum "St a".r;
"#;

/// What the entries are as a script, and the list of the entries.
fn stock_says(stock: &Oracle, archive: &std::path::Path) -> (String, Vec<String>) {
    let key = format!("--restrict-key={RESTRICT_KEY}");
    let script = stock.pg_restore(&["-f", "-", &key], archive).success().stdout;
    let script = without_internal_options(script);
    // pgark says that it is the dumper.
    let script =
        script.lines().filter(|line| !line.starts_with("-- Dumped by")).collect::<Vec<_>>();
    let list = stock.pg_restore(&["-l"], archive).success().stdout;
    let list = list
        .lines()
        .filter(|line| !line.starts_with(';'))
        .filter_map(|line| line.split_once("; "))
        .map(|(_, entry)| entry.to_owned());
    (script.join("\n"), list.collect())
}

fn source(server: &crate::support::server::Server) -> Database {
    make_roles(server);
    let source = server.database("relation_statistics");
    source.execute(SCRIPT);
    source
}

#[test]
fn statistics_equal_stock_on_every_server() {
    let Some(stock) = oracle::record() else { return };
    for server in every_server() {
        let source = source(server);
        let world = World::new();
        let sets: [&[&str]; 4] = [
            &["--statistics"],
            &["--statistics-only"],
            &["--statistics", "-t", "part"],
            &["--statistics", "-T", "*.*e*"],
        ];
        for (number, options) in sets.into_iter().enumerate() {
            let (theirs, ours) =
                (world.path(&format!("stock{number}")), world.path(&format!("pgark{number}")));
            stock.dump_archive(&source, &theirs, &[&["-Fd"], options].concat());
            let path = ours.to_str().expect("UTF-8");
            let arguments = [&["dump", "-d", source.uri(), "-f", path], options].concat();
            let _ = world.pgark(&arguments).success();
            let (expected, found) = (stock_says(&stock, &theirs), stock_says(&stock, &ours));
            assert!(expected.0.contains("pg_restore_relation_stats"), "{}", expected.0);
            assert_eq!(found.1, expected.1, "entries on {server}, {options:?}");
            let unlike =
                found.0.lines().zip(expected.0.lines()).find(|(ours, theirs)| ours != theirs);
            assert_eq!((unlike, found.0.len()), (None, expected.0.len()), "{server}, {options:?}");
        }
    }
}

#[test]
fn restored_statistics_are_those_of_the_source() {
    let Some(server) = server_of(18) else { return };
    let source = source(server);
    let world = World::new();
    let _ = world.pgark(&["dump", "-d", source.uri(), "-f", "archive", "--statistics"]).success();
    let target = server.database("relation_statistics_again");
    let run = world.pgark(&["restore", "-d", target.uri(), "archive"]).success();
    assert!(!run.stderr.contains("warning"), "{}", run.stderr);
    // Statistics that are there are worth more than what a look at some of the rows would find.
    let known = "select n.nspname, c.relname, c.relkind, c.relpages, c.reltuples
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname in ('public', 'St a') and c.relkind in ('r', 'p', 'm', 'f', 'i', 'I') order by 1, 2";
    assert_eq!(target.query(known), source.query(known));
    // The names of columns that are expressions are made anew.
    let columns =
        "select row(n.nspname, c.relname, a.attnum, s.inherited, s.null_frac, s.n_distinct,
            s.most_common_vals, s.histogram_bounds, s.most_common_elems, s.range_bounds_histogram)
        from pg_stats s join pg_namespace n on n.nspname = s.schemaname
        join pg_class c on c.relnamespace = n.oid and c.relname = s.tablename
        join pg_attribute a on a.attrelid = c.oid and a.attname = s.attname
        where n.nspname in ('public', 'St a') order by 1";
    let expected = source.query(columns);
    assert!(expected.contains("young"), "{expected}");
    assert_eq!(target.query(columns), expected);
}

#[test]
fn an_older_server_gets_everything_but_the_statistics() {
    let Some(server) = server_of(15) else { return };
    let source = source(server);
    let world = World::new();
    let _ = world.pgark(&["dump", "-d", source.uri(), "-f", "archive", "--statistics"]).success();
    let target = server.database("relation_statistics_old");
    let run = world.pgark(&["restore", "-d", target.uri(), "archive"]).success();
    assert!(run.stderr.contains("which the target cannot take"), "{}", run.stderr);
    assert_eq!(target.query("select count(*) from \"St a\".r"), "1000");
}
