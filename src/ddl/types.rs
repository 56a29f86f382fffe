//! Types (`dumpType` and its kin in `pg_dump.c`).

use super::writer::Target;
use super::{Fidelity, Writer, binary_upgrade};
use crate::error::Result;
use crate::model::constraint::Constraint;
use crate::model::types::{
    BaseType, CompositeAttribute, Domain, Range, Type, TypeDefault, TypeSort,
};
use crate::model::{CatalogId, Components, DumpId, Kind, Object, Oid, Section};

pub(super) fn create_type(writer: &mut Writer<'_>, object: &Object, kind: &Type) -> Result<()> {
    if !writer.options.schema {
        return Ok(());
    }
    let name = writer.qualified(object);
    let (word, definition) = match &kind.sort {
        TypeSort::Enum(labels) => ("TYPE", enumeration(writer, object, &name, labels)),
        TypeSort::Composite(attributes) => ("TYPE", composite(writer, kind, &name, attributes)),
        TypeSort::Domain(domain) => ("DOMAIN", create_domain(writer, object, &name, domain)),
        TypeSort::Range(range) => ("TYPE", create_range(writer, &name, range)),
        TypeSort::Base(base) => ("TYPE", create_base_type(writer, &name, base)),
        TypeSort::Undefined => ("TYPE", format!("CREATE TYPE {name};\n")),
        TypeSort::Unknown(_) => return Ok(()),
    };
    if object.emits(Components::DEFINITION) {
        let mut entry = writer.entry(object, word, &object.name, Section::PreData);
        entry.definition = definition;
        // Only a base type is needed by its own functions.
        let cascade = if matches!(kind.sort, TypeSort::Base(_)) { " CASCADE" } else { "" };
        entry.drop_statement = Some(format!("DROP {word} {name}{cascade};\n"));
        writer.push(entry);
    }
    let target = writer.target(object, word);
    writer.comment(object, &target);
    match &kind.sort {
        // pg_dump forgets the labels of attributes.
        TypeSort::Composite(attributes) if writer.options.fidelity == Fidelity::Corrected => {
            label_with_attributes(writer, object, kind.relation, attributes);
        }
        _ => writer.security_labels(object, &target),
    }
    // GRANT knows no domains.
    writer.acl(object, "TYPE", &target.tag)?;
    match &kind.sort {
        TypeSort::Composite(attributes) => {
            comment_on_attributes(writer, object, kind.relation, attributes);
        }
        TypeSort::Domain(domain) => comment_on_constraints(writer, object, domain),
        _ => {}
    }
    Ok(())
}

/// Announces a type whose functions must be made before it.
pub(super) fn create_shell_type(writer: &mut Writer<'_>, object: &Object) {
    if !writer.options.schema || !object.emits(Components::DEFINITION) {
        return;
    }
    let mut entry = writer.entry(object, "SHELL TYPE", &object.name, Section::PreData);
    // Never dropped and therefore never given to an owner: the definition that follows is.
    entry.definition = format!("CREATE TYPE {};\n", writer.qualified(object));
    writer.push(entry);
}

/// Writes a domain's constraint that could not be written inside `CREATE DOMAIN`.
pub(super) fn create_domain_constraint(
    writer: &mut Writer<'_>,
    object: &Object,
    constraint: &Constraint,
    domain: DumpId,
) {
    if !writer.options.schema || !constraint.separate {
        return;
    }
    let domain = writer.database.object(domain);
    if object.emits(Components::DEFINITION) {
        let desc = if constraint.contype == 'c' { "CHECK CONSTRAINT" } else { "CONSTRAINT" };
        let tag = format!("{} {}", domain.name, object.name);
        let mut entry = writer.entry(object, desc, &tag, Section::PostData);
        let qualified = writer.qualified(domain);
        let name = writer.identifier(&object.name);
        entry.definition = format!(
            "ALTER DOMAIN {qualified}\n    ADD CONSTRAINT {name} {};\n",
            constraint.definition
        );
        entry.drop_statement = Some(format!("ALTER DOMAIN {qualified} DROP CONSTRAINT {name};\n"));
        writer.push(entry);
    }
    comment_on_constraint(writer, domain, object, object.id);
}

fn enumeration(writer: &Writer<'_>, object: &Object, name: &str, labels: &[String]) -> String {
    if let Some(upgrade) = writer.upgrade {
        let oid = object.catalog_id.oid;
        let labels = binary_upgrade::enum_labels(writer, upgrade, oid, name, labels);
        return format!("CREATE TYPE {name} AS ENUM (\n);\n{labels}");
    }
    let labels: Vec<String> =
        labels.iter().map(|label| format!("\n    {}", writer.literal(label))).collect();
    format!("CREATE TYPE {name} AS ENUM ({}\n);\n", labels.join(","))
}

