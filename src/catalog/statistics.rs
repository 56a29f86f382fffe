//! Extended statistics, from `pg_statistic_ext` (`getExtendedStatistics` in `pg_dump.c`).

use super::{Found, Reader, oid_array};
use crate::error::Result;
use crate::model::statistics::Statistics;
use crate::model::{Components, Kind, Oid, ServerVersion};

fn statistics(version: ServerVersion) -> String {
    let target = if version.has_statistics_target() { "stxstattarget" } else { "null::int4" };
    format!(
        "select tableoid, oid, stxrelid, stxname, stxnamespace, stxowner, {target} as target
        from pg_catalog.pg_statistic_ext"
    )
}

fn definitions(oids: &str) -> String {
    format!(
        "select wanted.oid, pg_catalog.pg_get_statisticsobjdef(wanted.oid) as definition
        from pg_catalog.unnest({oids}) as wanted(oid)"
    )
}

pub(super) async fn read_statistics(reader: &mut Reader<'_>) -> Result<()> {
    let sql = statistics(reader.version());
    let rows = reader.session.query("read extended statistics", &sql).await?;
    let mut wanted_oids = Vec::new();
    for row in rows.iter() {
        let found = Found::new(&row, "stxname")?
            .in_schema(&row, "stxnamespace")?
            .owned(&row, "stxowner")?;
        let oid = found.catalog_id.oid;
        let table = reader.tables.get(&row.oid("stxrelid")?).copied();
        // Without its table a statistics object cannot be made, wherever it lives.
        let table_is_wanted = table.is_some_and(|table| {
            reader.database.object(table).wanted.contains(Components::DEFINITION)
        });
        let wanted = if table_is_wanted {
            reader.wanted_in_schema(row.oid("stxnamespace")?)?
        } else {
            Components::empty()
        };
        let target = match row.optional("target") {
            None => None,
            Some(_) => Some(row.integer::<i32>("target")?).filter(|target| *target >= 0),
        };
        let statistics = Statistics { table, definition: String::new(), target };
        let id = reader.add(found, wanted, Kind::Statistics(statistics))?;
        if reader.database.object(id).wanted.contains(Components::DEFINITION) {
            wanted_oids.push((oid, id));
        }
    }
    if wanted_oids.is_empty() || !reader.options.schema {
        return Ok(());
    }
    let oids: Vec<Oid> = wanted_oids.iter().map(|(oid, _)| *oid).collect();
    let sql = definitions(&oid_array(oids));
    let rows = reader.session.query("read definitions of extended statistics", &sql).await?;
    let ids: std::collections::HashMap<Oid, _> = wanted_oids.into_iter().collect();
    for row in rows.iter() {
        let Some(&id) = ids.get(&row.oid("oid")?) else { continue };
        if let Kind::Statistics(statistics) = &mut reader.database.object_mut(id).kind {
            statistics.definition = row.text("definition")?.to_owned();
        }
    }
    Ok(())
}
