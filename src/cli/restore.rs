//! `pgark restore`: from what was typed to [`RestoreOptions`], and the run.

use super::arguments::{RestoreArguments, RestoreModeArgument, SectionArgument};
use super::connection;
use super::inspect;
use super::output;
use super::progress::Display;
use super::report;
use super::signals;
use super::world::World;
use crate::connect::ConnectParams;
use crate::error::{Error, ErrorKind, Result};
use crate::model::Section;
use crate::progress::Interrupt;
use crate::restore::{self, Mode, RestoreOptions};

pub(super) async fn run(
    arguments: &RestoreArguments,
    world: &World,
    interrupt: &Interrupt,
) -> Result<()> {
    if arguments.list {
        return inspect::list(&arguments.archive);
    }
    if arguments.connection.dbname.is_none() {
        return Err(Error::new(ErrorKind::Usage, "restore needs -d, the database to restore into")
            .with_hint("\"pgark restore -d NAME ARCHIVE\" restores into the database NAME")
            .with_hint(
                "DATABASE_URL is not used, because it often names the database to protect",
            ));
    }
    let params = connection::params(world, &arguments.connection, None)?;
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

fn options(
    arguments: &RestoreArguments,
    world: &World,
    connection: ConnectParams,
) -> RestoreOptions {
    let selection = &arguments.selection;
    RestoreOptions {
        jobs: if arguments.single_transaction { 1 } else { world.jobs(arguments.jobs) },
        mode: match arguments.mode {
            Some(RestoreModeArgument::Append) => Mode::Append,
            None => Mode::Fresh,
        },
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
