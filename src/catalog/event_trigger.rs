//! Event triggers, from `pg_event_trigger` (`getEventTriggers` in `pg_dump.c`).

use super::value::array;
use super::{Found, Reader};
use crate::error::Result;
use crate::model::Kind;
use crate::model::event_trigger::EventTrigger;

pub(super) const QUERY: &str =
    "select e.tableoid, e.oid, e.evtname, e.evtowner, e.evtevent, e.evttags,
        e.evtfoid::pg_catalog.regproc as function, e.evtenabled
    from pg_catalog.pg_event_trigger e
    order by e.oid";

pub(super) async fn read_event_triggers(reader: &mut Reader<'_>) -> Result<()> {
    let rows = reader.ask("read event triggers", QUERY).await?;
    for row in rows.iter() {
        let found = Found::new(&row, "evtname")?.owned(&row, "evtowner")?;
        let wanted = reader.selection.outside_schemas();
        let trigger = EventTrigger {
            event: row.text("evtevent")?.to_owned(),
            tags: array(&row, "evttags")?,
            function: row.text("function")?.to_owned(),
            enabled: row.character("evtenabled")?,
        };
        reader.add(found, wanted, Kind::EventTrigger(Box::new(trigger)))?;
    }
    Ok(())
}
