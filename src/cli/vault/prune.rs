//! `pgark prune`: which backups are not kept any longer, and dropping them.

use super::{seed, settings, text, worker};
use crate::cli::arguments::PruneArguments;
use crate::cli::output;
use crate::cli::progress::Display;
use crate::cli::world::World;
use crate::error::Result;
use crate::vault::{Repository, prune};

pub(in crate::cli) fn run(arguments: &PruneArguments, world: &World) -> Result<()> {
    let repository = Repository::open(settings::repository(&arguments.repository, world))?;
    let policy = settings::retention(&arguments.retention).policy;
    let now = world.now().to_utc();
    let plan = prune::plan(&repository, arguments.database.as_deref(), &policy, now)?;
    if !arguments.apply {
        return output::result(&plan, arguments.output.json, text::pruning);
    }
    let mut display = Display::start(world, &arguments.output);
    let report = plan.run(&worker(world, "prune"), now, &mut seed()?, &display.handle())?;
    display.close();
    output::result(&report, arguments.output.json, text::pruned)
}
