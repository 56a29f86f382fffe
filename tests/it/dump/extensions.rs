//! Extensions with rows of their own: configuration tables, conditions, sequences, members of users.

use std::path::Path;

use crate::support::oracle::{self, Oracle, RESTRICT_KEY};
use crate::support::{World, servers};

const SAMPLE: &str = include_str!("../../../fixtures/objects/extension_sample.sql");

const ROLES: &str = "select format('create role %I', name) from (values ('object_boss'), ('object_reader')) \
                     r(name) where name not in (select rolname from pg_roles) \\gexec\n";

/// Options that decide which rows of an extension are taken.
const OPTIONS: &[&[&str]] = &[
    &[],
    &["-n", "sample"],
    &["-e", "pgark_sample"],
    &["-t", "sample.setting"],
    &["-N", "sample"],
    &["--exclude-table-data", "sample.setting"],
    &["-a"],
];

/// Returns what stock pg_restore makes of an archive, without the line that names the maker.
fn script_of(stock: &Oracle, archive: &Path) -> String {
    let key = format!("--restrict-key={RESTRICT_KEY}");
    let script = stock.pg_restore(&["-f", "-", &key], archive).success().stdout;
    let text = oracle::without_internal_options(script);
    text.lines()
        .filter(|line| !line.starts_with("-- Dumped by"))
        .map(|line| format!("{line}\n"))
        .collect()
}

#[test]
fn rows_of_extensions_equal_stock_and_survive() {
    let Some(stock) = oracle::record() else { return };
    for server in servers() {
        server.offer_sample_extension();
        crate::support::database::psql(&server.uri("postgres"), ROLES);
        let available = "select count(*) from pg_available_extensions where name = 'pgark_sample'";
        if crate::support::database::psql(&server.uri("postgres"), available).trim() == "0" {
            continue; // Said loudly by the line above.
        }
        let source = server.database("extension_rows");
        source.execute(SAMPLE);
        let world = World::new();
        for (number, options) in OPTIONS.iter().enumerate() {
            let (ours, theirs) = (format!("ours{number}"), format!("theirs{number}"));
            let typed = [&["dump", "-d", source.uri(), "-f", &ours], *options].concat();
            let _ = world.pgark(&typed).success();
            stock.dump_archive(&source, &world.path(&theirs), &[&["-Fd"], *options].concat());
            let (ours, theirs) =
                (script_of(&stock, &world.path(&ours)), script_of(&stock, &world.path(&theirs)));
            assert_eq!(ours, theirs, "{options:?} on {server}");
        }
        for (name, jobs) in [("ours0", "1"), ("ours0", "4"), ("theirs0", "4")] {
            let target = server.database("extension_rows_again");
            let _ = world.pgark(&["restore", "-d", target.uri(), name, "-j", jobs]).success();
            let _ = world.pgark(&["verify", "ours0", "--against", target.uri()]).success();
        }
    }
}
