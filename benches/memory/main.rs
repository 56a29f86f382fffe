//! Measures the peak memory of pgark against the bound that it promises: 64 MiB and 16 MiB for each connection, and
//! 4 KiB for each table.
//!
//! ```text
//! cargo bench --bench memory -- [--only WORD]... [--scale 1] [--pgark PROGRAM]
//! ```
//!
//! The databases hold what makes memory grow elsewhere: rows of 200 MB, a table of 2 GB, 100,000 large objects, 20,000
//! tables with 100,000 columns. Measure the static program, whose allocator is another one than that of a development
//! build.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints its result")]

// What the other bench measures with stays where it is; not all of it is needed here.
#[path = "../side_by_side/measure.rs"]
#[expect(dead_code, reason = "times are the other bench's")]
mod measure;
#[path = "../side_by_side/server.rs"]
#[expect(dead_code, reason = "as above")]
mod server;
mod work;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;

use server::Server;
use work::Work;

/// Measures the peak memory of pgark
#[derive(Debug, Parser)]
struct Arguments {
    /// Only work whose name contains this word (can be repeated)
    #[arg(long, value_name = "WORD")]
    only: Vec<String>,
    /// Size of the databases; the bounds are meant for 1
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// The pgark to measure; by default the one built with this bench
    #[arg(long, value_name = "PROGRAM")]
    pgark: Option<PathBuf>,
    /// Where the stock 18 was built
    #[arg(long, env = "PGARK_CONFORMANCE", default_value = "/var/cache/pgark-conformance")]
    conformance: PathBuf,
    /// Where server and archives are kept, about 10 GB at scale 1
    #[arg(long, value_name = "DIR", default_value = "/var/tmp/pgark-memory")]
    directory: PathBuf,
    /// Passed by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("memory: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Runs what was asked for; tells whether every peak is within its bound.
fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    let pgark = match &arguments.pgark {
        Some(program) => program.canonicalize().context("no such pgark")?,
        None => PathBuf::from(env!("CARGO_BIN_EXE_pgark")),
    };
    let stock = arguments.conformance.join("pg18/bin");
    let server = Server::start(&stock, &arguments.directory, arguments.scale)?;
    println!("| work | peak | at most | seconds | |");
    println!("|---|---|---|---|---|");
    let mut within = true;
    for work in Work::all() {
        if arguments.only.is_empty() || arguments.only.iter().any(|w| work.name().contains(w)) {
            work.prepare(&server, &pgark)?;
            let peak = work.run(&server, &pgark)?;
            let (found, bound) = (peak.kib >> 10, work.bound_kib(arguments.scale) >> 10);
            let verdict = if found <= bound { "within" } else { "**over**" };
            within &= found <= bound;
            let (name, seconds) = (work.name(), peak.seconds);
            println!("| {name} | {found} MiB | {bound} MiB | {seconds:.1} | {verdict} |");
        }
    }
    Ok(within)
}
