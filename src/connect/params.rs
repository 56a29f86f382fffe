//! What to connect to and how, made from a request and the environment the way libpq does it.
//!
//! The order of precedence is libpq's: connection string, options, service file, `PG*` variables,
//! defaults; the passfile is asked only when none of them gave a password.
//! Authority: `conninfo_add_defaults` and `pqConnectOptions2` in `src/interfaces/libpq/fe-connect.c` (18).

use std::fmt;
use std::path::Path;
use std::time::Duration;

use super::conninfo;
use super::environment::Environment;
use super::keyword::{Origin, Settings};
use super::secret::Secret;
use crate::error::{Error, ErrorKind, Result};

/// The port of a server that was not told otherwise.
const DEFAULT_PORT: u16 = 5432;
/// Where Debian and its descendants put sockets, and where PostgreSQL itself does.
const SOCKET_DIRECTORIES: [&str; 2] = ["/var/run/postgresql", "/tmp"];

/// What a person asked for on the command line.
#[derive(Debug, Clone, Default)]
pub struct ConnectRequest {
    /// The name of a database, a connection string or a URI.
    pub dbname: Option<String>,
    /// `-h`: host names, addresses or socket directories, separated by commas.
    pub host: Option<String>,
    /// `-p`: ports, separated by commas.
    pub port: Option<String>,
    /// `-U`: the role to log in as.
    pub user: Option<String>,
    /// A password that was asked for; it is used instead of the passfile.
    pub password: Option<Secret>,
    /// What the server shows for this session, unless the connection string or `PGAPPNAME` names something.
    pub application_name: Option<String>,
}

/// One place to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Host {
    /// A host name, an IP address, or the directory of a socket.
    pub(super) name: String,
    /// The IP address to use instead of looking up `name`.
    pub(super) address: Option<String>,
    pub(super) port: u16,
    /// What the passfile says for this place.
    pub(super) password: Option<Secret>,
}

impl Host {
    /// Returns the socket's path if this is one; a name that begins with `@` is abstract.
    pub(super) fn socket(&self) -> Option<String> {
        (self.address.is_none() && self.name.starts_with(['/', '@']))
            .then(|| format!("{}/.s.PGSQL.{}", self.name, self.port))
    }
}

/// Everything that is needed to open a session, and to open it again.
#[derive(Clone)]
pub struct ConnectParams {
    pub(super) hosts: Vec<Host>,
    pub(super) user: String,
    pub(super) database: String,
    pub(super) password: Option<Secret>,
    pub(super) password_origin: Option<Origin>,
    pub(super) application_name: String,
    pub(super) options: Option<String>,
    pub(super) connect_timeout: Option<Duration>,
}

impl ConnectParams {
    /// Works out what `request` means in `environment`.
    ///
    /// Reads the service file and the passfile, and nothing else; does not touch the network. A request
    /// that cannot be understood is an error of kind [`ErrorKind::Usage`].
    pub fn resolve(request: &ConnectRequest, environment: &Environment) -> Result<ConnectParams> {
        let mut settings = Settings::default();
        for (name, value) in
            [("host", &request.host), ("port", &request.port), ("user", &request.user)]
        {
            if let Some(value) = value {
                settings.set(name, value.as_str(), Origin::Option)?;
            }
        }
        if let Some(password) = &request.password {
            settings.set("password", password.reveal(), Origin::Option)?;
        }
        match request.dbname.as_deref() {
            Some(text) if conninfo::is_connection_string(text) => {
                conninfo::parse(text, &mut settings)?
            }
            Some(name) => settings.set("dbname", name, Origin::Option)?,
            None => {}
        }
        settings.set_from_variables(|name| environment.variable(name));
        Self::from_settings(&settings, request, environment)
    }

    fn from_settings(
        settings: &Settings,
        request: &ConnectRequest,
        environment: &Environment,
    ) -> Result<ConnectParams> {
        let user = match settings.get("user") {
            Some(user) => user.to_owned(),
            None => environment.user.clone().ok_or_else(|| {
                Error::new(
                    ErrorKind::Usage,
                    "no user to log in as: the operating system user has no name",
                )
                .with_hint("name the user with -U, PGUSER or user= in the connection string")
            })?,
        };
        let database = settings.get("dbname").unwrap_or(&user).to_owned();
        let hosts = hosts(settings)?;
        let application_name = settings
            .get_raw("application_name")
            .or(settings.get("fallback_application_name"))
            .or(request.application_name.as_deref())
            .unwrap_or("pgark")
            .to_owned();
        let password = settings.get("password").map(Secret::from);
        let connect_timeout = match settings.get("connect_timeout") {
            None => None,
            Some(text) => match integer(text) {
                // libpq: nothing, zero and negative mean to wait for ever, and one second is too short.
                Some(seconds) if seconds > 0 => {
                    Some(Duration::from_secs(u64::from(seconds.unsigned_abs()).max(2)))
                }
                Some(_) => None,
                None => return Err(invalid(settings, "connect_timeout", "a number of seconds")),
            },
        };
        Ok(ConnectParams {
            password_origin: password.as_ref().and_then(|_| settings.origin("password").cloned()),
            hosts,
            user,
            database,
            password,
            application_name,
            options: settings.get("options").map(str::to_owned),
            connect_timeout,
        })
    }

