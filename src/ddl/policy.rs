//! Row security: that it is enabled, and the policies (`dumpPolicy` in `pg_dump.c`).

use super::Writer;
use super::rule::on_table;
use crate::model::policy::{Policy, PolicyDefinition};
use crate::model::{CatalogId, Object, Oid, Section};

pub(super) fn create_policy(writer: &mut Writer<'_>, object: &Object, policy: &Policy) {
    if !writer.options.schema || !writer.options.policies {
        return;
    }
    match &policy.definition {
        Some(definition) => named_policy(writer, object, policy, definition),
        None => enable_row_security(writer, object, policy),
    }
}

fn enable_row_security(writer: &mut Writer<'_>, object: &Object, policy: &Policy) {
    let table = writer.database.object(policy.table);
    let mut entry = writer.entry(object, "ROW SECURITY", &table.name, Section::PostData);
    entry.catalog_id = CatalogId { class: Oid::ZERO, oid: table.catalog_id.oid };
    entry.namespace = table.schema.clone();
    entry.owner = table.owner.clone();
    // Without a newline at its end, as in pg_dump: one blank line follows instead of two.
    entry.definition =
        format!("ALTER TABLE {} ENABLE ROW LEVEL SECURITY;", writer.qualified(table));
    entry.dependencies = vec![policy.table];
    writer.push(entry);
}

fn named_policy(
    writer: &mut Writer<'_>,
    object: &Object,
    policy: &Policy,
    definition: &PolicyDefinition,
) {
    let table = writer.database.object(policy.table);
    let table_name = writer.qualified(table);
    let name = writer.identifier(&object.name);
    let mut text = format!("CREATE POLICY {name} ON {table_name}");
    if !definition.permissive {
        text.push_str(" AS RESTRICTIVE");
    }
    text.push_str(match definition.command {
        'r' => " FOR SELECT",
        'a' => " FOR INSERT",
        'w' => " FOR UPDATE",
        'd' => " FOR DELETE",
        _ => "",
    });
    for (words, value) in [
        (" TO ", definition.roles.clone()),
        (" USING ", definition.using.as_ref().map(|expression| format!("({expression})"))),
        (
            " WITH CHECK ",
            definition.with_check.as_ref().map(|expression| format!("({expression})")),
        ),
    ] {
        if let Some(value) = value {
            text.push_str(words);
            text.push_str(&value);
        }
    }
    text.push_str(";\n");
    let tag = format!("{} {}", table.name, object.name);
    let mut entry = writer.entry(object, "POLICY", &tag, Section::PostData);
    entry.namespace = table.schema.clone();
    entry.owner = table.owner.clone();
    entry.definition = text;
    entry.drop_statement = Some(format!("DROP POLICY {name} ON {table_name};\n"));
    writer.push(entry);
    let target = on_table(writer, "POLICY", object, table);
    writer.comment(object, &target);
}
