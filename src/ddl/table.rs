//! Relations: tables of every sort, views, materialized views (`dumpTable`, `dumpTableSchema` in
//! `pg_dump.c`). Sequences are relations too; their text is in `sequence`.

use super::storage_parameters::storage_parameters;
use super::{
    AclTarget, Fidelity, Target, Writer, binary_upgrade, column, constraint, sequence, view,
};
use crate::error::Result;
use crate::model::constraint::Constraint;
use crate::model::table::{Table, TableAttach};
use crate::model::{Components, DumpId, Kind, Object, Section};

pub(super) fn create_table(writer: &mut Writer<'_>, object: &Object, table: &Table) -> Result<()> {
    if !writer.options.schema {
        return Ok(());
    }
    if object.emits(Components::DEFINITION) {
        if table.relkind == 'S' {
            sequence::create_sequence(writer, object, table);
        } else {
            create_relation(writer, object, table);
        }
    }
    grant(writer, object, table)
}

/// Returns the kind of a relation as SQL and as the table of contents call it.
fn kind_word(table: &Table) -> &'static str {
    match table.relkind {
        'v' => "VIEW",
        'm' => "MATERIALIZED VIEW",
        'f' => "FOREIGN TABLE",
        _ => "TABLE",
    }
}

fn create_relation(writer: &mut Writer<'_>, object: &Object, table: &Table) {
    let word = kind_word(table);
    let name = writer.qualified(object);
    let mut definition = match table.relkind {
        'v' if table.dummy_view => view::create_dummy_view(writer, object, table),
        'v' => view::create_view(writer, "CREATE VIEW", object, table),
        _ => create_stored(writer, object, table, word),
    };
    if let Some(upgrade) = writer.upgrade.filter(|_| table.relkind != 'v') {
        definition.push_str(&binary_upgrade::relation(writer, upgrade, object, table));
    }
    if table.relkind != 'v' {
        definition.push_str(&column::settings(writer, &name, table));
        definition.push_str(&column::inherited_not_nulls(writer, &name, table));
        definition.push_str(&column::surplus_defaults(writer, &name, table));
    }
    if matches!(table.relkind, 'r' | 'p' | 'm') {
        definition.push_str(&match table.replica_identity {
            'n' => format!("\nALTER TABLE ONLY {name} REPLICA IDENTITY NOTHING;\n"),
            'f' => format!("\nALTER TABLE ONLY {name} REPLICA IDENTITY FULL;\n"),
            _ => String::new(),
        });
    }
    if table.force_row_security {
        definition.push_str(&format!("\nALTER TABLE ONLY {name} FORCE ROW LEVEL SECURITY;\n"));
    }
    let section = if table.postponed { Section::PostData } else { Section::PreData };
    let mut entry = writer.entry(object, word, &object.name, section);
    entry.definition = definition;
    entry.drop_statement = Some(format!("DROP {word} {name};\n"));
    entry.relkind = Some(table.relkind);
    if matches!(table.relkind, 'r' | 'p' | 'm') {
        entry.tablespace = Some(table.tablespace.clone());
        entry.table_access_method = table.access_method.clone();
    }
    writer.push(entry);
    comment(writer, object, table, word);
    label(writer, object, table, word);
    comment_on_constraints(writer, object, table);
}

