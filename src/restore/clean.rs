//! `--clean`: what the archive will make is dropped first, in the opposite order.

use super::context::Context;
use super::large_objects;
use super::report::IgnoredError;
use super::script::wait;
use super::worker::Worker;
use crate::archive::statements::{drop_statement, is_database_entry};
use crate::connect::is_connection_lost;
use crate::error::Result;
use crate::progress::FailedPart;

/// Dropping a table locks it, its indexes, its TOAST table and what refers to it.
const LOCKS_PER_DROP: usize = 12;

/// Drops of one transaction.
const DROPS_TOGETHER: usize = 200;

/// Drops everything selected that has a drop statement; returns what could not be dropped.
pub(super) async fn drop_objects(
    worker: &mut Worker,
    context: &Context,
) -> Result<Vec<(usize, IgnoredError)>> {
    let mut drops = Vec::new();
    for (item, entry) in context.entries().iter().enumerate().rev() {
        let marks = context.marks[item];
        if marks.data && entry.desc == "BLOB METADATA" {
            drops.push((item, large_objects::drops(entry, context.options.if_exists)));
            continue;
        }
        if (marks.schema || marks.data)
            && !is_database_entry(entry)
            && let Some(statement) = drop_statement(entry, context.options.if_exists)
            && !statement.trim_start().starts_with("--")
        {
            drops.push((item, statement));
        }
    }
    if drops.is_empty() {
        return Ok(Vec::new());
    }
    context.progress.phase("drop", drops.len() as u64, 0);
    let mut ignored = Vec::new();
    let most = (context.target.lock_share / LOCKS_PER_DROP).clamp(1, DROPS_TOGETHER);
    for batch in drops.chunks(most) {
        context.interrupt.check()?;
        if !context.options.single_transaction && drop_together(worker, context, batch).await? {
            continue;
        }
        for (item, statement) in batch {
            let entry = context.entry(*item);
            let purpose = format!("drop {}", entry.describe());
            let dropped = worker.session.execute(&purpose, statement);
            let dropped = wait(&context.interrupt, &worker.canceller(), dropped).await?;
            let Err(error) = dropped else { continue };
            if context.options.stops_at_first_error()
                || is_connection_lost(&error)
                || context.interrupt.is_set()
            {
                context.tell_fatal(entry, FailedPart::Drop, statement, &error);
                return Err(error);
            }
            ignored.push((*item, context.tell(entry, FailedPart::Drop, statement, &error)));
        }
    }
    Ok(ignored)
}

/// Drops a batch in one transaction; tells whether that succeeded.
async fn drop_together(
    worker: &Worker,
    context: &Context,
    batch: &[(usize, String)],
) -> Result<bool> {
    let mut sql = String::from("BEGIN;\n");
    for (_, statement) in batch {
        sql.push_str(statement);
        sql.push('\n');
    }
    sql.push_str("COMMIT;\n");
    let purpose = format!("drop {} objects together", batch.len());
    // Somebody may be using what is to be dropped, and then it is waited for.
    let dropped = worker.session.execute(&purpose, &sql);
    match wait(&context.interrupt, &worker.canceller(), dropped).await? {
        Ok(()) => Ok(true),
        Err(error) if is_connection_lost(&error) => Err(error),
        Err(_) => {
            worker.session.execute("roll back", "ROLLBACK").await?;
            Ok(false)
        }
    }
}