fn composite(
    writer: &Writer<'_>,
    kind: &Type,
    name: &str,
    attributes: &[CompositeAttribute],
) -> String {
    let attributes = attributes.iter().map(|attribute| {
        let mut text =
            format!("\n\t{} {}", writer.identifier(&attribute.name), attribute.type_name);
        push_collation(writer, &mut text, attribute.collation.as_ref());
        (attribute.number, text)
    });
    let Some(upgrade) = writer.upgrade else {
        let attributes: Vec<String> = attributes.map(|(_, text)| text).collect();
        return format!("CREATE TYPE {name} AS ({}\n);\n", attributes.join(","));
    };
    let dropped = upgrade.columns.get(&kind.relation).into_iter().flatten();
    let dropped = dropped.filter(|column| column.dropped).map(|column| {
        (column.number, format!("\n\t{} INTEGER /* dummy */", writer.identifier(&column.name)))
    });
    let mut all: Vec<(i32, String)> = attributes.chain(dropped).collect();
    all.sort();
    let all: Vec<String> = all.into_iter().map(|(_, text)| text).collect();
    let drops = binary_upgrade::dropped_attributes(writer, upgrade, kind, name);
    format!("CREATE TYPE {name} AS ({}\n);\n{drops}", all.join(","))
}

fn push_collation(writer: &Writer<'_>, text: &mut String, collation: Option<&(String, String)>) {
    if let Some((schema, name)) = collation {
        text.push_str(&format!(" COLLATE {}", writer.quoting.qualified(schema, name)));
    }
}

fn create_domain(writer: &Writer<'_>, object: &Object, name: &str, domain: &Domain) -> String {
    let mut text = format!("CREATE DOMAIN {name} AS {}", domain.base_type);
    push_collation(writer, &mut text, domain.collation.as_ref());
    let constraints: Vec<(&Object, &Constraint)> =
        domain.constraints.iter().filter_map(|&id| constraint(writer, id)).collect();
    if domain.not_null {
        text.push_str(&not_null(writer, object, &constraints));
    }
    if let Some(default) = &domain.default {
        text.push_str(&format!(" DEFAULT {}", default_text(writer, default)));
    }
    for (check, constraint) in &constraints {
        if constraint.contype == 'c' && !constraint.separate {
            text.push_str(&format!(
                "\n\tCONSTRAINT {} {}",
                writer.identifier(&check.name),
                constraint.definition
            ));
        }
    }
    text.push_str(";\n");
    text
}

/// Returns ` NOT NULL`, named where the constraint has another name than a restore would give it.
///
/// The comparison does not know that the server cuts long names; pg_dump's does not either.
fn not_null(
    writer: &Writer<'_>,
    domain: &Object,
    constraints: &[(&Object, &Constraint)],
) -> String {
    let Some((object, constraint)) =
        constraints.iter().find(|(_, constraint)| constraint.contype == 'n')
    else {
        return " NOT NULL".to_owned();
    };
    if constraint.separate {
        String::new()
    } else if object.name == format!("{}_not_null", domain.name) {
        " NOT NULL".to_owned()
    } else {
        format!(" CONSTRAINT {} {}", writer.identifier(&object.name), constraint.definition)
    }
}

fn constraint<'a>(writer: &Writer<'a>, id: DumpId) -> Option<(&'a Object, &'a Constraint)> {
    let database = writer.database;
    let object = database.object(id);
    match &object.kind {
        Kind::Constraint(constraint) => Some((object, constraint)),
        _ => None,
    }
}

fn default_text(writer: &Writer<'_>, default: &TypeDefault) -> String {
    match default {
        TypeDefault::Expression(expression) => expression.clone(),
        TypeDefault::Text(text) => writer.literal(text),
    }
}

fn create_range(writer: &Writer<'_>, name: &str, range: &Range) -> String {
    let mut clauses = vec![format!("subtype = {}", range.subtype)];
    if let Some(multirange) = &range.multirange {
        clauses.push(format!("multirange_type_name = {multirange}"));
    }
    for (clause, named) in
        [("subtype_opclass", &range.operator_class), ("collation", &range.collation)]
    {
        if let Some((schema, name)) = named {
            clauses.push(format!("{clause} = {}", writer.quoting.qualified(schema, name)));
        }
    }
    for (clause, function) in [("canonical", &range.canonical), ("subtype_diff", &range.difference)]
    {
        if let Some(function) = function {
            clauses.push(format!("{clause} = {function}"));
        }
    }
    format!("CREATE TYPE {name} AS RANGE (\n    {}\n);\n", clauses.join(",\n    "))
}

