//! Custom and tar archives, both ways between pgark and stock tools.

use crate::support::database::Database;
use crate::support::oracle::{self, Oracle};
use crate::support::{World, server_of};

use super::{assert_equal, sample};

/// A format with a codec, and how stock tools take it.
struct Kind {
    /// The name of the file; its ending is the format.
    name: &'static str,
    compression: &'static str,
    /// The options of stock pg_dump: `-F` and, for 15, which knows levels only, `-Z`.
    stock: [&'static str; 2],
    stock_15: Option<[&'static str; 2]>,
    /// How often stock pg_restore is run, with how many connections: tar is read by one.
    jobs: &'static [&'static str],
}

const KINDS: [Kind; 5] = [
    Kind {
        name: "none.dump",
        compression: "none",
        stock: ["-Fc", "-Znone"],
        stock_15: Some(["-Fc", "-Z0"]),
        jobs: &["-j1", "-j4"],
    },
    Kind {
        name: "gzip.dump",
        compression: "gzip:1",
        stock: ["-Fc", "-Zgzip"],
        stock_15: Some(["-Fc", "-Z6"]),
        jobs: &["-j1", "-j4"],
    },
    Kind {
        name: "lz4.dump",
        compression: "lz4",
        stock: ["-Fc", "-Zlz4"],
        stock_15: None,
        jobs: &["-j1", "-j4"],
    },
    Kind {
        name: "zstd.dump",
        compression: "zstd",
        stock: ["-Fc", "-Zzstd"],
        stock_15: None,
        jobs: &["-j1", "-j4"],
    },
    Kind {
        name: "plain.tar",
        compression: "none",
        stock: ["-Ft", "-Znone"],
        stock_15: Some(["-Ft", "-Z0"]),
        jobs: &["-j1"],
    },
];

fn both_ways(stock: &Oracle) {
    let Some(server) = server_of(stock.major()) else { return };
    let source = sample(server);
    let world = World::new();
    for kind in &KINDS {
        let options = match stock.major() {
            15 => kind.stock_15,
            _ => Some(kind.stock),
        };
        let Some(options) = options else { continue };
        let arguments = ["dump", "-d", source.uri(), "-f", kind.name, "-j", "2"];
        let _ = world.pgark(&[&arguments[..], &["-Z", kind.compression]].concat()).success();
        let _ = world.pgark(&["verify", kind.name]).success();
        for jobs in kind.jobs {
            let target = server.database("restored");
            stock.restore(&world.path(kind.name), &target, &[jobs, "--exit-on-error"]);
            assert_equal(stock, &source, &target);
        }

        let name = format!("stock-{}", kind.name);
        stock.dump_archive(&source, &world.path(&name), &options);
        let _ = world.pgark(&["verify", &name]).success();
        let target = server.database("from_stock");
        let _ = world.pgark(&["restore", "-d", target.uri(), "-j", "4", &name]).success();
        assert_equal(stock, &source, &target);
    }
}

#[test]
fn single_files_go_both_ways_with_18() {
    let Some(stock) = oracle::record() else { return };
    both_ways(&stock);
}

#[test]
fn single_files_go_both_ways_with_15() {
    let Some(stock) = oracle::second() else { return };
    both_ways(&stock);
}

/// Returns the large objects of a database with their bytes and comments.
fn large_objects(database: &Database) -> String {
    database.query(
        "select string_agg(concat_ws('|', oid, length(lo_get(oid)), md5(lo_get(oid)),
            obj_description(oid, 'pg_largeobject')), E'\\n' order by oid)
         from pg_largeobject_metadata",
    )
}

/// Dumps and restores large objects both ways: an empty one, one with holes, one longer than a block,
/// one whose oid does not fit 31 bits, and so many that they are grouped or not.
fn large_objects_both_ways(stock: &Oracle, small: usize) {
    let Some(server) = server_of(stock.major()) else { return };
    let source = server.database("with_large_objects");
    source.execute(&format!(
        "select lo_create(20000);
         select lo_from_bytea(20002, decode(repeat('00ff410a5c', 700000), 'hex'));
         select lo_create(20003); select lo_put(20003, 5000000, 'tail');
         select lo_from_bytea(4000000000, 'far');
         select lo_from_bytea(30000 + n, convert_to('object ' || n, 'UTF8'))
             from generate_series(1, {small}) n;
         comment on large object 20003 is 'it''s';
         create table t (a integer); insert into t values (1);"
    ));
    let expected = large_objects(&source);
    let world = World::new();
    for kind in &KINDS {
        let options = match stock.major() {
            15 => kind.stock_15,
            _ => Some(kind.stock),
        };
        let Some(options) = options else { continue };
        // Only 17 and later read groups.
        if stock.major() >= 17 || small < 1000 {
            let arguments = ["dump", "-d", source.uri(), "-f", kind.name, "-j", "2"];
            let _ = world.pgark(&[&arguments[..], &["-Z", kind.compression]].concat()).success();
            let _ = world.pgark(&["verify", kind.name]).success();
            let _ = world.pgark(&["verify", "--quick", kind.name]).success();
            for jobs in kind.jobs {
                let target = server.database("restored");
                stock.restore(&world.path(kind.name), &target, &[jobs, "--exit-on-error"]);
                assert_eq!(large_objects(&target), expected, "{} {jobs}", kind.name);
            }
            let target = server.database("restored");
            let _ = world.pgark(&["restore", "-d", target.uri(), "-j", "2", kind.name]).success();
            assert_eq!(large_objects(&target), expected, "{}", kind.name);
        }
        let name = format!("stock-{}", kind.name);
        stock.dump_archive(&source, &world.path(&name), &options);
        let _ = world.pgark(&["verify", &name]).success();
        let target = server.database("from_stock");
        let _ = world.pgark(&["restore", "-d", target.uri(), "-j", "2", &name]).success();
        assert_eq!(large_objects(&target), expected, "{name}");
    }
}

#[test]
fn large_objects_go_both_ways() {
    for stock in oracle::all() {
        large_objects_both_ways(&stock, 20);
        large_objects_both_ways(&stock, 1500);
    }
}
