//! Operator classes and families (`dumpOpclass`, `dumpOpfamily` in `pg_dump.c`).

use super::Writer;
use super::writer::Target;
use crate::model::operator_class::{OperatorClass, OperatorFamily, OperatorMembers};
use crate::model::{Components, Object, Section};

/// What stands between two members; the blank before the comma is pg_dump's.
const SEPARATOR: &str = " ,\n    ";

pub(super) fn create_operator_class(
    writer: &mut Writer<'_>,
    object: &Object,
    class: &OperatorClass,
) {
    if !writer.options.schema {
        return;
    }
    let method = writer.identifier(&class.access_method);
    if object.emits(Components::DEFINITION) {
        let name = writer.qualified(object);
        let default = if class.is_default { "DEFAULT " } else { "" };
        let family = writer.quoting.qualified(&class.family.0, &class.family.1);
        let mut members = Vec::new();
        if let Some(storage) = &class.storage_type {
            members.push(format!("STORAGE {storage}"));
        }
        push_members(writer, &class.members, &mut members);
        if members.is_empty() {
            // The grammar wants something, and this says nothing.
            members.push(format!("STORAGE {}", class.input_type));
        }
        let mut entry = writer.entry(object, "OPERATOR CLASS", &object.name, Section::PreData);
        entry.definition = format!(
            "CREATE OPERATOR CLASS {name}\n    {default}FOR TYPE {} USING {method} FAMILY {family} AS\n    {};\n",
            class.input_type,
            members.join(SEPARATOR)
        );
        entry.drop_statement = Some(format!("DROP OPERATOR CLASS {name} USING {method};\n"));
        writer.push(entry);
    }
    comment(writer, object, "OPERATOR CLASS", &method);
}

pub(super) fn create_operator_family(
    writer: &mut Writer<'_>,
    object: &Object,
    family: &OperatorFamily,
) {
    if !writer.options.schema {
        return;
    }
    let method = writer.identifier(&family.access_method);
    if object.emits(Components::DEFINITION) {
        let name = format!("{} USING {method}", writer.qualified(object));
        let mut members = Vec::new();
        push_members(writer, &family.members, &mut members);
        let mut entry = writer.entry(object, "OPERATOR FAMILY", &object.name, Section::PreData);
        entry.definition = format!("CREATE OPERATOR FAMILY {name};\n");
        if !members.is_empty() {
            let members = members.join(SEPARATOR);
            entry
                .definition
                .push_str(&format!("ALTER OPERATOR FAMILY {name} ADD\n    {members};\n"));
        }
        entry.drop_statement = Some(format!("DROP OPERATOR FAMILY {name};\n"));
        writer.push(entry);
    }
    comment(writer, object, "OPERATOR FAMILY", &method);
}

fn push_members(writer: &Writer<'_>, members: &OperatorMembers, texts: &mut Vec<String>) {
    for operator in &members.operators {
        let mut text = format!("OPERATOR {} {}", operator.strategy, operator.operator);
        if let Some((schema, name)) = &operator.sort_family {
            text.push_str(&format!(" FOR ORDER BY {}", writer.quoting.qualified(schema, name)));
        }
        texts.push(text);
    }
    for function in &members.functions {
        let (left, right) = &function.operand_types;
        texts.push(format!("FUNCTION {} ({left}, {right}) {}", function.number, function.function));
    }
}

fn comment(writer: &mut Writer<'_>, object: &Object, word: &str, method: &str) {
    let target = writer.target(object, word);
    let target = Target {
        name: format!("{} USING {method}", target.name),
        tag: format!("{} USING {method}", target.tag),
        ..target
    };
    writer.comment(object, &target);
}
