//! What is measured: one row of the table each.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::bail;

use crate::measure::{Run, bytes_read, measured};
use crate::server::Server;

/// One kind of work that both programs do.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) name: &'static str,
    pub(crate) database: &'static str,
    /// The most that the time of pgark divided by that of stock may be.
    pub(crate) at_most: f64,
    /// The most that the size of pgark's output divided by that of stock may be.
    pub(crate) size_at_most: Option<f64>,
    task: Task,
}

#[derive(Debug)]
enum Task {
    /// Arguments that both programs understand.
    Dump(&'static [&'static str]),
    /// `pg_dump` against `pgark pg_dump`, to standard output.
    Schema,
    /// One archive, written by pgark with its defaults, for both.
    Restore,
    /// One file: pg_dump's only mode against two connections.
    Custom,
    /// A dump and a restore against a clone, both without proof and statistics.
    Clone,
    /// One table out of an archive of this format; the size is that of what is read.
    OneTable(&'static str),
    /// `pgark verify` with an option against a command that is run for each data file, spread over the cores.
    Verify { compression: &'static str, option: Option<&'static str>, command: &'static str },
}

impl Work {
    /// Returns every row, in the order of the table.
    pub(crate) fn all() -> Vec<Work> {
        let work = |name, database, at_most, task| Work {
            name,
            database,
            at_most,
            size_at_most: None,
            task,
        };
        vec![
            Work {
                size_at_most: Some(1.03),
                ..work(
                    "dump, directory, gzip:6, -j 2",
                    "mixed",
                    0.50,
                    Task::Dump(&["-Z", "gzip:6"]),
                )
            },
            work("dump, directory, zstd, -j 2", "mixed", 0.85, Task::Dump(&["-Z", "zstd"])),
            work(
                "dump of the table events, directory, zstd, -j 2",
                "mixed",
                0.80,
                Task::Dump(&["-Z", "zstd", "-t", "events"]),
            ),
            work("dump, custom format, gzip:6, -j 2 : 1", "mixed", 0.32, Task::Custom),
            work("schema of 5,000 tables", "many", 0.60, Task::Schema),
            work("schema of 20,000 tables, 100,000 columns", "wide", 1.00, Task::Schema),
            work(
                "dump of 100,000 large objects, directory, zstd, -j 2",
                "objects",
                1.00,
                Task::Dump(&["-Z", "zstd"]),
            ),
            work("restore of the mixed archive, -j 2", "mixed", 0.90, Task::Restore),
            work("restore of the 5,000-table archive, -j 2", "many", 0.60, Task::Restore),
            work("restore of 100,000 large objects, -j 2", "objects", 1.00, Task::Restore),
            work("clone of the mixed database, -j 2", "mixed", 0.70, Task::Clone),
            Work {
                size_at_most: Some(1.05),
                ..work("one table out of the mixed directory", "mixed", 1.00, Task::OneTable("d"))
            },
            Work {
                size_at_most: Some(1.05),
                ..work("one table out of the mixed custom file", "mixed", 1.00, Task::OneTable("c"))
            },
            work(
                "verify --quick of the mixed directory : sha256sum",
                "mixed",
                1.10,
                Task::Verify { compression: "zstd", option: Some("--quick"), command: "sha256sum" },
            ),
            work(
                "verify of the mixed directory : zstd -t",
                "mixed",
                1.10,
                Task::Verify { compression: "zstd", option: None, command: "zstd -tq" },
            ),
            work(
                "verify of the mixed directory : gzip -t",
                "mixed",
                1.10,
                Task::Verify { compression: "gzip", option: None, command: "gzip -t" },
            ),
        ]
    }

    /// Makes what the work needs: its database, and for a restore an archive written by this pgark.
    pub(crate) fn prepare(&self, server: &Server, pgark: &Path) -> anyhow::Result<()> {
        let script = match self.database {
            "mixed" => include_str!("mixed.sql"),
            "many" => include_str!("many.sql"),
            "wide" => include_str!("wide.sql"),
            "objects" => include_str!("objects.sql"),
            other => bail!("no script makes the database {other}"),
        };
        server.ensure_by(self.database, script)?;
        let (format, compression) = match self.task {
            Task::Restore => ("d", "zstd"),
            Task::OneTable(format) => (format, "zstd"),
            Task::Verify { compression, .. } => ("d", compression),
            _ => return Ok(()),
        };
        let path = archive(server, self.database);
        for beside in ["", ".manifest.json", ".sha256"] {
            remove(&server.archives().join(format!("{}.backup{beside}", self.database)))?;
        }
        let mut command = Command::new(pgark);
        command.args(["dump", "-F", format, "-Z", compression, "-j", "2"]);
        command.args(["-d", &server.uri(self.database)]);
        measured(command.arg("-f").arg(&path), server, Some(&path))?;
        Ok(())
    }

    /// Drops what [`run`](Self::run) has left in the server.
    pub(crate) fn clean_up(&self, server: &Server) -> anyhow::Result<()> {
        for target in server.databases_like("target_%")? {
            server.drop(&target)?;
        }
        for entry in fs::read_dir(server.archives())? {
            let path = entry?.path();
            if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("run_")) {
                remove(&path)?;
            }
        }
        Ok(())
    }

    /// Does the work once. `program` is the directory of the stock tools or pgark itself.
    ///
    /// Archives and restored databases stay until [`clean_up`](Self::clean_up): for a minute and more ext4 makes new
    /// files slowly where many were deleted, and the next run would pay for it (45 % of the server's time
    /// with 5,000 tables, and 46 seconds instead of 4 for 100,000 large objects).
    pub(crate) fn run(
        &self,
        server: &Server,
        program: &Path,
        is_stock: bool,
        number: usize,
    ) -> anyhow::Result<Run> {
        let uri = server.uri(self.database);
        match self.task {
            Task::Dump(arguments) => {
                let output = new_output(server, number, is_stock)?;
                let mut command = client(program, is_stock, "pg_dump", "dump");
                command.args(["-F", "d", "-j", "2", "-d", &uri]).args(arguments);
                measured(command.arg("-f").arg(&output), server, Some(&output))
            }
            Task::Schema => {
                let mut command = client(program, is_stock, "pg_dump", "pg_dump");
                measured(command.args(["-s", "-d", &uri]), server, None)
            }
            Task::Restore => {
                let target = new_target(server, number, is_stock)?;
                let mut command = client(program, is_stock, "pg_restore", "restore");
                if !is_stock {
                    command.arg("--no-analyze");
                }
                command
                    .args(["-j", "2", "-d", &server.uri(&target)])
                    .arg(archive(server, self.database));
                measured(&mut command, server, None)
            }
            Task::OneTable(_) => {
                let target = new_target(server, number, is_stock)?;
                let mut command = client(program, is_stock, "pg_restore", "restore");
                if !is_stock {
                    command.arg("--no-analyze");
                }
                command.args(["-t", "docs", "-d", &server.uri(&target)]);
                let before = bytes_read()?;
                let run = measured(command.arg(archive(server, self.database)), server, None)?;
                Ok(Run { bytes: bytes_read()? - before, ..run })
            }
            Task::Verify { option, command: stock, .. } => {
                let path = archive(server, self.database);
                let mut command = Command::new(program);
                command.arg("verify").args(option).arg(&path);
                if is_stock {
                    command = Command::new("sh");
                    command.args(["-c", FOR_EACH_FILE, "sh"]).arg(&path).arg(stock);
                }
                measured(&mut command, server, None).map(|run| Run { bytes: 0, ..run })
            }
            Task::Custom => {
                let output = new_output(server, number, is_stock)?;
                let mut command = client(program, is_stock, "pg_dump", "dump");
                if !is_stock {
                    command.args(["-j", "2"]);
                }
                command.args(["-F", "c", "-Z", "gzip:6", "-d", &uri]);
                measured(command.arg("-f").arg(&output), server, Some(&output))
            }
            Task::Clone => {
                let target = server.uri(&new_target(server, number, is_stock)?);
                if !is_stock {
                    let mut command = client(program, is_stock, "", "clone");
                    command.args(["-j", "2", "--no-proof", "--no-analyze"]);
                    return measured(command.args(["--from", &uri, "--to", &target]), server, None);
                }
                let between = server.archives().join("between");
                remove(&between)?;
                let mut command = Command::new("sh");
                command.args(["-c", DUMP_AND_RESTORE, "sh", &uri, &target]);
                command.arg(&between).arg(program);
                let run = measured(&mut command, server, None);
                remove(&between)?;
                run
            }
        }
    }
}

