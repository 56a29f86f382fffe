//! What is asked of the server and the repository before a backup is begun.
//!
//! Whether every table can be read, whether row security hides rows, whether a pooler is in front and whether
//! there are enough locks is asked by the plan of the dump.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};

use super::space::nearest;
use crate::catalog::ServerIdentity;
use crate::connect::{ConnectParams, Session};
use crate::error::{Error, ErrorKind, Result};

const FACTS: &str = "
select d.oid, pg_catalog.pg_database_size(d.oid) as bytes,
    pg_catalog.date_part('epoch', pg_catalog.clock_timestamp())::int8 as now,
    (select count(*) from pg_catalog.pg_class c where c.relkind in ('r', 'p') and c.oid >= 16384) as tables,
    pg_catalog.current_setting('max_connections')::int8
        + pg_catalog.current_setting('max_prepared_transactions')::int8 as transactions,
    pg_catalog.current_setting('max_locks_per_transaction')::int8 as locks
from pg_catalog.pg_database d where d.datname = pg_catalog.current_database()";

/// What the record of a backup says about its source, and the size that it is planned with.
#[derive(Debug, Clone)]
pub(super) struct SourceFacts {
    pub(super) database_oid: u32,
    pub(super) database_bytes: u64,
    pub(super) system_identifier: Option<String>,
    pub(super) server_version: String,
    pub(super) server: String,
    /// The server's clock.
    pub(super) now: DateTime<Utc>,
    /// The tables that a dump locks, one slot each.
    pub(super) tables: u64,
    /// The lock slots that one transaction may count on.
    pub(super) locks: u64,
    /// The transactions among which the slots are shared.
    pub(super) transactions: u64,
}

/// Clocks that are further apart than this cannot both be right, and one of them decides what has expired.
const CLOCK_TOLERANCE: TimeDelta = TimeDelta::hours(1);

impl SourceFacts {
    /// Asks the server.
    pub(super) async fn read(params: &ConnectParams) -> Result<SourceFacts> {
        let session = Session::connect(params).await?;
        let identity = ServerIdentity::ask(&session).await?;
        let rows = session.query("read the size of the database", FACTS).await?;
        let row = rows.single()?;
        let facts = SourceFacts {
            database_oid: row.oid("oid")?.0,
            database_bytes: row.integer("bytes")?,
            system_identifier: identity.system_identifier,
            server_version: session.version_text(),
            server: session.description().to_owned(),
            now: DateTime::from_timestamp(row.integer("now")?, 0).unwrap_or_default(),
            tables: row.integer("tables")?,
            locks: row.integer("locks")?,
            transactions: row.integer("transactions")?,
        };
        session.close().await;
        Ok(facts)
    }

    /// Says that there are few lock slots for the tables, when that is so.
    ///
    /// No more than that: a server has room beyond its settings, nobody knows how much, and a refusal must not be
    /// wrong. But when the slots run out they do so for everybody, and that is better known before.
    pub(super) fn lock_slots(&self) -> Option<String> {
        let SourceFacts { tables, locks, transactions, .. } = self;
        let slots = locks * transactions;
        // The rest is for everybody else.
        let needed = tables + tables / 4;
        (needed > slots).then(|| {
            let per_transaction = needed.div_ceil((*transactions).max(1));
            format!(
                "the dump locks {tables} tables, and the server has about {slots} lock slots for everybody: \
                 set max_locks_per_transaction to at least {per_transaction}"
            )
        })
    }

    /// Says how far the clock of this machine is from that of the server, when that is too far.
    pub(super) fn clock_difference(&self, here: DateTime<Utc>) -> Option<String> {
        let ahead = here - self.now;
        let minutes = ahead.num_minutes().abs();
        (ahead.abs() > CLOCK_TOLERANCE).then(|| {
            let word = if ahead > TimeDelta::zero() { "ahead of" } else { "behind" };
            format!("the clock of this machine is {minutes} minutes {word} that of the server")
        })
    }
}

/// Refuses a folder that cannot be written to, and one that cannot be made.
///
/// # Errors
///
/// [`ErrorKind::Refused`] with what the file system says about it.
pub(super) fn check_folder(folder: &Path) -> Result<()> {
    use rustix::fs::{Access, access};
    let existing = nearest(folder);
    if existing.is_dir() && access(existing, Access::WRITE_OK | Access::EXEC_OK).is_ok() {
        return Ok(());
    }
    let what = match std::fs::metadata(existing) {
        Ok(metadata) if metadata.is_dir() => format!(
            "mode {:o}, owner {}; this process runs as user {}",
            metadata.permissions().mode() & 0o7777,
            metadata.uid(),
            rustix::process::geteuid().as_raw()
        ),
        Ok(_) => "it is not a folder".to_owned(),
        Err(error) => error.to_string(),
    };
    let shown = existing.display();
    let message = format!("backups cannot be written to \"{}\"", folder.display());
    let cause = format!("\"{shown}\" cannot be written to: {what}");
    Err(Error::new(ErrorKind::Refused, message)
        .with_source(std::io::Error::other(cause))
        .with_hint("change its owner or mode, or name another folder with --repo"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_that_are_an_hour_apart_are_told() {
        let now = DateTime::from_timestamp(1_790_000_000, 0).expect("a moment");
        let facts = SourceFacts {
            database_oid: 1,
            database_bytes: 1,
            system_identifier: None,
            server_version: String::new(),
            server: String::new(),
            now,
            tables: 0,
            locks: 64,
            transactions: 100,
        };
        let said = |minutes| facts.clock_difference(now + TimeDelta::minutes(minutes));
        assert_eq!((said(60), said(-60)), (None, None));
        let clock = "the clock of this machine is";
        assert_eq!(said(61), Some(format!("{clock} 61 minutes ahead of that of the server")));
        assert_eq!(said(-999), Some(format!("{clock} 999 minutes behind that of the server")));
    }
}
