//! Publications, their tables and schemas (`dumpPublication` and its kin in `pg_dump.c`).

use super::Writer;
use crate::model::publication::{Publication, PublicationSchema, PublicationTable};
use crate::model::{Components, Object, Section};

pub(super) fn create_publication(
    writer: &mut Writer<'_>,
    object: &Object,
    publication: &Publication,
) {
    if !writer.options.schema {
        return;
    }
    let name = writer.identifier(&object.name);
    if object.emits(Components::DEFINITION) {
        let all = if publication.all_tables { " FOR ALL TABLES" } else { "" };
        let mut options = format!("publish = '{}'", publication.operations.join(", "));
        if publication.via_root {
            options.push_str(", publish_via_partition_root = true");
        }
        if publication.generated_columns == 's' {
            options.push_str(", publish_generated_columns = stored");
        }
        let mut entry = writer.entry(object, "PUBLICATION", &object.name, Section::PostData);
        entry.definition = format!("CREATE PUBLICATION {name}{all} WITH ({options});\n");
        entry.drop_statement = Some(format!("DROP PUBLICATION {name};\n"));
        writer.push(entry);
    }
    let target = writer.target(object, "PUBLICATION");
    writer.comment(object, &target);
    writer.security_labels(object, &target);
}

/// Adds a table to its publication; dropping either ends the membership.
pub(super) fn add_table(writer: &mut Writer<'_>, object: &Object, member: &PublicationTable) {
    let table = writer.qualified(writer.database.object(member.table));
    let mut subject = format!("TABLE ONLY {table}");
    if let Some(columns) = &member.columns {
        let columns: Vec<String> = columns.iter().map(|name| writer.identifier(name)).collect();
        subject.push_str(&format!(" ({})", columns.join(", ")));
    }
    if let Some(filter) = &member.filter {
        subject.push_str(&format!(" WHERE ({filter})"));
    }
    let publication = writer.database.object(member.publication);
    add_member(writer, object, publication, "PUBLICATION TABLE", &subject);
}

/// Adds all tables of a schema to a publication.
pub(super) fn add_schema(writer: &mut Writer<'_>, object: &Object, member: &PublicationSchema) {
    let subject = format!("TABLES IN SCHEMA {}", writer.identifier(&object.name));
    let publication = writer.database.object(member.publication);
    add_member(writer, object, publication, "PUBLICATION TABLES IN SCHEMA", &subject);
}

fn add_member(
    writer: &mut Writer<'_>,
    object: &Object,
    publication: &Object,
    desc: &str,
    subject: &str,
) {
    if !writer.options.schema || !object.emits(Components::DEFINITION) {
        return;
    }
    let tag = format!("{} {}", publication.name, object.name);
    let mut entry = writer.entry(object, desc, &tag, Section::PostData);
    let name = writer.identifier(&publication.name);
    entry.definition = format!("ALTER PUBLICATION {name} ADD {subject};\n");
    writer.push(entry);
}
