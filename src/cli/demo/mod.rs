//! `pgark demo`: the whole tour on a throw-away server.
//!
//! Server, sample database, dump, verification, restore, comparison; whatever happens, servers end,
//! databases and roles of the demo are dropped, and files are removed.

mod sample;
mod server;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use self::sample::ROLES;
use self::server::Server;
use super::arguments::DemoArguments;
use super::connection;
use super::output;
use super::progress::{Display, bytes, count};
use super::report;
use super::signals;
use super::verify::check;
use super::world::World;
use crate::codec::Compression;
use crate::connect::{ConnectParams, Session, server_error};
use crate::dump::{self, DumpOptions};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::progress::{Interrupt, ProgressHandle};
use crate::restore::{self, RestoreOptions};
use crate::sql::{quote_identifier, quote_literal_for_server};
use crate::verify::{Depth, VerifyOptions};

/// Makes every database of the demo; nothing of it depends on the locale of the server.
const CREATE: &str = "template template0 encoding 'UTF8' lc_collate 'C' lc_ctype 'C'";

/// `dependent_objects_still_exist`.
const IN_USE: &str = "2BP01";

pub(super) async fn run(
    arguments: &DemoArguments,
    world: &World,
    interrupt: &Interrupt,
) -> Result<()> {
    let compression: Compression = arguments.compress.parse()?;
    let mut tour = Tour { arguments, world, interrupt, compression, told: Map::new(), step: 0 };
    let stage = tour.open_stage().await?;
    let outcome = tour.go(&stage).await;
    let cleaned = stage.close(arguments.keep.as_deref(), outcome.is_ok()).await;
    outcome.and(cleaned)?;
    tour.end()
}

/// Where the demo plays.
struct Stage {
    /// The server that was started for it; `None` with DATABASE_URL.
    server: Option<Server>,
    /// How to reach the server, in a database that is not the demo's.
    params: ConnectParams,
    source: String,
    copy: String,
    /// Roles of the sample database that were there before.
    roles_before: Vec<String>,
    /// Holds the archive.
    directory: tempfile::TempDir,
}

impl Stage {
    fn archive(&self) -> PathBuf {
        self.directory.path().join("sample")
    }

    /// Drops databases and roles, removes files, ends the server.
    async fn close(self, keep: Option<&Path>, succeeded: bool) -> Result<()> {
        if let Some(keep) = keep.filter(|_| succeeded) {
            let archive = self.archive();
            move_directory(&archive, keep)?;
        }
        if self.server.is_some() {
            return Ok(());
        }
        let session = Session::connect(&self.params).await?;
        for database in [&self.source, &self.copy] {
            // A worker whose connection has just been cut may still be there for a moment.
            let terminate = format!(
                "select pg_catalog.pg_terminate_backend(pid) from pg_catalog.pg_stat_activity
                 where datname = {}",
                quote_literal_for_server(database)
            );
            session.query("end the sessions of the demo", &terminate).await?;
            let drop = format!("drop database if exists {}", quote_identifier(database));
            session.execute(&format!("drop database {database}"), &drop).await?;
        }
        for role in ROLES.iter().filter(|role| !self.roles_before.iter().any(|old| old == **role)) {
            let drop = format!("drop role if exists {}", quote_identifier(role));
            match session.execute(&format!("drop role {role}"), &drop).await {
                // Another sample database uses it by now.
                Err(error)
                    if server_error(&error).is_some_and(|error| error.sqlstate == IN_USE) => {}
                outcome => outcome?,
            }
        }
        session.close().await;
        Ok(())
    }
}

/// Moves the archive out of the temporary directory, which may be on another file system.
fn move_directory(from: &Path, to: &Path) -> Result<()> {
    if std::fs::rename(from, to).is_ok() {
        return Ok(());
    }
    let failed = || format!("could not keep the archive in \"{}\"", to.display());
    std::fs::create_dir(to).context(ErrorKind::Storage, failed)?;
    for entry in std::fs::read_dir(from).context(ErrorKind::Storage, failed)? {
        let entry = entry.context(ErrorKind::Storage, failed)?;
        std::fs::copy(entry.path(), to.join(entry.file_name()))
            .context(ErrorKind::Storage, failed)?;
    }
    Ok(())
}

/// The tour: what was asked for, and what is told about it.
struct Tour<'a> {
    arguments: &'a DemoArguments,
    world: &'a World,
    interrupt: &'a Interrupt,
    compression: Compression,
    /// The results of the steps, for `--json`.
    told: Map<String, Value>,
    step: u32,
}

