//! Which backup is meant.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::list::Part;
use super::{Listing, Repository, StoredBackup};
use crate::error::{Error, ErrorKind, Result};
use crate::vault::id::BackupId;
use crate::vault::lineage::{Line, Lineage};

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

/// Which backups the newest is looked for among.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// All of them: what is not proved is what one wants to verify.
    Any,
    /// Those that are proved.
    Proved,
}

/// The backup that is meant.
#[derive(Debug, Clone)]
pub struct Choice {
    /// The backup.
    pub backup: StoredBackup,
    /// Why newer ones were passed over.
    pub notes: Vec<String>,
}

impl Repository {
    /// Finds a backup.
    ///
    /// # Errors
    ///
    /// As [`Repository::list`], [`Listing::with_id`] and [`Listing::newest`].
    pub fn find(&self, wanted: &Wanted, database: Option<&str>) -> Result<Choice> {
        let listing = self.list(database)?;
        match wanted {
            Wanted::Id(text) => {
                let backup = listing.with_id(text)?.clone();
                Ok(Choice { backup, notes: Vec::new() })
            }
            Wanted::Latest => listing.newest(Which::Proved, None),
            Wanted::At(moment) => listing.newest(Which::Proved, Some(*moment)),
        }
    }
}

impl Listing {
    /// Finds a backup by its id, by its random digits, or by how no other id begins.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] when there is none, [`ErrorKind::Usage`] when several are meant,
    /// [`ErrorKind::Integrity`] when it is there and cannot be read.
    pub fn with_id(&self, text: &str) -> Result<&StoredBackup> {
        let exact = self.backups.iter().find(|backup| backup.id().to_string() == text);
        if let Some(backup) = exact {
            return Ok(backup);
        }
        let is_meant = |id: &BackupId| {
            !text.is_empty() && (id.random() == text || id.to_string().starts_with(text))
        };
        let found: Vec<&StoredBackup> =
            self.backups.iter().filter(|backup| is_meant(backup.id())).collect();
        let broken = self.unreadable.iter().find(|it| it.part == Part::Backup && is_meant(&it.id));
        match (found.as_slice(), broken) {
            ([backup], _) => Ok(backup),
            ([], Some(broken)) => {
                let message = format!("backup {} cannot be used: {}", broken.id, broken.what);
                Err(Error::new(ErrorKind::Integrity, message))
            }
            ([], None) => {
                Err(Error::new(ErrorKind::NotFound, format!("there is no backup \"{text}\""))
                    .with_hint(TO_SEE))
            }
            (several, _) => {
                let count = several.len();
                let names = named(several.iter().map(|backup| backup.id().to_string()));
                let message = format!("\"{text}\" is the beginning of {count} backups: {names}");
                Err(Error::new(ErrorKind::Usage, message)
                    .with_hint("the six digits at the end of an id are enough"))
            }
        }
    }

    /// Finds the newest backup of what is listed, which must be one database of one server.
    ///
    /// A backup that leaves nothing out comes before newer ones that do. Those of a server that is retired are not
    /// looked at.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] when there is none, [`ErrorKind::Usage`] when there are several databases or servers.
    pub fn newest(&self, which: Which, until: Option<DateTime<Utc>>) -> Result<Choice> {
        let in_time =
            |backup: &&StoredBackup| until.is_none_or(|until| backup.record.started <= until);
        let lines = Line::all(self.backups.iter().filter(in_time));
        let lines: Vec<&Line> = lines.iter().filter(|line| !line.is_retired()).collect();
        one_database(&lines)?;
        one_server(&lines)?;

        let is_wanted = |backup: &StoredBackup| which == Which::Any || backup.is_proved();
        let wanted = || {
            let backups = lines.iter().flat_map(|line| line.backups()).copied();
            backups.filter(|backup| is_wanted(backup))
        };
        let is_whole =
            |backup: &&StoredBackup| which == Which::Any || backup.record.excluded.is_empty();
        let whole = wanted().filter(is_whole).max_by_key(|backup| backup.id());
        let Some(chosen) = whole.or_else(|| wanted().max_by_key(|backup| backup.id())) else {
            return Err(self.none(&lines, until));
        };
        let mut notes = Vec::new();
        let backups = lines.iter().flat_map(|line| line.backups());
        let mut newer: Vec<&StoredBackup> =
            backups.copied().filter(|backup| backup.id() > chosen.id()).collect();
        newer.sort_by_key(|backup| std::cmp::Reverse(backup.id().clone()));
        notes.extend(
            newer.iter().map(|newer| format!("{} is newer and {}", newer.id(), fault(newer))),
        );
        let is_newer =
            |id: &BackupId| id > chosen.id() && until.is_none_or(|until| id.moment() <= until);
        for broken in self.unreadable.iter().filter(|it| it.part == Part::Backup) {
            if is_newer(&broken.id) {
                notes.push(format!("{} is newer and cannot be read: {}", broken.id, broken.what));
            }
        }
        let more = notes.len().saturating_sub(MOST_NAMES);
        if more > 0 {
            notes.truncate(MOST_NAMES);
            notes.push(format!("{more} more are newer than {}", chosen.id()));
        }
        if !chosen.record.excluded.is_empty() {
            notes.push(format!("{} is without {}", chosen.id(), chosen.record.excluded));
        }
        Ok(Choice { backup: chosen.clone(), notes })
    }

