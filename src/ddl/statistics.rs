//! Extended statistics (`dumpStatisticsExt` in `pg_dump.c`).

use super::Writer;
use crate::model::statistics::Statistics;
use crate::model::{Components, Object, Section};

pub(super) fn create_statistics(writer: &mut Writer<'_>, object: &Object, statistics: &Statistics) {
    if !writer.options.schema {
        return;
    }
    if object.emits(Components::DEFINITION) {
        let name = writer.qualified(object);
        let mut entry = writer.entry(object, "STATISTICS", &object.name, Section::PostData);
        entry.definition = format!("{};\n", statistics.definition);
        if let Some(target) = statistics.target {
            entry
                .definition
                .push_str(&format!("ALTER STATISTICS {name} SET STATISTICS {target};\n"));
        }
        entry.drop_statement = Some(format!("DROP STATISTICS {name};\n"));
        writer.push(entry);
    }
    let target = writer.target(object, "STATISTICS");
    writer.comment(object, &target);
}
