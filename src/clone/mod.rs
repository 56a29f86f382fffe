//! A database carried over without an archive: [`CloneSource`] to [`ClonePlan`] to [`CloneReport`].
//!
//! ```text
//! source: locks, snapshot, catalogs -> entries --> the restore's schedule -> target
//!         COPY OUT in the snapshot  ------------------------------------> COPY IN
//! then:   rows, schema and sequences of both compared
//! ```
//!
//! The source side is a dump's, the target side a restore's: to the restore the live source is one more
//! [`ArchiveReader`](crate::archive::ArchiveReader), whose data come from a server instead of a disk.
//! What a dump guarantees (one moment, locks before the snapshot) and what a restore guarantees
//! (refusals, one transaction for each table) therefore holds here too.

mod large_objects;
mod plan;
mod reader;
mod report;
mod rows;

pub use plan::{ClonePlan, CloneSource};
pub use report::CloneReport;
