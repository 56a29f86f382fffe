//! Which relations have their rows, values or contents dumped (`getTableData`, `makeTableDataInfo`,
//! `processExtensionTables`, `getPartitioningInfo`, `buildMatViewRefreshDependencies` in `pg_dump.c`).

use std::collections::HashMap;

use super::Reader;
use super::table::mark_interesting;
use crate::error::Result;
use crate::model::table::Table;
use crate::model::{CatalogId, Components, DumpId, Kind, Oid};

/// Foreign keys that reference tables of extensions: rows must be loaded in their order.
const EXTENSION_FOREIGN_KEYS: &str = "select c.conrelid, c.confrelid
    from pg_catalog.pg_constraint c
    join pg_catalog.pg_depend d on d.objid = c.confrelid
    where c.contype = 'f'
      and d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
      and d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass";

/// Adds the rows of the configuration tables of extensions.
pub(super) async fn add_extension_data(reader: &mut Reader<'_>) -> Result<()> {
    let mut added = false;
    for (table, filter) in configuration_tables(reader) {
        added |= add(reader, table, filter).is_some();
    }
    if added {
        let query = reader.session.query("read foreign keys of extensions", EXTENSION_FOREIGN_KEYS);
        for row in query.await?.iter() {
            let data = |oid: Oid| {
                let table = reader.tables.get(&oid)?;
                reader.database.table(*table)?.data
            };
            let referencing = data(row.oid("conrelid")?);
            let referenced = data(row.oid("confrelid")?);
            if let (Some(referencing), Some(referenced)) = (referencing, referenced) {
                reader.database.depend(referencing, referenced);
            }
        }
    }
    Ok(())
}

/// Returns the wanted configuration tables with the conditions on their rows.
///
/// They belong to their extension's definition; without that they are dumped where their table is named
/// or where the data of their schema is wanted.
fn configuration_tables(reader: &Reader<'_>) -> Vec<(DumpId, String)> {
    let selection = reader.selection;
    let mut tables = Vec::new();
    for object in reader.database.objects() {
        let Kind::Extension(extension) = &object.kind else { continue };
        let oid = object.catalog_id.oid;
        let listed = selection.extensions.as_ref().is_none_or(|listed| listed.contains(&oid));
        if !listed || selection.excluded_extensions.contains(&oid) {
            continue;
        }
        for (table_oid, condition) in &extension.configuration {
            let Some(&table) = reader.tables.get(table_oid) else { continue };
            let schema = schema_of(reader, table);
            let named = selection.tables.as_ref().is_some_and(|named| named.contains(table_oid));
            let wanted = object.wanted.contains(Components::DEFINITION)
                || named
                || schema.is_some_and(|schema| {
                    reader.database.object(schema).wanted.contains(Components::DATA)
                });
            let excluded = selection.excluded_tables.contains(table_oid)
                || schema.is_some_and(|schema| {
                    let schema = reader.database.object(schema).catalog_id.oid;
                    selection.excluded_schemas.contains(&schema)
                });
            if wanted && !excluded {
                tables.push((table, condition.clone()));
            }
        }
    }
    tables
}

fn schema_of(reader: &Reader<'_>, table: DumpId) -> Option<DumpId> {
    let name = reader.database.object(table).schema.as_deref()?;
    let objects = reader.database.objects().iter();
    objects
        .filter(|object| matches!(object.kind, Kind::Schema(_)))
        .find(|object| object.name == name)
        .map(|object| object.id)
}

/// Adds the rows, values and contents of all relations of which they are wanted.
pub(super) async fn add_table_data(reader: &mut Reader<'_>) -> Result<()> {
    let only_sequences = !reader.options.data;
    if only_sequences && !reader.options.sequence_values {
        return Ok(());
    }
    let tables: Vec<DumpId> = reader
        .database
        .objects()
        .iter()
        .filter(|object| object.wanted.contains(Components::DATA))
        .filter(|object| matches!(&object.kind, Kind::Table(table) if table.relkind == 'S' || !only_sequences))
        .map(|object| object.id)
        .collect();
    reader.database.expect(tables.len());
    for table in tables {
        add(reader, table, String::new());
    }
    if !only_sequences {
        order_refreshes(reader).await?;
        if !reader.options.schema {
            order_by_foreign_keys(reader);
        }
    }
    Ok(())
}

/// Adds what holds the data of a relation, unless it has none or its data is not wanted.
fn add(reader: &mut Reader<'_>, id: DumpId, filter: String) -> Option<DumpId> {
    let object = reader.database.object(id);
    let table = reader.database.table(id)?;
    let oid = object.catalog_id.oid;
    if table.data.is_some() || reader.selection.excludes_data_of(oid) {
        return None;
    }
    // A standby has no rows of unlogged tables.
    let skips_unlogged = !reader.options.unlogged_data || reader.database.facts.in_recovery;
    if table.persistence == 'u' && skips_unlogged {
        return None;
    }
    let kind = match table.relkind {
        'r' => Kind::TableData { table: id, filter },
        'f' if is_wanted_foreign(reader, table) => Kind::TableData { table: id, filter },
        'S' => Kind::SequenceSet { table: id },
        'm' => Kind::MatviewRefresh { table: id },
        // Views have none; those of partitioned tables lie in their partitions.
        _ => return None,
    };
    let name = object.name.clone();
    // The oid without its catalog, so that no edge of the relation is taken for one of its data.
    let place = CatalogId { class: Oid::ZERO, oid };
    let data = reader.add_part_at(place, name, id, Components::all(), kind);
    reader.database.object_mut(data).available |= Components::DATA;
    reader.database.depend(data, id);
    let Some(table) = reader.database.table_mut(id) else { return Some(data) };
    table.data = Some(data);
    // The refresh makes the view anew and forgets what was known about the old rows.
    if let (Some(statistics), 'm') = (table.statistics, table.relkind) {
        reader.database.depend(statistics, data);
        if let Kind::RelationStatistics(statistics) =
            &mut reader.database.object_mut(statistics).kind
        {
            statistics.after_data = true;
        }
    }
    mark_interesting(reader, id);
    Some(data)
}

