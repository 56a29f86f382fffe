//! Dumping real databases: equality with the stock tools, the races, the failures.

mod locks;
mod refusals;

use std::path::Path;

use chrono::Local;
use pgark::connect::{ConnectParams, ConnectRequest, Environment};
use pgark::dump::DumpOptions;

use crate::support::database::Database;

/// Returns the parameters of a connection to a test's database as `user`.
fn params_as(database: &Database, user: Option<&str>) -> ConnectParams {
    let uri = match user {
        Some(user) => database.uri().replacen("postgres@", &format!("{user}@"), 1),
        None => database.uri().to_owned(),
    };
    let request = ConnectRequest { dbname: Some(uri), ..ConnectRequest::default() };
    ConnectParams::resolve(&request, &Environment::default()).expect("parameters")
}

/// Returns the options of a complete dump.
fn options(database: &Database, output: &Path) -> DumpOptions {
    DumpOptions::new(params_as(database, None), output, Local::now())
}
