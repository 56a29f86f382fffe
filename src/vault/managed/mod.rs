//! The managed restore: a backup in the place of a database, without ever losing that database.
//!
//! ```text
//!   ManagedOptions -> plan() -> ManagedPlan -> run() -> ManagedReport
//!                     lock, preflight,    side database, proof,
//!                     verification        fence, swap
//!
//!   settle()          finishes an earlier run, or takes it back
//! ```
//!
//! The backup is restored into a database beside the old one and proved there. Only then the old one is closed and
//! both are renamed in one transaction; the old one stays for a while. `machine` says what is done in which
//! order, from wherever a run was left; `journal` how the server itself remembers it; `acts` what the single
//! statements are and who may come in between.

mod acts;
mod custody;
mod found;
mod journal;
mod machine;
mod names;
mod options;
mod plan;
mod preflight;
mod proof;
mod properties;
mod report;
mod run;
mod server;

pub use acts::Sessions;
pub use machine::{Stage, Step};
pub use names::{InvalidId, Names, RestoreId};
pub use options::{KEEP_OLD, ManagedOptions};
pub use plan::{Backup, ManagedPlan, ManagedSummary, contents_in_words, plan};
pub use report::{ManagedReport, Outcome, Proof};
pub use run::{Direction, Moment, Watch, settle};
