//! Is the archive whole, and is a database equal to it: options, plan, report.
//!
//! [`plan`] opens the archive and says what will be checked; [`VerifyPlan::run`] checks it and returns
//! a [`VerifyReport`] whose findings name what is wrong with what. A finding is a result, not a
//! failure: only what keeps the checks from being made is an error.
//!
//! ```no_run
//! use pgark::connect::ConnectParams;
//! use pgark::progress::{Interrupt, silent};
//! use pgark::verify::{self, VerifyOptions};
//!
//! # async fn example() -> pgark::Result<()> {
//! let copy = ConnectParams::parse("postgresql://postgres@db.example/shop_copy")?;
//! let options = VerifyOptions { against: Some(copy), ..VerifyOptions::new("/backups/shop") };
//! let report = verify::plan(options, silent())?.run(&Interrupt::default()).await?;
//! for finding in &report.findings {
//!     println!("{}: {}", finding.subject, finding.what);
//! }
//! # Ok(())
//! # }
//! ```

mod against;
mod cluster;
mod large_objects;
mod options;
mod plan;
mod recorded;
mod report;
mod script;

pub use cluster::verify_cluster;
pub use options::{Depth, VerifyOptions};
pub use plan::{VerifyPlan, compare_manifest, plan, plan_script};
pub use report::{Finding, VerifyReport};
