//! Procedural languages, from `pg_language` (`getProcLangs` in `pg_dump.c`).

use super::{Found, Reader};
use crate::error::Result;
use crate::model::language::{Language, LanguageFunction};
use crate::model::{CatalogId, Components, Kind, Oid};

pub(super) const QUERY: &str = "select l.tableoid, l.oid, l.lanname, l.lanowner, l.lanacl,
        pg_catalog.acldefault('l', l.lanowner) as acldefault, l.lanpltrusted,
        l.lanplcallfoid, l.laninline, l.lanvalidator
    from pg_catalog.pg_language l
    where l.lanispl
    order by l.oid";

pub(super) async fn read_languages(reader: &mut Reader<'_>) -> Result<()> {
    let rows = reader.ask("read languages", QUERY).await?;
    for row in rows.iter() {
        let found =
            Found::new(&row, "lanname")?.owned(&row, "lanowner")?.with_acl(&row, "lanacl")?;
        let mut wanted = reader.selection.outside_schemas();
        if found.catalog_id.oid.is_built_in() {
            // `initdb` makes it again; only changed privileges are worth telling.
            wanted &= Components::ACL;
        }
        let language = Language {
            trusted: row.boolean("lanpltrusted")?,
            handler: function(reader, row.oid("lanplcallfoid")?),
            inline: function(reader, row.oid("laninline")?),
            validator: function(reader, row.oid("lanvalidator")?),
        };
        reader.add(found, wanted, Kind::Language(language))?;
    }
    Ok(())
}

/// Functions of which nothing is dumped count as unknown, too.
fn function(reader: &Reader<'_>, oid: Oid) -> LanguageFunction {
    if oid.is_zero() {
        return LanguageFunction::None;
    }
    match reader.database.find(CatalogId::function(oid)) {
        Some(id) if !reader.database.object(id).wanted.is_empty() => LanguageFunction::Known(id),
        _ => LanguageFunction::Unknown,
    }
}
