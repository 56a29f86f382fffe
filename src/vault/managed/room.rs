//! Whether the server has room for a second database, where that can be seen: when it runs on this very host.
//!
//! No statement of SQL tells how much is free on a disk. A server on this host shows its processes, and the process of
//! our session under its number says that it is one; then its folder can be asked. A refusal must not be
//! wrong: what is refused is hopeless, and what is doubtful is told.

use std::path::{Path, PathBuf};

use bytesize::ByteSize;

use crate::connect::Session;
use crate::error::{Error, ErrorKind, Result};
use crate::sql::quote_literal_for_server;
use crate::vault::backup::free;

/// Rows take this part of their text on a disk at least, with values that compress very well.
const LEAST_SHARE: u64 = 4;

/// Returns how much is free where a database like the target is made; none when that cannot be seen from here.
pub(super) async fn free_beside(session: &Session, target: &str) -> Result<Option<u64>> {
    // Who may not see the setting gets no row.
    let sql = format!(
        "select s.setting as folder, pg_catalog.pg_backend_pid() as pid,
            coalesce((select pg_catalog.pg_tablespace_location(d.dattablespace)
                from pg_catalog.pg_database d where d.datname = {}), '') as tablespace
        from pg_catalog.pg_settings s where s.name = 'data_directory'",
        quote_literal_for_server(target)
    );
    let rows = session.query("ask where the databases lie", &sql).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    if !is_here(row.integer("pid")?) {
        return Ok(None);
    }
    // An absolute path of a tablespace takes the place of the folder.
    let folder: PathBuf = Path::new(row.text("folder")?).join(row.text("tablespace")?);
    Ok(folder.is_absolute().then(|| free(&folder)).flatten())
}

/// Tells whether the server's process of a number runs on this host, as far as this host shows processes.
fn is_here(pid: i32) -> bool {
    let title = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    title.starts_with(b"postgres: ")
}

/// Refuses what cannot succeed, and returns what should be known.
///
/// `target` is the size of the database that is there, `rows` that of the rows of the backup as text.
///
/// # Errors
///
/// [`ErrorKind::Refused`] with both numbers.
pub(super) fn check(
    free: Option<u64>,
    target: Option<u64>,
    rows: Option<u64>,
) -> Result<Option<String>> {
    let Some(free) = free else { return Ok(None) };
    let known = || [target, rows].into_iter().flatten();
    let (least, most) = (known().min().unwrap_or_default(), known().max().unwrap_or_default());
    if free < least / LEAST_SHARE {
        let what = format!(
            "there is no room for the restored database beside the old one: it takes {} at least, and {} are free",
            ByteSize(least / LEAST_SHARE),
            ByteSize(free)
        );
        return Err(Error::new(ErrorKind::Refused, what)
            .with_hint("make room on the server's disk; the databases of earlier restores are named *__old_* and *__undone_*")
            .with_hint("pgark restore -d loads the backup into a database on another server"));
    }
    Ok((free < most).then(|| {
        format!(
            "{} may be needed and {} are free: a full disk stops every database of the server",
            ByteSize(most),
            ByteSize(free)
        )
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hopeless_is_refused_and_the_doubtful_told() {
        assert_eq!(check(None, Some(u64::MAX), None).expect("unknown"), None);
        assert_eq!(check(Some(100), Some(50), Some(80)).expect("room"), None);
        let told = check(Some(100), Some(50), Some(300)).expect("perhaps").expect("told");
        assert!(told.contains("300 B may be needed and 100 B are free"), "{told}");
        let error = check(Some(100), Some(1000), Some(800)).expect_err("hopeless");
        assert_eq!(error.kind(), ErrorKind::Refused);
        assert!(error.message().contains("takes 200 B at least, and 100 B are free"), "{error}");
        // A database that was emptied by mistake says nothing about what the backup takes.
        assert!(check(Some(100), Some(8), Some(800)).expect("perhaps").is_some());
    }

    #[test]
    fn a_process_that_is_no_server_is_not_taken_for_one() {
        assert!(!is_here(i32::try_from(std::process::id()).expect("a number")));
        assert!(!is_here(i32::MAX));
    }
}
