//! Subscriptions of the current database, from `pg_subscription` (`getSubscriptions` in `pg_dump.c`).
//!
//! The catalog holds passwords, so only superusers may read it.

use super::value::{array, optional};
use super::{Found, Reader};
use crate::error::Result;
use crate::model::subscription::Subscription;
use crate::model::{Kind, ServerVersion};

const COUNT: &str = "select count(*) as found from pg_catalog.pg_subscription s
    where s.subdbid = (select d.oid from pg_catalog.pg_database d
        where d.datname = current_database())";

fn query(version: ServerVersion) -> String {
    let since = |known: bool, column: &'static str, before: &'static str| {
        if known { format!("s.{column}") } else { format!("{before} as {column}") }
    };
    let streaming = version.has_subscription_streaming();
    let two_phase = version.has_subscription_two_phase();
    let origin = version.has_subscription_origin();
    let columns = [
        since(streaming, "subbinary", "false"),
        since(streaming, "substream", "'f'"),
        since(two_phase, "subtwophasestate", "'d'"),
        since(two_phase, "subdisableonerr", "false"),
        since(origin, "subpasswordrequired", "true"),
        // What a subscription did before 16, so the option is needed to keep it that way.
        since(origin, "subrunasowner", "true"),
        since(origin, "suborigin", "'any'"),
        since(version.has_subscription_failover(), "subfailover", "false"),
    ];
    format!(
        "select s.tableoid, s.oid, s.subname, s.subowner, s.subconninfo, s.subslotname,
            s.subpublications, s.subsynccommit, {}
        from pg_catalog.pg_subscription s
        where s.subdbid = (select d.oid from pg_catalog.pg_database d
            where d.datname = current_database())",
        columns.join(", ")
    )
}

pub(super) async fn read_subscriptions(reader: &mut Reader<'_>) -> Result<()> {
    if reader.session.parameter("is_superuser").as_deref() != Some("on") {
        let rows = reader.session.query("count subscriptions", COUNT).await?;
        if rows.single()?.integer::<i64>("found")? > 0 {
            reader.warn(
                "subscriptions not dumped because current user is not a superuser".to_owned(),
            );
        }
        return Ok(());
    }
    let rows = reader.session.query("read subscriptions", &query(reader.version())).await?;
    for row in rows.iter() {
        let found = Found::new(&row, "subname")?.owned(&row, "subowner")?;
        let wanted = reader.selection.outside_schemas();
        let subscription = Subscription {
            connection: row.text("subconninfo")?.to_owned(),
            slot_name: optional(&row, "subslotname"),
            publications: array(&row, "subpublications")?,
            binary: row.boolean("subbinary")?,
            streaming: row.character("substream")?,
            two_phase: row.character("subtwophasestate")?,
            disable_on_error: row.boolean("subdisableonerr")?,
            password_required: row.boolean("subpasswordrequired")?,
            run_as_owner: row.boolean("subrunasowner")?,
            failover: row.boolean("subfailover")?,
            synchronous_commit: row.text("subsynccommit")?.to_owned(),
            origin: row.text("suborigin")?.to_owned(),
        };
        reader.add(found, wanted, Kind::Subscription(Box::new(subscription)))?;
    }
    Ok(())
}
