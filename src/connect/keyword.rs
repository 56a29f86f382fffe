//! The parameters libpq knows, their environment variables, and a set of values for them.
//!
//! Authority: `PQconninfoOptions` in `src/interfaces/libpq/fe-connect.c` (18).

use std::collections::BTreeMap;
use std::fmt;

use zeroize::Zeroize;

use crate::error::{Error, ErrorKind, Result};

/// A parameter and the environment variable that is its default.
struct Parameter {
    name: &'static str,
    variable: Option<&'static str>,
}

const fn parameter(name: &'static str, variable: &'static str) -> Parameter {
    Parameter { name, variable: Some(variable) }
}

const fn without_variable(name: &'static str) -> Parameter {
    Parameter { name, variable: None }
}

const PARAMETERS: &[Parameter] = &[
    parameter("application_name", "PGAPPNAME"),
    parameter("channel_binding", "PGCHANNELBINDING"),
    parameter("client_encoding", "PGCLIENTENCODING"),
    parameter("connect_timeout", "PGCONNECT_TIMEOUT"),
    parameter("dbname", "PGDATABASE"),
    without_variable("fallback_application_name"),
    parameter("gssdelegation", "PGGSSDELEGATION"),
    parameter("gssencmode", "PGGSSENCMODE"),
    parameter("gsslib", "PGGSSLIB"),
    parameter("host", "PGHOST"),
    parameter("hostaddr", "PGHOSTADDR"),
    without_variable("keepalives"),
    without_variable("keepalives_count"),
    without_variable("keepalives_idle"),
    without_variable("keepalives_interval"),
    parameter("krbsrvname", "PGKRBSRVNAME"),
    parameter("load_balance_hosts", "PGLOADBALANCEHOSTS"),
    parameter("max_protocol_version", "PGMAXPROTOCOLVERSION"),
    parameter("min_protocol_version", "PGMINPROTOCOLVERSION"),
    without_variable("oauth_client_id"),
    without_variable("oauth_client_secret"),
    without_variable("oauth_issuer"),
    without_variable("oauth_scope"),
    parameter("options", "PGOPTIONS"),
    parameter("passfile", "PGPASSFILE"),
    parameter("password", "PGPASSWORD"),
    parameter("port", "PGPORT"),
    without_variable("replication"),
    parameter("require_auth", "PGREQUIREAUTH"),
    parameter("requirepeer", "PGREQUIREPEER"),
    without_variable("scram_client_key"),
    without_variable("scram_server_key"),
    parameter("service", "PGSERVICE"),
    parameter("ssl_max_protocol_version", "PGSSLMAXPROTOCOLVERSION"),
    parameter("ssl_min_protocol_version", "PGSSLMINPROTOCOLVERSION"),
    parameter("sslcert", "PGSSLCERT"),
    parameter("sslcertmode", "PGSSLCERTMODE"),
    parameter("sslcompression", "PGSSLCOMPRESSION"),
    parameter("sslcrl", "PGSSLCRL"),
    parameter("sslcrldir", "PGSSLCRLDIR"),
    parameter("sslkey", "PGSSLKEY"),
    without_variable("sslkeylogfile"),
    parameter("sslmode", "PGSSLMODE"),
    parameter("sslnegotiation", "PGSSLNEGOTIATION"),
    without_variable("sslpassword"),
    parameter("sslrootcert", "PGSSLROOTCERT"),
    parameter("sslsni", "PGSSLSNI"),
    parameter("target_session_attrs", "PGTARGETSESSIONATTRS"),
    without_variable("tcp_user_timeout"),
    parameter("user", "PGUSER"),
];

/// Where the value of a parameter came from; messages tell it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// An option of the command line.
    Option,
    /// The connection string or URI.
    ConnectionString,
    /// The service file.
    Service(String),
    /// An environment variable.
    Variable(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Option => f.write_str("the command line"),
            Origin::ConnectionString => f.write_str("the connection string"),
            Origin::Service(path) => write!(f, "the service file {path}"),
            Origin::Variable(name) => write!(f, "the environment variable {name}"),
        }
    }
}

