//! The order that entries have to keep: from dependency lists and what these do not tell.
//!
//! Authority for the dependencies and lock sets: `fix_dependencies` and `identify_locking_dependencies`
//! of PostgreSQL's `pg_backup_archiver.c`. Every rule beyond them says what would go wrong without it.

use std::collections::{HashMap, HashSet};

use super::{ExistingKeys, Item, Node, State, is_definition, lock_weight};
use crate::archive::statements::{Pass, loads_via_partition_root};
use crate::model::{DumpId, Section, TocEntry};

/// Post-data entries of tables with more stored data than this get a transaction of their own: their
/// run time is that of the table's size, and other entries would wait for nothing but company.
const ALONE_FROM_BYTES: u64 = 256 * 1024;

/// Returns the section that an entry counts for: its own, or that of the entries before it.
fn effective_sections<'a>(entries: impl IntoIterator<Item = &'a TocEntry>) -> Vec<Section> {
    let mut current = Section::PreData;
    entries
        .into_iter()
        .map(|entry| {
            if entry.section != Section::None {
                current = entry.section;
            }
            current
        })
        .collect()
}

/// The edges between entries while they are collected.
pub(super) struct Graph<'a, 'b> {
    items: &'a [Item<'b>],
    sections: Vec<Section>,
    nodes: Vec<Node>,
    by_id: HashMap<DumpId, usize>,
    /// The data entries of a table's entry.
    data_of: HashMap<usize, Vec<usize>>,
    /// The partitions directly attached to a table's entry.
    partitions: HashMap<usize, Vec<usize>>,
}

