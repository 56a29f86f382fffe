//! Which entries of an archive a restore is about, and which half of each.
//!
//! Authority: `_tocEntryRequired` of PostgreSQL's `pg_backup_archiver.c`. The rules are evaluated in
//! its order, because the first that excludes an entry decides.

use std::collections::HashMap;

use super::options::RestoreOptions;
use super::schedule::effective_sections;
use crate::archive::statements::{is_database_entry, is_session_entry};
use crate::model::{DumpId, TocEntry};

/// What of an entry is restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Marks {
    /// Its definition, as part of the schema.
    pub(super) schema: bool,
    /// Its data, or a definition that counts as data: a sequence's value, a large object.
    pub(super) data: bool,
    /// The statistics of a relation.
    pub(super) statistics: bool,
}

impl Marks {
    /// Tells whether anything of the entry is restored.
    pub(super) fn any(self) -> bool {
        self.schema || self.data || self.statistics
    }
}

/// Returns the marks of every entry, in the order of the archive.
pub(super) fn mark(entries: &[TocEntry], options: &RestoreOptions) -> Vec<Marks> {
    let sections = effective_sections(entries);
    let by_id: HashMap<DumpId, usize> =
        entries.iter().enumerate().map(|(position, entry)| (entry.dump_id, position)).collect();
    let mut marks: Vec<Marks> = Vec::with_capacity(entries.len());
    for (entry, section) in entries.iter().zip(&sections) {
        let section_wanted = options.sections.is_empty() || options.sections.contains(section);
        let mut found = candidate(entry, options);
        let in_section = section_wanted || is_database_entry(entry);
        if !in_section || !named(entry, options, &by_id, &marks, entries) {
            found = Marks::default();
        }
        if options.schema_only {
            found.data = false;
        }
        if options.data_only {
            found.schema = false;
        }
        marks.push(found);
    }
    marks
}

/// Returns what an entry would be, before its name is looked at.
fn candidate(entry: &TocEntry, options: &RestoreOptions) -> Marks {
    let tagged = |prefix: &str| entry.tag.starts_with(prefix);
    let is_remark = matches!(entry.desc.as_str(), "COMMENT" | "SECURITY LABEL");
    let desc = entry.desc.as_str();
    if is_session_entry(entry) {
        return Marks::default();
    }
    if desc == "STATISTICS DATA" {
        let wanted = !(options.no_statistics || options.schema_only || options.data_only);
        return Marks { statistics: wanted, ..Marks::default() };
    }
    if is_database_entry(entry) {
        return Marks { schema: options.create, ..Marks::default() };
    }
    let excluded = match desc {
        "ACL" | "ACL LANGUAGE" | "DEFAULT ACL" => options.no_privileges,
        "POLICY" | "ROW SECURITY" => options.no_policies,
        "PUBLICATION" | "PUBLICATION TABLE" | "PUBLICATION TABLES IN SCHEMA" => {
            options.no_publications
        }
        "SUBSCRIPTION" | "SUBSCRIPTION TABLE" => options.no_subscriptions,
        _ => false,
    } || (desc == "COMMENT" && options.no_comments)
        || (desc == "SECURITY LABEL" && options.no_security_labels)
        || (desc == "COMMENT" && options.no_policies && tagged("POLICY"))
        || (is_remark && options.no_publications && tagged("PUBLICATION"))
        || (is_remark && options.no_subscriptions && tagged("SUBSCRIPTION"));
    if excluded || desc == "WARNING" {
        return Marks::default();
    }
    let is_large_object = tagged("LARGE OBJECT")
        && matches!(desc, "ACL" | "COMMENT" | "SECURITY LABEL")
        || matches!(desc, "BLOB" | "BLOB METADATA");
    if !entry.has_data {
        let is_data = is_large_object || desc == "SEQUENCE SET";
        let something = !entry.definition.is_empty();
        return Marks {
            schema: !is_data && something,
            data: is_data && something,
            statistics: false,
        };
    }
    let defined = !entry.definition.is_empty()
        && !entry.definition.starts_with("-- load via partition root ");
    Marks { schema: defined, data: true, statistics: false }
}

