//! From what was typed about a server to [`ConnectParams`], and the question for a password.

use std::future::Future;

use super::arguments::{ConnectionArguments, PromptArguments};
use super::progress::Display;
use super::world::World;
use crate::connect::{
    ConnectParams, ConnectRequest, Secret, needs_password, server_error, sqlstate,
};
use crate::error::{Context, Error, ErrorKind, Result};

/// Works out where to connect; `database` is a name given outside the connection options.
///
/// Any `-d` makes `DATABASE_URL` ignored entirely. Without one, `DATABASE_URL` counts as a connection
/// string that options and a database named beside it complete.
pub(super) fn params(
    world: &World,
    arguments: &ConnectionArguments,
    database: Option<&str>,
) -> Result<ConnectParams> {
    let url = world.variable("DATABASE_URL").filter(|_| arguments.dbname.is_none());
    let named = arguments.dbname.as_deref().or(database);
    // A connection string beside the URL would be two answers to one question: the typed one rules.
    for connection in [url, named].into_iter().flatten() {
        check_scheme(connection)?;
    }
    let url = url.filter(|_| !named.is_some_and(crate::connect::is_connection_string));
    let request = ConnectRequest {
        base: None,
        dbname: url.or(named).map(str::to_owned),
        host: arguments.host.clone(),
        port: arguments.port.clone(),
        user: arguments.username.clone(),
        password: None,
        application_name: Some("pgark".to_owned()),
    };
    let params = ConnectParams::resolve(&request, &world.environment)?;
    Ok(match (url, named) {
        (Some(_), Some(name)) => params.with_database(name),
        _ => params,
    })
}

/// Refuses the URL of something else than PostgreSQL, which would be taken for the name of a database, password and
/// all.
///
/// # Errors
///
/// [`ErrorKind::Usage`] with its scheme.
pub(super) fn check_scheme(connection: &str) -> Result<()> {
    let Some((scheme, _)) = connection.split_once("://") else { return Ok(()) };
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"+-._".contains(&byte);
    let is_scheme = !scheme.is_empty() && scheme.bytes().all(is_plain);
    if !is_scheme || ["postgres", "postgresql"].contains(&scheme) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Usage, format!("{scheme}://... is no connection to PostgreSQL"))
        .with_hint("it begins with postgres:// or postgresql://"))
}

/// Works out where to connect from a single connection string or name.
pub(super) fn params_of(world: &World, connection: &str) -> Result<ConnectParams> {
    let arguments = ConnectionArguments {
        dbname: Some(connection.to_owned()),
        ..ConnectionArguments::default()
    };
    params(world, &arguments, None)
}

/// Does something that begins with a login, asking for the password when the login needs one.
///
/// With `-W` the question comes first; otherwise only after the server has asked for a password that is
/// not known, or wrong, and only when somebody sits at a terminal.
pub(super) async fn with_password<T, F>(
    world: &World,
    prompt: PromptArguments,
    params: ConnectParams,
    display: &Display,
    work: impl Fn(ConnectParams) -> F,
) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    for warning in params.warnings() {
        display.handle().warning(warning);
    }
    if prompt.password {
        let params = ask(params, display).await?;
        return work(params).await;
    }
    match work(params.clone()).await {
        Err(error) if world.can_ask && !prompt.no_password && wants_password(&error) => {
            work(ask(params, display).await?).await
        }
        outcome => outcome,
    }
}

/// Tells whether another password could help: none was given, or the one given was wrong.
pub(super) fn wants_password(error: &Error) -> bool {
    needs_password(error)
        || (error.kind() == ErrorKind::Connection
            && server_error(error)
                .is_some_and(|refusal| refusal.sqlstate == sqlstate::INVALID_PASSWORD))
}

async fn ask(params: ConnectParams, display: &Display) -> Result<ConnectParams> {
    // Redrawing bars would write over the question.
    let _pause = display.pause();
    ask_password(params).await
}

/// Asks the person at the terminal for the password.
pub(super) async fn ask_password(params: ConnectParams) -> Result<ConnectParams> {
    let question = format!("Password for user \"{}\": ", params.user());
    let answer = tokio::task::spawn_blocking(move || rpassword::prompt_password(question))
        .await
        .context(ErrorKind::Internal, || "the password question was given up".to_owned())?;
    let typed = match answer {
        Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {
            return Err(Error::new(ErrorKind::Interrupted, "interrupted"));
        }
        answer => {
            answer.context(ErrorKind::Usage, || "could not ask for the password".to_owned())?
        }
    };
    Ok(params.with_password(Secret::from(typed)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    use super::*;
    use crate::connect::Environment;

    fn world(variables: &[(&str, &str)]) -> World {
        let variables: BTreeMap<_, _> =
            variables.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        World {
            environment: Environment { variables, home: None, user: Some("me".to_owned()) },
            can_ask: false,
            stderr_is_terminal: false,
            color: false,
            cores: 4,
            host: "here".to_owned(),
            temporary_directory: PathBuf::from("/tmp"),
        }
    }

    fn described(
        variables: &[(&str, &str)],
        dbname: Option<&str>,
        database: Option<&str>,
    ) -> Option<String> {
        let arguments = ConnectionArguments {
            dbname: dbname.map(str::to_owned),
            ..ConnectionArguments::default()
        };
        params(&world(variables), &arguments, database).ok().map(|params| params.describe())
    }

    #[test]
    fn the_url_of_something_else_is_no_name_of_a_database() {
        for url in [
            "mysql://u:secret@h/d",
            "POSTGRES://u:secret@h/d",
            "postgresql+psycopg2://u:p=secret@h/d",
        ] {
            let error = params_of(&world(&[]), url).expect_err("another program's");
            assert_eq!(error.kind(), ErrorKind::Usage, "{url}");
            assert!(!format!("{error:?}").contains("secret"), "{error:?}");
            assert!(described(&[("DATABASE_URL", url)], None, None).is_none());
        }
        for fine in ["postgres://h/d", "host=h options='-c x=a://b'", "a/b://c"] {
            assert!(check_scheme(fine).is_ok(), "{fine}");
        }
    }

    #[test]
    fn a_named_database_beats_the_url_and_the_url_beats_the_variables() {
        let variables =
            [("DATABASE_URL", "postgres://u@h:1/a"), ("PGHOST", "/sock"), ("PGUSER", "v")];
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(
            described(&variables, None, None),
            text("host h, port 1, user \"u\", database \"a\"")
        );
        assert_eq!(
            described(&variables, None, Some("b")),
            text("host h, port 1, user \"u\", database \"b\"")
        );
        assert_eq!(
            described(&variables, Some("b"), None),
            text("socket /sock/.s.PGSQL.5432, user \"v\", database \"b\"")
        );
        assert_eq!(
            described(&variables, None, Some("host=other user=w dbname=c")),
            text("host other, port 5432, user \"w\", database \"c\"")
        );
    }
}
