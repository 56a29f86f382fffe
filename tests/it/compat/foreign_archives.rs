//! Archives by stock pg_dump, read by pgark.

use crate::support::{World, oracle, servers};

use super::{assert_equal, sample};

#[test]
fn archives_by_pg_dump_are_restored() {
    for server in servers() {
        let source = sample(server);
        for stock in oracle::all().iter().filter(|stock| stock.can_dump(&source)) {
            let world = World::new();
            for compression in
                ["none", "gzip", "lz4", "zstd"].into_iter().filter(|c| stock.knows(c))
            {
                let archive = world.path(&format!("{compression}.backup"));
                // pg_dump 15 knows levels only.
                let level = if stock.knows("zstd") {
                    format!("-Z{compression}")
                } else {
                    format!("-Z{}", if compression == "none" { 0 } else { 6 })
                };
                stock.dump_archive(&source, &archive, &["-Fd", "-j2", &level]);
                let path = archive.to_str().expect("TMPDIR is UTF-8");
                let _ = world.pgark(&["verify", path]).success();
                let target = server.database("from_stock");
                let _ = world.pgark(&["restore", "-d", target.uri(), "-j", "2", path]).success();
                assert_equal(stock, &source, &target);
            }
        }
    }
}
