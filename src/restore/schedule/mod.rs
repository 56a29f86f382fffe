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
use std::collections::{BTreeSet, HashMap, VecDeque};

use crate::archive::statements::Pass;
use crate::model::{Section, TocEntry};

use graph::Graph;

mod graph;
#[cfg(test)]
mod tests;

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
    /// Whether its data are little enough to share a transaction with those of others.
    pub(super) small: bool,
}

/// How much one transaction may hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Entries in one job at most.
    pub(super) entries: usize,
    /// Locks of one transaction at most, as [`lock_weight`] estimates them.
    pub(super) locks: usize,
    /// Whether foreign keys that exist already are in force while rows are loaded.
    pub(super) existing_keys: ExistingKeys,
}

/// Whether foreign keys that exist already are in force while rows are loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ExistingKeys {
    /// Rows must come after those they point at.
    InForce,
    /// `--disable-triggers`: the order of rows does not matter.
    Disabled,
}

/// A piece of work for one connection; the numbers are positions in the list of items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Job {
    /// Entries whose statements run in this order in one transaction.
    Statements(Vec<usize>),
    /// The data of one entry.
    Data(usize),
    /// The rows of several small tables, which may go together.
    SmallData(Vec<usize>),
}

impl Job {
    /// Returns the positions of the entries in the job.
    pub(super) fn items(&self) -> &[usize] {
        match self {
            Job::Statements(items) | Job::SmallData(items) => items,
            Job::Data(item) => std::slice::from_ref(item),
        }
    }
}

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
    small: bool,
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

/// Small tables that are loaded together at most: enough that the round trips are no matter.
const SMALL_TABLES_TOGETHER: usize = 64;

/// Stored bytes of tables that are loaded together: as rows they are about what a connection holds in memory for a
/// large one.
const SMALL_BYTES_TOGETHER: u64 = 256 * 1024;

/// What may still join a batch.
struct Room {
    pass: Pass,
    definition: bool,
    data: bool,
    entries: usize,
    locks: usize,
    bytes: u64,
}

impl Room {
    fn suits(&self, step: &Node) -> bool {
        step.item.is_some()
            && step.wanted
            && !step.alone
            && step.pass == self.pass
            && step.is_data == self.data
            && (!self.data || (step.small && step.size <= self.bytes))
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
        let nodes = Graph::build(items, limits.existing_keys);
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
        let (mut locks, mut bytes) = (0, 0);
        while let Some(&node) = self.line.get(self.at) {
            let step = &self.nodes[node];
            if step.wanted && !batch.is_empty() {
                let first = &self.nodes[batch[0]];
                let most = if step.is_data { SMALL_TABLES_TOGETHER } else { usize::MAX };
                let joins = step.is_data == first.is_data
                    && (!step.is_data || (step.small && bytes + step.size <= SMALL_BYTES_TOGETHER))
                    && !step.alone
                    && first.pass == step.pass
                    && batch.len() < self.limits.entries.min(most)
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
            bytes += step.size;
            let only = (step.is_data && !step.small) || step.alone;
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
        if self.nodes[seed].is_data {
            if self.nodes[seed].small {
                self.fill_with_small_data(&mut batch, workers);
            }
        } else if !self.nodes[seed].alone {
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
        // Privileges keep one connection busy at a time, so there is nothing to share.
        let share = if pass == Pass::Acl { left } else { left / (workers * 4).max(1) };
        let mut room = Room {
            pass,
            definition,
            data: false,
            entries: self.limits.entries.min(share.max(8)),
            locks: self.limits.locks.saturating_sub(first.weight),
            bytes: 0,
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

    /// Adds the rows of small tables to those of another one.
    fn fill_with_small_data(&mut self, batch: &mut Vec<usize>, workers: usize) {
        let first = &self.nodes[batch[0]];
        let share = self.pending / (workers * 4).max(1);
        let mut room = Room {
            pass: first.pass,
            definition: false,
            data: true,
            entries: self.limits.entries.min(SMALL_TABLES_TOGETHER).min(share.max(8)),
            locks: self.limits.locks.saturating_sub(first.weight),
            bytes: SMALL_BYTES_TOGETHER.saturating_sub(first.size),
        };
        // What is behind it in the order is as small or smaller.
        let ready: Vec<usize> = self
            .ready
            .range(self.priority(batch[0])..)
            .map(|&(_, _, node)| node)
            .filter(|&node| room.suits(&self.nodes[node]))
            .take(room.entries)
            .collect();
        for node in ready {
            self.offer(node, batch, &mut room);
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
        room.bytes = room.bytes.saturating_sub(self.nodes[node].size);
        self.nodes[node].batch = self.batches;
        batch.push(node);
        true
    }

    fn waits_only_for_batch(&self, node: usize) -> bool {
        // From the end: what is last in the archive is done last, so a gate with a hundred thousand
        // prerequisites is seen to be closed at the first look.
        self.nodes[node].prerequisites.iter().rev().all(|&earlier| {
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
        Some(match (self.nodes[first].is_data, batch.len()) {
            (false, _) => Job::Statements(batch),
            (true, 1) => Job::Data(first),
            (true, _) => Job::SmallData(batch),
        })
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
