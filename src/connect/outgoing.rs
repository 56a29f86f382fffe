//! What leaves during a login: written by tokio-postgres, which knows text in UTF-8 only.
//!
//! Roles and databases may have names in any encoding. Such names are carried as text inside pgark
//! ([`crate::sql::text`]); on their way out they become their bytes again: in the startup message, and in
//! an MD5 password, whose hash covers the name of the role.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use postgres_protocol::authentication::md5_hash;
use tokio::io::AsyncWrite;

use super::wire::Wire;
use crate::sql::text;

/// The length and the version of the protocol, before the text of a startup message.
const STARTUP_HEADER: usize = 8;

/// The encoding in which a server converts nothing.
pub(super) const TAKES_BYTES: &str = "SQL_ASCII";

/// Bytes on their way to the server.
pub(super) struct Outgoing {
    /// What tokio-postgres has written of a message that does not leave as it is.
    held: Option<BytesMut>,
    /// The message that leaves in the place of the next one.
    instead: Option<Vec<u8>>,
    ready: BytesMut,
}

impl Outgoing {
    /// Makes the way out for a conversation that begins with a startup message.
    pub(super) fn new() -> Self {
        Outgoing { held: Some(BytesMut::new()), instead: None, ready: BytesMut::new() }
    }

    /// Answers a request for an MD5 password in the place of tokio-postgres, when that cannot do it.
    pub(super) fn answer_md5(&mut self, user: &str, password: &str, salt: [u8; 4]) {
        let name = text::encode(user);
        if name.as_ref() != user.as_bytes() {
            let hash = md5_hash(&name, &text::encode(password), salt);
            self.instead = Some(super::driver::message(b'p', hash.as_bytes()).to_vec());
        }
    }

    /// Takes what is written, as much as it is: the messages of a login are short.
    pub(super) fn accept(&mut self, bytes: &[u8]) {
        if let Some(held) = &mut self.held {
            held.extend_from_slice(bytes);
            if let Some(message) = startup(held) {
                self.ready.extend_from_slice(&message);
                self.held = None;
            }
        } else if let Some(message) = self.instead.take() {
            // One message at a time is written, and none before the answer to the last.
            self.ready.extend_from_slice(&message);
        } else {
            self.ready.extend_from_slice(bytes);
        }
    }

    /// Sends what was accepted.
    pub(super) fn poll_flush(
        &mut self,
        mut wire: Pin<&mut Wire>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.ready.is_empty() {
            match ready!(wire.as_mut().poll_write(cx, &self.ready))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.ready.advance(count),
            }
        }
        wire.poll_flush(cx)
    }
}

/// Returns the startup message with all names as their bytes, once `written` holds all of it.
fn startup(written: &[u8]) -> Option<Vec<u8>> {
    let (header, rest) = written.split_at_checked(STARTUP_HEADER)?;
    let length = u32::from_be_bytes([header[0], header[1], header[2], header[3]]) as usize;
    if written.len() < length {
        return None;
    }
    let parameters = match std::str::from_utf8(rest) {
        Ok(parameters) => text::encode(parameters),
        Err(_) => rest.into(),
    };
    if parameters.as_ref() == rest {
        return Some(written.to_vec());
    }
    let parameters = without_conversion(&parameters);
    let length = u32::try_from(STARTUP_HEADER + parameters.len()).ok()?;
    let mut message = length.to_be_bytes().to_vec();
    message.extend_from_slice(&header[4..]);
    message.extend_from_slice(&parameters);
    Some(message)
}

/// Returns the parameters with an encoding that takes names as they are.
///
/// A server without encoding reports the name of the role before anything can be asked, and refuses the
/// login when that name is no UTF-8. [`TAKES_BYTES`] stays until the session sets another.
fn without_conversion(parameters: &[u8]) -> Vec<u8> {
    // Where tokio-postgres writes it: before all others.
    match parameters.strip_prefix(b"client_encoding\0UTF8\0") {
        Some(others) => [b"client_encoding\0", TAKES_BYTES.as_bytes(), b"\0", others].concat(),
        None => parameters.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The version of the protocol, as tokio-postgres writes it.
    const VERSION: [u8; 4] = [0, 3, 0, 0];

    fn message(parameters: &[u8]) -> Vec<u8> {
        let length = (STARTUP_HEADER + parameters.len()) as u32;
        [&length.to_be_bytes(), &VERSION, parameters].concat()
    }

    #[test]
    fn names_leave_as_their_bytes_however_the_message_was_cut() {
        let named = b"user\0caf\xe9\0database\0d\xfcnn\0\0";
        let raw = [b"client_encoding\0SQL_ASCII\0", &named[..]].concat();
        let carried = text::decode(&[b"client_encoding\0UTF8\0", &named[..]].concat());
        let carried = message(carried.as_bytes());
        for cut in [1, 5, 8, 13, carried.len()] {
            let mut outgoing = Outgoing::new();
            for part in carried.chunks(cut) {
                outgoing.accept(part);
            }
            outgoing.accept(b"p rest");
            assert_eq!(outgoing.ready, [&message(&raw)[..], b"p rest"].concat(), "{cut}");
        }
    }

    #[test]
    fn an_md5_password_is_hashed_with_the_bytes_of_the_name() {
        let mut outgoing = Outgoing::new();
        outgoing.accept(&message(b"user\0x\0\0"));
        outgoing.ready.clear();
        outgoing.answer_md5("plain", "secret", *b"salt");
        outgoing.accept(b"untouched");
        assert_eq!(&outgoing.ready[..], b"untouched");
        outgoing.ready.clear();
        outgoing.answer_md5(&text::decode(b"caf\xe9"), "secret", *b"salt");
        outgoing.accept(b"replaced");
        let hash = md5_hash(b"caf\xe9", b"secret", *b"salt");
        assert_eq!(outgoing.ready, [b"p\0\0\0\x28", hash.as_bytes(), b"\0"].concat());
    }
}
