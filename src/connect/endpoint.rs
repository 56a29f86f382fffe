//! One address of one host: finding it, opening a socket to it, agreeing on TLS.

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use super::failure::{Failure, Step};
use super::params::{ConnectParams, Host, TcpOptions};
use super::tls::Connector;
use super::wire::Wire;

/// The request for TLS: length 8, and a number that no protocol version will have.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// One address of one host, and how to get there: enough to connect to the same server again.
#[derive(Debug, Clone)]
pub(super) struct Endpoint {
    pub(super) host: Host,
    target: Target,
    tcp: TcpOptions,
    required_peer: Option<String>,
}

#[derive(Debug, Clone)]
enum Target {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// How a connection is protected.
#[derive(Debug, Clone)]
pub(super) enum Encryption {
    /// Not at all.
    Off,
    /// TLS, if the server has it.
    IfOffered(Arc<Connector>),
    /// TLS.
    On(Arc<Connector>),
    /// TLS from the first byte.
    Direct(Arc<Connector>),
}

/// An open connection on which no login was tried yet.
pub(super) struct Opened {
    pub(super) wire: Wire,
    /// How it is protected, now that the server was asked; for connecting again.
    pub(super) encryption: Encryption,
    /// The hash of the server's certificate for channel binding; empty if there is none for it.
    pub(super) end_point: Option<Vec<u8>>,
}

impl Endpoint {
    /// Finds the addresses of a host, in the order in which they should be tried.
    pub(super) async fn find(
        params: &ConnectParams,
        host: &Host,
    ) -> Result<Vec<Endpoint>, Failure> {
        let endpoint = |target| Endpoint {
            host: host.clone(),
            target,
            tcp: params.tcp.clone(),
            required_peer: params.required_peer.clone(),
        };
        if let Some(socket) = host.socket() {
            // A leading "@" is the abstract name space of Linux, which has a zero byte there.
            let path = match socket.strip_prefix('@') {
                Some(name) => format!("\0{name}"),
                None => socket,
            };
            return Ok(vec![endpoint(Target::Unix(path.into()))]);
        }
        let name = host.address.as_deref().unwrap_or(&host.name);
        let mut addresses: Vec<SocketAddr> = match tokio::net::lookup_host((name, host.port)).await
        {
            Ok(addresses) => addresses.collect(),
            Err(error) => return Err(Failure::new(Step::Lookup, error)),
        };
        if addresses.is_empty() {
            return Err(Failure::new(Step::Lookup, io::Error::other("the name has no address")));
        }
        if params.shuffle {
            shuffle(&mut addresses);
        }
        Ok(addresses.into_iter().map(|address| endpoint(Target::Tcp(address))).collect())
    }

    /// Tells whether TLS is possible at all; libpq never uses it on a Unix socket.
    pub(super) fn can_encrypt(&self) -> bool {
        matches!(self.target, Target::Tcp(_))
    }

    /// Opens a connection.
    pub(super) async fn open(&self, encryption: &Encryption) -> Result<Opened, Failure> {
        match &self.target {
            Target::Unix(path) => {
                let stream = UnixStream::connect(path)
                    .await
                    .map_err(|error| Failure::new(Step::Socket, error))?;
                self.check_peer(&stream)?;
                Ok(Opened {
                    wire: Wire::Unix(stream),
                    encryption: Encryption::Off,
                    end_point: None,
                })
            }
            Target::Tcp(address) => {
                let stream = TcpStream::connect(address)
                    .await
                    .map_err(|error| Failure::new(Step::Socket, error))?;
                self.configure(&stream).map_err(|error| Failure::new(Step::Socket, error))?;
                encrypt(stream, encryption).await
            }
        }
    }

    fn configure(&self, stream: &TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let socket = SockRef::from(stream);
        if self.tcp.keepalives {
            let mut keepalive = TcpKeepalive::new();
            if let Some(idle) = self.tcp.idle {
                keepalive = keepalive.with_time(idle);
            }
            if let Some(interval) = self.tcp.interval {
                keepalive = keepalive.with_interval(interval);
            }
            if let Some(count) = self.tcp.count {
                keepalive = keepalive.with_retries(count);
            }
            socket.set_keepalive(true)?;
            socket.set_tcp_keepalive(&keepalive)?;
        }
        #[cfg(target_os = "linux")]
        if self.tcp.user_timeout.is_some() {
            socket.set_tcp_user_timeout(self.tcp.user_timeout)?;
        }
        Ok(())
    }

