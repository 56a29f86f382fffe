//! Triggers (`dumpTrigger` in `pg_dump.c`).

use super::Writer;
use super::index::depends_on_extensions;
use super::rule::on_table;
use crate::model::trigger::Trigger;
use crate::model::{Components, Object, Section};

pub(super) fn create_trigger(writer: &mut Writer<'_>, object: &Object, trigger: &Trigger) {
    if !writer.options.schema {
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
        writer.push(entry);
    }
    let target = on_table(writer, "TRIGGER", object, table);
    writer.comment(object, &target);
}
