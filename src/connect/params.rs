//! What to connect to and how, made from a request and the environment the way libpq does it.
//!
//! The order of precedence is libpq's: connection string, options, service file, `PG*` variables,
//! defaults; the passfile is asked only when none of them gave a password.
//! Authority: `conninfo_add_defaults` and `pqConnectOptions2` in `src/interfaces/libpq/fe-connect.c` (18).

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::authentication::RequiredAuthentication;
use super::conninfo;
use super::environment::Environment;
use super::keyword::{Origin, Settings, choice, integer, invalid};
use super::passfile::Passfile;
use super::secret::Secret;
use super::service;
use super::tls::TlsOptions;
use crate::error::{Error, ErrorKind, Result};
use crate::sql::text;

/// The port of a server that was not told otherwise.
const DEFAULT_PORT: u16 = 5432;
/// Where Debian and its descendants put sockets, and where PostgreSQL itself does.
const SOCKET_DIRECTORIES: [&str; 2] = ["/var/run/postgresql", "/tmp"];

/// What a person asked for on the command line.
#[derive(Debug, Clone, Default)]
pub struct ConnectRequest {
    /// A connection string or a URI that the options below complete and override, as pg_dumpall's `-d`;
    /// its database is only a default.
    pub base: Option<String>,
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
}

impl Host {
    /// Returns the socket's path if this is one; a name that begins with `@` is abstract.
    pub(super) fn socket(&self) -> Option<String> {
        (self.address.is_none() && self.name.starts_with(['/', '@']))
            .then(|| format!("{}/.s.PGSQL.{}", self.name, self.port))
    }

    /// Returns the name by which the passfile knows this place.
    fn passfile_name(&self) -> &str {
        match &self.address {
            Some(address) if self.name.is_empty() => address,
            // A socket where the server puts it by default is "localhost" there.
            _ if SOCKET_DIRECTORIES.contains(&self.name.as_str()) => "localhost",
            _ => &self.name,
        }
    }
}

/// Which kind of server will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TargetSession {
    Any,
    ReadWrite,
    ReadOnly,
    Primary,
    Standby,
    /// A standby if there is one among the hosts, else anything.
    PreferStandby,
}

/// `channel_binding`.
pub(super) use tokio_postgres::config::ChannelBinding;

/// How a silent network is noticed; `None` leaves a value to the system.
#[derive(Debug, Clone, Default)]
pub(super) struct TcpOptions {
    pub(super) keepalives: bool,
    pub(super) idle: Option<Duration>,
    pub(super) interval: Option<Duration>,
    pub(super) count: Option<u32>,
    pub(super) user_timeout: Option<Duration>,
}

/// Where a password came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PasswordOrigin {
    Setting(Origin),
    Passfile(PathBuf),
    Typed,
}

impl fmt::Display for PasswordOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PasswordOrigin::Setting(origin) => origin.fmt(f),
            PasswordOrigin::Passfile(path) => write!(f, "the password file {}", path.display()),
            PasswordOrigin::Typed => f.write_str("the prompt"),
        }
    }
}

/// Everything that is needed to open a session, and to open it again.
#[derive(Clone)]
pub struct ConnectParams {
    pub(super) hosts: Vec<Host>,
    /// Whether hosts and addresses are tried in random order.
    pub(super) shuffle: bool,
    pub(super) user: String,
    pub(super) database: String,
    password: Option<(Secret, PasswordOrigin)>,
    passfile: Arc<Passfile>,
    pub(super) application_name: String,
    pub(super) options: Option<String>,
    pub(super) connect_timeout: Option<Duration>,
    pub(super) tcp: TcpOptions,
    pub(super) tls: TlsOptions,
    pub(super) channel_binding: ChannelBinding,
    pub(super) required_authentication: RequiredAuthentication,
    pub(super) required_peer: Option<String>,
    pub(super) target: TargetSession,
    client_encoding: Option<String>,
    warnings: Vec<String>,
}

impl ConnectParams {
    /// Takes a connection string or a URI for what it says, without any environment.
    ///
    /// ```
    /// use pgark::connect::ConnectParams;
    ///
    /// let shop = ConnectParams::parse("postgresql://backup@db.example:6432/shop?sslmode=require")?;
    /// assert_eq!(shop.database(), "shop");
    /// assert!(ConnectParams::parse("postgresql://db.example:port/shop").is_err());
    /// # Ok::<(), pgark::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`] when it cannot be understood.
    pub fn parse(text: &str) -> Result<ConnectParams> {
        let request = ConnectRequest { dbname: Some(text.to_owned()), ..ConnectRequest::default() };
        ConnectParams::resolve(&request, &Environment::default())
    }

