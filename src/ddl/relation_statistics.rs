//! What the planner knows about rows, as calls that servers from 18 on understand (`dumpRelationStats` in
//! `pg_dump.c`).

use super::Writer;
use crate::error::{Error, ErrorKind, Result};
use crate::model::relation_statistics::{COLUMN_FACTS, RelationStatistics};
use crate::model::{Object, Section, TocEntry};

pub(super) fn restore_statistics(
    writer: &mut Writer<'_>,
    object: &Object,
    statistics: &RelationStatistics,
) -> Result<()> {
    if !writer.options.statistics {
        return Ok(());
    }
    let mut entry = TocEntry::new(writer.next_id(), "STATISTICS DATA", &object.name);
    entry.section = if statistics.after_data { Section::PostData } else { Section::Data };
    entry.namespace = object.schema.clone();
    entry.dependencies = object.dependencies.clone();
    entry.definition = definition(writer, object, statistics)?;
    writer.push(entry);
    Ok(())
}

fn definition(
    writer: &Writer<'_>,
    object: &Object,
    statistics: &RelationStatistics,
) -> Result<String> {
    // Both functions begin with the source's version, which says how to read the rest.
    let relation = format!(
        "\t'version', '{}'::integer,\n\t'schemaname', {},\n\t'relname', {}",
        writer.database.facts.version.0,
        writer.literal(object.schema.as_deref().unwrap_or_default()),
        writer.literal(&object.name)
    );
    let mut text = format!(
        "SELECT * FROM pg_catalog.pg_restore_relation_stats(\n{relation},\n\
         \t'relpages', '{}'::integer,\n\t'reltuples', '{}'::real,\n\t'relallvisible', '{}'::integer",
        statistics.pages, statistics.tuples, statistics.all_visible
    );
    if let Some(all_frozen) = statistics.all_frozen {
        text.push_str(&format!(",\n\t'relallfrozen', '{all_frozen}'::integer"));
    }
    text.push_str("\n);\n");
    for column in &statistics.columns {
        text.push_str(&format!(
            "SELECT * FROM pg_catalog.pg_restore_attribute_stats(\n{relation},\n"
        ));
        if statistics.index_columns.is_empty() {
            text.push_str(&format!("\t'attname', {}", writer.literal(&column.name)));
        } else {
            let place = statistics.index_columns.iter().position(|name| *name == column.name);
            let place = place.ok_or_else(|| {
                Error::new(
                    ErrorKind::Server,
                    format!(
                        "inconsistent catalogs: index {} has statistics of a column {} and no such column",
                        object.name, column.name
                    ),
                )
            })?;
            text.push_str(&format!("\t'attnum', '{}'::smallint", place + 1));
        }
        for ((fact, type_name), value) in COLUMN_FACTS.iter().zip(&column.values) {
            if let Some(value) = value {
                text.push_str(&format!(",\n\t'{fact}', {}::{type_name}", writer.literal(value)));
            }
        }
        text.push_str("\n);\n");
    }
    Ok(text)
}
