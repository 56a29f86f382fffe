//! The task that owns the wire after login: it writes requests back to back and hands out the answers.
//!
//! ```text
//! Session ── Request ──> [ driver: out ──> wire ]        requests are answered in order, so
//!    ^                   [ inbuf <── wire       ]        `waiting` is a queue
//!    └── oneshot, chunks of COPY data ──┘
//! ```
//!
//! tokio-postgres performs the login and is then left: only simple queries and COPY are spoken here.
//! That gives what its own loop cannot: reads of 256 KiB instead of 8, rows of a COPY of any size in
//! constant memory, the server's error during COPY FROM at once instead of after the last byte, and
//! text that is not UTF-8. Reading and writing proceed together, so neither side can block the other.
//! Authority: the chapter "Frontend/Backend Protocol" of the PostgreSQL documentation, version 3.0.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures::StreamExt;
use futures::channel::mpsc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;

use super::rows::{Reader, Rows};
use super::server_error::{ConnectionLost, ServerError};
use super::session::Shared;
use super::wire::Wire;

/// 256 KiB: larger reads brought nothing more; a Unix socket holds 208 KiB.
const COPY_READ_BYTES: usize = 256 * 1024;
/// Answers to catalog queries are many and mostly small.
const QUERY_READ_BYTES: usize = 32 * 1024;
/// What a message may hold at most: the server's own limit for one allocation, and the header.
const LONGEST_MESSAGE: usize = 0x4000_0000 + 64;
/// Requests that may lie unwritten before the driver stops taking more.
const UNWRITTEN_PIECES: usize = 256;

/// How a request ended when it did not succeed.
#[derive(Debug, Clone)]
pub(super) enum Failure {
    /// The server refused it.
    Server(Box<ServerError>),
    /// The conversation broke.
    Lost(Box<ConnectionLost>),
    /// The server did something else than was asked, for example no COPY at all.
    Unexpected(&'static str),
}

pub(super) type Outcome<T> = Result<T, Failure>;

/// Something to ask the server; `message` is the complete Query message.
pub(super) enum Request {
    Query {
        message: Bytes,
        /// Whether what the statement returns is of interest.
        keep_rows: bool,
        reply: oneshot::Sender<Outcome<Rows>>,
    },
    CopyOut {
        message: Bytes,
        started: oneshot::Sender<()>,
        chunks: mpsc::Sender<Bytes>,
        done: oneshot::Sender<Outcome<u64>>,
    },
    CopyIn {
        message: Bytes,
        started: oneshot::Sender<()>,
        data: mpsc::Receiver<CopyItem>,
        done: oneshot::Sender<Outcome<u64>>,
    },
}

/// What a COPY FROM sends.
pub(super) enum CopyItem {
    Data(Bytes),
    Done,
    Fail(String),
}

/// A request that was accepted and is not answered to its end yet.
struct Waiting {
    kind: Kind,
    failure: Option<Failure>,
    affected: u64,
}

enum Kind {
    Query {
        keep_rows: bool,
        rows: Option<Rows>,
        reply: oneshot::Sender<Outcome<Rows>>,
    },
    CopyOut {
        started: Option<oneshot::Sender<()>>,
        chunks: mpsc::Sender<Bytes>,
        chunk: BytesMut,
        done: oneshot::Sender<Outcome<u64>>,
    },
    CopyIn {
        started: Option<oneshot::Sender<()>>,
        done: oneshot::Sender<Outcome<u64>>,
    },
}

/// What stopped the reading of messages.
enum Pause {
    /// A message is not complete.
    NeedBytes,
    /// Whoever takes the COPY data is slower than the server.
    ConsumerBusy,
}

pub(super) struct Driver {
    wire: Wire,
    inbuf: BytesMut,
    out: VecDeque<Bytes>,
    unflushed: bool,
    write_error: Option<io::Error>,
    requests: mpsc::UnboundedReceiver<Request>,
    waiting: VecDeque<Waiting>,
    /// The data of the COPY FROM that is under way; nothing else is written meanwhile.
    copy_source: Option<mpsc::Receiver<CopyItem>>,
    /// Bytes of the current CopyData message that have not arrived.
    copy_rest: usize,
    fatal: Option<ServerError>,
    closing: bool,
    shared: Arc<Shared>,
}

impl Driver {
    /// `arrived` is what was read from the wire after the login's last message.
    pub(super) fn new(
        wire: Wire,
        arrived: BytesMut,
        requests: mpsc::UnboundedReceiver<Request>,
        shared: Arc<Shared>,
    ) -> Self {
        Driver {
            wire,
            inbuf: arrived,
            out: VecDeque::new(),
            unflushed: false,
            write_error: None,
            requests,
            waiting: VecDeque::new(),
            copy_source: None,
            copy_rest: 0,
            fatal: None,
            closing: false,
            shared,
        }
    }

