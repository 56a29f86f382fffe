//! The journal of a managed restore: one line of JSON in the comment of the databases it touches.
//!
//! What a restore has done must be known after the process was killed, and to another machine. So it is written
//! where the work is: the comment of a database changes in the same transaction as its name and its
//! properties, and a half-done step cannot be told as done. A comment is believed only on a database that has
//! the name which goes with it: comments travel with dumps.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::machine::Stage;
use super::names::Names;
use crate::vault::side::RestoreId;

/// The form of the journal that is written and understood here.
const VERSION: u32 = 1;

/// A comment that is longer is not read as a journal.
const JOURNAL_BYTES_MAX: usize = 1 << 20;

/// What the comment says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Journal {
    /// Always `restore`; the first field, so that people see whose comment it is.
    pgark: Word,
    version: u32,
    /// The run.
    pub(super) id: RestoreId,
    /// The database that is replaced.
    pub(super) target: String,
    /// How far the run has come.
    pub(super) stage: Stage,
    /// What is restored, as it was named.
    pub(super) backup: String,
    /// Why, in the words of whoever started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
    /// When the run began, by the server's clock.
    pub(super) began: DateTime<Utc>,
    /// Until when the database is kept that carries this journal, if it is one that is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) keep_until: Option<DateTime<Utc>>,
    /// How many seconds the replaced database is kept.
    pub(super) keep_seconds: i64,
    /// The oid of the database that is restored.
    pub(super) side_oid: u32,
    /// The oid of the database that is replaced; none when there is none.
    pub(super) target_oid: Option<u32>,
    /// Whether the replaced database took connections.
    pub(super) allow_connections: bool,
    /// Whether it is restored without owners.
    #[serde(default)]
    pub(super) no_owner: bool,
    /// Whether it is restored without privileges.
    #[serde(default)]
    pub(super) no_privileges: bool,
    /// Whether the backup tells what the restored database must be equal to.
    #[serde(default = "yes")]
    pub(super) provable: bool,
    /// What only this backup has, for whoever names its archive again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) mark: Option<String>,
    /// What the comment of the replaced database was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) comment: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    Restore,
}

/// What journals were of that do not say it.
fn yes() -> bool {
    true
}

impl Journal {
    /// Begins the journal of a run.
    pub(super) fn new(id: RestoreId, target: &str, backup: &str, began: DateTime<Utc>) -> Self {
        Journal {
            pgark: Word::Restore,
            version: VERSION,
            id,
            target: target.to_owned(),
            stage: Stage::Restoring,
            backup: backup.to_owned(),
            reason: None,
            began,
            keep_until: None,
            keep_seconds: 0,
            side_oid: 0,
            target_oid: None,
            allow_connections: true,
            no_owner: false,
            no_privileges: false,
            provable: true,
            mark: None,
            comment: None,
        }
    }

    /// Reads the comment of a database; none when it is somebody else's.
    pub(super) fn read(database: &str, comment: &str) -> Option<Journal> {
        if comment.len() > JOURNAL_BYTES_MAX || !comment.starts_with("{\"pgark\":\"restore\"") {
            return None;
        }
        let journal: Journal = serde_json::from_str(comment).ok()?;
        let fits = journal.version == VERSION && journal.place() == database;
        fits.then_some(journal)
    }

    /// Returns the names of the run.
    pub(super) fn names(&self) -> Names {
        Names::new(&self.target, &self.id)
    }

    /// Returns the name of the database that carries the journal at this stage.
    pub(super) fn place(&self) -> String {
        let names = self.names();
        match self.stage {
            Stage::Restoring | Stage::Proved | Stage::Fenced => names.side,
            Stage::Swapped | Stage::Kept | Stage::Returning => names.old,
            Stage::Undone => names.undone,
        }
    }

    /// Returns the same journal at another stage.
    pub(super) fn at(&self, stage: Stage) -> Journal {
        Journal { stage, ..self.clone() }
    }

    /// Returns the text of the comment.
    pub(super) fn text(&self) -> String {
        // Nothing in it can fail to be written: no map has keys that are not text.
        serde_json::to_string(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal() -> Journal {
        let moment = DateTime::from_timestamp(1_795_292_100, 0).expect("a moment");
        Journal::new(RestoreId::new(moment, 1), "shop", "/backups/shop", moment)
    }

    #[test]
    fn a_journal_is_believed_only_where_it_belongs() {
        let journal = journal();
        let text = journal.text();
        assert_eq!(Journal::read(&journal.place(), &text), Some(journal.clone()));
        assert_eq!(Journal::read("shop", &text), None);
        assert_eq!(Journal::read(&journal.names().old, &text), None);
        let swapped = journal.at(Stage::Swapped);
        assert_eq!(Journal::read(&journal.names().old, &swapped.text()), Some(swapped));
    }

    #[test]
    fn other_comments_are_no_journals() {
        for comment in [
            "",
            "our shop",
            "{}",
            "{\"pgark\":\"restore\"}",
            "{\"pgark\":\"restore\",\"version\":2",
        ] {
            assert_eq!(Journal::read("shop", comment), None, "{comment}");
        }
    }
}
