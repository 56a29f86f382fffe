//! Default privileges, from `pg_default_acl` (`getDefaultACLs` in `pg_dump.c`).

use super::{Found, Reader};
use crate::error::Result;
use crate::model::Kind;
use crate::model::default_acl::DefaultAcl;

/// A row for all schemas replaces the built-in default and is compared with it; a row for one schema
/// can only add to it and is compared with nothing. `acldefault` calls sequences by another letter.
pub(super) const QUERY: &str =
    "select tableoid, oid, defaclobjtype as name, defaclobjtype, defaclrole,
        defaclnamespace, defaclacl,
        case when defaclnamespace = 0
          then pg_catalog.acldefault(
            case when defaclobjtype = 'S' then 's'::\"char\" else defaclobjtype end, defaclrole)
          else '{}' end as acldefault
    from pg_catalog.pg_default_acl";

pub(super) async fn read_default_acls(reader: &mut Reader<'_>) -> Result<()> {
    let rows = reader.ask("read default privileges", QUERY).await?;
    for row in rows.iter() {
        let mut found =
            Found::new(&row, "name")?.owned(&row, "defaclrole")?.with_acl(&row, "defaclacl")?;
        let schema = row.oid("defaclnamespace")?;
        let wanted = if schema.is_zero() {
            reader.selection.outside_schemas()
        } else {
            found = found.in_schema(&row, "defaclnamespace")?;
            reader.wanted_in_schema(schema)?
        };
        let object_type = row.character("defaclobjtype")?;
        reader.add(found, wanted, Kind::DefaultAcl(DefaultAcl { object_type }))?;
    }
    Ok(())
}
