//! pgark dumps, restores and proves PostgreSQL databases without any client tool.
//!
//! The verbs of the command are functions here, each from *options* to a *plan* to a *report*: the plan can
//! be looked at, printed and refused, and only then it runs. Nothing is read from the environment, nothing is
//! printed, and no clock but the one that is handed in: the library serves a daemon, a test and a command
//! alike. What happens on the way is told to a [`progress::Progress`]; an [`progress::Interrupt`] stops it
//! from another task and leaves nothing half-done.
//!
//! ```no_run
//! use chrono::Local;
//! use pgark::connect::ConnectParams;
//! use pgark::progress::{Interrupt, silent};
//! use pgark::{dump, restore, verify};
//!
//! # async fn example() -> pgark::Result<()> {
//! let interrupt = Interrupt::default();
//! let shop = ConnectParams::parse("postgresql://backup@db.example/shop")?;
//!
//! // A directory archive with a manifest, read over four connections in one snapshot.
//! let options = dump::DumpOptions {
//!     jobs: 4,
//!     ..dump::DumpOptions::new(shop, "/backups/shop", Local::now())
//! };
//! let plan = dump::plan(options, silent(), &interrupt).await?;
//! println!("{plan}");
//! let dumped = plan.run(interrupt.clone()).await?;
//! println!("{} rows in {} tables", dumped.rows, dumped.tables.len());
//!
//! // Every byte of it, against checksums and fingerprints.
//! let options = verify::VerifyOptions::new("/backups/shop");
//! let verified = verify::plan(options, silent())?.run(&interrupt).await?;
//! assert!(verified.is_sound(), "{:?}", verified.findings);
//!
//! // Into an empty database; rows are compared with the manifest before they are kept.
//! let copy = ConnectParams::parse("postgresql://postgres@db.example/shop_copy")?;
//! let options = restore::RestoreOptions {
//!     jobs: 4,
//!     ..restore::RestoreOptions::new("/backups/shop", copy)
//! };
//! let restored = restore::plan(options, silent()).await?.run(interrupt).await?;
//! assert!(restored.ignored.is_empty());
//! # Ok(())
//! # }
//! ```
//!
//! | verb | module | begins with |
//! |---|---|---|
//! | `dump` | [`dump`] | [`dump::plan`], [`dump::plan_cluster`] |
//! | `restore` | [`restore`] | [`restore::plan`], [`restore::script::plan`], [`restore::print`] |
//! | `verify` | [`verify`] | [`verify::plan`] |
//! | `inspect` | [`inspect`] | [`archive::open`] |
//! | `clone` | [`clone`] | [`clone::CloneSource::open`] |
//! | `backup`, `list` ... | [`vault`] | [`vault::Repository`] |
//!
//! A further archive format is a file of [`archive`]: an implementation of [`archive::ArchiveWriter`] or
//! [`archive::ArchiveReader`] and its arm in [`archive::create`] or [`archive::open`]. Everything else works
//! with the traits.
//!
//! A module imports lower layers, its own children and nothing else:
//!
//! ```text
//! layer 6   cli
//! layer 4   clone   vault
//! layer 3   dump   restore   verify   inspect
//! layer 2   catalog
//! layer 1   connect   select   ddl   order   archive
//! layer 0   sql   model   codec   store        (error and progress serve everybody)
//! ```

pub mod archive;
pub mod catalog;
pub mod cli;
pub mod clone;
pub mod codec;
pub mod connect;
pub mod ddl;
pub mod dump;
pub mod error;
pub mod inspect;
pub mod model;
pub mod order;
pub mod progress;
pub mod restore;
pub mod select;
pub mod sql;
pub mod store;
pub mod vault;
pub mod verify;

pub use error::{Error, ErrorKind, Result};