    /// Returns the same with another database.
    pub fn with_database(&self, database: &str) -> Self {
        ConnectParams { database: database.to_owned(), ..self.clone() }
    }

    /// Returns the same with a password that a person has typed.
    pub fn with_password(&self, password: Secret) -> Self {
        ConnectParams { password: Some(password), password_origin: None, ..self.clone() }
    }

    /// Returns the name of the database.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// Returns the role to log in as.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Returns host, port, user and database in words, for messages; never the password.
    pub fn describe(&self) -> String {
        let hosts: Vec<String> = self.hosts.iter().map(Host::to_string).collect();
        format!("{}, user \"{}\", database \"{}\"", hosts.join(", "), self.user, self.database)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(socket) = self.socket() {
            return write!(f, "socket {socket}");
        }
        match &self.address {
            Some(address) if self.name.is_empty() => {
                write!(f, "host {address}, port {}", self.port)
            }
            Some(address) => write!(f, "host {} ({address}), port {}", self.name, self.port),
            None => write!(f, "host {}, port {}", self.name, self.port),
        }
    }
}

impl fmt::Debug for ConnectParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConnectParams({})", self.describe())
    }
}

fn hosts(settings: &Settings) -> Result<Vec<Host>> {
    let list = |name: &str| {
        settings.get(name).map(|text| text.split(',').map(str::trim).collect::<Vec<_>>())
    };
    let (names, addresses, ports) =
        (list("host"), list("hostaddr"), list("port").unwrap_or_default());
    let count = addresses.as_ref().or(names.as_ref()).map_or(1, Vec::len);
    if let (Some(names), Some(addresses)) = (&names, &addresses)
        && names.len() != addresses.len()
    {
        return Err(Error::new(
            ErrorKind::Usage,
            format!(
                "{} host names and {} host addresses do not match",
                names.len(),
                addresses.len()
            ),
        ));
    }
    if ports.len() > 1 && ports.len() != count {
        return Err(Error::new(
            ErrorKind::Usage,
            format!("{} ports and {count} hosts do not match", ports.len()),
        ));
    }
    (0..count)
        .map(|index| {
            let port = match ports.get(index).or(ports.first()).copied().unwrap_or_default() {
                "" => DEFAULT_PORT,
                text => integer(text)
                    .and_then(|port| u16::try_from(port).ok())
                    .filter(|port| *port > 0)
                    .ok_or_else(|| invalid(settings, "port", "a number from 1 to 65535"))?,
            };
            let address =
                addresses.as_ref().map(|list| list[index]).filter(|text| !text.is_empty());
            let name = names.as_ref().map(|list| list[index]).unwrap_or_default();
            let name = if name.is_empty() && address.is_none() {
                default_host(port)
            } else {
                name.to_owned()
            };
            Ok(Host { name, address: address.map(str::to_owned), port, password: None })
        })
        .collect()
}

/// Returns the first directory that holds a socket for `port`, or else the first that exists.
///
/// libpq has one directory compiled in; a program that runs everywhere has to look.
fn default_host(port: u16) -> String {
    let holds_socket =
        |directory: &&str| Path::new(directory).join(format!(".s.PGSQL.{port}")).exists();
    let exists = |directory: &&str| Path::new(directory).is_dir();
    let found = SOCKET_DIRECTORIES.into_iter().find(|directory| holds_socket(directory));
    found
        .or_else(|| SOCKET_DIRECTORIES.into_iter().find(exists))
        .unwrap_or(SOCKET_DIRECTORIES[0])
        .to_owned()
}

/// Reads a number the way libpq's `pqParseIntParam` does: white space around it is accepted.
fn integer(text: &str) -> Option<i32> {
    text.trim().parse().ok()
}

fn invalid(settings: &Settings, name: &str, wanted: &str) -> Error {
    let value = settings.get_raw(name).unwrap_or_default();
    let origin = settings.origin(name).map(|origin| format!(" from {origin}")).unwrap_or_default();
    Error::new(ErrorKind::Usage, format!("{name} \"{value}\"{origin} is not {wanted}"))
}
