//! Making a backup: options, plan, report.
//!
//! ```text
//! preflight -> lock -> snapshot -> globals, dump -> verification -> backup.json -> its name -> read back -> retention
//!                      '---------- under a hidden name, in the repository ---------'
//! ```
//!
//! A backup gets its name when it is complete and proved. Whatever ends a run earlier leaves the older backups
//! alone, and a leftover that the next run sweeps away.

mod growth;
mod options;
mod plan;
mod preflight;
mod report;
mod run;
mod space;

pub use options::{BackupOptions, DatabaseChoice, RetentionChoice, TypeChoice, VerificationChoice};
pub use plan::{BackupPlan, PlannedBackup, plan};
pub use report::{Afterwards, BackupReport, FailedBackup, MadeBackup};
pub(super) use space::free;
