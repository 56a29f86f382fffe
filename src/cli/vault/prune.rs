//! `pgark prune`: which backups are not kept any longer, and dropping them.

use super::{seed, settings, text, worker};
use crate::cli::arguments::PruneArguments;
use crate::cli::output;
use crate::cli::progress::Display;
use crate::cli::world::World;
use crate::error::Result;
use crate::vault::{Repository, prune};

pub(in crate::cli) fn run(arguments: &PruneArguments, world: &World) -> Result<()> {
    let mut settings = settings::read(&arguments.repository, world)?;
    settings::type_retention(&mut settings, &arguments.retention);
    let repository = Repository::open(settings::repository(&settings)?)?;
    let policy = settings::retention(&settings)?.policy;
    let now = world.now().to_utc();
    let mut display = Display::start(world, &arguments.output);
    for note in settings.notes.iter().chain(&settings.notes_of_aliases()) {
        display.handle().warning(note);
    }
    let plan = prune::plan(&repository, arguments.database.as_deref(), &policy, now)?;
    if !arguments.apply {
        display.close();
        return output::result(&plan, arguments.output.json, text::pruning);
    }
    let report = plan.run(&worker(world, "prune"), now, &mut seed(world)?, &display.handle())?;
    display.close();
    output::result(&report, arguments.output.json, text::pruned)
}
