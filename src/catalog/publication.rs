//! Publications with their tables and schemas, from `pg_publication`, `pg_publication_rel` and
//! `pg_publication_namespace` (`getPublications` and its kin in `pg_dump.c`).

use std::collections::HashMap;

use super::value::{array, optional};
use super::{Found, Reader};
use crate::error::Result;
use crate::model::publication::{Publication, PublicationSchema, PublicationTable};
use crate::model::{CatalogId, DumpId, Kind, Oid, ServerVersion};

fn publications(version: ServerVersion) -> String {
    let via_root = if version.has_publication_via_root() { "p.pubviaroot" } else { "false" };
    let generated =
        if version.has_publication_generated_columns() { "p.pubgencols" } else { "'n'" };
    format!(
        "select p.tableoid, p.oid, p.pubname, p.pubowner, p.puballtables, p.pubinsert, p.pubupdate,
            p.pubdelete, p.pubtruncate, {via_root} as pubviaroot, {generated} as pubgencols
        from pg_catalog.pg_publication p"
    )
}

/// Asks without joins, which would change the order of the rows and with it the numbers of the members.
fn tables(version: ServerVersion) -> String {
    // The server does not keep the order in which the columns were named.
    let filters = if version.has_publication_filters() {
        "pg_catalog.pg_get_expr(r.prqual, r.prrelid) as filter,
            case when r.prattrs is not null then
              array(select a.attname::text from pg_catalog.pg_attribute a
                where a.attrelid = r.prrelid and a.attnum = any (r.prattrs) order by a.attnum)
            end as columns"
    } else {
        "null as filter, null as columns"
    };
    format!(
        "select r.tableoid, r.oid, r.prpubid, r.prrelid, {filters},
            (select c.relname from pg_catalog.pg_class c where c.oid = r.prrelid) as relname
        from pg_catalog.pg_publication_rel r"
    )
}

const SCHEMAS: &str = "select s.tableoid, s.oid, s.pnpubid, s.pnnspid,
        (select n.nspname from pg_catalog.pg_namespace n where n.oid = s.pnnspid) as nspname
    from pg_catalog.pg_publication_namespace s";

pub(super) async fn read_publications(reader: &mut Reader<'_>) -> Result<()> {
    let version = reader.version();
    let rows = reader.session.query("read publications", &publications(version)).await?;
    let mut known = HashMap::new();
    for row in rows.iter() {
        let found = Found::new(&row, "pubname")?.owned(&row, "pubowner")?;
        let oid = found.catalog_id.oid;
        let mut operations = Vec::new();
        for (column, operation) in [
            ("pubinsert", "insert"),
            ("pubupdate", "update"),
            ("pubdelete", "delete"),
            ("pubtruncate", "truncate"),
        ] {
            if row.boolean(column)? {
                operations.push(operation);
            }
        }
        let publication = Publication {
            all_tables: row.boolean("puballtables")?,
            operations,
            via_root: row.boolean("pubviaroot")?,
            generated_columns: row.character("pubgencols")?,
        };
        let wanted = reader.selection.outside_schemas();
        known.insert(oid, reader.add(found, wanted, Kind::Publication(publication))?);
    }
    if known.is_empty() {
        return Ok(());
    }
    read_publication_tables(reader, &known).await?;
    if version.has_publication_filters() {
        read_publication_schemas(reader, &known).await?;
    }
    Ok(())
}

/// Members are wanted like their publication, whatever is wanted of the tables.
async fn read_publication_tables(
    reader: &mut Reader<'_>,
    publications: &HashMap<Oid, DumpId>,
) -> Result<()> {
    let sql = tables(reader.version());
    let rows = reader.session.query("read tables of publications", &sql).await?;
    for row in rows.iter() {
        let found = Found::new(&row, "relname")?;
        let Some(&publication) = publications.get(&row.oid("prpubid")?) else { continue };
        let Some(&table) = reader.tables.get(&row.oid("prrelid")?) else { continue };
        let columns = match row.is_null("columns")? {
            true => None,
            false => Some(array(&row, "columns")?),
        };
        let member =
            PublicationTable { publication, table, columns, filter: optional(&row, "filter") };
        let wanted = reader.selection.outside_schemas();
        let id = reader.add(found, wanted, Kind::PublicationTable(Box::new(member)))?;
        own_like(reader, id, publication);
        let schema = reader.database.object(table).schema.clone();
        reader.database.object_mut(id).schema = schema;
    }
    Ok(())
}

async fn read_publication_schemas(
    reader: &mut Reader<'_>,
    publications: &HashMap<Oid, DumpId>,
) -> Result<()> {
    let rows = reader.session.query("read schemas of publications", SCHEMAS).await?;
    for row in rows.iter() {
        let found = Found::new(&row, "nspname")?.in_schema(&row, "pnnspid")?;
        let Some(&publication) = publications.get(&row.oid("pnpubid")?) else { continue };
        if reader.database.find(CatalogId::schema(row.oid("pnnspid")?)).is_none() {
            continue;
        }
        let member = PublicationSchema { publication };
        let wanted = reader.selection.outside_schemas();
        let id = reader.add(found, wanted, Kind::PublicationSchema(member))?;
        own_like(reader, id, publication);
    }
    Ok(())
}

fn own_like(reader: &mut Reader<'_>, member: DumpId, publication: DumpId) {
    let owner = reader.database.object(publication).owner.clone();
    reader.database.object_mut(member).owner = owner;
}
