//! The edges that keep the sections apart (`addBoundaryDependencies`).

use crate::model::{Database, DumpId, Kind};

/// What of an archive an object belongs to, as far as the boundaries are concerned.
enum Side {
    BeforeData,
    Data,
    AfterData,
    /// Printed inside another object, so it goes where that one goes.
    Inside,
}

/// Adds the edges between the boundaries and everything else.
pub(super) fn add_edges(database: &mut Database) {
    let find = |wanted: fn(&Kind) -> bool| {
        database.objects().iter().find(|object| wanted(&object.kind)).map(|object| object.id)
    };
    let before = find(|kind| matches!(kind, Kind::PreDataBoundary));
    let after = find(|kind| matches!(kind, Kind::PostDataBoundary));
    let (Some(before), Some(after)) = (before, after) else { return };
    let ids: Vec<DumpId> = database.objects().iter().map(|object| object.id).collect();
    for id in ids {
        match side(&database.object(id).kind) {
            Side::BeforeData => database.depend(before, id),
            Side::Data => {
                database.depend(id, before);
                database.depend(after, id);
            }
            Side::AfterData => database.depend(id, after),
            Side::Inside => {}
        }
    }
    database.depend(after, before);
}

fn side(kind: &Kind) -> Side {
    match kind {
        Kind::Schema(_)
        | Kind::Extension(_)
        | Kind::Type(_)
        | Kind::ShellType { .. }
        | Kind::Function(_)
        | Kind::Aggregate(_)
        | Kind::Operator(_)
        | Kind::AccessMethod(_)
        | Kind::OperatorClass(_)
        | Kind::OperatorFamily(_)
        | Kind::Collation(_)
        | Kind::Conversion(_)
        | Kind::Language(_)
        | Kind::Cast(_)
        | Kind::Transform(_)
        | Kind::TextSearchParser(_)
        | Kind::TextSearchTemplate(_)
        | Kind::TextSearchDictionary(_)
        | Kind::TextSearchConfiguration(_)
        | Kind::ForeignDataWrapper(_)
        | Kind::ForeignServer(_)
        | Kind::Table(_)
        | Kind::TableAttach(_)
        | Kind::ColumnDefault(_)
        | Kind::DummyType => Side::BeforeData,
        Kind::TableData { .. }
        | Kind::SequenceSet { .. }
        | Kind::LargeObjects(_)
        | Kind::LargeObjectData { .. } => Side::Data,
        Kind::Index(_)
        | Kind::IndexAttach(_)
        | Kind::Statistics(_)
        | Kind::Trigger(_)
        | Kind::ForeignKey(_)
        | Kind::Policy(_)
        | Kind::DefaultAcl(_)
        | Kind::EventTrigger(_)
        | Kind::Publication(_)
        | Kind::PublicationTable(_)
        | Kind::PublicationSchema(_)
        | Kind::Subscription(_)
        | Kind::SubscriptionTable(_)
        | Kind::MatviewRefresh { .. } => Side::AfterData,
        Kind::RelationStatistics(statistics) if statistics.after_data => Side::AfterData,
        Kind::RelationStatistics(_) => Side::Data,
        Kind::Rule(rule) if rule.separate => Side::AfterData,
        Kind::Constraint(constraint) if constraint.separate => Side::AfterData,
        Kind::Rule(_) | Kind::Constraint(_) => Side::Inside,
        Kind::PreDataBoundary | Kind::PostDataBoundary => Side::Inside,
    }
}