    /// Says that there is nothing to choose.
    fn none(&self, lines: &[&Line], until: Option<DateTime<Utc>>) -> Error {
        let of = lines.first().map(|line| format!(" of database \"{}\"", line.lineage.database));
        let of = of.unwrap_or_default();
        let until = until.map(|moment| format!(" from {} or before", moment.to_rfc3339()));
        let until = until.unwrap_or_default();
        let newest = lines.iter().filter_map(|line| line.newest()).max_by_key(|it| it.id());
        match (newest, self.unreadable.first()) {
            (Some(newest), _) => {
                let what = format!("no backup{of}{until} is proved to be whole");
                Error::new(ErrorKind::NotFound, what)
                    .with_hint(format!("run \"pgark verify {}\" to prove the newest", newest.id()))
            }
            (None, Some(broken)) => {
                let what = format!("there is no backup{of}{until} that can be read");
                let cause = format!("{}: {}", broken.path.display(), broken.what);
                Error::new(ErrorKind::Integrity, what).with_source(std::io::Error::other(cause))
            }
            (None, None) => {
                Error::new(ErrorKind::NotFound, format!("there is no backup{of}{until}"))
                    .with_hint(TO_SEE)
            }
        }
    }
}

const TO_SEE: &str = "run \"pgark list\" to see which there are";

/// Says why a newer backup was passed over.
fn fault(backup: &StoredBackup) -> String {
    if backup.is_damaged() {
        "damaged".to_owned()
    } else if backup.unreadable_events > 0 {
        "not proved, because part of its history cannot be read".to_owned()
    } else if !backup.is_proved() {
        "not proved".to_owned()
    } else {
        format!("without {}", backup.record.excluded)
    }
}

fn one_database(lines: &[&Line]) -> Result<()> {
    let databases: BTreeSet<&str> =
        lines.iter().map(|line| line.lineage.database.as_str()).collect();
    if databases.len() < 2 {
        return Ok(());
    }
    let names = named(databases.into_iter().map(str::to_owned));
    let message = format!("the repository has backups of {names}: which is meant?");
    Err(Error::new(ErrorKind::Usage, message).with_hint("name the database"))
}

/// Refuses to choose between servers: the newest backup of a name may be that of the test server.
fn one_server(lines: &[&Line]) -> Result<()> {
    let mut newest: Vec<(&Lineage, &StoredBackup)> = Vec::new();
    for line in lines {
        let Some(backup) = line.newest() else { continue };
        match newest.iter_mut().find(|(lineage, _)| lineage.server == line.lineage.server) {
            Some((_, known)) if known.id() < backup.id() => *known = backup,
            Some(_) => {}
            None => newest.push((&line.lineage, backup)),
        }
    }
    let [(lineage, _), _, ..] = newest.as_slice() else { return Ok(()) };
    let servers = named(
        newest
            .iter()
            .map(|(_, backup)| format!("{} ({})", backup.record.source.server, backup.id())),
    );
    let message = format!(
        "there are backups of \"{}\" of {} servers: which is meant? {servers}",
        lineage.database,
        newest.len()
    );
    Err(Error::new(ErrorKind::Usage, message)
        .with_hint("name the backup by its id")
        .with_hint("of a server that is gone say so: \"pgark mark ID retired\""))
}

/// Names things, the first of them when there are many.
fn named(names: impl Iterator<Item = String>) -> String {
    let mut names: Vec<String> = names.collect();
    let more = names.len().saturating_sub(MOST_NAMES);
    names.truncate(MOST_NAMES);
    let all = names.join(", ");
    if more > 0 { format!("{all} and {more} more") } else { all }
}
