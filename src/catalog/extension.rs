//! Extensions and their members, from `pg_extension` and `pg_depend` (`getExtensions`,
//! `getExtensionMembership` in `pg_dump.c`).

use super::{Found, Reader, inconsistent};
use crate::error::Result;
use crate::model::extension::Extension;
use crate::model::{CatalogId, Kind, Oid};
use crate::sql::parse_array;

pub(super) const EXTENSIONS: &str =
    "select x.tableoid, x.oid, x.extname, n.nspname, x.extrelocatable,
        x.extversion, x.extconfig, x.extcondition
    from pg_catalog.pg_extension x
    join pg_catalog.pg_namespace n on n.oid = x.extnamespace";

pub(super) const MEMBERS: &str = "select d.classid, d.objid, d.refobjid
    from pg_catalog.pg_depend d
    where d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass and d.deptype = 'e'
    order by d.refobjid";

pub(super) async fn read_extensions(reader: &mut Reader<'_>) -> Result<()> {
    for row in reader.ask("read extensions", EXTENSIONS).await?.iter() {
        let found = Found::new(&row, "extname")?;
        let configuration = configuration(
            &found.name,
            row.optional("extconfig").unwrap_or("{}"),
            row.optional("extcondition").unwrap_or("{}"),
        )?;
        let wanted = reader.selection.extension(found.catalog_id.oid);
        let extension = Extension {
            install_schema: row.text("nspname")?.to_owned(),
            version: row.text("extversion")?.to_owned(),
            relocatable: row.boolean("extrelocatable")?,
            configuration,
            contents: wanted,
        };
        reader.add(found, wanted, Kind::Extension(Box::new(extension)))?;
    }
    Ok(())
}

/// Pairs the configuration tables of an extension with the conditions on their rows.
fn configuration(extension: &str, tables: &str, conditions: &str) -> Result<Vec<(Oid, String)>> {
    let broken =
        || inconsistent(format!("extension {extension} has malformed configuration arrays"));
    let tables = parse_array(tables).ok_or_else(broken)?;
    let conditions = parse_array(conditions).ok_or_else(broken)?;
    if tables.len() != conditions.len() {
        return Err(broken());
    }
    tables
        .into_iter()
        .zip(conditions)
        .map(|(table, condition)| Ok((Oid(table.parse().map_err(|_| broken())?), condition)))
        .collect()
}

pub(super) async fn read_extension_members(reader: &mut Reader<'_>) -> Result<()> {
    let rows = reader.ask("read members of extensions", MEMBERS).await?;
    let extensions: std::collections::HashMap<Oid, _> = reader
        .database
        .objects()
        .iter()
        .filter(|object| matches!(object.kind, Kind::Extension(_)))
        .map(|object| (object.catalog_id.oid, object.id))
        .collect();
    for row in rows.iter() {
        let member = CatalogId { class: row.oid("classid")?, oid: row.oid("objid")? };
        if let Some(&extension) = extensions.get(&row.oid("refobjid")?) {
            reader.members.insert(member, extension);
        }
    }
    Ok(())
}
