//! Which `ANALYZE` statements make the planner know what was loaded; pure.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::model::{DumpId, ServerVersion, TocEntry};
use crate::sql::qualified;

/// An `ANALYZE` and how much there is to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Analyze {
    pub(super) table: String,
    pub(super) statement: String,
    pub(super) size: u64,
}

/// Schemas and names of relations.
pub(super) type Names<'a> = HashSet<(&'a str, &'a str)>;

/// Returns the relations whose statistics came with the archive: a look at some of the rows would only
/// replace them by worse ones.
///
/// `restored` tells which entries were executed. What extended statistics hold is in no archive, so
/// their tables are looked at all the same.
pub(super) fn known(entries: &[TocEntry], restored: impl Fn(usize) -> bool) -> Names<'_> {
    let extended: HashSet<DumpId> = entries
        .iter()
        .filter(|entry| entry.desc == "STATISTICS")
        .flat_map(|entry| entry.dependencies.iter().copied())
        .collect();
    entries
        .iter()
        .enumerate()
        .filter(|(position, entry)| entry.desc == "STATISTICS DATA" && restored(*position))
        .filter(|(_, entry)| entry.dependencies.iter().all(|id| !extended.contains(id)))
        .map(|(_, entry)| (entry.namespace.as_deref().unwrap_or_default(), entry.tag.as_str()))
        .collect()
}

/// Returns the statements for the loaded tables, the largest first.
///
/// `loaded` holds the positions of TABLE DATA and MATERIALIZED VIEW DATA entries and their sizes; nothing
/// is to be found out about relations that are `known`.
/// Autovacuum never looks at partitioned tables, so they are analyzed here: alone where the server can
/// (18), otherwise from the root, which reads their partitions along.
pub(super) fn statements(
    entries: &[TocEntry],
    loaded: &[(usize, u64)],
    known: &Names<'_>,
    version: ServerVersion,
) -> Vec<Analyze> {
    let tables: HashMap<DumpId, &TocEntry> = entries
        .iter()
        .filter(|entry| entry.desc == "TABLE")
        .map(|entry| (entry.dump_id, entry))
        .collect();
    let mut parent_of: HashMap<(&str, &str), &TocEntry> = HashMap::new();
    for attach in entries.iter().filter(|entry| entry.desc == "TABLE ATTACH") {
        let parent = attach
            .dependencies
            .iter()
            .filter_map(|id| tables.get(id))
            .find(|table| (&table.namespace, &table.tag) != (&attach.namespace, &attach.tag));
        if let (Some(parent), Some(namespace)) = (parent, &attach.namespace) {
            parent_of.insert((namespace.as_str(), attach.tag.as_str()), parent);
        }
    }
    let mut alone: BTreeMap<String, u64> = BTreeMap::new();
    let mut parents: BTreeMap<String, u64> = BTreeMap::new();
    for &(position, size) in loaded {
        let Some(entry) = entries.get(position) else { continue };
        let namespace = entry.namespace.as_deref().unwrap_or_default();
        let mut above = Vec::new();
        let mut seen = BTreeSet::new();
        let mut child = (namespace, entry.tag.as_str());
        while let Some(parent) = parent_of.get(&child) {
            child = (parent.namespace.as_deref().unwrap_or_default(), parent.tag.as_str());
            // An archive may claim that two tables are partitions of each other.
            if !seen.insert(child) {
                break;
            }
            above.push(child);
        }
        if version.has_analyze_only() {
            if !known.contains(&(namespace, entry.tag.as_str())) {
                *alone.entry(qualified(namespace, &entry.tag)).or_default() += size;
            }
            for parent in above.iter().filter(|parent| !known.contains(*parent)) {
                *parents.entry(qualified(parent.0, parent.1)).or_default() += size;
            }
        } else if let Some(root) = above.pop() {
            *parents.entry(qualified(root.0, root.1)).or_default() += size;
        } else {
            *alone.entry(qualified(namespace, &entry.tag)).or_default() += size;
        }
    }
    let only = if version.has_analyze_only() { "ONLY " } else { "" };
    let mut statements: Vec<Analyze> = alone
        .into_iter()
        .map(|(table, size)| Analyze { statement: format!("ANALYZE {table}"), table, size })
        .chain(parents.into_iter().map(|(table, size)| Analyze {
            statement: format!("ANALYZE {only}{table}"),
            table,
            size,
        }))
        .collect();
    statements.sort_by_key(|analyze| std::cmp::Reverse(analyze.size));
    statements
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitioned_tables_are_analyzed_too() {
        let mut entries = Vec::new();
        for (at, (desc, tag)) in [
            ("TABLE", "events"),
            ("TABLE", "events_1"),
            ("TABLE ATTACH", "events_1"),
            ("TABLE DATA", "events_1"),
            ("TABLE DATA", "Plain"),
        ]
        .into_iter()
        .enumerate()
        {
            let mut entry = TocEntry::new(DumpId(at as i32 + 1), desc, tag);
            entry.namespace = Some("public".into());
            entries.push(entry);
        }
        entries[2].dependencies = vec![DumpId(1), DumpId(2)];
        let text = |version| {
            statements(&entries, &[(3, 10), (4, 20)], &HashSet::new(), version)
                .into_iter()
                .map(|analyze| analyze.statement)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            text(ServerVersion(180_000)),
            ["ANALYZE public.\"Plain\"", "ANALYZE public.events_1", "ANALYZE ONLY public.events"]
        );
        assert_eq!(
            text(ServerVersion(150_000)),
            ["ANALYZE public.\"Plain\"", "ANALYZE public.events"]
        );
        let mut statistics = TocEntry::new(DumpId(9), "STATISTICS DATA", "events_1");
        statistics.namespace = Some("public".into());
        statistics.dependencies = vec![DumpId(2)];
        entries.push(statistics);
        let text = |entries: &[TocEntry], restored: bool| {
            let known = known(entries, |_| restored);
            statements(entries, &[(3, 10), (4, 20)], &known, ServerVersion(180_000))
                .into_iter()
                .map(|analyze| analyze.statement)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            text(&entries, true),
            ["ANALYZE public.\"Plain\"", "ANALYZE ONLY public.events"]
        );
        assert_eq!(text(&entries, false).len(), 3);
        let mut extended = TocEntry::new(DumpId(10), "STATISTICS", "more");
        extended.dependencies = vec![DumpId(2)];
        entries.push(extended);
        assert_eq!(text(&entries, true).len(), 3);
    }
}
