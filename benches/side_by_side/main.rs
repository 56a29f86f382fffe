//! Measures pgark against the stock PostgreSQL 18 tools, in turn, on one server in one run.
//!
//! ```text
//! cargo bench --bench side_by_side -- [--pairs 3] [--only WORD]... [--scale 1] [--pgark PROGRAM]
//! ```
//!
//! It starts the server of `scripts/conformance setup` with `postgresql.conf` of this folder, builds the databases of
//! `mixed.sql` and `many.sql` (kept for the next run), and prints a table: medians of whole commands, their
//! ratio, the most that the ratio may be, and what client and server spent in processor time.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints its result")]

mod measure;
mod server;
mod table;
mod work;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;

use measure::{Pair, Run};
use server::Server;
use work::Work;

/// Measures pgark against the stock tools
#[derive(Debug, Parser)]
struct Arguments {
    /// How many pairs of runs the medians are of
    #[arg(long, default_value_t = 3)]
    pairs: usize,
    /// Only work whose name contains this word (can be repeated)
    #[arg(long, value_name = "WORD")]
    only: Vec<String>,
    /// Size of the databases; the targets are meant for 1
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// The pgark to measure; by default the one built with this bench
    #[arg(long, value_name = "PROGRAM")]
    pgark: Option<PathBuf>,
    /// Where the stock 18 was built
    #[arg(long, env = "PGARK_CONFORMANCE", default_value = "/var/cache/pgark-conformance")]
    conformance: PathBuf,
    /// Where server and archives are kept, about 8 GB at scale 1
    #[arg(long, value_name = "DIR", default_value = "/var/tmp/pgark-side-by-side")]
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
            eprintln!("side_by_side: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Runs what was asked for; tells whether every ratio is within its target.
fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    let pgark = match &arguments.pgark {
        Some(program) => program.canonicalize().context("no such pgark")?,
        None => PathBuf::from(env!("CARGO_BIN_EXE_pgark")),
    };
    let stock = arguments.conformance.join("pg18/bin");
    let server = Server::start(&stock, &arguments.directory, arguments.scale)?;
    println!("{}", table::machine(&server, arguments)?);
    println!("{}", table::heading());
    let mut within = true;
    for work in Work::all() {
        let wanted =
            arguments.only.is_empty() || arguments.only.iter().any(|w| work.name.contains(w));
        if !wanted {
            continue;
        }
        let pair = measure_work(&work, &server, &stock, &pgark, arguments.pairs)?;
        within &= table::is_within(&work, &pair);
        let line = table::line(&work, &pair);
        println!("{line}");
    }
    Ok(within)
}

/// Runs one kind of work by both programs in turn, so that a slow minute of the machine hits both.
fn measure_work(
    work: &Work,
    server: &Server,
    stock: &std::path::Path,
    pgark: &std::path::Path,
    pairs: usize,
) -> anyhow::Result<Pair> {
    work.prepare(server, pgark)?;
    let mut pair = Pair::default();
    for number in 1..=pairs.max(1) {
        // Every other pair begins with the other program.
        let order = if number % 2 == 1 { [true, false] } else { [false, true] };
        for is_stock in order {
            let program = if is_stock { stock } else { pgark };
            let run: Run = work.run(server, program, is_stock, number)?;
            let who = if is_stock { "stock" } else { "pgark" };
            eprintln!("side_by_side: {}: pair {number}: {who} {:.2} s", work.name, run.seconds);
            if is_stock { &mut pair.stock } else { &mut pair.pgark }.push(run);
        }
    }
    work.clean_up(server)?;
    Ok(pair)
}
