//! Dependency loops: finding them and splitting objects so that they vanish
//! (`findDependencyLoops`, `repairDependencyLoop`).

use super::warning::Warning;
use crate::model::constraint::ConstraintOwner;
use crate::model::types::TypeSort;
use crate::model::{Components, Database, DumpId, Kind};

/// Repairs at least one loop among the objects that could not be sorted.
///
/// `stuck` is in the order of the ids, and dependencies are followed in the order in which they were
/// added: which of several loops is repaired first shows in the dump.
pub(super) fn repair(database: &mut Database, stuck: &[DumpId], warn: &mut dyn FnMut(Warning)) {
    let mut search = Search::new(database.objects().len());
    for &start in stuck {
        if search.handled[start.0 as usize] {
            continue;
        }
        match search.find_loop(database, start) {
            Some(members) => {
                for member in &members {
                    search.handled[member.0 as usize] = true;
                }
                repair_loop(database, &members, warn);
            }
            None => search.handled[start.0 as usize] = true,
        }
    }
}

/// What is known during one round of looking for loops.
struct Search {
    /// Members of loops that were repaired in this round, and objects that are in none.
    handled: Vec<bool>,
    /// The start from which an object was last found not to lead back.
    failed_from: Vec<i32>,
    on_path: Vec<bool>,
}

impl Search {
    fn new(objects: usize) -> Self {
        Search {
            handled: vec![false; objects + 1],
            failed_from: vec![0; objects + 1],
            on_path: vec![false; objects + 1],
        }
    }

    /// Walks depth first from `start` until it finds a way back, and returns the way: every member
    /// depends on the next, the last one on the first.
    ///
    /// At each object a direct edge back is looked for before going deeper. The walk keeps its own
    /// stack, because the chain may be as long as the database has objects.
    fn find_loop(&mut self, database: &Database, start: DumpId) -> Option<Vec<DumpId>> {
        let mut path: Vec<(DumpId, usize)> = Vec::new();
        let mut entering = Some(start);
        let found = loop {
            if let Some(id) = entering.take() {
                let dependencies = &database.object(id).dependencies;
                path.push((id, 0));
                self.on_path[id.0 as usize] = true;
                if dependencies.contains(&start) {
                    break true;
                }
            }
            let Some((id, next)) = path.last_mut() else { break false };
            match database.object(*id).dependencies.get(*next) {
                Some(&dependency) => {
                    *next += 1;
                    let place = dependency.0 as usize;
                    let known = self.handled[place]
                        || self.on_path[place]
                        || self.failed_from[place] == start.0;
                    if !known {
                        entering = Some(dependency);
                    }
                }
                None => {
                    self.failed_from[id.0 as usize] = start.0;
                    self.on_path[id.0 as usize] = false;
                    path.pop();
                }
            }
        };
        for (id, _) in &path {
            self.on_path[id.0 as usize] = false;
        }
        found.then(|| path.into_iter().map(|(id, _)| id).collect())
    }
}

/// Repairs one loop by the first rule that fits it.
fn repair_loop(database: &mut Database, members: &[DumpId], warn: &mut dyn FnMut(Warning)) {
    let repaired = match *members {
        [first, second] => {
            either_way(first, second, |a, b| type_and_function(database, a, b))
                || either_way(first, second, |a, b| view_and_its_query(database, a, b))
                || postpone_at_boundary(database, members)
                || either_way(first, second, |a, b| table_and_its_check(database, a, b))
                || either_way(first, second, |a, b| table_and_its_default(database, a, b))
                || either_way(first, second, |a, b| index_and_its_parent(database, a, b))
                || either_way(first, second, |a, b| domain_and_its_constraint(database, a, b))
        }
        [only] => table_on_itself(database, only),
        _ => {
            split_view(database, members)
                || postpone_at_boundary(database, members)
                || split_check(database, members)
                || split_default(database, members)
                || split_domain_constraint(database, members)
        }
    };
    if !repaired {
        cut_anywhere(database, members, warn);
    }
}

fn either_way(first: DumpId, second: DumpId, mut rule: impl FnMut(DumpId, DumpId) -> bool) -> bool {
    rule(first, second) || rule(second, first)
}

