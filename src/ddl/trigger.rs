//! Triggers (`dumpTrigger` in `pg_dump.c`).

use super::index::depends_on_extensions;
use super::rule::on_table;
use super::{Fidelity, Writer};
use crate::model::trigger::Trigger;
use crate::model::{Components, DumpId, Kind, Object, Section};

pub(super) fn create_trigger(writer: &mut Writer<'_>, object: &Object, trigger: &Trigger) {
    // The name of a foreign key's trigger holds an oid of the source, so that its state cannot be
    // restored; pg_dump tries.
    let cannot_load = trigger.of_foreign_key && writer.options.fidelity == Fidelity::Corrected;
    if !writer.options.schema || cannot_load {
        return;
    }
    let table = writer.database.object(trigger.table);
    let table_name = writer.qualified(table);
    let name = writer.identifier(&object.name);
    if object.emits(Components::DEFINITION) {
        let foreign =
            writer.database.table(trigger.table).is_some_and(|table| table.relkind == 'f');
        let foreign = if foreign { "FOREIGN " } else { "" };
        let state = match trigger.enabled {
            'D' | 'f' => "DISABLE",
            'A' => "ENABLE ALWAYS",
            'R' => "ENABLE REPLICA",
            _ => "ENABLE",
        };
        let set_state = format!("\nALTER {foreign}TABLE {table_name} {state} TRIGGER {name};\n");
        let (definition, drop_statement) = if trigger.partition_clone {
            // The partitioned table's trigger makes the clone; only its differing state is left to say.
            (set_state, String::new())
        } else {
            let mut definition = format!("{};\n", trigger.definition);
            let named = format!("{name} ON {table_name}");
            definition.push_str(&depends_on_extensions(writer, object, "TRIGGER", &named));
            if state != "ENABLE" {
                definition.push_str(&set_state);
            }
            (definition, format!("DROP TRIGGER {name} ON {table_name};\n"))
        };
        let tag = format!("{} {}", table.name, object.name);
        let mut entry = writer.entry(object, "TRIGGER", &tag, Section::PostData);
        entry.namespace = table.schema.clone();
        entry.owner = table.owner.clone();
        entry.definition = definition;
        entry.drop_statement = Some(drop_statement);
        if trigger.partition_clone {
            entry.dependencies =
                std::iter::once(trigger.table).chain(origins(writer, object)).collect();
        }
        writer.push(entry);
    }
    let target = on_table(writer, "TRIGGER", object, table);
    writer.comment(object, &target);
}

/// Returns the triggers of partitioned tables that the clone may come from, told by the name they share.
///
/// The catalogs know the one above it, but two levels down that is a clone too and has no entry. pg_dump then
/// stores no dependency, and a parallel pg_restore disables the clone before anything has made it.
fn origins(writer: &Writer<'_>, clone: &Object) -> Vec<DumpId> {
    let objects = writer.database.objects().iter();
    let same_name = objects.filter(|other| other.name == clone.name);
    same_name
        .filter(|other| match &other.kind {
            Kind::Trigger(trigger) => {
                !trigger.partition_clone && is_partitioned(writer, trigger.table)
            }
            _ => false,
        })
        .map(|other| other.id)
        .collect()
}

fn is_partitioned(writer: &Writer<'_>, table: DumpId) -> bool {
    writer.database.table(table).is_some_and(|table| table.relkind == 'p')
}
