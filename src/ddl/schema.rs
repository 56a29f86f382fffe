//! Schemas (`dumpNamespace` in `pg_dump.c`).

use super::Writer;
use crate::error::Result;
use crate::model::schema::{Schema, SchemaCreation};
use crate::model::{Components, Object, Section};

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
                (format!("CREATE SCHEMA {name};\n"), format!("DROP SCHEMA {name};\n"))
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
