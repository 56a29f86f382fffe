//! Connecting to real servers: parameters, login, TLS, COPY, cancel, poolers, and what is said when it fails.

mod certificates;
mod login;
mod parameters;
mod pooler;
mod session;
mod strange;
mod tls;

use std::path::PathBuf;
use std::sync::OnceLock;

use certificates::{Authority, Identity};
use pgark::connect::{ConnectParams, ConnectRequest, Environment, Session};
use pgark::{Error, Result};

use crate::support::cluster::Cluster;
use crate::support::installation::{Installation, server_user};

/// Returns parameters from a connection string in an empty environment.
fn params(dbname: &str) -> ConnectParams {
    let request = ConnectRequest { dbname: Some(dbname.to_owned()), ..ConnectRequest::default() };
    ConnectParams::resolve(&request, &Environment::default()).expect("parameters")
}

async fn connect(dbname: &str) -> Result<Session> {
    Session::connect(&params(dbname)).await
}

async fn fails(dbname: &str) -> Error {
    connect(dbname).await.expect_err("the connection must fail")
}

/// Returns the error, its causes and its hints as a person sees them.
fn rendered(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(&format!("\ncaused by: {error}"));
        cause = error.source();
    }
    for hint in error.hints() {
        text.push_str(&format!("\nhint: {hint}"));
    }
    text
}

async fn value(session: &Session, sql: &str) -> String {
    let rows =
        session.query("ask", &format!("select ({sql})::text as value")).await.expect("answer");
    rows.single().expect("one row").text("value").expect("a value").to_owned()
}

fn newest() -> &'static Installation {
    Installation::all().last().expect("server binaries")
}

/// A server that speaks TLS, with one role for each way of logging in; the password of each is its name.
struct SecureServer {
    cluster: Cluster,
    directory: tempfile::TempDir,
}

const ROLES: &str = "create role scram login password 'scram';
    create role certified login;
    create role nobody login;
    create role raw;
    create role unencrypted login;
    create role trusted login;
    create role plain login password 'plain';
    set password_encryption = md5;
    create role md5 login password 'md5';";

const HBA: &str = "local all all trust
hostssl all scram 127.0.0.1/32 scram-sha-256
host all md5 127.0.0.1/32 md5
host all +raw 127.0.0.1/32 md5
host all plain 127.0.0.1/32 password
hostssl all certified 127.0.0.1/32 cert
hostnossl all unencrypted 127.0.0.1/32 trust
host all trusted 127.0.0.1/32 trust
";

impl SecureServer {
    /// Starts a server with a certificate; clients need one of `authority`.
    fn start(identity: &Identity, authority: &Authority, settings: &str) -> SecureServer {
        let directory = tempfile::tempdir().expect("directory");
        let server = |name: &str, text: &str, mode: u32| own_file(&directory, name, text, mode);
        let settings = format!(
            "ssl = on\nssl_cert_file = '{}'\nssl_key_file = '{}'\nssl_ca_file = '{}'\nhba_file = '{}'\n{settings}\n",
            server("server.crt", &identity.certificate, 0o644).display(),
            server("server.key", &identity.key, 0o600).display(),
            server("clients.crt", &authority.certificate, 0o644).display(),
            server("hba.conf", HBA, 0o600).display(),
        );
        let cluster = Cluster::start(newest(), &settings);
        let secure = SecureServer { cluster, directory };
        crate::support::database::psql(&secure.cluster.uri("postgres"), ROLES);
        secure
    }

    /// The server most tests use: its certificate is for localhost and comes from [`authority`].
    fn shared() -> &'static SecureServer {
        static SERVER: OnceLock<SecureServer> = OnceLock::new();
        SERVER.get_or_init(|| {
            SecureServer::start(&authority().issue(&["localhost"]), authority(), "")
        })
    }

    /// Writes a file for the client's side and returns its path.
    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        std::fs::write(&path, text).expect("file");
        mode(&path, 0o600);
        path
    }

    /// Returns a connection string for TCP; the name of the host is `localhost`.
    fn tcp(&self, user: &str, more: &str) -> String {
        format!(
            "host=localhost hostaddr=127.0.0.1 port={} user={user} dbname=postgres {more}",
            self.cluster.port()
        )
    }
}

/// The authority that both sides trust.
fn authority() -> &'static Authority {
    static AUTHORITY: OnceLock<Authority> = OnceLock::new();
    AUTHORITY.get_or_init(|| Authority::new("pgark test authority"))
}

/// Writes a file that belongs to the server's user.
fn own_file(directory: &tempfile::TempDir, name: &str, text: &str, permissions: u32) -> PathBuf {
    use std::os::unix::fs::chown;
    let path = directory.path().join(name);
    std::fs::write(&path, text).expect("file");
    mode(&path, permissions);
    mode(directory.path(), 0o755);
    if let Some((user, group)) = server_user() {
        chown(&path, Some(user), Some(group)).expect("root may chown");
    }
    path
}

fn mode(path: &std::path::Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("mode");
}
