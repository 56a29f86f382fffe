//! The database that a script is in: getting there, looking at it, leaving it in good order.

use crate::connect::{ConnectParams, Session, is_connection_string};
use crate::error::{Error, ErrorKind, Result};
use crate::restore::user_objects;
use crate::sql::quote_identifier;

use super::options::ScriptOptions;

/// Says how the script's sessions differ from any other.
///
/// Commits do not wait for the disk; the run waits once, at its end, for everything before it.
pub(super) async fn set_up(session: &Session, options: &ScriptOptions) -> Result<()> {
    // A setting of the target's must not make the string "NULL" of the nulls in arrays.
    let mut sql = String::from("SET synchronous_commit = off;\nSET array_nulls = on;\n");
    if session.version().has_idle_session_timeout() {
        // What comes through a pipe may let us wait.
        sql.push_str("SET idle_session_timeout = 0;\n");
    }
    // Otherwise text is UTF-8 until the script says something else; dumps do so at once.
    if let Some(encoding) = options.connection.client_encoding() {
        let literal = crate::sql::quote_literal_for_server(encoding);
        sql.push_str(&format!("SET client_encoding = {literal};\n"));
    }
    if let Some(role) = &options.role {
        sql.push_str(&format!("SET ROLE {};\n", quote_identifier(role)));
    }
    session.execute("set up the session", &sql).await
}

/// Refuses a database that somebody uses already.
pub(super) async fn check_empty(session: &Session) -> Result<()> {
    let found = user_objects::read(session).await?;
    if found.is_empty() {
        return Ok(());
    }
    let listed = user_objects::listed(&found);
    Err(Error::new(
        ErrorKind::Refused,
        format!(
            "cannot restore into {}: the database is not empty: {listed}",
            session.description()
        ),
    )
    .with_hint(
        "restore into a new database, or use --mode append to run the script on what is there",
    ))
}

/// Returns the parameters that `\connect` with these arguments leads to.
///
/// Nothing but the database may change: a script does not decide which server it is restored to, nor as
/// whom. `-` means in each place what it was. Authority: `do_connect` in psql's `command.c`.
pub(super) fn reconnected(
    params: &ConnectParams,
    arguments: &[String],
) -> Result<ConnectParams, String> {
    let (reuse, arguments) = match arguments {
        [first, rest @ ..] if first.starts_with("-reuse-previous=") => {
            if !matches!(first.split_once('='), Some((_, "on" | "true" | "yes" | "1"))) {
                return Err("would not keep the server and the user".to_owned());
            }
            (true, rest)
        }
        all => (false, all),
    };
    let kept = |argument: &String, present: &str| argument == "-" || argument == present;
    let [name, others @ ..] = arguments else { return Ok(params.clone()) };
    if let Some(user) = others.first()
        && !kept(user, params.user())
    {
        return Err(format!(
            "would log in as another user, {user:?}, as dumps of ancient versions do"
        ));
    }
    if others.iter().skip(1).any(|argument| argument != "-") {
        return Err("names a server, which a script may not choose".to_owned());
    }
    match name.as_str() {
        "-" | "" => Ok(params.clone()),
        words if reuse && is_connection_string(words) => {
            let database = ConnectParams::database_of(words).map_err(|error| error.to_string())?;
            let database =
                database.ok_or("has a connection string that names more than the database")?;
            Ok(params.with_database(&database))
        }
        // What dumps older than -reuse-previous wrote for a database of that very name.
        words if is_connection_string(words) && ConnectParams::database_of(words).is_ok() => {
            Err("has a connection string and would not keep the server and the user".to_owned())
        }
        database => Ok(params.with_database(database)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connect::{ConnectRequest, Environment};

    fn params() -> ConnectParams {
        let request = ConnectRequest {
            dbname: Some("host=db user=me dbname=old".to_owned()),
            ..ConnectRequest::default()
        };
        ConnectParams::resolve(&request, &Environment::default()).expect("resolves")
    }

    fn database(arguments: &[&str]) -> Result<String, String> {
        let arguments: Vec<String> = arguments.iter().map(|&text| text.to_owned()).collect();
        let found = reconnected(&params(), &arguments)?;
        assert_eq!(found.user(), "me");
        assert_eq!(found.describe(), params().with_database(found.database()).describe());
        Ok(found.database().to_owned())
    }

    #[test]
    fn connect_changes_the_database() {
        for (arguments, name) in [
            (&["shop"][..], "shop"),
            (&["-reuse-previous=on", "dbname='a=b \\'c\\\\'"], "a=b 'c\\"),
            (&["-reuse-previous=on", "shop"], "shop"),
            (&["shop", "-"], "shop"),
            (&["shop", "me", "-", "-"], "shop"),
            (&["-"], "old"),
            (&[], "old"),
            (&["a=b"], "a=b"),
        ] {
            assert_eq!(database(arguments).as_deref(), Ok(name), "{arguments:?}");
        }
    }

    #[test]
    fn connect_changes_nothing_else() {
        for arguments in [
            &["-", "postgres"][..],
            &["shop", "other"],
            &["shop", "-", "evil.example"],
            &["shop", "-", "-", "6543"],
            &["-reuse-previous=off", "shop"],
            &["-reuse-previous=on", "dbname=shop host=evil.example"],
            &["-reuse-previous=on", "postgres://evil.example/shop"],
            &["dbname=shop"],
            &["postgres://evil.example/shop"],
            &["host=evil.example"],
        ] {
            assert!(database(arguments).is_err(), "{arguments:?}");
        }
    }
}
