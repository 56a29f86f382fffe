//! What is known about the work so far, and what follows from it: fraction, speed, time left; pure.
//!
//! The size that is expected of an item is that of its relation on disk (or of its file), while what
//! passes by is COPY text. The ratio of the two is learned from the items that are complete, so that the
//! fraction runs evenly and does not stop at 140 %.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// An item in flight.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) name: String,
    /// What was expected, 0 when unknown.
    pub(super) expected: u64,
    pub(super) bytes: u64,
    pub(super) rows: u64,
    pub(super) started: Instant,
    /// How many connections work on pieces of it at this moment.
    pub(super) pieces: u32,
}

impl Item {
    /// Returns what the item adds to the total: what has passed, when nothing was expected.
    fn expected(&self) -> u64 {
        if self.expected == 0 { self.bytes } else { self.expected }
    }
}

/// Counts what is reported.
#[derive(Debug)]
pub(super) struct Tracker {
    phase: String,
    phase_started: Instant,
    total_items: u64,
    total_bytes: u64,
    items_done: u64,
    expected_done: u64,
    bytes_done: u64,
    rows_done: u64,
    in_flight: BTreeMap<String, Item>,
    /// The last few moments with their bytes, for the speed of now instead of the average.
    recent: Vec<(Instant, u64)>,
}

/// The state of the work at one moment.
#[derive(Debug, Clone)]
pub(super) struct Snapshot {
    pub(super) phase: String,
    pub(super) elapsed: Duration,
    pub(super) items_done: u64,
    pub(super) total_items: u64,
    pub(super) bytes: u64,
    pub(super) rows: u64,
    pub(super) bytes_per_second: u64,
    /// From 0 to 1; `None` when no total is known.
    pub(super) fraction: Option<f64>,
    pub(super) left: Option<Duration>,
    /// The items in flight, the one that began first first.
    pub(super) in_flight: Vec<Item>,
}

/// How far back the speed looks.
const SPEED_WINDOW: Duration = Duration::from_secs(5);

/// A time left that is guessed from less work than this is noise.
const LEAST_FRACTION_FOR_ESTIMATE: f64 = 0.02;

/// All bytes have passed and something is still to do.
const MOST_WHILE_OPEN: f64 = 0.99;

impl Tracker {
    pub(super) fn new(now: Instant) -> Self {
        Tracker {
            phase: String::new(),
            phase_started: now,
            total_items: 0,
            total_bytes: 0,
            items_done: 0,
            expected_done: 0,
            bytes_done: 0,
            rows_done: 0,
            in_flight: BTreeMap::new(),
            recent: Vec::new(),
        }
    }

    pub(super) fn phase(&mut self, name: &str, total_items: u64, total_bytes: u64, now: Instant) {
        *self = Tracker { phase: name.to_owned(), total_items, total_bytes, ..Tracker::new(now) };
    }

    pub(super) fn started(&mut self, name: &str, expected: u64, now: Instant) {
        let item = self.in_flight.entry(name.to_owned()).or_insert_with(|| Item {
            name: name.to_owned(),
            expected: 0,
            bytes: 0,
            rows: 0,
            started: now,
            pieces: 0,
        });
        // Several pieces of one table may run under its name.
        item.expected += expected;
        item.pieces += 1;
    }

    pub(super) fn advanced(&mut self, name: &str, bytes: u64, rows: u64) {
        match self.in_flight.get_mut(name) {
            Some(item) => {
                item.bytes += bytes;
                item.rows += rows;
            }
            // Late words about an item that is complete still count.
            None => {
                self.bytes_done += bytes;
                self.rows_done += rows;
            }
        }
    }

    pub(super) fn restarted(&mut self, name: &str) {
        if let Some(item) = self.in_flight.get_mut(name)
            && item.pieces <= 1
        {
            item.bytes = 0;
            item.rows = 0;
        }
    }

    /// Counts a piece of an item as complete, and returns the item when that was the last in flight.
    pub(super) fn finished(&mut self, name: &str) -> Option<Item> {
        // What takes no time is reported only when it is done.
        self.items_done += 1;
        let item = self.in_flight.get_mut(name)?;
        item.pieces = item.pieces.saturating_sub(1);
        if item.pieces > 0 {
            return None;
        }
        let item = self.in_flight.remove(name)?;
        self.bytes_done += item.bytes;
        self.rows_done += item.rows;
        self.expected_done += item.expected();
        Some(item)
    }

