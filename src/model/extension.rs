//! Extensions.

use super::{Components, Oid};

/// What only an extension has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension {
    /// The schema its objects are made in.
    pub install_schema: String,
    /// The installed version.
    pub version: String,
    /// Whether its schema can be changed afterwards.
    pub relocatable: bool,
    /// Its configuration tables with the condition that selects the rows to dump (`WHERE ...` or empty).
    pub configuration: Vec<(Oid, String)>,
    /// What is wanted of its members.
    pub contents: Components,
}
