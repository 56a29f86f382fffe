//! The command line: arguments, output, exit codes; the only place that knows terminal, environment
//! and clock.

mod pg_dump;

use std::process::ExitCode;

use crate::connect::Environment;

/// Runs the program.
pub fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|verb| verb == "pg_dump") {
        return pg_dump::run(arguments.collect(), &environment());
    }
    ExitCode::SUCCESS
}

/// Reads what the library may know of its surroundings.
fn environment() -> Environment {
    Environment {
        variables: std::env::vars().collect(),
        home: std::env::home_dir(),
        user: std::env::var("USER").ok(),
        ..Environment::default()
    }
}
