//! The threads on which requests run.

use std::future::Future;
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, sync_channel};

use tokio::runtime::{Builder, Runtime};

use crate::error::{Error, ErrorKind, Result};

/// Requests wait for the network; two threads carry any number of them.
const THREADS: usize = 2;

/// An answer that is on its way.
#[derive(Debug)]
pub(super) struct Pending<T>(Receiver<T>);

impl<T> Pending<T> {
    /// Waits for it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Internal`] when the request ended without one.
    pub(super) fn wait(self) -> Result<T> {
        self.0
            .recv()
            .map_err(|_| Error::new(ErrorKind::Internal, "a request to object storage was lost"))
    }
}

/// Begins a request.
///
/// Its threads are not those of the caller, so the caller may wait for it even where the caller's own
/// runtime has no thread to spare.
///
/// # Errors
///
/// [`ErrorKind::Internal`] when the system has no more threads.
pub(super) fn begin<T: Send + 'static>(
    request: impl Future<Output = T> + Send + 'static,
) -> Result<Pending<T>> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    let runtime = match RUNTIME.get() {
        Some(runtime) => runtime,
        None => {
            let made = Builder::new_multi_thread()
                .worker_threads(THREADS)
                .thread_name("pgark-objects")
                .enable_all()
                .build()
                .map_err(|error| {
                    Error::new(ErrorKind::Internal, "could not begin the threads of requests")
                        .with_source(error)
                })?;
            RUNTIME.get_or_init(|| made)
        }
    };
    let (answer, pending) = sync_channel(1);
    runtime.spawn(async move {
        // Whoever asked may have given up.
        let _ = answer.send(request.await);
    });
    Ok(Pending(pending))
}

/// Makes a request and waits for its answer.
///
/// # Errors
///
/// As [`begin`] and [`Pending::wait`].
pub(super) fn ask<T: Send + 'static>(
    request: impl Future<Output = T> + Send + 'static,
) -> Result<T> {
    begin(request)?.wait()
}