impl<'a, 'b> Graph<'a, 'b> {
    pub(super) fn build(items: &'a [Item<'b>], keys: ExistingKeys) -> Vec<Node> {
        let sections = effective_sections(items.iter().map(|item| item.entry));
        let by_id = items
            .iter()
            .enumerate()
            .map(|(position, item)| (item.entry.dump_id, position))
            .collect();
        let nodes = items
            .iter()
            .zip(&sections)
            .enumerate()
            .map(|(position, (item, &section))| Node {
                item: Some(position),
                pass: item.pass,
                section,
                wanted: item.wanted,
                is_data: item.is_data,
                small: item.small,
                size: item.size,
                weight: lock_weight(item.entry),
                alone: item.entry.desc == "MATERIALIZED VIEW DATA",
                outstanding: 0,
                dependents: Vec::new(),
                prerequisites: Vec::new(),
                batch: 0,
                touches: Vec::new(),
                exclusive: Vec::new(),
                state: State::Waiting,
            })
            .collect();
        let mut graph = Graph {
            items,
            sections,
            nodes,
            by_id,
            data_of: HashMap::new(),
            partitions: HashMap::new(),
        };
        graph.note_tables();
        for position in 0..items.len() {
            graph.connect(position);
        }
        graph.order_definitions();
        graph.order_constraint_names();
        graph.hold_data_back();
        graph.order_inherited_triggers();
        graph.order_comments_of_large_objects();
        if keys == ExistingKeys::InForce {
            graph.order_data_by_existing_keys();
            graph.order_data_of_unknown_tables();
        }
        graph.order_partition_root_loads();
        graph.order_passes();
        for node in &mut graph.nodes {
            node.touches.sort_unstable();
            node.touches.dedup();
            node.exclusive.sort_unstable();
            node.exclusive.dedup();
        }
        graph.nodes
    }

    fn must_follow(&mut self, later: usize, earlier: usize) {
        if later != earlier {
            self.nodes[earlier].dependents.push(later);
            self.nodes[later].prerequisites.push(earlier);
            self.nodes[later].outstanding += 1;
        }
    }

    fn gate(&mut self, pass: Pass, section: Section) -> usize {
        self.nodes.push(Node {
            item: None,
            pass,
            section,
            wanted: false,
            is_data: false,
            small: false,
            size: 0,
            weight: 0,
            alone: false,
            outstanding: 0,
            dependents: Vec::new(),
            prerequisites: Vec::new(),
            batch: 0,
            touches: Vec::new(),
            exclusive: Vec::new(),
            state: State::Waiting,
        });
        self.nodes.len() - 1
    }

    fn is_definition(&self, position: usize) -> bool {
        is_definition(&self.nodes[position])
    }

    fn dependencies(&self, position: usize) -> Vec<usize> {
        let mut found: Vec<usize> = self.items[position]
            .entry
            .dependencies
            .iter()
            .filter_map(|id| self.by_id.get(id).copied())
            .collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    fn note_tables(&mut self) {
        for position in 0..self.items.len() {
            let entry = self.items[position].entry;
            if entry.desc == "TABLE DATA" {
                for table in self.dependencies(position) {
                    if self.items[table].entry.desc == "TABLE" {
                        self.data_of.entry(table).or_default().push(position);
                    }
                }
            }
            if entry.desc == "TABLE ATTACH" {
                let tables = self.dependencies(position);
                let is_child = |&&table: &&usize| {
                    let other = self.items[table].entry;
                    other.tag == entry.tag && other.namespace == entry.namespace
                };
                if let Some(&child) = tables.iter().find(is_child) {
                    for &parent in tables.iter().filter(|&&table| table != child) {
                        self.partitions.entry(parent).or_default().push(child);
                    }
                }
            }
        }
    }

    /// Returns a table's partitions, their partitions and so on.
    fn descendants(&self, table: usize) -> Vec<usize> {
        let mut found = Vec::new();
        let mut seen = HashSet::new();
        let mut open = vec![table];
        while let Some(table) = open.pop() {
            for &partition in self.partitions.get(&table).into_iter().flatten() {
                if seen.insert(partition) {
                    found.push(partition);
                    open.push(partition);
                }
            }
        }
        found
    }

    /// Adds the edges that an entry's own dependency list asks for, and its lock set.
    fn connect(&mut self, position: usize) {
        let item = self.items[position];
        let section = self.sections[position];
        let after_data = section == Section::PostData && item.pass == Pass::Main;
        let is_statistics = item.entry.desc == "STATISTICS DATA";
        let mut earlier = Vec::new();
        for dependency in self.dependencies(position) {
            if !after_data && !is_statistics {
                earlier.push(dependency);
                continue;
            }
            // What belongs to a partitioned table reaches into its partitions: a foreign key or a
            // trigger that exists before their data would be checked or fired for every row.
            let mut tables = vec![dependency];
            if after_data {
                tables.extend(self.descendants(dependency));
            }
            for table in tables {
                match self.data_of.get(&table) {
                    // Statistics of a table would be lost again when it is truncated for its data.
                    Some(data) => earlier.extend(data),
                    None => earlier.push(table),
                }
            }
        }
        earlier.sort_unstable();
        earlier.dedup();
        for &other in &earlier {
            self.must_follow(position, other);
            if after_data && self.items[other].is_data {
                let size = self.items[other].size;
                let node = &mut self.nodes[position];
                node.size = node.size.max(size);
            }
        }
        if after_data {
            // Attaching or commenting on an index or constraint locks its table too.
            let direct = earlier.len();
            for at in 0..direct {
                let other = earlier[at];
                if self.sections[other] == Section::PostData {
                    earlier.extend_from_slice(&self.nodes[other].touches);
                }
            }
            let node = &mut self.nodes[position];
            node.alone |= node.size > ALONE_FROM_BYTES;
        }
        self.nodes[position].touches = earlier;
        self.nodes[position].exclusive = self.exclusive_locks(position);
    }

    fn exclusive_locks(&self, position: usize) -> Vec<usize> {
        let item = self.items[position];
        let entry = item.entry;
        let touches = &self.nodes[position].touches;
        let relations = || {
            touches
                .iter()
                .copied()
                .filter(|&other| is_relation(&self.items[other].entry.desc))
                .collect::<Vec<_>>()
        };
        match (item.pass, self.sections[position]) {
            (Pass::Acl, _) => Vec::new(),
            (Pass::PostAcl, _) => relations(),
            (Pass::Main, Section::PostData) => match entry.desc.as_str() {
                "INDEX" => Vec::new(),
                "INDEX ATTACH" => touches.clone(),
                desc if desc.starts_with("PUBLICATION") => touches.clone(),
                _ => relations(),
            },
            (Pass::Main, Section::PreData) => match entry.desc.as_str() {
                "TABLE" if entry.definition.contains("INHERITS (") => relations(),
                "TABLE" | "VIEW" | "MATERIALIZED VIEW" | "FOREIGN TABLE" => Vec::new(),
                // Comments and labels lock their relation against other changes of it.
                "COMMENT" | "SECURITY LABEL" => relations(),
                _ if starts_with_create(&entry.definition) => Vec::new(),
                _ => relations(),
            },
            _ => Vec::new(),
        }
    }

    /// Adds the order among definitions that dependency lists do not tell.
    ///
    /// Kinds other than the common ones run in the order of the archive: an operator may create a
    /// shell of another, an extension anything. Tables and views come after all functions that stand
    /// before them: planning a generated column or a default may call functions by name, and what
    /// these call is in no catalog.
    fn order_definitions(&mut self) {
        let mut last_single: Option<usize> = None;
        let mut last_gate: Option<usize> = None;
        let mut since_gate: Vec<usize> = Vec::new();
        let mut schemas: HashMap<&str, usize> = HashMap::new();
        let mut rank = Rank::Code;
        for position in 0..self.items.len() {
            if !self.is_definition(position) {
                continue;
            }
            let entry = self.items[position].entry;
            if let Some(&schema) = entry.namespace.as_deref().and_then(|name| schemas.get(name)) {
                self.must_follow(position, schema);
            }
            if entry.desc == "SCHEMA" {
                schemas.insert(&entry.tag, position);
            }
            rank = Rank::of(entry).unwrap_or(rank);
            if let Some(single) = last_single {
                self.must_follow(position, single);
            }
            match rank {
                Rank::Relation => {
                    if !since_gate.is_empty() {
                        let gate = self.gate(Pass::Main, Section::PreData);
                        for earlier in since_gate.drain(..) {
                            self.must_follow(gate, earlier);
                        }
                        if let Some(before) = last_gate {
                            self.must_follow(gate, before);
                        }
                        last_gate = Some(gate);
                    }
                    if let Some(gate) = last_gate {
                        self.must_follow(position, gate);
                    }
                }
                Rank::Code | Rank::Single => since_gate.push(position),
            }
            if Rank::of(entry) == Some(Rank::Single) {
                last_single = Some(position);
            }
        }
    }

    /// Keeps tables in the order of the archive where they may fight for the name of a constraint.
    ///
    /// From 18 on NOT NULL constraints have names. A partition, or what was one, has its parent's written
    /// out, while the parent's is the one the server makes up from table and column; whoever comes second
    /// must make way, so in the other order the parent's gets a number behind it.
    fn order_constraint_names(&mut self) {
        let is_table = |&position: &usize| {
            self.items[position].entry.desc == "TABLE" && self.is_definition(position)
        };
        let tables: Vec<usize> = (0..self.items.len()).filter(is_table).collect();
        let key = |position: usize| self.items[position].entry.namespace.as_deref();
        let by_name: HashMap<_, usize> = tables
            .iter()
            .map(|&position| ((key(position), self.items[position].entry.tag.as_str()), position))
            .collect();
        let mut pairs = Vec::new();
        for &position in &tables {
            let entry = self.items[position].entry;
            for name in named_not_nulls(&entry.definition) {
                let prefixes = name.match_indices('_').map(|(end, _)| &name[..end]);
                let others = prefixes.filter_map(|tag| by_name.get(&(key(position), tag)).copied());
                pairs.extend(others.map(|other| (position.max(other), position.min(other))));
            }
        }
        pairs.sort_unstable();
        pairs.dedup();
        for (later, earlier) in pairs {
            self.must_follow(later, earlier);
        }
    }

    /// Lets data and all of post-data wait for all definitions.
    ///
    /// Rows depend on more than their table: a value of type `regclass` names any relation, a check or
    /// a generated column may call code that reads any table, and the archive records neither. What
    /// could begin earlier is little, because definitions are quick where rows are many.
    fn hold_data_back(&mut self) {
        let all_defined = self.gate(Pass::Main, Section::Data);
        for position in 0..self.items.len() {
            if self.is_definition(position) {
                self.must_follow(all_defined, position);
            } else if self.items[position].pass == Pass::Main {
                self.must_follow(position, all_defined);
            }
        }
    }

    /// Lets the comments of large objects wait for the objects. Archives before 1.12 make those while
    /// their data are loaded, and not all of them say that the comments depend on that.
    fn order_comments_of_large_objects(&mut self) {
        let of_kind = |desc: &str| -> Vec<usize> {
            (0..self.items.len()).filter(|&at| self.items[at].entry.desc == desc).collect()
        };
        let (comments, objects) = (of_kind("BLOB COMMENTS"), of_kind("BLOBS"));
        for &comment in &comments {
            objects.iter().for_each(|&object| self.must_follow(comment, object));
        }
    }

    /// Lets triggers of partitions wait for those of the tables above.
    ///
    /// A trigger of a partitioned table makes triggers of the same name on all partitions, and entries
    /// of partitions may only switch these off. Below the first level pg_dump records no dependency.
    fn order_inherited_triggers(&mut self) {
        let mut parents: HashMap<usize, Vec<usize>> = HashMap::new();
        for (&parent, children) in &self.partitions {
            for &child in children {
                parents.entry(child).or_default().push(parent);
            }
        }
        if parents.is_empty() {
            return;
        }
        let mut triggers: HashMap<usize, Vec<usize>> = HashMap::new();
        for position in 0..self.items.len() {
            if self.items[position].entry.desc == "TRIGGER" {
                for table in self.dependencies(position) {
                    triggers.entry(table).or_default().push(position);
                }
            }
        }
        for position in 0..self.items.len() {
            if self.items[position].entry.desc != "TRIGGER" {
                continue;
            }
            let mut seen = HashSet::new();
            let mut open = self.dependencies(position);
            while let Some(table) = open.pop() {
                for &parent in parents.get(&table).into_iter().flatten() {
                    if seen.insert(parent) {
                        open.push(parent);
                    }
                }
            }
            let mut earlier: Vec<usize> =
                seen.iter().filter_map(|table| triggers.get(table)).flatten().copied().collect();
            earlier.sort_unstable();
            earlier.dedup();
            for other in earlier {
                self.must_follow(position, other);
            }
        }
    }

    /// Lets the rows of tables that the archive does not define come one after the other, in its order.
    ///
    /// Configuration tables of extensions and the tables of a dump of rows alone may have foreign keys
    /// that the archive does not know; pg_dump has sorted their rows by these keys and writes down
    /// nothing else about them.
    fn order_data_of_unknown_tables(&mut self) {
        let mut before = None;
        for position in 0..self.items.len() {
            let item = self.items[position];
            if item.entry.desc != "TABLE DATA"
                || !item.wanted
                || !self.dependencies(position).is_empty()
            {
                continue;
            }
            if let Some(before) = before.replace(position) {
                self.must_follow(position, before);
            }
        }
    }

    /// Lets the rows of a table wait for those its foreign keys point at, where the keys exist already.
    ///
    /// Keys that this run creates come after all data anyway. Keys in a circle end in archive order and
    /// need `--disable-triggers`.
    fn order_data_by_existing_keys(&mut self) {
        for position in 0..self.items.len() {
            let entry = self.items[position].entry;
            if entry.desc != "FK CONSTRAINT" || self.items[position].wanted {
                continue;
            }
            let (mut referring, mut referred) = (Vec::new(), Vec::new());
            for table in self.dependencies(position) {
                let other = self.items[table].entry;
                if other.desc != "TABLE" {
                    continue;
                }
                // The tag is the name of the table, a blank and the name of the constraint.
                let rest = entry.tag.strip_prefix(&other.tag);
                let is_own = other.namespace == entry.namespace
                    && rest.is_some_and(|rest| rest.starts_with(' '));
                let side = if is_own { &mut referring } else { &mut referred };
                for table in std::iter::once(table).chain(self.descendants(table)) {
                    side.extend(self.data_of.get(&table).into_iter().flatten().copied());
                }
            }
            for &later in &referring {
                for &earlier in &referred {
                    self.must_follow(later, earlier);
                }
            }
        }
    }

    /// Rows loaded through a partitioned table may land in any partition, so whatever waits for one of
    /// its data entries waits for all of them.
    fn order_partition_root_loads(&mut self) {
        let parents: Vec<usize> = self.partitions.keys().copied().collect();
        let children: HashSet<usize> = self.partitions.values().flatten().copied().collect();
        let mut roots: Vec<usize> =
            parents.into_iter().filter(|table| !children.contains(table)).collect();
        roots.sort_unstable();
        for root in roots {
            let mut data: HashSet<usize> = HashSet::new();
            for table in std::iter::once(root).chain(self.descendants(root)) {
                data.extend(self.data_of.get(&table).into_iter().flatten());
            }
            if !data.iter().any(|&entry| loads_via_partition_root(self.items[entry].entry)) {
                continue;
            }
            let gate = self.gate(Pass::Main, Section::Data);
            for &entry in &data {
                self.must_follow(gate, entry);
            }
            for position in 0..self.items.len() {
                let reaches = self.sections[position] == Section::PostData
                    && self.items[position].pass == Pass::Main
                    && self.nodes[position].touches.iter().any(|other| data.contains(other));
                if reaches {
                    self.must_follow(position, gate);
                }
            }
        }
    }

    /// Puts one pass after the other, and privileges into the order of the archive.
    ///
    /// A grant made in the name of another role needs what earlier ones gave that role, and dependency
    /// lists do not say so.
    fn order_passes(&mut self) {
        let main_done = self.gate(Pass::Acl, Section::None);
        let acl_done = self.gate(Pass::PostAcl, Section::None);
        self.must_follow(acl_done, main_done);
        let mut last_privilege = main_done;
        for position in 0..self.items.len() {
            match self.items[position].pass {
                Pass::Main => self.must_follow(main_done, position),
                Pass::Acl => {
                    self.must_follow(position, last_privilege);
                    self.must_follow(acl_done, position);
                    last_privilege = position;
                }
                Pass::PostAcl => self.must_follow(position, acl_done),
            }
        }
    }
}