/// Tells whether the options that name schemas and objects let an entry through.
fn named(
    entry: &TocEntry,
    options: &RestoreOptions,
    by_id: &HashMap<DumpId, usize>,
    marks: &[Marks],
    entries: &[TocEntry],
) -> bool {
    let desc = entry.desc.as_str();
    let names_schemas = !options.schemas.is_empty() || !options.exclude_schemas.is_empty();
    let names_kinds = !(options.tables.is_empty()
        && options.indexes.is_empty()
        && options.functions.is_empty()
        && options.triggers.is_empty());
    if is_database_entry(entry) {
        return true;
    }
    if matches!(desc, "ACL" | "COMMENT" | "SECURITY LABEL") {
        if entry.tag.starts_with("DATABASE ") {
            return options.create;
        }
        if !names_schemas && !names_kinds {
            return true;
        }
        // They go with what they belong to; the table's privileges do not count as that.
        return entry.dependencies.iter().filter_map(|id| by_id.get(id)).any(|&position| {
            entries[position].desc != "ACL" && marks.get(position).is_some_and(|found| found.any())
        });
    }
    if !options.schemas.is_empty() {
        match &entry.namespace {
            Some(namespace) if options.schemas.contains(namespace) => {}
            _ => return false,
        }
    }
    if entry.namespace.as_ref().is_some_and(|name| options.exclude_schemas.contains(name)) {
        return false;
    }
    if !names_kinds {
        return true;
    }
    match desc {
        "TABLE"
        | "TABLE DATA"
        | "VIEW"
        | "FOREIGN TABLE"
        | "MATERIALIZED VIEW"
        | "MATERIALIZED VIEW DATA"
        | "SEQUENCE"
        | "SEQUENCE SET" => options.tables.contains(&entry.tag),
        "INDEX" => options.indexes.contains(&entry.tag),
        "FUNCTION" | "AGGREGATE" | "PROCEDURE" => options.functions.contains(&entry.tag),
        "TRIGGER" => options.triggers.contains(&entry.tag),
        "STATISTICS DATA" => {
            entry.dependencies.iter().filter_map(|id| by_id.get(id)).any(|&position| {
                let owner = &entries[position];
                match owner.desc.as_str() {
                    "TABLE" | "VIEW" | "FOREIGN TABLE" | "MATERIALIZED VIEW" => {
                        options.tables.contains(&owner.tag)
                    }
                    "INDEX" => options.indexes.contains(&owner.tag),
                    _ => false,
                }
            })
        }
        _ => false,
    }
}

