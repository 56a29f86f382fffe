//! `pgark verify` of what is kept in a repository.

use std::path::Path;
use std::time::Instant;

use super::{seed, settings, text};
use crate::cli::arguments::VerifyArguments;
use crate::cli::input::STANDARD_INPUT;
use crate::cli::output;
use crate::cli::progress::Display;
use crate::cli::world::World;
use crate::error::{Error, ErrorKind, Result};
use crate::progress::Interrupt;
use crate::vault::check::{self, CheckedBackup};
use crate::vault::{BackupId, Listing, Repository, StoredBackup, Wanted};
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
    let repository = Repository::open(settings::repository(&settings))?;
    let typed = arguments.archive.to_string_lossy().into_owned();
    let database = Some(typed.as_str()).filter(|typed| *typed != STANDARD_INPUT);
    let (backups, unreadable) = match (arguments.all, arguments.latest) {
        (true, _) => {
            let Listing { backups, unreadable } = repository.list(database)?;
            (backups, unreadable)
        }
        (_, true) => (vec![newest(&repository, database)?], Vec::new()),
        _ => (vec![repository.find(&Wanted::Id(typed.clone()), None)?], Vec::new()),
    };
    if arguments.against.is_some() {
        let message = "a backup of a repository is compared with a database by its folder";
        let folder = backups.first().map(|backup| backup.archive().display().to_string());
        return Err(Error::new(ErrorKind::Usage, message).with_hint(format!(
            "run \"pgark verify {} --against ...\"",
            folder.unwrap_or_default()
        )));
    }
    let depth = if arguments.quick { Depth::Quick } else { Depth::Full };
    let mut display = Display::start(world, &arguments.output);
    let progress = display.handle();
    let mut seed = seed(world)?;
    let mut checked = Vec::new();
    for backup in &backups {
        progress.info(&format!("looking at {}", backup.id()));
        let began = Instant::now();
        let found = check::check(backup, depth, &progress, interrupt).await?;
        let at = world.now().to_utc();
        check::note(&repository, &found, at, began.elapsed(), seed.draw())?;
        checked.push(found);
    }
    display.close();
    output::result(&checked, arguments.output.json, |checked| text::checked(checked))?;
    for broken in &unreadable {
        progress.warning(&format!("{} cannot be read: {}", broken.path.display(), broken.what));
    }
    verdict(&repository, &checked, unreadable.len())
}

/// Returns the newest backup, proved or not: what is not proved is what one wants to verify.
fn newest(repository: &Repository, database: Option<&str>) -> Result<StoredBackup> {
    let listing = repository.list(database)?;
    let mut databases: Vec<&str> = listing.backups.iter().map(StoredBackup::database).collect();
    databases.sort_unstable();
    databases.dedup();
    if databases.len() > 1 {
        let message =
            format!("the repository has backups of {}: which is meant?", databases.join(", "));
        return Err(Error::new(ErrorKind::Usage, message).with_hint("name the database"));
    }
    let place = repository.folder();
    listing.backups.into_iter().next().ok_or_else(|| {
        let message = format!("there is no backup in \"{}\"", Path::new(place).display());
        Error::new(ErrorKind::NotFound, message)
    })
}

/// Turns damage into the failure that it is, and names what to fall back on.
fn verdict(repository: &Repository, checked: &[CheckedBackup], unreadable: usize) -> Result<()> {
    let damaged: Vec<&CheckedBackup> = checked.iter().filter(|backup| !backup.is_whole()).collect();
    let Some(first) = damaged.first() else {
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
    let older = listing
        .backups
        .iter()
        .find(|backup| backup.is_proved() && backup.record.started < first.id.moment());
    let hint = match older {
        Some(older) => format!("the newest older one that is proved is {}", older.id()),
        None => "there is no older one that is proved: make a new one at once".to_owned(),
    };
    Err(Error::new(ErrorKind::Integrity, message).with_hint(hint))
}
