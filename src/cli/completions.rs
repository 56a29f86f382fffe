//! `pgark completions`: what a shell needs to complete the command line.

use clap::CommandFactory;

use super::arguments::{Arguments, CompletionsArguments};
use super::output;
use crate::error::Result;

pub(super) fn run(arguments: &CompletionsArguments) -> Result<()> {
    let mut command = Arguments::command();
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "pgark", &mut script);
    output::print(&String::from_utf8_lossy(&script))
}
