//! Progress on the terminal, as lines or as JSON: the command line's side of [`Progress`].
//!
//! ```text
//! workers -> View (Progress) -> Tracker: what is known     -> Lines   plain text, now and then
//!                                                          -> Bars    redrawn in place
//!                                                          -> Objects one JSON object per line
//! ```
//!
//! Workers only count; a thread of its own draws at the pace of the form, so that a slow terminal never
//! slows a dump.

mod bars;
mod lines;
mod objects;
mod text;
mod tracker;

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::arguments::{OutputArguments, ProgressChoice};
use super::world::World;
use crate::progress::{Progress, ProgressHandle};
pub(super) use text::{bytes, count, fitted, visible};
use tracker::{Item, Snapshot, Tracker};

/// One way to show progress. All methods are called one at a time.
trait Form: Send {
    /// How often [`Form::tick`] is called.
    fn pace(&self) -> Duration;
    /// A phase begins.
    fn phase(&mut self, name: &str);
    /// An item is complete.
    fn finished(&mut self, item: &Item, took: Duration);
    /// An item begins again.
    fn restarted(&mut self, item: &str);
    /// Something that a person should read.
    fn warning(&mut self, message: &str);
    /// Something that explains the course of the work.
    fn info(&mut self, message: &str);
    /// Shows where the work is.
    fn tick(&mut self, snapshot: &Snapshot);
    /// Leaves the terminal as it was found.
    fn close(&mut self);
}

struct State {
    tracker: Tracker,
    form: Box<dyn Form>,
    verbose: bool,
    paused: bool,
}

/// Keeps the display from drawing until it is dropped.
pub(super) struct Pause {
    state: Arc<Mutex<State>>,
}

impl Drop for Pause {
    fn drop(&mut self) {
        lock(&self.state).paused = false;
    }
}

/// The [`Progress`] that the library gets.
struct View {
    state: Arc<Mutex<State>>,
}

/// Shows progress until it is dropped.
pub(super) struct Display {
    handle: ProgressHandle,
    state: Arc<Mutex<State>>,
    stop: Option<Sender<()>>,
    painter: Option<JoinHandle<()>>,
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // A panic elsewhere must not also take the last words away.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Display {
    /// Begins to show progress in the form that was asked for.
    pub(super) fn start(world: &World, output: &OutputArguments) -> Display {
        let dumb = world.environment.variable("TERM") == Some("dumb");
        let choice = match output.progress {
            ProgressChoice::Auto if world.stderr_is_terminal && !dumb => ProgressChoice::Bar,
            ProgressChoice::Auto => ProgressChoice::Plain,
            choice => choice,
        };
        let form: Box<dyn Form> = match choice {
            ProgressChoice::Bar => Box::new(bars::Bars::new(world.color)),
            ProgressChoice::Json => Box::new(objects::Objects),
            ProgressChoice::Plain | ProgressChoice::Auto => Box::new(lines::Lines::new(true)),
            ProgressChoice::None => Box::new(lines::Lines::new(false)),
        };
        let pace = form.pace();
        let tracker = Tracker::new(Instant::now());
        let state =
            Arc::new(Mutex::new(State { tracker, form, verbose: output.verbose, paused: false }));
        let (stop, stopped) = channel();
        let painted = Arc::clone(&state);
        let painter = std::thread::Builder::new()
            .name("progress".to_owned())
            .spawn(move || paint(&painted, pace, &stopped))
            .ok();
        let handle: ProgressHandle = Arc::new(View { state: Arc::clone(&state) });
        Display { handle, state, stop: Some(stop), painter }
    }

    /// Returns what the library reports to.
    pub(super) fn handle(&self) -> ProgressHandle {
        Arc::clone(&self.handle)
    }

    /// Clears the screen of bars and draws none until what is returned is dropped.
    pub(super) fn pause(&self) -> Pause {
        let mut state = lock(&self.state);
        state.form.close();
        state.paused = true;
        Pause { state: Arc::clone(&self.state) }
    }

    /// Takes the bars away, so that something else can be printed.
    pub(super) fn close(&mut self) {
        drop(self.stop.take());
        if let Some(painter) = self.painter.take() {
            // A painter that panicked has nothing left to close.
            let _ = painter.join();
        }
        lock(&self.state).form.close();
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        self.close();
    }
}

fn paint(state: &Mutex<State>, pace: Duration, stopped: &Receiver<()>) {
    while stopped.recv_timeout(pace) == Err(RecvTimeoutError::Timeout) {
        let mut state = lock(state);
        let snapshot = state.tracker.snapshot(Instant::now());
        if !state.paused {
            state.form.tick(&snapshot);
        }
    }
}

impl Progress for View {
    fn phase(&self, name: &str, total_items: u64, total_bytes: u64) {
        let mut state = lock(&self.state);
        state.tracker.phase(name, total_items, total_bytes, Instant::now());
        state.form.phase(name);
    }

    fn started(&self, item: &str, bytes: u64) {
        lock(&self.state).tracker.started(item, bytes, Instant::now());
    }

    fn advanced(&self, item: &str, bytes: u64, rows: u64) {
        lock(&self.state).tracker.advanced(item, bytes, rows);
    }

    fn restarted(&self, item: &str) {
        let mut state = lock(&self.state);
        state.tracker.restarted(item);
        state.form.restarted(item);
    }

    fn finished(&self, item: &str) {
        let mut state = lock(&self.state);
        if let Some(item) = state.tracker.finished(item) {
            let took = item.started.elapsed();
            state.form.finished(&item, took);
        }
    }

    fn warning(&self, message: &str) {
        lock(&self.state).form.warning(message);
    }

    fn info(&self, message: &str) {
        let mut state = lock(&self.state);
        if state.verbose {
            state.form.info(message);
        }
    }
}
