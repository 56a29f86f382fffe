//! Access methods, from `pg_am` (`getAccessMethods` in `pg_dump.c`).

use super::{Found, Reader};
use crate::error::Result;
use crate::model::Kind;
use crate::model::access_method::AccessMethod;

pub(super) const QUERY: &str =
    "select tableoid, oid, amname, amtype, amhandler from pg_catalog.pg_am";

pub(super) async fn read_access_methods(reader: &mut Reader<'_>) -> Result<()> {
    let rows = reader.ask("read access methods", QUERY).await?;
    for row in rows.iter() {
        let found = Found::new(&row, "amname")?;
        let wanted = reader.wanted_unless_built_in(found.catalog_id.oid);
        let method = AccessMethod {
            amtype: row.character("amtype")?,
            handler: row.text("amhandler")?.to_owned(),
        };
        if !wanted.is_empty() && !matches!(method.amtype, 'i' | 't') {
            reader.warn_of_definition(format!(
                "invalid type \"{}\" of access method \"{}\"",
                method.amtype, found.name
            ));
        }
        reader.add(found, wanted, Kind::AccessMethod(method))?;
    }
    Ok(())
}
