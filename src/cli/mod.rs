//! The command line: arguments, output, exit codes; the only place that knows terminal, environment
//! and clock.
//!
//! ```text
//! main -> Arguments (what was typed) -> verb::run -> plan -> run -> report -> output
//!                                                \-> Error -> failure::print, exit code
//! ```

mod arguments;
mod clone;
mod cluster;
mod completions;
mod config;
mod connection;
mod demo;
mod difference;
mod drill;
mod drop_in;
mod dump;
mod extract;
mod failure;
mod input;
mod inspect;
mod location;
mod managed_restore;
mod named_backup;
mod output;
mod progress;
mod report;
mod restore;
mod restore_print;
mod restore_selection;
mod signals;
mod vault;
mod verify;
mod world;
mod zone;

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

use self::arguments::{Arguments, Command, ConfigAction};
use self::world::World;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::progress::Interrupt;
use crate::sql::text;

/// Runs the program.
pub fn main() -> ExitCode {
    let world = World::look();
    let typed: Vec<OsString> = std::env::args_os().collect();
    if let Some((stand_in, program, arguments)) = drop_in(&typed) {
        return stand_in(program, arguments, &world);
    }
    let carried = typed.iter().map(|argument| text::decode(argument.as_bytes()));
    let arguments = match Arguments::try_parse_from(carried) {
        Ok(arguments) => arguments,
        Err(error) => return refuse(&error, &typed, &world),
    };
    let json = arguments.command.output().json;
    match run(arguments.command, &world) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            failure::print(&error, json, world.color);
            ExitCode::from(failure::exit_code(&error))
        }
    }
}

/// Runs a stand-in with the name it was called by and everything that came after it.
type StandIn = fn(String, Vec<OsString>, &World) -> ExitCode;

/// The tools of PostgreSQL whose names mean something here.
const DROP_INS: [(&str, StandIn); 3] = [
    ("pg_dump", drop_in::pg_dump::run),
    ("pg_restore", drop_in::pg_restore::run),
    ("pg_dumpall", |program, arguments, world| {
        drop_in::pg_dumpall::run(&program, arguments, world)
    }),
];

/// Returns the stand-in for the stock tool that is meant, the name it was called by and its arguments, when
/// the program is called under its name or with it as verb.
fn drop_in(typed: &[OsString]) -> Option<(StandIn, String, Vec<OsString>)> {
    let named = |name: &OsStr| DROP_INS.into_iter().find(|(drop_in, _)| name == *drop_in);
    let program = typed.first()?;
    if let Some((_, stand_in)) = named(Path::new(program).file_stem()?) {
        let program = text::decode(program.as_bytes());
        return Some((stand_in, program, typed[1..].to_vec()));
    }
    let (name, stand_in) = named(typed.get(1)?)?;
    Some((stand_in, name.to_owned(), typed[2..].to_vec()))
}

/// Says what is wrong with the arguments, or prints help and version, which come the same way.
fn refuse(error: &clap::Error, typed: &[OsString], world: &World) -> ExitCode {
    let wants_json = typed.iter().any(|argument| argument == "--json");
    if wants_json && error.use_stderr() {
        let text = error.to_string();
        let message = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
        failure::print(&Error::new(ErrorKind::Usage, message), true, world.color);
    } else {
        // Nobody is left to tell when printing fails.
        let _ = error.print();
    }
    ExitCode::from(if error.use_stderr() { ErrorKind::Usage.exit_code() } else { 0 })
}

fn run(command: Command, world: &World) -> Result<()> {
    match command {
        Command::Completions(arguments) => completions::run(&arguments),
        Command::Inspect(arguments) => {
            work(async |interrupt| inspect::run(&arguments, world, &interrupt).await)
        }
        Command::Dump(arguments) => {
            work(async |interrupt| dump::run(&arguments, world, &interrupt).await)
        }
        Command::Restore(arguments) => {
            work(async |interrupt| restore::run(&arguments, world, &interrupt).await)
        }
        Command::Clone(arguments) => {
            work(async |interrupt| clone::run(&arguments, world, &interrupt).await)
        }
        Command::Verify(arguments) => {
            work(async |interrupt| verify::run(&arguments, world, &interrupt).await)
        }
        Command::Backup(arguments) => {
            work(async |interrupt| vault::backup::run(&arguments, world, &interrupt).await)
        }
        Command::List(arguments) => vault::list::run(&arguments, world),
        Command::Status(arguments) => vault::status::run(&arguments, world),
        Command::Prune(arguments) => vault::prune::run(&arguments, world),
        Command::Mark(arguments) => vault::mark::run(&arguments, world),
        Command::Config(arguments) => match arguments.action {
            ConfigAction::Show => config::show::run(&arguments, world),
            ConfigAction::Check => config::check::run(&arguments, world),
        },
        Command::Drill(arguments) => {
            work(async |interrupt| drill::run(&arguments, world, &interrupt).await)
        }
        Command::Demo(arguments) => {
            work(async |interrupt| demo::run(&arguments, world, &interrupt).await)
        }
    }
}

/// Does the work of a verb on a runtime of its own, with signals turned into an [`Interrupt`].
fn work<T>(verb: impl AsyncFnOnce(Interrupt) -> Result<T>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context(ErrorKind::Internal, || "could not start the runtime".to_owned())?;
    let outcome = runtime.block_on(async {
        let interrupt = Interrupt::default();
        signals::listen(&interrupt)?;
        verb(interrupt).await
    });
    // A prompt that nobody answered must not keep the program from ending.
    runtime.shutdown_background();
    outcome
}
