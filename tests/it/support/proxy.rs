//! A relay in front of a server that can forget connections, as firewalls do.

use std::sync::{Arc, Mutex};

use pgark::connect::{ConnectParams, Session};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::Notify;

use super::database::Database;

/// Relays connections to one address; the first of them can be forgotten.
#[derive(Debug)]
pub(crate) struct Proxy {
    uri: String,
    forget: Arc<Notify>,
}

impl Proxy {
    /// Starts a relay to the server of a database.
    pub(crate) async fn in_front_of(database: &Database) -> Proxy {
        let address = address(database).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let forget = Arc::new(Notify::new());
        let first = Mutex::new(Some(Arc::clone(&forget)));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let forget = first.lock().expect("no panic").take().unwrap_or_default();
                match address.strip_prefix('/') {
                    Some(_) => {
                        let server = UnixStream::connect(&address).await.expect("the server");
                        tokio::spawn(relay(client, server, forget));
                    }
                    None => {
                        let server = TcpStream::connect(&address).await.expect("the server");
                        tokio::spawn(relay(client, server, forget));
                    }
                }
            }
        });
        let uri = format!("postgresql://postgres@127.0.0.1:{port}/{}", database.name());
        Proxy { uri, forget }
    }

    /// Returns the URI of the database by way of the relay.
    pub(crate) fn uri(&self) -> &str {
        &self.uri
    }

    /// Hangs up on the server's side of the first connection. The client hears of it when it says something.
    pub(crate) fn forget_first(&self) {
        self.forget.notify_one();
    }
}

/// Returns the address of a database's server: an IP address and a port, or the path of a socket.
pub(crate) async fn address(database: &Database) -> String {
    let params = ConnectParams::parse(database.uri()).expect("a URI");
    Session::connect(&params).await.expect("a session").address().to_owned()
}

async fn relay<S>(mut client: TcpStream, mut server: S, forget: Arc<Notify>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => return,
        () = forget.notified() => {}
    }
    // Without a good-bye the server would notice only when it has something to say.
    drop(server.shutdown().await);
    drop(server);
    let mut byte = [0; 1];
    drop(client.read(&mut byte).await);
}
