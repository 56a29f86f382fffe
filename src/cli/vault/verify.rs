//! `pgark verify` of what is kept in a repository.

use std::time::Instant;

use super::{IS_IT_THERE, seed, settings, text};
use crate::cli::arguments::VerifyArguments;
use crate::cli::input::STANDARD_INPUT;
use crate::cli::output;
use crate::cli::progress::Display;
use crate::cli::world::World;
use crate::error::{Error, ErrorKind, Result, with_causes};
use crate::progress::Interrupt;
use crate::vault::check::{self, CheckedBackup};
use crate::vault::{
    BackupId, Choice, Listing, Part, Repository, StoredBackup, Unreadable, Wanted, Which,
};
use crate::verify::Depth;

/// Tells whether a backup of a repository is meant, and not an archive somewhere.
pub(in crate::cli) fn is_meant(arguments: &VerifyArguments) -> bool {
    let typed = arguments.archive.to_string_lossy();
    let is_id = typed.parse::<BackupId>().is_ok() || is_digits(&typed);
    arguments.latest || arguments.all || (is_id && !arguments.archive.exists())
}

/// Tells whether something could be the six digits at the end of an id.
fn is_digits(typed: &str) -> bool {
    typed.len() == 6
        && typed.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

pub(in crate::cli) async fn run(
    arguments: &VerifyArguments,
    world: &World,
    interrupt: &Interrupt,
) -> Result<()> {
    let settings = settings::read(&arguments.repository, world)?;
    let repository = Repository::open(settings::repository(&settings)?)?;
    let meant = meant(arguments, &repository)?;
    if arguments.against.is_some() {
        let message = "a backup of a repository is compared with a database by its folder";
        let folder = meant.backups.first().map(|backup| backup.archive().display().to_string());
        return Err(Error::new(ErrorKind::Usage, message).with_hint(format!(
            "run \"pgark verify {} --against ...\"",
            folder.unwrap_or_default()
        )));
    }
    let depth = if arguments.quick { Depth::Quick } else { Depth::Full };
    let mut display = Display::start(world, &arguments.output);
    let progress = display.handle();
    for note in &meant.notes {
        progress.warning(note);
    }
    let mut seed = seed(world)?;
    let mut checked = Vec::new();
    let mut failures = Vec::new();
    for backup in &meant.backups {
        progress.info(&format!("looking at {}", backup.id()));
        let began = Instant::now();
        match check::check(backup, depth, &progress, interrupt).await {
            Ok(found) => {
                let at = world.now().to_utc();
                check::note(&repository, &found, at, began.elapsed(), seed.draw())?;
                checked.push(found);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => return Err(error),
            Err(_) if arguments.all && !backup.folder().exists() => {
                progress.info(&format!("{} was dropped meanwhile", backup.id()));
            }
            // One that cannot be read says nothing about the others.
            Err(error) if arguments.all => {
                progress.warning(&format!(
                    "could not look at {}: {}",
                    backup.id(),
                    with_causes(&error)
                ));
                failures.push(error);
            }
            Err(error) => return Err(error),
        }
    }
    for broken in &meant.unreadable {
        progress.warning(&format!("{} cannot be read: {}", broken.path.display(), broken.what));
    }
    display.close();
    output::result(&checked, arguments.output.json, |checked| text::checked(checked))?;
    verdict(&repository, &checked, failures, meant.unreadable.len())
}

/// What is to be looked at.
struct Meant {
    backups: Vec<StoredBackup>,
    unreadable: Vec<Unreadable>,
    notes: Vec<String>,
}

/// Finds out what is to be looked at; there is always something.
fn meant(arguments: &VerifyArguments, repository: &Repository) -> Result<Meant> {
    let typed = arguments.archive.to_string_lossy().into_owned();
    let database = Some(typed.as_str()).filter(|typed| *typed != STANDARD_INPUT);
    let of_choice = |choice: Choice, unreadable| Meant {
        backups: vec![choice.backup],
        unreadable,
        notes: choice.notes,
    };
    if !arguments.all && !arguments.latest {
        let choice = repository.find(&Wanted::Id(typed), None)?;
        return Ok(of_choice(choice, Vec::new()));
    }
    let listing = repository.list(database)?;
    if arguments.latest {
        // What is not proved is what one wants to verify.
        let mut choice = listing.newest(Which::Any, None)?;
        choice.notes.clear();
        let is_newer =
            |broken: &Unreadable| broken.part == Part::Backup && broken.id > *choice.backup.id();
        let unreadable = listing.unreadable.into_iter().filter(is_newer).collect();
        return Ok(of_choice(choice, unreadable));
    }
    let Listing { backups, unreadable } = listing;
    if backups.is_empty() && unreadable.is_empty() {
        let of = database.map(|name| format!(" of database \"{name}\"")).unwrap_or_default();
        let place = repository.folder().display();
        let message = format!("there is no backup{of} in \"{place}\"");
        return Err(Error::new(ErrorKind::NotFound, message).with_hint(IS_IT_THERE));
    }
    Ok(Meant { backups, unreadable, notes: Vec::new() })
}

/// Turns damage into the failure that it is, and names what to fall back on.
fn verdict(
    repository: &Repository,
    checked: &[CheckedBackup],
    failures: Vec<Error>,
    unreadable: usize,
) -> Result<()> {
    let damaged: Vec<&CheckedBackup> = checked.iter().filter(|backup| !backup.is_whole()).collect();
    let Some(first) = damaged.first() else {
        if let Some(failure) = failures.into_iter().next() {
            return Err(failure.context("not every backup could be looked at"));
        }
        return match unreadable {
            0 => Ok(()),
            number => Err(Error::new(
                ErrorKind::Integrity,
                format!("{number} things in the repository cannot be read"),
            )),
        };
    };
    let message = match damaged.len() {
        1 => format!("backup {} is damaged", first.id),
        number => format!("{number} of {} backups are damaged", checked.len()),
    };
    let listing = repository.list(Some(&first.database))?;
    let hint = match older(&listing, &first.id) {
        Some(older) => format!("the newest older one that is proved is {older}"),
        None => "there is no older one that is proved: make a new one at once".to_owned(),
    };
    Err(Error::new(ErrorKind::Integrity, message).with_hint(hint))
}

/// Returns the newest proved backup from before another, of the same database on the same server.
fn older(listing: &Listing, damaged: &BackupId) -> Option<BackupId> {
    let damaged = listing.backups.iter().find(|backup| backup.id() == damaged)?;
    let line = listing.line_of(damaged);
    line.proved().map(StoredBackup::id).find(|id| *id < damaged.id()).cloned()
}
