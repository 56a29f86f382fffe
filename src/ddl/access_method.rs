//! Access methods (`dumpAccessMethod` in `pg_dump.c`).

use super::Writer;
use crate::model::access_method::AccessMethod;
use crate::model::{Components, Object, Section};

pub(super) fn create_access_method(
    writer: &mut Writer<'_>,
    object: &Object,
    method: &AccessMethod,
) {
    // Whoever read a kind that is not known here has said so.
    let kind = match method.amtype {
        'i' => "INDEX",
        't' => "TABLE",
        _ => return,
    };
    if !writer.options.schema {
        return;
    }
    let name = writer.identifier(&object.name);
    if object.emits(Components::DEFINITION) {
        let mut entry = writer.entry(object, "ACCESS METHOD", &object.name, Section::PreData);
        entry.definition =
            format!("CREATE ACCESS METHOD {name} TYPE {kind} HANDLER {};\n", method.handler);
        entry.drop_statement = Some(format!("DROP ACCESS METHOD {name};\n"));
        writer.push(entry);
    }
    let target = writer.target_without_owner(object, "ACCESS METHOD");
    writer.comment(object, &target);
}
