//! What is in an archive: the stock tools restore it, and the copy equals the original.

use std::path::Path;

use pgark::archive;
use pgark::codec::Compression;
use pgark::dump::{DumpContent, DumpOptions, DumpReport};
use pgark::progress::{Interrupt, silent};
use pgark::select::{SelectionRequest, TablePattern};

use super::{options, plan, run};
use crate::support::database::Database;
use crate::support::{World, newest_server, oracle, server_of, servers};

/// Tables of every sort that has rows of its own, some without any.
const TABLES: &str = r#"
create table plain(a int primary key, b text, c numeric(12,4), d timestamptz, e bytea, f float8, g interval);
insert into plain select i, case when i % 7 = 0 then null else repeat(E'tab\tnew\nline\\' || chr(228), i % 50) end,
    i * 1.0001, '2000-01-01 00:00:00+02'::timestamptz + i * interval '1 hour', decode(md5(i::text), 'hex'),
    sqrt(i), i * interval '1 day 3 hours' from generate_series(1, 5000) i;
create table "Empty Table"("Column 1" int, "select" text);
create table nothing();
insert into nothing select from generate_series(1, 7);
create unlogged table unlogged(a int); insert into unlogged select generate_series(1, 10);
create table measured(at date, value int) partition by range (at);
create table measured_1 partition of measured for values from ('2000-01-01') to ('2001-01-01');
create table measured_2 partition of measured for values from ('2001-01-01') to ('2002-01-01') partition by hash (value);
create table measured_2_0 partition of measured_2 for values with (modulus 2, remainder 0);
create table measured_2_1 partition of measured_2 for values with (modulus 2, remainder 1);
insert into measured select '2000-01-01'::date + i, i from generate_series(0, 720) i;
create table parent(a int); create table child(b int) inherits (parent);
insert into parent values (1), (2); insert into child values (3, 4);
create table computed(a int, twice int generated always as (a * 2) stored, id int generated always as identity, dropped text);
alter table computed drop column dropped;
insert into computed(a) values (1), (2), (3);
create table only_computed(x int generated always as (1) stored);
insert into only_computed default values; insert into only_computed default values;
create sequence counter start 5 increment 3; select nextval('counter'), nextval('counter');
create sequence unused start 42;
create table wide(a text); insert into wide select repeat('x', 3000000) || i from generate_series(1, 3) i;
"#;

/// Restores with stock pg_restore into a server that understands its statements, and compares.
async fn assert_restores(
    stock: &oracle::Oracle,
    archive: &Path,
    original: &Database,
    report: &DumpReport,
) {
    if stock.major() == original.major() || (stock.major() == 15 && stock.can_dump(original)) {
        let Some(server) = server_of(original.major()) else { return };
        let copy = server.database("dump_copy");
        stock.restore(archive, &copy, &[]);
        assert_eq!(stock.pg_dump(original, &[]), stock.pg_dump(&copy, &[]));
    } else if let Some(server) = server_of(stock.major()) {
        // pg_restore sets what only servers of its own major know; the text of a dump differs by major.
        let copy = server.database("dump_copy");
        stock.restore(archive, &copy, &["-j2"]);
        let world = World::new();
        let again = run(options(&copy, &world.path("again"))).await.expect("a dump of the copy");
        assert_eq!(contents(report), contents(&again));
    }
}

/// Returns what tables hold.
fn contents(report: &DumpReport) -> Vec<(&str, String, u64)> {
    let tables = report.tables.iter();
    let mut contents: Vec<_> = tables
        .map(|table| (table.name.as_str(), table.fingerprint.to_string(), table.raw_bytes))
        .collect();
    contents.sort();
    contents
}

fn with(database: &Database, output: &Path, jobs: usize, compression: &str) -> DumpOptions {
    let compression: Compression = compression.parse().expect("a compression");
    DumpOptions { jobs, compression, ..options(database, output) }
}

