//! The verbs of the backup manager.

pub(super) mod backup;
pub(super) mod list;
pub(super) mod mark;
pub(super) mod prune;
pub(super) mod settings;
pub(super) mod status;
mod text;
pub(super) mod verify;

use super::world::World;
use crate::error::Result;
use crate::vault::{Seed, Worker};

/// What to look at where there should be backups and are none.
const IS_IT_THERE: &str =
    "is its disk mounted, and is it the right folder? --repo names another one";

/// Returns random bytes for the names of a run.
fn seed(world: &World) -> Result<Seed> {
    world.random().map(Seed::new)
}

/// Says who works, for those who are kept out.
fn worker(world: &World, verb: &str) -> Worker {
    Worker {
        verb: verb.to_owned(),
        host: world.host.clone(),
        pid: std::process::id(),
        since: world.now().to_utc(),
    }
}
