//! Which backups are kept: a policy, the calendar, and a reason for each decision.

mod due;
mod plan;
mod policy;

pub use due::due;
pub use plan::{Decision, Facts, Reason, Verdict, decide};
pub use policy::{Keep, Policy};
