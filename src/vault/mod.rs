//! The backup manager: backups that are kept, proved, and dropped by a policy.
//!
//! A [`Repository`] is a folder with a folder for each database, and in it one for each backup:
//!
//! ```text
//! REPOSITORY/shop/shop-daily-20260131T020000Z-4f09ac/     a backup; its name is its BackupId
//!                 archive/                                 a directory archive, as `pgark dump` writes it
//!                 globals.sql                              roles and tablespaces: mode 0600
//!                 backup.json                              the BackupRecord, written last
//!            history/ID.20260131T020113Z-verified-07c2e1.json   what happened to backups later
//! ```
//!
//! Every file is written once and never changed. What is known about a backup is its record and the events
//! that followed. Nothing here knows environment, clock or terminal: moments and random bytes are handed in.

pub mod backup;
mod backup_type;
pub mod check;
pub mod drill;
mod event;
mod id;
mod lineage;
pub mod managed;
pub mod prune;
mod record;
mod repository;
pub mod retention;
mod sealed;
mod seed;
mod side;
pub mod status;
mod summary;

pub use backup_type::{BackupType, Period, Tier};
pub use event::{Event, EventKind, Proof};
pub use id::{BackupId, InvalidBackupId};
pub use lineage::{Line, Lineage};
pub use record::{BackupRecord, Excluded, RECORD_VERSION, SourceRecord};
pub use repository::{
    Choice, DatabaseLock, Listing, Part, Reading, Repository, StoredBackup, Unreadable, Wanted,
    Which, Worker, archive_in,
};
pub use seed::Seed;
pub use summary::BackupSummary;
