//! Which entries of an archive are restored, and what of each: pg_restore's rules, pure.
//!
//! Authority: `_tocEntryRequired` and `ProcessArchiveRestoreOptions` of `pg_backup_archiver.c` in
//! PostgreSQL 18. The order of the rules is theirs, because the first one that excludes an entry decides.
//! Names compare exactly: no patterns, no schema part.

use std::collections::{HashMap, HashSet};

use crate::model::{DumpId, Section, TocEntry};

/// What of an archive is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreSelection {
    /// `--section`; empty for all.
    pub sections: Vec<Section>,
    /// `-n`.
    pub schemas: Vec<String>,
    /// `-N`.
    pub exclude_schemas: Vec<String>,
    /// `-t`: tables, views, sequences and their kin.
    pub tables: Vec<String>,
    /// `-I`.
    pub indexes: Vec<String>,
    /// `-P`: functions with their argument types as the tag shows them.
    pub functions: Vec<String>,
    /// `-T`: triggers as the tag shows them, `table trigger`.
    pub triggers: Vec<String>,
    /// `-x`.
    pub no_privileges: bool,
    /// `--no-comments`.
    pub no_comments: bool,
    /// `--no-policies`.
    pub no_policies: bool,
    /// `--no-publications`.
    pub no_publications: bool,
    /// `--no-subscriptions`.
    pub no_subscriptions: bool,
    /// `--no-security-labels`.
    pub no_security_labels: bool,
    /// `-C`: the database itself is restored, whatever else is selected.
    pub create: bool,
    /// Definitions are wanted.
    pub schema: bool,
    /// Data are wanted.
    pub data: bool,
    /// What is known about large objects is wanted also where data are not, for pg_upgrade.
    pub large_object_metadata: bool,
    /// Optimizer statistics are wanted.
    pub statistics: bool,
    /// `-L`: the only entries that may be restored.
    pub listed: Option<HashSet<DumpId>>,
}

impl Default for RestoreSelection {
    /// Everything but the database itself, as pg_restore does without options.
    fn default() -> Self {
        RestoreSelection {
            sections: Vec::new(),
            schemas: Vec::new(),
            exclude_schemas: Vec::new(),
            tables: Vec::new(),
            indexes: Vec::new(),
            functions: Vec::new(),
            triggers: Vec::new(),
            no_privileges: false,
            no_comments: false,
            no_policies: false,
            no_publications: false,
            no_subscriptions: false,
            no_security_labels: false,
            create: false,
            schema: true,
            data: true,
            large_object_metadata: false,
            statistics: true,
            listed: None,
        }
    }
}

impl RestoreSelection {
    /// Tells whether objects are selected by kind and name.
    fn selects_kinds(&self) -> bool {
        !(self.tables.is_empty()
            && self.indexes.is_empty()
            && self.functions.is_empty()
            && self.triggers.is_empty())
    }

    /// Tells whether objects are selected by any name.
    fn selects_names(&self) -> bool {
        !self.schemas.is_empty() || !self.exclude_schemas.is_empty() || self.selects_kinds()
    }
}

/// What of an entry is restored; nothing set means that it is skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Marks {
    /// Its definition.
    pub schema: bool,
    /// Its data.
    pub data: bool,
    /// Its optimizer statistics.
    pub statistics: bool,
    /// It sets up the session and makes no object.
    pub special: bool,
}

impl Marks {
    const NONE: Marks = Marks { schema: false, data: false, statistics: false, special: false };

    /// Tells whether anything of the entry is restored.
    pub fn any(self) -> bool {
        self != Marks::NONE
    }
}

/// Returns what of each entry is restored, in the order of `entries`.
pub fn marks(entries: &[TocEntry], selection: &RestoreSelection) -> Vec<Marks> {
    Marker::new(entries, selection).run()
}

/// Returns what `--strict-names` complains about: the names that no entry has, as `schema "x" not found`.
pub fn unmatched_names(entries: &[TocEntry], selection: &RestoreSelection) -> Vec<String> {
    let mut marker = Marker::new(entries, selection);
    marker.run();
    let lists = [
        ("schema", &selection.schemas),
        ("table", &selection.tables),
        ("index", &selection.indexes),
        ("function", &selection.functions),
        ("trigger", &selection.triggers),
    ];
    lists
        .into_iter()
        .flat_map(|(kind, names)| names.iter().map(move |name| (kind, name.as_str())))
        .filter(|key| !marker.touched.contains(key))
        .map(|(kind, name)| format!("{kind} \"{name}\" not found"))
        .collect()
}

