//! Casts, from `pg_cast` (`getCasts` in `pg_dump.c`).

use super::{Found, Reader, inconsistent};
use crate::error::Result;
use crate::model::cast::Cast;
use crate::model::{CatalogId, DumpId, Kind, Oid, ServerVersion};

pub(super) fn query(version: ServerVersion) -> String {
    // A range type brings the cast to its multirange type along.
    let own = if version.has_multiranges() {
        "where not exists (select from pg_catalog.pg_range r
            where r.rngtypid = c.castsource and r.rngmultitypid = c.casttarget)"
    } else {
        ""
    };
    format!(
        "select c.tableoid, c.oid, s.typname || ' ' || t.typname as name,
            pg_catalog.format_type(c.castsource, null) as source,
            pg_catalog.format_type(c.casttarget, null) as target,
            c.castcontext, c.castmethod, c.castfunc
        from pg_catalog.pg_cast c
        join pg_catalog.pg_type s on s.oid = c.castsource
        join pg_catalog.pg_type t on t.oid = c.casttarget
        {own}
        order by c.castsource, c.casttarget"
    )
}

pub(super) async fn read_casts(reader: &mut Reader<'_>) -> Result<()> {
    let rows = reader.ask("read casts", &query(reader.version())).await?;
    for row in rows.iter() {
        let found = Found::new(&row, "name")?;
        let wanted = reader.wanted_unless_built_in(found.catalog_id.oid);
        let function = row.oid("castfunc")?;
        let cast = Cast {
            source: row.text("source")?.to_owned(),
            target: row.text("target")?.to_owned(),
            context: row.character("castcontext")?,
            method: row.character("castmethod")?,
            // Functions of built-in casts were not read and are not needed.
            function: if wanted.is_empty() { None } else { find_function(reader, function)? },
        };
        reader.add(found, wanted, Kind::Cast(Box::new(cast)))?;
    }
    Ok(())
}

/// Returns the function with an oid, none for zero.
///
/// # Errors
///
/// When it was not read: a cast or a transform without its function could not be restored.
pub(super) fn find_function(reader: &Reader<'_>, oid: Oid) -> Result<Option<DumpId>> {
    if oid.is_zero() {
        return Ok(None);
    }
    match reader.database.find(CatalogId::function(oid)) {
        Some(id) => Ok(Some(id)),
        None => Err(inconsistent(format!(
            "could not find function definition for function with OID {oid}"
        ))),
    }
}
