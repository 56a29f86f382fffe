//! `pgark restore`: from what was typed to [`RestoreOptions`], and the run.

use super::arguments::{RestoreArguments, RestoreModeArgument, SectionArgument};
use super::cluster;
use super::connection;
use super::inspect;
use super::output;
use super::progress::Display;
use super::report;
use super::signals;
use super::world::World;
use crate::archive::cluster::ClusterManifest;
use crate::archive::script_reader::{Opened, ScriptSource};
use crate::connect::ConnectParams;
use crate::error::{Error, ErrorKind, Result};
use crate::model::Section;
use crate::progress::Interrupt;
use crate::restore::script::{self, ScriptOptions};
use crate::restore::{self, Mode, RestoreOptions};

pub(super) async fn run(
    arguments: &RestoreArguments,
    world: &World,
    interrupt: &Interrupt,
) -> Result<()> {
    if arguments.list {
        return inspect::list(&arguments.archive, world);
    }
    if arguments.connection.dbname.is_none() {
        return Err(Error::new(ErrorKind::Usage, "restore needs -d, the database to restore into")
            .with_hint("\"pgark restore -d NAME ARCHIVE\" restores into the database NAME")
            .with_hint(
                "DATABASE_URL is not used, because it often names the database to protect",
            ));
    }
    let params = connection::params(world, &arguments.connection, None)?;
    if ClusterManifest::is_at(&arguments.archive) {
        let options = options(arguments, world, params);
        return cluster::restore(arguments, options, world, interrupt).await;
    }
    if let Opened::Script(source) = ScriptSource::open(&arguments.archive)? {
        return run_script(arguments, world, interrupt, params, source).await;
    }
    let options = options(arguments, world, params);
    let mut display = Display::start(world, &arguments.output);
    let progress = display.handle();
    let plan = connection::with_password(
        world,
        arguments.connection.prompt,
        options.connection.clone(),
        &display,
        |params| {
            let options = RestoreOptions { connection: params, ..options.clone() };
            signals::unless(interrupt, restore::plan(options, progress.clone()))
        },
    )
    .await?;
    if arguments.dry_run {
        display.close();
        return output::result(plan.summary(), arguments.output.json, |_| plan.to_string());
    }
    let report = plan.run(interrupt.clone()).await?;
    display.close();
    output::result(&report, arguments.output.json, report::restored)?;
    report.partial().map_or(Ok(()), Err)
}

/// Restores a plain script, over one connection and in the order it was written in.
async fn run_script(
    arguments: &RestoreArguments,
    world: &World,
    interrupt: &Interrupt,
    connection: ConnectParams,
    source: ScriptSource,
) -> Result<()> {
    if let Some(option) = meaningless(arguments) {
        let archive = arguments.archive.display();
        let message = format!("{option} cannot be used with \"{archive}\", which is a script");
        return Err(Error::new(ErrorKind::Usage, message)
            .with_hint("what a script holds, drops and creates was decided when it was written"));
    }
    let options = ScriptOptions {
        mode: mode(arguments),
        single_transaction: arguments.single_transaction,
        exit_on_error: arguments.exit_on_error,
        analyze: !arguments.no_analyze,
        fix_sequences: arguments.fix_sequences,
        role: arguments.connection.role.clone(),
        ..ScriptOptions::new(connection.clone())
    };
    let mut display = Display::start(world, &arguments.output);
    let prompt = arguments.connection.prompt;
    let session = connection::with_password(world, prompt, connection, &display, |params| {
        let options = ScriptOptions { connection: params, ..options.clone() };
        signals::unless(interrupt, async move { script::connect(&options).await })
    })
    .await?;
    let planning = script::plan(options, source, session, display.handle());
    let plan = signals::unless(interrupt, planning).await?;
    if arguments.dry_run {
        display.close();
        return output::result(plan.summary(), arguments.output.json, |_| plan.to_string());
    }
    let report = plan.run(interrupt.clone()).await?;
    display.close();
    output::result(&report, arguments.output.json, report::script_restored)?;
    report.partial().map_or(Ok(()), Err)
}

/// Returns an option that only archives can follow.
fn meaningless(arguments: &RestoreArguments) -> Option<&'static str> {
    let selection = &arguments.selection;
    [
        ("-c/--clean", arguments.clean),
        ("-C/--create", arguments.create),
        ("--disable-triggers", arguments.disable_triggers),
        ("--section", !selection.section.is_empty()),
        ("-n/--schema", !selection.schema.is_empty()),
        ("-N/--exclude-schema", !selection.exclude_schema.is_empty()),
        ("-t/--table", !selection.table.is_empty()),
        ("-s/--schema-only", selection.schema_only),
        ("-a/--data-only", selection.data_only),
        ("-O/--no-owner", selection.no_owner),
        ("-x/--no-privileges", selection.no_privileges),
    ]
    .into_iter()
    .find_map(|(option, given)| given.then_some(option))
}

fn mode(arguments: &RestoreArguments) -> Mode {
    match arguments.mode {
        Some(RestoreModeArgument::Append) => Mode::Append,
        None => Mode::Fresh,
    }
}

fn options(
    arguments: &RestoreArguments,
    world: &World,
    connection: ConnectParams,
) -> RestoreOptions {
    let selection = &arguments.selection;
    RestoreOptions {
        jobs: if arguments.single_transaction { 1 } else { world.jobs(arguments.jobs) },
        mode: mode(arguments),
        clean: arguments.clean,
        if_exists: arguments.if_exists,
        create: arguments.create,
        no_owner: selection.no_owner,
        no_privileges: selection.no_privileges,
        schema_only: selection.schema_only,
        data_only: selection.data_only,
        sections: selection.section.iter().map(|&section| meant(section)).collect(),
        tables: selection.table.clone(),
        schemas: selection.schema.clone(),
        exclude_schemas: selection.exclude_schema.clone(),
        single_transaction: arguments.single_transaction,
        disable_triggers: arguments.disable_triggers,
        exit_on_error: arguments.exit_on_error,
        analyze: !arguments.no_analyze,
        fix_sequences: arguments.fix_sequences,
        role: arguments.connection.role.clone(),
        ..RestoreOptions::new(&arguments.archive, connection)
    }
}

fn meant(section: SectionArgument) -> Section {
    match section {
        SectionArgument::PreData => Section::PreData,
        SectionArgument::Data => Section::Data,
        SectionArgument::PostData => Section::PostData,
    }
}
