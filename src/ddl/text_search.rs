//! Text search parsers, templates, dictionaries and configurations (`dumpTSParser` and its kin in
//! `pg_dump.c`).

use super::Writer;
use crate::model::text_search::{
    TextSearchConfiguration, TextSearchDictionary, TextSearchParser, TextSearchTemplate,
};
use crate::model::{Components, Object, Section};

pub(super) fn create_parser(writer: &mut Writer<'_>, object: &Object, parser: &TextSearchParser) {
    let mut clauses = vec![
        format!("START = {}", parser.start),
        format!("GETTOKEN = {}", parser.token),
        format!("END = {}", parser.end),
    ];
    if let Some(headline) = &parser.headline {
        clauses.push(format!("HEADLINE = {headline}"));
    }
    clauses.push(format!("LEXTYPES = {}", parser.lexical_types));
    create(writer, object, "TEXT SEARCH PARSER", &clauses, "");
}

pub(super) fn create_template(
    writer: &mut Writer<'_>,
    object: &Object,
    template: &TextSearchTemplate,
) {
    let mut clauses = Vec::new();
    if let Some(init) = &template.init {
        clauses.push(format!("INIT = {init}"));
    }
    clauses.push(format!("LEXIZE = {}", template.lexize));
    create(writer, object, "TEXT SEARCH TEMPLATE", &clauses, "");
}

pub(super) fn create_dictionary(
    writer: &mut Writer<'_>,
    object: &Object,
    dictionary: &TextSearchDictionary,
) {
    let (schema, name) = &dictionary.template;
    let mut clauses = vec![format!("TEMPLATE = {}", writer.quoting.qualified(schema, name))];
    // SQL text as the server keeps it, several options on one line.
    clauses.extend(dictionary.options.clone());
    create(writer, object, "TEXT SEARCH DICTIONARY", &clauses, "");
}

pub(super) fn create_configuration(
    writer: &mut Writer<'_>,
    object: &Object,
    configuration: &TextSearchConfiguration,
) {
    let (schema, name) = &configuration.parser;
    let clauses = [format!("PARSER = {}", writer.quoting.qualified(schema, name))];
    let name = writer.qualified(object);
    let mappings: String = configuration
        .mappings
        .iter()
        .map(|(token, dictionaries)| {
            format!(
                "\nALTER TEXT SEARCH CONFIGURATION {name}\n    ADD MAPPING FOR {} WITH {};\n",
                writer.identifier(token),
                dictionaries.join(", ")
            )
        })
        .collect();
    create(writer, object, "TEXT SEARCH CONFIGURATION", &clauses, &mappings);
}

/// Writes the definition, which for all four kinds is a list of clauses, and the comment.
fn create(writer: &mut Writer<'_>, object: &Object, word: &str, clauses: &[String], rest: &str) {
    if !writer.options.schema {
        return;
    }
    if object.emits(Components::DEFINITION) {
        let name = writer.qualified(object);
        let clauses = clauses.join(",\n    ");
        let mut entry = writer.entry(object, word, &object.name, Section::PreData);
        entry.definition = format!("CREATE {word} {name} (\n    {clauses} );\n{rest}");
        entry.drop_statement = Some(format!("DROP {word} {name};\n"));
        writer.push(entry);
    }
    let target = writer.target_without_owner(object, word);
    writer.comment(object, &target);
}
