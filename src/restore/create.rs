//! `--create`: the archive's database is created, and the restore moves into it.

use super::options::RestoreOptions;
use super::report::IgnoredError;
use super::session::SessionSetup;
use crate::archive::ArchiveReader;
use crate::archive::statements::{drop_statement, owner_statement};
use crate::connect::{ConnectParams, Session, is_connection_lost, server_error};
use crate::error::{Error, ErrorKind, Result};
use crate::progress::Progress;

/// The database that was created and a session in it.
pub(super) struct Created {
    pub(super) session: Session,
    pub(super) params: ConnectParams,
    pub(super) ignored: Vec<IgnoredError>,
}

/// Creates the database of the archive, after dropping it if `--clean` says so, and connects to it.
///
/// CREATE and DROP DATABASE cannot run in a transaction. If the server refuses to create, nothing has
/// been changed, unless a database was dropped before.
pub(super) async fn create_database(
    session: Session,
    params: &ConnectParams,
    options: &RestoreOptions,
    setup: &SessionSetup,
    archive: &dyn ArchiveReader,
    progress: &dyn Progress,
) -> Result<Created> {
    let entries = archive.entries();
    let Some(database) = entries.iter().find(|entry| entry.desc == "DATABASE") else {
        return Err(Error::new(
            ErrorKind::Refused,
            "the archive does not say which database to create",
        ));
    };
    progress.phase("create database", 1, 0);
    let mut ignored = Vec::new();
    let mut dropped = false;
    if options.clean {
        let properties = entries.iter().filter(|entry| entry.desc == "DATABASE PROPERTIES").rev();
        for entry in properties.chain([database]) {
            let Some(statement) = drop_statement(entry, options.if_exists) else { continue };
            let purpose = format!("drop the database {:?}", database.tag);
            match session.execute(&purpose, &statement).await {
                Ok(()) => dropped |= entry.desc == "DATABASE",
                Err(error) if options.stops_at_first_error() || is_connection_lost(&error) => {
                    return Err(error);
                }
                Err(error) => {
                    progress.warning(&format!("{}: {}", entry.describe(), error));
                    ignored.push(IgnoredError::new(entry, &statement, &error));
                }
            }
        }
    }
    let purpose = format!("create the database {:?}", database.tag);
    session
        .execute(&purpose, &database.definition)
        .await
        .map_err(|error| explain(error, dropped, &database.tag))?;
    session.close().await;
    let params = params.with_database(&database.tag);
    let incomplete = |error: Error| {
        error.with_hint(format!(
            "the database {:?} was created and is empty; add --clean to run again from the start",
            database.tag
        ))
    };
    let session = setup.connect(&params).await.map_err(incomplete)?;
    let mut statements = Vec::new();
    if !options.no_owner
        && let Some(owner) = owner_statement(database)
            .map_err(|error| Error::new(ErrorKind::Archive, error.to_string()))?
    {
        statements.push((database, owner));
    }
    for entry in entries.iter().filter(|entry| entry.desc == "DATABASE PROPERTIES") {
        statements.push((entry, entry.definition.clone()));
    }
    if statements.is_empty() {
        return Ok(Created { session, params, ignored });
    }
    for (entry, statement) in statements {
        let purpose = format!("set up the database {:?}", database.tag);
        match session.execute(&purpose, &statement).await {
            Ok(()) => {}
            Err(error) if options.stops_at_first_error() || is_connection_lost(&error) => {
                return Err(incomplete(error));
            }
            Err(error) => {
                progress.warning(&format!("{}: {}", entry.describe(), error));
                ignored.push(IgnoredError::new(entry, &statement, &error));
            }
        }
    }
    // Settings of the database hold for new sessions only.
    session.close().await;
    let session = setup.connect(&params).await.map_err(incomplete)?;
    Ok(Created { session, params, ignored })
}

fn explain(error: Error, dropped: bool, database: &str) -> Error {
    if dropped {
        return error.with_hint(format!("the old database {database:?} has been dropped already"));
    }
    if error.kind() != ErrorKind::Server {
        return error;
    }
    let about_locale = server_error(&error).is_some_and(|server| {
        ["locale", "collation", "encoding"].iter().any(|word| server.message.contains(word))
    });
    let refused = Error::new(
        ErrorKind::Refused,
        format!("the server cannot make a database {database:?} like the one in the archive"),
    )
    .with_source(error)
    .with_hint("nothing was changed");
    if about_locale {
        refused.with_hint("install the locale on the server, or create the database by hand with one it has and restore without --create")
    } else {
        refused
    }
}
