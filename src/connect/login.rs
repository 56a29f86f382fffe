//! From parameters to a session that has logged in: every host and address in turn.
//!
//! tokio-postgres speaks the login (startup, authentication) over a [`LoginWire`], which hands it one
//! message at a time and looks at each on the way. So what tokio-postgres keeps to itself is known here
//! too (settings, backend process id, cancel key, the server's own words), nothing that arrives after
//! the login is swallowed, and the wire can be taken back for the session's own driver.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::future::{Ready, ready};
use std::io;
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_postgres::config::{Config, SslMode, SslNegotiation};
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};

use super::cancel::Canceller;
use super::params::{ConnectParams, Host};
use super::rows::Reader;
use super::server_error::{ConnectionLost, ServerError};
use super::wire::Wire;
use crate::error::{Error, ErrorKind, Result};

/// Messages of a login are short; more is no PostgreSQL server.
const LONGEST_LOGIN_MESSAGE: usize = 256 * 1024;

/// A conversation that has just begun.
pub(super) struct Login {
    pub(super) wire: Wire,
    /// What came after the login's last message.
    pub(super) arrived: BytesMut,
    pub(super) parameters: HashMap<String, String>,
    pub(super) notices: VecDeque<ServerError>,
    pub(super) backend_pid: i32,
    pub(super) canceller: Canceller,
    pub(super) address: String,
    pub(super) description: String,
}

/// One address of one host, and how to get there: enough to connect to the same server again.
#[derive(Debug, Clone)]
pub(super) struct Endpoint {
    host: Host,
    target: Target,
    connect_timeout: Option<Duration>,
}

#[derive(Debug, Clone)]
enum Target {
    Tcp(std::net::SocketAddr),
    Unix(PathBuf),
}

/// An open connection on which no login was tried yet.
pub(super) struct Opened {
    pub(super) wire: Wire,
    /// The hash of the server's certificate for channel binding.
    end_point: Option<Vec<u8>>,
}

impl Endpoint {
    /// Opens a connection, with TLS if it is wanted.
    pub(super) async fn open(&self) -> Result<Opened> {
        let opening = async {
            match &self.target {
                Target::Tcp(address) => TcpStream::connect(address).await.and_then(|stream| {
                    stream.set_nodelay(true)?;
                    Ok(Wire::Tcp(stream))
                }),
                Target::Unix(path) => UnixStream::connect(path).await.map(Wire::Unix),
            }
        };
        let opened = match self.connect_timeout {
            None => opening.await,
            Some(limit) => match tokio::time::timeout(limit, opening).await {
                Ok(opened) => opened,
                Err(_) => Err(io::ErrorKind::TimedOut.into()),
            },
        };
        match opened {
            Ok(wire) => Ok(Opened { wire, end_point: None }),
            Err(error) => {
                Err(Error::new(ErrorKind::Connection, format!("could not connect to {self}"))
                    .with_source(error))
            }
        }
    }