    pub(super) fn snapshot(&mut self, now: Instant) -> Snapshot {
        let bytes = self.bytes_done + self.in_flight.values().map(|item| item.bytes).sum::<u64>();
        let rows = self.rows_done + self.in_flight.values().map(|item| item.rows).sum::<u64>();
        let elapsed = now.saturating_duration_since(self.phase_started);
        let fraction = self.fraction();
        let estimable = LEAST_FRACTION_FOR_ESTIMATE..MOST_WHILE_OPEN;
        let left = fraction.filter(|done| estimable.contains(done)).map(|done| {
            Duration::from_secs_f64((elapsed.as_secs_f64() * (1.0 - done) / done).max(0.0))
        });
        let mut in_flight: Vec<Item> = self.in_flight.values().cloned().collect();
        in_flight.sort_by_key(|item| item.started);
        Snapshot {
            phase: self.phase.clone(),
            elapsed,
            items_done: self.items_done,
            total_items: self.total_items,
            bytes,
            rows,
            bytes_per_second: self.speed(bytes, now),
            fraction,
            left,
            in_flight,
        }
    }

    fn fraction(&self) -> Option<f64> {
        if self.total_bytes == 0 {
            return (self.total_items > 0)
                .then(|| (self.items_done as f64 / self.total_items as f64).min(1.0));
        }
        let ratio = if self.expected_done > 0 && self.bytes_done > 0 {
            self.expected_done as f64 / self.bytes_done as f64
        } else {
            1.0
        };
        let part = |item: &Item| (item.bytes as f64 * ratio).min(item.expected() as f64);
        let done = self.expected_done as f64 + self.in_flight.values().map(part).sum::<f64>();
        // Behind the rows of a restore come indexes and constraints, which have no bytes.
        let most = if self.items_done < self.total_items { MOST_WHILE_OPEN } else { 1.0 };
        Some((done / self.total_bytes as f64).min(most))
    }

    fn speed(&mut self, bytes: u64, now: Instant) -> u64 {
        self.recent.retain(|(then, _)| now.saturating_duration_since(*then) <= SPEED_WINDOW);
        self.recent.push((now, bytes));
        let (then, before) = match self.recent.first() {
            Some(&(then, before)) if now > then => (then, before),
            _ => (self.phase_started, 0),
        };
        let seconds = now.saturating_duration_since(then).as_secs_f64();
        if seconds <= 0.0 { 0 } else { (bytes.saturating_sub(before) as f64 / seconds) as u64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fraction_learns_how_text_relates_to_disk() {
        let start = Instant::now();
        let mut tracker = Tracker::new(start);
        tracker.phase("dumping", 2, 200, start);
        tracker.started("a", 100, start);
        tracker.advanced("a", 50, 5);
        assert!(tracker.finished("a").is_some());
        tracker.started("b", 100, start);
        tracker.advanced("b", 25, 2);
        let snapshot = tracker.snapshot(start + Duration::from_secs(3));
        assert_eq!(snapshot.fraction, Some(0.75));
        assert_eq!(snapshot.left, Some(Duration::from_secs(1)));
        assert_eq!((snapshot.bytes, snapshot.rows, snapshot.bytes_per_second), (75, 7, 25));
    }

    #[test]
    fn more_text_than_expected_stays_below_the_whole() {
        let start = Instant::now();
        let mut tracker = Tracker::new(start);
        tracker.phase("dumping", 1, 100, start);
        tracker.started("a", 100, start);
        tracker.advanced("a", 500, 5);
        assert_eq!(tracker.snapshot(start).fraction, Some(MOST_WHILE_OPEN));
        assert!(tracker.finished("a").is_some());
        assert_eq!(tracker.snapshot(start).fraction, Some(1.0));
    }

    #[test]
    fn items_of_unknown_size_count_with_what_has_passed() {
        let start = Instant::now();
        let mut tracker = Tracker::new(start);
        tracker.phase("restore", 3, 100, start);
        tracker.started("a", 0, start);
        tracker.advanced("a", 50, 0);
        assert!(tracker.finished("INDEX i").is_none());
        assert_eq!(tracker.snapshot(start).fraction, Some(0.5));
    }

    #[test]
    fn pieces_of_a_table_are_one_line() {
        let start = Instant::now();
        let mut tracker = Tracker::new(start);
        tracker.phase("dumping", 2, 0, start);
        tracker.started("a", 10, start);
        tracker.started("a", 10, start);
        assert!(tracker.finished("a").is_none());
        let snapshot = tracker.snapshot(start);
        assert_eq!((snapshot.in_flight.len(), snapshot.fraction), (1, Some(0.5)));
        assert!(tracker.finished("a").is_some());
    }
}
