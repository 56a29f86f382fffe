//! A PostgreSQL server for a few minutes, made from installed binaries and gone without a trace.
//!
//! It listens on a socket in a directory that only its user may enter, so that nobody else on the
//! machine can log in. As root the server runs as an unprivileged user, because PostgreSQL refuses
//! root. A watchdog ends it when pgark is gone without having done so, however it went.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::super::world::World;
use crate::connect::{ConnectParams, ConnectRequest, Environment, Session};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::progress::Interrupt;

/// A server on a slow disk takes a while to come up; one that takes longer never will.
const PATIENCE: Duration = Duration::from_secs(60);

/// Longer socket paths are refused by the operating system (`sun_path` has 108 bytes).
const LONGEST_DIRECTORY: usize = 80;

/// What an initdb and a server of nobody's care would say: small, fast, forgetful.
const SETTINGS: [&str; 9] = [
    "listen_addresses=",
    "unix_socket_permissions=0700",
    "fsync=off",
    "full_page_writes=off",
    "synchronous_commit=off",
    "max_wal_size=4GB",
    "max_connections=100",
    "shared_buffers=128MB",
    "logging_collector=off",
];

/// A running server that ends when this is dropped.
#[derive(Debug)]
pub(super) struct Server {
    process: Child,
    watchdog: Watchdog,
    directory: TempDir,
    /// How to log in as its superuser.
    pub(super) params: ConnectParams,
    /// The operating system user it runs as, when that is not ours.
    pub(super) user: Option<String>,
}

/// An operating system user.
#[derive(Debug, Clone)]
struct User {
    name: String,
    id: u32,
    group: u32,
}

/// Returns the directory of the server's binaries: named, in the search path, or in a usual place.
pub(super) fn find_binaries(world: &World, named: Option<&Path>) -> Result<PathBuf> {
    let complete =
        |directory: &Path| ["initdb", "postgres"].iter().all(|name| directory.join(name).is_file());
    let named = named
        .map(|path| (path.to_owned(), "--binaries"))
        .or_else(|| Some((world.variable("PGARK_POSTGRES_BIN")?.into(), "PGARK_POSTGRES_BIN")));
    if let Some((directory, origin)) = named {
        if complete(&directory) {
            return Ok(directory);
        }
        let shown = directory.display();
        return Err(Error::new(
            ErrorKind::NotFound,
            format!("\"{shown}\" from {origin} does not hold initdb and postgres"),
        ));
    }
    let mut places: Vec<PathBuf> = world
        .variable("PATH")
        .map(|path| std::env::split_paths(path).collect())
        .unwrap_or_default();
    let caches = [
        Some(PathBuf::from("/var/cache/pgark/postgres")),
        world.variable("XDG_CACHE_HOME").map(|cache| Path::new(cache).join("pgark/postgres")),
        world.environment.home.as_ref().map(|home| home.join(".cache/pgark/postgres")),
    ];
    let roots = ["/usr/lib/postgresql", "/usr/local/lib/postgresql", "/opt/postgresql"];
    for root in roots.iter().map(PathBuf::from).chain(caches.into_iter().flatten()) {
        places.extend(newest_first(&root));
    }
    places.extend(["/usr/local/pgsql/bin", "/usr/libexec/postgresql"].map(PathBuf::from));
    places.into_iter().find(|place| complete(place)).ok_or_else(|| {
        Error::new(ErrorKind::NotFound, "no PostgreSQL server is installed here")
            .with_hint(
                "install one (on Debian and Ubuntu: apt-get install postgresql), or fetch one with \
                        \"scripts/postgres 18\" from pgark's sources",
            )
            .with_hint("or name a server to use instead: DATABASE_URL=postgres://... pgark demo")
    })
}

/// Returns the `bin` directories below a directory with one folder for each major version.
fn newest_first(root: &Path) -> Vec<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir(root)
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let major = entry.file_name().to_str()?.parse().ok()?;
            Some((major, entry.path().join("bin")))
        })
        .collect();
    versions.sort_by_key(|(major, _)| std::cmp::Reverse(*major));
    versions.into_iter().map(|(_, path)| path).collect()
}

