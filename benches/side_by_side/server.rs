//! The server of the figures: PostgreSQL 18 with its settings, and the databases in it.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

use crate::measure::ticks_of;

const PORT: &str = "55418";
const SETTINGS: &str = include_str!("postgresql.conf");

/// A running server, stopped when the value goes; its databases stay for the next run.
#[derive(Debug)]
pub(crate) struct Server {
    bin: PathBuf,
    directory: PathBuf,
    scale: f64,
}

impl Server {
    /// Starts the server of an installation in a directory, which is initialized at first.
    pub(crate) fn start(bin: &Path, directory: &Path, scale: f64) -> anyhow::Result<Server> {
        ensure!(
            bin.join("postgres").exists(),
            "no stock PostgreSQL 18 in {}: run scripts/conformance setup",
            bin.display()
        );
        let directory = directory.join(format!("scale-{scale}"));
        for folder in ["", "run", "archives"] {
            fs::create_dir_all(directory.join(folder))?;
        }
        let server = Server { bin: bin.to_owned(), directory, scale };
        if let Some((user, group)) = server_user()? {
            for folder in ["", "run"] {
                std::os::unix::fs::chown(server.directory.join(folder), Some(user), Some(group))?;
            }
        }
        let data = server.directory.join("data");
        if !data.join("PG_VERSION").exists() {
            server.as_server_user("initdb")?.arg("-D").arg(&data).run_with(&[
                "-U",
                "postgres",
                "-A",
                "trust",
                "--encoding=UTF8",
                "--no-locale",
                "--no-sync",
            ])?;
        }
        let run = server.directory.join("run");
        fs::write(
            data.join("postgresql.auto.conf"),
            format!(
                "{SETTINGS}listen_addresses = ''\nport = {PORT}\nunix_socket_directories = '{}'\n",
                run.display()
            ),
        )?;
        if data.join("postmaster.pid").exists() {
            // Left behind by a run that was interrupted; if it is dead, there is nothing to stop.
            let mut stop = server.as_server_user("pg_ctl")?;
            let _ = stop.arg("-D").arg(&data).run_with(&["-m", "fast", "-w", "stop"]);
        }
        let mut start = server.as_server_user("pg_ctl")?;
        start.arg("-D").arg(&data).arg("-l").arg(run.join("log"));
        start.run_with(&["-w", "-t", "300", "start"])?;
        Ok(server)
    }

    /// Makes a database by a script unless an earlier run has finished it.
    pub(crate) fn ensure_by(&self, database: &str, script: &str) -> anyhow::Result<()> {
        let comment =
            "select shobj_description(oid, 'pg_database') from pg_database where datname = ";
        if self.psql("postgres", &format!("{comment}'{database}'"))?.trim() == "complete" {
            return Ok(());
        }
        eprintln!("side_by_side: making the database {database} at scale {}", self.scale);
        self.create(database)?;
        self.psql(database, script)?;
        self.psql("postgres", &format!("comment on database {database} is 'complete'"))?;
        Ok(())
    }

    /// Makes an empty database, in the place of one of that name.
    pub(crate) fn create(&self, database: &str) -> anyhow::Result<()> {
        self.psql("postgres", &format!("drop database if exists {database} with (force)"))?;
        self.psql("postgres", &format!("create database {database}"))?;
        Ok(())
    }

    /// Drops a database.
    pub(crate) fn drop(&self, database: &str) -> anyhow::Result<()> {
        self.psql("postgres", &format!("drop database if exists {database} with (force)"))?;
        Ok(())
    }

    /// Returns the names of databases that match a LIKE pattern.
    pub(crate) fn databases_like(&self, pattern: &str) -> anyhow::Result<Vec<String>> {
        let sql = format!("select datname from pg_database where datname like '{pattern}'");
        Ok(self.psql("postgres", &sql)?.lines().map(str::to_owned).collect())
    }

