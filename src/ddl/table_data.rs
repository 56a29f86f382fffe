//! The entries for rows: table data and the refresh of materialized views (`dumpTableData`,
//! `refreshMatViewData` in `pg_dump.c`). The rows themselves are read by whoever writes the archive.

use super::{RowForm, Writer};
use crate::model::table::Table;
use crate::model::{CatalogId, Components, Database, DumpId, Object, Oid, Section};

pub(super) fn copy_table(writer: &mut Writer<'_>, object: &Object, table_id: DumpId) {
    if !writer.options.data || !object.emits(Components::DATA) {
        return;
    }
    let table_object = writer.database.object(table_id);
    let Some(table) = writer.database.table(table_id) else { return };
    let mut entry = writer.entry(object, "TABLE DATA", &table_object.name, Section::Data);
    entry.catalog_id = CatalogId { class: Oid::ZERO, oid: table_object.catalog_id.oid };
    entry.namespace = table_object.schema.clone();
    entry.owner = table_object.owner.clone();
    let target = match load_root(writer, table) {
        Some(root) => {
            let root = writer.qualified(root);
            let shown = root.replace(['\n', '\r'], " ");
            entry.definition = format!("-- load via partition root {shown}");
            root
        }
        None => writer.qualified(table_object),
    };
    if writer.options.row_form == RowForm::Copy {
        entry.copy_statement =
            Some(format!("COPY {target} {} FROM stdin;\n", columns(writer, table)));
    }
    entry.dependencies = vec![table_id];
    entry.has_data = true;
    writer.push(entry);
}

/// Returns the list of the columns that COPY moves, empty for a table that has none.
///
/// The empty list leaves two blanks in the statement, as in pg_dump.
fn columns(writer: &Writer<'_>, table: &Table) -> String {
    let names: Vec<String> =
        table.copied_columns().map(|column| writer.identifier(&column.name)).collect();
    if names.is_empty() { String::new() } else { format!("({})", names.join(", ")) }
}

/// Returns the root that the rows of a partition are loaded through, if they are.
fn load_root<'a>(writer: &Writer<'a>, table: &Table) -> Option<&'a Object> {
    partition_root(writer.database, table, writer.options.load_via_partition_root)
}

/// Returns the root of a partition, when that is asked for or its rows may belong elsewhere after a restore.
///
/// Hash partitioning of an enum hashes oids, which are others in the restored database, so rows must
/// be routed anew.
pub fn partition_root<'a>(
    database: &'a Database,
    table: &Table,
    always: bool,
) -> Option<&'a Object> {
    let mut table = table;
    let mut root = None;
    let mut unsafe_above = always;
    while table.is_partition {
        let parent = *table.parents.first()?;
        table = database.table(parent)?;
        unsafe_above |= table.unsafe_partitioning;
        root = Some(database.object(parent));
    }
    root.filter(|_| unsafe_above)
}

pub(super) fn refresh(writer: &mut Writer<'_>, object: &Object, table_id: DumpId) {
    if !writer.options.schema || !writer.options.data {
        return;
    }
    let populated = writer.database.table(table_id).is_some_and(|table| table.populated);
    if !populated {
        return;
    }
    let table = writer.database.object(table_id);
    let mut entry = writer.entry(object, "MATERIALIZED VIEW DATA", &table.name, Section::PostData);
    entry.catalog_id = CatalogId { class: Oid::ZERO, oid: table.catalog_id.oid };
    entry.definition = format!("REFRESH MATERIALIZED VIEW {};\n", writer.qualified(table));
    entry.dependencies = object.dependencies.clone();
    writer.push(entry);
}
