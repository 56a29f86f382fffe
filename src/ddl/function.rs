//! Functions, procedures and window functions (`dumpFunc` in `pg_dump.c`).

use super::Writer;
use super::writer::Target;
use crate::error::Result;
use crate::model::function::{Function, FunctionDefinition};
use crate::model::{Components, DumpId, Kind, Object, Section};
use crate::sql::{dollar_quote, setting_value};

pub(super) fn create_function(
    writer: &mut Writer<'_>,
    object: &Object,
    function: &Function,
) -> Result<()> {
    if !writer.options.schema {
        return Ok(());
    }
    let definition = &function.definition;
    let word = if function.prokind == 'p' { "PROCEDURE" } else { "FUNCTION" };
    let name = writer.identifier(&object.name);
    let signature = format!("{name}({})", definition.identity_arguments);
    let schema = writer.identifier(object.schema.as_deref().unwrap_or_default());
    let qualified = format!("{schema}.{signature}");
    if object.emits(Components::DEFINITION) {
        let tag = format!("{}({})", object.name, function.argument_type_names.join(", "));
        let section = if function.postponed { Section::PostData } else { Section::PreData };
        let mut entry = writer.entry(object, word, &tag, section);
        entry.definition = format!(
            "CREATE {word} {schema}.{name}({}){};\n{}",
            definition.arguments,
            body(writer, function),
            writer.extension_dependencies(object, word, &qualified)
        );
        entry.drop_statement = Some(format!("DROP {word} {qualified};\n"));
        writer.push(entry);
    }
    let target = Target { name: qualified, tag: signature.clone(), ..writer.target(object, word) };
    writer.comment(object, &target);
    writer.security_labels(object, &target);
    writer.acl(object, word, &signature)?;
    Ok(())
}

/// Returns a function with the types of its input arguments, as casts and transforms name it.
pub(super) fn call_signature(writer: &Writer<'_>, id: DumpId) -> String {
    let object = writer.database.object(id);
    let types = match &object.kind {
        Kind::Function(function) => function.argument_type_names.join(", "),
        _ => String::new(),
    };
    format!("{}({types})", writer.qualified(object))
}

/// Returns everything between the argument list and the semicolon.
fn body(writer: &Writer<'_>, function: &Function) -> String {
    let definition = &function.definition;
    let mut text = String::new();
    // A procedure has no result; one with OUT arguments returns a record that is not written.
    if function.prokind != 'p'
        && let Some(result) = &definition.result
    {
        text.push_str(&format!(" RETURNS {result}"));
    }
    text.push_str(&format!("\n    LANGUAGE {}", writer.identifier(&definition.language)));
    if !definition.transform_types.is_empty() {
        let types: Vec<String> =
            definition.transform_types.iter().map(|name| format!("FOR TYPE {name}")).collect();
        text.push_str(&format!(" TRANSFORM {}", types.join(", ")));
    }
    text.push_str(&attributes(function));
    for item in &definition.configuration {
        // Items without a value cannot be; pg_dump passes over them as well.
        if let Some((name, value)) = item.split_once('=') {
            text.push_str(&format!(
                "\n    SET {} TO {}",
                writer.identifier(name),
                setting_value(name, value, |value| writer.literal(value))
            ));
        }
    }
    text.push_str("\n    ");
    text.push_str(&source(writer, definition));
    text
}

/// Returns the attributes that differ from what CREATE FUNCTION takes by itself, each after a blank.
fn attributes(function: &Function) -> String {
    let definition = &function.definition;
    let mut text = String::new();
    let mut add = |attribute: &str| {
        text.push(' ');
        text.push_str(attribute);
    };
    if function.prokind == 'w' {
        add("WINDOW");
    }
    match definition.volatility {
        'i' => add("IMMUTABLE"),
        's' => add("STABLE"),
        _ => {}
    }
    if definition.strict {
        add("STRICT");
    }
    if definition.security_definer {
        add("SECURITY DEFINER");
    }
    if definition.leakproof {
        add("LEAKPROOF");
    }
    let usual_cost =
        if matches!(definition.language.as_str(), "internal" | "c") { "1" } else { "100" };
    if definition.cost != "0" && definition.cost != usual_cost {
        add(&format!("COST {}", definition.cost));
    }
    if definition.returns_set && definition.rows != "0" && definition.rows != "1000" {
        add(&format!("ROWS {}", definition.rows));
    }
    if definition.support != "-" {
        add(&format!("SUPPORT {}", definition.support));
    }
    match definition.parallel {
        's' => add("PARALLEL SAFE"),
        'r' => add("PARALLEL RESTRICTED"),
        _ => {}
    }
    text
}

/// Returns the body: the SQL-standard one as the server prints it, or `AS` and what is stored.
fn source(writer: &Writer<'_>, definition: &FunctionDefinition) -> String {
    if let Some(sql_body) = &definition.sql_body {
        return sql_body.clone();
    }
    let source = &definition.source;
    let dollars = writer.options.dollar_quoting;
    match &definition.binary {
        Some(binary) => {
            let mut text = format!("AS {}", writer.literal(binary));
            if !source.is_empty() {
                text.push_str(", ");
                // The name of a symbol is a plain literal unless that would be hard to read.
                let hard = source.contains(['\'', '\\']);
                text.push_str(&if dollars && hard {
                    dollar_quote(source)
                } else {
                    writer.literal(source)
                });
            }
            text
        }
        None if dollars => format!("AS {}", dollar_quote(source)),
        None => format!("AS {}", writer.literal(source)),
    }
}
