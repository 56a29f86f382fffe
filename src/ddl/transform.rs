//! Transforms (`dumpTransform` in `pg_dump.c`).

use super::Writer;
use super::function::call_signature;
use super::writer::Target;
use crate::model::transform::Transform;
use crate::model::{Components, Object, Section};

pub(super) fn create_transform(writer: &mut Writer<'_>, object: &Object, transform: &Transform) {
    if !writer.options.schema {
        return;
    }
    let identity =
        format!("FOR {} LANGUAGE {}", transform.type_name, writer.identifier(&transform.language));
    if object.emits(Components::DEFINITION) {
        let mut entry =
            writer.entry(object, "TRANSFORM", &format!("TRANSFORM {identity}"), Section::PreData);
        let functions: Vec<String> =
            [("FROM SQL", transform.from_sql), ("TO SQL", transform.to_sql)]
                .into_iter()
                .filter_map(|(clause, function)| {
                    Some(format!("{clause} WITH FUNCTION {}", call_signature(writer, function?)))
                })
                .collect();
        entry.definition = format!("CREATE TRANSFORM {identity} ({});\n", functions.join(", "));
        entry.drop_statement = Some(format!("DROP TRANSFORM {identity};\n"));
        // pg_dump stores this kind's dependencies as they are, also those that no entry has.
        entry.dependencies = object.dependencies.clone();
        writer.push(entry);
    }
    let target = Target {
        name: identity.clone(),
        tag: identity,
        ..writer.target_without_owner(object, "TRANSFORM")
    };
    writer.comment(object, &target);
}
