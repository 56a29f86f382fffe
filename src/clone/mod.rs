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
//!
//! ```no_run
//! use chrono::Local;
//! use pgark::clone::CloneSource;
//! use pgark::connect::ConnectParams;
//! use pgark::dump::{DumpOptions, Output};
//! use pgark::progress::{Interrupt, silent};
//! use pgark::restore::RestoreOptions;
//!
//! # async fn example() -> pgark::Result<()> {
//! let interrupt = Interrupt::default();
//! let old = ConnectParams::parse("postgresql://postgres@old.example/shop")?;
//! let new = ConnectParams::parse("postgresql://postgres@new.example/shop")?;
//! let options = DumpOptions::new(old, Output::Stdout, Local::now());
//! let source = CloneSource::open(options, true, silent(), &interrupt).await?;
//! let plan = source.plan_into(RestoreOptions::new("", new)).await?;
//! let report = plan.run(interrupt).await?;
//! assert!(report.proof.is_some_and(|proof| proof.is_sound()));
//! # Ok(())
//! # }
//! ```

mod large_objects;
mod plan;
mod reader;
mod report;
mod rows;

pub use plan::{ClonePlan, CloneSource};
pub use report::CloneReport;
