//! Decides which entries of an archive may run now, and which of them go to a connection together.
//!
//! Pure: it knows entries, not servers. What it must never do is hand out two jobs that run at the
//! same time and need conflicting locks, because a job may hold its locks for a whole transaction:
//! that would be a deadlock. Dependencies and lock sets start from those of `pg_restore`
//! (`pg_backup_archiver.c`, `fix_dependencies`, `has_lock_conflicts`) and are stricter where pgark
//! does more at once than `pg_restore`:
//!
//! ```text
//!   schemas, types, functions ... --gate--> tables, sequences, views --+--> data of a table, when
//!        (in parallel where independent)                               |    all that alters the table
//!                                                                      |    before its data is done
//!                                                            gate: all pre-data
//!                                                                      |
//!                          indexes, constraints, triggers of a table, when ITS data is in
//!                                                                      |
//!                                              gate: ACL pass  --gate--> post-ACL pass
//! ```
//!
//! Entries that were not selected take part as steps that finish at once, so that what depends on
//! them still comes after what they depend on.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use crate::archive::statements::{Pass, loads_via_partition_root};
use crate::model::{DumpId, Section, TocEntry};

/// In which order entries run when several could.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// One after the other as they stand in the archive: what `pg_restore` without `-j` does.
    Archive,
    /// By dependencies, the largest first, for this many connections.
    Parallel(usize),
}

/// What the schedule must know of one entry besides the entry itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Item<'a> {
    /// The entry.
    pub(super) entry: &'a TocEntry,
    /// The round it belongs to.
    pub(super) pass: Pass,
    /// Whether it has anything to do in this run.
    pub(super) wanted: bool,
    /// Whether it moves data from the archive instead of running statements.
    pub(super) is_data: bool,
    /// The stored bytes of its data; 0 when it has none.
    pub(super) size: u64,
}

/// How much one transaction may hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Entries in one job at most.
    pub(super) entries: usize,
    /// Locks of one transaction at most, as [`lock_weight`] estimates them.
    pub(super) locks: usize,
}

/// A piece of work for one connection; the numbers are positions in the list of items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Job {
    /// Entries whose statements run in this order in one transaction.
    Statements(Vec<usize>),
    /// The data of one entry.
    Data(usize),
}

impl Job {
    /// Returns the positions of the entries in the job.
    pub(super) fn items(&self) -> &[usize] {
        match self {
            Job::Statements(items) => items,
            Job::Data(item) => std::slice::from_ref(item),
        }
    }
}

/// Post-data entries of tables with more stored data than this get a transaction of their own: their
/// run time is that of the table's size, and other entries would wait for nothing but company.
const ALONE_FROM_BYTES: u64 = 256 * 1024;

/// Returns how many lock slots the statements of an entry take at most in ordinary cases.
///
/// A table brings its TOAST table and that table's index; an `ATTACH` locks parent, child and default
/// partition. The limit is a quarter of what the server has, so an estimate is enough.
pub(super) fn lock_weight(entry: &TocEntry) -> usize {
    match entry.desc.as_str() {
        "TABLE" | "MATERIALIZED VIEW" | "TABLE ATTACH" => 4,
        "FK CONSTRAINT" | "CONSTRAINT" | "INDEX" | "INDEX ATTACH" => 3,
        "COMMENT" | "ACL" => 1,
        // One definition may create or comment on a thousand large objects, a lock each.
        "BLOB METADATA" => 1_000,
        _ => 2,
    }
}

/// Returns the section that an entry counts for: its own, or that of the entries before it.
pub(super) fn effective_sections<'a>(
    entries: impl IntoIterator<Item = &'a TocEntry>,
) -> Vec<Section> {
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    Ready,
    Running,
    Done,
}

#[derive(Debug)]
struct Node {
    /// The position of the item, or none for a gate.
    item: Option<usize>,
    pass: Pass,
    section: Section,
    wanted: bool,
    is_data: bool,
    size: u64,
    weight: usize,
    alone: bool,
    outstanding: usize,
    dependents: Vec<usize>,
    prerequisites: Vec<usize>,
    /// The number of the batch it was last put into.
    batch: usize,
    /// The entries named as dependencies, for lock conflicts. Sorted.
    touches: Vec<usize>,
    /// Those of them that need a lock which conflicts with other work. Sorted, part of `touches`.
    exclusive: Vec<usize>,
    state: State,
}

