//! Triggers, from `pg_trigger` (`getTriggers` in `pg_dump.c`).

use super::{Reader, oid_array};
use crate::error::Result;
use crate::model::trigger::Trigger;
use crate::model::{Components, Kind, Oid, ServerVersion};

/// Of a partition's clones only those matter whose state is not that of the trigger they come from.
///
/// Up to 14 clones are internal triggers; 12 says what they come from only in `pg_depend`. From 15 on
/// also the internal triggers of a partition's foreign keys have parents, so their states are told as
/// well, by names that hold an oid of the source. That is pg_dump's text, although no restore can
/// carry it out.
fn triggers(version: ServerVersion, oids: &str) -> String {
    let (clone, parent, condition) = if version.has_visible_trigger_clones() {
        (
            "t.tgparentid <> 0",
            "left join pg_catalog.pg_trigger u on u.oid = t.tgparentid",
            "(not t.tgisinternal and t.tgparentid = 0) or t.tgenabled <> u.tgenabled",
        )
    } else if version.has_trigger_parent() {
        (
            "t.tgisinternal",
            "left join pg_catalog.pg_trigger u on u.oid = t.tgparentid",
            "not t.tgisinternal or t.tgenabled <> u.tgenabled",
        )
    } else {
        (
            "t.tgisinternal",
            "left join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass
                and d.refclassid = 'pg_catalog.pg_trigger'::pg_catalog.regclass and d.objid = t.oid
            left join pg_catalog.pg_trigger u on u.oid = d.refobjid",
            "not t.tgisinternal or t.tgenabled <> u.tgenabled",
        )
    };
    format!(
        "select t.tableoid, t.oid, t.tgrelid, t.tgname, t.tgenabled, {clone} as is_clone,
            t.tgisinternal,
            pg_catalog.pg_get_triggerdef(t.oid, false) as definition
        from pg_catalog.unnest({oids}) as wanted(oid)
        join pg_catalog.pg_trigger t on t.tgrelid = wanted.oid
        {parent}
        where {condition}
        order by t.tgrelid, t.tgname"
    )
}

/// Returns the question about triggers, if any relation that is dumped has some.
pub(super) fn question(reader: &Reader<'_>) -> Option<String> {
    let oids: Vec<Oid> = reader
        .database
        .objects()
        .iter()
        .filter(|object| object.wanted.contains(Components::DEFINITION))
        .filter(|object| matches!(&object.kind, Kind::Table(table) if table.has_triggers))
        .map(|object| object.catalog_id.oid)
        .collect();
    (!oids.is_empty()).then(|| triggers(reader.version(), &oid_array(oids)))
}

pub(super) async fn read_triggers(reader: &mut Reader<'_>) -> Result<()> {
    let Some(sql) = question(reader) else { return Ok(()) };
    let clones_are_visible = reader.version().has_visible_trigger_clones();
    let rows = reader.ask("read triggers", &sql).await?;
    for row in rows.iter() {
        let Some(&table) = reader.tables.get(&row.oid("tgrelid")?) else { continue };
        let trigger = Trigger {
            table,
            enabled: row.character("tgenabled")?,
            partition_clone: row.boolean("is_clone")?,
            of_foreign_key: clones_are_visible && row.boolean("tgisinternal")?,
            definition: row.text("definition")?.to_owned(),
        };
        let name = row.text("tgname")?.to_owned();
        reader.add_part(&row, name, table, Components::all(), Kind::Trigger(trigger))?;
    }
    Ok(())
}
