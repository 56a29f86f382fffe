//! Event triggers (`dumpEventTrigger` in `pg_dump.c`).

use super::Writer;
use crate::model::event_trigger::EventTrigger;
use crate::model::{Components, Object, Section};
use crate::sql::quote_literal_for_server;

pub(super) fn create_event_trigger(
    writer: &mut Writer<'_>,
    object: &Object,
    trigger: &EventTrigger,
) {
    if !writer.options.schema {
        return;
    }
    let name = writer.identifier(&object.name);
    if object.emits(Components::DEFINITION) {
        let mut text =
            format!("CREATE EVENT TRIGGER {name} ON {}", writer.identifier(&trigger.event));
        if !trigger.tags.is_empty() {
            let tags: Vec<String> =
                trigger.tags.iter().map(|tag| quote_literal_for_server(tag)).collect();
            text.push_str(&format!("\n         WHEN TAG IN ({})", tags.join(", ")));
        }
        text.push_str(&format!("\n   EXECUTE FUNCTION {}();\n", trigger.function));
        let state = match trigger.enabled {
            'O' => None,
            'D' => Some("DISABLE"),
            'A' => Some("ENABLE ALWAYS"),
            'R' => Some("ENABLE REPLICA"),
            _ => Some("ENABLE"),
        };
        if let Some(state) = state {
            text.push_str(&format!("\nALTER EVENT TRIGGER {name} {state};\n"));
        }
        let mut entry = writer.entry(object, "EVENT TRIGGER", &object.name, Section::PostData);
        entry.definition = text;
        entry.drop_statement = Some(format!("DROP EVENT TRIGGER {name};\n"));
        writer.push(entry);
    }
    let target = writer.target(object, "EVENT TRIGGER");
    writer.comment(object, &target);
    writer.security_labels(object, &target);
}