    /// Works out what `request` means in `environment`.
    ///
    /// Reads the service file and the passfile, and nothing else; does not touch the network. A request
    /// that cannot be understood is an error of kind [`ErrorKind::Usage`].
    pub fn resolve(request: &ConnectRequest, environment: &Environment) -> Result<ConnectParams> {
        let mut settings = Settings::default();
        if let Some(base) = request.base.as_deref().filter(|base| !base.is_empty()) {
            conninfo::parse(base, &mut settings)?;
        }
        for (name, value) in
            [("host", &request.host), ("port", &request.port), ("user", &request.user)]
        {
            if let Some(value) = value {
                settings.set(name, value.as_str(), Origin::Option)?;
            }
        }
        match request.dbname.as_deref() {
            Some(text) if conninfo::is_connection_string(text) => {
                conninfo::parse(text, &mut settings)?
            }
            Some(name) => settings.set("dbname", name, Origin::Option)?,
            None => {}
        }
        service::apply(&mut settings, environment)?;
        settings.set_from_variables(|name| environment.variable(name));
        refuse_unsupported(&settings)?;
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
        let application_name = settings
            .get_raw("application_name")
            .or(settings.get("fallback_application_name"))
            .or(request.application_name.as_deref())
            .unwrap_or("pgark")
            .to_owned();
        let password =
            match (&request.password, settings.get("password"), settings.origin("password")) {
                (Some(typed), _, _) => Some((typed.clone(), PasswordOrigin::Typed)),
                (None, Some(password), Some(origin)) => {
                    Some((Secret::from(password), PasswordOrigin::Setting(origin.clone())))
                }
                _ => None,
            };
        let passfile = settings
            .get("passfile")
            .map(text::path)
            .or_else(|| environment.home.as_ref().map(|home| home.join(".pgpass")));
        let (passfile, warning) = match (&password, passfile) {
            (None, Some(path)) => Passfile::read(&path),
            _ => (Passfile::default(), None),
        };
        let target = choice(
            settings,
            "target_session_attrs",
            &[
                ("any", TargetSession::Any),
                ("read-write", TargetSession::ReadWrite),
                ("read-only", TargetSession::ReadOnly),
                ("primary", TargetSession::Primary),
                ("standby", TargetSession::Standby),
                ("prefer-standby", TargetSession::PreferStandby),
            ],
        )?;
        let channel_binding = choice(
            settings,
            "channel_binding",
            &[
                ("disable", ChannelBinding::Disable),
                ("prefer", ChannelBinding::Prefer),
                ("require", ChannelBinding::Require),
            ],
        )?;
        Ok(ConnectParams {
            hosts: hosts(settings)?,
            shuffle: choice(
                settings,
                "load_balance_hosts",
                &[("disable", false), ("random", true)],
            )?
            .unwrap_or(false),
            user,
            database,
            password,
            passfile: Arc::new(passfile),
            application_name,
            options: options(settings, environment),
            // libpq: nothing, zero and negative mean to wait for ever.
            connect_timeout: integer(settings, "connect_timeout")?
                .and_then(|seconds| u64::try_from(seconds).ok())
                .filter(|seconds| *seconds > 0)
                .map(Duration::from_secs),
            tcp: tcp_options(settings)?,
            tls: TlsOptions::from_settings(settings, environment)?,
            channel_binding: channel_binding.unwrap_or(ChannelBinding::Prefer),
            required_authentication: RequiredAuthentication::from_settings(settings)?,
            required_peer: settings.get("requirepeer").map(str::to_owned),
            target: target.unwrap_or(TargetSession::Any),
            client_encoding: settings.get("client_encoding").map(str::to_owned),
            warnings: warning.into_iter().collect(),
        })
    }

    /// Returns the same with another database.
    pub fn with_database(&self, database: &str) -> Self {
        ConnectParams { database: database.to_owned(), ..self.clone() }
    }

    /// Returns the database that a connection string names, if that is all it says.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`] when it is no connection string.
    pub fn database_of(connection_string: &str) -> Result<Option<String>> {
        let mut settings = Settings::default();
        conninfo::parse(connection_string, &mut settings)?;
        let alone = settings.has_only("dbname");
        Ok(settings.get("dbname").filter(|_| alone).map(str::to_owned))
    }

    /// Returns the same with a password that a person has typed.
    pub fn with_password(&self, password: Secret) -> Self {
        ConnectParams { password: Some((password, PasswordOrigin::Typed)), ..self.clone() }
    }

    /// Returns the same for one host, whatever kind of server it is.
    pub(super) fn at(&self, host: Host) -> Self {
        ConnectParams { hosts: vec![host], target: TargetSession::Any, ..self.clone() }
    }

    /// Returns the name of the database.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// Returns the role to log in as.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Returns the encoding that was asked for with `client_encoding` or `PGCLIENTENCODING`.
    ///
    /// A session always begins in UTF8; pg_dump takes this as the encoding of its dump.
    pub fn client_encoding(&self) -> Option<&str> {
        self.client_encoding.as_deref()
    }

    /// Returns what a person should know although it is no error, such as a passfile that was ignored.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Returns the password for one place and where it came from.
    pub(super) fn password(&self, host: &Host) -> Option<(Secret, PasswordOrigin)> {
        self.password.clone().or_else(|| {
            let found =
                self.passfile.find(host.passfile_name(), host.port, &self.database, &self.user)?;
            Some((found, PasswordOrigin::Passfile(self.passfile.path.clone())))
        })
    }

