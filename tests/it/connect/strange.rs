//! Servers that no test machine has: too old, too new, wanting what pgark cannot do, or no servers at all.

use super::{connect, fails, rendered};
use pgark::ErrorKind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut message = vec![tag];
    message.extend_from_slice(&(body.len() as u32 + 4).to_be_bytes());
    message.extend_from_slice(body);
    message
}

fn status(name: &str, value: &str) -> Vec<u8> {
    message(b'S', format!("{name}\0{value}\0").as_bytes())
}

/// Accepts one connection after the other, says its piece after the first message, and listens.
async fn server(piece: Vec<u8>) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("listener");
    let port = listener.local_addr().expect("address").port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let piece = piece.clone();
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 1024]).await;
                let _ = stream.write_all(&piece).await;
                if !piece.is_empty() {
                    while stream.read(&mut [0; 1024]).await.is_ok_and(|count| count > 0) {}
                }
            });
        }
    });
    format!("host=127.0.0.1 port={port} user=me password=secret sslmode=disable")
}

fn welcome(version: &str) -> Vec<u8> {
    let parts = [
        message(b'R', &[0; 4]),
        status("server_version", version),
        message(b'N', b"SNOTICE\0VNOTICE\0C00000\0Mhello\0\0"),
        message(b'K', &[0, 0, 0, 7, 0, 0, 0, 9]),
        message(b'Z', b"I"),
    ];
    parts.concat()
}

#[tokio::test]
async fn an_old_server_is_refused_and_a_new_one_draws_a_warning() {
    let error = fails(&server(welcome("11.22 (Debian 11.22-1)")).await).await;
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.message().contains("11.22") && error.message().contains("12"), "{error}");
    let session = connect(&server(welcome("19devel")).await).await.expect("session");
    assert!(session.warnings()[0].contains("newer than 18"), "{:?}", session.warnings());
    assert_eq!((session.version().major(), session.backend_pid()), (19, 7));
    assert_eq!(session.take_notices()[0].message, "hello");
    assert!(connect(&server(welcome("18.6")).await).await.expect("session").warnings().is_empty());
    let error = fails(&server(welcome("Postgres")).await).await;
    assert!(error.message().contains("cannot be understood"), "{error}");
}

#[tokio::test]
async fn what_follows_the_login_is_not_lost() {
    let fatal = message(b'E', b"SFATAL\0VFATAL\0C57P01\0Mgood bye\0\0");
    let piece = [welcome("18.6"), status("application_name", "later"), fatal].concat();
    let session = connect(&server(piece).await).await.expect("session");
    let error = tokio::time::timeout(
        std::time::Duration::from_millis(500),
        session.execute("ask", "select 1"),
    )
    .await;
    // The made-up server does not hang up, so the question stays open; the setting has arrived.
    assert!(error.is_err());
    assert_eq!(session.parameter("application_name").as_deref(), Some("later"));
}

#[tokio::test]
async fn strange_logins_end_with_a_reason() {
    let cases = [
        (message(b'R', &[0, 0, 0, 7]), "GSSAPI"),
        (message(b'R', &[0, 0, 0, 9]), "SSPI"),
        (message(b'R', &[0, 0, 0, 2]), "Kerberos"),
        (message(b'R', b"\0\0\0\x0aOAUTHBEARER\0\0"), "OAuth"),
        (message(b'R', b"\0\0\0\x0aSCRAM-SHA-1\0\0"), "SASL"),
        (message(b'R', &[0, 0, 0, 99]), "authentication method 99"),
        (Vec::new(), "closed the connection"),
        (b"E\xff\xff\xff\xffboo".to_vec(), "not PostgreSQL's protocol"),
        (message(b'E', b"SFATAL\0C53300\0Mzu viele \xfc\0\0"), "zu viele \u{fffd}"),
        ([message(b'R', &[0; 4]), b"S\0\0\0\x02".to_vec()].concat(), "not PostgreSQL's protocol"),
    ];
    for (piece, reason) in cases {
        let error = fails(&server(piece).await).await;
        let text = rendered(&error);
        assert!(text.contains(reason), "{reason}: {text}");
        assert!(!text.contains("secret"), "{text}");
        assert_eq!(error.kind(), ErrorKind::Connection);
    }
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up_after_the_timeout() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("listener");
    let port = listener.local_addr().expect("address").port();
    let error = fails(&format!("host=127.0.0.1 port={port} user=me connect_timeout=1")).await;
    assert!(rendered(&error).contains("within connect_timeout"), "{}", rendered(&error));
}