/// Everything that has rows of its own or pretends to: tables and materialized views.
fn create_stored(writer: &Writer<'_>, object: &Object, table: &Table, word: &str) -> String {
    let unlogged = if table.persistence == 'u' && table.relkind != 'p' { "UNLOGGED " } else { "" };
    let mut text = format!("CREATE {unlogged}{word} {}", writer.qualified(object));
    if let Some(of_type) = table.columns_of() {
        text.push_str(&format!(" OF {of_type}"));
    }
    if table.relkind != 'm' {
        let items = items(writer, table);
        if !items.is_empty() {
            text.push_str(&format!(" (\n    {}\n)", items.join(",\n    ")));
        } else if table.columns_of().is_none() {
            text.push_str(" (\n)");
        }
        if !table.parents.is_empty() && !table.is_partition && !table.prints_all_columns {
            let parents: Vec<String> = table
                .parents
                .iter()
                .map(|&parent| writer.qualified(writer.database.object(parent)))
                .collect();
            text.push_str(&format!("\nINHERITS ({})", parents.join(", ")));
        }
        if let Some(key) = &table.partition_key {
            text.push_str(&format!("\nPARTITION BY {key}"));
        }
        if let Some(foreign) = &table.foreign {
            text.push_str(&format!("\nSERVER {}", writer.identifier(&foreign.server)));
        }
    }
    let own = storage_parameters(writer, &table.options, "");
    let toast = storage_parameters(writer, &table.toast_options, "toast.");
    let parameters: Vec<String> =
        [own, toast].into_iter().filter(|list| !list.is_empty()).collect();
    if !parameters.is_empty() {
        text.push_str(&format!("\nWITH ({})", parameters.join(", ")));
    }
    if let Some(foreign) = table.foreign.as_ref().filter(|foreign| !foreign.options.is_empty()) {
        text.push_str(&format!("\nOPTIONS (\n    {}\n)", foreign.options));
    }
    if table.relkind == 'm' {
        text.push_str(&format!(" AS\n{}\n  WITH NO DATA", view::query(table)));
    }
    text.push_str(";\n");
    if table.relkind == 'm' {
        let name = writer.qualified(object);
        text.push_str(&writer.extension_dependencies(object, word, &name));
    }
    text
}

/// Returns what stands between the parentheses: columns, not-null constraints on inherited columns, checks.
fn items(writer: &Writer<'_>, table: &Table) -> Vec<String> {
    let mut items: Vec<String> = table
        .columns
        .iter()
        .filter_map(|each| {
            if table.prints_column(each) {
                column::definition(writer, table, each)
            } else {
                inherited_not_null(writer, table, each)
            }
        })
        .collect();
    for (object, check) in checks(writer, table) {
        if !check.separate && (check.local || table.is_partition) {
            let name = writer.identifier(&object.name);
            items.push(format!("CONSTRAINT {name} {}", check.definition));
        }
    }
    items
}

/// A not-null constraint of the table's own on a column that comes from a parent.
fn inherited_not_null(
    writer: &Writer<'_>,
    table: &Table,
    column: &crate::model::table::Column,
) -> Option<String> {
    let constraint = column.not_null.as_ref().filter(|constraint| constraint.local)?;
    if column.dropped || table.of_type.is_some() || column::not_null_follows(writer, table, column)
    {
        return None;
    }
    let name = match (&constraint.name, writer.options.fidelity) {
        (None, _) => String::new(),
        // pg_dump forgets to quote here, and the result does not load for a name that needs it.
        (Some(name), Fidelity::PgDump) => format!("CONSTRAINT {name} "),
        (Some(name), Fidelity::Corrected) => format!("CONSTRAINT {} ", writer.identifier(name)),
    };
    let no_inherit = if constraint.no_inherit { " NO INHERIT" } else { "" };
    Some(format!("{name}NOT NULL {}{no_inherit}", writer.identifier(&column.name)))
}

fn checks<'a>(
    writer: &Writer<'a>,
    table: &'a Table,
) -> impl Iterator<Item = (&'a Object, &'a Constraint)> + use<'a> {
    let database = writer.database;
    table.checks.iter().filter_map(move |&id| {
        let object = database.object(id);
        match &object.kind {
            Kind::Constraint(constraint) => Some((object, constraint.as_ref())),
            _ => None,
        }
    })
}

/// Returns the target of comments, labels and privileges on a column.
fn column_target(writer: &Writer<'_>, object: &Object, name: &str) -> Target {
    let column = writer.identifier(name);
    Target {
        word: "COLUMN".to_owned(),
        name: format!("{}.{column}", writer.qualified(object)),
        tag: format!("{}.{column}", writer.identifier(&object.name)),
        namespace: object.schema.clone(),
        owner: object.owner.clone(),
        entry: object.id,
    }
}