    /// Serves the session until it is closed or the conversation breaks.
    pub(super) async fn run(mut self) {
        let result = poll_fn(|cx| self.poll(cx)).await;
        let lost = match result {
            Ok(()) => ConnectionLost { reason: "the session was closed".into(), server: None },
            Err(reason) => ConnectionLost { reason, server: self.fatal.take() },
        };
        self.shared.set_lost(lost.clone());
        for waiting in self.waiting.drain(..) {
            // An error that the server sent for this very request says more than the broken wire, unless
            // it is the one that ended the session.
            let failure = match waiting.failure {
                Some(Failure::Server(error)) if !error.is_fatal() => Failure::Server(error),
                _ => Failure::Lost(Box::new(lost.clone())),
            };
            waiting.kind.finish(Err(failure));
        }
        self.requests.close();
        while let Ok(request) = self.requests.try_recv() {
            let failure = Err(Failure::Lost(Box::new(lost.clone())));
            Waiting::begin(request).0.kind.finish(failure);
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), String>> {
        loop {
            let mut progress = self.accept(cx);
            if self.closing && !self.waiting.is_empty() {
                // Nobody is left who could want the answers.
                return Poll::Ready(Ok(()));
            }
            progress |= self.fill(cx);
            progress |= self.write(cx);
            if self.closing && self.out.is_empty() {
                return self.see_off(cx);
            }
            let unwritten = self.out.len();
            let digested = self.digest(cx);
            // An answer may have called for a reply.
            progress |= self.out.len() > unwritten;
            match digested {
                Ok(Pause::ConsumerBusy) => {}
                Ok(Pause::NeedBytes) => match self.read(cx) {
                    Poll::Ready(Ok(())) => progress = true,
                    Poll::Ready(Err(reason)) => return Poll::Ready(Err(reason)),
                    Poll::Pending => {}
                },
                Err(reason) => return Poll::Ready(Err(reason)),
            }
            if !progress {
                return Poll::Pending;
            }
        }
    }

    /// Waits until the server has closed its side.
    ///
    /// Its backend counts against limits of connections until then, and the next session may be the last one allowed.
    fn see_off(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), String>> {
        match Pin::new(&mut self.wire).poll_shutdown(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Err(_)) => return Poll::Ready(Ok(())),
            Poll::Ready(Ok(())) => {}
        }
        let mut scratch = [0; 1024];
        loop {
            let mut buffer = ReadBuf::new(&mut scratch);
            match Pin::new(&mut self.wire).poll_read(cx, &mut buffer) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {}
                // Nobody is left whom an error could tell anything.
                Poll::Ready(_) => return Poll::Ready(Ok(())),
            }
        }
    }

    fn accept(&mut self, cx: &mut Context<'_>) -> bool {
        let mut progress = false;
        while !self.closing && self.copy_source.is_none() && self.out.len() < UNWRITTEN_PIECES {
            match self.requests.poll_next_unpin(cx) {
                Poll::Ready(Some(request)) => {
                    let (waiting, message, source) = Waiting::begin(request);
                    self.out.push_back(message);
                    self.copy_source = source;
                    self.waiting.push_back(waiting);
                }
                Poll::Ready(None) => {
                    self.closing = true;
                    self.out.push_back(message(b'X', &[]));
                }
                Poll::Pending => break,
            }
            progress = true;
        }
        progress
    }

    /// Takes the next piece of a COPY FROM when the one before it is written.
    fn fill(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.out.is_empty() {
            return false;
        }
        let Some(source) = &mut self.copy_source else { return false };
        match source.poll_next_unpin(cx) {
            Poll::Pending => return false,
            Poll::Ready(Some(CopyItem::Data(data))) => {
                let mut header = BytesMut::with_capacity(5);
                header.put_u8(b'd');
                // Pieces are a few MiB at most: `CopyIn::send` cuts longer ones.
                header.put_u32(data.len() as u32 + 4);
                self.out.push_back(header.freeze());
                self.out.push_back(data);
            }
            Poll::Ready(Some(CopyItem::Done)) => {
                self.out.push_back(message(b'c', &[]));
                self.copy_source = None;
            }
            Poll::Ready(Some(CopyItem::Fail(why))) => {
                self.out.push_back(message(b'f', why.as_bytes()));
                self.copy_source = None;
            }
            Poll::Ready(None) => {
                self.out.push_back(message(b'f', b"the client gave up"));
                self.copy_source = None;
            }
        }
        true
    }

