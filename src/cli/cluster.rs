//! `pgark dump --all` and what `restore`, `verify` and `inspect` do with the folder it makes.

use std::path::Path;

use serde::Serialize;

use super::arguments::{DumpArguments, RestoreArguments};
use super::connection;
use super::drop_in::restrict_key::restrict_key;
use super::output;
use super::progress::{Display, bytes, count, visible};
use super::report;
use super::world::World;
use crate::archive::cluster::{ClusterManifest, GLOBALS_FILE};
use crate::ddl::cluster::{ClusterDdlOptions, GlobalParts};
use crate::dump::{ClusterDumpOptions, DumpOptions, GlobalsOptions, PasswordChoice, plan_cluster};
use crate::error::Result;
use crate::progress::Interrupt;
use crate::restore::{self, ClusterRestoreOptions, DatabaseStep, PlannedDatabase, RestoreOptions};

/// Dumps every database of a server; `databases` says how, its connection where to begin.
pub(super) async fn dump(
    arguments: &DumpArguments,
    databases: DumpOptions,
    world: &World,
    interrupt: &Interrupt,
) -> Result<()> {
    let folder = match &arguments.file {
        Some(folder) => folder.clone(),
        None => format!("cluster-{}", world.stamp()).into(),
    };
    let globals = GlobalsOptions {
        passwords: match arguments.no_role_passwords {
            true => PasswordChoice::Never,
            false => PasswordChoice::IfAllowed,
        },
        ddl: ClusterDdlOptions {
            privileges: !databases.omit.privileges,
            parts: if databases.content.schema { GlobalParts::All } else { GlobalParts::None },
            restrict_key: restrict_key(None)?,
            ..ClusterDdlOptions::default()
        },
        role: databases.role.clone(),
        exclude_databases: arguments.exclude_database.clone(),
        ..GlobalsOptions::new(databases.connection.clone())
    };
    let options = ClusterDumpOptions { folder, globals, databases };
    let mut display = Display::start(world, &arguments.output);
    let progress = display.handle();
    let plan = connection::with_password(
        world,
        arguments.connection.prompt,
        options.globals.connection.clone(),
        &display,
        |params| {
            let mut options = options.clone();
            options.globals.connection = params;
            plan_cluster(options, progress.clone())
        },
    )
    .await?;
    if arguments.dry_run {
        display.close();
        let text = |names: &&[String]| {
            names.iter().map(|name| format!("{}\n", visible(name))).collect::<String>()
        };
        return output::result(&plan.databases(), arguments.output.json, text);
    }
    let report = plan.run(interrupt.clone()).await?;
    display.close();
    output::result(&report, arguments.output.json, report::dumped_cluster)
}

/// Restores the folder of a whole server.
pub(super) async fn restore(
    arguments: &RestoreArguments,
    databases: RestoreOptions,
    world: &World,
    interrupt: &Interrupt,
) -> Result<()> {
    let options = ClusterRestoreOptions { folder: arguments.archive.clone(), databases };
    let mut display = Display::start(world, &arguments.output);
    let progress = display.handle();
    let plan = connection::with_password(
        world,
        arguments.connection.prompt,
        options.databases.connection.clone(),
        &display,
        |params| {
            let mut options = options.clone();
            options.databases.connection = params;
            restore::plan_cluster(options, progress.clone())
        },
    )
    .await?;
    if arguments.dry_run {
        display.close();
        return output::result(&plan.databases(), arguments.output.json, |databases| {
            databases.iter().map(planned).collect()
        });
    }
    let report = plan.run(interrupt.clone()).await?;
    display.close();
    output::result(&report, arguments.output.json, report::restored_cluster)?;
    report.partial().map_or(Ok(()), Err)
}

fn planned(database: &PlannedDatabase) -> String {
    let step = match database.step {
        DatabaseStep::Create => "is created and filled",
        DatabaseStep::Fill => "is filled",
        DatabaseStep::PassOver => "is left alone: its archive is empty",
    };
    format!("{} {step}\n", visible(&database.database))
}

/// Shows what a folder holds.
pub(super) fn inspect(folder: &Path, json: bool) -> Result<()> {
    let manifest = ClusterManifest::open(folder)?;
    let contents = Contents { path: folder.display().to_string(), manifest: &manifest };
    output::result(&contents, json, Contents::text)
}

/// What a folder holds.
#[derive(Serialize)]
struct Contents<'a> {
    path: String,
    #[serde(flatten)]
    manifest: &'a ClusterManifest,
}

impl Contents<'_> {
    fn text(&self) -> String {
        let ClusterManifest { server_version, started, passwords, databases, globals, .. } =
            self.manifest;
        let with = if *passwords { "with" } else { "without" };
        let mut text = format!(
            "{}: all of a server, PostgreSQL {}, {}\n  {GLOBALS_FILE:<24} {:>10}  {with} the passwords of roles\n",
            visible(&self.path),
            visible(server_version),
            started.format("%Y-%m-%d %H:%M:%S UTC"),
            bytes(globals.bytes),
        );
        for database in databases {
            text.push_str(&format!(
                "  {:<24} {:>10}  {} tables, {} rows, in {}\n",
                visible(&database.database),
                bytes(database.stored_bytes),
                count(database.tables),
                count(database.rows),
                visible(&database.path)
            ));
        }
        text
    }
}
