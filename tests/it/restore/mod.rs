//! Restoring on real servers: what stock pg_dump sees afterwards, and what happens when things go wrong.

mod failures;
mod loading;
mod options;
mod process;
mod refusals;
mod round_trip;
mod script;
mod sessions;
mod small_tables;

use std::path::Path;

use pgark::Result;
use pgark::connect::{ConnectParams, ConnectRequest, Environment};
use pgark::progress::{Interrupt, silent};
use pgark::restore::{RestoreOptions, RestoreReport, plan};

use crate::support::database::Database;
use crate::support::oracle::Oracle;

/// Returns the parameters of a connection to a test's database as `user`.
fn params_as(database: &Database, user: Option<&str>) -> ConnectParams {
    let uri = match user {
        Some(user) => database.uri().replacen("postgres@", &format!("{user}@"), 1),
        None => database.uri().to_owned(),
    };
    let request = ConnectRequest { dbname: Some(uri), ..ConnectRequest::default() };
    ConnectParams::resolve(&request, &Environment::default()).expect("parameters")
}

/// Returns the options of a restore that stops at the first error, so that a test sees it.
fn options(archive: &Path, database: &Database) -> RestoreOptions {
    let mut options = RestoreOptions::new(archive, params_as(database, None));
    options.exit_on_error = true;
    options.analyze = false;
    options
}

/// Plans and runs.
async fn restore(options: RestoreOptions) -> Result<RestoreReport> {
    plan(options, silent()).await?.run(Interrupt::default()).await
}

/// Restores, and fails the test with the whole chain of causes.
async fn restored(options: RestoreOptions) -> RestoreReport {
    match restore(options).await {
        Ok(report) => report,
        Err(error) => panic!("{}", chain(&error)),
    }
}

/// Returns an error with its causes and hints, a line for each.
fn chain(error: &pgark::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(&format!("\n{cause}"));
        source = cause.source();
    }
    for hint in error.hints() {
        text.push_str(&format!("\nhint: {hint}"));
    }
    text
}

/// Loads the sample database, as far as the server can take it.
pub(crate) fn load_demo(database: &Database) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/demo");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("fixtures")
        .map(|file| file.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sql"))
        .collect();
    files.sort();
    for file in files {
        let sql = std::fs::read_to_string(&file).expect("readable");
        let needs = sql.lines().find_map(|line| line.strip_prefix("-- needs: ")).expect("needs");
        let wanted = needs.split(", ").all(|need| match need.split_once(' ') {
            Some(("server", major)) => database.major() >= major.parse().expect("a number"),
            Some(("extension", name)) => {
                let known =
                    format!("select count(*) from pg_available_extensions where name = '{name}'");
                database.query(&known) == "1"
            }
            _ => match need {
                "never" => false,
                "xml" => {
                    database.query("select count(*) from pg_settings where name = 'xmlbinary'")
                        == "1"
                        && has_xml(database)
                }
                _ => true,
            },
        });
        if wanted {
            database.execute(&sql);
        }
    }
}

fn has_xml(database: &Database) -> bool {
    database.query(
        "do $$ begin perform '<a/>'::xml; perform set_config('pgark.xml', 'yes', false);
         exception when others then perform set_config('pgark.xml', 'no', false); end $$;
         select current_setting('pgark.xml')",
    ) == "yes"
}

/// Returns everything stock pg_dump says about a database, rows sorted within each table.
///
/// Rows may come back in another order when a table is loaded while another one is, never within one
/// COPY; sorting is for tables that partitions were loaded into.
fn contents(stock: &Oracle, database: &Database) -> String {
    stock.pg_dump(database, &[])
}
