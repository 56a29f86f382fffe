//! The managed restore on real servers: a backup takes the place of a database, or nothing has happened.

mod drill;
mod failures;
mod kill;
mod refusals;
mod settling;
mod subscriptions;
mod swap;
mod way_back;

use std::path::{Path, PathBuf};
use std::sync::RwLock;
use std::sync::atomic::{AtomicU16, Ordering};

use chrono::DateTime;
use pgark::connect::{ConnectParams, ConnectRequest, Environment};
use pgark::vault::managed::{ManagedOptions, RestoreId};

use crate::support::World;
use crate::support::database::{Database, psql};
use crate::support::server::Server;

/// Every drill sweeps what dead ones have left: tests that leave something hold this alone.
static DRILLS: RwLock<()> = RwLock::new(());

/// What the sample holds when it is backed up, and after that.
const BACKED_UP: &str = "1000|500500";
const CHANGED: &str = "11|10066";

/// Fills a database, backs it up and changes it.
fn sample(world: &World, server: &Server, name: &str) -> (Database, PathBuf) {
    let database = server.database(name);
    database.execute(
        "create table t(id int primary key, text text);
         insert into t select n, 'row ' || n from generate_series(1, 1000) n;
         create sequence s; select setval('s', 42);
         create view v as select count(*) from t;",
    );
    let archive = world.path(name);
    let path = archive.to_str().expect("UTF-8");
    let _ = world.pgark(&["dump", "-d", database.uri(), "-f", path]).success();
    database.execute("delete from t where id > 10; insert into t values (10011, 'new')");
    assert_eq!(content(&database), CHANGED);
    (database, archive)
}

/// Returns what the sample holds.
fn content(database: &Database) -> String {
    database.query("select count(*), sum(id) from t")
}

/// Lists the databases that a restore of `target` has made, without the time in their names.
fn made(server: &Server, target: &str) -> Vec<String> {
    let sql = format!(
        "select regexp_replace(datname, '_2\\d{{7}}t\\d{{6}}_.*', '') from pg_database
         where datname like '{target}\\_%' order by 1"
    );
    psql(&server.uri("postgres"), &sql)
        .lines()
        .map(|name| name[target.len()..].to_owned())
        .collect()
}

/// Drops the databases that a restore of `target` has left; a test that fails leaves them to the server's end.
fn clear(server: &Server, target: &str) {
    let maintenance = server.uri("postgres");
    let sql = format!("select datname from pg_database where datname like '{target}\\_%'");
    for name in psql(&maintenance, &sql).lines() {
        psql(&maintenance, &format!("drop database \"{name}\""));
    }
}

fn params(uri: &str) -> ConnectParams {
    let request = ConnectRequest { dbname: Some(uri.to_owned()), ..ConnectRequest::default() };
    ConnectParams::resolve(&request, &Environment::default()).expect("parameters")
}

/// Returns the options of a run, with an id of its own.
fn options(archive: &Path, database: &Database) -> ManagedOptions {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let moment = DateTime::from_timestamp(2_000_000_000, 0).expect("a moment");
    let id = RestoreId::new(moment, NEXT.fetch_add(1, Ordering::Relaxed));
    ManagedOptions {
        analyze: false,
        jobs: 2,
        ..ManagedOptions::new(archive, params(database.uri()), id)
    }
}
