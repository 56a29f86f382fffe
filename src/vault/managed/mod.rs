//! The managed restore: a backup in the place of a database, without ever losing that database.
//!
//! ```text
//!   ManagedOptions -> plan() -> ManagedPlan -> run() -> ManagedReport
//!                     lock, preflight,    side database, proof,
//!                     verification        fence, swap
//!
//!   settle() -> SettlePlan -> run()   finishes an earlier run, or takes it back
//! ```
//!
//! The backup is restored into a database beside the old one and proved there. Only then the old one is closed and
//! both are renamed in one transaction; the old one stays for a while. `machine` says what is done in which
//! order, from wherever a run was left; `journal` how the server itself remembers it; `steps` does them; `acts` has the single
//! statements and who may come in between; `retreat` is what happens when something fails.

mod acts;
mod found;
mod journal;
mod machine;
mod names;
mod options;
mod plan;
mod preflight;
mod properties;
mod report;
mod retreat;
mod room;
mod run;
mod server;
mod settle;
mod steps;
mod words;

pub use machine::{Stage, Step};
pub use names::Names;
pub use options::{KEEP_OLD, ManagedOptions};
pub use plan::{ManagedPlan, ManagedSummary, plan};
pub use report::{ManagedReport, Outcome};
pub use run::{Moment, Watch};
pub use settle::{Direction, SettlePlan, SettleSummary, settle};

pub use super::side::{Backup, InvalidId, Proof, RestoreId, Sessions};
