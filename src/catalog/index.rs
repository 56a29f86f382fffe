//! Indexes and the constraints that stand on them, from `pg_index` (`getIndexes` in `pg_dump.c`,
//! `flagInhIndexes` in `common.c`).

use super::inheritance::interesting_oids;
use super::{Reader, inconsistent, oid_array, relation_statistics};
use crate::connect::Row;
use crate::error::Result;
use crate::model::constraint::{Constraint, ConstraintOwner};
use crate::model::index::{Index, IndexAttach};
use crate::model::{CatalogId, Components, DumpId, Kind, Oid, ServerVersion};
use crate::sql::{parse_array, parse_options};

/// The definition of an index behind a constraint is not asked for, because the constraint is what is written.
/// What few indexes have is looked up for these alone; only columns that are expressions have statistics
/// targets. For thousands of tables each of this saves a quarter of the time that the server needs for it.
///
/// An index that was never completed is left out, except that of a partitioned table, which waits for
/// the indexes of its partitions.
fn indexes(version: ServerVersion, with_statistics: bool, oids: &str) -> String {
    let nulls_not_distinct =
        if version.has_nulls_not_distinct() { "i.indnullsnotdistinct" } else { "false" };
    let period = if version.has_temporal_constraints() { "c.conperiod" } else { "false" };
    let statistics = relation_statistics::columns(with_statistics, version, "t");
    format!(
        "select i.indexrelid::pg_catalog.int4 as oid, t.relname, i.indrelid::pg_catalog.int4, t.relpages{statistics},
            i.indkey, i.indnkeyatts, i.indnatts, i.indisclustered, i.indisreplident,
            {nulls_not_distinct} as nulls_not_distinct, t.reloptions,
            case when c.oid is null then pg_catalog.pg_get_indexdef(i.indexrelid) end as definition,
            case when t.reltablespace <> 0 then (
                select s.spcname from pg_catalog.pg_tablespace s
                where s.oid = t.reltablespace) end as tablespace,
            case when i.indexprs is not null then array(
                select a.attname from pg_catalog.pg_attribute a
                where a.attrelid = i.indexrelid order by a.attnum) end as column_names,
            case when i.indexprs is not null then array(
                select a.attnum from pg_catalog.pg_attribute a
                where a.attrelid = i.indexrelid and a.attnum > 0 and a.attstattarget >= 0
                order by a.attnum) end as statistics_columns,
            case when i.indexprs is not null then array(
                select a.attstattarget from pg_catalog.pg_attribute a
                where a.attrelid = i.indexrelid and a.attnum > 0 and a.attstattarget >= 0
                order by a.attnum) end as statistics_values,
            c.oid::pg_catalog.int4 as constraint_oid, c.contype, c.conname,
            c.condeferrable, c.condeferred, {period} as conperiod,
            case when c.contype = 'x' then pg_catalog.pg_get_constraintdef(c.oid, false) end as constraint_definition
        from pg_catalog.unnest({oids}) as wanted(oid)
        join pg_catalog.pg_index i on i.indrelid = wanted.oid
        join pg_catalog.pg_class t on t.oid = i.indexrelid
        left join pg_catalog.pg_constraint c on c.conrelid = i.indrelid and c.conindid = i.indexrelid
            and c.contype in ('p', 'u', 'x')
        where (i.indisvalid or t.relkind = 'I') and i.indisready
        order by i.indrelid, t.relname"
    )
}

/// Returns the question about the indexes of the relations that matter, if any has some.
pub(super) fn question(reader: &Reader<'_>) -> Option<String> {
    let oids = interesting_oids(reader, |table| table.has_indexes);
    let with_statistics = reader.options.statistics;
    (!oids.is_empty()).then(|| indexes(reader.version(), with_statistics, &oid_array(oids)))
}

pub(super) async fn read_indexes(reader: &mut Reader<'_>) -> Result<()> {
    let Some(sql) = question(reader) else { return Ok(()) };
    let rows = reader.ask("read indexes", &sql).await?;
    // A constraint stands on most of them.
    reader.database.expect(2 * rows.len());
    let mut parents: Vec<(DumpId, Oid)> = Vec::new();
    for row in rows.iter() {
        let Some(&table) = reader.tables.get(&row.oid("indrelid")?) else { continue };
        let name = row.text("relname")?.to_owned();
        let oid = row.oid("oid")?;
        let parent = reader.index_parents.get(&oid).copied();
        let mut index = index(&row, table, &name)?;
        index.has_parent = parent.is_some();
        let wanted = reader.database.object(table).wanted;
        let kind = Kind::Index(Box::new(index));
        let id = reader.add_part_at(CatalogId::relation(oid), name, table, wanted, kind);
        if let Some(table) = reader.database.table_mut(table) {
            table.indexes.push(id);
        }
        parents.extend(parent.map(|parent| (id, parent)));
        let relkind = if parent.is_some() { 'I' } else { 'i' };
        let names = row.optional("column_names");
        let statistics = relation_statistics::add(reader, &row, id, relkind, names)?;
        if row.optional("contype").is_some() {
            let constraint = add_constraint(reader, &row, table, id)?;
            if let Some(statistics) = statistics {
                reader.database.depend(statistics, constraint);
            }
        }
    }
    link_parents(reader, parents);
    add_attachments(reader);
    Ok(())
}

