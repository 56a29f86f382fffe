//! Archives by pgark, read by stock pg_restore: 15 as an older program, 18 with every codec.

use crate::support::oracle::Oracle;
use crate::support::{World, oracle, server_of};

use super::{assert_equal, sample};

/// Restores the sample of one major with a stock pg_restore of that major, serially and with four jobs.
fn restored_by(stock: &Oracle, compressions: &[&str]) {
    let Some(server) = server_of(stock.major()) else { return };
    let source = sample(server);
    let world = World::new();
    for compression in compressions {
        assert!(stock.knows(compression.split(':').next().expect("a codec")));
        let name = format!("{compression}.backup");
        // Two connections, so that pieces are stitched as in any real archive.
        let arguments = ["dump", "-d", source.uri(), "-f", &name, "-Z", compression, "-j", "2"];
        let _ = world.pgark(&arguments).success();
        for jobs in ["-j1", "-j4"] {
            let target = server.database("restored");
            stock.restore(&world.path(&name), &target, &[jobs, "--exit-on-error"]);
            assert_equal(stock, &source, &target);
        }
    }
}

#[test]
fn pg_restore_15_reads_gzip_and_no_compression() {
    let Some(stock) = oracle::second() else { return };
    restored_by(&stock, &["gzip", "none"]);
}

#[test]
fn pg_restore_18_reads_every_codec() {
    let Some(stock) = oracle::record() else { return };
    restored_by(&stock, &["none", "gzip:1", "lz4", "zstd"]);
}
