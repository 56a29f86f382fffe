//! The topological sort that keeps the sort by name as far as it can (`TopoSort`).
//!
//! The result is filled from its end: among the objects that nothing unplaced depends on, the one that
//! sorts last by name is placed next. So an object is pulled forward only when something that sorts
//! before it needs it.

use std::collections::BinaryHeap;

use crate::model::{Database, DumpId};

/// Returns the sorted ids, or those that are left over because they stand in or behind a loop, in the
/// order of their ids.
pub(super) fn sort(database: &Database, presorted: &[DumpId]) -> Result<Vec<DumpId>, Vec<DumpId>> {
    let count = presorted.len();
    // Ids begin with 1 and have no gaps.
    let mut position = vec![0usize; count + 1];
    for (place, id) in presorted.iter().enumerate() {
        position[id.0 as usize] = place;
    }
    let mut dependents = vec![0usize; count + 1];
    for object in database.objects() {
        for dependency in &object.dependencies {
            dependents[dependency.0 as usize] += 1;
        }
    }
    let mut ready: BinaryHeap<usize> = presorted
        .iter()
        .enumerate()
        .filter(|(_, id)| dependents[id.0 as usize] == 0)
        .map(|(place, _)| place)
        .collect();
    let mut reversed = Vec::with_capacity(count);
    let mut placed = vec![false; count + 1];
    while let Some(place) = ready.pop() {
        let id = presorted[place];
        reversed.push(id);
        placed[id.0 as usize] = true;
        for dependency in &database.object(id).dependencies {
            let left = &mut dependents[dependency.0 as usize];
            *left -= 1;
            if *left == 0 {
                ready.push(position[dependency.0 as usize]);
            }
        }
    }
    if reversed.len() == count {
        reversed.reverse();
        return Ok(reversed);
    }
    Err(database
        .objects()
        .iter()
        .map(|object| object.id)
        .filter(|id| !placed[id.0 as usize])
        .collect())
}