/// Returns the first pair of members, the first of the pair ascending before the second, that a test accepts.
fn find_pair(
    members: &[DumpId],
    mut accepts: impl FnMut(DumpId, DumpId) -> bool,
) -> Option<(DumpId, DumpId)> {
    members
        .iter()
        .flat_map(|&outer| members.iter().map(move |&inner| (outer, inner)))
        .find(|&(outer, inner)| accepts(outer, inner))
}

fn post_data_boundary(database: &Database) -> Option<DumpId> {
    database
        .objects()
        .iter()
        .rev()
        .find(|object| matches!(object.kind, Kind::PostDataBoundary))
        .map(|object| object.id)
}

/// A function that takes or returns a type comes after the announcement of the type instead.
fn type_and_function(database: &mut Database, kind: DumpId, function: DumpId) -> bool {
    let Kind::Type(type_info) = &database.object(kind).kind else { return false };
    let shell = type_info.shell;
    if !matches!(database.object(function).kind, Kind::Function(_)) {
        return false;
    }
    database.object_mut(function).remove_dependency(kind);
    if let Some(shell) = shell {
        database.depend(function, shell);
        let wanted = database.object(function).wanted;
        if !wanted.is_empty() {
            database.object_mut(shell).wanted = wanted | Components::DEFINITION;
        }
    }
    true
}

/// Tells whether `rule` is the query of `view`.
fn is_query_of(database: &Database, view: DumpId, rule: DumpId) -> bool {
    matches!(&database.object(rule).kind,
        Kind::Rule(rule) if rule.event == '1' && rule.instead && rule.table == view)
}

fn relkind(database: &Database, id: DumpId) -> Option<char> {
    database.table(id).map(|table| table.relkind)
}

/// The query is printed inside its view, so it need not come after it.
fn view_and_its_query(database: &mut Database, view: DumpId, rule: DumpId) -> bool {
    if !matches!(relkind(database, view), Some('v' | 'm')) || !is_query_of(database, view, rule) {
        return false;
    }
    database.object_mut(rule).remove_dependency(view);
    true
}

/// A view in a longer loop is first created without its query, which follows as a rule.
fn split_view(database: &mut Database, members: &[DumpId]) -> bool {
    let pair = find_pair(members, |view, rule| {
        relkind(database, view) == Some('v') && is_query_of(database, view, rule)
    });
    let Some((view, rule)) = pair else { return false };
    database.object_mut(view).remove_dependency(rule);
    if let Kind::Table(table) = &mut database.object_mut(view).kind {
        table.dummy_view = true;
    }
    if let Kind::Rule(info) = &mut database.object_mut(rule).kind {
        info.separate = true;
    }
    database.depend(rule, view);
    if let Some(boundary) = post_data_boundary(database) {
        database.depend(rule, boundary);
    }
    true
}

/// A materialized view or a function that needs something behind the data goes there itself, and so do
/// the statistics of such a view.
///
/// The loop runs through the boundary; what follows the boundary in the loop no longer has to come
/// before it. If that is not the view or function itself, the next round finds a shorter loop.
fn postpone_at_boundary(database: &mut Database, members: &[DumpId]) -> bool {
    if members.len() < 3 {
        return false;
    }
    let is_boundary = |id: DumpId| matches!(database.object(id).kind, Kind::PreDataBoundary);
    let pair = find_pair(members, |view, boundary| match &database.object(view).kind {
        Kind::Table(table) => table.relkind == 'm' && is_boundary(boundary),
        Kind::RelationStatistics(statistics) => {
            statistics.relkind == 'm'
                && matches!(database.object(boundary).kind, Kind::PostDataBoundary)
        }
        _ => false,
    })
    .or_else(|| {
        find_pair(members, |function, boundary| {
            matches!(database.object(function).kind, Kind::Function(_)) && is_boundary(boundary)
        })
    });
    let Some((candidate, boundary)) = pair else { return false };
    let for_view = !matches!(database.object(candidate).kind, Kind::Function(_));
    let place = members.iter().position(|&member| member == boundary).unwrap_or(0);
    let next = members[(place + 1) % members.len()];
    database.object_mut(boundary).remove_dependency(next);
    match &mut database.object_mut(next).kind {
        Kind::Table(table) if for_view && table.relkind == 'm' => table.postponed = true,
        Kind::RelationStatistics(statistics) if for_view && statistics.relkind == 'm' => {
            statistics.after_data = true;
        }
        Kind::Function(function) if !for_view => function.postponed = true,
        _ => {}
    }
    true
}

