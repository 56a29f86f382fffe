//! Indexes and their attachment to partitioned indexes (`dumpIndex`, `dumpIndexAttach` in `pg_dump.c`).

use super::Writer;
use crate::model::index::{Index, IndexAttach};
use crate::model::{Components, DumpId, Kind, Object, Section};

pub(super) fn create_index(writer: &mut Writer<'_>, object: &Object, index: &Index) {
    if !writer.options.schema {
        return;
    }
    let table = writer.database.object(index.table);
    if object.emits(Components::DEFINITION) && index.constraint.is_none() {
        let mut definition = format!("{};\n", index.definition);
        definition.push_str(&cluster(writer, object, index));
        let name = qualified(writer, object.id);
        for (column, target) in &index.statistics_targets {
            definition.push_str(&format!(
                "ALTER INDEX {name} ALTER COLUMN {column} SET STATISTICS {target};\n"
            ));
        }
        definition.push_str(&writer.extension_dependencies(object, "INDEX", &name));
        definition.push_str(&replica_identity(writer, object, index));
        let mut entry = writer.entry(object, "INDEX", &object.name, Section::PostData);
        entry.namespace = table.schema.clone();
        entry.owner = table.owner.clone();
        entry.tablespace = Some(index.tablespace.clone());
        entry.definition = definition;
        // The server refuses to drop a partition's index without the partitioned index above it.
        entry.drop_statement =
            Some(if index.has_parent { String::new() } else { format!("DROP INDEX {name};\n") });
        writer.push(entry);
    }
    let mut target = writer.target(object, "INDEX");
    target.name = qualified(writer, object.id);
    target.namespace = table.schema.clone();
    target.owner = table.owner.clone();
    target.entry = index.constraint.unwrap_or(object.id);
    writer.comment(object, &target);
}

pub(super) fn attach_index(writer: &mut Writer<'_>, object: &Object, attach: &IndexAttach) {
    let partition = writer.database.object(attach.partition);
    if !writer.options.schema || !partition.emits(Components::DEFINITION) {
        return;
    }
    let definition = format!(
        "ALTER INDEX {} ATTACH PARTITION {};\n",
        qualified(writer, attach.parent),
        qualified(writer, attach.partition)
    );
    let mut entry = writer.entry(object, "INDEX ATTACH", &partition.name, Section::PostData);
    entry.namespace = table_of(writer, attach.partition).schema.clone();
    entry.owner = table_of(writer, attach.parent).owner.clone();
    entry.definition = definition;
    writer.push(entry);
}

/// Returns `ALTER TABLE ... CLUSTER ON`, when the table is clustered on the index.
pub(super) fn cluster(writer: &Writer<'_>, object: &Object, index: &Index) -> String {
    if !index.clustered {
        return String::new();
    }
    let table = writer.qualified(writer.database.object(index.table));
    format!("\nALTER TABLE {table} CLUSTER ON {};\n", writer.identifier(&object.name))
}

/// Returns `ALTER TABLE ... REPLICA IDENTITY`, when the index is the table's replica identity.
pub(super) fn replica_identity(writer: &Writer<'_>, object: &Object, index: &Index) -> String {
    if !index.replica_identity {
        return String::new();
    }
    let table = writer.qualified(writer.database.object(index.table));
    let name = writer.identifier(&object.name);
    format!("\nALTER TABLE ONLY {table} REPLICA IDENTITY USING INDEX {name};\n")
}

fn table_of<'a>(writer: &Writer<'a>, index: DumpId) -> &'a Object {
    let object = writer.database.object(index);
    match &object.kind {
        Kind::Index(index) => writer.database.object(index.table),
        _ => object,
    }
}

/// Returns an index's name with the schema it lives in, which is that of its table.
pub(super) fn qualified(writer: &Writer<'_>, index: DumpId) -> String {
    let name = &writer.database.object(index).name;
    match &table_of(writer, index).schema {
        Some(schema) => writer.quoting.qualified(schema, name),
        None => writer.identifier(name),
    }
}
