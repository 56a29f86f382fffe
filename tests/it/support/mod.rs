//! The harness of the integration tests: servers, databases, the command, oracles, damage.
//!
//! A test against real servers reads
//!
//! ```ignore
//! use crate::support::{World, oracle, servers};
//!
//! #[test]
//! fn dump_of_indexes_equals_stock() {
//!     let Some(stock) = oracle::record() else { return };
//!     for server in servers() {
//!         let database = server.database("indexes");          // new, empty, dropped at the end
//!         database.execute("create table t(a int); create index on t(a)");
//!         let world = World::new();                           // own home, TMPDIR, working directory
//!         let ours = world.pgark(&["pg_dump", "-s", "-d", database.uri()]).success();
//!         assert_eq!(ours.stdout, stock.pg_dump(&database, &["-s"]), "on {server}");
//!     }
//! }
//! ```
//!
//! **Servers** ([`servers`]: 12, 15 and 18, on which nearly every test runs; [`every_server`]: all majors from
//! 12 to 18, for tests of what the catalogs hold). Binaries are looked for in this order, and the first of
//! a major is taken: the conformance build of 18 (`scripts/conformance setup`),
//! `/usr/lib/postgresql/MAJOR/bin` (Debian), the cache of `scripts/postgres MAJOR`. Each is started when it
//! is first asked for, once per test binary, on a Unix socket and a free port of 127.0.0.1, as the user
//! `postgres` when the tests run as root. A watchdog ends it when the test process is gone, however
//! it went, see [`cluster`]. `PGARK_TEST_MAJORS="12 15 18"` keeps only
//! those majors, which is enough while one works;
//! `PGARK_TEST_SERVER="URL URL"` uses running servers instead (a superuser on a server for tests, please).
//! [`server_of`] gives one major; [`newest_server`] is for tests in which the version is of no
//! interest. A test that breaks its server starts a private one: [`Cluster::start`] with settings.
//!
//! **Databases**: [`Server::database`], [`Server::database_with`] (encoding, template), dropped with the value.
//! `execute` takes what psql takes (also `COPY ... FROM stdin` with its data); `query` gives psql's
//! unaligned text.
//!
//! **The command**: [`World::pgark`] runs to the end and gives a [`Run`], which must be looked at:
//! `success()`, `fails_with(code)`. [`World::called_as`] runs it through a link named `pg_dump`;
//! [`World::command`] is for tests that send signals.
//!
//! **Oracles**: [`oracle::record`] is the stock 18 with every codec, [`oracle::second`] is 15 with none and
//! gzip, [`oracle::third`] is 16 with every codec. What is missing is said loudly, once; with `CI` set it is a failure.
//!
//! The types behind these are [`server::Server`], [`database::Database`], [`command::Run`].
//!
//! **Damage**: [`damage`] flips, truncates and removes, on copies. **Text**: [`filters`] are for insta.

pub(crate) mod bucket;
pub(crate) mod cluster;
pub(crate) mod command;
pub(crate) mod damage;
pub(crate) mod database;
pub(crate) mod filters;
pub(crate) mod installation;
pub(crate) mod oracle;
pub(crate) mod proxy;
pub(crate) mod server;

pub(crate) use cluster::Cluster;
pub(crate) use command::World;
pub(crate) use server::{every_server, newest_server, server_of, servers};

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Mutex;

/// Fails with the first line in which two texts differ; whole dumps would drown it.
#[track_caller]
pub(crate) fn assert_same(expected: &str, found: &str, context: &str) {
    if expected == found {
        return;
    }
    let at = expected.lines().zip(found.lines()).position(|(one, other)| one != other);
    let at = at.unwrap_or_else(|| expected.lines().count().min(found.lines().count()));
    let around = |text: &str| {
        text.lines().skip(at.saturating_sub(8)).take(16).collect::<Vec<_>>().join("\n")
    };
    panic!(
        "{context}: line {} differs\n--- expected\n{}\n--- found\n{}",
        at + 1,
        around(expected),
        around(found)
    );
}

/// Tells whether the long forms of tests are wanted, which `scripts/test --all` asks for.
pub(crate) fn is_long_run() -> bool {
    std::env::var_os("PGARK_TEST_ALL").is_some()
}

/// Tells whether nothing may be left to another day, as in CI.
pub(crate) fn is_thorough() -> bool {
    is_long_run() || std::env::var_os("CI").is_some()
}

/// Says, past the capture of the test runner and once per message, that something is not there; fails in CI.
pub(crate) fn missing(what: &str) {
    static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    assert!(std::env::var_os("CI").is_none(), "{what}");
    if SAID.lock().expect("nobody panics while holding this").insert(what.to_owned()) {
        let _ = writeln!(std::io::stderr(), "\n!!! NOT TESTED: {what}\n");
    }
}
