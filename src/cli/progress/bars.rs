//! Progress on a terminal: one bar for the whole and a line for each table in flight.

use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Form;
use super::text::{bytes, clock, fitted, short_count, visible};
use super::tracker::{Item, Snapshot};

/// More tables than this at once are a number behind the last line: the display must not push
/// everything else off a small terminal.
const MOST_LINES: usize = 6;

/// Most columns for a name; with the numbers beside it a line stays below 80.
const NAME_WIDTH: usize = 36;

/// Fewest columns for a name: less says nothing.
const LEAST_NAME_WIDTH: usize = 12;

/// Columns for the numbers of an item and the number of those that are not shown.
const NUMBERS_WIDTH: usize = 41;

pub(super) struct Bars {
    bars: MultiProgress,
    overall: ProgressBar,
    items: Vec<ProgressBar>,
    color: bool,
}

impl Bars {
    pub(super) fn new(color: bool) -> Self {
        let bars = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(30));
        let overall = bars.add(ProgressBar::new(1000));
        overall.set_style(unknown_style());
        Bars { bars, overall, items: Vec::new(), color }
    }

    fn print(&self, label: &str, color: &str, message: &str) {
        let label =
            if self.color { format!("\x1b[{color}m{label}\x1b[0m") } else { label.to_owned() };
        // A terminal that is gone cannot be told.
        let _ = self.bars.println(format!("{label} {}", visible(message)));
    }
}

/// Without a total there is nothing to fill a bar with.
fn unknown_style() -> ProgressStyle {
    ProgressStyle::with_template("{spinner} {wide_msg}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner())
}

fn known_style() -> ProgressStyle {
    ProgressStyle::with_template("{prefix} [{bar:12}] {wide_msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}

fn item_style() -> ProgressStyle {
    ProgressStyle::with_template("{wide_msg}").unwrap_or_else(|_| ProgressStyle::default_spinner())
}

impl Form for Bars {
    fn pace(&self) -> Duration {
        Duration::from_millis(100)
    }

    fn phase(&mut self, name: &str) {
        for item in self.items.drain(..) {
            item.finish_and_clear();
        }
        self.overall.set_style(unknown_style());
        self.overall.set_message(name.to_owned());
    }

    fn finished(&mut self, _item: &Item, _took: Duration) {}

    // Whoever begins an item again also says why, as a warning.
    fn restarted(&mut self, _item: &str) {}

    fn warning(&mut self, message: &str) {
        self.print("warning:", "33", message);
    }

    fn info(&mut self, message: &str) {
        self.print("info:", "36", message);
    }

    fn tick(&mut self, snapshot: &Snapshot) {
        if self.overall.is_finished() {
            // It was taken away for a question.
            self.overall.reset();
        }
        match snapshot.fraction {
            Some(fraction) => {
                self.overall.set_style(known_style());
                self.overall.set_position((fraction * 1000.0) as u64);
                self.overall.set_prefix(fitted(short(&snapshot.phase), 10));
                self.overall.set_message(summary(snapshot, fraction));
            }
            None => {
                self.overall.set_style(unknown_style());
                let spent = clock(snapshot.elapsed);
                self.overall.set_message(format!("{} {spent}", snapshot.phase));
            }
        }
        let shown = snapshot.in_flight.len().min(MOST_LINES);
        while self.items.len() > shown {
            if let Some(bar) = self.items.pop() {
                bar.finish_and_clear();
                self.bars.remove(&bar);
            }
        }
        while self.items.len() < shown {
            let bar = self.bars.add(ProgressBar::new_spinner());
            bar.set_style(item_style());
            self.items.push(bar);
        }
        let hidden = snapshot.in_flight.len() - shown;
        let name_width = name_width();
        for (index, (bar, item)) in self.items.iter().zip(&snapshot.in_flight).enumerate() {
            let last = hidden > 0 && index + 1 == shown;
            let more = if last { format!(" +{hidden}") } else { String::new() };
            bar.set_message(line(item, name_width) + &more);
            bar.tick();
        }
        self.overall.tick();
    }

    fn close(&mut self) {
        for item in self.items.drain(..) {
            item.finish_and_clear();
        }
        self.overall.finish_and_clear();
        // A failure to clear leaves garbage on the screen at worst.
        let _ = self.bars.clear();
    }
}

/// Returns the verb of a phase, such as `dumping` of `dumping table data`; the bar needs the room.
fn short(phase: &str) -> &str {
    phase.split(' ').next().unwrap_or(phase)
}

fn summary(snapshot: &Snapshot, fraction: f64) -> String {
    let left = match snapshot.left {
        Some(left) => format!(" {} left", clock(left)),
        None => String::new(),
    };
    if snapshot.bytes == 0 && snapshot.rows == 0 {
        let (done, all) = (snapshot.items_done, snapshot.total_items);
        return format!("{:3.0}% {done} of {all}{left}", (fraction * 100.0).floor());
    }
    format!(
        "{:3.0}% {:>10} {:>6} rows {:>9}/s{left}",
        (fraction * 100.0).floor(),
        bytes(snapshot.bytes),
        short_count(snapshot.rows),
        bytes(snapshot.bytes_per_second),
    )
}

/// Returns the columns for names on the terminal as wide as it is now.
fn name_width() -> usize {
    let columns = rustix::termios::tcgetwinsize(std::io::stderr())
        .map_or(80, |size| usize::from(size.ws_col));
    columns.saturating_sub(NUMBERS_WIDTH).clamp(LEAST_NAME_WIDTH, NAME_WIDTH)
}

fn line(item: &Item, name_width: usize) -> String {
    let rows = match item.rows {
        0 => String::new(),
        rows => format!("{} rows", short_count(rows)),
    };
    // The number of an entry is for messages; here it would take the room of the name.
    let name = item.name.split(" (toc entry ").next().unwrap_or(&item.name);
    format!(
        "  {} {:>10} {rows:>11} {:>8}",
        fitted(name, name_width),
        if item.bytes > 0 { bytes(item.bytes) } else { String::new() },
        clock(item.started.elapsed()),
    )
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use unicode_width::UnicodeWidthStr;

    use super::*;

    #[test]
    fn every_line_fits_in_80_columns() {
        let item = Item {
            name: "Odd Names.船舶🚢船舶🚢船舶🚢船舶🚢船舶🚢".to_owned(),
            expected: u64::MAX,
            bytes: 1023 << 30,
            rows: 999_949_999_999,
            started: Instant::now(),
            pieces: 1,
        };
        assert!(
            line(&item, NAME_WIDTH).width() + " +999".len() < 80,
            "{}",
            line(&item, NAME_WIDTH)
        );
        let snapshot = Snapshot {
            phase: "dumping".to_owned(),
            elapsed: Duration::from_secs(1),
            items_done: 1,
            total_items: 2,
            bytes: 1023 << 30,
            rows: 999_949_999,
            bytes_per_second: 1023 << 20,
            fraction: Some(1.0),
            left: Some(Duration::from_secs(3599)),
            in_flight: Vec::new(),
        };
        let text = summary(&snapshot, 1.0);
        assert!("dumping    [] ".width() + 12 + text.width() < 80, "{text}");
    }
}