/// Returns the names that a table's definition gives to NOT NULL constraints.
fn named_not_nulls(definition: &str) -> impl Iterator<Item = &str> {
    definition.split(" CONSTRAINT ").skip(1).filter_map(|rest| {
        let (name, after) = rest.split_once(' ')?;
        after.starts_with("NOT NULL").then(|| name.trim_matches('"'))
    })
}

/// Where a definition stands in the order that dependency lists do not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rank {
    /// Functions and types: in parallel, but before the relations that follow them.
    Code,
    /// Everything that is rare or may touch what it does not name: one after the other.
    Single,
    /// Tables and what is made of them.
    Relation,
}

impl Rank {
    /// Returns the rank of an entry, or nothing for those that take the rank of the entry before.
    fn of(entry: &TocEntry) -> Option<Rank> {
        match entry.desc.as_str() {
            "COMMENT" | "SECURITY LABEL" => None,
            "FUNCTION" | "PROCEDURE" | "AGGREGATE" | "TYPE" | "DOMAIN" | "SHELL TYPE" => {
                Some(Rank::Code)
            }
            "TABLE" | "SEQUENCE" | "SEQUENCE OWNED BY" | "VIEW" | "MATERIALIZED VIEW"
            | "FOREIGN TABLE" | "TABLE ATTACH" | "DEFAULT" | "CHECK CONSTRAINT" => {
                Some(Rank::Relation)
            }
            _ => Some(Rank::Single),
        }
    }
}

fn is_relation(desc: &str) -> bool {
    matches!(
        desc,
        "TABLE"
            | "TABLE DATA"
            | "SEQUENCE"
            | "VIEW"
            | "MATERIALIZED VIEW"
            | "MATERIALIZED VIEW DATA"
            | "FOREIGN TABLE"
    )
}

fn starts_with_create(definition: &str) -> bool {
    definition.trim_start().get(..7).is_some_and(|word| word.eq_ignore_ascii_case("CREATE "))
}
