//! One object of an archive as SQL, with everything that belongs to it: defaults, constraints, indexes,
//! triggers, rules, policies, comments, privileges.

use std::collections::HashSet;
use std::fmt;

use crate::archive::ArchiveReader;
use crate::archive::statements::{self, SwitchOptions, Switches};
use crate::error::{Error, ErrorKind, Result};
use crate::model::TocEntry;
use crate::sql::{qualified, split_name};

/// The kinds that never stand alone: each belongs to what it depends on.
const COMPANIONS: &[&str] = &[
    "ACL",
    "CHECK CONSTRAINT",
    "COMMENT",
    "CONSTRAINT",
    "DEFAULT",
    "FK CONSTRAINT",
    "INDEX",
    "INDEX ATTACH",
    "MATERIALIZED VIEW DATA",
    "POLICY",
    "ROW SECURITY",
    "RULE",
    "SECURITY LABEL",
    "SEQUENCE OWNED BY",
    "SEQUENCE SET",
    "STATISTICS",
    "STATISTICS DATA",
    "TABLE ATTACH",
    "TABLE DATA",
    "TRIGGER",
];

/// The companions whose tag begins with the name of the relation they belong to.
const TAGGED_WITH_RELATION: &[&str] =
    &["CHECK CONSTRAINT", "CONSTRAINT", "DEFAULT", "FK CONSTRAINT", "POLICY", "RULE", "TRIGGER"];

/// A name as a person writes it: `orders`, `sales.orders`, `"Odd name"`, `sales.total(integer)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectName {
    /// The schema, when it was named.
    pub schema: Option<String>,
    /// The name, for functions with the argument types when they were written.
    pub name: String,
}

impl ObjectName {
    /// Takes a name apart as PostgreSQL does: folded to lower case outside double quotes.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`] when there are more than two parts, an empty one, or an open quote.
    pub fn parse(text: &str) -> Result<ObjectName> {
        let usage = |why: &str| {
            Err(Error::new(
                ErrorKind::Usage,
                format!("\"{text}\" is not the name of an object: {why}"),
            ))
        };
        // What follows a parenthesis are argument types, with dots and quotes of their own.
        let Some((mut parts, types)) = split_name(text.trim(), |character| character == '(') else {
            return usage("a quote is not closed");
        };
        if let Some(last) = parts.last_mut() {
            last.push_str(types);
        }
        if parts.iter().any(String::is_empty) {
            return usage("a part of it is empty");
        }
        let name = parts.pop().unwrap_or_default();
        let schema = parts.pop();
        if !parts.is_empty() {
            return usage("it has more parts than schema and name");
        }
        Ok(ObjectName { schema, name })
    }

    fn matches(&self, entry: &TocEntry) -> bool {
        let in_schema = self
            .schema
            .as_deref()
            .is_none_or(|schema| entry.namespace.as_deref().is_some_and(|found| found == schema));
        let is_callable = matches!(entry.desc.as_str(), "FUNCTION" | "PROCEDURE" | "AGGREGATE");
        let same = entry.tag == self.name
            || (is_callable
                && entry.tag.strip_prefix(&self.name).is_some_and(|rest| rest.starts_with('(')));
        in_schema && same
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.schema {
            Some(schema) => write!(f, "{schema}.{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// Returns the entries that define the object with this name: several when a function is overloaded or
/// a name is used for several kinds.
///
/// # Errors
///
/// [`ErrorKind::NotFound`] when there is none, [`ErrorKind::Usage`] when the name is used in several
/// schemas and none was given.
pub fn find_object<'a>(
    reader: &'a dyn ArchiveReader,
    name: &ObjectName,
) -> Result<Vec<&'a TocEntry>> {
    let found: Vec<&TocEntry> = reader
        .entries()
        .iter()
        .filter(|entry| !entry.definition.is_empty() && name.matches(entry))
        .collect();
    // An index or a sequence can be asked for by name, but not what has no name of its own.
    let standing: Vec<&TocEntry> = found
        .into_iter()
        .filter(|entry| {
            !is_companion(entry) || matches!(entry.desc.as_str(), "INDEX" | "STATISTICS")
        })
        .collect();
    only_one_schema(standing, name, "object", reader)
}

/// Returns the entry with the rows of the table with this name.
///
/// # Errors
///
/// As [`find_object`].
pub fn table_data<'a>(reader: &'a dyn ArchiveReader, name: &ObjectName) -> Result<&'a TocEntry> {
    let found = reader
        .entries()
        .iter()
        .filter(|entry| entry.desc == "TABLE DATA" && name.matches(entry))
        .collect();
    Ok(only_one_schema(found, name, "table with rows", reader)?[0])
}

/// Makes sure that something was found, and that all of it lies in one schema.
fn only_one_schema<'a>(
    found: Vec<&'a TocEntry>,
    name: &ObjectName,
    what: &str,
    reader: &dyn ArchiveReader,
) -> Result<Vec<&'a TocEntry>> {
    let Some(first) = found.first() else {
        let archive = reader.path().display();
        return Err(Error::new(
            ErrorKind::NotFound,
            format!("archive \"{archive}\" has no {what} named {name}"),
        )
        .with_hint(format!(
            "run \"pgark inspect {archive}\" to see what it holds; names with capitals need double quotes"
        )));
    };
    if found.iter().any(|entry| entry.namespace != first.namespace) {
        let mut names: Vec<String> = found
            .iter()
            .map(|entry| qualified(entry.namespace.as_deref().unwrap_or_default(), &entry.tag))
            .collect();
        names.dedup();
        return Err(Error::new(
            ErrorKind::Usage,
            format!("{name} could be {}: name the schema too", names.join(" or ")),
        ));
    }
    Ok(found)
}