    fn write(&mut self, cx: &mut Context<'_>) -> bool {
        let mut progress = false;
        while self.write_error.is_none() && !self.out.is_empty() {
            let mut slices = [IoSlice::new(&[]); 16];
            let mut used = 0;
            for (slice, piece) in slices.iter_mut().zip(&self.out) {
                *slice = IoSlice::new(piece);
                used += 1;
            }
            match Pin::new(&mut self.wire).poll_write_vectored(cx, &slices[..used]) {
                Poll::Ready(Ok(0)) => self.write_error = Some(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(written)) => {
                    self.consume(written);
                    self.unflushed = true;
                }
                Poll::Ready(Err(error)) => self.write_error = Some(error),
                Poll::Pending => break,
            }
            progress = true;
        }
        if self.write_error.is_some() {
            // What the server said before it hung up is still to be read; the reading ends the session.
            self.out.clear();
            return progress;
        }
        if self.unflushed {
            match Pin::new(&mut self.wire).poll_flush(cx) {
                Poll::Ready(Ok(())) => self.unflushed = false,
                Poll::Ready(Err(error)) => self.write_error = Some(error),
                Poll::Pending => {}
            }
        }
        progress
    }

    fn consume(&mut self, mut written: usize) {
        while let Some(piece) = self.out.front_mut() {
            if written < piece.len() {
                piece.advance(written);
                return;
            }
            written -= piece.len();
            self.out.pop_front();
        }
    }

    fn read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), String>> {
        let wanted = match self.waiting.front() {
            Some(Waiting { kind: Kind::CopyOut { .. }, .. }) => COPY_READ_BYTES,
            _ => QUERY_READ_BYTES,
        };
        self.inbuf.reserve(wanted);
        let read = pin!(self.wire.read_buf(&mut self.inbuf)).poll(cx);
        read.map(|read| match (read, &self.write_error) {
            (Ok(count), _) if count > 0 => Ok(()),
            (_, Some(error)) => Err(format!("writing to the server failed: {error}")),
            (Ok(_), None) => Err("the server closed the connection".to_owned()),
            (Err(error), None) => Err(format!("reading from the server failed: {error}")),
        })
    }

    /// Works through the messages that have arrived.
    fn digest(&mut self, cx: &mut Context<'_>) -> Result<Pause, String> {
        loop {
            if self.copy_rest > 0 {
                if self.inbuf.is_empty() {
                    return Ok(Pause::NeedBytes);
                }
                let count = self.copy_rest.min(self.inbuf.len());
                if let Some(Waiting { kind: Kind::CopyOut { chunk, .. }, .. }) =
                    self.waiting.front_mut()
                {
                    chunk.extend_from_slice(&self.inbuf[..count]);
                }
                self.inbuf.advance(count);
                self.copy_rest -= count;
            }
            if self.flush_chunk(cx, COPY_READ_BYTES)?.is_pending() {
                return Ok(Pause::ConsumerBusy);
            }
            if self.copy_rest > 0 {
                continue;
            }
            let Some(header) = self.inbuf.get(..5) else { return Ok(Pause::NeedBytes) };
            let tag = header[0];
            let length = u32::from_be_bytes([header[1], header[2], header[3], header[4]]) as usize;
            if !(4..=LONGEST_MESSAGE).contains(&length) {
                return Err(format!("the server sent a message of impossible length {length}"));
            }
            if tag == b'd' {
                self.inbuf.advance(5);
                self.copy_rest = length - 4;
                continue;
            }
            if self.inbuf.len() < length + 1 {
                return Ok(Pause::NeedBytes);
            }
            if tag == b'Z' && self.flush_chunk(cx, 1)?.is_pending() {
                return Ok(Pause::ConsumerBusy);
            }
            let mut arrived = std::mem::take(&mut self.inbuf);
            let outcome = self.message(tag, &arrived[5..=length]);
            arrived.advance(length + 1);
            self.inbuf = arrived;
            outcome?;
        }
    }

    /// Hands out the COPY data gathered so far once there are `at_least` bytes of it.
    fn flush_chunk(&mut self, cx: &mut Context<'_>, at_least: usize) -> Result<Poll<()>, String> {
        let Some(Waiting { kind: Kind::CopyOut { chunks, chunk, .. }, .. }) =
            self.waiting.front_mut()
        else {
            return Ok(Poll::Ready(()));
        };
        if chunk.len() < at_least {
            return Ok(Poll::Ready(()));
        }
        match chunks.poll_ready(cx) {
            Poll::Pending => return Ok(Poll::Pending),
            Poll::Ready(Ok(())) => {
                let full =
                    std::mem::replace(chunk, BytesMut::with_capacity(2 * COPY_READ_BYTES)).freeze();
                if chunks.start_send(full).is_ok() {
                    return Ok(Poll::Ready(()));
                }
            }
            Poll::Ready(Err(_)) => {}
        }
        // Reading the rest only to throw it away could take hours; the backend ends when it cannot write.
        Err("a COPY was abandoned before its end".to_owned())
    }

    fn message(&mut self, tag: u8, body: &[u8]) -> Result<(), String> {
        match tag {
            b'N' => self.shared.notice(ServerError::parse(body)),
            b'S' => {
                let mut fields = Reader(body);
                if let (Some(name), Some(value)) = (fields.cstr(), fields.cstr()) {
                    self.shared.set_parameter(
                        &String::from_utf8_lossy(name),
                        &String::from_utf8_lossy(value),
                    );
                }
            }
            b'A' => {}
            b'E' => {
                let error = ServerError::parse(body);
                if error.is_fatal() {
                    self.fatal = Some(error.clone());
                }
                // Data are those of the last request, and several of these may be on their way.
                let is_last = self.waiting.len() == 1;
                if let Some(waiting) = self.waiting.front_mut() {
                    if let (Kind::CopyIn { .. }, true) = (&waiting.kind, is_last) {
                        // The server ignores the rest of the data, so there is no use in sending it; the
                        // sender notices that its receiver is gone.
                        self.copy_source = None;
                    }
                    waiting.failure.get_or_insert(Failure::Server(Box::new(error)));
                }
            }
            b'Z' => {
                self.shared.set_transaction_status(body.first().copied().unwrap_or(b'I'));
                let waiting = self
                    .waiting
                    .pop_front()
                    .ok_or("the server answered a question that was not asked")?;
                if let (Kind::CopyIn { .. }, true) = (&waiting.kind, self.waiting.is_empty()) {
                    self.copy_source = None;
                }
                waiting.complete();
            }
            _ => {
                let waiting = self.waiting.front_mut().ok_or_else(|| unexpected(tag))?;
                if waiting.answer(tag, body)? == Reaction::RefuseCopy {
                    self.out.push_back(message(b'f', b"no data was meant to be sent"));
                }
            }
        }
        Ok(())
    }
}

