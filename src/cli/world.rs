//! The process around the command: environment, home directory, user, terminal, clock, cores.
//!
//! Nothing else in pgark reads them; what the library needs is handed down from here as values.

use std::io::IsTerminal;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use chrono::{DateTime, Local, Utc};

use super::arguments::Jobs;
use super::zone;
use crate::connect::Environment;
use crate::error::{Error, ErrorKind, Result};
use crate::sql::text;

/// More connections than this are asked for only by a person who knows the server.
const MOST_DEFAULT_JOBS: usize = 8;

/// What the process found when it started.
#[derive(Debug, Clone)]
pub(super) struct World {
    pub(super) environment: Environment,
    /// Whether somebody can be asked: standard input and standard error are a terminal.
    pub(super) can_ask: bool,
    pub(super) stderr_is_terminal: bool,
    /// Whether standard error may be coloured.
    pub(super) color: bool,
    pub(super) cores: usize,
    /// The name of the machine.
    pub(super) host: String,
    pub(super) temporary_directory: PathBuf,
}

impl World {
    /// Looks around.
    pub(super) fn look() -> World {
        let variables = std::env::vars_os()
            .map(|(name, value)| (text::decode(name.as_bytes()), text::decode(value.as_bytes())))
            .collect();
        let environment = Environment { variables, home: std::env::home_dir(), user: user_name() };
        let stderr_is_terminal = std::io::stderr().is_terminal();
        let color = stderr_is_terminal
            && environment.variable("NO_COLOR").is_none_or(str::is_empty)
            && environment.variable("TERM") != Some("dumb");
        World {
            can_ask: stderr_is_terminal && std::io::stdin().is_terminal(),
            stderr_is_terminal,
            color,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            host: host_name(),
            temporary_directory: std::env::temp_dir(),
            environment,
        }
    }

    /// Returns the time with the offset of this place.
    pub(super) fn now(&self) -> DateTime<Local> {
        Local::now()
    }

    /// Returns a time with the name of its zone, as the stock tools write times.
    pub(super) fn time_text(&self, time: DateTime<Local>) -> String {
        zone::time_text(time, self.environment.variable("TZ"))
    }

    /// Returns the time as the names of outputs carry it.
    pub(super) fn stamp(&self) -> String {
        Utc::now().format("%Y%m%dT%H%M%SZ").to_string()
    }

    /// Returns random bytes, for names that nobody else gives.
    pub(super) fn random<const COUNT: usize>(&self) -> Result<[u8; COUNT]> {
        let mut bytes = [0; COUNT];
        getrandom::fill(&mut bytes).map_err(|error| {
            let what = format!("the system gives no random numbers: {error}");
            Error::new(ErrorKind::Internal, what)
        })?;
        Ok(bytes)
    }

    /// Returns how many connections to use.
    pub(super) fn jobs(&self, asked: Option<Jobs>) -> usize {
        asked.map_or(self.cores.min(MOST_DEFAULT_JOBS), |Jobs(jobs)| jobs)
    }

    /// Returns a variable unless it is unset or empty.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.environment.variable(name).filter(|value| !value.is_empty())
    }
}

/// Returns the name of the user that runs the process.
///
/// libpq asks the user database. A static binary has none to ask through, so the file is read; what is
/// not in the file, such as a directory service, may be in the environment.
fn user_name() -> Option<String> {
    let id = rustix::process::geteuid().as_raw();
    let users = std::fs::read("/etc/passwd").unwrap_or_default();
    let users = text::decode(&users);
    let of_id = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(id)).then(|| name.to_owned())
    };
    let variable = |name| std::env::var_os(name).map(|value| text::decode(value.as_bytes()));
    users
        .lines()
        .find_map(of_id)
        .or_else(|| variable("USER"))
        .or_else(|| variable("LOGNAME"))
        .filter(|name| !name.is_empty())
}

/// Returns the name of the machine; where the system does not tell, nobody will miss it.
fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "this machine".to_owned() } else { name.to_owned() }
}
