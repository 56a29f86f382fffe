//! Casts (`dumpCast` in `pg_dump.c`).

use super::Writer;
use super::function::call_signature;
use super::writer::Target;
use crate::model::cast::Cast;
use crate::model::{Components, Object, Section};

pub(super) fn create_cast(writer: &mut Writer<'_>, object: &Object, cast: &Cast) {
    if !writer.options.schema {
        return;
    }
    let types = format!("({} AS {})", cast.source, cast.target);
    if object.emits(Components::DEFINITION) {
        let mut entry = writer.entry(object, "CAST", &format!("CAST {types}"), Section::PreData);
        let method = match (cast.method, cast.function) {
            ('b', _) => "WITHOUT FUNCTION".to_owned(),
            ('i', _) => "WITH INOUT".to_owned(),
            (_, Some(function)) => format!("WITH FUNCTION {}", call_signature(writer, function)),
            (_, None) => "WITHOUT FUNCTION".to_owned(),
        };
        let context = match cast.context {
            'a' => " AS ASSIGNMENT",
            'i' => " AS IMPLICIT",
            _ => "",
        };
        entry.definition = format!("CREATE CAST {types} {method}{context};\n");
        entry.drop_statement = Some(format!("DROP CAST {types};\n"));
        writer.push(entry);
    }
    let target =
        Target { name: types.clone(), tag: types, ..writer.target_without_owner(object, "CAST") };
    writer.comment(object, &target);
}
