//! The columns of CREATE TABLE and the settings that only ALTER can give them.

use std::collections::HashSet;

use super::{Fidelity, Writer};
use crate::model::column_default::ColumnDefault;
use crate::model::table::{Column, Table};
use crate::model::{Components, Database, Kind};

/// Returns a column as it stands in CREATE TABLE.
///
/// A typed table takes its columns from the type, so there one is named only for what is added to it;
/// `None` when there is nothing.
pub(super) fn definition(writer: &Writer<'_>, table: &Table, column: &Column) -> Option<String> {
    if column.dropped {
        // The type is gone with the column, which is dropped again.
        return Some(format!("{} INTEGER /* dummy */", writer.identifier(&column.name)));
    }
    let default = default_clause(writer, column);
    let not_null = not_null_clause(writer, table, column);
    if table.columns_of().is_some() && default.is_none() && not_null.is_none() {
        return None;
    }
    let mut text = writer.identifier(&column.name);
    if table.columns_of().is_none() {
        text.push_str(&format!(" {}", column.type_name));
    }
    for clause in [default, not_null].into_iter().flatten() {
        text.push(' ');
        text.push_str(&clause);
    }
    if let Some((schema, name)) = column.collation() {
        text.push_str(&format!(" COLLATE {}", writer.quoting.qualified(schema, name)));
    }
    Some(text)
}

fn default_clause(writer: &Writer<'_>, column: &Column) -> Option<String> {
    let default = default_of(writer.database, column)?;
    if default.separate || !writer.database.object(column.default?).emits(Components::DEFINITION) {
        return None;
    }
    let expression = &default.expression;
    Some(match column.generated {
        's' => format!("GENERATED ALWAYS AS ({expression}) STORED"),
        'v' => format!("GENERATED ALWAYS AS ({expression})"),
        _ => format!("DEFAULT {expression}"),
    })
}

fn not_null_clause(writer: &Writer<'_>, table: &Table, column: &Column) -> Option<String> {
    let prints_all = table.is_partition || table.prints_all_columns;
    let constraint =
        column.not_null.as_ref().filter(|constraint| constraint.local || prints_all)?;
    let mut text = match &constraint.name {
        Some(name) => format!("CONSTRAINT {} NOT NULL", writer.identifier(name)),
        None => "NOT NULL".to_owned(),
    };
    if constraint.no_inherit {
        text.push_str(" NO INHERIT");
    }
    Some(text)
}

/// Returns the statements for what CREATE TABLE cannot say about columns, inherited ones included.
pub(super) fn settings(writer: &Writer<'_>, table_name: &str, table: &Table) -> String {
    let foreign = if table.relkind == 'f' { "FOREIGN " } else { "" };
    let mut text = String::new();
    for column in table.columns.iter().filter(|column| !column.dropped) {
        let name = writer.identifier(&column.name);
        let alter = format!("ALTER {foreign}TABLE ONLY {table_name} ALTER COLUMN {name}");
        if let Some(target) = column.statistics_target {
            text.push_str(&format!("{alter} SET STATISTICS {target};\n"));
        }
        if column.storage != column.type_storage {
            let storage = match column.storage {
                'p' => Some("PLAIN"),
                'e' => Some("EXTERNAL"),
                'x' => Some("EXTENDED"),
                'm' => Some("MAIN"),
                _ => None,
            };
            if let Some(storage) = storage {
                text.push_str(&format!("{alter} SET STORAGE {storage};\n"));
            }
        }
        if writer.options.toast_compression {
            let method = match column.compression {
                'p' => Some("pglz"),
                'l' => Some("lz4"),
                _ => None,
            };
            if let Some(method) = method {
                text.push_str(&format!("{alter} SET COMPRESSION {method};\n"));
            }
        }
        if let Some(options) = column.options() {
            text.push_str(&format!("{alter} SET ({options});\n"));
        }
        if let Some(options) = column.fdw_options().filter(|_| table.relkind == 'f') {
            text.push_str(&format!("{alter} OPTIONS (\n    {options}\n);\n"));
        }
    }
    text
}

/// Tells whether a not-null constraint on a column that comes from a parent is added after the CREATE.
///
/// pg_dump 18 writes it as an item of the CREATE, which servers before 18 do not understand; a
/// dump of such a server must go back to one.
pub(super) fn not_null_follows(writer: &Writer<'_>, table: &Table, column: &Column) -> bool {
    writer.options.fidelity == Fidelity::Corrected
        && !writer.database.facts.version.has_table_not_null_constraints()
        && !column.dropped
        && !table.prints_column(column)
        && column.not_null.as_ref().is_some_and(|constraint| constraint.local)
}

/// Returns the statements for the not-null constraints that follow the CREATE.
pub(super) fn inherited_not_nulls(writer: &Writer<'_>, table_name: &str, table: &Table) -> String {
    let alter = if table.relkind == 'f' { "ALTER FOREIGN TABLE" } else { "ALTER TABLE" };
    table
        .columns
        .iter()
        .filter(|column| not_null_follows(writer, table, column))
        .map(|column| {
            let name = writer.identifier(&column.name);
            format!("{alter} ONLY {table_name} ALTER COLUMN {name} SET NOT NULL;\n")
        })
        .collect()
}

/// Returns the statements that take away the defaults which columns without one get from their CREATE.
///
/// A table that has lost an inherited default is made with it; `SET DEFAULT NULL` follows when its own children
/// have been made and have taken the default over. pg_dump tells only the children of tables with a default to
/// have none, so after its restore the grandchildren have one that they did not have.
pub(super) fn surplus_defaults(writer: &Writer<'_>, table_name: &str, table: &Table) -> String {
    if writer.options.fidelity == Fidelity::PgDump || table.is_partition || table.prints_all_columns
    {
        return String::new();
    }
    let foreign = if table.relkind == 'f' { "FOREIGN " } else { "" };
    table
        .columns
        .iter()
        .filter(|column| !column.dropped && column.default.is_none())
        .filter(|column| is_made_with_default(writer.database, table, &column.name))
        .map(|column| {
            let name = writer.identifier(&column.name);
            format!("ALTER {foreign}TABLE ONLY {table_name} ALTER COLUMN {name} DROP DEFAULT;\n")
        })
        .collect()
}

/// Tells whether a column without a default of its own has one after its CREATE, from whatever ancestor.
fn is_made_with_default(database: &Database, table: &Table, name: &str) -> bool {
    let mut waiting = table.parents.clone();
    let mut seen = HashSet::new();
    while let Some(id) = waiting.pop() {
        let Some(parent) = database.table(id).filter(|_| seen.insert(id)) else { continue };
        let column = parent.columns.iter().find(|column| !column.dropped && column.name == name);
        let Some(column) = column.filter(|column| column.generated == ' ') else { continue };
        match default_of(database, column).filter(|default| !default.separate) {
            Some(default) if default.expression == "NULL" => {}
            Some(_) => return true,
            None => waiting.extend(&parent.parents),
        }
    }
    false
}

fn default_of<'d>(database: &'d Database, column: &Column) -> Option<&'d ColumnDefault> {
    match &database.object(column.default?).kind {
        Kind::ColumnDefault(default) => Some(default),
        _ => None,
    }
}
