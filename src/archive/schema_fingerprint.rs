//! What a schema is, in hashes: so that two can be compared without either at hand, and what differs be named.
//!
//! Every definition is one item, known by its kind, schema and tag. Owner and privileges are kept apart
//! from the definition, because a restore may be asked to leave either out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::codec::{Sha256Digest, sha256};
use crate::model::TocEntry;
use crate::sql::text;

/// The hashes of a whole schema, in the order of kind, schema and tag.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SchemaFingerprint {
    /// The definitions.
    pub items: Vec<SchemaItem>,
}

/// One definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaItem {
    /// The kind, such as `TABLE`.
    pub desc: String,
    /// The schema, empty for kinds that live in none.
    pub namespace: String,
    /// The tag.
    pub tag: String,
    /// SHA-256 of the definition; of several with the same name, of all of them in order.
    pub definition: Sha256Digest,
    /// The owner, empty for kinds without one.
    pub owner: String,
}

/// How two schemas differ in one item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SchemaDifference {
    /// The item is only in the first one.
    Missing,
    /// The item is only in the second one.
    Extra,
    /// The definitions differ.
    Definition,
    /// The owners differ.
    Owner,
}

/// What of two schemas is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SchemaComparison {
    /// Owners.
    pub owners: bool,
    /// Privileges and default privileges.
    pub privileges: bool,
}

impl SchemaFingerprint {
    /// Computes the fingerprint of what entries define.
    ///
    /// Rows and sequence values are data, not schema; the definition of the database itself is not part
    /// of what a restore into another database makes.
    pub fn of(entries: &[TocEntry]) -> Self {
        let mut texts: BTreeMap<(&str, &str, &str), (String, &str)> = BTreeMap::new();
        for entry in entries.iter().filter(|entry| is_schema(entry)) {
            let key =
                (entry.desc.as_str(), entry.namespace.as_deref().unwrap_or(""), entry.tag.as_str());
            let (definition, owner) = texts.entry(key).or_default();
            definition.push_str(&entry.definition);
            *owner = entry.owner.as_deref().unwrap_or("");
        }
        let items = texts
            .into_iter()
            .map(|((desc, namespace, tag), (definition, owner))| SchemaItem {
                desc: desc.to_owned(),
                namespace: namespace.to_owned(),
                tag: tag.to_owned(),
                definition: sha256(&text::encode(&definition)),
                owner: owner.to_owned(),
            })
            .collect();
        SchemaFingerprint { items }
    }

    /// Names every item in which `other` differs from this one.
    pub fn differences<'a>(
        &'a self,
        other: &'a SchemaFingerprint,
        comparison: SchemaComparison,
    ) -> Vec<(&'a SchemaItem, SchemaDifference)> {
        let compared = |item: &&SchemaItem| {
            comparison.privileges || !matches!(item.desc.as_str(), "ACL" | "DEFAULT ACL")
        };
        fn key(item: &SchemaItem) -> (&str, &str, &str) {
            (&item.desc, &item.namespace, &item.tag)
        }
        let theirs: BTreeMap<_, _> =
            other.items.iter().filter(compared).map(|item| (key(item), item)).collect();
        let ours: BTreeMap<_, _> =
            self.items.iter().filter(compared).map(|item| (key(item), item)).collect();
        let mut differences = Vec::new();
        for (key, &item) in &ours {
            match theirs.get(key) {
                None => differences.push((item, SchemaDifference::Missing)),
                Some(other) if other.definition != item.definition => {
                    differences.push((item, SchemaDifference::Definition));
                }
                Some(other) if comparison.owners && other.owner != item.owner => {
                    differences.push((item, SchemaDifference::Owner));
                }
                Some(_) => {}
            }
        }
        for (key, &item) in &theirs {
            if !ours.contains_key(key) {
                differences.push((item, SchemaDifference::Extra));
            }
        }
        differences
    }
}

fn is_schema(entry: &TocEntry) -> bool {
    let on_database = entry.tag.starts_with("DATABASE ")
        && matches!(entry.desc.as_str(), "ACL" | "COMMENT" | "SECURITY LABEL");
    // Large objects are data, and so is what is said about them.
    let on_large_object = entry.tag.starts_with("LARGE OBJECT")
        && matches!(entry.desc.as_str(), "ACL" | "COMMENT" | "SECURITY LABEL");
    !entry.definition.is_empty()
        && !entry.has_data
        && !on_database
        && !on_large_object
        && !matches!(
            entry.desc.as_str(),
            "ENCODING"
                | "STDSTRINGS"
                | "SEARCHPATH"
                | "DATABASE"
                | "DATABASE PROPERTIES"
                | "SEQUENCE SET"
                | "STATISTICS DATA"
                | "BLOB"
                | "BLOB METADATA"
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DumpId;

    fn entry(desc: &str, tag: &str, definition: &str, owner: &str) -> TocEntry {
        let mut entry = TocEntry::new(DumpId(1), desc, tag);
        entry.namespace = Some("s".into());
        entry.definition = definition.into();
        entry.owner = Some(owner.into());
        entry
    }

    #[test]
    fn what_differs_is_named() {
        let everything = SchemaComparison { owners: true, privileges: true };
        let first = SchemaFingerprint::of(&[
            entry("TABLE", "a", "CREATE TABLE s.a ();\n", "x"),
            entry("TABLE", "b", "CREATE TABLE s.b ();\n", "x"),
            entry("TABLE", "c", "CREATE TABLE s.c ();\n", "x"),
            entry("SEQUENCE SET", "q", "SELECT setval(1);\n", "x"),
        ]);
        let second = SchemaFingerprint::of(&[
            entry("TABLE", "a", "CREATE TABLE s.a ();\n", "y"),
            entry("TABLE", "b", "CREATE TABLE s.b (x integer);\n", "x"),
            entry("ACL", "TABLE b", "GRANT ALL;\n", "x"),
        ]);
        let named: Vec<_> = first
            .differences(&second, everything)
            .into_iter()
            .map(|(item, difference)| (item.tag.as_str(), difference))
            .collect();
        assert_eq!(
            named,
            [
                ("a", SchemaDifference::Owner),
                ("b", SchemaDifference::Definition),
                ("c", SchemaDifference::Missing),
                ("TABLE b", SchemaDifference::Extra),
            ]
        );
        let definitions = SchemaComparison { owners: false, privileges: false };
        assert_eq!(first.differences(&second, definitions).len(), 2);
        assert!(first.differences(&first, everything).is_empty());
    }
}
