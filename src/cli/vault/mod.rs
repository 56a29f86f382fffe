//! The verbs of the backup manager.

pub(super) mod backup;
pub(super) mod list;
pub(super) mod mark;
pub(super) mod prune;
mod settings;
pub(super) mod status;
mod text;
pub(super) mod verify;

use super::world::World;
use crate::error::{Context, ErrorKind, Result};
use crate::vault::{Seed, Worker};

/// Returns random bytes for the names of a run.
fn seed() -> Result<Seed> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .context(ErrorKind::Internal, || "could not make a name".to_owned())?;
    Ok(Seed::new(bytes))
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
