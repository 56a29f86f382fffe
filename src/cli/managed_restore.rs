//! `pgark restore` without `-d`: a backup in the place of a database. The question, the run, the report.

use std::io::Write;
use std::path::Path;

use super::arguments::{RestoreArguments, RestoreModeArgument};
use super::connection;
use super::input::{Input, STANDARD_INPUT};
use super::named_backup::NamedBackup;
use super::output;
use super::progress::Display;
use super::report;
use super::restore_selection::{check_format, first_given, loading_option};
use super::signals;
use super::vault::settings;
use super::world::World;
use crate::archive::cluster::ClusterManifest;
use crate::connect::ConnectParams;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::progress::Interrupt;
use crate::vault::managed::{self, Direction, ManagedOptions, ManagedReport, RestoreId, Sessions};

pub(super) async fn run(
    arguments: &RestoreArguments,
    world: &World,
    interrupt: &Interrupt,
) -> Result<()> {
    if let Some(option) = meaningless(arguments) {
        let what = format!("{option} needs -d, the database to load into");
        return Err(Error::new(ErrorKind::Usage, what)
            .with_hint("without -d a whole backup takes the place of a database"));
    }
    let params = target(arguments, world)?;
    let asked = [
        (&arguments.managed.resume, Direction::Forwards),
        (&arguments.managed.rollback, Direction::Backwards),
    ];
    let settling = asked.into_iter().find_map(|(id, way)| Some((id.as_ref()?, way)));
    match settling {
        Some((id, direction)) => settle(arguments, world, interrupt, params, id, direction).await,
        None => begin(arguments, world, interrupt, params).await,
    }
}

/// Works out which database is to be replaced; it must have been named by somebody.
fn target(arguments: &RestoreArguments, world: &World) -> Result<ConnectParams> {
    if let Some(target) = &arguments.managed.target {
        return connection::params_of(world, target);
    }
    if arguments.managed.repository.profile.is_some() {
        let settings = settings::read(&arguments.managed.repository, world)?;
        if settings.overridden_connection().is_some() {
            // A backup may go to the wrong place; what is replaced must be meant.
            let message = "the profile and a variable name different databases to replace";
            return Err(Error::new(ErrorKind::Usage, message).with_hint(
                "unset DATABASE_URL or PGARK_CONNECTION, or name the database with --target",
            ));
        }
        if settings.is_set("connection") {
            return settings::one_database(&settings, &arguments.connection, world);
        }
    }
    let named = ["DATABASE_URL", "PGDATABASE", "PGSERVICE"];
    if !named.iter().any(|name| world.variable(name).is_some()) {
        return Err(Error::new(
            ErrorKind::Usage,
            "restore needs to know which database to replace",
        )
        .with_hint(
            "looked for --target, --profile, DATABASE_URL, PGDATABASE and PGSERVICE, in this order",
        )
        .with_hint("\"pgark restore -d NAME ARCHIVE\" loads an archive into the database NAME"));
    }
    connection::params(world, &arguments.connection, None)
}

fn options(
    arguments: &RestoreArguments,
    world: &World,
    archive: &Path,
    params: ConnectParams,
) -> Result<ManagedOptions> {
    let id = RestoreId::new(world.now().to_utc(), u16::from_le_bytes(world.random()?));
    let managed = &arguments.managed;
    // The journal names it, for whoever finishes the run from another directory.
    let archive = match archive.as_os_str().is_empty() {
        true => archive.to_owned(),
        false => std::path::absolute(archive).context(ErrorKind::Storage, || {
            format!("could not find out where \"{}\" is", archive.display())
        })?,
    };
    Ok(ManagedOptions {
        jobs: world.jobs(arguments.jobs),
        sessions: match managed.terminate_connections {
            true => Sessions::Ended,
            false => Sessions::Respected,
        },
        keep_old: managed.keep_old,
        // A database of the environment, a backup of another one and nobody who looks: that is a mistake.
        same_name: managed.yes && managed.target.is_none(),
        partial: managed.allow_partial,
        reason: managed.reason.clone(),
        no_owner: arguments.shape.no_owner,
        no_privileges: arguments.shape.no_privileges,
        analyze: !arguments.no_analyze,
        ..ManagedOptions::new(archive, params, id)
    })
}

