//! Foreign-data wrappers, servers and user mappings, from `pg_foreign_data_wrapper`, `pg_foreign_server`
//! and `pg_user_mappings` (`getForeignDataWrappers`, `getForeignServers`, `dumpUserMappings` in
//! `pg_dump.c`).

use std::collections::HashMap;

use super::type_name::oid_array;
use super::value::{array, filled, reference};
use super::{Found, Reader};
use crate::error::Result;
use crate::model::foreign_data::{ForeignDataWrapper, ForeignServer, UserMapping};
use crate::model::{Components, Kind};

/// The options of a row as SQL, in the order of their names. The server quotes them.
const OPTIONS: &str = "array(select pg_catalog.quote_ident(o.option_name) || ' '
            || pg_catalog.quote_literal(o.option_value)
          from pg_catalog.pg_options_to_table($column) o order by o.option_name)";

const WRAPPERS: &str = "select w.tableoid, w.oid, w.fdwname, w.fdwowner, w.fdwacl,
        pg_catalog.acldefault('F', w.fdwowner) as acldefault,
        w.fdwhandler::pg_catalog.regproc, w.fdwvalidator::pg_catalog.regproc,
        $options as options
    from pg_catalog.pg_foreign_data_wrapper w";

const SERVERS: &str = "select s.tableoid, s.oid, s.srvname, s.srvowner, s.srvacl,
        pg_catalog.acldefault('S', s.srvowner) as acldefault, w.fdwname, s.srvtype, s.srvversion,
        $options as options
    from pg_catalog.pg_foreign_server s
    join pg_catalog.pg_foreign_data_wrapper w on w.oid = s.srvfdw";

/// The view, unlike the catalog, is readable by everybody; it hides options from those who may not see
/// them.
const USER_MAPPINGS: &str = "select m.srvid, m.usename, $options as options
    from pg_catalog.pg_user_mappings m
    where m.srvid = any ($oids)
    order by m.srvid, m.usename";

fn with_options(sql: &str, column: &str) -> String {
    sql.replace("$options", &OPTIONS.replace("$column", column))
}

pub(super) async fn read_wrappers(reader: &mut Reader<'_>) -> Result<()> {
    let sql = with_options(WRAPPERS, "w.fdwoptions");
    let rows = reader.session.query("read foreign-data wrappers", &sql).await?;
    for row in rows.iter() {
        let found =
            Found::new(&row, "fdwname")?.owned(&row, "fdwowner")?.with_acl(&row, "fdwacl")?;
        let wanted = reader.selection.outside_schemas();
        let wrapper = ForeignDataWrapper {
            handler: reference(&row, "fdwhandler")?,
            validator: reference(&row, "fdwvalidator")?,
            options: array(&row, "options")?,
        };
        reader.add(found, wanted, Kind::ForeignDataWrapper(Box::new(wrapper)))?;
    }
    Ok(())
}

pub(super) async fn read_servers(reader: &mut Reader<'_>) -> Result<()> {
    let sql = with_options(SERVERS, "s.srvoptions");
    let rows = reader.session.query("read foreign servers", &sql).await?;
    let mut wanted_mappings = HashMap::new();
    for row in rows.iter() {
        let found =
            Found::new(&row, "srvname")?.owned(&row, "srvowner")?.with_acl(&row, "srvacl")?;
        let oid = found.catalog_id.oid;
        let wanted = reader.selection.outside_schemas();
        let server = ForeignServer {
            wrapper: row.text("fdwname")?.to_owned(),
            server_type: filled(&row, "srvtype"),
            version: filled(&row, "srvversion"),
            options: array(&row, "options")?,
            user_mappings: Vec::new(),
        };
        let id = reader.add(found, wanted, Kind::ForeignServer(Box::new(server)))?;
        let object = reader.database.object_mut(id);
        object.available |= Components::USER_MAPPING;
        if object.wanted.contains(Components::USER_MAPPING) {
            wanted_mappings.insert(oid, id);
        }
    }
    if wanted_mappings.is_empty() {
        return Ok(());
    }
    let sql = with_options(USER_MAPPINGS, "m.umoptions")
        .replace("$oids", &oid_array(wanted_mappings.keys().copied()));
    let rows = reader.session.query("read user mappings", &sql).await?;
    for row in rows.iter() {
        let mapping =
            UserMapping { role: row.text("usename")?.to_owned(), options: array(&row, "options")? };
        let Some(&id) = wanted_mappings.get(&row.oid("srvid")?) else { continue };
        if let Kind::ForeignServer(server) = &mut reader.database.object_mut(id).kind {
            server.user_mappings.push(mapping);
        }
    }
    Ok(())
}
