//! The database itself, from `pg_database`, `pg_db_role_setting` and the shared comments and labels
//! (`dumpDatabase`, `dumpDatabaseConfig` in `pg_dump.c`).

use super::Reader;
use super::value::{optional, setting};
use crate::error::Result;
use crate::model::acl::Acl;
use crate::model::database::DatabaseProperties;
use crate::model::{CatalogId, ServerVersion};

/// Settings for everybody first; what the rows' order leaves open stays as the catalog has it.
const SETTINGS: &str = "select r.rolname, u.setting
    from pg_catalog.pg_db_role_setting s
    left join pg_catalog.pg_roles r on r.oid = s.setrole
    cross join lateral unnest(s.setconfig) with ordinality as u (setting, position)
    where s.setdatabase = (select d.oid from pg_catalog.pg_database d
        where d.datname = current_database())
      and (s.setrole = 0 or r.oid is not null)
    order by s.setrole <> 0, s.ctid, u.position";

const SECURITY_LABELS: &str = "select l.provider, l.label
    from pg_catalog.pg_shseclabel l
    where l.classoid = 'pg_catalog.pg_database'::pg_catalog.regclass
      and l.objoid = (select d.oid from pg_catalog.pg_database d
        where d.datname = current_database())";

fn query(version: ServerVersion) -> String {
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
        "select d.tableoid, d.oid, d.datdba, pg_catalog.pg_encoding_to_char(d.encoding) as encoding,
            {provider} as provider, d.datcollate, d.datctype, {locale} as locale, {rules} as rules,
            t.spcname as tablespace, d.datistemplate, d.datconnlimit, d.datacl,
            pg_catalog.acldefault('d', d.datdba) as acldefault,
            pg_catalog.shobj_description(d.oid, 'pg_database') as comment
        from pg_catalog.pg_database d
        left join pg_catalog.pg_tablespace t on t.oid = d.dattablespace
        where d.datname = current_database()"
    )
}

pub(super) async fn read_database(reader: &mut Reader<'_>) -> Result<()> {
    let rows = reader.session.query("read the database", &query(reader.version())).await?;
    let row = rows.single()?;
    let mut properties = DatabaseProperties {
        catalog_id: CatalogId { class: row.oid("tableoid")?, oid: row.oid("oid")? },
        owner: reader.role_name(row.oid("datdba")?)?,
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
        comment: None,
        security_labels: Vec::new(),
        settings: Vec::new(),
    };
    if reader.options.comments {
        properties.comment = optional(&row, "comment");
    }
    if reader.options.security_labels {
        let labels = reader.session.query("read labels of the database", SECURITY_LABELS).await?;
        for row in labels.iter() {
            properties
                .security_labels
                .push((row.text("provider")?.to_owned(), row.text("label")?.to_owned()));
        }
    }
    for row in reader.session.query("read settings of the database", SETTINGS).await?.iter() {
        let (name, value) = setting(row.text("setting")?)?;
        properties.settings.push((row.optional("rolname").map(str::to_owned), name, value));
    }
    reader.database.properties = properties;
    Ok(())
}