/// Returns the names that were asked for and that no entry has, in words.
pub(super) fn missing_names(entries: &[TocEntry], options: &RestoreOptions) -> Vec<String> {
    let mut missing = Vec::new();
    let mut look = |kind: &str, names: &[String], found: &dyn Fn(&TocEntry, &String) -> bool| {
        for name in names {
            if !entries.iter().any(|entry| found(entry, name)) {
                missing.push(format!("{kind} \"{name}\""));
            }
        }
    };
    look("schema", &options.schemas, &|entry, name| entry.namespace.as_ref() == Some(name));
    look("table", &options.tables, &|entry, name| {
        entry.tag == *name
            && matches!(
                entry.desc.as_str(),
                "TABLE"
                    | "VIEW"
                    | "FOREIGN TABLE"
                    | "MATERIALIZED VIEW"
                    | "SEQUENCE"
                    | "TABLE DATA"
                    | "SEQUENCE SET"
            )
    });
    look("index", &options.indexes, &|entry, name| entry.desc == "INDEX" && entry.tag == *name);
    look("function", &options.functions, &|entry, name| {
        matches!(entry.desc.as_str(), "FUNCTION" | "AGGREGATE" | "PROCEDURE") && entry.tag == *name
    });
    look("trigger", &options.triggers, &|entry, name| {
        entry.desc == "TRIGGER" && entry.tag == *name
    });
    missing
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connect::{ConnectParams, ConnectRequest, Environment};
    use crate::model::Section;

    fn options() -> RestoreOptions {
        let request = ConnectRequest { dbname: Some("x".into()), ..ConnectRequest::default() };
        let environment = Environment { user: Some("u".into()), ..Environment::default() };
        let connection = ConnectParams::resolve(&request, &environment).expect("valid");
        RestoreOptions::new("archive", connection)
    }

    fn archive() -> Vec<TocEntry> {
        let rows: &[(&str, &str, Option<&str>, Section, &[i32])] = &[
            ("ENCODING", "ENCODING", None, Section::PreData, &[]),
            ("DATABASE", "shop", None, Section::PreData, &[]),
            ("ACL", "DATABASE shop", None, Section::None, &[2]),
            ("SCHEMA", "app", None, Section::PreData, &[]),
            ("TABLE", "t", Some("app"), Section::PreData, &[4]),
            ("COMMENT", "TABLE t", Some("app"), Section::None, &[5]),
            ("ACL", "TABLE t", Some("app"), Section::None, &[5]),
            ("TABLE", "u", Some("public"), Section::PreData, &[]),
            ("TABLE DATA", "t", Some("app"), Section::Data, &[5]),
            ("SEQUENCE SET", "s", Some("app"), Section::Data, &[]),
            ("INDEX", "i", Some("app"), Section::PostData, &[5]),
            ("COMMENT", "INDEX i", Some("app"), Section::None, &[11]),
            ("STATISTICS DATA", "t", Some("app"), Section::Data, &[5]),
        ];
        rows.iter()
            .enumerate()
            .map(|(at, (desc, tag, namespace, section, needs))| {
                let mut entry = TocEntry::new(DumpId(at as i32 + 1), *desc, *tag);
                entry.namespace = namespace.map(str::to_owned);
                entry.section = *section;
                entry.has_data = *desc == "TABLE DATA";
                entry.definition = if entry.has_data { String::new() } else { "X;".into() };
                entry.dependencies = needs.iter().copied().map(DumpId).collect();
                entry
            })
            .collect()
    }

    /// Returns the ids that are restored, negative where only data is.
    fn wanted(options: &RestoreOptions) -> Vec<i32> {
        mark(&archive(), options)
            .iter()
            .enumerate()
            .filter(|(_, marks)| marks.any())
            .map(|(at, marks)| if marks.data { -(at as i32 + 1) } else { at as i32 + 1 })
            .collect()
    }

    #[test]
    fn options_select_what_pg_restore_would() {
        let base = options();
        let cases: Vec<(&str, RestoreOptions, &[i32])> = vec![
            ("all", base.clone(), &[4, 5, 6, 7, 8, -9, -10, 11, 12, 13]),
            (
                "-C",
                RestoreOptions { create: true, ..base.clone() },
                &[2, 3, 4, 5, 6, 7, 8, -9, -10, 11, 12, 13],
            ),
            ("-s", RestoreOptions { schema_only: true, ..base.clone() }, &[4, 5, 6, 7, 8, 11, 12]),
            ("-a", RestoreOptions { data_only: true, ..base.clone() }, &[-9, -10]),
            (
                "-x",
                RestoreOptions { no_privileges: true, ..base.clone() },
                &[4, 5, 6, 8, -9, -10, 11, 12, 13],
            ),
            (
                "-n app",
                RestoreOptions { schemas: vec!["app".into()], ..base.clone() },
                &[5, 6, 7, -9, -10, 11, 12, 13],
            ),
            (
                "-N app",
                RestoreOptions { exclude_schemas: vec!["app".into()], ..base.clone() },
                &[4, 8],
            ),
            (
                "-t t",
                RestoreOptions { tables: vec!["t".into()], ..base.clone() },
                &[5, 6, 7, -9, 13],
            ),
            ("-I i", RestoreOptions { indexes: vec!["i".into()], ..base.clone() }, &[11, 12]),
            (
                "--section=data",
                RestoreOptions { sections: vec![Section::Data], ..base.clone() },
                &[-9, -10, 13],
            ),
            (
                "--section=post-data",
                RestoreOptions { sections: vec![Section::PostData], ..base },
                &[11, 12],
            ),
        ];
        for (name, options, expected) in cases {
            assert_eq!(wanted(&options), expected, "{name}");
        }
    }

    #[test]
    fn names_that_match_nothing_are_told() {
        let options = RestoreOptions {
            tables: vec!["t".into(), "T".into()],
            schemas: vec!["nowhere".into()],
            ..options()
        };
        assert_eq!(missing_names(&archive(), &options), ["schema \"nowhere\"", "table \"T\""]);
    }
}
