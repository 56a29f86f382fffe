//! Procedural languages (`dumpProcLang` in `pg_dump.c`).

use super::Writer;
use crate::error::Result;
use crate::model::language::{Language, LanguageFunction};
use crate::model::{Components, Object, Section};

pub(super) fn create_language(
    writer: &mut Writer<'_>,
    object: &Object,
    language: &Language,
) -> Result<()> {
    if !writer.options.schema {
        return Ok(());
    }
    let name = writer.identifier(&object.name);
    if object.emits(Components::DEFINITION) {
        let mut entry = writer.entry(object, "PROCEDURAL LANGUAGE", &object.name, Section::PreData);
        entry.definition = match functions(writer, language) {
            Some(functions) => {
                let trusted = if language.trusted { "TRUSTED " } else { "" };
                format!("CREATE {trusted}PROCEDURAL LANGUAGE {name}{functions};\n")
            }
            // The server is left to find the functions, which it does for extensions of this name.
            None => format!("CREATE OR REPLACE PROCEDURAL LANGUAGE {name};\n"),
        };
        entry.drop_statement = Some(format!("DROP PROCEDURAL LANGUAGE {name};\n"));
        writer.push(entry);
    }
    let target = writer.target(object, "LANGUAGE");
    writer.comment(object, &target);
    writer.security_labels(object, &target);
    if language.trusted {
        writer.acl(object, "LANGUAGE", &name)?;
    }
    Ok(())
}

/// Returns the clauses for the functions, or nothing when one of them is not in the dump.
fn functions(writer: &Writer<'_>, language: &Language) -> Option<String> {
    let LanguageFunction::Known(_) = language.handler else { return None };
    let mut text = String::new();
    for (clause, function) in [
        ("HANDLER", language.handler),
        ("INLINE", language.inline),
        ("VALIDATOR", language.validator),
    ] {
        match function {
            // Before a language come its functions, so it is known by now what there is of them.
            LanguageFunction::Known(id) if writer.database.object(id).emitted().is_empty() => {
                return None;
            }
            LanguageFunction::Known(id) => {
                let function = writer.qualified(writer.database.object(id));
                text.push_str(&format!(" {clause} {function}"));
            }
            LanguageFunction::Unknown => return None,
            LanguageFunction::None => {}
        }
    }
    Some(text)
}