impl Tour<'_> {
    async fn open_stage(&mut self) -> Result<Stage> {
        let directory = tempfile::Builder::new()
            .prefix("pgark-demo-archive-")
            .tempdir_in(&self.world.temporary_directory)
            .context(ErrorKind::Storage, || "could not make a temporary directory".to_owned())?;
        let suffix = directory.path().to_string_lossy();
        let suffix: String = suffix
            .rsplit('-')
            .next()
            .unwrap_or_default()
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .collect::<String>()
            .to_lowercase();
        let (source, copy) = (format!("pgark_demo_{suffix}"), format!("pgark_demo_{suffix}_copy"));
        let (server, params) = if self.world.variable("DATABASE_URL").is_some() {
            let params = connection::params(self.world, &Default::default(), None)?;
            self.ask_for(&params, &source, &copy).await?;
            (None, params)
        } else {
            let binaries = server::find_binaries(self.world, self.arguments.binaries.as_deref())?;
            self.tell(&format!("starting a throw-away server from {}", binaries.display()))?;
            let server =
                Server::start(self.world, &binaries, directory.path(), self.interrupt).await?;
            let params = server.params.clone();
            (Some(server), params)
        };
        let session = Session::connect(&params).await?;
        let list = ROLES.map(quote_literal_for_server).join(", ");
        let query =
            format!("select rolname from pg_catalog.pg_roles where rolname::text in ({list})");
        let rows = session.query("look for roles of the demo", &query).await?;
        let mut roles_before = Vec::new();
        for row in rows.iter() {
            roles_before.push(row.text("rolname")?.to_owned());
        }
        let place = match &server {
            Some(server) => match &server.user {
                Some(user) => format!("in {} (user {user})", server.directory().display()),
                None => format!("in {}", server.directory().display()),
            },
            None => format!("at {}", params.describe()),
        };
        self.line(&format!("PostgreSQL {} {place}", session.version_text()))?;
        self.told.insert("server".to_owned(), session.version_text().into());
        let stage = Stage { server, params, source, copy, roles_before, directory };
        for database in [stage.source.clone(), stage.copy.clone()] {
            let create = format!("create database {} {CREATE}", quote_identifier(&database));
            if let Err(error) =
                session.execute(&format!("create database {database}"), &create).await
            {
                session.close().await;
                // What was made is taken back; the first error is the one to tell.
                let _ = stage.close(None, false).await;
                return Err(error);
            }
        }
        session.close().await;
        Ok(stage)
    }

    /// Asks whether a server that somebody uses may be used.
    async fn ask_for(&self, params: &ConnectParams, source: &str, copy: &str) -> Result<()> {
        if self.arguments.yes {
            return Ok(());
        }
        let what = format!(
            "make the databases {source} and {copy} and the roles pgark_demo_* at {} and drop them at the end",
            params.describe()
        );
        if !self.world.can_ask {
            return Err(Error::new(
                ErrorKind::Declined,
                format!("would {what}, and there is nobody to ask"),
            )
            .with_hint(
                "--yes answers the question; without DATABASE_URL a throw-away server is used",
            ));
        }
        let question = format!("The demo will {what}.\nContinue? [y/N] ");
        let answer = tokio::task::spawn_blocking(move || ask(&question));
        let answer = tokio::select! {
            answer = answer => {
                answer.context(ErrorKind::Internal, || "the question was given up".to_owned())??
            }
            () = self.interrupt.wait() => return self.interrupt.check(),
        };
        match answer.trim().to_lowercase().as_str() {
            "y" | "yes" => Ok(()),
            _ => Err(Error::new(ErrorKind::Declined, "declined; nothing was changed")),
        }
    }

    async fn go(&mut self, stage: &Stage) -> Result<()> {
        let source = stage.params.with_database(&stage.source);
        let copy = stage.params.with_database(&stage.copy);
        let archive = stage.archive();
        self.load(&source).await?;
        self.dump(&source, &archive).await?;
        self.verify(&archive).await?;
        self.restore(&copy, &archive).await?;
        self.compare(&copy, &archive).await
    }

    async fn load(&mut self, source: &ConnectParams) -> Result<()> {
        self.tell(&format!(
            "loading the sample database, {} rows in its large tables",
            count(self.arguments.rows)
        ))?;
        let began = Instant::now();
        let (rows, interrupt) = (self.arguments.rows, self.interrupt);
        let loaded = self
            .shown(async |progress| {
                let session = Session::connect(source).await?;
                let loaded = sample::load(&session, rows, progress.as_ref(), interrupt).await?;
                session.close().await;
                Ok(loaded)
            })
            .await?;
        self.line(&format!(
            "{} tables in {} schemas, {} on disk, {}",
            loaded.tables,
            loaded.schemas,
            bytes(loaded.bytes),
            seconds(began.elapsed())
        ))?;
        self.record("sample", &loaded)
    }

    async fn dump(&mut self, source: &ConnectParams, archive: &Path) -> Result<()> {
        self.tell("pgark dump: every table at one moment, over several connections")?;
        let options = DumpOptions {
            jobs: self.world.jobs(self.arguments.jobs),
            compression: self.compression,
            ..DumpOptions::new(source.clone(), archive, self.world.now())
        };
        let interrupt = self.interrupt;
        let report = self
            .shown(async |progress| {
                dump::plan(options, progress, interrupt).await?.run(interrupt.clone()).await
            })
            .await?;
        self.line(&report::dumped(&report))?;
        self.record("dump", &report)
    }

    async fn verify(&mut self, archive: &Path) -> Result<()> {
        self.tell("pgark verify: every byte, checksum and row of the archive")?;
        let options = self.verify_options(archive, None);
        let interrupt = self.interrupt;
        let report = self.shown(async |progress| check(options, progress, interrupt).await).await?;
        self.line(&report::verified(&report, false))?;
        self.record("verify", &report)?;
        sound(report.is_sound(), "the archive is damaged")
    }

    async fn restore(&mut self, copy: &ConnectParams, archive: &Path) -> Result<()> {
        self.tell("pgark restore: into a second database")?;
        let options = RestoreOptions {
            jobs: self.world.jobs(self.arguments.jobs),
            ..RestoreOptions::new(archive, copy.clone())
        };
        let interrupt = self.interrupt;
        let report = self
            .shown(async |progress| {
                let plan = signals::unless(interrupt, restore::plan(options, progress)).await?;
                plan.run(interrupt.clone()).await
            })
            .await?;
        self.line(&report::restored(&report))?;
        self.record("restore", &report)?;
        report.partial().map_or(Ok(()), Err)
    }

    async fn compare(&mut self, copy: &ConnectParams, archive: &Path) -> Result<()> {
        self.tell("pgark verify --against: the second database compared with the archive")?;
        let options = self.verify_options(archive, Some(copy.clone()));
        let interrupt = self.interrupt;
        let report = self.shown(async |progress| check(options, progress, interrupt).await).await?;
        self.line(&report::verified(&report, true))?;
        self.record("comparison", &report)?;
        sound(report.is_sound(), "the restored database differs from the archive")
    }

    fn verify_options(&self, archive: &Path, against: Option<ConnectParams>) -> VerifyOptions {
        VerifyOptions {
            archive: archive.into(),
            // The bytes were decoded in the step before.
            depth: if against.is_some() { Depth::Quick } else { Depth::Full },
            against,
            jobs: self.world.jobs(self.arguments.jobs),
            lock_wait_timeout: None,
            owners: true,
            privileges: true,
            subscriptions: true,
        }
    }

    /// Does a step with its progress on display.
    async fn shown<T>(&self, step: impl AsyncFnOnce(ProgressHandle) -> Result<T>) -> Result<T> {
        let mut display = Display::start(self.world, &self.arguments.output);
        let outcome = step(display.handle()).await;
        display.close();
        outcome
    }

    /// Announces the next step.
    fn tell(&mut self, what: &str) -> Result<()> {
        self.interrupt.check()?;
        self.step += 1;
        if self.arguments.output.json {
            return Ok(());
        }
        output::print(&format!("\n{}. {what}\n", self.step))
    }

    /// Says what came of a step.
    fn line(&self, text: &str) -> Result<()> {
        if self.arguments.output.json {
            return Ok(());
        }
        let indented: String = text.trim_end().lines().map(|line| format!("   {line}\n")).collect();
        output::print(&indented)
    }

    fn record<T: serde::Serialize>(&mut self, step: &str, result: &T) -> Result<()> {
        let value = serde_json::to_value(result).map_err(|error| {
            Error::new(ErrorKind::Internal, "could not write the result as JSON").with_source(error)
        })?;
        self.told.insert(step.to_owned(), value);
        Ok(())
    }

    fn end(self) -> Result<()> {
        if self.arguments.output.json {
            return output::print(&output::as_json(&self.told)?);
        }
        let kept = match &self.arguments.keep {
            Some(path) => format!("the archive is in {}", path.display()),
            None => "nothing was left behind".to_owned(),
        };
        output::print(&format!("\nThe copy equals the source; {kept}.\n"))
    }
}

fn sound(sound: bool, otherwise: &str) -> Result<()> {
    if sound { Ok(()) } else { Err(Error::new(ErrorKind::Integrity, otherwise)) }
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

fn ask(question: &str) -> Result<String> {
    use std::io::Write;

    let mut stderr = std::io::stderr().lock();
    let asked = stderr.write_all(question.as_bytes()).and_then(|()| stderr.flush());
    asked.context(ErrorKind::Storage, || "could not ask".to_owned())?;
    let mut answer = String::new();
    std::io::stdin()
        .read_line(&mut answer)
        .context(ErrorKind::Storage, || "could not read the answer".to_owned())?;
    Ok(answer)
}
