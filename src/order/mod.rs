//! The order of a dump: priorities, dependencies, loops and their repair, pure.
//!
//! Authority: `pg_dump_sort.c` of PostgreSQL 18. First the objects are sorted by kind and name, which
//! makes dumps of equal databases equal; then the sort is disturbed as little as the dependencies
//! allow; loops are repaired by splitting objects (a default from its table, a view's query from its
//! view) and the second step starts again.

mod boundary;
mod key;
mod loops;
mod topology;
mod warning;

use crate::model::{Database, DumpId};

pub use warning::Warning;

/// Sorts the objects of a database for a dump and returns their ids in order.
///
/// Loop repair changes the objects: edges vanish, and defaults, constraints, rules and views are marked
/// as printed separately. `warn` is told of what the reading found worth telling, and then of loops that
/// could only be cut arbitrarily.
pub fn sort(database: &mut Database, warn: &mut dyn FnMut(Warning)) -> Vec<DumpId> {
    for warning in std::mem::take(&mut database.warnings) {
        warn(warning.into());
    }
    boundary::add_edges(database);
    let presorted = key::presort(database);
    loop {
        match topology::sort(database, &presorted) {
            Ok(order) => return order,
            Err(stuck) => loops::repair(database, &stuck, warn),
        }
    }
}

#[cfg(test)]
mod tests;