/// Runs a command for each data file of a directory, the largest first, spread over the cores.
const FOR_EACH_FILE: &str =
    r#"cd "$1" && ls -S | grep '[.]dat' | grep -v toc.dat | xargs -P 2 -n 1 $2"#;

/// Source, target, the archive in between and the directory of the tools.
const DUMP_AND_RESTORE: &str = r#"
    "$4/pg_dump" -F d -j 2 -Z zstd -d "$1" -f "$3" && "$4/pg_restore" -j 2 -d "$2" "$3""#;

/// Returns where one run writes.
fn new_output(server: &Server, number: usize, is_stock: bool) -> std::io::Result<PathBuf> {
    let who = if is_stock { "stock" } else { "pgark" };
    let output = server.archives().join(format!("run_{number}_{who}"));
    remove(&output)?;
    Ok(output)
}

/// Makes the empty database that one run fills.
fn new_target(server: &Server, number: usize, is_stock: bool) -> anyhow::Result<String> {
    let target = format!("target_{number}_{}", if is_stock { "stock" } else { "pgark" });
    server.create(&target)?;
    Ok(target)
}

fn client(program: &Path, is_stock: bool, tool: &str, verb: &str) -> Command {
    if is_stock {
        return Command::new(program.join(tool));
    }
    let mut command = Command::new(program);
    command.arg(verb);
    command
}

fn archive(server: &Server, database: &str) -> PathBuf {
    server.archives().join(format!("{database}.backup"))
}

fn remove(path: &Path) -> std::io::Result<()> {
    if path.is_dir() {
        fs::remove_dir_all(path)
    } else if path.exists() {
        fs::remove_file(path)
    } else {
        Ok(())
    }
}
