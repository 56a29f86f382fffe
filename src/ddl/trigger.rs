//! Triggers (`dumpTrigger` in `pg_dump.c`).

use std::collections::HashMap;

use super::rule::on_table;
use super::{Fidelity, Writer};
use crate::model::trigger::Trigger;
use crate::model::{Components, Database, DumpId, Kind, Object, Section, TocEntry};

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
            definition.push_str(&writer.extension_dependencies(object, "TRIGGER", &named));
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
        writer.push(entry);
    }
    let target = on_table(writer, "TRIGGER", object, table);
    writer.comment(object, &target);
}

/// Makes the entries of clones wait for the triggers that make the clones, told by the name they share.
///
/// The catalogs know the trigger above a clone, but two levels down that is a clone too and mostly has no
/// entry. pg_dump then stores no dependency, and a parallel pg_restore disables the clone before anything
/// has made it.
pub(super) fn add_origins(database: &Database, entries: &mut [TocEntry]) {
    let triggers = || {
        database.objects().iter().filter_map(|object| match &object.kind {
            Kind::Trigger(trigger) => Some((object, trigger)),
            _ => None,
        })
    };
    let clones: HashMap<DumpId, &str> = triggers()
        .filter(|(_, trigger)| trigger.partition_clone)
        .map(|(object, _)| (object.id, object.name.as_str()))
        .collect();
    if clones.is_empty() {
        return;
    }
    let mut origins: HashMap<&str, Vec<DumpId>> = HashMap::new();
    for (object, trigger) in triggers() {
        let partitioned = database.table(trigger.table).is_some_and(|table| table.relkind == 'p');
        if partitioned && !trigger.partition_clone && object.emits(Components::DEFINITION) {
            origins.entry(&object.name).or_default().push(object.id);
        }
    }
    for entry in entries {
        let Some(name) = clones.get(&entry.dump_id) else { continue };
        for &origin in origins.get(name).into_iter().flatten() {
            if !entry.dependencies.contains(&origin) {
                entry.dependencies.push(origin);
            }
        }
    }
}
