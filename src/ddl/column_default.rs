//! Defaults that are set after their table is created (`dumpAttrDef` in `pg_dump.c`).

use super::Writer;
use crate::model::column_default::ColumnDefault;
use crate::model::{Components, Object, Section};

pub(super) fn set_default(writer: &mut Writer<'_>, object: &Object, default: &ColumnDefault) {
    if !writer.options.schema || !default.separate || !object.emits(Components::DEFINITION) {
        return;
    }
    let table = writer.database.object(default.table);
    let Some(relation) = writer.database.table(default.table) else { return };
    let found = relation.columns.iter().find(|column| column.number == default.column);
    let Some(column) = found else { return };
    let foreign = if relation.relkind == 'f' { "FOREIGN " } else { "" };
    let table_name = writer.qualified(table);
    let name = writer.identifier(&column.name);
    let tag = format!("{} {}", table.name, column.name);
    let mut entry = writer.entry(object, "DEFAULT", &tag, Section::PreData);
    entry.namespace = table.schema.clone();
    entry.owner = table.owner.clone();
    entry.definition = format!(
        "ALTER {foreign}TABLE ONLY {table_name} ALTER COLUMN {name} SET DEFAULT {};\n",
        default.expression
    );
    entry.drop_statement =
        Some(format!("ALTER {foreign}TABLE {table_name} ALTER COLUMN {name} DROP DEFAULT;\n"));
    writer.push(entry);
}
