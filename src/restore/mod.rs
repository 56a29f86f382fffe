//! An archive into a database: options, plan, report.
//!
//! ```text
//!   RestoreOptions -> plan() -> RestorePlan -> run() -> RestoreReport
//!                     open, select, look at the target     schedule -> workers -> server
//! ```
//!
//! [`plan`] changes nothing and refuses what cannot succeed. What runs when is decided by `schedule`
//! (pure); how it runs, by `worker`. The authority for what an entry means and in which round it runs
//! is PostgreSQL's `pg_backup_archiver.c`.
//!
//! ```no_run
//! use pgark::connect::ConnectParams;
//! use pgark::progress::{Interrupt, silent};
//! use pgark::restore::{self, RestoreOptions};
//!
//! # async fn example() -> pgark::Result<()> {
//! let server = ConnectParams::parse("postgresql://postgres@db.example/postgres")?;
//! let options = RestoreOptions {
//!     create: true,
//!     jobs: 4,
//!     ..RestoreOptions::new("/backups/shop.dump", server)
//! };
//! let plan = restore::plan(options, silent()).await?;
//! println!("{plan}");
//! let report = plan.run(Interrupt::default()).await?;
//! // Statements that failed did not end the run; together they are one error.
//! report.partial().map_or(Ok(()), Err)
//! # }
//! ```

mod analyze;
mod clean;
mod cluster;
mod commit;
mod contents;
mod context;
mod create;
mod data;
mod decode;
mod inserts;
mod large_objects;
mod options;
mod plan;
mod preflight;
mod print;
mod report;
mod roles;
mod run;
mod schedule;
pub mod script;
mod sequences;
mod session;
mod split;
mod user_objects;
mod worker;

pub use cluster::{
    ClusterRestoreOptions, ClusterRestorePlan, ClusterRestoreReport, DatabaseStep, PlannedDatabase,
    plan_cluster,
};
pub use contents::{Contents, ContentsRequest};
pub(crate) use create::for_target as definition_for_target;
pub use options::{Manner, Mode, RestoreOptions, SessionSettings};
pub use plan::{PlanSummary, PlannedTable, RestorePlan, plan, plan_of};
pub use print::{PrintOptions, Times, print};
pub use report::{IgnoredError, RestoreReport, SequenceFinding, TableReport};
