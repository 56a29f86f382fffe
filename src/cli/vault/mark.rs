//! `pgark mark`: what a person says about a backup.

use super::{seed, settings};
use crate::cli::arguments::{MarkArgument, MarkArguments};
use crate::cli::output;
use crate::cli::progress::visible;
use crate::cli::world::World;
use crate::error::Result;
use crate::vault::{BackupSummary, Event, EventKind, Repository, Wanted};

pub(in crate::cli) fn run(arguments: &MarkArguments, world: &World) -> Result<()> {
    let settings = settings::read(&arguments.repository, world)?;
    let repository = Repository::open(settings::repository(&settings))?;
    let wanted = Wanted::Id(arguments.id.clone());
    let backup = repository.find(&wanted, None)?;
    let now = world.now().to_utc();
    let kind = match arguments.mark {
        MarkArgument::Verified => EventKind::Confirmed,
        MarkArgument::Hold => EventKind::Held,
        MarkArgument::Release => EventKind::Released,
    };
    let event =
        Event { reason: arguments.reason.clone(), ..Event::new(backup.id().clone(), now, kind) };
    repository.append(backup.database(), &event, seed(world)?.draw())?;
    let found = repository.find(&Wanted::Id(backup.id().to_string()), Some(backup.database()))?;
    output::result(&BackupSummary::of(&found, now), arguments.json, said)
}

fn said(backup: &BackupSummary) -> String {
    let held = match &backup.hold {
        Some(why) => format!("held: {}", visible(why)),
        None => "not held".to_owned(),
    };
    format!("{}: proof {}, {held}\n", backup.id, backup.proof)
}
