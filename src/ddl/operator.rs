//! Operators (`dumpOpr` in `pg_dump.c`).

use super::Writer;
use super::writer::Target;
use crate::model::operator::Operator;
use crate::model::{Components, Object, Section};

pub(super) fn create_operator(writer: &mut Writer<'_>, object: &Object, operator: &Operator) {
    // One that was only announced as a commutator or negator is made again by that announcement.
    if !writer.options.schema || !operator.complete {
        return;
    }
    let definition = &operator.definition;
    let schema = writer.identifier(object.schema.as_deref().unwrap_or_default());
    // A symbol is no identifier and never quoted.
    let symbol = &object.name;
    let identity = format!(
        "{symbol} ({}, {})",
        definition.left.as_deref().unwrap_or("NONE"),
        definition.right.as_deref().unwrap_or("NONE")
    );
    if object.emits(Components::DEFINITION) {
        let mut entry = writer.entry(object, "OPERATOR", symbol, Section::PreData);
        entry.definition = format!(
            "CREATE OPERATOR {schema}.{symbol} (\n    {}\n);\n",
            clauses(writer, operator).join(",\n    ")
        );
        entry.drop_statement = Some(format!("DROP OPERATOR {schema}.{identity};\n"));
        writer.push(entry);
    }
    let target = Target {
        name: format!("{schema}.{identity}"),
        tag: identity,
        ..writer.target(object, "OPERATOR")
    };
    writer.comment(object, &target);
}

fn clauses(writer: &Writer<'_>, operator: &Operator) -> Vec<String> {
    let definition = &operator.definition;
    let mut clauses = vec![format!("FUNCTION = {}", definition.function)];
    let mut add = |clause: &str, value: &Option<String>| {
        if let Some(value) = value {
            clauses.push(format!("{clause} = {value}"));
        }
    };
    let named = |operator: &Option<(String, String)>| {
        operator
            .as_ref()
            .map(|(schema, symbol)| format!("OPERATOR({}.{symbol})", writer.identifier(schema)))
    };
    add("LEFTARG", &definition.left);
    add("RIGHTARG", &definition.right);
    add("COMMUTATOR", &named(&definition.commutator));
    add("NEGATOR", &named(&definition.negator));
    if definition.merges {
        clauses.push("MERGES".to_owned());
    }
    if definition.hashes {
        clauses.push("HASHES".to_owned());
    }
    if let Some(restrict) = &definition.restrict {
        clauses.push(format!("RESTRICT = {restrict}"));
    }
    if let Some(join) = &definition.join {
        clauses.push(format!("JOIN = {join}"));
    }
    clauses
}
