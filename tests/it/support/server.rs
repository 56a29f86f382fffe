//! The servers that tests run on: our own clusters, or running ones that the environment names.

use std::fmt;
use std::sync::{Mutex, OnceLock};

use super::cluster::Cluster;
use super::database::{Database, psql};
use super::installation::{Installation, REQUIRED, SUPPORTED};
use super::missing;

/// A server of one major, started at the first use.
#[derive(Debug)]
pub(crate) struct Server {
    major: u32,
    home: Home,
}

#[derive(Debug)]
enum Home {
    Own { installation: &'static Installation, cluster: Mutex<Option<&'static Cluster>> },
    Given { url: String },
}

/// Returns the servers that nearly every test runs on, the oldest major first.
pub(crate) fn servers() -> &'static [&'static Server] {
    static SERVERS: OnceLock<Vec<&'static Server>> = OnceLock::new();
    SERVERS.get_or_init(|| {
        // Who names servers or majors wants these.
        let named =
            !variable("PGARK_TEST_SERVER").is_empty() || !variable("PGARK_TEST_MAJORS").is_empty();
        let usual = |server: &&Server| named || REQUIRED.contains(&server.major);
        let servers: Vec<_> = every_server().iter().filter(usual).collect();
        assert!(!servers.is_empty(), "{NO_SERVER}");
        servers
    })
}

/// Returns a server of every supported major, the oldest first: for tests of what the catalogs hold.
pub(crate) fn every_server() -> &'static [Server] {
    static SERVERS: OnceLock<Vec<Server>> = OnceLock::new();
    SERVERS.get_or_init(|| {
        let urls = variable("PGARK_TEST_SERVER");
        let servers = if urls.is_empty() { own() } else { given(&urls) };
        assert!(!servers.is_empty(), "{NO_SERVER}");
        servers
    })
}

const NO_SERVER: &str =
    "no PostgreSQL server: run scripts/test, or scripts/postgres 18, or set PGARK_TEST_SERVER";

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default().trim().to_owned()
}

/// Returns the server of one major, if there is one; what must be there is missed by [`every_server`].
pub(crate) fn server_of(major: u32) -> Option<&'static Server> {
    every_server().iter().find(|server| server.major == major)
}

/// Returns the newest server, for tests in which the version is of no interest.
pub(crate) fn newest_server() -> &'static Server {
    servers().last().expect("there is a server")
}

fn own() -> Vec<Server> {
    let wanted = variable("PGARK_TEST_MAJORS");
    let wanted: Vec<u32> = wanted.split_whitespace().filter_map(|m| m.parse().ok()).collect();
    let is_wanted = |major: &u32| wanted.is_empty() || wanted.contains(major);
    for major in SUPPORTED.iter().filter(|major| is_wanted(major)) {
        if Installation::of(*major).is_none() {
            missing(&format!(
                "no binaries of PostgreSQL {major}; scripts/postgres {major} fetches them"
            ));
        }
    }
    let found = Installation::all().iter().filter(|i| is_wanted(&i.major));
    found
        .map(|installation| Server {
            major: installation.major,
            home: Home::Own { installation, cluster: Mutex::new(None) },
        })
        .collect()
}

fn given(urls: &str) -> Vec<Server> {
    let urls = urls.split([' ', ',', '\n']).filter(|url| !url.is_empty());
    let mut servers: Vec<Server> = urls
        .map(|url| {
            let number = psql(url, "show server_version_num");
            let number: u32 = number.trim().parse().expect("a version number");
            Server { major: number / 10_000, home: Home::Given { url: url.to_owned() } }
        })
        .collect();
    servers.sort_by_key(|server| server.major);
    servers
}

impl Server {
    /// Returns the major version.
    pub(crate) fn major(&self) -> u32 {
        self.major
    }

    /// Returns the URI of a database of this server by the quickest way there is.
    pub(crate) fn uri(&self, database: &str) -> String {
        match &self.home {
            Home::Own { .. } => self.cluster().expect("an own server").uri(database),
            Home::Given { url } => with_database(url, database),
        }
    }

    /// Returns the cluster, unless the server is somebody else's.
    pub(crate) fn cluster(&self) -> Option<&'static Cluster> {
        let Home::Own { installation, cluster } = &self.home else { return None };
        // After a panic in `start` the lock is poisoned and the next test tries again.
        let mut cluster = cluster.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        // Leaked on purpose: it lives as long as the process, and the watchdog ends it.
        Some(*cluster.get_or_insert_with(|| Box::leak(Box::new(Cluster::start(installation, "")))))
    }

    /// Puts the extension of `fixtures/extension` where this server looks for extensions.
    ///
    /// Where that is not possible (somebody else's server, a directory of root's) it is said loudly.
    pub(crate) fn offer_sample_extension(&self) {
        let Home::Own { installation, .. } = &self.home else {
            let count = "select count(*) from pg_available_extensions where name = 'pgark_sample'";
            if psql(&self.uri("postgres"), count).trim() == "0" {
                missing(&format!("{self} does not offer the extension of fixtures/extension"));
            }
            return;
        };
        if let Err(error) = installation.install_extension() {
            missing(&format!("the extension of fixtures/extension cannot be installed: {error}"));
        }
    }

    /// Makes an empty database whose name begins with `name`.
    pub(crate) fn database(&self, name: &str) -> Database {
        Database::create(self, name, "")
    }

    /// Takes charge of a database that a test had made otherwise: it is dropped at the end.
    pub(crate) fn adopt(&self, name: &str) -> Database {
        Database::existing(self, name.to_owned())
    }

    /// Makes an empty database with options of `CREATE DATABASE`, such as `encoding 'LATIN1' template template0`.
    pub(crate) fn database_with(&self, name: &str, options: &str) -> Database {
        Database::create(self, name, options)
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgreSQL {}", self.major)
    }
}

/// Puts another database into a URL.
fn with_database(url: &str, database: &str) -> String {
    let (address, query) = url.split_once('?').map_or((url, None), |(a, q)| (a, Some(q)));
    let (scheme, rest) = address.split_once("://").expect("PGARK_TEST_SERVER holds URLs");
    let authority = rest.split('/').next().unwrap_or_default();
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    format!("{scheme}://{authority}/{database}{query}")
}

#[test]
fn another_database_is_put_into_a_url() {
    assert_eq!(with_database("postgresql://u:p@h:1", "d"), "postgresql://u:p@h:1/d");
    assert_eq!(
        with_database("postgres://h/old?sslmode=require", "d"),
        "postgres://h/d?sslmode=require"
    );
}
