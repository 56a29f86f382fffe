//! Extensions (`dumpExtension` in `pg_dump.c`).

use super::{Writer, binary_upgrade};
use crate::model::extension::Extension;
use crate::model::{Components, Object, Section};

pub(super) fn create_extension(writer: &mut Writer<'_>, object: &Object, extension: &Extension) {
    if !writer.options.schema {
        return;
    }
    let name = writer.identifier(&object.name);
    if object.emits(Components::DEFINITION) {
        let mut entry = writer.entry(object, "EXTENSION", &object.name, Section::PreData);
        // Neither version nor CASCADE: the target installs the version it has, and what the extension
        // requires is an entry of its own.
        entry.definition = match writer.upgrade {
            Some(upgrade) => binary_upgrade::empty_extension(writer, upgrade, object, extension),
            None => format!(
                "CREATE EXTENSION IF NOT EXISTS {name} WITH SCHEMA {};\n",
                writer.identifier(&extension.install_schema)
            ),
        };
        entry.drop_statement = Some(format!("DROP EXTENSION {name};\n"));
        writer.push(entry);
    }
    let mut target = writer.target(object, "EXTENSION");
    target.owner = Some(String::new());
    writer.comment(object, &target);
    writer.security_labels(object, &target);
}
