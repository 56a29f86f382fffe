//! An archive into a database: options, plan, report.

mod data;
mod options;
mod report;
mod roles;
mod schedule;
mod sequences;
mod session;

pub use options::{Mode, RestoreOptions};
pub use report::{IgnoredError, RestoreReport, SequenceFinding, TableReport};
