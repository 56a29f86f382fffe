//! Rewrite rules, from `pg_rewrite` (`getRules` in `pg_dump.c`).

use std::collections::HashMap;

use super::{Reader, inconsistent, oid_array};
use crate::error::Result;
use crate::model::rule::Rule;
use crate::model::{Components, DumpId, Kind, Oid};

const RULES: &str = "select tableoid, oid, rulename, ev_class, ev_type, is_instead, ev_enabled
    from pg_catalog.pg_rewrite
    order by oid";

fn definitions(oids: &str) -> String {
    format!(
        "select wanted.oid, pg_catalog.pg_get_ruledef(wanted.oid) as definition
        from pg_catalog.unnest({oids}) as wanted(oid)"
    )
}

pub(super) async fn read_rules(reader: &mut Reader<'_>) -> Result<()> {
    let rows = reader.session.query("read rules", RULES).await?;
    let mut wanted_rules: HashMap<Oid, DumpId> = HashMap::new();
    for row in rows.iter() {
        let relation = row.oid("ev_class")?;
        let name = row.text("rulename")?.to_owned();
        let Some(&table) = reader.tables.get(&relation) else {
            return Err(inconsistent(format!(
                "the relation {relation} of rule {name} does not exist"
            )));
        };
        let event = row.character("ev_type")?;
        let instead = row.boolean("is_instead")?;
        let relkind = reader.database.table(table).map(|table| table.relkind);
        let is_query = matches!(relkind, Some('v' | 'm')) && event == '1' && instead;
        let rule = Rule {
            table,
            event,
            instead,
            enabled: row.character("ev_enabled")?,
            definition: String::new(),
            separate: !is_query,
        };
        let wanted = reader.database.object(table).wanted;
        let id = reader.add_part(&row, name, table, wanted, Kind::Rule(rule))?;
        if is_query {
            // What the query needs must come before the view.
            reader.database.depend(table, id);
        } else {
            reader.database.depend(id, table);
            if wanted.contains(Components::DEFINITION) {
                wanted_rules.insert(row.oid("oid")?, id);
            }
        }
    }
    if wanted_rules.is_empty() || !reader.options.schema {
        return Ok(());
    }
    let sql = definitions(&oid_array(wanted_rules.keys().copied()));
    let rows = reader.session.query("read definitions of rules", &sql).await?;
    for row in rows.iter() {
        let Some(&id) = wanted_rules.get(&row.oid("oid")?) else { continue };
        let name = reader.database.object(id).name.clone();
        if let Kind::Rule(rule) = &mut reader.database.object_mut(id).kind {
            let definition = row
                .optional("definition")
                .ok_or_else(|| inconsistent(format!("rule {name} has no definition")))?;
            rule.definition = definition.to_owned();
        }
    }
    Ok(())
}
