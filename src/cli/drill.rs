//! `pgark drill`: which backup, on which server, and the report.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;

use super::arguments::{Jobs, OutputArguments, PromptArguments, RepositoryArguments, path};
use super::connection;
use super::input::Input;
use super::named_backup::{KeptBackup, NamedBackup};
use super::output;
use super::progress::Display;
use super::report;
use super::vault::settings;
use super::world::World;
use crate::connect::ConnectParams;
use crate::error::{Error, ErrorKind, Result, with_causes};
use crate::progress::{Interrupt, ProgressHandle};
use crate::vault::check;
use crate::vault::drill::{DrillOptions, drill};
use crate::vault::managed::RestoreId;
use crate::verify::Depth;

/// Restore a backup into a scratch database, prove it, and remove it again
///
/// The newest proved backup is taken unless another one is named. Rows, fingerprints, sequences and
/// definitions are compared with the backup, the server validates every foreign key, and the time it
/// took is the measured recovery time, which is kept in the history of the backup.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pgark drill
  pgark drill --random --server postgres://postgres@test.example/postgres
  pgark drill shop-20260131T020000Z --check 'select count(*) > 0 from orders'")]
pub(super) struct DrillArguments {
    /// Archive, or the id of a backup [default: the newest proved backup]
    #[arg(value_name = "BACKUP", value_parser = path())]
    backup: Option<PathBuf>,

    /// Take the newest proved backup
    #[arg(long, conflicts_with_all = ["backup", "random"])]
    latest: bool,

    /// Take any proved backup
    #[arg(long, conflicts_with = "backup")]
    random: bool,

    #[command(flatten)]
    repository: RepositoryArguments,

    /// Take a backup of this database
    #[arg(long, value_name = "NAME")]
    database: Option<String>,

    /// Server for the scratch database: a connection string or a URI
    /// [default: TEST_DATABASE_URL, DATABASE_URL, PG*]
    #[arg(long, value_name = "CONN")]
    server: Option<String>,

    /// Query that must return true in the restored database (can be repeated) [default: "checks" of the profile]
    #[arg(long, value_name = "SQL")]
    check: Vec<String>,

    /// Number of connections that load [default: number of cores, at most 8]
    #[arg(short = 'j', long, value_name = "N")]
    jobs: Option<Jobs>,

    /// Leave objects to the role that restores, for a server without their owners
    #[arg(short = 'O', long)]
    no_owner: bool,

    /// Do not restore privileges
    #[arg(short = 'x', long, visible_alias = "no-acl")]
    no_privileges: bool,

    /// Do not run ANALYZE
    #[arg(long)]
    no_analyze: bool,

    #[command(flatten)]
    prompt: PromptArguments,

    #[command(flatten)]
    pub(super) output: OutputArguments,
}

pub(super) async fn run(
    arguments: &DrillArguments,
    world: &World,
    interrupt: &Interrupt,
) -> Result<()> {
    let named = NamedBackup {
        name: arguments.backup.as_deref(),
        latest: arguments.backup.is_none() && !arguments.random,
        random: arguments.random,
        at: None,
        repository: &arguments.repository,
    };
    let kept = named.find(world, arguments.database.as_deref())?;
    let archive = match (&kept, &arguments.backup) {
        (Some(kept), _) => kept.backup.archive(),
        (None, Some(path)) => path.clone(),
        (None, None) => return Err(Error::new(ErrorKind::Usage, "no backup is named")),
    };
    let input = Input::open_archive(&archive, world, interrupt).await?;
    let params = server(arguments, world)?;
    let mut options = options(arguments, world, input.path()?, params.clone())?;
    if let (true, Some(kept)) = (options.checks.is_empty(), &kept) {
        let settings = settings::read(&arguments.repository, world)?;
        options.checks = settings::checks(&settings, kept.backup.database(), world)?;
    }
    let options = options;
    let mut display = Display::start(world, &arguments.output);
    let progress = display.handle();
    if let Some(kept) = &kept {
        kept.tell(&progress);
    }
    let report = connection::with_password(world, arguments.prompt, params, &display, |params| {
        let options = DrillOptions { server: params, ..options.clone() };
        drill(options, progress.clone(), interrupt.clone())
    })
    .await;
    let report = match (report, &kept) {
        (Err(error), Some(kept)) => Err(explain(error, kept, world, &progress, interrupt).await),
        (report, _) => report,
    };
    display.close();
    let report = report?;
    if let Some(kept) = &kept
        && report.proof.compared
    {
        let note = format!("drill {} on {}", report.id, report.server);
        // What the drill has found is told in any case.
        if let Err(error) = kept.note_restored(world, note, report.recovery) {
            progress.warning(&error.to_string());
        }
    }
    output::result(&report, arguments.output.json, report::drilled)
}

