//! What a database holds that is not the server's own: the things a restore must not run into.

use crate::connect::Session;
use crate::error::Result;

const USER_OBJECTS: &str = "
select 'relation' as class, n.nspname as schema, c.relname as name,
       case c.relkind when 'r' then 'table' when 'p' then 'table' when 'v' then 'view'
            when 'm' then 'materialized view' when 'S' then 'sequence' else 'foreign table' end as kind
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'v', 'm', 'S', 'f') and c.oid >= 16384
  and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  and not exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                  and d.objid = c.oid and d.deptype in ('e', 'i'))
union all
select 'type', n.nspname, t.typname, 'type'
from pg_catalog.pg_type t join pg_catalog.pg_namespace n on n.oid = t.typnamespace
left join pg_catalog.pg_class c on c.oid = t.typrelid
where t.oid >= 16384 and (t.typrelid = 0 or c.relkind = 'c') and t.typelem = 0
  and t.typtype in ('b', 'c', 'd', 'e', 'r')
  and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  and not exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass
                  and d.objid = t.oid and d.deptype in ('e', 'i'))
union all
select 'function', n.nspname, p.proname || '(' || pg_catalog.oidvectortypes(p.proargtypes) || ')', 'function'
from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
where p.oid >= 16384 and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  and not exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
                  and d.objid = p.oid and d.deptype in ('e', 'i'))
order by 1, 2, 3";

/// Something that somebody made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UserObject {
    class: String,
    schema: String,
    name: String,
    kind: String,
}

impl UserObject {
    /// Returns class, schema and name; the class is `relation`, `type` or `function`.
    pub(super) fn identity(&self) -> (&str, &str, &str) {
        (&self.class, &self.schema, &self.name)
    }
}

/// Lists them in an order that does not change.
pub(super) async fn read(session: &Session) -> Result<Vec<UserObject>> {
    let rows = session.query("look for user objects in the target", USER_OBJECTS).await?;
    let mut found = Vec::new();
    for row in &rows {
        found.push(UserObject {
            class: row.text("class")?.to_owned(),
            schema: row.text("schema")?.to_owned(),
            name: row.text("name")?.to_owned(),
            kind: row.text("kind")?.to_owned(),
        });
    }
    Ok(found)
}

/// How many names a refusal lists: enough to recognize the database, not a catalogue.
const NAMES_LISTED: usize = 5;

/// Names the first of them.
pub(super) fn listed(found: &[UserObject]) -> String {
    let mut listed: Vec<String> = found
        .iter()
        .take(NAMES_LISTED)
        .map(|object| format!("{} {}.{}", object.kind, object.schema, object.name))
        .collect();
    if found.len() > NAMES_LISTED {
        listed.push(format!("{} more", found.len() - NAMES_LISTED));
    }
    listed.join(", ")
}
