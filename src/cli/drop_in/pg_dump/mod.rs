//! `pgark pg_dump`: the options, output, messages and exit codes of PostgreSQL 18's pg_dump.

mod help;
mod meant;
mod typed;

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

use self::meant::Meant;
use self::typed::{Id, Refusal, Typed};
use super::super::connection;
use super::super::signals;
use super::super::world::World;
use super::messages::Speaker;
use crate::connect::{ConnectParams, ConnectRequest};
use crate::dump;
use crate::error::{Context, ErrorKind, Result};
use crate::progress::{Interrupt, Progress, ProgressHandle};

pub(super) use typed::Prompt;

/// The version that this stands in for.
pub(super) const STOCK_VERSION: &str = "18.6";

/// Runs the tool with everything that came after its name; returns pg_dump's exit codes.
pub(in crate::cli) fn run(program: String, arguments: Vec<OsString>, world: &World) -> ExitCode {
    run_on(program, arguments, None, world)
}

/// As [`run`]; with a `target` the arguments do not say where to connect.
pub(super) fn run_on(
    program: String,
    arguments: Vec<OsString>,
    target: Option<&ConnectParams>,
    world: &World,
) -> ExitCode {
    let speaker = Arc::new(Speaker::new("pg_dump"));
    // As in pg_dump, these two are known only in the first place.
    match arguments.first().and_then(|first| first.to_str()) {
        Some("--help" | "-?") => return speaker.tell(help::TEXT),
        Some("--version" | "-V") => {
            return speaker.tell(&format!("pg_dump (PostgreSQL) {STOCK_VERSION}\n"));
        }
        _ => {}
    }
    let outcome = Typed::read(arguments).and_then(|typed| {
        let meant = Meant::new(&typed)?;
        Ok((typed, meant))
    });
    let (typed, meant) = match outcome {
        Ok(understood) => understood,
        Err(refusal) => {
            return match refusal {
                Refusal::Misuse(misuse) => speaker.refuse_as(&program, &misuse),
                Refusal::Help => speaker.point_to_help(),
                Refusal::Error(error) => speaker.fail(&error),
                Refusal::ErrorWithHelp(error) => speaker.fail(&error.with_hint(speaker.try_help())),
            };
        }
    };
    if let Some(warning) = meant.warning {
        speaker.warning(warning);
    }
    if typed.has(Id::Verbose) {
        speaker.be_verbose();
    }
    match work(&typed, &meant, target, &speaker, world) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == ErrorKind::Interrupted => {
            speaker.say("terminated by user");
            ExitCode::FAILURE
        }
        Err(error) => speaker.fail(&error),
    }
}

fn work(
    typed: &Typed,
    meant: &Meant,
    target: Option<&ConnectParams>,
    speaker: &Arc<Speaker>,
    world: &World,
) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context(ErrorKind::Internal, || "could not start the runtime".to_owned())?;
    let outcome = runtime.block_on(async {
        let interrupt = Interrupt::default();
        signals::listen(&interrupt)?;
        ask_and_dump(typed, meant, target, speaker, world, &interrupt).await
    });
    // A prompt that nobody answered must not keep the program from ending.
    runtime.shutdown_background();
    outcome
}

/// Dumps, asking for the password first with `-W`, or after a login that needed one.
async fn ask_and_dump(
    typed: &Typed,
    meant: &Meant,
    target: Option<&ConnectParams>,
    speaker: &Arc<Speaker>,
    world: &World,
    interrupt: &Interrupt,
) -> Result<()> {
    let params = match target {
        Some(params) => params.clone(),
        None => ConnectParams::resolve(&connect_request(typed), &world.environment)?,
    };
    for warning in params.warnings().iter().filter(|_| target.is_none()) {
        speaker.warning(warning);
    }
    let progress: ProgressHandle = Arc::clone(speaker) as ProgressHandle;
    let plan = async |params| {
        let options = meant.options(typed, params, world);
        dump::plan(options, progress.clone(), interrupt).await
    };
    let first = match typed.prompt {
        Prompt::First => Err(None),
        _ => plan(params.clone()).await.map_err(Some),
    };
    let plan = match first {
        Ok(plan) => plan,
        Err(Some(error))
            if !world.can_ask
                || typed.prompt == Prompt::Never
                || !connection::wants_password(&error) =>
        {
            return Err(error);
        }
        Err(_) => plan(connection::ask_password(params).await?).await?,
    };
    plan.run(interrupt.clone()).await.map(drop)
}

fn connect_request(typed: &Typed) -> ConnectRequest {
    let text = |id: Id| typed.value(id).map(str::to_owned);
    ConnectRequest {
        dbname: text(Id::Dbname).or_else(|| typed.database.clone()),
        host: text(Id::Host),
        port: text(Id::Port),
        user: text(Id::Username),
        application_name: Some("pg_dump".to_owned()),
        ..ConnectRequest::default()
    }
}