struct Marker<'a> {
    entries: &'a [TocEntry],
    selection: &'a RestoreSelection,
    positions: HashMap<DumpId, usize>,
    marks: Vec<Marks>,
    /// The names of the selection that were found.
    touched: HashSet<(&'static str, &'a str)>,
}

impl<'a> Marker<'a> {
    fn new(entries: &'a [TocEntry], selection: &'a RestoreSelection) -> Self {
        let positions =
            entries.iter().enumerate().map(|(position, entry)| (entry.dump_id, position)).collect();
        Marker {
            entries,
            selection,
            positions,
            marks: vec![Marks::NONE; entries.len()],
            touched: HashSet::new(),
        }
    }

    fn run(&mut self) -> Vec<Marks> {
        // Entries without a section go with the nearest one before them that has one.
        let mut section = Section::PreData;
        for (position, entry) in self.entries.iter().enumerate() {
            if entry.section != Section::None {
                section = entry.section;
            }
            self.marks[position] = self.entry(entry, section);
        }
        self.marks.clone()
    }

    fn entry(&mut self, entry: &'a TocEntry, section: Section) -> Marks {
        let selection = self.selection;
        let desc = entry.desc.as_str();
        if matches!(desc, "ENCODING" | "STDSTRINGS" | "SEARCHPATH") {
            return Marks { special: true, ..Marks::NONE };
        }
        let mut marks = if desc == "STATISTICS DATA" {
            if !selection.statistics {
                return Marks::NONE;
            }
            Marks { statistics: true, ..Marks::NONE }
        } else {
            Marks { schema: true, data: true, ..Marks::NONE }
        };
        if matches!(desc, "DATABASE" | "DATABASE PROPERTIES") {
            return Marks { schema: selection.create, ..Marks::NONE };
        }
        if self.is_left_out(entry) {
            return Marks::NONE;
        }
        if !selection.sections.is_empty() && !selection.sections.contains(&section) {
            return Marks::NONE;
        }
        if selection.listed.as_ref().is_some_and(|listed| !listed.contains(&entry.dump_id)) {
            return Marks::NONE;
        }
        let selected = match desc {
            "ACL" | "COMMENT" | "SECURITY LABEL" => self.goes_with_its_object(entry),
            _ => self.is_named(entry),
        };
        if !selected {
            return Marks::NONE;
        }
        if desc == "<Init>" && entry.tag == "Max OID" {
            return Marks::NONE;
        }

        if !entry.has_data {
            if is_data_without_file(entry) {
                marks.schema = false;
            } else {
                marks.data = false;
            }
        }
        if entry.definition.is_empty()
            || entry.definition.starts_with("-- load via partition root ")
        {
            marks.schema = false;
        }
        marks.data &=
            selection.data || selection.large_object_metadata && is_about_large_objects(entry);
        marks.schema &= selection.schema;
        marks
    }

    /// Tells whether a whole kind of entry is not wanted.
    fn is_left_out(&self, entry: &TocEntry) -> bool {
        let selection = self.selection;
        let desc = entry.desc.as_str();
        let describes = |prefix: &str| desc == "COMMENT" && entry.tag.starts_with(prefix);
        let labels = |prefix: &str| desc == "SECURITY LABEL" && entry.tag.starts_with(prefix);
        (selection.no_privileges && matches!(desc, "ACL" | "ACL LANGUAGE" | "DEFAULT ACL"))
            || (selection.no_comments && desc == "COMMENT")
            || (selection.no_policies
                && (matches!(desc, "POLICY" | "ROW SECURITY") || describes("POLICY")))
            || (selection.no_publications
                && (matches!(
                    desc,
                    "PUBLICATION" | "PUBLICATION TABLE" | "PUBLICATION TABLES IN SCHEMA"
                ) || describes("PUBLICATION")
                    || labels("PUBLICATION")))
            || (selection.no_subscriptions
                && (matches!(desc, "SUBSCRIPTION" | "SUBSCRIPTION TABLE")
                    || describes("SUBSCRIPTION")
                    || labels("SUBSCRIPTION")))
            || (selection.no_security_labels && desc == "SECURITY LABEL")
    }

    /// Tells whether a comment, label or privilege is restored: when something it depends on is.
    fn goes_with_its_object(&self, entry: &TocEntry) -> bool {
        if entry.tag.starts_with("DATABASE ") {
            return self.selection.create;
        }
        if !self.selection.selects_names() {
            return true;
        }
        entry.dependencies.iter().any(|dependency| {
            // A column's privileges depend on the table's, which say nothing about the table.
            self.positions.get(dependency).is_some_and(|&position| {
                self.entries[position].desc != "ACL" && self.marks[position].any()
            })
        })
    }

