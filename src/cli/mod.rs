//! The command line: arguments, output, exit codes; the only place that knows terminal, environment
//! and clock.

use std::process::ExitCode;

/// Runs the program.
pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}
