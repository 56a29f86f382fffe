//! Dumping a database: options to plan to report.

mod block;
mod options;
mod report;
mod split;

pub use options::{DumpContent, DumpOptions};
pub use report::{DumpReport, TableReport};