/// What may still join a batch.
struct Room {
    pass: Pass,
    definition: bool,
    entries: usize,
    locks: usize,
}

impl Room {
    fn suits(&self, step: &Node) -> bool {
        step.item.is_some()
            && step.wanted
            && !step.is_data
            && !step.alone
            && step.pass == self.pass
            && is_definition(step) == self.definition
    }
}

/// Which of several ready steps comes first: definitions before data, then the largest, then as in
/// the archive.
type Priority = (Reverse<bool>, Reverse<u64>, usize);

/// The state of a restore's work: what is done, what runs, what may run.
#[derive(Debug)]
pub(super) struct Schedule {
    nodes: Vec<Node>,
    order: Order,
    limits: Limits,
    ready: BTreeSet<Priority>,
    /// For [`Order::Archive`]: the nodes in the order of passes and archive, and how far it is.
    line: Vec<usize>,
    at: usize,
    /// How many running jobs hold or use an entry.
    exclusive_held: HashMap<usize, usize>,
    touched: HashMap<usize, usize>,
    running: usize,
    pending: usize,
    definitions_left: usize,
    batches: usize,
}

impl Schedule {
    /// Builds the graph; `items` are in the order of the archive.
    pub(super) fn new(items: &[Item<'_>], order: Order, limits: Limits) -> Self {
        let nodes = Graph::build(items);
        let mut line: Vec<usize> =
            (0..nodes.len()).filter(|&node| nodes[node].item.is_some()).collect();
        line.sort_by_key(|&node| (nodes[node].pass, nodes[node].item));
        let pending = line.len();
        let definitions_left = line.iter().filter(|&&node| is_definition(&nodes[node])).count();
        let mut schedule = Schedule {
            nodes,
            order,
            limits,
            ready: BTreeSet::new(),
            line,
            at: 0,
            exclusive_held: HashMap::new(),
            touched: HashMap::new(),
            running: 0,
            pending,
            definitions_left,
            batches: 0,
        };
        if schedule.order != Order::Archive {
            for node in 0..schedule.nodes.len() {
                let waits = schedule.nodes[node].outstanding > 0;
                if schedule.nodes[node].state == State::Waiting && !waits {
                    schedule.release(node);
                }
            }
        }
        schedule
    }

    /// Tells whether every entry is done.
    pub(super) fn is_done(&self) -> bool {
        self.pending == 0
    }

    /// Returns the next piece of work, or nothing while all that is left waits for running work.
    pub(super) fn next(&mut self) -> Option<Job> {
        match self.order {
            Order::Archive => self.next_in_line(),
            Order::Parallel(workers) => {
                if let Some(job) = self.next_ready(workers) {
                    return Some(job);
                }
                // Dependencies that go in a circle cannot come from pg_dump, but they can come from a
                // damaged or hand-written archive. The order of the archive is the best that is left.
                while self.running == 0 && self.pending > 0 {
                    let stuck = self.line.iter().copied().find(|&node| {
                        self.nodes[node].state == State::Waiting && self.nodes[node].item.is_some()
                    })?;
                    self.release(stuck);
                    if let Some(job) = self.next_ready(workers) {
                        return Some(job);
                    }
                }
                None
            }
        }
    }

    /// Marks a job as done, whatever came of it, and lets go what waited for it.
    pub(super) fn finish(&mut self, job: &Job) {
        self.running -= 1;
        let nodes: Vec<usize> = job.items().to_vec();
        for &node in &nodes {
            for position in 0..self.nodes[node].touches.len() {
                let entry = self.nodes[node].touches[position];
                release_count(&mut self.touched, entry);
            }
            for position in 0..self.nodes[node].exclusive.len() {
                let entry = self.nodes[node].exclusive[position];
                release_count(&mut self.exclusive_held, entry);
            }
        }
        for node in nodes {
            self.complete(node);
        }
    }

    fn next_in_line(&mut self) -> Option<Job> {
        if self.running > 0 {
            return None;
        }
        let mut batch: Vec<usize> = Vec::new();
        let mut locks = 0;
        while let Some(&node) = self.line.get(self.at) {
            let step = &self.nodes[node];
            if step.wanted && !batch.is_empty() {
                let first = &self.nodes[batch[0]];
                let joins = !step.is_data
                    && !step.alone
                    && first.pass == step.pass
                    && batch.len() < self.limits.entries
                    && locks + step.weight <= self.limits.locks;
                if !joins {
                    break;
                }
            }
            self.at += 1;
            if !step.wanted {
                self.nodes[node].state = State::Done;
                self.pending -= 1;
                continue;
            }
            locks += step.weight;
            let only = step.is_data || step.alone;
            batch.push(node);
            if only {
                break;
            }
        }
        self.start(batch)
    }

    fn next_ready(&mut self, workers: usize) -> Option<Job> {
        let seed =
            self.ready.iter().map(|&(_, _, node)| node).find(|&node| !self.conflicts(node))?;
        self.take(seed);
        self.batches += 1;
        self.nodes[seed].batch = self.batches;
        let mut batch = vec![seed];
        if !self.nodes[seed].is_data && !self.nodes[seed].alone {
            self.fill(&mut batch, workers);
            // The order of the archive reads better in logs, and only odd archives contradict it.
            let forward = batch.iter().all(|&node| {
                self.nodes[node].prerequisites.iter().all(|&earlier| {
                    let other = &self.nodes[earlier];
                    other.item.is_none() || other.batch != self.batches || earlier < node
                })
            });
            if forward {
                batch.sort_unstable();
            }
        }
        self.start(batch)
    }

    /// Adds to a batch what may run with its first entry: entries that wait for nothing but the batch
    /// itself, and other ready entries.
    fn fill(&mut self, batch: &mut Vec<usize>, workers: usize) {
        let first = &self.nodes[batch[0]];
        let (pass, definition) = (first.pass, is_definition(first));
        // Four batches for each connection in what is left, so that none is idle for long at the end.
        let left = if definition { self.definitions_left } else { self.pending };
        let share = left / (workers * 4).max(1);
        let mut room = Room {
            pass,
            definition,
            entries: self.limits.entries.min(share.max(8)),
            locks: self.limits.locks.saturating_sub(first.weight),
        };
        self.add_followers(batch[0], batch, &mut room);
        let ready: Vec<usize> = self
            .ready
            .iter()
            .map(|&(_, _, node)| node)
            .filter(|&node| room.suits(&self.nodes[node]))
            .take(room.entries)
            .collect();
        for node in ready {
            if self.offer(node, batch, &mut room) {
                self.add_followers(node, batch, &mut room);
            }
        }
    }

    fn add_followers(&mut self, node: usize, batch: &mut Vec<usize>, room: &mut Room) {
        let mut open = VecDeque::from([node]);
        while let Some(node) = open.pop_front() {
            for position in 0..self.nodes[node].dependents.len() {
                if batch.len() >= room.entries {
                    return;
                }
                let dependent = self.nodes[node].dependents[position];
                let step = &self.nodes[dependent];
                // A gate inside a batch is open for the batch when all before it is in the batch.
                let gate = step.item.is_none()
                    && step.batch != self.batches
                    && self.waits_only_for_batch(dependent);
                if gate {
                    self.nodes[dependent].batch = self.batches;
                }
                if gate || self.offer(dependent, batch, room) {
                    open.push_back(dependent);
                }
            }
        }
    }

    fn offer(&mut self, node: usize, batch: &mut Vec<usize>, room: &mut Room) -> bool {
        let step = &self.nodes[node];
        let fits = room.suits(step) && batch.len() < room.entries && step.weight <= room.locks;
        if !fits || self.conflicts(node) {
            return false;
        }
        match step.state {
            State::Ready => self.take(node),
            // Inside one batch the order of the statements is the order of the dependencies.
            State::Waiting if self.waits_only_for_batch(node) => {
                self.nodes[node].state = State::Running;
            }
            _ => return false,
        }
        room.locks -= self.nodes[node].weight;
        self.nodes[node].batch = self.batches;
        batch.push(node);
        true
    }

    fn waits_only_for_batch(&self, node: usize) -> bool {
        self.nodes[node].prerequisites.iter().all(|&earlier| {
            let earlier = &self.nodes[earlier];
            earlier.state == State::Done || earlier.batch == self.batches
        })
    }

    fn start(&mut self, batch: Vec<usize>) -> Option<Job> {
        let first = *batch.first()?;
        for &node in &batch {
            self.nodes[node].state = State::Running;
            for entry in &self.nodes[node].touches {
                *self.touched.entry(*entry).or_default() += 1;
            }
            for entry in &self.nodes[node].exclusive {
                *self.exclusive_held.entry(*entry).or_default() += 1;
            }
        }
        self.running += 1;
        // Items and nodes share their numbers; gates come after the items.
        Some(if self.nodes[first].is_data { Job::Data(first) } else { Job::Statements(batch) })
    }

    fn conflicts(&self, node: usize) -> bool {
        let step = &self.nodes[node];
        step.touches.iter().any(|entry| self.exclusive_held.contains_key(entry))
            || step.exclusive.iter().any(|entry| self.touched.contains_key(entry))
    }

    fn priority(&self, node: usize) -> Priority {
        let step = &self.nodes[node];
        (Reverse(is_definition(step)), Reverse(step.size), node)
    }

    fn take(&mut self, node: usize) {
        let priority = self.priority(node);
        self.ready.remove(&priority);
        self.nodes[node].state = State::Running;
    }

    /// Makes a step ready whose dependencies are done; gates and unwanted entries are done at once.
    fn release(&mut self, node: usize) {
        let step = &mut self.nodes[node];
        if step.state != State::Waiting {
            return;
        }
        if step.item.is_some() && step.wanted {
            step.state = State::Ready;
            let priority = self.priority(node);
            self.ready.insert(priority);
        } else {
            self.complete(node);
        }
    }

    fn complete(&mut self, node: usize) {
        // A loop and not recursion: a chain of unwanted entries may be as long as the archive.
        let mut finished = vec![node];
        while let Some(node) = finished.pop() {
            if self.nodes[node].state == State::Done {
                continue;
            }
            self.nodes[node].state = State::Done;
            if self.nodes[node].item.is_some() {
                self.pending -= 1;
                if is_definition(&self.nodes[node]) {
                    self.definitions_left -= 1;
                }
            }
            if self.order == Order::Archive {
                continue;
            }
            let dependents = std::mem::take(&mut self.nodes[node].dependents);
            for &dependent in &dependents {
                let step = &mut self.nodes[dependent];
                step.outstanding = step.outstanding.saturating_sub(1);
                if step.outstanding == 0 && step.state == State::Waiting {
                    if step.item.is_some() && step.wanted {
                        self.release(dependent);
                    } else {
                        finished.push(dependent);
                    }
                }
            }
        }
    }
}

fn is_definition(node: &Node) -> bool {
    node.pass == Pass::Main && node.section == Section::PreData
}

fn release_count(counts: &mut HashMap<usize, usize>, entry: usize) {
    if let Some(count) = counts.get_mut(&entry) {
        *count -= 1;
        if *count == 0 {
            counts.remove(&entry);
        }
    }
}

/// The edges between entries while they are collected.
struct Graph<'a, 'b> {
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
    fn build(items: &'a [Item<'b>]) -> Vec<Node> {
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
        graph.hold_data_back();
        graph.order_inherited_triggers();
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
            // Two GRANTs on one object fail with "tuple concurrently updated".
            (Pass::Acl, _) => touches.clone(),
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

    /// Lets data wait for everything before it that alters its table, and for all definitions when
    /// loading a row can run code; all of post-data waits for all definitions.
    fn hold_data_back(&mut self) {
        let all_defined = self.gate(Pass::Main, Section::Data);
        let mut runs_code = vec![false; self.items.len()];
        let mut altered_by: HashMap<usize, Vec<usize>> = HashMap::new();
        for position in 0..self.items.len() {
            if !self.is_definition(position) {
                continue;
            }
            self.must_follow(all_defined, position);
            let dependencies = self.dependencies(position);
            runs_code[position] = is_code(self.items[position].entry)
                || dependencies.iter().any(|&other| runs_code[other]);
            for other in dependencies {
                altered_by.entry(other).or_default().push(position);
            }
        }
        for position in 0..self.items.len() {
            if self.is_definition(position) || self.items[position].pass != Pass::Main {
                continue;
            }
            let mut waits_for_all = self.sections[position] != Section::Data;
            if !waits_for_all {
                let dependencies = self.dependencies(position);
                // Without its table in the archive nobody knows what the rows set off.
                waits_for_all = dependencies.is_empty()
                    || dependencies.iter().any(|&other| runs_code[other])
                    || loads_via_partition_root(self.items[position].entry);
                for table in dependencies {
                    let altering = altered_by.get(&table).cloned().unwrap_or_default();
                    for earlier in altering {
                        let desc = self.items[earlier].entry.desc.as_str();
                        waits_for_all |= runs_code[earlier]
                            && matches!(desc, "DEFAULT" | "CHECK CONSTRAINT" | "TABLE ATTACH");
                        self.must_follow(position, earlier);
                    }
                }
            }
            if waits_for_all {
                self.must_follow(position, all_defined);
            }
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

    fn order_passes(&mut self) {
        let main_done = self.gate(Pass::Acl, Section::None);
        let schemas_open = self.gate(Pass::Acl, Section::None);
        let acl_done = self.gate(Pass::PostAcl, Section::None);
        self.must_follow(schemas_open, main_done);
        self.must_follow(acl_done, schemas_open);
        for position in 0..self.items.len() {
            match self.items[position].pass {
                Pass::Main => self.must_follow(main_done, position),
                Pass::Acl => {
                    // A grant made in the name of another role fails while that role may not use the
                    // schema, and dependency lists do not say so.
                    if self.items[position].entry.tag.starts_with("SCHEMA ") {
                        self.must_follow(position, main_done);
                        self.must_follow(schemas_open, position);
                    } else {
                        self.must_follow(position, schemas_open);
                    }
                    self.must_follow(acl_done, position);
                }
                Pass::PostAcl => self.must_follow(position, acl_done),
            }
        }
    }
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

fn is_code(entry: &TocEntry) -> bool {
    matches!(entry.desc.as_str(), "FUNCTION" | "PROCEDURE" | "AGGREGATE" | "OPERATOR" | "CAST")
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Builds an archive by hand: one call per entry, dependencies by name.
    #[derive(Default)]
    struct Archive {
        entries: Vec<TocEntry>,
        sizes: Vec<u64>,
    }

    impl Archive {
        fn add(&mut self, desc: &str, tag: &str, needs: &[(&str, &str)]) -> &mut TocEntry {
            let id = DumpId(self.entries.len() as i32 + 1);
            let mut entry = TocEntry::new(id, desc, tag);
            entry.section = match desc {
                "TABLE DATA" | "SEQUENCE SET" => Section::Data,
                "INDEX" | "CONSTRAINT" | "FK CONSTRAINT" | "TRIGGER" | "MATERIALIZED VIEW DATA" => {
                    Section::PostData
                }
                "COMMENT" | "ACL" => Section::None,
                _ => Section::PreData,
            };
            if !matches!(desc, "SCHEMA" | "ACL" | "COMMENT") {
                entry.namespace = Some("public".into());
            }
            entry.definition = match desc {
                "TABLE ATTACH" | "DEFAULT" => format!("ALTER TABLE {tag};"),
                _ => format!("CREATE {desc} {tag};"),
            };
            entry.has_data = desc == "TABLE DATA";
            entry.dependencies = needs
                .iter()
                .map(|(desc, tag)| {
                    self.entries
                        .iter()
                        .find(|other| other.desc == *desc && other.tag == *tag)
                        .expect("named earlier")
                        .dump_id
                })
                .collect();
            self.entries.push(entry);
            self.sizes.push(0);
            self.entries.last_mut().expect("just added")
        }

        fn data(&mut self, table: &str, size: u64) {
            self.add("TABLE DATA", table, &[("TABLE", table)]).copy_statement =
                Some(format!("COPY public.{table} FROM stdin;\n"));
            *self.sizes.last_mut().expect("just added") = size;
        }

        fn items(&self) -> Vec<Item<'_>> {
            self.entries
                .iter()
                .zip(&self.sizes)
                .map(|(entry, &size)| Item {
                    entry,
                    pass: match entry.desc.as_str() {
                        "ACL" => Pass::Acl,
                        "MATERIALIZED VIEW DATA" => Pass::PostAcl,
                        _ => Pass::Main,
                    },
                    wanted: true,
                    is_data: entry.has_data,
                    size,
                })
                .collect()
        }

        fn name(&self, position: usize) -> String {
            format!("{} {}", self.entries[position].desc, self.entries[position].tag)
        }

        /// Runs everything on `workers` connections, the oldest job finishing first, and returns the
        /// jobs in the order they were handed out.
        fn run(&self, workers: usize) -> Vec<Vec<String>> {
            let items = self.items();
            let mut schedule = Schedule::new(
                &items,
                Order::Parallel(workers),
                Limits { entries: 100, locks: 1000 },
            );
            let mut running = VecDeque::new();
            let mut jobs = Vec::new();
            while !schedule.is_done() {
                while running.len() < workers {
                    let Some(job) = schedule.next() else { break };
                    jobs.push(job.items().iter().map(|&item| self.name(item)).collect());
                    running.push_back(job);
                }
                let job = running.pop_front().expect("work left but nothing runs");
                schedule.finish(&job);
            }
            jobs
        }
    }

    fn job_of(jobs: &[Vec<String>], name: &str) -> usize {
        jobs.iter().position(|job| job.iter().any(|item| item == name)).expect(name)
    }

    fn shop() -> Archive {
        let mut archive = Archive::default();
        archive.add("SCHEMA", "app", &[]);
        archive.add("TABLE", "orders", &[]);
        archive.add("TABLE", "customers", &[]);
        archive.data("orders", 9_000_000);
        archive.data("customers", 100);
        archive.add("CONSTRAINT", "customers customers_pkey", &[("TABLE", "customers")]);
        archive.add("CONSTRAINT", "orders orders_pkey", &[("TABLE", "orders")]);
        archive.add("INDEX", "orders_date", &[("TABLE", "orders")]);
        archive.add(
            "FK CONSTRAINT",
            "orders orders_customer_fkey",
            &[
                ("TABLE", "orders"),
                ("TABLE", "customers"),
                ("CONSTRAINT", "customers customers_pkey"),
            ],
        );
        archive.add("ACL", "TABLE orders", &[("TABLE", "orders")]);
        archive
    }

    #[test]
    fn definitions_travel_together_and_the_largest_data_comes_first() {
        let jobs = shop().run(1);
        assert_eq!(jobs[0], ["SCHEMA app", "TABLE orders", "TABLE customers"]);
        assert_eq!(jobs[1], ["TABLE DATA orders"]);
        // What belongs to the largest table is as large as its data.
        assert_eq!(jobs[2], ["CONSTRAINT orders orders_pkey"]);
        assert!(job_of(&jobs, "TABLE DATA customers") > job_of(&jobs, "INDEX orders_date"));
    }

    #[test]
    fn an_index_waits_for_its_own_data_only_and_a_foreign_key_for_both() {
        let jobs = shop().run(2);
        let customers_key = job_of(&jobs, "CONSTRAINT customers customers_pkey");
        let foreign_key = job_of(&jobs, "FK CONSTRAINT orders orders_customer_fkey");
        let orders_key = job_of(&jobs, "CONSTRAINT orders orders_pkey");
        assert!(customers_key < foreign_key && orders_key < foreign_key);
        assert_eq!(jobs.last().expect("jobs"), &["ACL TABLE orders"]);
    }

    #[test]
    fn entries_that_lock_the_same_table_never_run_at_the_same_time() {
        let archive = shop();
        let items = archive.items();
        let mut schedule =
            Schedule::new(&items, Order::Parallel(4), Limits { entries: 100, locks: 1000 });
        let mut running: Vec<Job> = Vec::new();
        while !schedule.is_done() {
            while let Some(job) = schedule.next() {
                running.push(job);
            }
            let names: Vec<String> =
                running.iter().flat_map(Job::items).map(|&item| archive.name(item)).collect();
            let busy = |name: &str| names.iter().any(|other| other == name);
            assert!(
                !(busy("CONSTRAINT orders orders_pkey") && busy("INDEX orders_date")),
                "{names:?}"
            );
            schedule.finish(&running.remove(0));
        }
    }

    #[test]
    fn foreign_keys_of_a_partitioned_table_wait_for_the_data_of_its_partitions() {
        let mut archive = Archive::default();
        archive.add("TABLE", "events", &[]).relkind = Some('p');
        archive.add("TABLE", "kinds", &[]);
        archive.add("TABLE", "events_1", &[("TABLE", "events")]);
        archive.add("TABLE ATTACH", "events_1", &[("TABLE", "events"), ("TABLE", "events_1")]);
        archive.data("events_1", 50);
        archive.data("kinds", 10);
        archive.add("INDEX", "events_1_idx", &[("TABLE", "events_1")]);
        archive.add("FK CONSTRAINT", "events k", &[("TABLE", "events"), ("TABLE", "kinds")]);
        let jobs = archive.run(4);
        let attach = job_of(&jobs, "TABLE ATTACH events_1");
        let data = job_of(&jobs, "TABLE DATA events_1");
        let key = job_of(&jobs, "FK CONSTRAINT events k");
        assert!(attach < data && data < key, "{jobs:?}");
        // The key locks the partitions too, so it does not run beside their indexes.
        assert_ne!(key, data);
    }

    #[test]
    fn unselected_entries_keep_the_order_of_what_is_around_them() {
        let archive = shop();
        let mut items = archive.items();
        for item in &mut items {
            item.wanted = matches!(item.entry.desc.as_str(), "TABLE" | "FK CONSTRAINT");
        }
        let mut schedule =
            Schedule::new(&items, Order::Parallel(2), Limits { entries: 100, locks: 1000 });
        let first = schedule.next().expect("tables");
        assert_eq!(first, Job::Statements(vec![1, 2]));
        assert_eq!(schedule.next(), None);
        schedule.finish(&first);
        let second = schedule.next().expect("key");
        assert_eq!(archive.name(second.items()[0]), "FK CONSTRAINT orders orders_customer_fkey");
        schedule.finish(&second);
        assert!(schedule.is_done());
    }

    #[test]
    fn tables_wait_for_the_functions_before_them_and_their_rows_for_all_definitions() {
        let mut archive = Archive::default();
        archive.add("FUNCTION", "helper()", &[]);
        archive.add("FUNCTION", "check_it()", &[]);
        archive.add("TABLE", "checked", &[("FUNCTION", "check_it()")]);
        archive.add("TABLE", "plain", &[]);
        archive.add("VIEW", "late", &[]);
        archive.data("checked", 5);
        archive.data("plain", 1);
        let items = archive.items();
        let mut schedule =
            Schedule::new(&items, Order::Parallel(2), Limits { entries: 2, locks: 1000 });
        let functions = schedule.next().expect("functions");
        assert_eq!(functions, Job::Statements(vec![0, 1]));
        assert_eq!(schedule.next(), None);
        schedule.finish(&functions);
        let tables = schedule.next().expect("tables");
        assert_eq!(tables, Job::Statements(vec![2, 3]));
        schedule.finish(&tables);
        assert_eq!(schedule.next().expect("view"), Job::Statements(vec![4]));
        // The plain table's data goes on beside the view; the checked one's waits.
        assert_eq!(schedule.next().expect("data"), Job::Data(6));
        assert_eq!(schedule.next(), None);
    }

    #[test]
    fn circular_dependencies_end_in_archive_order() {
        let mut archive = Archive::default();
        archive.add("VIEW", "a", &[]);
        archive.add("VIEW", "b", &[("VIEW", "a")]);
        archive.entries[0].dependencies = vec![archive.entries[1].dump_id];
        let jobs = archive.run(2);
        assert_eq!(jobs.concat(), ["VIEW a", "VIEW b"]);
    }

    #[test]
    fn one_connection_keeps_the_order_of_the_archive_in_each_pass() {
        let archive = shop();
        let items = archive.items();
        let mut schedule =
            Schedule::new(&items, Order::Archive, Limits { entries: 2, locks: 1000 });
        let mut seen = Vec::new();
        while let Some(job) = schedule.next() {
            assert_eq!(schedule.next(), None);
            seen.extend(job.items().to_vec());
            schedule.finish(&job);
        }
        assert_eq!(seen, (0..items.len()).collect::<Vec<_>>());
        assert!(schedule.is_done());
    }

    #[test]
    fn batches_stay_below_the_lock_limit() {
        let mut archive = Archive::default();
        for number in 0..50 {
            archive.add("TABLE", &format!("t{number}"), &[]);
        }
        let items = archive.items();
        let mut schedule =
            Schedule::new(&items, Order::Parallel(1), Limits { entries: 100, locks: 12 });
        while let Some(job) = schedule.next() {
            assert!(job.items().len() <= 3);
            schedule.finish(&job);
        }
        assert!(schedule.is_done());
    }
}
