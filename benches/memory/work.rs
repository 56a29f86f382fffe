//! What is measured: a database and what is done to it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::server::Server;

/// How often a running program is asked for the most it has used; what it uses in its last moment may be missed.
const GLANCE: Duration = Duration::from_millis(10);

/// A database that some program would keep in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Database {
    /// Rows of 200 MB.
    Wide,
    /// A table of 2 GB.
    Long,
    /// 100,000 large objects.
    Objects,
    /// 20,000 tables with 100,000 columns.
    Tables,
}

/// What is done to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Task {
    Dump,
    Restore,
    Verify,
}

/// One row of the table.
#[derive(Debug)]
pub(crate) struct Work {
    database: Database,
    task: Task,
    jobs: usize,
    /// What `--compress` is given.
    codec: &'static str,
}

/// The most that a run has used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peak {
    pub(crate) kib: u64,
    pub(crate) seconds: f64,
}

impl Database {
    fn name(self) -> &'static str {
        match self {
            Database::Wide => "wide",
            Database::Long => "long",
            Database::Objects => "objects",
            Database::Tables => "tables",
        }
    }

    fn what(self) -> &'static str {
        match self {
            Database::Wide => "rows of 200 MB",
            Database::Long => "a table of 2 GB",
            Database::Objects => "100,000 large objects",
            Database::Tables => "20,000 tables",
        }
    }

    fn tables(self, scale: f64) -> u64 {
        match self {
            Database::Tables => (20_000.0 * scale) as u64,
            _ => 1,
        }
    }

    fn script(self) -> &'static str {
        match self {
            Database::Wide => {
                "create table wide(id int, v text); alter table wide alter v set storage external;
                 insert into wide select n, repeat(md5(n::text), 6250000)
                 from generate_series(1, greatest(1, (5 * current_setting('side_by_side.scale')::numeric)::int)) n;"
            }
            Database::Long => {
                "create table long(id int, v text); alter table long alter v set storage external;
                 insert into long select n, repeat(md5(n::text), 30)
                 from generate_series(1, (2000000 * current_setting('side_by_side.scale')::numeric)::int) n;"
            }
            Database::Objects => {
                "select count(lo_from_bytea(0, convert_to(repeat(md5(n::text), n % 300), 'UTF8')))
                 from generate_series(1, (100000 * current_setting('side_by_side.scale')::numeric)::int) n;"
            }
            // Many small transactions: one of them would need more locks than the server has.
            Database::Tables => {
                "create procedure make(last int) language plpgsql as $$ begin for n in 1..last loop
                     execute format('create table t%s(id int, a text, b int, c date, d numeric)', n);
                     execute format('insert into t%s values (1)', n);
                     if n % 100 = 0 then commit; end if; end loop; end $$;
                 call make((20000 * current_setting('side_by_side.scale')::numeric)::int);"
            }
        }
    }
}

impl Work {
    /// Returns every row, in the order of the table.
    pub(crate) fn all() -> Vec<Work> {
        use {Database as D, Task as T};
        let work = |database, task, jobs, codec| Work { database, task, jobs, codec };
        vec![
            work(D::Wide, T::Dump, 1, "none"),
            work(D::Wide, T::Dump, 2, "zstd"),
            work(D::Wide, T::Dump, 2, "gzip"),
            work(D::Wide, T::Restore, 2, "zstd"),
            work(D::Wide, T::Verify, 2, "zstd"),
            work(D::Long, T::Dump, 1, "gzip"),
            work(D::Long, T::Dump, 4, "none"),
            work(D::Long, T::Restore, 2, "zstd"),
            work(D::Objects, T::Dump, 2, "zstd"),
            work(D::Objects, T::Restore, 2, "zstd"),
            work(D::Tables, T::Dump, 2, "zstd"),
            work(D::Tables, T::Restore, 2, "zstd"),
        ]
    }

    pub(crate) fn name(&self) -> String {
        let what = self.database.what();
        let jobs = self.jobs;
        match self.task {
            Task::Dump => format!("dump of {what}, {}, -j {jobs}", self.codec),
            Task::Restore => format!("restore of {what}, -j {jobs}"),
            Task::Verify => format!("verification of {what}, -j {jobs}"),
        }
    }

    /// Returns the bound of `docs/architecture.md`.
    pub(crate) fn bound_kib(&self, scale: f64) -> u64 {
        (64 << 10) + (16 << 10) * self.jobs as u64 + 4 * self.database.tables(scale)
    }

    /// Makes what the work needs: its database, and an archive of it unless that is what is measured.
    pub(crate) fn prepare(&self, server: &Server, pgark: &Path) -> anyhow::Result<()> {
        server.ensure_by(self.database.name(), self.database.script())?;
        if self.task != Task::Dump {
            let path = self.archive(server);
            remove(&path)?;
            peak(self.dump(server, pgark).arg("-f").arg(&path))?;
        }
        Ok(())
    }

    /// Does the work and leaves nothing.
    pub(crate) fn run(&self, server: &Server, pgark: &Path) -> anyhow::Result<Peak> {
        let mut command = Command::new(pgark);
        match self.task {
            Task::Dump => {
                let output = server.archives().join("run");
                remove(&output)?;
                let peak = peak(self.dump(server, pgark).arg("-f").arg(&output));
                remove(&output)?;
                peak
            }
            Task::Verify => {
                peak(command.arg("verify").arg(self.archive(server)).args(["-j", &self.jobs()]))
            }
            Task::Restore => {
                server.create("target")?;
                command.args(["restore", "-j", &self.jobs(), "-d", &server.uri("target")]);
                let peak = peak(command.arg(self.archive(server)));
                server.drop("target")?;
                peak
            }
        }
    }

    fn dump(&self, server: &Server, pgark: &Path) -> Command {
        let mut command = Command::new(pgark);
        command.args(["dump", "-F", "d", "-Z", self.codec, "-j", &self.jobs()]);
        command.args(["-d", &server.uri(self.database.name())]);
        command
    }

    fn jobs(&self) -> String {
        self.jobs.to_string()
    }

    fn archive(&self, server: &Server) -> PathBuf {
        server.archives().join(format!("{}.backup", self.database.name()))
    }
}

/// Runs a command to its end and returns the most memory it had.
fn peak(command: &mut Command) -> anyhow::Result<Peak> {
    let began = Instant::now();
    let command = command.args(["--progress", "none"]).stdin(Stdio::null()).stdout(Stdio::null());
    let mut child = command.spawn().with_context(|| format!("{command:?}"))?;
    let status = format!("/proc/{}/status", child.id());
    let mut kib = 0;
    let exit = loop {
        // The file is empty of it once the program has ended.
        kib = kib.max(fs::read_to_string(&status).map_or(0, |text| high_water(&text)));
        match child.try_wait()? {
            Some(exit) => break exit,
            None => std::thread::sleep(GLANCE),
        }
    };
    if !exit.success() {
        bail!("{command:?}: {exit}");
    }
    Ok(Peak { kib, seconds: began.elapsed().as_secs_f64() })
}

fn high_water(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kib| kib.parse().ok()).unwrap_or(0)
}

fn remove(path: &Path) -> std::io::Result<()> {
    if path.is_dir() { fs::remove_dir_all(path) } else { Ok(()) }
}
