//! A throw-away server started from binaries.
//!
//! The process that the tests start is a small shell script, the watchdog. It starts the server, says so, and then
//! reads from a pipe whose other end only the test process holds. The pipe closes when that process
//! ends in whatever way (also a panic or SIGKILL, when no destructor runs), and the watchdog stops the server and
//! removes its directory.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use super::installation::{Installation, server_user, unprivileged};

/// Fast and small; nothing here is meant to outlive a crash.
const SETTINGS: &str = "\
fsync = off
full_page_writes = off
synchronous_commit = off
autovacuum = off
shared_buffers = 64MB
max_wal_size = 2GB
timezone = 'UTC'
";

/// A running server of our own, stopped and removed when the value or the process goes.
#[derive(Debug)]
pub(crate) struct Cluster {
    directory: PathBuf,
    port: u16,
    watchdog: Child,
    /// Closing it is the order to stop.
    leash: Option<ChildStdin>,
}

impl Cluster {
    /// Initializes and starts a server; `settings` are lines for its configuration file.
    pub(crate) fn start(installation: &Installation, settings: &str) -> Cluster {
        let directory = server_directory();
        let data = directory.join("data");
        let mut initdb = installation.command("initdb");
        initdb.arg("-D").arg(&data).args(["-U", "postgres", "-A", "trust", "--no-sync"]);
        // The C locale makes the order of text the same on every machine and version.
        initdb.args(["--encoding=UTF8", "--no-locale"]).current_dir(&directory);
        let output = initdb.output().expect("initdb can be started");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Self::launch(installation, directory, settings)
    }

    /// Starts a standby that follows this server; `None` when the installation has no pg_basebackup.
    pub(crate) fn standby(&self, installation: &Installation, settings: &str) -> Option<Cluster> {
        if !installation.bin.join("pg_basebackup").exists() {
            return None;
        }
        let directory = server_directory();
        let mut backup = installation.command("pg_basebackup");
        backup.args(["-R", "-X", "stream", "-c", "fast", "--no-sync", "-U", "postgres"]);
        backup.arg("-p").arg(self.port.to_string()).arg("-h").arg(&self.directory);
        run(backup.arg("-D").arg(directory.join("data")).current_dir(&directory));
        Some(Self::launch(installation, directory, settings))
    }

    fn launch(installation: &Installation, directory: PathBuf, settings: &str) -> Cluster {
        let data = directory.join("data");
        let port = free_port();
        let configuration = format!(
            "{SETTINGS}listen_addresses = '127.0.0.1'\nport = {port}\n\
             unix_socket_directories = '{}'\n{settings}\n",
            directory.display()
        );
        // Appended: a standby finds its primary there, and the last of two lines counts.
        let file = std::fs::OpenOptions::new().append(true).open(data.join("postgresql.auto.conf"));
        file.expect("settings").write_all(configuration.as_bytes()).expect("settings");

        // setsid: an interrupt from the terminal is meant for the tests; the pipe tells the rest.
        let mut watchdog = unprivileged(Path::new("/usr/bin/setsid"))
            .args(["/bin/sh", "-c", WATCHDOG, "pgark-test-watchdog"])
            .arg(installation.bin.join("pg_ctl"))
            .arg(&directory)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .current_dir(&directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the watchdog can be started");
        let leash = watchdog.stdin.take();
        let mut answer = String::new();
        let stdout = watchdog.stdout.take().expect("stdout is a pipe");
        BufReader::new(stdout).read_line(&mut answer).expect("the watchdog answers");
        assert_eq!(answer.trim(), "ready", "the server does not start: {}", log(&directory));
        Cluster { directory, port, watchdog, leash }
    }

    /// Returns the directory of the socket, which is also the one that holds `data` and `log`.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Returns the port, the same for the socket and for 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Returns the URI of a database by the socket.
    pub(crate) fn uri(&self, database: &str) -> String {
        let host = self.directory.display().to_string().replace('/', "%2F");
        format!("postgresql://postgres@/{database}?host={host}&port={}", self.port)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.leash.take());
        let _ = self.watchdog.wait();
    }
}

/// `$1` is pg_ctl, `$2` the directory. Standard output is closed once the server runs, so that nobody who
/// waits for the end of the tests' output waits for the server.
const WATCHDOG: &str = r#"
if "$1" -D "$2/data" -l "$2/log" -w -t 60 start >"$2/start" 2>&1; then
  echo ready
  exec >/dev/null
  read -r _
  "$1" -D "$2/data" -m immediate -w stop
else
  echo failed
  exec >/dev/null
  read -r _
fi
cd /
rm -rf "$2"
"#;

/// Returns a new directory that belongs to the server's user.
///
/// It is short, because the path of a socket ends at 107 bytes.
fn server_directory() -> PathBuf {
    let mut parent = std::env::temp_dir();
    if parent.as_os_str().len() > 60 {
        parent = "/tmp".into();
    }
    let directory = tempfile::Builder::new().prefix("pgark-server-").tempdir_in(parent);
    // The watchdog removes it: a destructor here would not run after a kill.
    let directory = directory.expect("a temporary directory").keep();
    if let Some((user, group)) = server_user() {
        std::os::unix::fs::chown(&directory, Some(user), Some(group)).expect("root may chown");
    }
    directory
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

fn log(directory: &Path) -> String {
    let read = |name: &str| std::fs::read_to_string(directory.join(name)).unwrap_or_default();
    read("start") + &read("log")
}

/// Tells whether a server still answers on a port of 127.0.0.1.
pub(crate) fn answers(port: u16) -> bool {
    std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
}

/// Runs a program and fails the test with what it said if it fails; returns its standard output.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?} cannot be started: {e}"));
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed ({}):\n{stderr}\n{stdout}", output.status);
    stdout
}
