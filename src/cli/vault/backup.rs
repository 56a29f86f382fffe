//! `pgark backup`: from what was typed to [`BackupOptions`], and the run.

use super::settings::Making;
use super::{seed, settings, text, worker};
use crate::cli::arguments::{BackupArguments, TypeArgument};
use crate::cli::config::Settings;
use crate::cli::connection;
use crate::cli::drop_in::restrict_key::restrict_key;
use crate::cli::output;
use crate::cli::progress::Display;
use crate::cli::world::World;
use crate::connect::ConnectParams;
use crate::ddl::cluster::ClusterDdlOptions;
use crate::dump::{DumpOptions, GlobalsOptions, PasswordChoice};
use crate::error::{Error, ErrorKind, Result};
use crate::progress::Interrupt;
use crate::select::{SelectionRequest, TablePattern};
use crate::vault::backup::{
    self, Afterwards, BackupOptions, BackupReport, DatabaseChoice, FailedBackup, RetentionChoice,
    TypeChoice, VerificationChoice,
};

pub(in crate::cli) async fn run(
    arguments: &BackupArguments,
    world: &World,
    interrupt: &Interrupt,
) -> Result<()> {
    let mut settings = settings::read(&arguments.repository, world)?;
    settings::type_backup(&mut settings, arguments);
    let mut display = Display::start(world, &arguments.output);
    let progress = display.handle();
    for note in settings.notes.iter().chain(&settings.notes_of_aliases()) {
        progress.warning(note);
    }
    let options = options(arguments, &settings, world)?;
    let plan = connection::with_password(
        world,
        arguments.connection.prompt,
        options.dump.connection.clone(),
        &display,
        |params| backup::plan(with_connection(&options, params), progress.clone()),
    )
    .await?;
    if arguments.dry_run {
        plan.rehearse(interrupt).await?;
        display.close();
        output::result(&plan, arguments.output.json, ToString::to_string)?;
        return all_of_them(&plan.failed, plan.backups.len());
    }
    let report = plan.run(interrupt).await?;
    display.close();
    output::result(&report, arguments.output.json, text::made)?;
    verdict(&report)
}

fn with_connection(options: &BackupOptions, params: ConnectParams) -> BackupOptions {
    let mut options = options.clone();
    options.dump.connection = params;
    options
}

fn options(
    arguments: &BackupArguments,
    settings: &Settings,
    world: &World,
) -> Result<BackupOptions> {
    let making = settings::making(settings)?;
    let retention = settings::retention(settings)?;
    let connection = settings::connection(settings, &arguments.connection, world)?;
    let databases = databases(arguments, &making)?;
    let connection = match &databases {
        // The first is as good as any for the questions that no database is asked in particular.
        DatabaseChoice::Named(names) => match names.first() {
            Some(first) => connection.with_database(first),
            None => connection,
        },
        _ => connection,
    };
    let globals = GlobalsOptions {
        passwords: match making.role_passwords {
            true => PasswordChoice::IfAllowed,
            false => PasswordChoice::Never,
        },
        ddl: ClusterDdlOptions {
            restrict_key: restrict_key(None)?,
            ..ClusterDdlOptions::default()
        },
        role: making.role.clone(),
        // The databases are backed up one by one: which others there are is of no interest.
        exclude_databases: vec!["*".to_owned()],
        ..GlobalsOptions::new(connection.clone())
    };
    // The output is the repository's business.
    let dump = DumpOptions::new(connection, "", world.now());
    let patterns = |texts: &[String]| texts.iter().map(TablePattern::new).collect();
    let dump = DumpOptions {
        jobs: world.jobs(making.jobs),
        compression: making.compression,
        selection: SelectionRequest {
            exclude_schemas: making.exclude_schemas,
            exclude_tables: patterns(&making.exclude_tables),
            exclude_table_data: patterns(&making.exclude_table_data),
            ..SelectionRequest::default()
        },
        spool_folder: world.temporary_directory.clone(),
        sync: !arguments.no_sync,
        lock_wait_timeout: making.lock_wait_timeout,
        role: making.role,
        ..dump
    };
    Ok(BackupOptions {
        repository: settings::repository(settings)?,
        databases,
        backup_type: match making.backup_type {
            TypeArgument::Auto => TypeChoice::Due,
            TypeArgument::Fixed(backup_type) => TypeChoice::Fixed(backup_type),
        },
        dump,
        globals: making.globals.then_some(globals),
        verification: match making.verify {
            true => VerificationChoice::Full,
            false => VerificationChoice::None,
        },
        hold: arguments.hold.clone(),
        policy: retention.policy,
        retention: match retention.is_chosen && !arguments.no_prune {
            true => RetentionChoice::Apply,
            false => RetentionChoice::Show,
        },
        worker: worker(world, "backup"),
        seed: seed(world)?,
    })
}

/// Which databases are meant: what was typed comes before what the file lists.
fn databases(arguments: &BackupArguments, making: &Making) -> Result<DatabaseChoice> {
    let typed = !arguments.databases.is_empty();
    let one_is_typed = arguments.connection.dbname.is_some() && !typed;
    if arguments.all || (making.all_databases && !typed && !one_is_typed) {
        return Ok(DatabaseChoice::AllBut(making.exclude_databases.clone()));
    }
    if !arguments.exclude_database.is_empty() {
        let message = "--exclude-database leaves databases out of --all, which is not asked for";
        return Err(Error::new(ErrorKind::Usage, message));
    }
    if one_is_typed || making.databases.is_empty() {
        return Ok(DatabaseChoice::OfConnection);
    }
    Ok(DatabaseChoice::Named(making.databases.clone()))
}

/// Turns what a person must know of at once into a failure, although backups were made.
fn verdict(report: &BackupReport) -> Result<()> {
    all_of_them(&report.failed, report.backups.len())?;
    for backup in &report.backups {
        let id = &backup.record.id;
        if let Some(Afterwards { kind, message, .. }) = &backup.afterwards {
            let what = format!("backup {id} is made, and what comes after it failed");
            return Err(Error::new(*kind, what)
                .with_source(std::io::Error::other(message.clone()))
                .with_hint(format!("run \"pgark verify {id}\"; the older backups are kept")));
        }
        if let Some(before) = &backup.rows_vanished_since {
            let what = format!("backup {id} holds no rows, and {before} did");
            return Err(Error::new(ErrorKind::Integrity, what)
                .with_hint("the older backups are kept")
                .with_hint(format!(
                    "if the database was emptied on purpose, say so: \"pgark mark {id} verified\""
                )));
        }
    }
    Ok(())
}

/// Fails when some of several databases could not be backed up.
fn all_of_them(failed: &[FailedBackup], others: usize) -> Result<()> {
    let Some(first) = failed.first() else { return Ok(()) };
    let all = failed.len() + others;
    let message = format!("{} of {all} databases could not be backed up", failed.len());
    Err(Error::new(ErrorKind::Partial, message)
        .with_source(std::io::Error::other(format!("{}: {}", first.database, first.message))))
}
