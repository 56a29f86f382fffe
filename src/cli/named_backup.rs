//! Which backup is meant: a path, an id, the latest, or the latest at a time.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Local, NaiveDate, NaiveDateTime, TimeZone, Utc};

use super::arguments::RepositoryArguments;
use super::vault::settings;
use super::world::World;
use crate::error::{Error, ErrorKind, Result};
use crate::progress::ProgressHandle;
use crate::vault::{Choice, Repository, StoredBackup, Wanted, check};

/// What was typed to name a backup.
#[derive(Debug, Clone, Copy)]
pub(super) struct NamedBackup<'a> {
    /// A path or an id.
    pub(super) name: Option<&'a Path>,
    pub(super) latest: bool,
    /// Any that is proved.
    pub(super) random: bool,
    pub(super) at: Option<&'a str>,
    /// Where the backups are.
    pub(super) repository: &'a RepositoryArguments,
}

/// A backup that was found in a repository.
#[derive(Debug)]
pub(super) struct KeptBackup {
    pub(super) repository: Repository,
    pub(super) backup: StoredBackup,
    /// Why newer backups were passed over.
    notes: Vec<String>,
}

impl NamedBackup<'_> {
    /// Finds it in the repository; none when it is a file or comes through a pipe.
    pub(super) fn find(&self, world: &World, database: Option<&str>) -> Result<Option<KeptBackup>> {
        if self.random {
            return self.any(world, database).map(Some);
        }
        let wanted = match (self.name, self.at) {
            (Some(_), at) if self.latest || at.is_some() => {
                let what = "a backup is named, and the latest or one of a time is asked for";
                return Err(Error::new(ErrorKind::Usage, what));
            }
            (None, _) if self.latest => Wanted::Latest,
            (None, Some(text)) => Wanted::At(moment(text)?),
            (None, None) => return Ok(None),
            (Some(path), _) if path.exists() => return Ok(None),
            (Some(path), _) => Wanted::Id(path.display().to_string()),
        };
        let folder = self.folder(world)?;
        let by_id = matches!(wanted, Wanted::Id(_));
        let repository = match Repository::open(&folder) {
            // A path was more likely meant than an id.
            Err(_) if by_id => return Ok(None),
            opened => opened?,
        };
        // An id says which database it is of; it may well go to another one.
        let Choice { backup, notes } = repository.find(&wanted, database.filter(|_| !by_id))?;
        Ok(Some(KeptBackup { repository, backup, notes }))
    }

    fn folder(&self, world: &World) -> Result<PathBuf> {
        settings::repository(&settings::read(self.repository, world)?)
    }

    /// Takes one of the proved backups, each as likely as the others.
    fn any(&self, world: &World, database: Option<&str>) -> Result<KeptBackup> {
        let repository = Repository::open(self.folder(world)?)?;
        let listing = repository.list(database)?;
        let mut proved: Vec<StoredBackup> =
            listing.backups.into_iter().filter(StoredBackup::is_proved).collect();
        if proved.is_empty() {
            let what = "there is no backup that is proved to be whole";
            return Err(Error::new(ErrorKind::NotFound, what)
                .with_hint("run \"pgark list\" to see which there are"));
        }
        let number = usize::from(u16::from_le_bytes(world.random()?)) % proved.len();
        Ok(KeptBackup { repository, backup: proved.swap_remove(number), notes: Vec::new() })
    }
}

impl KeptBackup {
    /// Tells which backup was chosen where that is not plain, and why it was.
    pub(super) fn tell(&self, progress: &ProgressHandle) {
        if !self.notes.is_empty() {
            progress.warning(&format!("{} was chosen", self.backup.id()));
        }
        for note in &self.notes {
            progress.warning(note);
        }
    }

    /// Writes into the history that the backup was restored and was equal.
    pub(super) fn note_restored(&self, world: &World, note: String, time: Duration) -> Result<()> {
        let (at, random) = (world.now().to_utc(), world.random()?);
        check::note_restored(&self.repository, &self.backup, note, time, at, random)
    }
}

/// Reads a time: with an offset, or in the zone of this place.
fn moment(text: &str) -> Result<DateTime<Utc>> {
    let local = || {
        let text = text.replace('T', " ");
        let parsed = ["%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M"]
            .iter()
            .find_map(|form| NaiveDateTime::parse_from_str(&text, form).ok())
            .or_else(|| {
                // The whole day: what was made on it is meant.
                NaiveDate::parse_from_str(&text, "%Y-%m-%d").ok()?.and_hms_opt(23, 59, 59)
            })?;
        Local.from_local_datetime(&parsed).latest().map(|moment| moment.to_utc())
    };
    let parsed = DateTime::parse_from_rfc3339(text).ok().map(|moment| moment.to_utc());
    parsed.or_else(local).ok_or_else(|| {
        Error::new(ErrorKind::Usage, format!("{text:?} is no time")).with_hint(
            "a time is written as 2026-01-31, \"2026-01-31 02:00\" or 2026-01-31T02:00:00Z",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_and_without_an_offset() {
        let utc = moment("2026-01-31T02:00:00+01:00").expect("a time");
        assert_eq!(utc.to_rfc3339(), "2026-01-31T01:00:00+00:00");
        let local = Local.with_ymd_and_hms(2026, 1, 31, 2, 0, 0).single().expect("a time");
        assert_eq!(moment("2026-01-31 02:00").expect("a time"), local);
        assert_eq!(moment("2026-01-31T02:00:00").expect("a time"), local);
        assert!(moment("2026-01-31").expect("a time") > local);
        assert_eq!(moment("yesterday").expect_err("no time").kind(), ErrorKind::Usage);
    }
}
