//! `pgark restore`: from what was typed to [`RestoreOptions`], and the run.

use super::arguments::{RestoreArguments, RestoreModeArgument};
use super::cluster;
use super::connection;
use super::input::Input;
use super::managed_restore;
use super::output;
use super::progress::Display;
use super::report;
use super::restore_print;
use super::restore_selection::{check_format, first_given, loading_option, selection};
use super::signals;
use super::world::World;
use crate::archive::cluster::ClusterManifest;
use crate::archive::script_reader::ScriptSource;
use crate::archive::selection::RestoreSelection;
use crate::connect::ConnectParams;
use crate::error::{Error, ErrorKind, Result};
use crate::progress::Interrupt;
use crate::restore::script::{self, ScriptOptions};
use crate::restore::{self, Mode, RestoreOptions};
use crate::store::Location;

pub(super) async fn run(
    arguments: &RestoreArguments,
    world: &World,
    interrupt: &Interrupt,
) -> Result<()> {
    let selection = selection(arguments)?;
    if arguments.list || arguments.file.is_some() {
        let input = Input::open_archive(&arguments.archive, world, interrupt).await?;
        check_format(arguments, &input.location)?;
        return match arguments.list {
            true => restore_print::list(arguments, &input.location, selection, world),
            false => restore_print::script(arguments, &input.location, selection, world, interrupt),
        };
    }
    if arguments.connection.dbname.is_none() {
        return managed_restore::run(arguments, world, interrupt).await;
    }
    if arguments.mode == Some(RestoreModeArgument::Swap) {
        let what = "--mode swap replaces a database, and -d names one to load into";
        return Err(
            Error::new(ErrorKind::Usage, what).with_hint("--target names the database to replace")
        );
    }
    let params = connection::params(world, &arguments.connection, None)?;
    if ClusterManifest::is_at(&arguments.archive) {
        let options = options(arguments, &(&arguments.archive).into(), selection, world, params);
        return cluster::restore(arguments, options, world, interrupt).await;
    }
    let input = match Input::open(&arguments.archive, world, interrupt).await? {
        Input::Script(source, _) => {
            return run_script(arguments, world, interrupt, params, source).await;
        }
        Input::Archive(archive) => archive,
    };
    check_format(arguments, &input.location)?;
    let options = options(arguments, &input.location, selection, world, params);
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
        let archive = source.name();
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
    let shape = &arguments.shape;
    first_given([
        ("-F/--format", arguments.format.is_some()),
        ("-O/--no-owner", shape.no_owner),
        ("-x/--no-privileges", shape.no_privileges),
    ])
    .or_else(|| loading_option(arguments))
}

fn mode(arguments: &RestoreArguments) -> Mode {
    match arguments.mode {
        Some(RestoreModeArgument::Append) => Mode::Append,
        Some(RestoreModeArgument::Swap) | None => Mode::Fresh,
    }
}

fn options(
    arguments: &RestoreArguments,
    archive: &Location,
    selection: RestoreSelection,
    world: &World,
    connection: ConnectParams,
) -> RestoreOptions {
    let shape = &arguments.shape;
    RestoreOptions {
        jobs: if arguments.single_transaction { 1 } else { world.jobs(arguments.jobs) },
        mode: mode(arguments),
        clean: arguments.clean,
        if_exists: arguments.if_exists,
        create: selection.create,
        no_owner: shape.no_owner,
        session_authorization: shape.use_set_session_authorization,
        no_privileges: selection.no_privileges,
        no_comments: selection.no_comments,
        no_policies: selection.no_policies,
        no_publications: selection.no_publications,
        no_subscriptions: selection.no_subscriptions,
        no_security_labels: selection.no_security_labels,
        no_tablespaces: shape.no_tablespaces,
        no_table_access_method: shape.no_table_access_method,
        no_schema: !selection.schema,
        no_data: !selection.data,
        no_statistics: !selection.statistics,
        sections: selection.sections,
        tables: selection.tables,
        schemas: selection.schemas,
        exclude_schemas: selection.exclude_schemas,
        indexes: selection.indexes,
        functions: selection.functions,
        triggers: selection.triggers,
        list: arguments.selection.use_list.clone(),
        single_transaction: arguments.single_transaction,
        transaction_size: arguments
            .transaction_size
            .map(|size| usize::try_from(size).unwrap_or(usize::MAX)),
        row_security: arguments.enable_row_security,
        disable_triggers: arguments.disable_triggers,
        superuser: arguments.superuser.clone(),
        exit_on_error: arguments.exit_on_error,
        no_data_for_failed_tables: arguments.no_data_for_failed_tables,
        analyze: !arguments.no_analyze,
        fix_sequences: arguments.fix_sequences,
        freeze: arguments.loading.freeze,
        split_load: arguments.loading.split_load,
        settings: arguments.loading.settings(),
        cores: Some(world.cores),
        role: arguments.connection.role.clone(),
        ..RestoreOptions::new(archive, connection)
    }
}