impl Server {
    /// Makes a cluster and starts its server.
    pub(super) async fn start(
        world: &World,
        binaries: &Path,
        archive: &Path,
        interrupt: &Interrupt,
    ) -> Result<Server> {
        let user = unprivileged_user()?;
        let directory = private_directory(world, user.as_ref())?;
        let data = directory.path().join("data");
        let log = directory.path().join("log");
        let mut watchdog = Watchdog::start(&[directory.path(), archive]);
        initialize(binaries, &data, &log, user.as_ref(), &mut watchdog)?;
        let mut command = command(binaries, "postgres", user.as_ref());
        command.arg("-D").arg(&data).arg("-k").arg(directory.path());
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        log_to(&mut command, &log)?;
        let process = command.spawn().context(ErrorKind::Storage, || {
            format!("could not start \"{}\"", binaries.join("postgres").display())
        })?;
        watchdog.watch(&process);
        let request = ConnectRequest {
            dbname: Some("postgres".to_owned()),
            host: Some(directory.path().display().to_string()),
            port: Some("5432".to_owned()),
            user: Some("postgres".to_owned()),
            application_name: Some("pgark demo".to_owned()),
            ..ConnectRequest::default()
        };
        let params = ConnectParams::resolve(&request, &Environment::default())?;
        let mut server =
            Server { process, watchdog, directory, params, user: user.map(|user| user.name) };
        server.wait_until_ready(&log, interrupt).await?;
        Ok(server)
    }

