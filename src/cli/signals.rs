//! SIGINT and SIGTERM: the first one asks the work to stop and clean up, the second one ends at once.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};

use rustix::process::{Pid, Signal as SignalNumber, kill_process};

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::error::{Context, Error, ErrorKind, Result};
use crate::progress::Interrupt;

/// The number of the signal that arrived, 0 before.
static ARRIVED: AtomicU8 = AtomicU8::new(0);

/// Servers of ours that must not outlive us.
static SERVERS: Mutex<Vec<u32>> = Mutex::new(Vec::new());

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
                end_servers();
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

/// Remembers a server that is ended at once when a second signal ends us at once.
pub(super) fn end_with_us(process: u32) {
    SERVERS.lock().unwrap_or_else(PoisonError::into_inner).push(process);
}

/// Forgets a server that has ended.
pub(super) fn ended(process: u32) {
    SERVERS.lock().unwrap_or_else(PoisonError::into_inner).retain(|&other| other != process);
}

fn end_servers() {
    for &process in SERVERS.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        if let Some(process) = Pid::from_raw(process.cast_signed()) {
            // SIGQUIT is PostgreSQL's immediate shutdown; one that is gone needs none.
            let _ = kill_process(process, SignalNumber::QUIT);
        }
    }
}
