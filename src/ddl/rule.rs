//! Rewrite rules, and the query of a view whose definition had to be split (`dumpRule` in `pg_dump.c`).

use super::{Target, Writer, view};
use crate::model::rule::Rule;
use crate::model::{Components, Object, Section};

pub(super) fn create_rule(writer: &mut Writer<'_>, object: &Object, rule: &Rule) {
    if !writer.options.schema || !rule.separate {
        return;
    }
    let table = writer.database.object(rule.table);
    let Some(relation) = writer.database.table(rule.table) else { return };
    let table_name = writer.qualified(table);
    let name = writer.identifier(&object.name);
    if object.emits(Components::DEFINITION) {
        let is_query = rule.event == '1' && rule.instead && matches!(relation.relkind, 'v' | 'm');
        let (mut definition, drop_statement) = if is_query {
            let dummy = view::dummy_query(writer, relation);
            (
                view::create_view(writer, "CREATE OR REPLACE VIEW", table, relation),
                format!("CREATE OR REPLACE VIEW {table_name} AS\n{dummy};\n"),
            )
        } else {
            (format!("{}\n", rule.definition), format!("DROP RULE {name} ON {table_name};\n"))
        };
        let state = match rule.enabled {
            'A' => "ENABLE ALWAYS",
            'R' => "ENABLE REPLICA",
            'D' => "DISABLE",
            _ => "",
        };
        if !state.is_empty() {
            definition.push_str(&format!("ALTER TABLE {table_name} {state} RULE {name};\n"));
        }
        let tag = format!("{} {}", table.name, object.name);
        let mut entry = writer.entry(object, "RULE", &tag, Section::PostData);
        entry.namespace = table.schema.clone();
        entry.owner = table.owner.clone();
        entry.definition = definition;
        entry.drop_statement = Some(drop_statement);
        writer.push(entry);
    }
    let target = on_table(writer, "RULE", object, table);
    writer.comment(object, &target);
}

/// Returns the target of a comment on what a table has under a name of its own: `RULE r ON s.t`.
pub(super) fn on_table(writer: &Writer<'_>, word: &str, object: &Object, table: &Object) -> Target {
    let name = writer.identifier(&object.name);
    Target {
        word: word.to_owned(),
        name: format!("{name} ON {}", writer.qualified(table)),
        tag: format!("{name} ON {}", writer.identifier(&table.name)),
        namespace: table.schema.clone(),
        owner: table.owner.clone(),
        entry: object.id,
    }
}
