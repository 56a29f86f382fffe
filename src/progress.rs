//! How the library reports what it is doing; it never draws.
//!
//! The command line implements [`Progress`] with bars, log lines or JSON; tests collect the events;
//! [`Silent`] drops them.

use std::sync::Arc;

/// A handle to whoever watches, cheap to clone and to share between workers.
pub type ProgressHandle = Arc<dyn Progress>;

/// What of an entry failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailedPart {
    /// Its definition or what belongs to it.
    Definition,
    /// Dropping what is to be replaced.
    Drop,
    /// The command that loads its rows.
    Load,
    /// The rows themselves.
    Rows,
}

/// A statement of an archive that failed.
#[derive(Debug, Clone, Copy)]
pub struct Failure<'a> {
    /// The entry in words: kind, schema and name.
    pub entry: &'a str,
    /// The name of its object alone.
    pub tag: &'a str,
    /// The entry as the list of an archive names it; empty before the first entry.
    pub listed: &'a str,
    /// What of it failed.
    pub part: FailedPart,
    /// The statement; the COPY for rows.
    pub statement: &'a str,
    /// What the server said, or what else went wrong.
    pub message: &'a str,
    /// The error, for whoever wants to know more.
    pub error: &'a crate::Error,
}

/// Receives what happens during a dump, a restore or a verification.
///
/// All methods are called from several threads and must return quickly. The default methods do nothing.
pub trait Progress: Send + Sync {
    /// A phase began, such as `reading catalog`; totals are 0 when they are not known.
    fn phase(&self, name: &str, total_items: u64, total_bytes: u64) {
        let _ = (name, total_items, total_bytes);
    }
    /// Work on an item began, for example table data of `public.orders`; `bytes` is the expected size or 0.
    fn started(&self, item: &str, bytes: u64) {
        let _ = (item, bytes);
    }
    /// `bytes` and `rows` more of an item have passed.
    fn advanced(&self, item: &str, bytes: u64, rows: u64) {
        let _ = (item, bytes, rows);
    }
    /// An item was begun again from nothing, for example because its connection was lost.
    fn restarted(&self, item: &str) {
        let _ = item;
    }
    /// An item is complete.
    fn finished(&self, item: &str) {
        let _ = item;
    }
    /// Something that a person should read although the work goes on.
    fn warning(&self, message: &str) {
        let _ = message;
    }
    /// A statement failed and the work goes on without it.
    fn failed(&self, failure: &Failure<'_>) {
        self.warning(&format!("{}: {}", failure.entry, failure.message));
    }
    /// Something that explains the course of the work, shown on request.
    fn info(&self, message: &str) {
        let _ = message;
    }
}

/// Writes a duration into a report as seconds, to the millisecond.
pub(crate) fn serialize_seconds<S: serde::Serializer>(
    duration: &std::time::Duration,
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    serializer.serialize_f64((duration.as_secs_f64() * 1000.0).round() / 1000.0)
}

/// A [`Progress`] that nobody watches.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {}

/// Returns a handle that drops every event.
pub fn silent() -> ProgressHandle {
    Arc::new(Silent)
}

/// A request to stop, set once and seen by everybody who works.
///
/// The command line sets it on SIGINT and SIGTERM. Work that sees it cancels its queries, removes what
/// it has half written and returns an error of kind [`crate::ErrorKind::Interrupted`].
#[derive(Debug, Clone)]
pub struct Interrupt {
    sender: Arc<tokio::sync::watch::Sender<bool>>,
}

impl Default for Interrupt {
    fn default() -> Self {
        Interrupt { sender: Arc::new(tokio::sync::watch::Sender::new(false)) }
    }
}

impl Interrupt {
    /// Asks everybody to stop.
    pub fn trigger(&self) {
        self.sender.send_replace(true);
    }

    /// Tells whether somebody asked to stop.
    pub fn is_set(&self) -> bool {
        *self.sender.borrow()
    }

    /// Waits until somebody asks to stop.
    pub async fn wait(&self) {
        let mut receiver = self.sender.subscribe();
        // The sender lives in `self`, so waiting cannot fail.
        let _ = receiver.wait_for(|&stop| stop).await;
    }

    /// Returns an error when somebody asked to stop.
    pub fn check(&self) -> crate::Result<()> {
        if self.is_set() {
            return Err(crate::Error::new(crate::ErrorKind::Interrupted, "interrupted"));
        }
        Ok(())
    }
}
