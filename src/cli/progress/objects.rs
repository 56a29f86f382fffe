//! Progress for programs: one JSON object per line on standard error.

use std::time::Duration;

use serde_json::{Value, json};

use super::Form;
use super::lines::write_line;
use super::tracker::{Item, Snapshot};

pub(super) struct Objects;

fn write(value: &Value) {
    write_line(&value.to_string());
}

fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round() / 1000.0
}

impl Form for Objects {
    fn pace(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn phase(&mut self, name: &str) {
        write(&json!({ "event": "phase", "phase": name }));
    }

    fn finished(&mut self, item: &Item, took: Duration) {
        write(&json!({
            "event": "finished", "item": item.name, "bytes": item.bytes, "rows": item.rows,
            "seconds": seconds(took),
        }));
    }

    fn restarted(&mut self, item: &str) {
        write(&json!({ "event": "restarted", "item": item }));
    }

    fn warning(&mut self, message: &str) {
        write(&json!({ "event": "warning", "message": message }));
    }

    fn info(&mut self, message: &str) {
        write(&json!({ "event": "info", "message": message }));
    }

    fn tick(&mut self, snapshot: &Snapshot) {
        let in_flight: Vec<&str> =
            snapshot.in_flight.iter().map(|item| item.name.as_str()).collect();
        write(&json!({
            "event": "progress", "phase": snapshot.phase, "seconds": seconds(snapshot.elapsed),
            "items_done": snapshot.items_done, "items": snapshot.total_items,
            "bytes": snapshot.bytes, "rows": snapshot.rows,
            "bytes_per_second": snapshot.bytes_per_second, "fraction": snapshot.fraction,
            "seconds_left": snapshot.left.map(seconds), "in_flight": in_flight,
        }));
    }

    fn close(&mut self) {}
}