fn is_check_of(database: &Database, table: DumpId, constraint: DumpId) -> bool {
    matches!(&database.object(constraint).kind, Kind::Constraint(check)
        if check.contype == 'c' && check.owner == ConstraintOwner::Table(table))
}

/// The check is printed inside its table, so it need not come after it.
fn table_and_its_check(database: &mut Database, table: DumpId, constraint: DumpId) -> bool {
    if !is_check_of(database, table, constraint) {
        return false;
    }
    database.object_mut(constraint).remove_dependency(table);
    true
}

/// A check in a longer loop, for example one that calls a function on the table's row type, is added later.
fn split_check(database: &mut Database, members: &[DumpId]) -> bool {
    let pair = find_pair(members, |table, check| is_check_of(database, table, check));
    pair.is_some_and(|(table, constraint)| separate_constraint(database, table, constraint))
}

/// Takes a constraint out of what it belongs to; it is added after the data.
fn separate_constraint(database: &mut Database, owner: DumpId, constraint: DumpId) -> bool {
    database.object_mut(owner).remove_dependency(constraint);
    if let Kind::Constraint(info) = &mut database.object_mut(constraint).kind {
        info.separate = true;
    }
    database.depend(constraint, owner);
    if let Some(boundary) = post_data_boundary(database) {
        database.depend(constraint, boundary);
    }
    true
}

fn is_default_of(database: &Database, table: DumpId, default: DumpId) -> bool {
    matches!(&database.object(default).kind, Kind::ColumnDefault(default) if default.table == table)
}

/// The default is printed inside its table, so it need not come after it.
fn table_and_its_default(database: &mut Database, table: DumpId, default: DumpId) -> bool {
    if !is_default_of(database, table, default) {
        return false;
    }
    database.object_mut(default).remove_dependency(table);
    true
}

/// A default in a longer loop, such as that of a serial column, is set after the table is created.
fn split_default(database: &mut Database, members: &[DumpId]) -> bool {
    let pair = find_pair(members, |table, default| is_default_of(database, table, default));
    let Some((table, default)) = pair else { return false };
    database.object_mut(table).remove_dependency(default);
    if let Kind::ColumnDefault(info) = &mut database.object_mut(default).kind {
        info.separate = true;
    }
    database.depend(default, table);
    true
}

fn index_and_its_parent(database: &mut Database, child: DumpId, parent: DumpId) -> bool {
    let belongs = matches!(&database.object(child).kind,
        Kind::Index(index) if index.parent == Some(parent));
    if belongs {
        database.object_mut(child).remove_dependency(parent);
    }
    belongs
}

fn is_constraint_of_domain(database: &Database, domain: DumpId, constraint: DumpId) -> bool {
    matches!(&database.object(domain).kind, Kind::Type(info) if matches!(info.sort, TypeSort::Domain(_)))
        && matches!(&database.object(constraint).kind,
            Kind::Constraint(info) if info.owner == ConstraintOwner::Domain(domain))
}

/// The constraint is printed inside its domain, so it need not come after it.
fn domain_and_its_constraint(database: &mut Database, domain: DumpId, constraint: DumpId) -> bool {
    if !is_constraint_of_domain(database, domain, constraint) {
        return false;
    }
    database.object_mut(constraint).remove_dependency(domain);
    true
}

fn split_domain_constraint(database: &mut Database, members: &[DumpId]) -> bool {
    let pair = find_pair(members, |domain, check| is_constraint_of_domain(database, domain, check));
    pair.is_some_and(|(domain, constraint)| separate_constraint(database, domain, constraint))
}

/// A table that depends on itself, through a generated column or its partitioning, needs nothing.
fn table_on_itself(database: &mut Database, table: DumpId) -> bool {
    let is_table = matches!(database.object(table).kind, Kind::Table(_));
    if is_table {
        database.object_mut(table).remove_dependency(table);
    }
    is_table
}

/// Cuts a loop that no rule fits, and says so.
fn cut_anywhere(database: &mut Database, members: &[DumpId], warn: &mut dyn FnMut(Warning)) {
    let only_data =
        members.iter().all(|&id| matches!(database.object(id).kind, Kind::TableData { .. }));
    warn(if only_data {
        Warning::circular_keys(database, members)
    } else {
        Warning::unresolved(database, members)
    });
    let next = if members.len() > 1 { members[1] } else { members[0] };
    database.object_mut(members[0]).remove_dependency(next);
}
