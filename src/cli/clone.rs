//! `pgark clone`: from what was typed to [`CloneOptions`], and the run.

use clap::Args;

use super::arguments::{
    ContentArguments, Jobs, OutputArguments, PromptArguments, SelectionArguments,
};
use super::progress::Display;
use super::world::World;
use super::{connection, dump, output, report, signals};
use crate::clone::{CloneReport, CloneSource};
use crate::codec::Compression;
use crate::connect::ConnectParams;
use crate::dump::{DumpOptions, Output};
use crate::error::{Error, ErrorKind, Result};
use crate::progress::Interrupt;
use crate::restore::{Mode, RestoreOptions};
use crate::store::Location;

/// Carry a database over to another server, without an archive
///
/// Definitions and indexes are made as in a restore, rows go from the one server to the other as they
/// come. In the end definitions, rows and sequences of both are compared. The source is read in one
/// snapshot, which is let go of with its last row.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pgark clone --from postgresql://old/shop --to postgresql://new/shop
  pgark clone --from service=old --to postgresql://new/postgres --create -j 8")]
pub(super) struct CloneArguments {
    /// Database to read: a name, a connection string or a URI
    #[arg(long, value_name = "CONN")]
    from: String,

    /// Database to fill; with --create the one to connect to first
    #[arg(long, value_name = "CONN")]
    to: String,

    /// Connections to each side [default: cores, at most 8]
    #[arg(short = 'j', long, value_name = "N")]
    jobs: Option<Jobs>,

    /// Do not compare both sides in the end
    ///
    /// Between servers of one major, tables of built-in types go in binary form then.
    #[arg(long)]
    no_proof: bool,

    /// Create the database, with the name and the properties of the source
    #[arg(short = 'C', long)]
    create: bool,

    /// Drop what the source has before it is made; with --create the database
    #[arg(short = 'c', long)]
    clean: bool,

    /// With --clean, do not fail on what does not exist
    #[arg(long, requires = "clean")]
    if_exists: bool,

    /// Add to what the target holds already
    #[arg(long, conflicts_with = "clean")]
    append: bool,

    /// Stop at the first error
    #[arg(long)]
    exit_on_error: bool,

    /// Do not collect statistics of the rows
    #[arg(long)]
    no_analyze: bool,

    /// How long to wait for each table's lock on the source, as in 10s
    #[arg(long, value_name = "TIME")]
    lock_wait_timeout: Option<String>,

    /// Show what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    selection: SelectionArguments,

    #[command(flatten)]
    content: ContentArguments,

    #[command(flatten)]
    prompt: PromptArguments,

    #[command(flatten)]
    pub(super) output: OutputArguments,
}

pub(super) async fn run(
    arguments: &CloneArguments,
    world: &World,
    interrupt: &Interrupt,
) -> Result<()> {
    let from = connection::params_of(world, &arguments.from)?;
    let to = connection::params_of(world, &arguments.to)?;
    let mut display = Display::start(world, &arguments.output);
    let progress = display.handle();
    let prompt = arguments.prompt;
    // Filter files are read once, whatever is asked for again.
    let options = source_options(arguments, world, from.clone())?;
    let source = connection::with_password(world, prompt, from, &display, |params| {
        let options = DumpOptions { connection: params, ..options.clone() };
        CloneSource::open(options, !arguments.no_proof, progress.clone(), interrupt)
    })
    .await?;
    let plan = connection::with_password(world, prompt, to, &display, |params| {
        signals::unless(interrupt, source.plan_into(target_options(arguments, world, params)))
    })
    .await?;
    if arguments.dry_run {
        display.close();
        return output::result(plan.target().summary(), arguments.output.json, |_| {
            plan.to_string()
        });
    }
    let report = plan.run(interrupt.clone()).await?;
    display.close();
    output::result(&report, arguments.output.json, report::cloned)?;
    verdict(&report)
}

fn source_options(
    arguments: &CloneArguments,
    world: &World,
    connection: ConnectParams,
) -> Result<DumpOptions> {
    let options = DumpOptions::new(connection, Output::Stdout, world.now());
    Ok(DumpOptions {
        compression: Compression::NONE,
        jobs: world.jobs(arguments.jobs),
        lock_wait_timeout: arguments.lock_wait_timeout.clone(),
        ..dump::select(&arguments.selection, &arguments.content, options)?
    })
}

fn target_options(
    arguments: &CloneArguments,
    world: &World,
    connection: ConnectParams,
) -> RestoreOptions {
    RestoreOptions {
        jobs: world.jobs(arguments.jobs),
        mode: if arguments.append { Mode::Append } else { Mode::Fresh },
        create: arguments.create,
        clean: arguments.clean,
        if_exists: arguments.if_exists,
        exit_on_error: arguments.exit_on_error,
        analyze: !arguments.no_analyze,
        data_only: arguments.content.data_only,
        no_owner: arguments.content.no_owner,
        no_privileges: arguments.content.no_privileges,
        cores: Some(world.cores),
        ..RestoreOptions::new(Location::default(), connection)
    }
}

/// Turns what failed and what differs into the failure that it is.
fn verdict(report: &CloneReport) -> Result<()> {
    if let Some(error) = report.restored.partial() {
        return Err(error);
    }
    let differs = report.proof.as_ref().map_or(0, |proof| proof.findings.len());
    if differs == 0 {
        return Ok(());
    }
    let findings = if differs == 1 { "one finding".into() } else { format!("{differs} findings") };
    let what = format!("{:?} and its clone differ: {findings}", report.source);
    Err(Error::new(ErrorKind::Integrity, what)
        .with_hint("the clone is left as it is, for you to look at"))
}
