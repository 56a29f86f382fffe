//! `pgark mark`: what a person says about a backup.

use super::{seed, settings};
use crate::cli::arguments::{MarkArgument, MarkArguments};
use crate::cli::output;
use crate::cli::progress::visible;
use crate::cli::world::World;
use crate::error::{Error, ErrorKind, Result};
use crate::vault::{BackupSummary, Event, EventKind, Repository, Wanted};

pub(in crate::cli) fn run(arguments: &MarkArguments, world: &World) -> Result<()> {
    let settings = settings::read(&arguments.repository, world)?;
    let repository = Repository::open(settings::repository(&settings)?)?;
    let backup = repository.find(&Wanted::Id(arguments.id.clone()), None)?.backup;
    let now = world.now().to_utc();
    let kind = match arguments.mark {
        MarkArgument::Verified => EventKind::Confirmed,
        MarkArgument::Hold => EventKind::Held,
        MarkArgument::Release => EventKind::Released,
        MarkArgument::Retired => EventKind::Retired,
    };
    let event =
        Event { reason: arguments.reason.clone(), ..Event::new(backup.id().clone(), now, kind) };
    repository.append(backup.database(), &event, seed(world)?.draw())?;
    let wanted = Wanted::Id(backup.id().to_string());
    let found = repository.find(&wanted, Some(backup.database()))?.backup;
    // Who holds a backup relies on it.
    let holds = match kind {
        EventKind::Held => found.hold().is_some(),
        EventKind::Retired => found.is_retired(),
        _ => true,
    };
    if !holds {
        let message = format!("what was said of {} does not hold", backup.id());
        return Err(Error::new(ErrorKind::Integrity, message)
            .with_hint("look for other marks in the history folder of the database"));
    }
    output::result(&BackupSummary::of(&found, now), arguments.json, said)
}

fn said(backup: &BackupSummary) -> String {
    let held = match &backup.hold {
        Some(why) => format!("held: {}", visible(why)),
        None => "not held".to_owned(),
    };
    let retired = if backup.retired { ", the last of its server" } else { "" };
    format!("{}: proof {}, {held}{retired}\n", backup.id, backup.proof)
}
