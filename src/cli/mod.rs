//! The command line: arguments, output, exit codes; the only place that knows terminal, environment
//! and clock.
//!
//! ```text
//! main -> Arguments (what was typed) -> verb::run -> plan -> run -> report -> output
//!                                                \-> Error -> failure::print, exit code
//! ```

mod arguments;
mod cluster;
mod completions;
mod connection;
mod demo;
mod difference;
mod drop_in;
mod dump;
mod extract;
mod failure;
mod inspect;
mod output;
mod progress;
mod report;
mod restore;
mod signals;
mod verify;
mod world;

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

use self::arguments::{Arguments, Command};
use self::world::World;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::progress::Interrupt;

/// Runs the program.
pub fn main() -> ExitCode {
    let world = World::look();
    let typed: Vec<OsString> = std::env::args_os().collect();
    match drop_in(&typed) {
        Some(("pg_dump", program, arguments)) => {
            return drop_in::pg_dump::run(program, arguments, &world);
        }
        Some(("pg_dumpall", program, arguments)) => {
            return drop_in::pg_dumpall::run(&program, arguments, &world);
        }
        Some((name, ..)) => {
            let message = format!("this version of pgark does not stand in for {name}");
            let error = Error::new(ErrorKind::Usage, message)
                .with_hint("\"pgark restore -d NAME ARCHIVE\" restores an archive");
            failure::print(&error, false, world.color);
            // The stock tools know no other code for failures.
            return ExitCode::FAILURE;
        }
        None => {}
    }
    let arguments = match Arguments::try_parse_from(&typed) {
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

/// The tools of PostgreSQL whose names mean something here.
const DROP_INS: [&str; 3] = ["pg_dump", "pg_restore", "pg_dumpall"];

/// Returns the stock tool that is meant, the name it was called by and its arguments, when the program is
/// called under its name or with it as verb.
fn drop_in(typed: &[OsString]) -> Option<(&'static str, String, Vec<OsString>)> {
    let named = |name: &OsStr| DROP_INS.into_iter().find(|&drop_in| name == drop_in);
    let program = typed.first()?;
    if let Some(name) = named(Path::new(program).file_stem()?) {
        let program = drop_in::getopt::argument_text(program);
        return Some((name, program, typed[1..].to_vec()));
    }
    let name = named(typed.get(1)?)?;
    Some((name, name.to_owned(), typed[2..].to_vec()))
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
            work(async |_interrupt| inspect::run(&arguments, world).await)
        }
        Command::Dump(arguments) => {
            work(async |interrupt| dump::run(&arguments, world, &interrupt).await)
        }
        Command::Restore(arguments) => {
            work(async |interrupt| restore::run(&arguments, world, &interrupt).await)
        }
        Command::Verify(arguments) => {
            work(async |interrupt| verify::run(&arguments, world, &interrupt).await)
        }
        Command::Demo(arguments) => {
            work(async |interrupt| demo::run(&arguments, world, &interrupt).await)
        }
    }
}

/// Does the work of a verb on a runtime of its own, with signals turned into an [`Interrupt`].
fn work(verb: impl AsyncFnOnce(Interrupt) -> Result<()>) -> Result<()> {
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
