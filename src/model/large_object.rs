//! Large objects, in groups: there may be millions, and one object of the model for each would be too much.

use super::Oid;

/// Large objects of one owner with the same privileges.
///
/// The group's name is its first oid and, when there are more, `..` and its last one; its owner and its
/// privileges are those of each of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LargeObjects {
    /// At least one and at most 1,000, in ascending order.
    pub oids: Vec<Oid>,
}
