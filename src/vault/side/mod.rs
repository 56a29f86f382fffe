//! A database beside those in use: what the managed restore and the drill have in common.
//!
//! Both create a database of their own, restore into it, prove it and may have to drop it, on a server where others
//! do the same. So both have one session in `custody` that holds a lock, names with an id at the end, a proof, and
//! the same care for subscriptions when something is dropped.

mod custody;
mod databases;
mod discard;
mod gaps;
mod id;
mod opened;
mod proof;
mod sessions;
mod transaction;

use std::path::Path;

pub(in crate::vault) use custody::Custody;
pub(in crate::vault) use databases::{FoundDatabase, databases};
pub(in crate::vault) use discard::{drop_database, is_bare, subscriptions};
#[cfg(test)]
pub(in crate::vault) use id::NAME_BYTES;
pub use id::{InvalidId, RestoreId};
pub(in crate::vault) use id::{fitting, id_behind};
pub use opened::Backup;
pub(in crate::vault) use opened::OpenedArchive;
pub use proof::Proof;
pub(in crate::vault) use proof::{Claim, prove};
pub use sessions::Sessions;
pub(in crate::vault) use sessions::{connected, end_sessions, refuse_connected};
pub(in crate::vault) use transaction::{door, in_transaction};

use crate::connect::ConnectParams;
use crate::restore::RestoreOptions;

/// Returns how an archive is restored into a database of our own.
pub(in crate::vault) fn restore_options(
    archive: &Path,
    connection: ConnectParams,
) -> RestoreOptions {
    RestoreOptions {
        detach_subscriptions: true,
        // What failed is no restored database, however little it was.
        exit_on_error: true,
        ..RestoreOptions::new(archive, connection)
    }
}