fn index(row: &Row<'_>, table: DumpId, name: &str) -> Result<Index> {
    let malformed = |what: &str| inconsistent(format!("index {name} has malformed {what}"));
    let numbers = |column: &str| -> Result<Vec<i32>> {
        let Some(text) = row.optional(column) else { return Ok(Vec::new()) };
        parse_array(text)
            .and_then(|items| items.iter().map(|item| item.parse().ok()).collect())
            .ok_or_else(|| malformed("statistics targets"))
    };
    let keys: Option<Vec<i32>> =
        row.text("indkey")?.split_ascii_whitespace().map(|key| key.parse().ok()).collect();
    let keys = keys.ok_or_else(|| malformed("columns"))?;
    if row.integer::<usize>("indnatts")? != keys.len() {
        return Err(malformed("columns"));
    }
    Ok(Index {
        table,
        definition: row.optional("definition").unwrap_or_default().to_owned(),
        tablespace: row.optional("tablespace").unwrap_or_default().to_owned(),
        options: match row.optional("reloptions") {
            None => Vec::new(),
            Some(text) => parse_options(text).ok_or_else(|| malformed("options"))?,
        },
        key_count: row.integer::<usize>("indnkeyatts")?.min(keys.len()),
        keys,
        clustered: row.boolean("indisclustered")?,
        replica_identity: row.boolean("indisreplident")?,
        nulls_not_distinct: row.boolean("nulls_not_distinct")?,
        statistics_targets: numbers("statistics_columns")?
            .into_iter()
            .zip(numbers("statistics_values")?)
            .collect(),
        has_parent: false,
        parent: None,
        constraint: None,
        attached: Vec::new(),
    })
}

/// Adds the primary key, unique or exclusion constraint that an index stands behind.
fn add_constraint(
    reader: &mut Reader<'_>,
    row: &Row<'_>,
    table: DumpId,
    index: DumpId,
) -> Result<DumpId> {
    let constraint = Constraint {
        owner: ConstraintOwner::Table(table),
        contype: row.character("contype")?,
        definition: row.optional("constraint_definition").unwrap_or_default().to_owned(),
        index: Some(index),
        deferrable: row.boolean("condeferrable")?,
        deferred: row.boolean("condeferred")?,
        period: row.boolean("conperiod")?,
        local: true,
        validated: true,
        separate: true,
    };
    let wanted = reader.database.object(table).wanted;
    let name = row.text("conname")?.to_owned();
    let place = CatalogId::constraint(row.oid("constraint_oid")?);
    let id = reader.add_part_at(place, name, table, wanted, Kind::Constraint(Box::new(constraint)));
    if let Kind::Index(index) = &mut reader.database.object_mut(index).kind {
        index.constraint = Some(id);
    }
    Ok(id)
}

/// Links every index to the partitioned index above it, as far as that was read.
fn link_parents(reader: &mut Reader<'_>, parents: Vec<(DumpId, Oid)>) {
    for (id, parent) in parents {
        let class = reader.database.object(id).catalog_id.class;
        let parent = reader.database.find(CatalogId { class, oid: parent });
        if let Kind::Index(index) = &mut reader.database.object_mut(id).kind {
            index.parent = parent;
        }
    }
}

/// Adds `ALTER INDEX ... ATTACH PARTITION` for the indexes of partitions, table by table.
fn add_attachments(reader: &mut Reader<'_>) {
    let partitions: Vec<DumpId> = reader
        .database
        .objects()
        .iter()
        .filter_map(|object| match &object.kind {
            Kind::Table(table) if table.is_partition && !table.parents.is_empty() => {
                Some(table.indexes.iter().copied())
            }
            _ => None,
        })
        .flatten()
        .collect();
    for partition in partitions {
        let object = reader.database.object(partition);
        let name = object.name.clone();
        let Kind::Index(index) = &object.kind else { continue };
        let Some(parent) = index.parent else { continue };
        let table = index.table;
        let parent_object = reader.database.object(parent);
        let Kind::Index(parent_index) = &parent_object.kind else { continue };
        let parent_table = parent_index.table;
        let attach = Kind::IndexAttach(IndexAttach { parent, partition });
        let id = reader.add_synthetic(name, partition, Components::all(), attach);
        // The catalogs know nothing of this object, so everything it needs is said here.
        for needed in [partition, parent, table, parent_table] {
            reader.database.depend(id, needed);
        }
        if let Kind::Index(parent) = &mut reader.database.object_mut(parent).kind {
            parent.attached.push(id);
        }
    }
}
