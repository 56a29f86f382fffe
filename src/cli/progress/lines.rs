//! Progress as log lines, for cron, CI and pipes: phases, a line now and then, warnings.

use std::io::Write;
use std::time::Duration;

use super::Form;
use super::text::{bytes, clock, count, visible};
use super::tracker::{Item, Snapshot};

/// Lines about single items are for those that somebody may have waited for.
const WORTH_A_LINE: Duration = Duration::from_secs(2);

pub(super) struct Lines {
    /// Whether anything but warnings is written.
    talkative: bool,
}

impl Lines {
    pub(super) fn new(talkative: bool) -> Self {
        Lines { talkative }
    }

    fn write(&self, line: &str) {
        if self.talkative {
            write_line(line);
        }
    }
}

/// Writes a line to standard error; when that is gone there is nobody left to tell.
pub(super) fn write_line(line: &str) {
    let _ = std::io::stderr().lock().write_all(format!("{line}\n").as_bytes());
}

impl Form for Lines {
    fn pace(&self) -> Duration {
        Duration::from_secs(10)
    }

    fn phase(&mut self, name: &str) {
        self.write(name);
    }

    fn finished(&mut self, item: &Item, took: Duration) {
        if took >= WORTH_A_LINE {
            let amount = match (item.rows, item.bytes) {
                (0, 0) => String::new(),
                (rows, size) => format!("{} rows, {}, ", count(rows), bytes(size)),
            };
            let seconds = took.as_secs_f64();
            self.write(&format!("{}: {amount}{seconds:.1} s", visible(&item.name)));
        }
    }

    // Whoever begins an item again also says why, as a warning.
    fn restarted(&mut self, _item: &str) {}

    fn warning(&mut self, message: &str) {
        write_line(&format!("warning: {}", visible(message)));
    }

    fn info(&mut self, message: &str) {
        self.write(&visible(message));
    }

    fn tick(&mut self, snapshot: &Snapshot) {
        let mut line = snapshot.phase.clone();
        if let Some(fraction) = snapshot.fraction {
            line += &format!(" {:.0}%", (fraction * 100.0).floor());
        }
        if snapshot.bytes > 0 {
            line += &format!(
                ", {}, {} rows, {}/s",
                bytes(snapshot.bytes),
                count(snapshot.rows),
                bytes(snapshot.bytes_per_second)
            );
        }
        line += &format!(", {} so far", clock(snapshot.elapsed));
        if let Some(left) = snapshot.left {
            line += &format!(", {} left", clock(left));
        }
        self.write(&line);
    }

    fn close(&mut self) {}
}
