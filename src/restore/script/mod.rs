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
