//! SIGINT and SIGTERM: the first one asks the work to stop and clean up, the second one ends at once.

use std::sync::atomic::{AtomicU8, Ordering};

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::error::{Context, Error, ErrorKind, Result};
use crate::progress::Interrupt;

/// The number of the signal that arrived, 0 before.
static ARRIVED: AtomicU8 = AtomicU8::new(0);

const SIGINT: u8 = 2;
const SIGTERM: u8 = 15;

/// Begins to listen; must be called inside the runtime.
pub(super) fn listen(interrupt: &Interrupt) -> Result<()> {
    let subscribe = |kind| -> Result<Signal> {
        signal(kind).context(ErrorKind::Internal, || "could not listen for signals".to_owned())
    };
    let mut interactive = subscribe(SignalKind::interrupt())?;
    let mut terminate = subscribe(SignalKind::terminate())?;
    let interrupt = interrupt.clone();
    tokio::spawn(async move {
        loop {
            let number = tokio::select! {
                _ = interactive.recv() => SIGINT,
                _ = terminate.recv() => SIGTERM,
            };
            if ARRIVED.swap(number, Ordering::SeqCst) != 0 {
                std::process::exit(i32::from(128 + number));
            }
            interrupt.trigger();
        }
    });
    Ok(())
}

/// Does what can be dropped at any moment, until it is done or somebody asks to stop.
pub(super) async fn unless<T>(
    interrupt: &Interrupt,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    tokio::select! {
        biased;
        outcome = work => outcome,
        () = interrupt.wait() => Err(Error::new(ErrorKind::Interrupted, "interrupted")),
    }
}

/// Returns the exit code of an interrupted run.
pub(super) fn exit_code() -> u8 {
    match ARRIVED.load(Ordering::SeqCst) {
        0 => ErrorKind::Interrupted.exit_code(),
        number => 128 + number,
    }
}