    fn check_peer(&self, stream: &UnixStream) -> Result<(), Failure> {
        let Some(required) = &self.required_peer else { return Ok(()) };
        let uid = stream.peer_cred().map_err(|error| Failure::new(Step::Socket, error))?.uid();
        let name = user_name(uid).unwrap_or_else(|| format!("number {uid}"));
        if name == *required {
            return Ok(());
        }
        let what =
            format!("requirepeer={required}, and the server runs as operating system user {name}");
        Err(Failure::new(Step::Socket, io::Error::other(what)))
    }

    /// Returns the host with this address as the only one.
    pub(super) fn pinned(&self) -> Host {
        let address = self.ip_address().map(|address| address.to_string());
        Host { address, ..self.host.clone() }
    }

    /// Returns the IP address; a socket of this machine has none.
    pub(super) fn ip_address(&self) -> Option<IpAddr> {
        match &self.target {
            Target::Tcp(address) => Some(address.ip()),
            Target::Unix(_) => None,
        }
    }

    pub(super) fn address(&self) -> String {
        match &self.target {
            Target::Tcp(address) => address.to_string(),
            Target::Unix(path) => path.display().to_string().replace('\0', "@"),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.target {
            Target::Tcp(address)
                if !self.host.name.is_empty() && self.host.name != address.ip().to_string() =>
            {
                write!(f, "host {} ({}), port {}", self.host.name, address.ip(), address.port())
            }
            _ => self.host.fmt(f),
        }
    }
}

async fn encrypt(mut stream: TcpStream, encryption: &Encryption) -> Result<Opened, Failure> {
    let (connector, is_required) = match encryption {
        Encryption::Off => {
            return Ok(Opened {
                wire: Wire::Tcp(stream),
                encryption: Encryption::Off,
                end_point: None,
            });
        }
        Encryption::Direct(connector) => {
            return handshake(stream, connector, encryption.clone()).await;
        }
        Encryption::On(connector) => (connector, true),
        Encryption::IfOffered(connector) => (connector, false),
    };
    let mut answer = [0];
    let asked: io::Result<()> = async {
        stream.write_all(&SSL_REQUEST).await?;
        // Exactly one byte: whatever a man in the middle adds goes to the handshake, which fails on it.
        stream.read_exact(&mut answer).await?;
        Ok(())
    }
    .await;
    asked.map_err(|error| Failure::new(Step::TlsRequest, error))?;
    match &answer {
        b"S" => handshake(stream, connector, Encryption::On(Arc::clone(connector))).await,
        b"N" if is_required => {
            Err(Failure::new(Step::TlsRequest, io::Error::other("the server does not offer TLS")))
        }
        b"N" => {
            Ok(Opened { wire: Wire::Tcp(stream), encryption: Encryption::Off, end_point: None })
        }
        // What a server says before TLS could be anybody's words, so they are not repeated (CVE-2024-10977).
        b"E" => Err(Failure::new(
            Step::TlsRequest,
            io::Error::other("the server answered the request for TLS with an error"),
        )),
        _ => Err(Failure::new(
            Step::TlsRequest,
            io::Error::other("the answer is not that of a PostgreSQL server"),
        )),
    }
}

async fn handshake(
    stream: TcpStream,
    connector: &Arc<Connector>,
    encryption: Encryption,
) -> Result<Opened, Failure> {
    match connector.handshake(stream).await {
        Ok((stream, end_point)) => {
            Ok(Opened { wire: Wire::Tls(stream), encryption, end_point: Some(end_point) })
        }
        Err(error) => Err(Failure::new(Step::Handshake, error)),
    }
}

/// Looks a user up in the system's list; a user of a directory service is not found there.
fn user_name(uid: u32) -> Option<String> {
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

/// Brings a list into random order; good enough to spread load, which is all it is for.
pub(super) fn shuffle<T>(list: &mut [T]) {
    for index in (1..list.len()).rev() {
        let random = RandomState::new().build_hasher().finish();
        list.swap(index, (random % (index as u64 + 1)) as usize);
    }
}
