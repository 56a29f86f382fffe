//! One database of one test.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use super::oracle;
use super::server::Server;

/// An empty database at first, dropped at the end.
#[derive(Debug)]
pub(crate) struct Database {
    name: String,
    uri: String,
    maintenance: String,
    major: u32,
}

impl Database {
    pub(super) fn create(server: &Server, name: &str, options: &str) -> Database {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        // Unique on a server that several runs share.
        let name =
            format!("{name}_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let maintenance = server.uri("postgres");
        psql(&maintenance, &format!("create database {name} {options}"));
        Database::existing(server, name)
    }

    pub(super) fn existing(server: &Server, name: String) -> Database {
        let (uri, maintenance) = (server.uri(&name), server.uri("postgres"));
        Database { name, uri, maintenance, major: server.major() }
    }

    /// Returns the name, which is unique.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Returns the URI, for `-d`.
    pub(crate) fn uri(&self) -> &str {
        &self.uri
    }

    /// Returns the major version of the server.
    pub(crate) fn major(&self) -> u32 {
        self.major
    }

    /// Runs a script as psql does, data after `COPY ... FROM stdin` included; stops at the first error.
    pub(crate) fn execute(&self, script: &str) {
        psql(&self.uri, script);
    }

    /// Runs a script of bytes in no particular encoding; for databases in SQL_ASCII.
    pub(crate) fn execute_bytes(&self, script: &[u8]) {
        psql_bytes(&self.uri, script, "SQL_ASCII").unwrap_or_else(|error| panic!("psql: {error}"));
    }

    /// Runs a query; returns unaligned text: columns divided by `|`, a line for each row, no last line end.
    pub(crate) fn query(&self, sql: &str) -> String {
        let text = psql(&self.uri, sql);
        text.strip_suffix('\n').unwrap_or(&text).to_owned()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // DROP DATABASE ... WITH (FORCE) begins with 13. A failed test may leave sessions behind.
        let name = &self.name;
        let script = format!(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}';\n\
             drop database if exists {name};"
        );
        // Quietly: a panic while a test panics would end the process, and the server goes anyway.
        let _ = run_psql(&self.maintenance, &script);
    }
}

/// Runs a script with psql; fails the test with psql's words.
pub(crate) fn psql(uri: &str, script: &str) -> String {
    run_psql(uri, script).unwrap_or_else(|error| panic!("psql {uri}: {error}\n{script}"))
}

/// Runs a script with psql; an error is psql's words.
pub(crate) fn run_psql(uri: &str, script: &str) -> Result<String, String> {
    psql_bytes(uri, script.as_bytes(), "UTF8")
}

fn psql_bytes(uri: &str, script: &[u8], encoding: &str) -> Result<String, String> {
    let mut child = Command::new(oracle::psql_program())
        .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-f", "-", "-d", uri])
        .env_clear()
        .env("PGCLIENTENCODING", encoding)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    let mut stdin = child.stdin.take().ok_or("no pipe")?;
    let input = script.to_vec();
    // In a thread: a script that answers much would fill the pipe while we still write.
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().map_err(|error| error.to_string())?;
    let _ = writer.join();
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}
