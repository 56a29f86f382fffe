//! A plain script into a database, without psql: options, plan, report.
//!
//! ```text
//!   ScriptSource -> connect() -> plan() -> ScriptPlan -> run() -> ScriptReport
//!                    login       look at the target       feed -> Splitter -> server
//! ```
//!
//! Each statement is sent by itself, as psql does it, so the script means the same. What is different is
//! that the next ones do not wait for its answer, that rows of INSERT statements go together, and that
//! a script cannot do anything but talk to this server.
//!
//! ```no_run
//! use std::path::Path;
//!
//! use pgark::archive::script_reader::{Opened, ScriptSource};
//! use pgark::connect::ConnectParams;
//! use pgark::progress::{Interrupt, silent};
//! use pgark::restore::script::{self, ScriptOptions};
//!
//! # async fn example() -> pgark::Result<()> {
//! let Opened::Script(source) = ScriptSource::open(Path::new("/backups/shop.sql.gz"))? else {
//!     return Ok(());
//! };
//! let copy = ConnectParams::parse("postgresql://postgres@db.example/shop_copy")?;
//! let options = ScriptOptions { single_transaction: true, ..ScriptOptions::new(copy) };
//! let session = script::connect(&options).await?;
//! let plan = script::plan(options, source, session, silent()).await?;
//! let report = plan.run(Interrupt::default()).await?;
//! println!("{} of {} tables proved", report.proved_tables, report.expected_tables);
//! # Ok(())
//! # }
//! ```

mod database;
mod failure;
mod feed;
mod options;
mod plan;
mod report;
mod rows;
mod run;
mod statement;

pub use options::ScriptOptions;
pub use plan::{ScriptPlan, ScriptSummary, connect, plan};
pub use report::{ScriptFailure, ScriptReport};
pub(in crate::restore) use run::wait;
