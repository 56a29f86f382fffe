//! Schemas (`dumpNamespace` in `pg_dump.c`).

use std::collections::HashMap;

use super::{Fidelity, Writer};
use crate::error::Result;
use crate::model::schema::{Schema, SchemaCreation};
use crate::model::{Components, Database, DumpId, Kind, Object, Section, TocEntry};

pub(super) fn create_schema(
    writer: &mut Writer<'_>,
    object: &Object,
    schema: &Schema,
) -> Result<()> {
    if !writer.options.schema {
        return Ok(());
    }
    let name = writer.identifier(&object.name);
    if object.emits(Components::DEFINITION) {
        let mut entry = writer.entry(object, "SCHEMA", &object.name, Section::PreData);
        let (definition, drop_statement) = match schema.creation {
            SchemaCreation::Create => {
                // Asked for by name, `public` is created like any schema, and every new database has
                // one already: pg_dump's text is an error there.
                let exists =
                    object.name == "public" && writer.options.fidelity == Fidelity::Corrected;
                let condition = if exists { "IF NOT EXISTS " } else { "" };
                (format!("CREATE SCHEMA {condition}{name};\n"), format!("DROP SCHEMA {name};\n"))
            }
            // The entry exists only so that a restore can set the owner.
            SchemaCreation::MadeByInitdb => (
                "-- *not* creating schema, since initdb creates it\n".to_owned(),
                "-- *not* dropping schema, since initdb creates it\n".to_owned(),
            ),
        };
        entry.definition = definition;
        entry.drop_statement = Some(drop_statement);
        writer.push(entry);
    }
    let target = writer.target(object, "SCHEMA");
    match schema.creation {
        // pg_dump compares the quoted name, so with every identifier quoted `public` is one of many.
        SchemaCreation::MadeByInitdb if name == "public" => comment_on_public(writer, object),
        _ => writer.comment(object, &target),
    }
    writer.security_labels(object, &target);
    writer.acl(object, "SCHEMA", &name)?;
    Ok(())
}

/// Writes how the comment on `public` differs from the one that `initdb` gives it: nothing when it is
/// the same, an empty comment when it was removed.
fn comment_on_public(writer: &mut Writer<'_>, object: &Object) {
    if !object.emits(Components::COMMENT) {
        return;
    }
    let comment = writer
        .database
        .comments
        .get(&object.catalog_id)
        .and_then(|comments| comments.iter().find(|(part, _)| *part == 0))
        .map_or("", |(_, text)| text.as_str());
    if comment != "standard public schema" {
        let target = writer.target(object, "SCHEMA");
        writer.comment_text(&target, comment);
    }
}

/// Makes the privileges on what lies in a schema wait for those on the schema.
///
/// A grant made in the name of a role other than the owner needs that role's USAGE on the schema. pg_dump stores
/// no such dependency, and a parallel pg_restore then sometimes answers "permission denied for schema".
pub(super) fn add_usage(database: &Database, entries: &mut [TocEntry]) {
    let schemas: HashMap<DumpId, &str> = database
        .objects()
        .iter()
        .filter(|object| matches!(object.kind, Kind::Schema(_)))
        .map(|object| (object.id, object.name.as_str()))
        .collect();
    let usage: HashMap<&str, DumpId> = entries
        .iter()
        .filter(|entry| entry.desc == "ACL" && entry.namespace.is_none())
        .filter_map(|entry| {
            let schema = entry.dependencies.iter().find_map(|id| schemas.get(id))?;
            Some((*schema, entry.dump_id))
        })
        .collect();
    for entry in entries.iter_mut().filter(|entry| entry.desc == "ACL") {
        let Some(usage) = entry.namespace.as_deref().and_then(|name| usage.get(name)) else {
            continue;
        };
        if !entry.dependencies.contains(usage) {
            entry.dependencies.push(*usage);
        }
    }
}