    /// Tells whether the names that were given select an entry.
    fn is_named(&mut self, entry: &'a TocEntry) -> bool {
        let selection = self.selection;
        if !selection.schemas.is_empty() {
            let Some(namespace) = &entry.namespace else { return false };
            if !self.touch("schema", &selection.schemas, namespace) {
                return false;
            }
        }
        if entry
            .namespace
            .as_ref()
            .is_some_and(|namespace| selection.exclude_schemas.contains(namespace))
        {
            return false;
        }
        if !selection.selects_kinds() {
            return true;
        }
        match entry.desc.as_str() {
            "TABLE"
            | "TABLE DATA"
            | "VIEW"
            | "FOREIGN TABLE"
            | "MATERIALIZED VIEW"
            | "MATERIALIZED VIEW DATA"
            | "SEQUENCE"
            | "SEQUENCE SET" => self.touch("table", &selection.tables, &entry.tag),
            "INDEX" => self.touch("index", &selection.indexes, &entry.tag),
            "FUNCTION" | "AGGREGATE" | "PROCEDURE" => {
                self.touch("function", &selection.functions, &entry.tag)
            }
            "TRIGGER" => self.touch("trigger", &selection.triggers, &entry.tag),
            "STATISTICS DATA" => entry.dependencies.iter().any(|dependency| {
                let Some(&position) = self.positions.get(dependency) else { return false };
                let object = &self.entries[position];
                match object.desc.as_str() {
                    "TABLE" | "VIEW" | "FOREIGN TABLE" | "MATERIALIZED VIEW" => {
                        selection.tables.contains(&object.tag)
                    }
                    "INDEX" => selection.indexes.contains(&object.tag),
                    _ => false,
                }
            }),
            _ => false,
        }
    }

    /// Looks a name up in a list and notes that it was found.
    fn touch(&mut self, kind: &'static str, names: &'a [String], name: &str) -> bool {
        match names.iter().find(|wanted| *wanted == name) {
            Some(wanted) => {
                self.touched.insert((kind, wanted));
                true
            }
            None => false,
        }
    }
}

/// Tells whether an entry counts as data although it has no data file.
pub(super) fn is_data_without_file(entry: &TocEntry) -> bool {
    entry.desc == "SEQUENCE SET" || is_about_large_objects(entry)
}

