//! Conversions between encodings (`dumpConversion` in `pg_dump.c`).

use super::Writer;
use crate::model::conversion::Conversion;
use crate::model::{Components, Object, Section};

pub(super) fn create_conversion(writer: &mut Writer<'_>, object: &Object, conversion: &Conversion) {
    if !writer.options.schema {
        return;
    }
    if object.emits(Components::DEFINITION) {
        let name = writer.qualified(object);
        let default = if conversion.is_default { "DEFAULT " } else { "" };
        let mut entry = writer.entry(object, "CONVERSION", &object.name, Section::PreData);
        entry.definition = format!(
            "CREATE {default}CONVERSION {name} FOR {} TO {} FROM {};\n",
            writer.literal(&conversion.from),
            writer.literal(&conversion.to),
            conversion.function
        );
        entry.drop_statement = Some(format!("DROP CONVERSION {name};\n"));
        writer.push(entry);
    }
    let target = writer.target(object, "CONVERSION");
    writer.comment(object, &target);
}
