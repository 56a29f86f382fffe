//! The database itself, from `pg_database`, `pg_db_role_setting` and the shared comments and labels
//! (`dumpDatabase`, `dumpDatabaseConfig` in `pg_dump.c`).

use super::Reader;
use super::value::{optional, setting};
use crate::connect::Session;
use crate::error::Result;
use crate::model::acl::Acl;
use crate::model::database::DatabaseProperties;
use crate::model::{CatalogId, ServerVersion};
use crate::sql::quote_literal_for_server;

/// The expression for the database that is connected to.
const CURRENT: &str = "current_database()";

/// Settings for everybody first; what the rows' order leaves open stays as the catalog has it.
fn settings_query(name: &str) -> String {
    format!(
        "select r.rolname, u.setting
        from pg_catalog.pg_db_role_setting s
        left join pg_catalog.pg_roles r on r.oid = s.setrole
        cross join lateral unnest(s.setconfig) with ordinality as u (setting, position)
        where s.setdatabase = (select d.oid from pg_catalog.pg_database d where d.datname = {name})
          and (s.setrole = 0 or r.oid is not null)
        order by s.setrole <> 0, s.ctid, u.position"
    )
}

fn labels_query(name: &str) -> String {
    format!(
        "select l.provider, l.label
        from pg_catalog.pg_shseclabel l
        where l.classoid = 'pg_catalog.pg_database'::pg_catalog.regclass
          and l.objoid = (select d.oid from pg_catalog.pg_database d where d.datname = {name})"
    )
}

/// Returns the query for the properties of the database whose name is the value of an expression.
fn query(version: ServerVersion, name: &str) -> String {
    let provider = if version.has_locale_provider() { "d.datlocprovider" } else { "'c'" };
    let locale = if version.has_unified_locale() {
        "d.datlocale"
    } else if version.has_locale_provider() {
        "d.daticulocale"
    } else {
        "null"
    };
    let rules = if version.has_icu_rules() { "d.daticurules" } else { "null" };
    format!(
        "select d.tableoid, d.oid, r.rolname as owner, pg_catalog.pg_encoding_to_char(d.encoding) as encoding,
            {provider} as provider, d.datcollate, d.datctype, {locale} as locale, {rules} as rules,
            t.spcname as tablespace, d.datistemplate, d.datconnlimit, d.datacl,
            pg_catalog.acldefault('d', d.datdba) as acldefault,
            pg_catalog.shobj_description(d.oid, 'pg_database') as comment
        from pg_catalog.pg_database d
        left join pg_catalog.pg_tablespace t on t.oid = d.dattablespace
        left join pg_catalog.pg_roles r on r.oid = d.datdba
        where d.datname = {name}"
    )
}

/// Reads what a server says about one of its databases, whichever is connected to; none when there is no such
/// database.
///
/// # Errors
///
/// Those of the queries.
pub async fn read_database_properties(
    session: &Session,
    database: &str,
) -> Result<Option<DatabaseProperties>> {
    let name = quote_literal_for_server(database);
    let Some(mut properties) = properties(session, &name).await? else { return Ok(None) };
    properties.security_labels = labels(session, &name).await?;
    Ok(Some(properties))
}

pub(super) async fn read_database(reader: &mut Reader<'_>) -> Result<()> {
    let found = properties(reader.session, CURRENT).await?;
    let mut properties = found.unwrap_or_default();
    if !reader.options.comments {
        properties.comment = None;
    }
    if reader.options.security_labels {
        properties.security_labels = labels(reader.session, CURRENT).await?;
    }
    reader.database.properties = properties;
    Ok(())
}

/// Reads everything but the labels, which nobody else asks for.
async fn properties(session: &Session, name: &str) -> Result<Option<DatabaseProperties>> {
    let rows = session.query("read the database", &query(session.version(), name)).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let mut properties = DatabaseProperties {
        catalog_id: CatalogId { class: row.oid("tableoid")?, oid: row.oid("oid")? },
        // An owner that is gone means damaged catalogs, and pg_dump ends as well.
        owner: row.text("owner")?.to_owned(),
        encoding: row.text("encoding")?.to_owned(),
        locale_provider: row.character("provider")?,
        collate: row.optional("datcollate").unwrap_or_default().to_owned(),
        ctype: row.optional("datctype").unwrap_or_default().to_owned(),
        locale: optional(&row, "locale"),
        icu_rules: optional(&row, "rules"),
        tablespace: row.optional("tablespace").unwrap_or_default().to_owned(),
        is_template: row.boolean("datistemplate")?,
        connection_limit: row.integer("datconnlimit")?,
        acl: Acl {
            current: optional(&row, "datacl"),
            default: optional(&row, "acldefault"),
            initial: None,
            initial_kind: None,
        },
        comment: optional(&row, "comment"),
        security_labels: Vec::new(),
        settings: Vec::new(),
    };
    for row in session.query("read settings of the database", &settings_query(name)).await?.iter() {
        let (name, value) = setting(row.text("setting")?)?;
        properties.settings.push((row.optional("rolname").map(str::to_owned), name, value));
    }
    Ok(Some(properties))
}

async fn labels(session: &Session, name: &str) -> Result<Vec<(String, String)>> {
    let rows = session.query("read labels of the database", &labels_query(name)).await?;
    rows.iter()
        .map(|row| Ok((row.text("provider")?.to_owned(), row.text("label")?.to_owned())))
        .collect()
}
