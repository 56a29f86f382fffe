//! `pgark pg_dump` with rows prints what pg_dump 18 prints, whatever the server and the options.

use std::io::Read;

use crate::support::oracle::RESTRICT_KEY;
use crate::support::{World, oracle, servers};

use super::{assert_same_text, sample};

/// Options that change what is in a script of rows, or how it is written.
const OPTIONS: [&[&str]; 24] = [
    &[],
    &["-a"],
    &["--inserts"],
    &["--column-inserts", "--on-conflict-do-nothing"],
    &["--rows-per-insert=7", "-a", "--load-via-partition-root"],
    &["--load-via-partition-root", "-c", "--if-exists", "-C"],
    &["-a", "--disable-triggers", "-S", "Some Body"],
    &["--use-set-session-authorization", "-c"],
    &["-a", "-C"],
    &["-B", "--no-unlogged-table-data"],
    &["-t", "s.t", "-b"],
    &["-n", "s", "-x", "-O"],
    &["--section=data"],
    &["--section=pre-data", "--section=post-data"],
    &["--no-data", "--sequence-data"],
    &["--no-schema"],
    &["--no-data", "--no-schema"],
    &["--quote-all-identifiers", "--inserts"],
    &["--extra-float-digits=0", "-t", "s.t"],
    &["--exclude-table-data=s.p*", "--exclude-table-data-and-children=s.r"],
    &["--table-and-children=s.r", "--exclude-table-and-children=s.r1"],
    &["-E", "LATIN1"],
    &["--enable-row-security", "--serializable-deferrable"],
    &["--no-comments", "--no-policies", "--no-toast-compression", "--no-table-access-method"],
];

#[test]
fn rows_are_printed_as_stock_prints_them() {
    let Some(stock) = oracle::record() else { return };
    let key = format!("--restrict-key={RESTRICT_KEY}");
    for server in servers() {
        let database = server.database("plain_text");
        database.execute(include_str!("../../../fixtures/compat/values.sql"));
        let world = World::new();
        for options in OPTIONS {
            let mut arguments = vec!["pg_dump", &key, "-d", database.uri()];
            arguments.extend(options);
            let ours = world.pgark(&arguments).success();
            assert_same_text(&stock.pg_dump(&database, options), &ours.stdout);
            assert_eq!(ours.stderr, "", "{options:?}");
        }
    }
}

#[test]
fn rows_of_the_sample_are_printed_as_stock_prints_them() {
    let Some(stock) = oracle::record() else { return };
    let key = format!("--restrict-key={RESTRICT_KEY}");
    for server in servers() {
        let database = sample(server);
        let world = World::new();
        for options in [&[][..], &["--inserts"]] {
            let mut arguments = vec!["pg_dump", &key, "-d", database.uri()];
            arguments.extend(options);
            let ours = world.pgark(&arguments).success();
            assert_same_text(&stock.pg_dump(&database, options), &ours.stdout);
        }
    }
}

#[test]
fn a_compressed_script_holds_the_same_text() {
    let Some(stock) = oracle::record() else { return };
    let key = format!("--restrict-key={RESTRICT_KEY}");
    let database = servers()[0].database("plain_compressed");
    database.execute(
        "create table t as select i, repeat(md5(i::text), 40) as text from generate_series(1, 3000) i",
    );
    let expected = stock.pg_dump(&database, &[]);
    let world = World::new();
    for compression in ["gzip:1", "lz4", "zstd", "none"] {
        let output = world.path("script");
        let file = output.to_str().expect("UTF-8");
        let arguments = ["pg_dump", &key, "-d", database.uri(), "-f", file, "-Z", compression];
        // The second run replaces what the one before has left.
        let _ = world.pgark(&arguments).success();
        let algorithm =
            compression.parse::<pgark::codec::Compression>().expect("a compression").algorithm;
        let file = std::fs::File::open(&output).expect("a script");
        let mut reader = pgark::codec::decoder(algorithm, file);
        let mut text = String::new();
        reader.read_to_string(&mut text).expect("decodes");
        assert_same_text(&expected, &text);
    }
}

#[test]
fn rows_of_foreign_tables_are_read_where_they_are_asked_for() {
    let Some(stock) = oracle::record() else { return };
    let key = format!("--restrict-key={RESTRICT_KEY}");
    let database = servers()[0].database("plain_foreign");
    database
        .execute("create extension file_fdw; create server files foreign data wrapper file_fdw;");
    let world = World::new();
    let rows = world.path("rows");
    std::fs::write(&rows, "1\tone\n2\ttwo\n").expect("a file");
    database.execute(&format!(
        "create foreign table f(a int, b text) server files options (filename '{}')",
        rows.display()
    ));
    for options in
        [&[][..], &["--include-foreign-data=fil*"], &["--include-foreign-data=files", "--inserts"]]
    {
        let mut arguments = vec!["pg_dump", &key, "-d", database.uri()];
        arguments.extend(options);
        let ours = world.pgark(&arguments).success();
        assert_same_text(&stock.pg_dump(&database, options), &ours.stdout);
        assert_eq!(ours.stdout.contains("one"), !options.is_empty());
    }
    let missing = ["pg_dump", "-d", database.uri(), "--include-foreign-data=x"];
    let run = world.pgark(&missing).fails_with(1);
    assert_eq!(
        run.stderr,
        "pg_dump: error: no matching foreign servers were found for pattern \"x\"\n"
    );
}
