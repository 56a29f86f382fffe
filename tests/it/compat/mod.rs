//! The sample database and stock tools: what pgark writes they read, what they write pgark reads.

mod connection_errors;
mod matrix;
mod pg_restore;
mod plain_text;
mod round_trip;
mod schema_text;

use std::process::Command;

use crate::support::assert_same;
use crate::support::cluster;
use crate::support::database::Database;
use crate::support::oracle::{self, Oracle};
use crate::support::server::Server;

/// Rows of the large tables. Few, because kinds and odd values matter here; `PGARK_TEST_ROWS=4300000` makes the
/// sample larger than 1 GB of COPY text, for a run by hand.
fn rows() -> String {
    std::env::var("PGARK_TEST_ROWS").unwrap_or_else(|_| "2000".to_owned())
}

/// Returns a database with the sample of `fixtures/demo`, as far as the server can have it.
pub(crate) fn sample(server: &Server) -> Database {
    let database = server.database("sample");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/demo/load");
    let mut load = Command::new("bash");
    load.args([script, database.uri(), &rows()]).env("PSQL", oracle::psql_program());
    cluster::run(&mut load);
    database
}

/// Fails the test unless stock pg_dump says the same of both databases, definitions and rows.
#[track_caller]
fn assert_equal(stock: &Oracle, source: &Database, target: &Database) {
    let (left, right) = (stock.pg_dump(source, &[]), stock.pg_dump(target, &[]));
    assert_same_text(&left, &right);
}

/// Fails the test at the first line that differs.
#[track_caller]
pub(crate) fn assert_same_text(left: &str, right: &str) {
    assert_same(left, right, "the texts");
}