async fn begin(
    arguments: &RestoreArguments,
    world: &World,
    interrupt: &Interrupt,
    params: ConnectParams,
) -> Result<()> {
    let managed = &arguments.managed;
    let named = NamedBackup {
        name: (arguments.archive.as_os_str() != STANDARD_INPUT).then_some(&*arguments.archive),
        latest: managed.latest,
        random: false,
        at: managed.at.as_deref(),
        repository: &managed.repository,
    };
    let kept = named.find(world, Some(params.database()))?;
    let archive =
        kept.as_ref().map_or_else(|| arguments.archive.clone(), |kept| kept.backup.archive());
    if ClusterManifest::is_at(&archive) {
        let what = "a backup of a whole server cannot take the place of one database";
        return Err(Error::new(ErrorKind::Usage, what).with_hint("name one of the archives in it"));
    }
    let input = Input::open_archive(&archive, world, interrupt).await?;
    check_format(arguments, &input.location)?;
    let mut display = Display::start(world, &arguments.output);
    let options = ManagedOptions {
        source: kept.as_ref().map(|kept| kept.backup.record.source.server.clone()),
        ..options(arguments, world, input.path()?, params.clone())?
    };
    let prompt = arguments.connection.prompt;
    let progress = display.handle();
    if let Some(kept) = &kept {
        kept.tell(&progress);
    }
    let plan = connection::with_password(world, prompt, params, &display, |params| {
        let options = ManagedOptions { connection: params, ..options.clone() };
        signals::unless(interrupt, managed::plan(options, progress.clone(), interrupt))
    })
    .await?;
    if arguments.dry_run {
        display.close();
        let summary = plan.summary().clone();
        plan.give_up().await;
        return output::result(&summary, arguments.output.json, ToString::to_string);
    }
    if !arguments.managed.yes {
        let _pause = display.pause();
        let summary = plan.summary();
        let question = format!(
            "{summary}\nReplace the database {:?} on\n{}?\nType yes or RESTORE: ",
            summary.target, summary.server
        );
        if let Err(error) = signals::unless(interrupt, confirm(question, world)).await {
            plan.give_up().await;
            return Err(error);
        }
    }
    let report = plan.run(None, interrupt.clone()).await?;
    display.close();
    if let Some(kept) = &kept
        && report.proof.as_ref().is_some_and(|proof| proof.compared)
    {
        // The restore has succeeded, whatever becomes of the note about it.
        let note = format!("restored in the place of {:?} by {}", report.database, report.id);
        if let Err(error) = kept.note_restored(world, note, report.time) {
            display.handle().warning(&error.to_string());
        }
    }
    finish(&report, arguments)
}

async fn settle(
    arguments: &RestoreArguments,
    world: &World,
    interrupt: &Interrupt,
    params: ConnectParams,
    id: &str,
    direction: Direction,
) -> Result<()> {
    let id = match id {
        "" => None,
        id => Some(
            id.parse::<RestoreId>()
                .context(ErrorKind::Usage, || format!("{id:?} cannot be looked for"))?,
        ),
    };
    let archive = moved_archive(arguments, direction)?;
    let mut display = Display::start(world, &arguments.output);
    let progress = display.handle();
    let options = options(arguments, world, archive, params.clone())?;
    let prompt = arguments.connection.prompt;
    let plan = connection::with_password(world, prompt, params, &display, |params| {
        let options = ManagedOptions { connection: params, ..options.clone() };
        let plan = managed::settle(options, id.clone(), direction, progress.clone(), interrupt);
        signals::unless(interrupt, plan)
    })
    .await?;
    if arguments.dry_run {
        display.close();
        let summary = plan.summary().clone();
        plan.give_up().await;
        return output::result(&summary, arguments.output.json, ToString::to_string);
    }
    let summary = plan.summary();
    if summary.takes_away && !arguments.managed.yes {
        let _pause = display.pause();
        let question = format!(
            "{summary}\nPut back what was in {:?} before, on\n{}?\nType yes or RESTORE: ",
            summary.target, summary.server
        );
        if let Err(error) = signals::unless(interrupt, confirm(question, world)).await {
            plan.give_up().await;
            return Err(error);
        }
    }
    let report = plan.run(None, interrupt.clone()).await?;
    display.close();
    finish(&report, arguments)
}

