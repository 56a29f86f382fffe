//! Every format with every codec, both ways between pgark and the stock tools of 15, 16 and 18.
//!
//! The everyday run moves one small database whose rows are hard to write. The long one (`scripts/test --all`) adds
//! the sample database from every server that the tools can read.

use std::fmt;
use std::process::Command;

use crate::support::command::Run;
use crate::support::database::Database;
use crate::support::oracle::{self, Oracle};
use crate::support::server::Server;
use crate::support::{World, assert_same, every_server, is_long_run, server_of};

use super::sample;

/// How a dump is stored, and how it is asked for.
#[derive(Clone, Copy)]
struct Case {
    format: Format,
    codec: &'static str,
    /// The version that pgark is asked for; without one it takes the oldest that holds the content.
    version: Option<&'static str>,
    /// The first major whose tools read what pgark writes, and can write the same themselves.
    since: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Custom,
    Directory,
    Tar,
    Plain,
}

const CASES: [Case; 19] = [
    case(Format::Custom, "none", None, 15),
    case(Format::Custom, "gzip", None, 15),
    case(Format::Custom, "gzip", Some("1.15"), 16),
    case(Format::Custom, "gzip", Some("1.16"), 17),
    case(Format::Custom, "lz4", None, 16),
    case(Format::Custom, "zstd", None, 16),
    case(Format::Directory, "none", None, 15),
    case(Format::Directory, "gzip", None, 15),
    case(Format::Directory, "gzip", Some("1.15"), 16),
    case(Format::Directory, "gzip", Some("1.16"), 17),
    case(Format::Directory, "lz4", None, 16),
    case(Format::Directory, "zstd", None, 16),
    case(Format::Tar, "none", None, 15),
    case(Format::Tar, "none", Some("1.15"), 16),
    case(Format::Tar, "none", Some("1.16"), 17),
    case(Format::Plain, "none", None, 15),
    case(Format::Plain, "gzip", None, 15),
    case(Format::Plain, "lz4", None, 16),
    case(Format::Plain, "zstd", None, 16),
];

const fn case(
    format: Format,
    codec: &'static str,
    version: Option<&'static str>,
    since: u32,
) -> Case {
    Case { format, codec, version, since }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = self.version.unwrap_or("oldest");
        write!(f, "{}-{}-{version}", self.format.name(), self.codec)
    }
}

impl Format {
    fn name(self) -> &'static str {
        match self {
            Format::Custom => "custom",
            Format::Directory => "directory",
            Format::Tar => "tar",
            Format::Plain => "plain",
        }
    }

    /// How often stock pg_restore is run, with how many connections: tar is read by one.
    fn jobs(self) -> &'static [&'static str] {
        if self == Format::Tar { &["-j1"] } else { &["-j1", "-j4"] }
    }
}

impl Case {
    /// Writes a database with pgark.
    fn write(&self, world: &World, source: &Database, name: &str) {
        let format = ["-F", self.format.name(), "-Z", self.codec, "-f", name];
        let version = self.version.map_or(vec![], |version| vec!["--archive-version", version]);
        // Several connections, so that a large table is read in pieces, if not for a script.
        let dump = ["dump", "-d", source.uri(), "-j", "4"];
        let _ = world.pgark(&[&dump[..], &format, &version].concat()).success();
        let _ = world.pgark(&["verify", name]).success();
    }

    /// Restores what pgark wrote with stock tools, and compares.
    fn stock_restores(&self, stock: &Oracle, source: &Source<'_>) {
        let world = World::new();
        let name = format!("by-pgark-{self}");
        self.write(&world, &source.database, &name);
        if self.format == Format::Plain {
            let target = source.server.database("by_psql");
            let script = world.path(&name);
            let decompress = match self.codec {
                "none" => "cat",
                "gzip" => "gzip -dc",
                "lz4" => "lz4 -dc",
                _ => "zstd -dc",
            };
            let mut psql = Command::new("/bin/sh");
            let pipe = format!("{decompress} <\"$0\" | \"$1\" -X -q -d \"$2\"");
            psql.args(["-c", &pipe]).arg(script).arg(stock.program("psql")).arg(target.uri());
            let said = Run::of(&mut psql).success().stderr;
            // As stock pg_dump 18 does, pgark sets what servers before 17 do not know, and psql goes on.
            let unknown = |line: &str| line.contains("parameter \"transaction_timeout\"");
            assert!(said.lines().all(unknown), "{said}");
            source.assert_equal(stock, &target, self);
            return;
        }
        for jobs in self.format.jobs() {
            let target = source.server.database("by_pg_restore");
            stock.restore(&world.path(&name), &target, &[jobs, "--exit-on-error"]);
            source.assert_equal(stock, &target, self);
        }
    }

