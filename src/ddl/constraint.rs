//! Constraints of tables that are printed after their table, and foreign keys (`dumpConstraint` in
//! `pg_dump.c`). Those of domains are in `types`.

use super::index::{cluster, qualified, replica_identity};
use super::storage_parameters::storage_parameters;
use super::{Target, Writer};
use crate::model::constraint::{Constraint, ForeignKey};
use crate::model::index::Index;
use crate::model::{Components, DumpId, Kind, Object, Section};

pub(super) fn create_constraint(
    writer: &mut Writer<'_>,
    object: &Object,
    constraint: &Constraint,
    table: DumpId,
) {
    if !writer.options.schema || !constraint.separate {
        return;
    }
    if object.emits(Components::DEFINITION) {
        match constraint.contype {
            'p' | 'u' | 'x' => index_constraint(writer, object, constraint, table),
            // Inherited ones come with the parent's.
            _ if constraint.local => plain_constraint(writer, object, constraint, table),
            _ => {}
        }
    }
    let target = comment_target(writer, object, table, object.id);
    writer.comment(object, &target);
}

pub(super) fn create_foreign_key(writer: &mut Writer<'_>, object: &Object, key: &ForeignKey) {
    if !writer.options.schema {
        return;
    }
    if object.emits(Components::DEFINITION) {
        // A foreign key of a partitioned table always reaches its partitions.
        let partitioned =
            writer.database.table(key.table).is_some_and(|table| table.relkind == 'p');
        let only = if partitioned { "" } else { "ONLY " };
        add(writer, object, key.table, "FK CONSTRAINT", only, &key.definition);
    }
    let target = comment_target(writer, object, key.table, object.id);
    writer.comment(object, &target);
}

/// Returns the target of a comment on a constraint of a table; `entry` is what the comment follows.
pub(super) fn comment_target(
    writer: &Writer<'_>,
    object: &Object,
    table: DumpId,
    entry: DumpId,
) -> Target {
    let table = writer.database.object(table);
    let name = writer.identifier(&object.name);
    Target {
        word: "CONSTRAINT".to_owned(),
        name: format!("{name} ON {}", writer.qualified(table)),
        tag: format!("{name} ON {}", writer.identifier(&table.name)),
        namespace: table.schema.clone(),
        owner: table.owner.clone(),
        entry,
    }
}

/// `CHECK` and `NOT NULL`, which reach the children and so have no ONLY.
fn plain_constraint(
    writer: &mut Writer<'_>,
    object: &Object,
    constraint: &Constraint,
    table: DumpId,
) {
    let desc = if constraint.contype == 'c' { "CHECK CONSTRAINT" } else { "CONSTRAINT" };
    add(writer, object, table, desc, "", &constraint.definition);
}

fn add(
    writer: &mut Writer<'_>,
    object: &Object,
    table: DumpId,
    desc: &str,
    only: &str,
    constraint: &str,
) {
    let alter = alter_table(writer, table, only);
    let name = writer.identifier(&object.name);
    let definition = format!("{alter}\n    ADD CONSTRAINT {name} {constraint};\n");
    push(
        writer,
        object,
        table,
        desc,
        definition,
        format!("{alter} DROP CONSTRAINT {name};\n"),
        None,
    );
}

/// Primary keys, unique and exclusion constraints, with what concerns the index behind them.
fn index_constraint(
    writer: &mut Writer<'_>,
    object: &Object,
    constraint: &Constraint,
    table: DumpId,
) {
    let Some(index_id) = constraint.index else { return };
    let index_object = writer.database.object(index_id);
    let Kind::Index(index) = &index_object.kind else { return };
    let text = match constraint.contype {
        'x' => constraint.definition.clone(),
        _ => key_constraint(writer, constraint, index, table),
    };
    let alter = alter_table(writer, table, "ONLY ");
    let name = writer.identifier(&object.name);
    let mut definition = format!("{alter}\n    ADD CONSTRAINT {name} {text};\n");
    definition.push_str(&cluster(writer, index_object, index));
    definition.push_str(&replica_identity(writer, index_object, index));
    let index_name = qualified(writer, index_id);
    definition.push_str(&writer.extension_dependencies(index_object, "INDEX", &index_name));
    let drop = format!("{alter} DROP CONSTRAINT {name};\n");
    let tablespace = Some(index.tablespace.clone());
    push(writer, object, table, "CONSTRAINT", definition, drop, tablespace);
}

/// Builds what `pg_get_constraintdef` would say, as pg_dump does: with the dumper's own quoting.
fn key_constraint(
    writer: &Writer<'_>,
    constraint: &Constraint,
    index: &Index,
    table: DumpId,
) -> String {
    let mut text = String::from(if constraint.contype == 'p' { "PRIMARY KEY" } else { "UNIQUE" });
    // The catalog may claim this for a primary key, where the grammar does not allow it.
    if index.nulls_not_distinct && constraint.contype != 'p' {
        text.push_str(" NULLS NOT DISTINCT");
    }
    let columns: Vec<String> =
        index.keys.iter().map(|&number| column(writer, table, number)).collect();
    let (keys, included) = columns.split_at(index.key_count.min(columns.len()));
    text.push_str(&format!(" ({}", keys.join(", ")));
    if constraint.period {
        text.push_str(" WITHOUT OVERLAPS");
    }
    if !included.is_empty() {
        text.push_str(&format!(") INCLUDE ({}", included.join(", ")));
    }
    text.push(')');
    if !index.options.is_empty() {
        text.push_str(&format!(" WITH ({})", storage_parameters(writer, &index.options, "")));
    }
    if constraint.deferrable {
        text.push_str(" DEFERRABLE");
        if constraint.deferred {
            text.push_str(" INITIALLY DEFERRED");
        }
    }
    text
}

/// Returns the quoted name of a column; negative numbers are system columns.
fn column(writer: &Writer<'_>, table: DumpId, number: i32) -> String {
    let name = match number {
        -1 => "ctid",
        -2 => "xmin",
        -3 => "cmin",
        -4 => "xmax",
        -5 => "cmax",
        -6 => "tableoid",
        _ => writer
            .database
            .table(table)
            .and_then(|table| table.columns.iter().find(|column| column.number == number))
            .map_or("", |column| column.name.as_str()),
    };
    writer.identifier(name)
}

fn alter_table(writer: &Writer<'_>, table: DumpId, only: &str) -> String {
    let foreign = writer.database.table(table).is_some_and(|table| table.relkind == 'f');
    let foreign = if foreign { "FOREIGN " } else { "" };
    format!("ALTER {foreign}TABLE {only}{}", writer.qualified(writer.database.object(table)))
}

fn push(
    writer: &mut Writer<'_>,
    object: &Object,
    table: DumpId,
    desc: &str,
    definition: String,
    drop_statement: String,
    tablespace: Option<String>,
) {
    let table = writer.database.object(table);
    let tag = format!("{} {}", table.name, object.name);
    let mut entry = writer.entry(object, desc, &tag, Section::PostData);
    entry.namespace = table.schema.clone();
    entry.owner = table.owner.clone();
    entry.tablespace = tablespace;
    entry.definition = definition;
    entry.drop_statement = Some(drop_statement);
    writer.push(entry);
}