    /// Returns host, port, user and database in words, for messages; never the password.
    pub fn describe(&self) -> String {
        format!("{}, database \"{}\"", self.describe_server(), self.database)
    }

    /// Returns host, port and user in words.
    pub fn describe_server(&self) -> String {
        let hosts: Vec<String> = self.hosts.iter().map(Host::to_string).collect();
        format!("{}, user \"{}\"", hosts.join(", "), self.user)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(socket) = self.socket() {
            return write!(f, "socket {socket}");
        }
        match &self.address {
            Some(address) if self.name.is_empty() || self.name == *address => {
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
        )
        .in_stock_words(format!(
            "could not match {} host names to {} hostaddr values",
            names.len(),
            addresses.len()
        )));
    }
    if ports.len() > 1 && ports.len() != count {
        return Err(Error::new(
            ErrorKind::Usage,
            format!("{} ports and {count} hosts do not match", ports.len()),
        )
        .in_stock_words(format!("could not match {} port numbers to {count} hosts", ports.len())));
    }
    (0..count)
        .map(|index| {
            let port = match ports.get(index).or(ports.first()).copied().unwrap_or_default() {
                "" => DEFAULT_PORT,
                text => text.parse::<u16>().ok().filter(|port| *port > 0).ok_or_else(|| {
                    invalid(settings, "port", "a number from 1 to 65535")
                        .in_stock_words(format!("invalid port number: \"{text}\""))
                })?,
            };
            let address =
                addresses.as_ref().map(|list| list[index]).filter(|text| !text.is_empty());
            let name = names.as_ref().map(|list| list[index]).unwrap_or_default();
            let name = if name.is_empty() && address.is_none() {
                default_host(port)
            } else {
                name.to_owned()
            };
            Ok(Host { name, address: address.map(str::to_owned), port })
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

fn tcp_options(settings: &Settings) -> Result<TcpOptions> {
    // Zero and negative numbers leave the value to the system.
    let positive = |name: &str| {
        Ok(integer(settings, name)?
            .and_then(|value| u32::try_from(value).ok())
            .filter(|value| *value > 0))
    };
    let seconds = |name: &str| {
        Result::<_>::Ok(positive(name)?.map(|value| Duration::from_secs(value.into())))
    };
    Ok(TcpOptions {
        keepalives: integer(settings, "keepalives")?.unwrap_or(1) != 0,
        idle: seconds("keepalives_idle")?,
        interval: seconds("keepalives_interval")?,
        count: positive("keepalives_count")?,
        user_timeout: positive("tcp_user_timeout")?
            .map(|value| Duration::from_millis(value.into())),
    })
}

/// Returns `options`, with what libpq would send for three old variables appended.
fn options(settings: &Settings, environment: &Environment) -> Option<String> {
    let mut options = settings.get("options").unwrap_or_default().to_owned();
    for (variable, setting) in
        [("PGDATESTYLE", "datestyle"), ("PGTZ", "timezone"), ("PGGEQO", "geqo")]
    {
        if let Some(value) =
            environment.variable(variable).filter(|value| !value.eq_ignore_ascii_case("default"))
        {
            options.push_str(&format!(" -c {setting}="));
            for character in value.chars() {
                if character == '\\' || character.is_ascii_whitespace() {
                    options.push('\\');
                }
                options.push(character);
            }
        }
    }
    Some(options).filter(|options| !options.is_empty())
}

/// Refuses by name what libpq can do and pgark cannot.
fn refuse_unsupported(settings: &Settings) -> Result<()> {
    let refuse = |name: &str, why: &str| {
        let value = settings.get(name).unwrap_or_default();
        let origin =
            settings.origin(name).map(|origin| format!(" from {origin}")).unwrap_or_default();
        Err(Error::new(ErrorKind::Usage, format!("{name}={value}{origin} is not possible: {why}")))
    };
    if choice(settings, "gssencmode", &[("disable", false), ("prefer", false), ("require", true)])?
        == Some(true)
    {
        return refuse("gssencmode", "pgark has no GSSAPI (Kerberos)");
    }
    if settings
        .get("replication")
        .is_some_and(|value| !matches!(value, "off" | "false" | "no" | "0"))
    {
        return refuse("replication", "pgark opens ordinary sessions only");
    }
    for name in ["scram_client_key", "scram_server_key"] {
        if settings.get(name).is_some() {
            // The value is as good as a password.
            return Err(Error::new(
                ErrorKind::Usage,
                format!("{name} is not possible: pgark logs in with a password"),
            ));
        }
    }
    let versions = [("3.0", 30), ("3.2", 32), ("latest", 32)];
    let oldest = choice(settings, "min_protocol_version", &versions)?;
    let newest = choice(settings, "max_protocol_version", &versions)?;
    if oldest > Some(30) {
        return refuse("min_protocol_version", "pgark speaks version 3.0 of the protocol");
    }
    if let (Some(oldest), Some(newest)) = (oldest, newest)
        && oldest > newest
    {
        return refuse("min_protocol_version", "it is above max_protocol_version");
    }
    Ok(())
}
