//! The pieces that are still to be read and who may read them.
//!
//! Workers take from the front. What a worker cannot read because somebody waits for the table's lock
//! goes to the keeper, which needs no lock, and whose loss ends the dump anyhow. When no worker is left the keeper reads everything.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::split::Piece;

/// The work of one dump.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    open: VecDeque<Piece>,
    for_keeper: VecDeque<Piece>,
    unfinished: usize,
    workers: usize,
}

impl Queue {
    /// Makes the queue of so many workers; the order of the pieces is kept.
    pub(super) fn new(pieces: Vec<Piece>, workers: usize) -> Self {
        let unfinished = pieces.len();
        let state = State { open: pieces.into(), for_keeper: VecDeque::new(), unfinished, workers };
        Queue { state: Mutex::new(state), changed: Notify::new() }
    }

    /// Gives a worker the next piece, or nothing when all have been begun.
    pub(super) fn take(&self) -> Option<Piece> {
        self.lock().open.pop_front()
    }

    /// Tells whether there is something to take.
    pub(super) fn has_open(&self) -> bool {
        !self.lock().open.is_empty()
    }

    /// Gives a piece back that was taken, to be taken again first.
    pub(super) fn put_back(&self, piece: Piece) {
        self.lock().open.push_front(piece);
    }

    /// Leaves a piece that was taken to the keeper.
    pub(super) fn leave_to_keeper(&self, piece: Piece) {
        self.lock().for_keeper.push_back(piece);
        self.changed.notify_one();
    }

    /// Notes that a piece that was taken is done.
    pub(super) fn done(&self) {
        self.lock().unfinished -= 1;
        self.changed.notify_one();
    }

    /// Notes that a worker takes nothing any more.
    pub(super) fn worker_left(&self) {
        self.lock().workers -= 1;
        self.changed.notify_one();
    }

    /// Waits until there is a piece for the keeper and returns it, or nothing when all are done.
    ///
    /// May be dropped and called again at any time; only one may wait.
    pub(super) async fn take_as_keeper(&self) -> Option<Piece> {
        loop {
            {
                let mut state = self.lock();
                if let Some(piece) = state.for_keeper.pop_front() {
                    return Some(piece);
                }
                if state.workers == 0
                    && let Some(piece) = state.open.pop_front()
                {
                    return Some(piece);
                }
                if state.unfinished == 0 {
                    return None;
                }
            }
            self.changed.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::super::split::{PieceRange, Source};
    use super::*;
    use futures::FutureExt;

    fn piece(table: usize) -> Piece {
        Piece { source: Source::Table(table), index: 0, range: PieceRange::Whole, cost: 0 }
    }

    #[test]
    fn the_keeper_gets_what_is_left_to_it_and_everything_when_nobody_else_works() {
        let queue = Queue::new(vec![piece(0), piece(1)], 1);
        let keeper = || queue.take_as_keeper().now_or_never();
        assert_eq!(keeper(), None);
        let first = queue.take().expect("a piece");
        queue.leave_to_keeper(first);
        assert_eq!(keeper(), Some(Some(piece(0))));
        assert_eq!(keeper(), None);
        let second = queue.take().expect("a piece");
        queue.put_back(second);
        queue.worker_left();
        assert_eq!(keeper(), Some(Some(piece(1))));
        queue.done();
        assert_eq!(keeper(), None);
        queue.done();
        assert_eq!(keeper(), Some(None));
    }
}
