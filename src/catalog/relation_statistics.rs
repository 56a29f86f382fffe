//! What the planner knows about rows, from `pg_class` and `pg_stats` (`getRelationStatistics`,
//! `fetchAttributeStats` in `pg_dump.c`).

use std::collections::HashMap;

use super::{Reader, inconsistent, oid_array};
use crate::connect::Row;
use crate::error::Result;
use crate::model::relation_statistics::{COLUMN_FACTS, ColumnStatistics, RelationStatistics};
use crate::model::{Components, DumpId, Kind, Oid, ServerVersion};
use crate::sql::parse_array;

/// How many relations one query asks about: histograms are large, and are kept as text only once.
const RELATIONS_PER_QUERY: usize = 500;

/// Returns the columns of `pg_class`, under the alias `class`, that [`add`] takes from a row beside `relpages` when
/// statistics are wanted; they follow another column.
pub(super) fn columns(wanted: bool, version: ServerVersion, class: &str) -> String {
    if !wanted {
        return String::new();
    }
    let frozen = if version.has_all_frozen_count() {
        format!("{class}.relallfrozen")
    } else {
        "null::int4".to_owned()
    };
    format!(", {class}.reltuples, {class}.relallvisible, {frozen} as relallfrozen")
}

/// Adds the statistics of a relation when they are wanted; columns come with [`read_columns`].
///
/// `index_columns` is the array of an index's column names when it has expressions.
pub(super) fn add(
    reader: &mut Reader<'_>,
    row: &Row<'_>,
    relation: DumpId,
    relkind: char,
    index_columns: Option<&str>,
) -> Result<Option<DumpId>> {
    if !reader.options.statistics || !matches!(relkind, 'r' | 'p' | 'm' | 'f' | 'i' | 'I') {
        return Ok(None);
    }
    let name = reader.database.object(relation).name.clone();
    let tuples = row.text("reltuples")?;
    // Before 14 a 0 means "never looked at" as often as "empty", and the planner of 18 takes it for empty.
    let is_unknown = tuples == "0" && !reader.version().has_unknown_tuple_count();
    let statistics = RelationStatistics {
        relation,
        relkind,
        after_data: matches!(relkind, 'i' | 'I'),
        pages: row.integer("relpages")?,
        tuples: if is_unknown { "-1" } else { tuples }.to_owned(),
        all_visible: row.integer("relallvisible")?,
        all_frozen: match row.optional("relallfrozen") {
            None => None,
            Some(_) => Some(row.integer("relallfrozen")?),
        },
        index_columns: match index_columns {
            None => Vec::new(),
            Some(names) => parse_array(names)
                .ok_or_else(|| inconsistent(format!("index {name} has malformed columns")))?,
        },
        columns: Vec::new(),
    };
    let kind = Kind::RelationStatistics(Box::new(statistics));
    let id = reader.add_synthetic(name, relation, Components::all(), kind);
    let object = reader.database.object_mut(id);
    object.owner = None;
    object.available |= Components::STATISTICS;
    reader.database.depend(id, relation);
    Ok(Some(id))
}

/// The view decides what the role may see. The names are asked for once more by themselves, so that the
/// server looks them up instead of reading all statistics there are.
fn column_statistics(version: ServerVersion, oids: &str) -> String {
    let facts: Vec<String> = COLUMN_FACTS
        .iter()
        .map(|(fact, _)| {
            if fact.starts_with("range_") && !version.has_range_statistics() {
                format!("null as {fact}")
            } else {
                format!("s.{fact}")
            }
        })
        .collect();
    format!(
        "select c.oid, s.attname, {}
        from pg_catalog.unnest({oids}) with ordinality as wanted(oid, place)
        join pg_catalog.pg_class c on c.oid = wanted.oid
        join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        join pg_catalog.pg_stats s on s.schemaname = n.nspname and s.tablename = c.relname
        where s.tablename = any (array(
            select relname from pg_catalog.pg_class where oid = any ({oids})))
        order by wanted.place, s.attname, s.inherited",
        facts.join(", ")
    )
}

/// Reads the statistics of the columns of every relation whose statistics were added.
pub(super) async fn read_columns(reader: &mut Reader<'_>) -> Result<()> {
    let statistics: HashMap<Oid, DumpId> = reader
        .database
        .objects()
        .iter()
        .filter_map(|object| match &object.kind {
            Kind::RelationStatistics(statistics) => {
                Some((reader.database.object(statistics.relation).catalog_id.oid, object.id))
            }
            _ => None,
        })
        .collect();
    let mut oids: Vec<Oid> = statistics.keys().copied().collect();
    oids.sort_unstable();
    for oids in oids.chunks(RELATIONS_PER_QUERY) {
        let sql = column_statistics(reader.version(), &oid_array(oids.iter().copied()));
        let rows = reader.session.query("read statistics of columns", &sql).await?;
        for row in rows.iter() {
            let Some(&id) = statistics.get(&row.oid("oid")?) else { continue };
            let column = ColumnStatistics {
                name: row.text("attname")?.to_owned(),
                values: COLUMN_FACTS
                    .iter()
                    .map(|(fact, _)| row.optional(fact).map(str::to_owned))
                    .collect(),
            };
            if let Kind::RelationStatistics(statistics) = &mut reader.database.object_mut(id).kind {
                statistics.columns.push(column);
            }
        }
    }
    Ok(())
}
