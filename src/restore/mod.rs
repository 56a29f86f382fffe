//! An archive into a database: options, plan, report.

mod analyze;
mod data;
mod options;
mod preflight;
mod report;
mod roles;
mod schedule;
mod selection;
mod sequences;
mod session;

pub use options::{Mode, RestoreOptions};
pub use report::{IgnoredError, RestoreReport, SequenceFinding, TableReport};