    /// Restores what stock pg_dump wrote with pgark, and compares.
    fn pgark_restores(&self, stock: &Oracle, source: &Source<'_>) {
        let world = World::new();
        let name = format!("by-stock-{self}");
        let format = format!("-F{}", self.format.name());
        let compression = stock.compression_option(self.codec);
        stock.dump_archive(&source.database, &world.path(&name), &[&format, &compression]);
        let _ = world.pgark(&["verify", &name]).success();
        let target = source.server.database("by_pgark");
        let _ = world.pgark(&["restore", "-d", target.uri(), "-j", "4", &name]).success();
        source.assert_equal(stock, &target, self);
    }
}

/// A database that is dumped, and what stock pg_dump says of it.
struct Source<'a> {
    server: &'a Server,
    database: Database,
    text: String,
}

impl<'a> Source<'a> {
    fn new(stock: &Oracle, server: &'a Server, database: Database) -> Source<'a> {
        Source { server, text: stock.pg_dump(&database, &[]), database }
    }

    /// Fails the test unless stock pg_dump says the same of a copy, definitions, rows and large objects.
    #[track_caller]
    fn assert_equal(&self, stock: &Oracle, copy: &Database, case: &Case) {
        let context = format!("{case} with the tools of {} on {}", stock.major(), self.server);
        assert_same(&self.text, &stock.pg_dump(copy, &[]), &context);
    }

    /// Moves the database both ways in every case that the tools know.
    fn goes_both_ways(&self, stock: &Oracle) {
        for case in CASES.iter().filter(|case| case.since <= stock.major()) {
            case.stock_restores(stock, self);
            if case.version.is_none() {
                case.pgark_restores(stock, self);
            }
        }
    }
}

/// Returns a small database with hard rows, large objects of every kind, and a table that is read in pieces.
fn small(server: &Server) -> Database {
    let database = server.database("matrix");
    database.execute(include_str!("../../../fixtures/compat/values.sql"));
    database.execute(
        // Values of an enum hash by their oids: in another database its rows lie in other partitions.
        // The large table has one short row on each page: large on disk, small as text.
        "drop table s.p;
         create table public.sparse (n integer, text text) with (fillfactor = 10);
         insert into public.sparse select n, repeat(md5(n::text), 15) from generate_series(1, 8400) n;
         update public.sparse set text = left(text, 9);
         select lo_create(20000);
         select lo_from_bytea(20002, decode(repeat('00ff410a5c', 250000), 'hex'));
         select lo_create(20003); select lo_put(20003, 300000, 'tail');
         select lo_from_bytea(4000000000, 'far');
         comment on large object 20003 is 'it''s';",
    );
    let world = World::new();
    let plan = ["dump", "-d", database.uri(), "-f", "x.dump", "-j", "4", "--dry-run"];
    let plan = world.pgark(&plan).success().stdout;
    let pieces = plan.lines().find(|line| line.contains("public.sparse")).expect("the table");
    assert!(pieces.contains("pieces"), "not split: {plan}");
    database
}

fn both_ways(stock: &Oracle) {
    if let Some(server) = server_of(stock.major()) {
        Source::new(stock, server, small(server)).goes_both_ways(stock);
    }
    if is_long_run() {
        for server in every_server().iter().filter(|server| server.major() <= stock.major()) {
            Source::new(stock, server, sample(server)).goes_both_ways(stock);
        }
    }
}

#[test]
fn every_format_and_codec_goes_both_ways_with_15() {
    let Some(stock) = oracle::second() else { return };
    both_ways(&stock);
}

#[test]
fn every_format_and_codec_goes_both_ways_with_16() {
    let Some(stock) = oracle::third() else { return };
    both_ways(&stock);
}

#[test]
fn every_format_and_codec_goes_both_ways_with_18() {
    let Some(stock) = oracle::record() else { return };
    both_ways(&stock);
}

/// So many that pgark groups them, which needs 1.16; older tools write an entry for each, as for any number.
#[test]
fn many_large_objects_go_both_ways() {
    for stock in oracle::all() {
        let Some(server) = server_of(stock.major()) else { continue };
        let database = server.database("many_objects");
        database.execute(
            "select lo_from_bytea(30000 + n, convert_to('object ' || n, 'UTF8'))
                 from generate_series(1, 1500) n",
        );
        let source = Source::new(&stock, server, database);
        // The codec is of no interest here.
        let cases = CASES.iter().filter(|case| case.codec == "none" && case.version.is_none());
        for case in cases.filter(|case| case.format != Format::Plain) {
            if stock.major() >= 17 {
                case.stock_restores(&stock, &source);
            }
            case.pgark_restores(&stock, &source);
        }
    }
}