/// Returns where the archive of an earlier run is now; an empty path for where it was.
///
/// An id behind a blank is taken for an archive, and then another run would be meant than the one that was typed.
fn moved_archive(arguments: &RestoreArguments, direction: Direction) -> Result<&Path> {
    let option = match direction {
        Direction::Forwards => "--resume",
        Direction::Backwards => "--rollback",
    };
    if let Some(other) = first_given([
        ("--latest", arguments.managed.latest),
        ("--at", arguments.managed.at.is_some()),
    ]) {
        let what = format!("{other} chooses a backup, and {option} goes on with a restore");
        return Err(Error::new(ErrorKind::Usage, what));
    }
    // Standard input is never meant here: the archive of the journal is.
    if arguments.archive.as_os_str() == STANDARD_INPUT {
        return Ok(Path::new(""));
    }
    let given = arguments.archive.to_string_lossy();
    if let Ok(id) = given.parse::<RestoreId>() {
        let what = format!("{given:?} stands where an archive is meant");
        return Err(Error::new(ErrorKind::Usage, what)
            .with_hint(format!("a restore is named as in {option}={id}, without a blank")));
    }
    match direction {
        Direction::Forwards => Ok(&arguments.archive),
        Direction::Backwards => {
            let what = format!("--rollback needs no archive, and {given:?} was named");
            Err(Error::new(ErrorKind::Usage, what)
                .with_hint("a restore is named as in --rollback=ID, without a blank"))
        }
    }
}

fn finish(report: &ManagedReport, arguments: &RestoreArguments) -> Result<()> {
    output::result(report, arguments.output.json, report::replaced)
}

/// Asks; only `yes` and `RESTORE` agree.
async fn confirm(question: String, world: &World) -> Result<()> {
    if !world.can_ask {
        let what = "nobody can be asked, because there is no terminal";
        return Err(Error::new(ErrorKind::Declined, what)
            .with_hint("--yes does it without asking, --dry-run shows what it would do"));
    }
    let answer = tokio::task::spawn_blocking(move || {
        let mut stderr = std::io::stderr().lock();
        stderr.write_all(question.as_bytes())?;
        stderr.flush()?;
        drop(stderr);
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer)?;
        Ok::<_, std::io::Error>(answer)
    });
    let answer = answer
        .await
        .context(ErrorKind::Internal, || "the question was given up".to_owned())?
        .context(ErrorKind::Declined, || "could not read the answer".to_owned())?;
    match answer.trim() {
        "yes" | "RESTORE" => Ok(()),
        _ => Err(Error::new(ErrorKind::Declined, "not agreed; nothing was changed")),
    }
}

/// Returns an option that has a meaning only for a database that is loaded into.
fn meaningless(arguments: &RestoreArguments) -> Option<&'static str> {
    first_given([
        ("-1/--single-transaction", arguments.single_transaction),
        ("--fix-sequences", arguments.fix_sequences),
        ("--mode append", arguments.mode == Some(RestoreModeArgument::Append)),
        ("--role", arguments.connection.role.is_some()),
    ])
    .or_else(|| loading_option(arguments))
}