#[tokio::test(flavor = "multi_thread")]
async fn stock_pg_restore_brings_everything_back() {
    for server in servers() {
        let database = server.database("dump_content");
        database.execute(TABLES);
        let world = World::new();
        for (jobs, compression) in
            [(1, "none"), (4, "gzip"), (2, "lz4"), (3, "zstd:1"), (2, "zstd:level=3,long")]
        {
            let output = world.path(&format!("{}-{jobs}-{compression}", server.major()));
            let report = run(with(&database, &output, jobs, compression)).await.expect("a dump");
            let rows = |name: &str| {
                report
                    .tables
                    .iter()
                    .find(|table| table.name == name)
                    .map(|table| table.fingerprint.rows)
            };
            assert_eq!(rows("nothing"), Some(7));
            assert_eq!(rows("only_computed"), Some(2));
            assert_eq!(rows("Empty Table"), Some(0));
            assert_eq!(rows("parent"), Some(2));
            assert_eq!(rows("measured"), None, "a partitioned table has no rows of its own");
            let algorithm = compression.split(':').next().unwrap_or_default();
            for stock in oracle::all().iter().filter(|stock| stock.knows(algorithm)) {
                assert_restores(stock, &output, &database, &report).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_in_pieces_is_one_entry_and_keeps_its_order() {
    for server in [14, 18].into_iter().filter_map(server_of) {
        let database = server.database("dump_pieces");
        database.execute(
            "create table large(id int, filler text);
             insert into large select i, repeat(md5(i::text), 12) from generate_series(1, 170000) i;
             create table small(a int); insert into small values (1);",
        );
        let world = World::new();
        let whole = world.path("whole");
        let whole_report = run(with(&database, &whole, 1, "zstd:1")).await.expect("a dump");
        for jobs in [2, 4] {
            let output = world.path(&format!("pieces-{jobs}"));
            let plan =
                plan(with(&database, &output, jobs, "zstd:1"), silent()).await.expect("a plan");
            assert!(plan.pieces().len() > 2, "{plan}");
            let report = plan.run(Interrupt::default()).await.expect("a dump");
            assert_eq!(report.rows, 170_001);
            let read = |path: &Path| {
                let archive = archive::open(path).expect("an archive");
                let entry =
                    archive.entries().iter().find(|entry| entry.tag == "large" && entry.has_data);
                let mut text = Vec::new();
                let mut data = archive.open_data(entry.expect("an entry")).expect("data");
                std::io::Read::read_to_end(&mut data, &mut text).expect("text");
                text
            };
            assert!(read(&whole) == read(&output), "the text differs");
            assert_eq!(contents(&report), contents(&whole_report));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn selections_decide_what_is_dumped() {
    let database = newest_server().database("dump_selection");
    database.execute(
        "create schema s; create table s.a(x int); insert into s.a values (1); create table s.b(x int); insert into s.b values (1);
         create table c(x int); insert into c values (1);",
    );
    let world = World::new();
    let schema =
        |name: &str| SelectionRequest { schemas: vec![name.to_owned()], ..Default::default() };
    let cases = [
        (
            "everything",
            SelectionRequest::default(),
            DumpContent::EVERYTHING,
            vec!["c", "s.a", "s.b"],
        ),
        ("schema", schema("s"), DumpContent::EVERYTHING, vec!["s.a", "s.b"]),
        (
            "not-schema",
            SelectionRequest { exclude_schemas: vec!["s".to_owned()], ..Default::default() },
            DumpContent::DATA_ONLY,
            vec!["c"],
        ),
        (
            "table",
            SelectionRequest {
                tables: vec![TablePattern::new("s.*")],
                exclude_tables: vec![TablePattern::new("s.b")],
                ..Default::default()
            },
            DumpContent::EVERYTHING,
            vec!["s.a"],
        ),
        (
            "not-data",
            SelectionRequest { exclude_table_data: vec![TablePattern::new("s.b")], ..schema("s") },
            DumpContent::EVERYTHING,
            vec!["s.a"],
        ),
        ("schema-only", SelectionRequest::default(), DumpContent::SCHEMA_ONLY, vec![]),
    ];
    for (name, selection, content, expected) in cases {
        let output = world.path(name);
        let options = DumpOptions { selection, content, ..options(&database, &output) };
        let report = run(options).await.expect("a dump");
        let mut dumped: Vec<_> = report
            .tables
            .iter()
            .map(|table| match table.schema.as_str() {
                "public" => table.name.clone(),
                schema => format!("{schema}.{}", table.name),
            })
            .collect();
        dumped.sort();
        assert_eq!(dumped, expected, "{name}");
        let archive = archive::open(&output).expect("an archive");
        let definitions = archive.entries().iter().filter(|entry| entry.desc == "TABLE").count();
        assert_eq!(definitions == 0, content == DumpContent::DATA_ONLY, "{name}");
    }
}
