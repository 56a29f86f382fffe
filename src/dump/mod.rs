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
//!
//! ```no_run
//! use chrono::Local;
//! use pgark::archive::ArchiveFormat;
//! use pgark::connect::ConnectParams;
//! use pgark::dump::{self, DumpContent, DumpOptions};
//! use pgark::progress::{Interrupt, silent};
//! use pgark::select::{SelectionRequest, TablePattern};
//!
//! # async fn example() -> pgark::Result<()> {
//! let shop = ConnectParams::parse("postgresql://backup@db.example/shop")?;
//! let options = DumpOptions {
//!     format: ArchiveFormat::Custom,
//!     compression: "zstd:9".parse()?,
//!     content: DumpContent::EVERYTHING,
//!     selection: SelectionRequest {
//!         schemas: vec!["sales".to_owned()],
//!         exclude_table_data: vec![TablePattern::new("sales.log*")],
//!         ..SelectionRequest::default()
//!     },
//!     ..DumpOptions::new(shop, "/backups/sales.dump", Local::now())
//! };
//! let interrupt = Interrupt::default();
//! let plan = dump::plan(options, silent(), &interrupt).await?;
//! for table in &plan.summary().tables {
//!     println!("{}.{}: {} bytes on disk", table.schema, table.name, table.bytes);
//! }
//! let report = plan.run(interrupt).await?;
//! # Ok(())
//! # }
//! ```

mod block;
mod broken_copy;
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
pub use broken_copy::BrokenCopy;
pub use cluster::{ClusterDumpOptions, ClusterDumpPlan, ClusterDumpReport, plan_cluster};
pub use globals::{Globals, GlobalsOptions, PasswordChoice, globals};
pub use live::{LargeObjectBytes, LiveSource, RowsForm, RowsRead};
pub use options::{DumpContent, DumpOptions, Omissions};
pub use plan::{DumpPlan, PlanSummary, PlannedTableSummary, plan};
pub use report::{DumpReport, TableReport};
pub use split::{Piece, PieceRange, Source};
