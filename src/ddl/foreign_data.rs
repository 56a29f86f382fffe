//! Foreign-data wrappers, servers and user mappings (`dumpForeignDataWrapper`, `dumpForeignServer`,
//! `dumpUserMappings` in `pg_dump.c`).

use super::Writer;
use crate::error::Result;
use crate::model::foreign_data::{ForeignDataWrapper, ForeignServer, UserMapping};
use crate::model::{Components, Object, Section, TocEntry};

pub(super) fn create_wrapper(
    writer: &mut Writer<'_>,
    object: &Object,
    wrapper: &ForeignDataWrapper,
) -> Result<()> {
    if !writer.options.schema {
        return Ok(());
    }
    let name = writer.identifier(&object.name);
    if object.emits(Components::DEFINITION) {
        let mut text = format!("CREATE FOREIGN DATA WRAPPER {name}");
        for (clause, function) in [("HANDLER", &wrapper.handler), ("VALIDATOR", &wrapper.validator)]
        {
            if let Some(function) = function {
                text.push_str(&format!(" {clause} {function}"));
            }
        }
        text.push_str(&options(&wrapper.options));
        let mut entry =
            writer.entry(object, "FOREIGN DATA WRAPPER", &object.name, Section::PreData);
        entry.definition = format!("{text};\n");
        entry.drop_statement = Some(format!("DROP FOREIGN DATA WRAPPER {name};\n"));
        writer.push(entry);
    }
    let target = writer.target(object, "FOREIGN DATA WRAPPER");
    writer.comment(object, &target);
    writer.acl(object, "FOREIGN DATA WRAPPER", &name)?;
    Ok(())
}

pub(super) fn create_server(
    writer: &mut Writer<'_>,
    object: &Object,
    server: &ForeignServer,
) -> Result<()> {
    if !writer.options.schema {
        return Ok(());
    }
    let name = writer.identifier(&object.name);
    if object.emits(Components::DEFINITION) {
        let mut text = format!("CREATE SERVER {name}");
        for (clause, value) in [("TYPE", &server.server_type), ("VERSION", &server.version)] {
            if let Some(value) = value {
                text.push_str(&format!(" {clause} {}", writer.literal(value)));
            }
        }
        text.push_str(&format!(
            " FOREIGN DATA WRAPPER {}{};\n",
            writer.identifier(&server.wrapper),
            options(&server.options)
        ));
        let mut entry = writer.entry(object, "SERVER", &object.name, Section::PreData);
        entry.definition = text;
        entry.drop_statement = Some(format!("DROP SERVER {name};\n"));
        writer.push(entry);
    }
    let target = writer.target(object, "SERVER");
    writer.comment(object, &target);
    // GRANT calls it a foreign server.
    writer.acl(object, "FOREIGN SERVER", &name)?;
    if object.emits(Components::USER_MAPPING) {
        for mapping in &server.user_mappings {
            create_user_mapping(writer, object, mapping);
        }
    }
    Ok(())
}

/// Writes one mapping, an entry without a place in the catalogs and without dependencies.
fn create_user_mapping(writer: &mut Writer<'_>, server: &Object, mapping: &UserMapping) {
    let subject = format!(
        "FOR {} SERVER {}",
        writer.identifier(&mapping.role),
        writer.identifier(&server.name)
    );
    let tag = format!("USER MAPPING {} SERVER {}", mapping.role, server.name);
    let mut entry = TocEntry::new(writer.next_id(), "USER MAPPING", tag);
    entry.section = Section::PreData;
    entry.owner = server.owner.clone();
    entry.definition = format!("CREATE USER MAPPING {subject}{};\n", options(&mapping.options));
    entry.drop_statement = Some(format!("DROP USER MAPPING {subject};\n"));
    writer.push(entry);
}

fn options(options: &[String]) -> String {
    if options.is_empty() {
        return String::new();
    }
    format!(" OPTIONS (\n    {}\n)", options.join(",\n    "))
}