    async fn wait_until_ready(&mut self, log: &Path, interrupt: &Interrupt) -> Result<()> {
        let began = Instant::now();
        loop {
            interrupt.check()?;
            match Session::connect(&self.params).await {
                Ok(session) => {
                    session.close().await;
                    return Ok(());
                }
                Err(error) => {
                    let ended = self.process.try_wait().ok().flatten();
                    if ended.is_some() || began.elapsed() > PATIENCE {
                        return Err(Error::new(
                            ErrorKind::Connection,
                            format!("the throw-away server did not start: {}", last_words(log)),
                        )
                        .with_source(error));
                    }
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Returns where its files are.
    pub(super) fn directory(&self) -> &Path {
        self.directory.path()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // First: the number of a process that has ended may soon be another's.
        self.watchdog.stop();
        // SIGINT is PostgreSQL's fast shutdown. What it leaves is removed with the directory.
        if let Some(process) = Pid::from_raw(self.process.id().cast_signed()) {
            let _ = kill_process(process, Signal::INT);
        }
        let began = Instant::now();
        while matches!(self.process.try_wait(), Ok(None)) {
            if began.elapsed() > Duration::from_secs(10) {
                let _ = self.process.kill();
                let _ = self.process.wait();
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Reads the number of the process to end until its standard input ends, which comes with the end of
/// pgark even when that is killed; then ends the process and removes the files. SIGQUIT is an immediate
/// shutdown.
const WATCHDOG: &str = "while read -r line; do process=$line; done; \
    if [ -n \"$process\" ]; then kill -QUIT \"$process\"; \
    while kill -0 \"$process\"; do sleep 1; done; fi; rm -rf -- \"$@\"";

/// Ends the server when pgark is gone; without a shell there is none, which matters only when pgark is
/// killed.
#[derive(Debug)]
struct Watchdog(Option<Child>);

impl Watchdog {
    fn start(directories: &[&Path]) -> Watchdog {
        let shell = Command::new("/bin/sh")
            .args(["-c", WATCHDOG, "pgark-demo-watchdog"])
            .args(directories)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn();
        Watchdog(shell.ok())
    }

    /// Says which process is to be ended.
    fn watch(&mut self, process: &Child) {
        if let Some(input) = self.0.as_mut().and_then(|shell| shell.stdin.as_mut()) {
            // A watchdog that is gone watches nothing.
            let _ = writeln!(input, "{}", process.id());
        }
    }

    fn stop(&mut self) {
        if let Some(mut shell) = self.0.take() {
            let _ = shell.kill();
            let _ = shell.wait();
        }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Returns the user to run the server as; `None` for our own.
fn unprivileged_user() -> Result<Option<User>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let users = fs::read("/etc/passwd").unwrap_or_default();
    let users = String::from_utf8_lossy(&users);
    let find = |wanted: &str| {
        users.lines().find_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            (fields.first() == Some(&wanted)).then_some(())?;
            let user = User {
                name: wanted.to_owned(),
                id: fields.get(2)?.parse().ok()?,
                group: fields.get(3)?.parse().ok()?,
            };
            (user.id != 0).then_some(user)
        })
    };
    find("postgres").or_else(|| find("nobody")).map(Some).ok_or_else(|| {
        Error::new(
            ErrorKind::Refused,
            "PostgreSQL refuses to run as root, and there is neither a user postgres nor a user nobody",
        )
        .with_hint("run \"pgark demo\" as an ordinary user")
    })
}

/// Makes a directory that only the server's user may enter.
fn private_directory(world: &World, user: Option<&User>) -> Result<TempDir> {
    let temporary = &world.temporary_directory;
    let open_to_all = fs::metadata(temporary)
        .is_ok_and(|metadata| user.is_none() || metadata.mode() & 0o001 != 0);
    let short = temporary.as_os_str().len() <= LONGEST_DIRECTORY;
    let parent = if open_to_all && short { temporary.clone() } else { PathBuf::from("/tmp") };
    let failed = || format!("could not make a directory in \"{}\"", parent.display());
    let directory = tempfile::Builder::new()
        .prefix("pgark-demo-")
        .permissions(fs::Permissions::from_mode(0o700))
        .tempdir_in(&parent)
        .context(ErrorKind::Storage, failed)?;
    if let Some(user) = user {
        chown(directory.path(), Some(user.id), Some(user.group))
            .context(ErrorKind::Storage, failed)?;
    }
    Ok(directory)
}

/// Prepares a command that runs as the server's user, in a group of its own so that Ctrl-C reaches only
/// pgark, which ends it in its own time.
fn command(binaries: &Path, name: &str, user: Option<&User>) -> Command {
    let mut command = Command::new(binaries.join(name));
    command.env_clear().env("LC_ALL", "C").env("TZ", "UTC").env("PATH", "/usr/bin:/bin");
    command.current_dir("/").stdin(Stdio::null()).process_group(0);
    if let Some(user) = user {
        command.uid(user.id).gid(user.group);
    }
    command
}

fn log_to(command: &mut Command, log: &Path) -> Result<()> {
    let failed = || format!("could not write \"{}\"", log.display());
    let open = || File::options().create(true).append(true).open(log);
    command.stdout(Stdio::from(open().context(ErrorKind::Storage, failed)?));
    command.stderr(Stdio::from(open().context(ErrorKind::Storage, failed)?));
    Ok(())
}

fn initialize(
    binaries: &Path,
    data: &Path,
    log: &Path,
    user: Option<&User>,
    watchdog: &mut Watchdog,
) -> Result<()> {
    let mut command = command(binaries, "initdb", user);
    command.arg("-D").arg(data).args(["-U", "postgres", "-A", "trust", "-E", "UTF8"]);
    command.args(["--locale=C", "--no-sync"]);
    log_to(&mut command, log)?;
    let program = binaries.join("initdb");
    let failed = || format!("could not run \"{}\"", program.display());
    let mut process = command.spawn().context(ErrorKind::Storage, failed)?;
    watchdog.watch(&process);
    let status = process.wait().context(ErrorKind::Storage, failed)?;
    if status.success() {
        return Ok(());
    }
    let mut error = Error::new(
        ErrorKind::Storage,
        format!("\"{}\" could not make a cluster: {}", program.display(), last_words(log)),
    );
    if let Some(user) = user {
        error = error.with_hint(format!(
            "as root it runs as the user {}, who must be able to reach the binaries",
            user.name
        ));
    }
    Err(error)
}

/// Returns the last lines of a log.
fn last_words(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    if lines.is_empty() {
        return "it said nothing".to_owned();
    }
    lines[lines.len().saturating_sub(3)..].join("; ")
}
