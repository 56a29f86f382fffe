//! Aggregates (`dumpAgg` in `pg_dump.c`).

use super::Writer;
use super::writer::Target;
use crate::error::Result;
use crate::model::aggregate::{Aggregate, AggregateDefinition, Transition};
use crate::model::{Components, Object, Section};

pub(super) fn create_aggregate(
    writer: &mut Writer<'_>,
    object: &Object,
    aggregate: &Aggregate,
) -> Result<()> {
    if !writer.options.schema {
        return Ok(());
    }
    let definition = &aggregate.definition;
    let name = writer.identifier(&object.name);
    let schema = writer.identifier(object.schema.as_deref().unwrap_or_default());
    let types = aggregate.argument_type_names.join(", ");
    let with = |arguments: &str| match aggregate.argument_type_names.is_empty() {
        true => "(*)".to_owned(),
        false => format!("({arguments})"),
    };
    let signature = format!("{name}{}", with(&definition.identity_arguments));
    let qualified = format!("{schema}.{signature}");
    if object.emits(Components::DEFINITION) {
        let tag = format!("{}{}", object.name, with(&types));
        let mut entry = writer.entry(object, "AGGREGATE", &tag, Section::PreData);
        entry.definition = format!(
            "CREATE AGGREGATE {schema}.{name}{} (\n    {}\n);\n",
            with(&definition.arguments),
            clauses(writer, definition).join(",\n    ")
        );
        entry.drop_statement = Some(format!("DROP AGGREGATE {qualified};\n"));
        writer.push(entry);
    }
    let target = Target { name: qualified, tag: signature, ..writer.target(object, "AGGREGATE") };
    writer.comment(object, &target);
    writer.security_labels(object, &target);
    // There is no GRANT ON AGGREGATE: privileges name a function, whose argument list is never a star.
    writer.acl(object, "FUNCTION", &format!("{name}({types})"))?;
    Ok(())
}

fn clauses(writer: &Writer<'_>, definition: &AggregateDefinition) -> Vec<String> {
    let mut clauses = Vec::new();
    // Final functions of ordered-set and hypothetical aggregates may change their state by default.
    let usual_modify = if definition.aggkind == 'n' { 'r' } else { 'w' };

    let transition = &definition.transition;
    clauses.push(format!("SFUNC = {}", transition.function));
    clauses.push(format!("STYPE = {}", transition.state_type));
    state(writer, transition, ["SSPACE", "INITCOND"], &mut clauses);
    finish(transition, "FINALFUNC", usual_modify, &mut clauses);
    for (clause, function) in [
        ("COMBINEFUNC", &definition.combine),
        ("SERIALFUNC", &definition.serialize),
        ("DESERIALFUNC", &definition.deserialize),
    ] {
        if let Some(function) = function {
            clauses.push(format!("{clause} = {function}"));
        }
    }
    if let Some((moving, inverse)) = &definition.moving {
        clauses.push(format!("MSFUNC = {}", moving.function));
        clauses.push(format!("MINVFUNC = {inverse}"));
        clauses.push(format!("MSTYPE = {}", moving.state_type));
        state(writer, moving, ["MSSPACE", "MINITCOND"], &mut clauses);
        finish(moving, "MFINALFUNC", usual_modify, &mut clauses);
    }
    if let Some((schema, symbol)) = &definition.sort_operator {
        clauses.push(format!("SORTOP = OPERATOR({}.{symbol})", writer.identifier(schema)));
    }
    if definition.aggkind == 'h' {
        clauses.push("HYPOTHETICAL".to_owned());
    }
    match definition.parallel {
        's' => clauses.push("PARALLEL = safe".to_owned()),
        'r' => clauses.push("PARALLEL = restricted".to_owned()),
        _ => {}
    }
    clauses
}

fn state(
    writer: &Writer<'_>,
    transition: &Transition,
    [space, initial]: [&str; 2],
    clauses: &mut Vec<String>,
) {
    if transition.state_space != 0 {
        clauses.push(format!("{space} = {}", transition.state_space));
    }
    if let Some(value) = &transition.initial {
        clauses.push(format!("{initial} = {}", writer.literal(value)));
    }
}

fn finish(transition: &Transition, clause: &str, usual_modify: char, clauses: &mut Vec<String>) {
    let Some(finish) = &transition.finish else { return };
    clauses.push(format!("{clause} = {}", finish.function));
    if finish.extra {
        clauses.push(format!("{clause}_EXTRA"));
    }
    if finish.modify != usual_modify {
        let word = match finish.modify {
            'r' => "READ_ONLY",
            's' => "SHAREABLE",
            _ => "READ_WRITE",
        };
        clauses.push(format!("{clause}_MODIFY = {word}"));
    }
}
