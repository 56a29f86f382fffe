//! Row security, from `pg_class` and `pg_policy` (`getPolicies` in `pg_dump.c`).

use super::{Reader, oid_array};
use crate::error::Result;
use crate::model::policy::{Policy, PolicyDefinition};
use crate::model::{CatalogId, Components, DumpId, Kind, Oid};

/// pg_dump leaves the order of the roles to the server, and so does this: another order would be another text.
fn policies(oids: &str) -> String {
    format!(
        "select p.tableoid, p.oid, p.polrelid, p.polname, p.polcmd, p.polpermissive,
            case when p.polroles = '{{0}}' then null else pg_catalog.array_to_string(array(
                select pg_catalog.quote_ident(r.rolname) from pg_catalog.pg_roles r
                where r.oid = any (p.polroles)), ', ') end as roles,
            pg_catalog.pg_get_expr(p.polqual, p.polrelid) as using_expression,
            pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) as check_expression
        from pg_catalog.unnest({oids}) as wanted(oid)
        join pg_catalog.pg_policy p on p.polrelid = wanted.oid"
    )
}

pub(super) async fn read_policies(reader: &mut Reader<'_>) -> Result<()> {
    if !reader.options.policies {
        return Ok(());
    }
    let tables: Vec<(Oid, DumpId, bool)> = reader
        .database
        .objects()
        .iter()
        .filter(|object| object.wanted.contains(Components::POLICY))
        .filter_map(|object| match &object.kind {
            Kind::Table(table) if matches!(table.relkind, 'r' | 'p') => {
                Some((object.catalog_id.oid, object.id, table.row_security))
            }
            _ => None,
        })
        .collect();
    if tables.is_empty() {
        return Ok(());
    }
    for &(oid, table, enabled) in &tables {
        if enabled {
            add_enabling(reader, oid, table);
        }
    }
    let sql = policies(&oid_array(tables.iter().map(|(oid, _, _)| *oid)));
    let rows = reader.session.query("read policies", &sql).await?;
    for row in rows.iter() {
        let Some(&table) = reader.tables.get(&row.oid("polrelid")?) else { continue };
        let text = |column: &str| row.optional(column).map(str::to_owned);
        let definition = PolicyDefinition {
            command: row.character("polcmd")?,
            permissive: row.boolean("polpermissive")?,
            roles: text("roles"),
            using: text("using_expression"),
            with_check: text("check_expression"),
        };
        let policy = Kind::Policy(Box::new(Policy { table, definition: Some(definition) }));
        let name = row.text("polname")?.to_owned();
        let id = reader.add_part(&row, name, table, Components::all(), policy)?;
        reader.database.object_mut(id).available |= Components::POLICY;
        reader.database.object_mut(table).available |= Components::POLICY;
    }
    Ok(())
}

/// Adds the object that stands for `ENABLE ROW LEVEL SECURITY`. It has the oid of its table, but not its
/// catalog, so that no edge of the table is taken for one of its own.
fn add_enabling(reader: &mut Reader<'_>, oid: Oid, table: DumpId) {
    let name = reader.database.object(table).name.clone();
    let place = CatalogId { class: Oid::ZERO, oid };
    let policy = Kind::Policy(Box::new(Policy { table, definition: None }));
    let id = reader.add_part_at(place, name, table, Components::all(), policy);
    reader.database.object_mut(id).available |= Components::POLICY;
    reader.database.object_mut(table).available |= Components::POLICY;
}