    /// Runs a script and returns its text.
    pub(crate) fn psql(&self, database: &str, script: &str) -> anyhow::Result<String> {
        use std::io::Write as _;
        let mut child = Command::new(self.bin.join("psql"))
            .args([
                "-X",
                "-q",
                "-A",
                "-t",
                "-v",
                "ON_ERROR_STOP=1",
                "-f",
                "-",
                "-d",
                &self.uri(database),
            ])
            .env("PGOPTIONS", format!("-c side_by_side.scale={}", self.scale))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        child.stdin.take().context("a pipe")?.write_all(script.as_bytes())?;
        let output = child.wait_with_output()?;
        ensure!(output.status.success(), "psql: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Returns the URI of a database.
    pub(crate) fn uri(&self, database: &str) -> String {
        let host = self.directory.join("run").display().to_string().replace('/', "%2F");
        format!("postgresql://postgres@/{database}?host={host}&port={PORT}")
    }

    /// Returns the settings of the figures as the server has them.
    pub(crate) fn settings(&self) -> anyhow::Result<String> {
        let names = SETTINGS.lines().filter(|line| !line.starts_with('#'));
        let names = names.filter_map(|line| Some(line.split_once('=')?.0.trim()));
        let mut shown = Vec::new();
        for name in names {
            shown.push(format!(
                "{name} = {}",
                self.psql("postgres", &format!("show {name}"))?.trim()
            ));
        }
        Ok(shown.join(", "))
    }

    /// Returns the directory for archives.
    pub(crate) fn archives(&self) -> PathBuf {
        self.directory.join("archives")
    }

    /// Returns the processor time of the server and everything it ever started.
    pub(crate) fn ticks(&self) -> anyhow::Result<u64> {
        let pid_file = fs::read_to_string(self.directory.join("data/postmaster.pid"))?;
        let postmaster = pid_file.lines().next().context("a process id")?.to_owned();
        let children =
            fs::read_to_string(format!("/proc/{postmaster}/task/{postmaster}/children"))?;
        let mut sum: u64 = ticks_of(&postmaster)?.iter().sum();
        for child in children.split_whitespace() {
            // One that has just ended is in the sums of the postmaster by then, or within a tick of it.
            sum += ticks_of(child).map_or(0, |[user, system, ..]| user + system);
        }
        Ok(sum)
    }

    /// Prepares a program of the server, which refuses to run as root.
    fn as_server_user(&self, program: &str) -> anyhow::Result<Command> {
        let mut command = Command::new(self.bin.join(program));
        if let Some((user, group)) = server_user()? {
            command.uid(user).gid(group);
        }
        command.current_dir(&self.directory);
        Ok(command)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let Ok(mut stop) = self.as_server_user("pg_ctl") else { return };
        let stopped =
            stop.arg("-D").arg(self.directory.join("data")).run_with(&["-m", "fast", "-w", "stop"]);
        if let Err(error) = stopped {
            eprintln!("side_by_side: the server was not stopped: {error:#}");
        }
    }
}

trait RunWith {
    /// Runs to the end with some more arguments; an error holds what was printed.
    fn run_with(&mut self, arguments: &[&str]) -> anyhow::Result<()>;
}

impl RunWith for Command {
    fn run_with(&mut self, arguments: &[&str]) -> anyhow::Result<()> {
        // Not a pipe for standard error: the server would inherit it and keep it open.
        let status = self.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).status()?;
        ensure!(status.success(), "{self:?}: {status}");
        Ok(())
    }
}

/// Returns user and group of `postgres` when we are root.
fn server_user() -> anyhow::Result<Option<(u32, u32)>> {
    let id = |arguments: &[&str]| -> anyhow::Result<u32> {
        let output = Command::new("id").args(arguments).output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.trim().parse().context("as root there must be a user postgres, for the server")
    };
    if id(&["-u"])? != 0 {
        return Ok(None);
    }
    Ok(Some((id(&["-u", "postgres"])?, id(&["-g", "postgres"])?)))
}