/// Values of parameters, with their origins.
///
/// Not `Debug`: the password is among them.
#[derive(Clone, Default)]
pub(super) struct Settings {
    values: BTreeMap<&'static str, (String, Origin)>,
}

impl Settings {
    /// Sets a parameter, replacing what it had; an unknown name is refused.
    pub(super) fn set(
        &mut self,
        name: &str,
        value: impl Into<String>,
        origin: Origin,
    ) -> Result<()> {
        let known = known(name).ok_or_else(|| unknown(name, &origin))?;
        self.values.insert(known, (value.into(), origin));
        Ok(())
    }

    /// Sets a parameter unless it has a value.
    pub(super) fn set_default(
        &mut self,
        name: &str,
        value: impl Into<String>,
        origin: Origin,
    ) -> Result<()> {
        let known = known(name).ok_or_else(|| unknown(name, &origin))?;
        self.values.entry(known).or_insert_with(|| (value.into(), origin));
        Ok(())
    }

    /// Fills what has no value from the environment variables that libpq knows.
    pub(super) fn set_from_variables<'a>(&mut self, variable: impl Fn(&str) -> Option<&'a str>) {
        for parameter in PARAMETERS {
            if let Some(name) = parameter.variable
                && let Some(value) = variable(name)
            {
                self.values
                    .entry(parameter.name)
                    .or_insert_with(|| (value.to_owned(), Origin::Variable(name)));
            }
        }
    }

    /// Returns a value that is set and not empty; libpq takes an empty value for none nearly everywhere.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(|(value, _)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// Returns a value that is set, even if it is empty.
    pub(super) fn get_raw(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(|(value, _)| value.as_str())
    }

    /// Tells whether no other parameter is set.
    pub(super) fn has_only(&self, name: &str) -> bool {
        self.values.keys().all(|&other| other == name)
    }

    /// Returns where a value came from.
    pub(super) fn origin(&self, name: &str) -> Option<&Origin> {
        self.values.get(name).map(|(_, origin)| origin)
    }
}

impl Drop for Settings {
    /// Wipes the values: passwords are among them.
    fn drop(&mut self) {
        for (value, _) in self.values.values_mut() {
            value.zeroize();
        }
    }
}

fn known(name: &str) -> Option<&'static str> {
    PARAMETERS.iter().map(|parameter| parameter.name).find(|known| *known == name)
}

fn unknown(name: &str, origin: &Origin) -> Error {
    // A piece of a badly quoted password must not get into the message.
    let is_word = !name.is_empty()
        && name.len() < 40
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let name = if is_word { format!("\"{name}\"") } else { "a name that is not shown".to_owned() };
    Error::new(ErrorKind::Usage, format!("{origin} holds an unknown connection parameter: {name}"))
        .in_stock_words(format!("invalid connection option {name}"))
}

/// Reads a parameter that has a few possible values; `None` if it is not set.
pub(super) fn choice<T: Copy>(
    settings: &Settings,
    name: &str,
    choices: &[(&str, T)],
) -> Result<Option<T>> {
    let Some(value) = settings.get(name) else { return Ok(None) };
    match choices.iter().find(|(choice, _)| *choice == value) {
        Some((_, meaning)) => Ok(Some(*meaning)),
        None => {
            let names: Vec<&str> = choices.iter().map(|(choice, _)| *choice).collect();
            Err(invalid(settings, name, &format!("one of {}", names.join(", "))))
        }
    }
}

/// Reads a parameter that is a whole number; white space around it is accepted, as by `pqParseIntParam`.
pub(super) fn integer(settings: &Settings, name: &str) -> Result<Option<i32>> {
    let Some(text) = settings.get(name) else { return Ok(None) };
    text.trim().parse().map(Some).map_err(|_| invalid(settings, name, "a whole number"))
}

/// Says that the value of a parameter, which must be no secret, is not what it should be.
pub(super) fn invalid(settings: &Settings, name: &str, wanted: &str) -> Error {
    let value = settings.get_raw(name).unwrap_or_default();
    let origin = settings.origin(name).map(|origin| format!(" from {origin}")).unwrap_or_default();
    Error::new(ErrorKind::Usage, format!("{name} \"{value}\"{origin} is not {wanted}"))
}
