//! Comments and security labels of all objects, from `pg_description` and `pg_seclabels`
//! (`collectComments`, `collectSecLabels` in `pg_dump.c`).

use super::Reader;
use crate::error::Result;
use crate::model::types::TypeSort;
use crate::model::{CatalogId, Components, Database, DumpId, Kind, Oid};

pub(super) const COMMENTS: &str = "select description, classoid, objoid, objsubid
    from pg_catalog.pg_description
    order by classoid, objoid, objsubid";

pub(super) const SECURITY_LABELS: &str = "select label, provider, classoid, objoid, objsubid
    from pg_catalog.pg_seclabels
    order by classoid, objoid, objsubid";

pub(super) async fn read_comments(reader: &mut Reader<'_>) -> Result<()> {
    if !reader.options.comments {
        return Ok(());
    }
    let composites = composite_types(&reader.database);
    for row in reader.ask("read comments", COMMENTS).await?.iter() {
        let id = CatalogId { class: row.oid("classoid")?, oid: row.oid("objoid")? };
        let number = row.integer::<i32>("objsubid")?;
        if make_available(&mut reader.database, &composites, id, number, Components::COMMENT) {
            let comments = reader.database.comments.entry(id).or_default();
            comments.push((number, row.text("description")?.to_owned()));
        }
    }
    Ok(())
}

pub(super) async fn read_security_labels(reader: &mut Reader<'_>) -> Result<()> {
    if !reader.options.security_labels {
        return Ok(());
    }
    let composites = composite_types(&reader.database);
    for row in reader.ask("read security labels", SECURITY_LABELS).await?.iter() {
        let id = CatalogId { class: row.oid("classoid")?, oid: row.oid("objoid")? };
        let number = row.integer::<i32>("objsubid")?;
        if make_available(&mut reader.database, &composites, id, number, Components::SECURITY_LABEL)
        {
            let labels = reader.database.security_labels.entry(id).or_default();
            labels.push((number, row.text("provider")?.to_owned(), row.text("label")?.to_owned()));
        }
    }
    Ok(())
}

/// Marks a component of the object as available and tells whether the object is known.
///
/// What is said about an attribute of a composite type hangs on the type's relation in the catalogs
/// and on the type in a dump.
fn make_available(
    database: &mut Database,
    composites: &std::collections::HashMap<Oid, DumpId>,
    id: CatalogId,
    number: i32,
    component: Components,
) -> bool {
    let Some(object) = database.find(id) else { return false };
    database.object_mut(object).available |= component;
    if number != 0
        && let Some(&composite) = composites.get(&id.oid)
        && matches!(&database.object(object).kind, Kind::Table(table) if table.relkind == 'c')
    {
        database.object_mut(composite).available |= component;
    }
    true
}

/// Returns the composite types by the oid of the relation behind them.
fn composite_types(database: &Database) -> std::collections::HashMap<Oid, DumpId> {
    database
        .objects()
        .iter()
        .filter_map(|object| match &object.kind {
            Kind::Type(kind) if matches!(kind.sort, TypeSort::Composite(_)) => {
                Some((kind.relation, object.id))
            }
            _ => None,
        })
        .collect()
}
