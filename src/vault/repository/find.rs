//! Which backup is meant.

use chrono::{DateTime, Utc};

use super::StoredBackup;
use crate::error::{Error, ErrorKind, Result};

/// More names than this tell nobody anything.
const MOST_NAMES: usize = 5;

/// Which backup is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// The one with this id, or with these random digits, or the only one whose id begins so.
    Id(String),
    /// The newest that is proved.
    Latest,
    /// The newest proved one that began at or before this moment.
    At(DateTime<Utc>),
}

impl Wanted {
    /// Finds it among backups that are ordered from the newest to the oldest.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] when there is none, [`ErrorKind::Usage`] when several are meant, be it that
    /// the newest of all is asked for where several databases are.
    pub fn find<'a>(
        &self,
        backups: &'a [StoredBackup],
        database: Option<&str>,
    ) -> Result<&'a StoredBackup> {
        let of_database =
            |backup: &&StoredBackup| database.is_none_or(|name| backup.database() == name);
        let backups: Vec<&StoredBackup> = backups.iter().filter(of_database).collect();
        match self {
            Wanted::Id(text) => by_id(&backups, text),
            Wanted::Latest => newest(&backups, None, database),
            Wanted::At(moment) => newest(&backups, Some(*moment), database),
        }
    }
}

fn by_id<'a>(backups: &[&'a StoredBackup], text: &str) -> Result<&'a StoredBackup> {
    let exact = backups.iter().find(|backup| backup.id().to_string() == text);
    if let Some(backup) = exact {
        return Ok(backup);
    }
    let meant = |backup: &&&StoredBackup| {
        !text.is_empty()
            && (backup.id().random() == text || backup.id().to_string().starts_with(text))
    };
    let found: Vec<&&StoredBackup> = backups.iter().filter(meant).collect();
    match found.as_slice() {
        [backup] => Ok(backup),
        [] => Err(Error::new(ErrorKind::NotFound, format!("there is no backup \"{text}\""))
            .with_hint("run \"pgark list\" to see which there are")),
        several => {
            let names = several.iter().take(MOST_NAMES).map(|backup| backup.id().to_string());
            let names: Vec<String> = names.collect();
            let more = match several.len().saturating_sub(MOST_NAMES) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let count = several.len();
            Err(Error::new(
                ErrorKind::Usage,
                format!(
                    "\"{text}\" is the beginning of {count} backups: {}{more}",
                    names.join(", ")
                ),
            )
            .with_hint("the six digits at the end of an id are enough"))
        }
    }
}

fn newest<'a>(
    backups: &[&'a StoredBackup],
    moment: Option<DateTime<Utc>>,
    database: Option<&str>,
) -> Result<&'a StoredBackup> {
    let mut databases: Vec<&str> = backups.iter().map(|backup| backup.database()).collect();
    databases.sort_unstable();
    databases.dedup();
    if databases.len() > 1 {
        return Err(Error::new(
            ErrorKind::Usage,
            format!("the repository has backups of {}: which is meant?", databases.join(", ")),
        )
        .with_hint("name the database with --database"));
    }
    let early_enough =
        |backup: &&&StoredBackup| moment.is_none_or(|moment| backup.record.started <= moment);
    let candidates: Vec<&&StoredBackup> = backups.iter().filter(early_enough).collect();
    if let Some(backup) = candidates.iter().find(|backup| backup.is_proved()) {
        return Ok(backup);
    }
    let of = database.map(|name| format!(" of database \"{name}\"")).unwrap_or_default();
    let until = moment.map(|moment| format!(" from {} or before", moment.to_rfc3339()));
    let until = until.unwrap_or_default();
    Err(match candidates.first() {
        None => Error::new(ErrorKind::NotFound, format!("there is no backup{of}{until}"))
            .with_hint("run \"pgark list\" to see which there are"),
        Some(unproved) => {
            Error::new(ErrorKind::NotFound, format!("no backup{of}{until} is proved to be whole"))
                .with_hint(format!("run \"pgark verify {}\" to prove the newest", unproved.id()))
        }
    })
}
