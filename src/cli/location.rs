//! What was typed as a place: a path, or the URL of a prefix in a bucket.

use std::path::Path;

use super::world::World;
use crate::error::Result;
use crate::store::{BucketOptions, Location, ObjectPlace, is_object_url};

/// The beginnings of the variables that the clouds' own tools read.
const FAMILIES: [&str; 3] = ["AWS_", "GOOGLE_", "AZURE_"];

/// Makes a location of what was typed; a bucket's settings come from the environment.
pub(super) fn location(typed: &Path, world: &World) -> Result<Location> {
    match typed.to_str() {
        Some(url) if is_object_url(url) => {
            Ok(Location::Object(ObjectPlace::open(url, &bucket_options(world))?))
        }
        _ => Ok(Location::Path(typed.to_owned())),
    }
}

fn bucket_options(world: &World) -> BucketOptions {
    let variables = world.environment.variables.iter();
    let known = variables.filter(|(name, value)| {
        !value.is_empty() && FAMILIES.iter().any(|family| name.starts_with(family))
    });
    let mut known: Vec<_> = known.map(|(name, value)| (name.clone(), value.clone())).collect();
    // The later one counts where two mean the same, and that shall not change from run to run.
    known.sort();
    BucketOptions::new(known)
}