/// Tells whether the rows of a foreign table are wanted; they lie elsewhere.
fn is_wanted_foreign(reader: &Reader<'_>, table: &Table) -> bool {
    let foreign = table.foreign.as_ref();
    foreign.is_some_and(|table| reader.selection.foreign_servers.contains(&table.server_oid))
}

/// Partitioned tables hashed on an enumeration: the hash of a label depends on its oid, which a restore
/// changes, so rows may belong to another partition there.
const UNSAFE_PARTITIONING: &str = "select p.partrelid
    from pg_catalog.pg_partitioned_table p
    where (select o.oid from pg_catalog.pg_opclass o
            join pg_catalog.pg_am a on a.oid = o.opcmethod
            where o.opcname = 'enum_ops' and o.opcnamespace = 'pg_catalog'::pg_catalog.regnamespace
              and a.amname = 'hash') = any (p.partclass)";

/// Marks the partitioned tables whose rows must be loaded through their root.
pub(super) async fn read_unsafe_partitioning(reader: &mut Reader<'_>) -> Result<()> {
    let any_partitioned = reader
        .database
        .objects()
        .iter()
        .any(|object| matches!(&object.kind, Kind::Table(table) if table.relkind == 'p'));
    if !reader.options.data || !any_partitioned {
        return Ok(());
    }
    let rows = reader.session.query("read partitioning", UNSAFE_PARTITIONING).await?;
    for row in rows.iter() {
        let id = reader.tables.get(&row.oid("partrelid")?).copied();
        if let Some(table) = id.and_then(|id| reader.database.table_mut(id)) {
            table.unsafe_partitioning = true;
        }
    }
    Ok(())
}

/// For every materialized view the materialized views that its query reads, also through views.
const REFRESHES: &str = "with recursive uses as (
        select d1.objid, d2.refobjid, c2.relkind
        from pg_catalog.pg_depend d1
        join pg_catalog.pg_class c1 on c1.oid = d1.objid and c1.relkind = 'm'
        join pg_catalog.pg_rewrite r1 on r1.ev_class = d1.objid
        join pg_catalog.pg_depend d2 on d2.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
            and d2.objid = r1.oid and d2.refobjid <> d1.objid
        join pg_catalog.pg_class c2 on c2.oid = d2.refobjid and c2.relkind in ('m', 'v')
        where d1.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
        union
        select w.objid, d3.refobjid, c3.relkind
        from uses w
        join pg_catalog.pg_rewrite r3 on r3.ev_class = w.refobjid
        join pg_catalog.pg_depend d3 on d3.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
            and d3.objid = r3.oid and d3.refobjid <> w.refobjid
        join pg_catalog.pg_class c3 on c3.oid = d3.refobjid and c3.relkind in ('m', 'v')
    )
    select objid, refobjid from uses where relkind = 'm'";

/// Orders refreshes after those they read from, and drops those that would read an unpopulated one.
async fn order_refreshes(reader: &mut Reader<'_>) -> Result<()> {
    let any = reader
        .database
        .objects()
        .iter()
        .any(|object| matches!(object.kind, Kind::MatviewRefresh { .. }));
    if !any {
        return Ok(());
    }
    let rows = reader.session.query("read uses of materialized views", REFRESHES).await?;
    for row in rows.iter() {
        let (Some(&view), Some(&used)) =
            (reader.tables.get(&row.oid("objid")?), reader.tables.get(&row.oid("refobjid")?))
        else {
            continue;
        };
        let refresh = |id: DumpId| reader.database.table(id).and_then(|table| table.data);
        let (Some(of_view), Some(of_used)) = (refresh(view), refresh(used)) else { continue };
        let populated = reader.database.table(used).is_some_and(|table| table.populated);
        reader.database.depend(of_view, of_used);
        if !populated && let Some(table) = reader.database.table_mut(view) {
            table.populated = false;
        }
    }
    Ok(())
}

/// Orders the rows of referenced tables before those of the referencing ones: in a dump without
/// definitions the foreign keys exist while rows are loaded (`getTableDataFKConstraints`).
fn order_by_foreign_keys(reader: &mut Reader<'_>) {
    let mut data_by_oid: HashMap<Oid, DumpId> = HashMap::new();
    for object in reader.database.objects() {
        if let Kind::Table(table) = &object.kind
            && let Some(data) = table.data
        {
            data_by_oid.insert(object.catalog_id.oid, data);
        }
    }
    let edges: Vec<(DumpId, DumpId)> = reader
        .database
        .objects()
        .iter()
        .filter_map(|object| match &object.kind {
            Kind::ForeignKey(key) => {
                let referencing = reader.database.table(key.table)?.data?;
                Some((referencing, *data_by_oid.get(&key.referenced)?))
            }
            _ => None,
        })
        .collect();
    for (referencing, referenced) in edges {
        reader.database.depend(referencing, referenced);
    }
}