#[derive(PartialEq, Eq)]
enum Reaction {
    None,
    RefuseCopy,
}

impl Waiting {
    fn begin(request: Request) -> (Waiting, Bytes, Option<mpsc::Receiver<CopyItem>>) {
        let (kind, message, source) = match request {
            Request::Query { message, keep_rows, reply } => {
                (Kind::Query { keep_rows, rows: None, reply }, message, None)
            }
            Request::CopyOut { message, started, chunks, done } => (
                Kind::CopyOut { started: Some(started), chunks, chunk: BytesMut::new(), done },
                message,
                None,
            ),
            Request::CopyIn { message, started, data, done } => {
                (Kind::CopyIn { started: Some(started), done }, message, Some(data))
            }
        };
        (Waiting { kind, failure: None, affected: 0 }, message, source)
    }

    /// Takes a message that belongs to the answer.
    fn answer(&mut self, tag: u8, body: &[u8]) -> Result<Reaction, String> {
        let malformed =
            || format!("the server sent a malformed message of type {:?}", char::from(tag));
        match (tag, &mut self.kind) {
            (b'T', Kind::Query { keep_rows: true, rows, .. }) => {
                *rows = Some(Rows::begin(body).ok_or_else(malformed)?)
            }
            (b'D', Kind::Query { rows: Some(rows), .. }) => {
                rows.push(body).ok_or_else(malformed)?
            }
            (b'C', _) => self.affected = affected(body),
            (b'H', Kind::CopyOut { started, .. }) | (b'G', Kind::CopyIn { started, .. }) => {
                if let Some(started) = started.take() {
                    // If nobody waits any more, the closed data channel tells.
                    let _ = started.send(());
                }
            }
            (b'G', _) => {
                self.failure.get_or_insert(Failure::Unexpected("the statement wants COPY data"));
                return Ok(Reaction::RefuseCopy);
            }
            (b'H', _) => {
                self.failure.get_or_insert(Failure::Unexpected("the statement returns COPY data"));
            }
            (b'T' | b'D' | b'I' | b'c', _) => {}
            _ => return Err(unexpected(tag)),
        }
        Ok(Reaction::None)
    }