fn create_base_type(writer: &Writer<'_>, name: &str, base: &BaseType) -> String {
    let mut clauses = Vec::new();
    let mut add = |clause: &str, value: &str| clauses.push(format!("{clause} = {value}"));
    match base.length {
        -1 => add("INTERNALLENGTH", "variable"),
        length => add("INTERNALLENGTH", &length.to_string()),
    }
    add("INPUT", &base.input);
    add("OUTPUT", &base.output);
    for (clause, function) in [
        ("RECEIVE", &base.receive),
        ("SEND", &base.send),
        ("TYPMOD_IN", &base.modifier_input),
        ("TYPMOD_OUT", &base.modifier_output),
        ("ANALYZE", &base.analyze),
    ] {
        if function != "-" {
            add(clause, function);
        }
    }
    if base.collatable {
        add("COLLATABLE", "true");
    }
    if let Some(default) = &base.default {
        add("DEFAULT", &default_text(writer, default));
    }
    if base.subscript != "-" {
        add("SUBSCRIPT", &base.subscript);
    }
    if let Some(element) = &base.element {
        add("ELEMENT", element);
    }
    if base.category != 'U' {
        add("CATEGORY", &writer.literal(&base.category.to_string()));
    }
    if base.preferred {
        add("PREFERRED", "true");
    }
    if base.delimiter != ',' {
        add("DELIMITER", &writer.literal(&base.delimiter.to_string()));
    }
    let alignment = match base.alignment {
        'c' => "char",
        's' => "int2",
        'd' => "double",
        _ => "int4",
    };
    add("ALIGNMENT", alignment);
    let storage = match base.storage {
        'e' => "external",
        'x' => "extended",
        'm' => "main",
        _ => "plain",
    };
    add("STORAGE", storage);
    if base.passed_by_value {
        clauses.push("PASSEDBYVALUE".to_owned());
    }
    format!("CREATE TYPE {name} (\n    {}\n);\n", clauses.join(",\n    "))
}

/// Comments on attributes are those on the columns of the relation behind the type.
fn comment_on_attributes(
    writer: &mut Writer<'_>,
    object: &Object,
    relation: Oid,
    attributes: &[CompositeAttribute],
) {
    if !object.emits(Components::COMMENT) {
        return;
    }
    let of_type = writer.target(object, "COLUMN");
    for attribute in attributes {
        let name = writer.identifier(&attribute.name);
        let target = Target {
            name: format!("{}.{name}", of_type.name),
            tag: format!("{}.{name}", of_type.tag),
            ..of_type.clone()
        };
        writer.comment_on_part(CatalogId::relation(relation), attribute.number, &target);
    }
}

/// All labels of a composite type are one entry, as those of a table are: its own first, then those of its
/// attributes, which hang on the relation behind it.
fn label_with_attributes(
    writer: &mut Writer<'_>,
    object: &Object,
    relation: Oid,
    attributes: &[CompositeAttribute],
) {
    if !object.emits(Components::SECURITY_LABEL) || !writer.options.security_labels {
        return;
    }
    let target = writer.target(object, "TYPE");
    let of = |place| writer.database.security_labels.get(&place).into_iter().flatten();
    let mut definition = String::new();
    for (_, provider, label) in of(object.catalog_id).filter(|(part, _, _)| *part == 0) {
        definition.push_str(&writer.security_label(provider, "TYPE", &target.name, label));
    }
    for (part, provider, label) in of(CatalogId::relation(relation)) {
        if let Some(attribute) = attributes.iter().find(|attribute| attribute.number == *part) {
            let name = format!("{}.{}", target.name, writer.identifier(&attribute.name));
            definition.push_str(&writer.security_label(provider, "COLUMN", &name, label));
        }
    }
    writer.push_security_labels(definition, &target);
}

/// Writes the comments on those constraints that stand inside the domain.
fn comment_on_constraints(writer: &mut Writer<'_>, object: &Object, domain: &Domain) {
    for &id in &domain.constraints {
        if let Some((constraint_object, constraint)) = constraint(writer, id)
            && !constraint.separate
        {
            comment_on_constraint(writer, object, constraint_object, object.id);
        }
    }
}

fn comment_on_constraint(
    writer: &mut Writer<'_>,
    domain: &Object,
    constraint: &Object,
    entry: DumpId,
) {
    let word = format!("CONSTRAINT {} ON DOMAIN", writer.identifier(&constraint.name));
    let target = Target { entry, ..writer.target(domain, &word) };
    writer.comment(constraint, &target);
}