    fn address(&self) -> String {
        match &self.target {
            Target::Tcp(address) => address.to_string(),
            Target::Unix(path) => path.display().to_string(),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.target {
            Target::Tcp(address) if self.host.name != address.ip().to_string() => {
                write!(f, "host {} ({}), port {}", self.host.name, address.ip(), address.port())
            }
            _ => self.host.fmt(f),
        }
    }
}

/// Logs in to the first host that takes us.
pub(super) async fn login(params: &ConnectParams) -> Result<Login> {
    let mut failure = None;
    for host in &params.hosts {
        match endpoints(params, host).await {
            Ok(endpoints) => {
                for endpoint in endpoints {
                    match attempt(params, Arc::new(endpoint)).await {
                        Ok(login) => return Ok(login),
                        Err(error) => failure = Some(error),
                    }
                }
            }
            Err(error) => failure = Some(error),
        }
    }
    Err(failure.unwrap_or_else(|| Error::new(ErrorKind::Usage, "there is no host to connect to")))
}

async fn endpoints(params: &ConnectParams, host: &Host) -> Result<Vec<Endpoint>> {
    let endpoint =
        |target| Endpoint { host: host.clone(), target, connect_timeout: params.connect_timeout };
    if let Some(socket) = host.socket() {
        return Ok(vec![endpoint(Target::Unix(socket.into()))]);
    }
    let name = host.address.as_deref().unwrap_or(&host.name);
    let found = tokio::net::lookup_host((name, host.port)).await.map_err(|error| {
        Error::new(ErrorKind::Connection, format!("could not find the address of host \"{name}\""))
            .with_source(error)
    })?;
    Ok(found.map(|address| endpoint(Target::Tcp(address))).collect())
}

async fn attempt(params: &ConnectParams, endpoint: Arc<Endpoint>) -> Result<Login> {
    let description =
        format!("{endpoint}, user \"{}\", database \"{}\"", params.user, params.database);
    let opened = endpoint.open().await?;
    let state = Arc::new(Mutex::new(Watched::new(opened.wire)));
    let mut config = Config::new();
    config.user(&params.user).dbname(&params.database).application_name(&params.application_name);
    if let Some(password) = &params.password {
        config.password(password.reveal());
    }
    if let Some(options) = &params.options {
        config.options(options);
    }
    if opened.end_point.is_some() {
        config.ssl_mode(SslMode::Require).ssl_negotiation(SslNegotiation::Direct);
    } else {
        config.ssl_mode(SslMode::Disable);
    }
    let tls = Established { end_point: opened.end_point };
    let result = config.connect_raw(LoginWire(Arc::clone(&state)), tls).await;
    let mut watched = state.lock().unwrap_or_else(PoisonError::into_inner);
    let failed = || Error::new(ErrorKind::Connection, format!("could not log in to {description}"));
    if let Err(error) = result {
        return Err(match watched.error.take() {
            Some(server) => failed().with_source(server),
            None => failed().with_source(error),
        });
    }
    // The client and the connection of tokio-postgres have done their work and are dropped unused: they
    // hold an empty LoginWire from here on.
    let wire = watched.wire.take().ok_or_else(|| {
        failed().with_source(ConnectionLost {
            reason: "the connection broke right after the login".into(),
            server: None,
        })
    })?;
    Ok(Login {
        wire,
        arrived: std::mem::take(&mut watched.inbuf),
        parameters: std::mem::take(&mut watched.parameters),
        notices: std::mem::take(&mut watched.notices),
        backend_pid: watched.backend_pid,
        canceller: Canceller::new(Arc::clone(&endpoint), watched.backend_pid, watched.secret_key),
        address: endpoint.address(),
        description,
    })
}

/// What passes by during a login.
struct Watched {
    wire: Option<Wire>,
    inbuf: BytesMut,
    /// Bytes at the front of `inbuf` that were looked at and may be handed on.
    cleared: usize,
    parameters: HashMap<String, String>,
    notices: VecDeque<ServerError>,
    error: Option<ServerError>,
    backend_pid: i32,
    secret_key: i32,
    ready: bool,
}

impl Watched {
    fn new(wire: Wire) -> Self {
        Watched {
            wire: Some(wire),
            inbuf: BytesMut::new(),
            cleared: 0,
            parameters: HashMap::new(),
            notices: VecDeque::new(),
            error: None,
            backend_pid: 0,
            secret_key: 0,
            ready: false,
        }
    }

    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            if self.cleared > 0 {
                let count = self.cleared.min(buffer.remaining());
                buffer.put_slice(&self.inbuf[..count]);
                self.inbuf.advance(count);
                self.cleared -= count;
                return Poll::Ready(Ok(()));
            }
            if self.ready {
                // The login is complete; what follows belongs to the session.
                return Poll::Pending;
            }
            if let Some(header) = self.inbuf.get(..5) {
                let length =
                    u32::from_be_bytes([header[1], header[2], header[3], header[4]]) as usize;
                if !(4..=LONGEST_LOGIN_MESSAGE).contains(&length) {
                    return Poll::Ready(Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        "the answer is not PostgreSQL's protocol",
                    )));
                }
                if self.inbuf.len() > length {
                    let message = self.inbuf[..=length].to_vec();
                    self.look(message[0], &message[5..])?;
                    self.cleared = length + 1;
                    continue;
                }
            }
            let Some(wire) = &mut self.wire else { return Poll::Ready(Ok(())) };
            self.inbuf.reserve(8192);
            match pin!(wire.read_buf(&mut self.inbuf)).poll(cx) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Ok(())),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn look(&mut self, tag: u8, body: &[u8]) -> io::Result<()> {
        let mut fields = Reader(body);
        match tag {
            b'K' => {
                self.backend_pid = fields.i32().unwrap_or(0);
                self.secret_key = fields.i32().unwrap_or(0);
            }
            b'S' => {
                if let (Some(name), Some(value)) = (fields.cstr(), fields.cstr()) {
                    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
                    self.parameters.insert(text(name), text(value));
                }
            }
            b'N' => self.notices.push_back(ServerError::parse(body)),
            b'E' => self.error = Some(ServerError::parse(body)),
            b'Z' => self.ready = true,
            _ => {}
        }
        Ok(())
    }
}

/// The wire as tokio-postgres sees it during the login.
struct LoginWire(Arc<Mutex<Watched>>);

impl LoginWire {
    fn with_wire<T>(
        &self,
        work: impl FnOnce(Pin<&mut Wire>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let mut watched = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut watched.wire {
            Some(wire) => work(Pin::new(wire)),
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

impl AsyncRead for LoginWire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).poll_read(cx, buffer)
    }
}

impl AsyncWrite for LoginWire {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.with_wire(|wire| wire.poll_write(cx, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with_wire(|wire| wire.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with_wire(|wire| wire.poll_shutdown(cx))
    }
}

/// Tells tokio-postgres that TLS is in place already, and what to bind the login to.
struct Established {
    end_point: Option<Vec<u8>>,
}

struct EstablishedStream {
    stream: LoginWire,
    end_point: Option<Vec<u8>>,
}

impl TlsConnect<LoginWire> for Established {
    type Stream = EstablishedStream;
    type Error = io::Error;
    type Future = Ready<io::Result<EstablishedStream>>;

    fn connect(self, stream: LoginWire) -> Self::Future {
        ready(Ok(EstablishedStream { stream, end_point: self.end_point }))
    }
}

impl TlsStream for EstablishedStream {
    fn channel_binding(&self) -> ChannelBinding {
        match &self.end_point {
            Some(hash) if !hash.is_empty() => ChannelBinding::tls_server_end_point(hash.clone()),
            _ => ChannelBinding::none(),
        }
    }
}

impl AsyncRead for EstablishedStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for EstablishedStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
