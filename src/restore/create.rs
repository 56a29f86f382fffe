//! `--create`: the archive's database is created, and the restore moves into it.

use super::options::RestoreOptions;
use super::report::IgnoredError;
use super::session::SessionSetup;
use crate::archive::ArchiveReader;
use crate::archive::statements::{drop_statement, is_database_entry, owner_statement};
use crate::connect::{ConnectParams, Session, is_connection_lost, server_error};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{ServerVersion, TocEntry};
use crate::progress::{FailedPart, Progress};
use crate::sql::quote_identifier;

/// The database that was created and a session in it.
pub(super) struct Created {
    pub(super) session: Session,
    pub(super) params: ConnectParams,
    pub(super) ignored: Vec<IgnoredError>,
}

/// Creates the database of the archive, in place of one of that name if `--clean` says so, and connects
/// to it.
///
/// CREATE and DROP DATABASE cannot run in a transaction. So the new database is made under another name,
/// and only when that has succeeded the old one is dropped: a server that lacks the locale costs nothing.
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
    let definition = for_target(&database.definition, session.version());
    let create = format!("create the database {:?}", database.tag);
    let intended = format!("CREATE DATABASE {} ", quote_identifier(&database.tag));
    match definition.strip_prefix(&intended).filter(|_| options.clean) {
        None => {
            session
                .execute(&create, &definition)
                .await
                .map_err(|error| explain(error, &database.tag))?;
        }
        Some(properties) => {
            let temporary = format!("pgark_restore_{}", session.backend_pid());
            let statement = format!("CREATE DATABASE {temporary} {properties}");
            session
                .execute(&create, &statement)
                .await
                .map_err(|error| explain(error, &database.tag))?;
            let replaced = replace(&session, options, entries, database, &temporary).await;
            if replaced.is_err() && !session.is_closed() {
                // The first error is the one to report; the database is empty and has a telling name.
                let _ = session
                    .execute("drop the new database", &format!("DROP DATABASE {temporary}"))
                    .await;
            }
            replaced?;
        }
    }
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
                ignored.push(IgnoredError::tell(
                    entry,
                    FailedPart::Definition,
                    &statement,
                    &error,
                    progress,
                ));
            }
        }
    }
    // Settings of the database hold for new sessions only.
    session.close().await;
    let session = setup.connect(&params).await.map_err(incomplete)?;
    Ok(Created { session, params, ignored })
}

/// Creates the database of the archive as `pg_restore` does, and connects to it.
///
/// Whatever fails is counted: into a database that exists already the rest of the archive is restored.
pub(super) async fn create_as_stock(
    session: Session,
    params: &ConnectParams,
    options: &RestoreOptions,
    setup: &SessionSetup,
    archive: &dyn ArchiveReader,
    progress: &dyn Progress,
) -> Result<Created> {
    let entries = || archive.entries().iter().filter(|entry| is_database_entry(entry));
    let mut created = Created { session, params: params.clone(), ignored: Vec::new() };
    if options.clean {
        for entry in entries().rev() {
            if let Some(statement) = drop_statement(entry, options.if_exists) {
                progress.info(&format!("dropping {} {}", entry.desc, entry.tag));
                created.attempt(entry, FailedPart::Drop, &statement, options, progress).await?;
            }
        }
    }
    for entry in entries() {
        progress.info(&format!("creating {} \"{}\"", entry.desc, entry.tag));
        let definition = for_target(&entry.definition, created.session.version());
        created.attempt(entry, FailedPart::Definition, &definition, options, progress).await?;
        if !options.no_owner
            && let Some(owner) = owner_statement(entry)
                .map_err(|error| Error::new(ErrorKind::Archive, error.to_string()))?
        {
            created.attempt(entry, FailedPart::Definition, &owner, options, progress).await?;
        }
        progress.info(&format!("connecting to new database \"{}\"", entry.tag));
        let params = params.with_database(&entry.tag);
        let session = setup.connect(&params).await?;
        std::mem::replace(&mut created.session, session).close().await;
        created.params = params;
    }
    Ok(created)
}

impl Created {
    async fn attempt(
        &mut self,
        entry: &TocEntry,
        part: FailedPart,
        statement: &str,
        options: &RestoreOptions,
        progress: &dyn Progress,
    ) -> Result<()> {
        let purpose = format!("restore {}", entry.describe());
        let Err(error) = self.session.execute(&purpose, statement).await else { return Ok(()) };
        let ignored = IgnoredError::tell(entry, part, statement, &error, progress);
        if options.stops_at_first_error() || is_connection_lost(&error) {
            return Err(error);
        }
        self.ignored.push(ignored);
        Ok(())
    }
}

/// Drops the database that is in the way and gives its name to the new one.
async fn replace(
    session: &Session,
    options: &RestoreOptions,
    entries: &[TocEntry],
    database: &TocEntry,
    temporary: &str,
) -> Result<()> {
    let properties = entries.iter().filter(|entry| entry.desc == "DATABASE PROPERTIES").rev();
    for entry in properties.chain([database]) {
        if let Some(statement) = drop_statement(entry, options.if_exists) {
            session.execute(&format!("drop the database {:?}", database.tag), &statement).await?;
        }
    }
    let rename =
        format!("ALTER DATABASE {temporary} RENAME TO {}", quote_identifier(&database.tag));
    session.execute(&format!("rename the database to {:?}", database.tag), &rename).await
}

/// Rewrites the options of CREATE DATABASE for servers that do not know the newer spelling.
///
/// Stock pg_dump always names the locale provider, so that an archive of a server 12 could not be restored
/// into a server 12. Only libc is rewritten: another provider is not there under any name.
pub(crate) fn for_target(definition: &str, version: ServerVersion) -> String {
    const PROVIDER: &str = " LOCALE_PROVIDER = libc";
    const LOCALE: &str = " LOCALE = ";
    let Some((head, mut options)) =
        definition.split_once(" ENCODING = ").map(|(head, options)| (head, options.to_owned()))
    else {
        return definition.to_owned();
    };
    if !version.has_locale_provider() {
        options = options.replacen(PROVIDER, "", 1);
    }
    if !version.has_database_locale_option()
        && let Some((before, rest)) = options.split_once(LOCALE)
        && let Some(end) = rest.get(1..).and_then(|inner| inner.find('\''))
    {
        let (locale, after) = rest.split_at(end + 2);
        options = format!("{before} LC_COLLATE = {locale} LC_CTYPE = {locale}{after}");
    }
    format!("{head} ENCODING = {options}")
}

fn explain(error: Error, database: &str) -> Error {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn older_servers_get_the_locale_in_their_own_words() {
        let definition = "CREATE DATABASE \"a LOCALE = \" WITH TEMPLATE = template0 ENCODING = 'UTF8' LOCALE_PROVIDER = libc LOCALE = 'C.UTF-8';\n";
        assert_eq!(for_target(definition, ServerVersion(150_000)), definition);
        assert_eq!(
            for_target(definition, ServerVersion(140_000)),
            "CREATE DATABASE \"a LOCALE = \" WITH TEMPLATE = template0 ENCODING = 'UTF8' LOCALE = 'C.UTF-8';\n"
        );
        assert_eq!(
            for_target(definition, ServerVersion(120_000)),
            "CREATE DATABASE \"a LOCALE = \" WITH TEMPLATE = template0 ENCODING = 'UTF8' LC_COLLATE = 'C.UTF-8' LC_CTYPE = 'C.UTF-8';\n"
        );
    }
}