    fn complete(self) {
        let Waiting { kind, failure, affected } = self;
        let copied = !matches!(
            kind,
            Kind::CopyOut { started: Some(_), .. } | Kind::CopyIn { started: Some(_), .. }
        );
        let outcome = match failure {
            Some(failure) => Err(failure),
            None if !copied => {
                Err(Failure::Unexpected("the statement is no COPY of the expected direction"))
            }
            None => Ok(affected),
        };
        kind.finish(outcome);
    }
}

impl Kind {
    /// Tells the one who asked; if nobody waits for the answer any more it is dropped.
    fn finish(self, outcome: Outcome<u64>) {
        match self {
            Kind::Query { rows, reply, .. } => {
                let _ = reply.send(outcome.map(|_| rows.unwrap_or_default()));
            }
            Kind::CopyOut { done, .. } | Kind::CopyIn { done, .. } => {
                let _ = done.send(outcome);
            }
        }
    }
}

fn unexpected(tag: u8) -> String {
    format!("the server sent an unexpected message of type {:?}", char::from(tag))
}

/// Reads the row count at the end of a command tag such as `COPY 42`.
fn affected(body: &[u8]) -> u64 {
    std::str::from_utf8(body)
        .ok()
        .and_then(|tag| tag.trim_end_matches('\0').rsplit(' ').next())
        .and_then(|count| count.parse().ok())
        .unwrap_or(0)
}

/// Builds a message whose body is `text` (with the closing zero byte unless it is empty).
pub(super) fn message(tag: u8, text: &[u8]) -> Bytes {
    let mut message = BytesMut::with_capacity(text.len() + 6);
    message.put_u8(tag);
    let terminator = usize::from(!text.is_empty() || tag == b'Q' || tag == b'f');
    message.put_u32((text.len() + terminator + 4) as u32);
    message.put_slice(text);
    message.put_bytes(0, terminator);
    message.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tokio::io::AsyncWriteExt;
    use tokio::net::UnixStream;

    #[test]
    fn messages_have_their_length_and_their_zero_byte() {
        assert_eq!(message(b'Q', b"select 1").as_ref(), b"Q\0\0\0\x0dselect 1\0");
        assert_eq!(message(b'Q', b"").as_ref(), b"Q\0\0\0\x05\0");
        assert_eq!(message(b'X', b"").as_ref(), b"X\0\0\0\x04");
        assert_eq!(affected(b"COPY 42\0"), 42);
        assert_eq!(affected(b"INSERT 0 7\0"), 7);
        assert_eq!(affected(b"BEGIN\0"), 0);
    }

    /// Lets a driver with one question of each kind read `noise`, and then the end.
    async fn endure(noise: &[u8], kind: u8) {
        let (ours, mut theirs) = UnixStream::pair().expect("sockets");
        let (requests, receiver) = mpsc::unbounded();
        let driver =
            Driver::new(Wire::Unix(ours), BytesMut::new(), receiver, Arc::new(Shared::default()));
        let query = message(b'Q', b"select 1");
        let (started, _starting) = oneshot::channel();
        let (done, outcome) = oneshot::channel();
        let request = match kind % 3 {
            0 => {
                let (reply, _answer) = oneshot::channel();
                let _ = done.send(Ok(0));
                Request::Query { message: query, keep_rows: true, reply }
            }
            1 => {
                let (chunks, taken) = mpsc::channel(1);
                tokio::spawn(taken.for_each(|_| std::future::ready(())));
                Request::CopyOut { message: query, started, chunks, done }
            }
            _ => {
                let (_, data) = mpsc::channel(1);
                Request::CopyIn { message: query, started, data, done }
            }
        };
        requests.unbounded_send(request).expect("the driver listens");
        theirs.write_all(noise).await.expect("fits into the socket's buffer");
        theirs.shutdown().await.expect("shutdown");
        driver.run().await;
        outcome.await.expect("every question has an outcome").ok();
    }

    proptest! {
        #[test]
        fn noise_never_panics(
            messages in proptest::collection::vec(
                (prop::sample::select(b"TDCZEGHIcdNSAK?".to_vec()), proptest::collection::vec(any::<u8>(), 0..20), -1i32..3),
                0..8,
            ),
            kind in any::<u8>(),
        ) {
            let mut noise = Vec::new();
            for (tag, body, lie) in messages {
                noise.push(tag);
                noise.extend_from_slice(&(body.len() as i32 + 4 + if lie > 0 { lie } else { 0 }).to_be_bytes());
                noise.extend_from_slice(&body);
            }
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
            runtime.block_on(endure(&noise, kind));
        }
    }
}
