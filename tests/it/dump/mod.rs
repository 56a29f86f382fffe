//! Dumping real databases: equality with the stock tools, the races, the failures.

mod bucket;
mod catalogs;
mod content;
mod encodings;
mod extensions;
mod failures;
mod large_objects;
mod locks;
mod outputs;
mod process;
mod refusals;
mod script;
mod standby;
mod warnings;

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use chrono::Local;
use pgark::connect::{ConnectParams, ConnectRequest, Environment, Session};
use pgark::dump::{self, DumpOptions, DumpPlan, DumpReport};
use pgark::progress::{Interrupt, Progress, ProgressHandle, silent};

use crate::support::database::Database;

/// Returns the parameters of a connection by URI.
fn params_of(uri: &str) -> ConnectParams {
    let request = ConnectRequest { dbname: Some(uri.to_owned()), ..ConnectRequest::default() };
    ConnectParams::resolve(&request, &Environment::default()).expect("parameters")
}

/// Returns the parameters of a connection to a test's database as `user`.
fn params_as(database: &Database, user: Option<&str>) -> ConnectParams {
    match user {
        Some(user) => params_of(&database.uri().replacen("postgres@", &format!("{user}@"), 1)),
        None => params_of(database.uri()),
    }
}

/// Returns the options of a complete dump.
fn options(database: &Database, output: &Path) -> DumpOptions {
    DumpOptions::new(params_as(database, None), output, Local::now())
}

/// Makes a dump.
async fn run(options: DumpOptions) -> pgark::Result<DumpReport> {
    plan(options, silent()).await?.run(Interrupt::default()).await
}

/// Makes the plan of a dump.
async fn plan(options: DumpOptions, progress: ProgressHandle) -> pgark::Result<DumpPlan> {
    dump::plan(options, progress, &Interrupt::default()).await
}

/// Opens a session of somebody else.
async fn somebody(database: &Database) -> Session {
    Session::connect(&params_as(database, None)).await.expect("a session")
}

/// Waits until a query of a database gives `expected`.
async fn wait_for(session: &Session, query: &str, expected: &str) {
    for _ in 0..3000 {
        let rows = session.query("look", query).await.expect("an answer");
        if rows.single().expect("one row").at(0) == Some(expected) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{query} never became {expected}");
}

/// Returns the names in the folder of an archive that was not to be.
fn beside(output: &Path) -> Vec<String> {
    let folder = output.parent().expect("a folder");
    let entries = std::fs::read_dir(folder).expect("a listing");
    entries
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect()
}

/// A [`Progress`] that holds a dump at its first block of rows until it is let go, so that a test can do
/// something in the middle.
#[derive(Default)]
struct Gate {
    state: Mutex<GateState>,
    changed: Condvar,
    warnings: Mutex<Vec<String>>,
}

#[derive(Default)]
struct GateState {
    reached: bool,
    open: bool,
}

impl Gate {
    fn new() -> Arc<Gate> {
        Arc::default()
    }

    /// Waits until the dump stands at the gate.
    async fn reached(self: &Arc<Self>) {
        let gate = Arc::clone(self);
        let wait = move || {
            let limit = Duration::from_secs(60);
            let state = gate.state.lock().unwrap_or_else(PoisonError::into_inner);
            let (state, _) = gate
                .changed
                .wait_timeout_while(state, limit, |state| !state.reached)
                .unwrap_or_else(PoisonError::into_inner);
            assert!(state.reached, "no rows came");
        };
        tokio::task::spawn_blocking(wait).await.expect("reached");
    }

    /// Lets the dump go on.
    fn open(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).open = true;
        self.changed.notify_all();
    }

    fn warnings(&self) -> Vec<String> {
        self.warnings.lock().expect("warnings").clone()
    }
}

impl Progress for Gate {
    fn advanced(&self, _item: &str, _bytes: u64, _rows: u64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.reached = true;
        self.changed.notify_all();
        let limit = Duration::from_secs(60);
        drop(
            self.changed
                .wait_timeout_while(state, limit, |state| !state.open)
                .unwrap_or_else(PoisonError::into_inner),
        );
    }

    fn warning(&self, message: &str) {
        self.warnings.lock().expect("warnings").push(message.to_owned());
    }
}

/// The gate opens when a test fails, or the threads of all other dumps would be held.
struct OpenAtEnd(Arc<Gate>);

impl Drop for OpenAtEnd {
    fn drop(&mut self) {
        self.0.open();
    }
}