/// Returns the statements that make objects and what belongs to them, in the order of the archive.
///
/// # Errors
///
/// [`ErrorKind::Archive`] when the archive holds an entry whose owner cannot be expressed.
pub fn object_sql(reader: &dyn ArchiveReader, objects: &[&TocEntry]) -> Result<String> {
    let wanted = with_companions(reader.entries(), objects);
    let options = SwitchOptions {
        unqualified_definitions: !reader.entries().iter().any(|entry| entry.desc == "SEARCHPATH"),
        ..SwitchOptions::default()
    };
    let mut switches = Switches::default();
    let mut sql = String::new();
    let mut push = |statement: &str| {
        if !sql.is_empty() {
            sql.push('\n');
        }
        sql.push_str(statement.trim_end());
        sql.push('\n');
    };
    for entry in reader.entries().iter().filter(|entry| wanted.contains(&entry.dump_id)) {
        for statement in switches.before(entry, options) {
            push(&statement);
        }
        push(&statements::definition(entry, false));
        let owner = statements::owner_statement(entry).map_err(|error| {
            Error::new(ErrorKind::Archive, format!("could not print {}", entry.describe()))
                .with_source(error)
        })?;
        if let Some(owner) = owner {
            push(&owner);
        }
    }
    Ok(sql)
}

/// Returns the ids of the objects and of everything that belongs to them.
fn with_companions(entries: &[TocEntry], objects: &[&TocEntry]) -> HashSet<crate::model::DumpId> {
    let mut wanted: HashSet<_> = objects.iter().map(|entry| entry.dump_id).collect();
    // A companion may stand before what it belongs to only in archives made by hand, but companions
    // have companions: go on until nothing is added.
    loop {
        let before = wanted.len();
        for entry in entries {
            // A sequence depends on a table only when it belongs to one of its columns.
            let belongs = (is_companion(entry) || entry.desc == "SEQUENCE")
                && !entry.definition.is_empty()
                && entry.dependencies.iter().any(|id| wanted.contains(id))
                && (!TAGGED_WITH_RELATION.contains(&entry.desc.as_str())
                    || objects.iter().any(|object| is_of(entry, object)))
                && !matches!(entry.desc.as_str(), "SEQUENCE SET" | "STATISTICS DATA");
            if belongs {
                wanted.insert(entry.dump_id);
            }
        }
        if wanted.len() == before {
            return wanted;
        }
    }
}

/// Tells whether a companion is of this relation, not merely dependent on it as a foreign key is on the
/// table it points to.
fn is_of(companion: &TocEntry, object: &TocEntry) -> bool {
    companion.namespace == object.namespace
        && companion.tag.strip_prefix(&object.tag).is_some_and(|rest| rest.starts_with(' '))
}

fn is_companion(entry: &TocEntry) -> bool {
    COMPANIONS.contains(&entry.desc.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DumpId;

    #[test]
    fn names_are_read_as_postgresql_reads_them() {
        let cases = [
            ("orders", None, "orders"),
            ("Sales.Orders", Some("sales"), "orders"),
            ("\"a.b\".\"Say \"\"hi\"\"\"", Some("a.b"), "Say \"hi\""),
            ("sales.total(integer, \"X\".t)", Some("sales"), "total(integer, \"X\".t)"),
        ];
        for (text, schema, name) in cases {
            let parsed = ObjectName::parse(text).expect(text);
            assert_eq!((parsed.schema.as_deref(), parsed.name.as_str()), (schema, name), "{text}");
        }
        for text in ["", ".", "a.", "a.b.c", "\"open"] {
            assert!(ObjectName::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_foreign_key_belongs_to_its_own_table_alone() {
        let entry = |id: i32, desc: &str, tag: &str, on: &[i32]| {
            let mut entry = TocEntry::new(DumpId(id), desc, tag);
            entry.namespace = Some("s".into());
            entry.definition = format!("{desc} {tag};\n");
            entry.dependencies = on.iter().map(|&id| DumpId(id)).collect();
            entry
        };
        let entries = [
            entry(1, "TABLE", "a", &[]),
            entry(2, "TABLE", "b", &[]),
            entry(3, "FK CONSTRAINT", "b b_fkey", &[1, 2]),
            entry(4, "INDEX", "i", &[1]),
            entry(5, "COMMENT", "INDEX i", &[4]),
            entry(6, "VIEW", "v", &[1]),
            entry(7, "SEQUENCE", "a_id_seq", &[1]),
            entry(8, "SEQUENCE OWNED BY", "a_id_seq", &[7]),
        ];
        let mut of_a: Vec<i32> =
            with_companions(&entries, &[&entries[0]]).into_iter().map(|id| id.0).collect();
        of_a.sort_unstable();
        assert_eq!(of_a, [1, 4, 5, 7, 8]);
        let mut of_b: Vec<i32> =
            with_companions(&entries, &[&entries[1]]).into_iter().map(|id| id.0).collect();
        of_b.sort_unstable();
        assert_eq!(of_b, [2, 3]);
    }
}