fn comment(writer: &mut Writer<'_>, object: &Object, table: &Table, word: &str) {
    if !object.emits(Components::COMMENT) {
        return;
    }
    let target = writer.target(object, word);
    writer.comment_on_part(object.catalog_id, 0, &target);
    for column in table.columns.iter().filter(|column| !column.dropped) {
        let target = column_target(writer, object, &column.name);
        writer.comment_on_part(object.catalog_id, column.number, &target);
    }
}

/// All labels of a relation are one entry: its own first, then those of its columns.
fn label(writer: &mut Writer<'_>, object: &Object, table: &Table, word: &str) {
    if !object.emits(Components::SECURITY_LABEL) || !writer.options.security_labels {
        return;
    }
    let Some(labels) = writer.database.security_labels.get(&object.catalog_id) else { return };
    let target = writer.target(object, word);
    let mut definition = String::new();
    for (number, provider, label) in labels {
        if *number == 0 {
            definition.push_str(&writer.security_label(provider, word, &target.name, label));
        } else if let Some(column) = table.columns.iter().find(|column| column.number == *number) {
            let name = column_target(writer, object, &column.name).name;
            definition.push_str(&writer.security_label(provider, "COLUMN", &name, label));
        }
    }
    writer.push_security_labels(definition, &target);
}

/// Comments on constraints that have no entry of their own.
fn comment_on_constraints(writer: &mut Writer<'_>, object: &Object, table: &Table) {
    for column in &table.columns {
        let comment = column.not_null.as_ref().and_then(|constraint| constraint.comment.as_deref());
        if let Some((name, text)) = comment {
            let name = writer.identifier(name);
            let target = Target {
                word: "CONSTRAINT".to_owned(),
                name: format!("{name} ON {}", writer.qualified(object)),
                tag: format!("{name} ON {}", writer.identifier(&object.name)),
                namespace: object.schema.clone(),
                owner: object.owner.clone(),
                entry: object.id,
            };
            writer.comment_text(&target, text);
        }
    }
    let inline: Vec<&Object> = checks(writer, table)
        .filter(|(_, check)| !check.separate && check.local)
        .map(|(check, _)| check)
        .collect();
    for check in inline {
        let target = constraint::comment_target(writer, check, object.id, object.id);
        writer.comment(check, &target);
    }
}

/// Privileges on the relation, then on each of its columns.
fn grant(writer: &mut Writer<'_>, object: &Object, table: &Table) -> Result<()> {
    if !object.emits(Components::ACL) {
        return Ok(());
    }
    let word = if table.relkind == 'S' { "SEQUENCE" } else { "TABLE" };
    let name = writer.identifier(&object.name);
    let on_table = writer.acl(object, word, &name)?;
    let entries: Vec<DumpId> = std::iter::once(object.id).chain(on_table).collect();
    for (_, column, acl) in &table.column_acls {
        let tag = format!("COLUMN {name}.{}", writer.identifier(column));
        let column = writer.identifier(column);
        let target = AclTarget {
            word,
            name: &name,
            schema: object.schema.as_deref(),
            column: Some(&column),
            tag: Some(&tag),
            owner: object.owner.as_deref(),
            entries: &entries,
        };
        writer.acl_entry(&target, acl)?;
    }
    Ok(())
}

/// A partition is a table of its own first and attached afterwards.
pub(super) fn attach_table(writer: &mut Writer<'_>, object: &Object, attach: &TableAttach) {
    let partition = writer.database.object(attach.partition);
    if !writer.options.schema || !partition.emits(Components::DEFINITION) {
        return;
    }
    let bound = writer
        .database
        .table(attach.partition)
        .and_then(|table| table.partition_bound.as_deref())
        .unwrap_or_default();
    let mut entry = writer.entry(object, "TABLE ATTACH", &partition.name, Section::PreData);
    entry.namespace = partition.schema.clone();
    entry.owner = partition.owner.clone();
    entry.definition = format!(
        "ALTER TABLE ONLY {} ATTACH PARTITION {} {bound};\n",
        writer.qualified(writer.database.object(attach.parent)),
        writer.qualified(partition)
    );
    writer.push(entry);
}
