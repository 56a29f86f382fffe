//! Transforms, from `pg_transform` (`getTransforms` in `pg_dump.c`).

use super::cast::find_function;
use super::{Found, Reader};
use crate::error::Result;
use crate::model::Kind;
use crate::model::transform::Transform;
use crate::sql::quote_identifier;

pub(super) const QUERY: &str = "select f.tableoid, f.oid, t.typname, l.lanname,
        pg_catalog.format_type(f.trftype, null) as type_name,
        f.trffromsql::pg_catalog.oid, f.trftosql::pg_catalog.oid
    from pg_catalog.pg_transform f
    join pg_catalog.pg_type t on t.oid = f.trftype
    join pg_catalog.pg_language l on l.oid = f.trflang
    order by f.trftype, f.trflang";

pub(super) async fn read_transforms(reader: &mut Reader<'_>) -> Result<()> {
    let rows = reader.ask("read transforms", QUERY).await?;
    for row in rows.iter() {
        let mut found = Found::new(&row, "typname")?;
        let language = row.text("lanname")?;
        // The name only sorts; pg_dump quotes the language in it and not the type.
        found.name = format!("{} {}", found.name, quote_identifier(language));
        let wanted = reader.selection.outside_schemas();
        let comes_along =
            reader.is_extension_member(found.catalog_id) && !reader.options.binary_upgrade;
        let function = |column: &str| match comes_along || wanted.is_empty() {
            true => Ok(None),
            false => find_function(reader, row.oid(column)?),
        };
        let transform = Transform {
            type_name: row.text("type_name")?.to_owned(),
            language: language.to_owned(),
            from_sql: function("trffromsql")?,
            to_sql: function("trftosql")?,
        };
        reader.add(found, wanted, Kind::Transform(Box::new(transform)))?;
    }
    Ok(())
}
