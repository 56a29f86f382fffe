//! Dumping a database: [`DumpOptions`] to [`DumpPlan`] to [`DumpReport`].
//!
//! ```text
//! plan():  locks, snapshot, catalogs -> entries; sizes -> pieces        (plan, split)
//! run():   keeper and workers read pieces from a queue                 (run, keep, work, queue)
//!          COPY text -> blocks -> fingerprint, compression -> archive  (block, sink)
//!          header, manifest                                            (describe)
//!          or a script, in order over one session                      (script)
//! ```
//!
//! A plan can be printed and refused; it already holds the locks and the snapshot, so what it says is
//! what will be dumped. Nothing appears under the output's name before everything is in it.

mod block;
mod cluster;
mod describe;
mod globals;
mod insert_shapes;
mod keep;
mod large_object_run;
mod large_object_sink;
mod large_object_stream;
mod large_object_text;
mod large_objects;
mod live;
mod options;
mod plan;
mod queue;
mod report;
mod run;
mod script;
mod sink;
mod split;
mod work;

pub use crate::store::Output;
pub use cluster::{ClusterDumpOptions, ClusterDumpPlan, ClusterDumpReport, plan_cluster};
pub use globals::{Globals, GlobalsOptions, PasswordChoice, globals};
pub use live::{LargeObjectBytes, LiveSource, RowsForm, RowsRead};
pub use options::{DumpContent, DumpOptions, Omissions};
pub use plan::{DumpPlan, PlanSummary, PlannedTableSummary, plan};
pub use report::{DumpReport, TableReport};
pub use split::{Piece, PieceRange, Source};
