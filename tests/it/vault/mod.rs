//! The backup manager: backups that are kept, proved and dropped.

mod backup;
mod config;
mod repository;
mod retention;
mod runs;

use serde_json::Value;

use crate::support::World;
use crate::support::command::Run;
use crate::support::database::Database;

/// Reads JSON, or fails with the text.
#[track_caller]
fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A world whose connection is a database: nothing else is set.
struct Shop {
    world: World,
    uri: String,
}

impl Shop {
    fn of(database: &Database) -> Shop {
        Shop { world: World::new(), uri: database.uri().to_owned() }
    }

    fn pgark(&self, arguments: &[&str]) -> Run {
        self.world.pgark_with(&[("DATABASE_URL", &self.uri)], arguments)
    }

    /// Makes a backup and returns what `--json` says of it.
    #[track_caller]
    fn back_up(&self, arguments: &[&str]) -> Value {
        let fixed = ["backup", "--no-sync", "--json", "-j", "1"];
        let run = self.pgark(&[&fixed[..], arguments].concat()).success();
        json(&run.stdout)["backups"][0].clone()
    }

    /// As [`Shop::back_up`], and waits for the disk: only such a backup drops older ones.
    #[track_caller]
    fn back_up_synced(&self, arguments: &[&str]) -> Value {
        let run = self.pgark(&[&["backup", "--json", "-j", "1"], arguments].concat()).success();
        json(&run.stdout)["backups"][0].clone()
    }

    #[track_caller]
    fn list(&self) -> Vec<Value> {
        let listed = json(&self.pgark(&["list", "--json"]).success().stdout);
        assert_eq!(listed["unreadable"], Value::Array(Vec::new()));
        listed["backups"].as_array().expect("a list").clone()
    }

    /// Returns the ids of what can be read, whatever else there is.
    #[track_caller]
    fn ids_of_readable(&self) -> Vec<String> {
        let listed = json(&self.pgark(&["list", "--json"]).success().stdout);
        let backups = listed["backups"].as_array().expect("a list");
        backups.iter().map(|backup| text(backup, "id")).collect()
    }

    #[track_caller]
    fn ids(&self) -> Vec<String> {
        self.list().iter().map(|backup| text(backup, "id")).collect()
    }
}

/// Returns a text of a JSON object.
#[track_caller]
fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_else(|| panic!("no text {key} in {value}")).to_owned()
}