/// Finds out whether the backup is to blame for a drill that failed, and notes that.
///
/// A question of the owner's that is not true, a server of another version or a missing role say nothing about the
/// bytes of the backup; only those decide whether it is damaged.
async fn explain(
    error: Error,
    kept: &KeptBackup,
    world: &World,
    progress: &ProgressHandle,
    interrupt: &Interrupt,
) -> Error {
    let may_be_damage =
        matches!(error.kind(), ErrorKind::Integrity | ErrorKind::Archive | ErrorKind::Server);
    if !may_be_damage {
        return error;
    }
    progress.info("the drill failed: reading the backup again");
    let began = Instant::now();
    let checked = check::check(&kept.backup, Depth::Full, progress, interrupt).await;
    let noted = match &checked {
        Ok(checked) => world.random().and_then(|random| {
            let at = world.now().to_utc();
            check::note(&kept.repository, checked, at, began.elapsed(), random)
        }),
        Err(_) => Ok(()),
    };
    let error = match checked {
        Ok(checked) if checked.is_whole() => error.with_hint(
            "the drill failed, and the backup is whole: every byte was read again, and its proof stands",
        ),
        Ok(checked) => {
            let first = checked.report.findings.first().map(ToString::to_string);
            let id = &checked.id;
            error.with_hint(format!("the backup {id} is damaged: {}", first.unwrap_or_default()))
        }
        Err(failure) => error.with_hint(format!(
            "whether the backup is damaged could not be found out: {}",
            with_causes(&failure)
        )),
    };
    match noted {
        Ok(()) => error,
        Err(failure) => error.with_hint(with_causes(&failure)),
    }
}

/// Works out where the scratch database goes.
fn server(arguments: &DrillArguments, world: &World) -> Result<ConnectParams> {
    let named = arguments.server.as_deref().or_else(|| world.variable("TEST_DATABASE_URL"));
    if let Some(server) = named {
        return connection::params_of(world, server);
    }
    let variables = ["DATABASE_URL", "PGHOST", "PGSERVICE", "PGDATABASE"];
    if !variables.iter().any(|name| world.variable(name).is_some()) {
        let what = "the drill needs to know on which server it may make a database";
        return Err(Error::new(ErrorKind::Usage, what).with_hint(
            "looked for --server, TEST_DATABASE_URL, DATABASE_URL, PGHOST, PGSERVICE and PGDATABASE",
        ));
    }
    connection::params(world, &Default::default(), None)
}

fn options(
    arguments: &DrillArguments,
    world: &World,
    archive: &Path,
    server: ConnectParams,
) -> Result<DrillOptions> {
    let id = RestoreId::new(world.now().to_utc(), u16::from_le_bytes(world.random()?));
    Ok(DrillOptions {
        jobs: world.jobs(arguments.jobs),
        checks: arguments.check.clone(),
        no_owner: arguments.no_owner,
        no_privileges: arguments.no_privileges,
        analyze: !arguments.no_analyze,
        ..DrillOptions::new(archive, server, id)
    })
}
