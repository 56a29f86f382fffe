//! Collations, from `pg_collation` (`getCollations`, `dumpCollation` in `pg_dump.c`).

use super::value::optional;
use super::{Found, Reader};
use crate::connect::Row;
use crate::error::Result;
use crate::model::collation::Collation;
use crate::model::{Components, Kind, ServerVersion};
use crate::sql::quote_identifier;

pub(super) fn query(version: ServerVersion) -> String {
    let locale = if version.has_unified_locale() {
        "c.colllocale"
    } else if version.has_locale_provider() {
        "c.colliculocale"
    } else {
        "null"
    };
    let rules = if version.has_icu_rules() { "c.collicurules" } else { "null" };
    // Before the locale of ICU had its own column, names were never null.
    let (collate, ctype) = if version.has_locale_provider() {
        ("c.collcollate", "c.collctype")
    } else {
        ("nullif(c.collcollate, '')", "nullif(c.collctype, '')")
    };
    format!(
        "select c.tableoid, c.oid, c.collname, c.collnamespace, c.collowner, c.collprovider,
            c.collisdeterministic, {collate} as collate, {ctype} as ctype, {locale} as locale,
            {rules} as rules, c.collencoding
        from pg_catalog.pg_collation c"
    )
}

pub(super) async fn read_collations(reader: &mut Reader<'_>) -> Result<()> {
    let rows = reader.ask("read collations", &query(reader.version())).await?;
    for row in rows.iter() {
        let found = Found::new(&row, "collname")?
            .in_schema(&row, "collnamespace")?
            .owned(&row, "collowner")?;
        let name = found.name.clone();
        let in_schema = reader.wanted_in_schema(row.oid("collnamespace")?)?;
        let collation = collation(&row)?;
        let is_sound = is_sound(&collation, reader.version());
        let id = reader.add(found, in_schema, Kind::Collation(Box::new(collation)))?;
        if !is_sound && reader.database.object(id).wanted.contains(Components::DEFINITION) {
            reader.warn_of_definition(format!("invalid collation \"{}\"", quote_identifier(&name)));
        }
    }
    Ok(())
}

fn collation(row: &Row<'_>) -> Result<Collation> {
    Ok(Collation {
        provider: row.character("collprovider")?,
        deterministic: row.boolean("collisdeterministic")?,
        collate: optional(row, "collate"),
        ctype: optional(row, "ctype"),
        locale: optional(row, "locale"),
        rules: optional(row, "rules"),
        encoding: row.integer("collencoding")?,
    })
}

/// Tells whether the row has those locale columns set that its provider uses, and no others.
fn is_sound(collation: &Collation, version: ServerVersion) -> bool {
    let Collation { collate, ctype, locale, rules, .. } = collation;
    let libc_names = (collate.is_some(), ctype.is_some());
    match collation.provider {
        'b' => libc_names == (false, false) && locale.is_some() && rules.is_none(),
        'i' if version.has_locale_provider() => libc_names == (false, false) && locale.is_some(),
        'i' => libc_names == (true, true) && locale.is_none() && collate == ctype,
        'c' => libc_names == (true, true) && locale.is_none() && rules.is_none(),
        'd' => libc_names == (false, false) && locale.is_none() && rules.is_none(),
        _ => false,
    }
}
