//! Collations (`dumpCollation` in `pg_dump.c`).

use super::Writer;
use crate::model::collation::Collation;
use crate::model::{Components, Object, Section};

pub(super) fn create_collation(writer: &mut Writer<'_>, object: &Object, collation: &Collation) {
    if !writer.options.schema {
        return;
    }
    if object.emits(Components::DEFINITION) {
        let name = writer.qualified(object);
        let mut entry = writer.entry(object, "COLLATION", &object.name, Section::PreData);
        entry.definition =
            format!("CREATE COLLATION {name} ({});\n", options(writer, object, collation));
        entry.drop_statement = Some(format!("DROP COLLATION {name};\n"));
        writer.push(entry);
    }
    let target = writer.target(object, "COLLATION");
    writer.comment(object, &target);
}

fn options(writer: &Writer<'_>, object: &Object, collation: &Collation) -> String {
    let provider = match collation.provider {
        'b' => "builtin",
        'i' => "icu",
        'd' => "default",
        _ => "libc",
    };
    let mut text = format!("provider = {provider}");
    if !collation.deterministic {
        text.push_str(", deterministic = false");
    }
    let mut add = |option: &str, value: &Option<String>| {
        let value = writer.literal(value.as_deref().unwrap_or_default());
        text.push_str(&format!(", {option} = {value}"));
    };
    match collation.provider {
        'b' => add("locale", &collation.locale),
        'i' => {
            // Before 15 ICU's locale stands where libc has its own.
            add(
                "locale",
                if collation.locale.is_some() { &collation.locale } else { &collation.collate },
            );
            if collation.rules.is_some() {
                add("rules", &collation.rules);
            }
        }
        'd' => {}
        _ if collation.collate.is_some() && collation.collate == collation.ctype => {
            add("locale", &collation.collate);
        }
        _ => {
            add("lc_collate", &collation.collate);
            add("lc_ctype", &collation.ctype);
        }
    }
    // Everybody else computes the version anew.
    let versions = writer.upgrade.map(|upgrade| &upgrade.collation_versions);
    if let Some(version) = versions.and_then(|versions| versions.get(&object.catalog_id.oid)) {
        text.push_str(&format!(", version = {}", writer.literal(version)));
    }
    text
}
