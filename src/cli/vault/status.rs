//! `pgark status`: how the backups of each database stand.

use super::{IS_IT_THERE, settings, text};
use crate::cli::arguments::StatusArguments;
use crate::cli::output;
use crate::cli::world::World;
use crate::error::{Error, ErrorKind, Result};
use crate::vault::Repository;
use crate::vault::status::Status;

pub(in crate::cli) fn run(arguments: &StatusArguments, world: &World) -> Result<()> {
    let mut settings = settings::read(&arguments.repository, world)?;
    settings::type_retention(&mut settings, &arguments.retention);
    let repository = Repository::open(settings::repository(&settings)?)?;
    let listing = repository.list(arguments.database.as_deref())?;
    let policy = settings::retention(&settings)?.policy;
    let max_age = settings::max_age(&settings, arguments.max_age)?;
    let status = Status::of(&listing, &policy, max_age, world.now().to_utc());
    output::result(&status, arguments.json, text::status)?;
    if status.databases.is_empty() && status.unreadable.is_empty() {
        let of = arguments.database.as_ref().map(|name| format!(" of database \"{name}\""));
        let place = repository.folder().display();
        let message = format!("there is no backup{} in \"{place}\"", of.unwrap_or_default());
        return Err(Error::new(ErrorKind::NotFound, message).with_hint(IS_IT_THERE));
    }
    let lost: Vec<&str> = status.lost().into_iter().collect();
    if !lost.is_empty() {
        let message = format!("no backup can be read of {}", lost.join(", "));
        return Err(Error::new(ErrorKind::Integrity, message));
    }
    let stale: Vec<&str> = status
        .databases
        .iter()
        .filter(|database| database.stale)
        .map(|database| database.database.as_str())
        .collect();
    if stale.is_empty() {
        return Ok(());
    }
    let max_age = humantime::format_duration(max_age);
    Err(Error::new(
        ErrorKind::Integrity,
        format!("no proved backup is younger than {max_age}: {}", stale.join(", ")),
    )
    .with_hint("run \"pgark backup\", or \"pgark verify --latest\" when the newest is not proved")
    .with_hint("when no more will come from that server, say so: \"pgark mark ID retired\""))
}
