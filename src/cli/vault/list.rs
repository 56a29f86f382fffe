//! `pgark list`: the backups of a repository.

use serde::Serialize;

use super::{settings, text};
use crate::cli::arguments::ListArguments;
use crate::cli::output;
use crate::cli::world::World;
use crate::error::Result;
use crate::vault::{BackupSummary, Repository, Unreadable};

/// What is printed as JSON.
#[derive(Debug, Serialize)]
struct List {
    repository: String,
    backups: Vec<BackupSummary>,
    unreadable: Vec<Unreadable>,
}

pub(in crate::cli) fn run(arguments: &ListArguments, world: &World) -> Result<()> {
    let settings = settings::read(&arguments.repository, world)?;
    let repository = Repository::open(settings::repository(&settings)?)?;
    let listing = repository.list(arguments.database.as_deref())?;
    let now = world.now().to_utc();
    let list = List {
        repository: repository.folder().display().to_string(),
        backups: listing.backups.iter().map(|backup| BackupSummary::of(backup, now)).collect(),
        unreadable: listing.unreadable,
    };
    output::result(&list, arguments.json, |list| {
        text::listed(&list.backups, &list.unreadable, &list.repository)
    })
}