/// Tells whether an entry makes a large object or says something about one.
fn is_about_large_objects(entry: &TocEntry) -> bool {
    match entry.desc.as_str() {
        "BLOB" | "BLOB METADATA" => true,
        "ACL" | "COMMENT" | "SECURITY LABEL" => entry.tag.starts_with("LARGE OBJECT"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Id, desc, tag, schema, section, dependencies.
    type Row = (i32, &'static str, &'static str, Option<&'static str>, Section, &'static [i32]);

    /// A small archive.
    fn archive() -> Vec<TocEntry> {
        use Section::{Data, None as Follows, PostData, PreData};
        let rows: &[Row] = &[
            (1, "ENCODING", "ENCODING", None, PreData, &[]),
            (2, "DATABASE", "db", None, PreData, &[]),
            (3, "COMMENT", "DATABASE db", None, Follows, &[2]),
            (4, "SCHEMA", "app", None, PreData, &[]),
            (5, "FUNCTION", "f(integer)", Some("app"), PreData, &[]),
            (6, "TABLE", "t", Some("app"), PreData, &[]),
            (7, "COMMENT", "TABLE t", Some("app"), Follows, &[6]),
            (8, "ACL", "TABLE t", Some("app"), Follows, &[6]),
            (9, "ACL", "COLUMN t.a", Some("app"), Follows, &[6, 8]),
            (10, "TABLE", "u", Some("public"), PreData, &[]),
            (11, "COMMENT", "TABLE u", Some("public"), Follows, &[10]),
            (20, "TABLE DATA", "t", Some("app"), Data, &[6]),
            (21, "TABLE DATA", "u", Some("public"), Data, &[10]),
            (22, "SEQUENCE SET", "s", Some("app"), Data, &[]),
            (23, "STATISTICS DATA", "t", Some("app"), Data, &[6, 99]),
            (30, "INDEX", "t_idx", Some("app"), PostData, &[6]),
            (31, "COMMENT", "INDEX t_idx", Some("app"), Follows, &[30]),
            (32, "TRIGGER", "t trg", Some("app"), PostData, &[6]),
            (33, "MATERIALIZED VIEW DATA", "m", Some("app"), PostData, &[]),
            (34, "PUBLICATION", "p", None, PostData, &[]),
            (35, "POLICY", "t pol", Some("app"), PostData, &[6]),
            (36, "DEFAULT ACL", "DEFAULT PRIVILEGES FOR TABLES", None, PostData, &[]),
        ];
        rows.iter()
            .map(|&(id, desc, tag, namespace, section, dependencies)| TocEntry {
                namespace: namespace.map(str::to_owned),
                section,
                definition: if desc == "TABLE DATA" { String::new() } else { "sql".into() },
                has_data: desc == "TABLE DATA",
                dependencies: dependencies.iter().map(|&id| DumpId(id)).collect(),
                ..TocEntry::new(DumpId(id), desc, tag)
            })
            .collect()
    }

    fn selected(selection: &RestoreSelection) -> Vec<i32> {
        let entries = archive();
        let marks = marks(&entries, selection);
        entries
            .iter()
            .zip(marks)
            .filter(|(_, marks)| marks.any() && !marks.special)
            .map(|(entry, _)| entry.dump_id.0)
            .collect()
    }

    fn names(name: &str) -> Vec<String> {
        vec![name.to_owned()]
    }

    #[test]
    fn options_select_what_pg_restore_selects() {
        let all = RestoreSelection::default;
        let everything: Vec<i32> = (4..=11).chain(20..=23).chain(30..=36).collect();
        let cases: Vec<(&str, RestoreSelection, Vec<i32>)> = vec![
            ("nothing said", all(), everything.clone()),
            (
                "create",
                RestoreSelection { create: true, ..all() },
                [2, 3].into_iter().chain(everything).collect(),
            ),
            (
                "a schema, without itself and without what is in none",
                RestoreSelection { schemas: names("app"), ..all() },
                vec![5, 6, 7, 8, 9, 20, 22, 23, 30, 31, 32, 33, 35],
            ),
            (
                "not a schema",
                RestoreSelection { exclude_schemas: names("app"), ..all() },
                vec![4, 10, 11, 21, 34, 36],
            ),
            (
                "a table with its comment and privileges, without its index",
                RestoreSelection { tables: names("t"), ..all() },
                vec![6, 7, 8, 9, 20, 23],
            ),
            ("an index", RestoreSelection { indexes: names("t_idx"), ..all() }, vec![30, 31]),
            ("a function", RestoreSelection { functions: names("f(integer)"), ..all() }, vec![5]),
            ("a trigger", RestoreSelection { triggers: names("t trg"), ..all() }, vec![32]),
            (
                "a section with what follows it",
                RestoreSelection { sections: vec![Section::PostData], ..all() },
                vec![30, 31, 32, 33, 34, 35, 36],
            ),
            (
                "data only",
                RestoreSelection { schema: false, statistics: false, ..all() },
                vec![20, 21, 22],
            ),
            (
                "schema only still refreshes",
                RestoreSelection { data: false, statistics: false, ..all() },
                vec![4, 5, 6, 7, 8, 9, 10, 11, 30, 31, 32, 33, 34, 35, 36],
            ),
            (
                "left out by kind",
                RestoreSelection {
                    no_privileges: true,
                    no_comments: true,
                    no_policies: true,
                    no_publications: true,
                    ..all()
                },
                vec![4, 5, 6, 10, 20, 21, 22, 23, 30, 32, 33],
            ),
            (
                "listed",
                RestoreSelection { listed: Some([DumpId(2), DumpId(20)].into()), ..all() },
                vec![20],
            ),
        ];
        for (name, selection, expected) in cases {
            assert_eq!(selected(&selection), expected, "{name}");
        }
    }

    #[test]
    fn data_and_definitions_are_told_apart() {
        let entries = archive();
        let marks = marks(&entries, &RestoreSelection::default());
        let of = |id: i32| {
            let position =
                entries.iter().position(|entry| entry.dump_id.0 == id).expect("is there");
            marks[position]
        };
        assert_eq!(of(1), Marks { special: true, ..Marks::NONE });
        assert_eq!(of(6), Marks { schema: true, ..Marks::NONE });
        assert_eq!(of(20), Marks { data: true, ..Marks::NONE });
        assert_eq!(of(22), Marks { data: true, ..Marks::NONE });
        assert_eq!(of(23), Marks { statistics: true, ..Marks::NONE });
    }

    #[test]
    fn names_that_match_nothing_are_reported() {
        let selection = RestoreSelection {
            schemas: vec!["app".into(), "nope".into()],
            tables: vec!["t".into(), "u".into()],
            indexes: vec!["t".into()],
            ..RestoreSelection::default()
        };
        // The table exists, in a schema that is not selected.
        assert_eq!(
            unmatched_names(&archive(), &selection),
            [r#"schema "nope" not found"#, r#"table "u" not found"#, r#"index "t" not found"#]
        );
    }
}
