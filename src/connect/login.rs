//! The login on an open connection.
//!
//! tokio-postgres speaks the login (startup, authentication) over a [`LoginWire`], which hands it one
//! message at a time and looks at each on the way. So what tokio-postgres keeps to itself is known here
//! too (settings, backend process id, cancel key, the server's own words), `require_auth` is enforced
//! before anything is answered, nothing that arrives after the login is swallowed, and the wire can be
//! taken back for the session's own driver.

use std::collections::{HashMap, VecDeque};
use std::future::{Ready, ready};
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio_postgres::config::{Config, SslMode, SslNegotiation};
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};

use super::authentication::Watch;
use super::cancel::Canceller;
use super::endpoint::{Encryption, Endpoint};
use super::failure::{Cause, Failure, Step};
use super::outgoing::Outgoing;
use super::params::ConnectParams;
use super::rows::Reader;
use super::secret::Secret;
use super::server_error::ServerError;
use super::wire::Wire;
use crate::sql::text;

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
    pub(super) encrypted: bool,
    pub(super) same_server: ConnectParams,
}

/// Opens a connection and logs in.
pub(super) async fn log_in(
    params: &ConnectParams,
    endpoint: &Endpoint,
    encryption: &Encryption,
) -> Result<Login, Failure> {
    let opened = endpoint.open(encryption).await?;
    let encrypted = opened.end_point.is_some();
    let (password, password_origin) = params.password(&endpoint.host).unzip();
    let watch = Watch::new(params.required_authentication.clone(), password.is_some());
    let watched = Watched::new(opened.wire, watch, &params.user, password.clone());
    let state = Arc::new(Mutex::new(watched));

    let mut config = Config::new();
    config
        .user(&params.user)
        .dbname(&params.database)
        .application_name(&params.application_name)
        .channel_binding(params.channel_binding);
    if let Some(password) = &password {
        config.password(text::encode(password.reveal()));
    }
    if let Some(options) = &params.options {
        config.options(options);
    }
    if encrypted {
        // The handshake is behind us: with `Direct` tokio-postgres asks `Established` at once.
        config.ssl_mode(SslMode::Require).ssl_negotiation(SslNegotiation::Direct);
    } else {
        config.ssl_mode(SslMode::Disable);
    }
    let tls = Established { end_point: opened.end_point };
    let result = config.connect_raw(LoginWire(Arc::clone(&state)), tls).await;
    // The client and the connection of tokio-postgres have done their work and are dropped unused.
    let result = result.map(|_| ());

    let mut watched = state.lock().unwrap_or_else(PoisonError::into_inner);
    let cause = match (result, watched.error.take(), watched.refusal.take()) {
        (Ok(()), _, _) => None,
        (Err(_), Some(server), _) => Some(Cause::Server(Box::new(server))),
        (Err(_), None, Some(_)) if watched.authentication.password_missing => {
            Some(Cause::PasswordMissing)
        }
        (Err(_), None, Some(refusal)) => Some(Cause::Refused(refusal)),
        (Err(error), None, None) => Some(Cause::from(error)),
    };
    let failed = |cause: Cause, was_asked: bool| Failure {
        was_asked,
        password: password_origin,
        encrypted,
        ..Failure::because(Step::Login, cause)
    };
    if let Some(cause) = cause {
        return Err(failed(cause, watched.authentication.was_asked()));
    }
    let Some(wire) = watched.wire.take() else {
        return Err(failed(Cause::Io(io::ErrorKind::NotConnected.into()), true));
    };
    let canceller = Canceller::new(
        endpoint.clone(),
        opened.encryption,
        watched.backend_pid,
        watched.secret_key,
    );
    Ok(Login {
        wire,
        arrived: std::mem::take(&mut watched.inbuf),
        parameters: std::mem::take(&mut watched.parameters),
        notices: std::mem::take(&mut watched.notices),
        backend_pid: watched.backend_pid,
        canceller,
        address: endpoint.address(),
        description: format!(
            "{endpoint}, user \"{}\", database \"{}\"",
            params.user, params.database
        ),
        encrypted,
        same_server: params.at(endpoint.pinned()),
    })
}

impl From<tokio_postgres::Error> for Cause {
    /// Takes the message apart: tokio-postgres says "error communicating with the server" and keeps what
    /// happened as the source.
    fn from(error: tokio_postgres::Error) -> Cause {
        if error.is_closed() {
            return Cause::Io(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the server closed the connection",
            ));
        }
        let text = error.to_string();
        match error.into_source() {
            None => Cause::Refused(text),
            Some(source) => match source.downcast::<io::Error>() {
                Ok(error) => Cause::Io(*error),
                Err(source) => Cause::Refused(format!("{text}: {source}")),
            },
        }
    }
}

/// The request for an MD5 password.
const MD5: i32 = 5;

/// What passes by during a login.
struct Watched {
    wire: Option<Wire>,
    outgoing: Outgoing,
    user: String,
    password: Option<Secret>,
    inbuf: BytesMut,
    /// Bytes at the front of `inbuf` that were looked at and may be handed on.
    cleared: usize,
    parameters: HashMap<String, String>,
    notices: VecDeque<ServerError>,
    error: Option<ServerError>,
    authentication: Watch,
    /// Why we ended the login ourselves.
    refusal: Option<String>,
    backend_pid: i32,
    secret_key: i32,
    ready: bool,
}

impl Watched {
    fn new(wire: Wire, authentication: Watch, user: &str, password: Option<Secret>) -> Self {
        Watched {
            wire: Some(wire),
            outgoing: Outgoing::new(),
            user: user.to_owned(),
            password,
            inbuf: BytesMut::new(),
            cleared: 0,
            parameters: HashMap::new(),
            notices: VecDeque::new(),
            error: None,
            authentication,
            refusal: None,
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
                    if message[0] == b'S' {
                        // A setting may hold a name that is not UTF-8, which tokio-postgres refuses to
                        // read; it has no use for settings.
                        self.inbuf.advance(length + 1);
                    } else {
                        self.cleared = length + 1;
                    }
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
                    self.parameters.insert(text::decode(name), text::decode(value));
                }
            }
            b'N' => self.notices.push_back(ServerError::parse(body)),
            b'E' => self.error = Some(ServerError::parse(body)),
            b'R' => {
                if let Err(refusal) = self.authentication.judge(body) {
                    self.refusal = Some(refusal);
                    return Err(io::ErrorKind::ConnectionAborted.into());
                }
                if let (Some(MD5), Some(password)) = (fields.i32(), &self.password)
                    && let Some(salt) = fields.take(4).and_then(|salt| salt.try_into().ok())
                {
                    self.outgoing.answer_md5(&self.user, password.reveal(), salt);
                }
            }
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
        work: impl FnOnce(&mut Outgoing, Pin<&mut Wire>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let mut watched = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Watched { wire, outgoing, .. } = &mut *watched;
        match wire {
            Some(wire) => work(outgoing, Pin::new(wire)),
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
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.with_wire(|outgoing, _| {
            outgoing.accept(bytes);
            Poll::Ready(Ok(bytes.len()))
        })
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with_wire(|outgoing, wire| outgoing.poll_flush(wire, cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with_wire(|_, wire| wire.poll_shutdown(cx))
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
