//! Schemas, from `pg_namespace` (`getNamespaces` in `pg_dump.c`).

use super::{Found, Reader};
use crate::error::Result;
use crate::model::schema::{Schema, SchemaCreation};
use crate::model::{Components, Kind};
use crate::sql::{build_array, quote_acl_role};

pub(super) const QUERY: &str = "select n.tableoid, n.oid, n.nspname, n.nspowner, n.nspacl,
        acldefault('n', n.nspowner) as acldefault
    from pg_catalog.pg_namespace n";

pub(super) async fn read_schemas(reader: &mut Reader<'_>) -> Result<()> {
    for row in reader.ask("read schemas", QUERY).await?.iter() {
        let found =
            Found::new(&row, "nspname")?.owned(&row, "nspowner")?.with_acl(&row, "nspacl")?;
        let oid = found.catalog_id.oid;
        let owner_oid = row.oid("nspowner")?;
        let decision = reader.selection.schema(oid, &found.name, owner_oid);
        let is_public = found.name == "public";
        let schema = Schema { creation: decision.creation, contents: decision.contents };
        let id = reader.add(found, decision.wanted, Kind::Schema(schema))?;
        reader.schemas.insert(oid, id);
        if is_public {
            // What a restore finds in a new database is `public` with these privileges, whoever owns
            // it, so they are what privileges are compared with, not those that initdb left here.
            let owner = quote_acl_role(&reader.role_name(owner_oid)?);
            let items = [format!("{owner}=UC/{owner}"), format!("=U/{owner}")];
            let object = reader.database.object_mut(id);
            let acl = object.acl.get_or_insert_default();
            acl.initial = Some(build_array(items.iter().map(String::as_str)));
            acl.initial_kind = Some('i');
            object.available |= Components::ACL;
            if decision.creation == SchemaCreation::MadeByInitdb {
                // A comment that is missing is a difference from what initdb makes.
                object.available |= Components::COMMENT;
            }
        }
    }
    Ok(())
}
