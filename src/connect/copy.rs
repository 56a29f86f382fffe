//! The two directions of COPY: [`CopyOut`] takes what a table holds, [`CopyIn`] fills one.
//!
//! Both move chunks of COPY text without regard to rows. They are the only place that knows how the
//! bytes get to and from the driver; readers and writers of table data see nothing but `next` and `send`.

use bytes::Bytes;
use futures::channel::mpsc;
use futures::{SinkExt, StreamExt};
use tokio::sync::oneshot;

use super::driver::{CopyItem, Failure, Outcome, Request};
use super::session::{Session, query_message};
use crate::error::Result;
use crate::sql::text;

/// The server holds a CopyData message whole in its memory, and 1 MiB is enough to be fast.
const LARGEST_PIECE: usize = 1024 * 1024;

/// A `COPY ... TO STDOUT` under way.
///
/// Dropping it before [`next`](Self::next) has returned `None` or an error closes the session: the
/// server would otherwise have to be listened to up to the end of the table.
#[derive(Debug)]
pub struct CopyOut<'s> {
    session: &'s Session,
    purpose: String,
    chunks: mpsc::Receiver<Bytes>,
    outcome: Option<oneshot::Receiver<Outcome<u64>>>,
    rows: Option<u64>,
}

impl<'s> CopyOut<'s> {
    pub(super) fn new(
        session: &'s Session,
        purpose: &str,
        chunks: mpsc::Receiver<Bytes>,
        outcome: oneshot::Receiver<Outcome<u64>>,
    ) -> Self {
        CopyOut { session, purpose: purpose.to_owned(), chunks, outcome: Some(outcome), rows: None }
    }

    /// Returns the next chunk, or `None` after the last.
    ///
    /// A chunk ends anywhere, also inside a row. `None` is returned only when the server has said that
    /// the COPY is complete.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        if let Some(chunk) = self.chunks.next().await {
            return Ok(Some(chunk));
        }
        let Some(outcome) = self.outcome.take() else { return Ok(None) };
        match self.session.outcome(outcome).await {
            Ok(rows) => {
                self.rows = Some(rows);
                Ok(None)
            }
            Err(mut failure) => {
                if let Failure::Server(error) = &mut failure {
                    error.in_copy = true;
                }
                Err(self.session.error(&self.purpose, failure))
            }
        }
    }

    /// Returns the number of rows the server says it sent, once the end is reached.
    pub fn rows(&self) -> Option<u64> {
        self.rows
    }
}

/// A `COPY ... FROM STDIN` under way; dropping it aborts the COPY.
#[derive(Debug)]
pub struct CopyIn<'s> {
    session: &'s Session,
    purpose: String,
    data: mpsc::Sender<CopyItem>,
    outcome: Option<oneshot::Receiver<Outcome<u64>>>,
}

impl<'s> CopyIn<'s> {
    pub(super) fn new(
        session: &'s Session,
        purpose: &str,
        data: mpsc::Sender<CopyItem>,
        outcome: oneshot::Receiver<Outcome<u64>>,
    ) -> Self {
        CopyIn { session, purpose: purpose.to_owned(), data, outcome: Some(outcome) }
    }

    /// Sends a chunk of COPY text, which may end anywhere.
    ///
    /// Waits while the server is slower than the sender. If the server has refused the data meanwhile,
    /// its error is returned, and there is no use in sending more.
    pub async fn send(&mut self, mut chunk: Bytes) -> Result<()> {
        while !chunk.is_empty() {
            let piece = chunk.split_to(chunk.len().min(LARGEST_PIECE));
            if self.data.send(CopyItem::Data(piece)).await.is_err() {
                return self.end().await.map(|_| ());
            }
        }
        Ok(())
    }

    /// Ends the COPY and returns the number of rows the server has stored.
    pub async fn finish(mut self) -> Result<u64> {
        // If the driver does not listen any more the outcome says why.
        let _ = self.data.send(CopyItem::Done).await;
        self.end().await
    }

    /// Tells the server to forget what was sent.
    ///
    /// The server's complaint about it is what was asked for, so only a broken conversation is an error.
    /// Inside a transaction the transaction has failed afterwards.
    pub async fn abort(mut self, why: &str) -> Result<()> {
        let _ = self.data.send(CopyItem::Fail(why.replace('\0', ""))).await;
        match self.end().await {
            Err(error) if super::is_connection_lost(&error) => Err(error),
            _ => Ok(()),
        }
    }

    async fn end(&mut self) -> Result<u64> {
        let outcome = match self.outcome.take() {
            Some(outcome) => self.session.outcome(outcome).await,
            None => Err(Failure::Unexpected("the COPY has failed before")),
        };
        match outcome {
            Ok(rows) => Ok(rows),
            Err(failure) => Err(self.session.error(&self.purpose, failure)),
        }
    }
}

/// A whole `COPY ... FROM STDIN` that was sent and whose answer nobody has waited for yet.
#[derive(Debug)]
pub struct SentCopy {
    purpose: String,
    outcome: oneshot::Receiver<Outcome<u64>>,
}

impl Session {
    /// Sends a `COPY ... FROM STDIN` with all of its data and does not wait for the answer.
    ///
    /// For little data, which lie in memory until they are written. In a transaction that has failed
    /// the server skips both statement and data.
    pub fn submit_copy_in(&self, purpose: &str, sql: &str, data: Bytes) -> Result<SentCopy> {
        let message = query_message(purpose, &text::encode(sql))?;
        let pieces: Vec<Bytes> =
            data.chunks(LARGEST_PIECE).map(|piece| data.slice_ref(piece)).collect();
        let (mut sender, receiver) = mpsc::channel(pieces.len() + 1);
        for item in pieces.into_iter().map(CopyItem::Data).chain([CopyItem::Done]) {
            // There is room for all of them.
            let _ = sender.try_send(item);
        }
        // Nobody waits for the beginning: the outcome tells when there was none.
        let (started, _) = oneshot::channel();
        let (done, outcome) = oneshot::channel();
        self.send(Request::CopyIn { message, started, data: receiver, done });
        Ok(SentCopy { purpose: purpose.to_owned(), outcome })
    }

    /// Waits until a COPY that was sent is done, and returns the number of rows the server has stored.
    pub async fn settle_copy(&self, sent: SentCopy) -> Result<u64> {
        let outcome = self.outcome(sent.outcome).await;
        outcome.map_err(|failure| self.error(&sent.purpose, failure))
    }
}
