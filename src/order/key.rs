//! The sort by kind and name (`DOTypeNameCompare`).

use std::borrow::Cow;
use std::cmp::Reverse;

use crate::model::constraint::ConstraintOwner;
use crate::model::{Database, DumpId, Kind, Object};
use crate::sql::text;

/// The place of a kind in a dump (`enum dbObjectTypePriorities`).
fn priority(kind: &Kind) -> u8 {
    match kind {
        Kind::Schema(_) => 1,
        Kind::Language(_) => 2,
        Kind::Collation(_) => 3,
        Kind::Transform(_) => 4,
        Kind::Extension(_) => 5,
        Kind::Type(_) | Kind::ShellType { .. } => 6,
        Kind::Cast(_) => 7,
        Kind::Function(_) => 8,
        Kind::Aggregate(_) => 9,
        Kind::AccessMethod(_) => 10,
        Kind::Operator(_) => 11,
        Kind::OperatorClass(_) | Kind::OperatorFamily(_) => 12,
        Kind::Conversion(_) => 13,
        Kind::TextSearchParser(_) => 14,
        Kind::TextSearchTemplate(_) => 15,
        Kind::TextSearchDictionary(_) => 16,
        Kind::TextSearchConfiguration(_) => 17,
        Kind::ForeignDataWrapper(_) => 18,
        Kind::ForeignServer(_) => 19,
        Kind::Table(_) => 20,
        Kind::TableAttach(_) => 21,
        Kind::DummyType => 22,
        Kind::ColumnDefault(_) => 23,
        Kind::PreDataBoundary => 24,
        Kind::TableData { .. } => 25,
        Kind::SequenceSet { .. } => 26,
        Kind::LargeObjects(_) => 27,
        Kind::LargeObjectData { .. } => 28,
        Kind::RelationStatistics(_) => 29,
        Kind::PostDataBoundary => 30,
        Kind::Constraint(_) => 31,
        Kind::Index(_) => 32,
        Kind::IndexAttach(_) => 33,
        Kind::Statistics(_) => 34,
        Kind::Rule(_) => 35,
        Kind::Trigger(_) => 36,
        Kind::ForeignKey(_) => 37,
        Kind::Policy(_) => 38,
        Kind::Publication(_) => 39,
        Kind::PublicationTable(_) => 40,
        Kind::PublicationSchema(_) => 41,
        Kind::Subscription(_) => 42,
        Kind::SubscriptionTable(_) => 43,
        Kind::DefaultAcl(_) => 44,
        Kind::EventTrigger(_) => 45,
        Kind::MatviewRefresh { .. } => 46,
    }
}

/// The rank of a kind between objects of one priority, schema and name (`enum DumpableObjectType`).
fn rank(kind: &Kind) -> u8 {
    match kind {
        Kind::Type(_) | Kind::OperatorClass(_) => 0,
        Kind::ShellType { .. } | Kind::OperatorFamily(_) => 1,
        _ => 2,
    }
}

/// A name as the server wrote it: names are compared byte by byte, whatever their encoding.
type Bytes<'a> = Cow<'a, [u8]>;

/// Everything that decides between two objects, in the order in which it decides.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key<'a> {
    priority: u8,
    /// Objects without a schema come after those with one.
    schema: (bool, Bytes<'a>),
    name: Bytes<'a>,
    rank: u8,
    detail: Detail<'a>,
    oid: u32,
}

/// What decides inside one kind.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Detail<'a> {
    None,
    Arguments(usize, Vec<(Bytes<'a>, Bytes<'a>)>),
    /// Postfix, prefix, infix; then the operands.
    Operands(Reverse<char>, Vec<(Bytes<'a>, Bytes<'a>)>),
    AccessMethod(Bytes<'a>),
    Publication(Bytes<'a>),
    Subscription(Bytes<'a>),
    Number(i32),
    Table(Bytes<'a>),
    Constraint(bool, Bytes<'a>),
    Role(Bytes<'a>),
}

/// Returns the ids of all objects, sorted by kind and name.
pub(super) fn presort(database: &Database) -> Vec<DumpId> {
    let mut keys: Vec<(Key<'_>, DumpId)> =
        database.objects().iter().map(|object| (key(database, object), object.id)).collect();
    keys.sort();
    keys.into_iter().map(|(_, id)| id).collect()
}

fn key<'a>(database: &'a Database, object: &'a Object) -> Key<'a> {
    Key {
        priority: priority(&object.kind),
        schema: match &object.schema {
            Some(schema) => (false, text::encode(schema)),
            None => (true, Cow::Borrowed(&[])),
        },
        name: text::encode(&object.name),
        rank: rank(&object.kind),
        detail: detail(database, object),
        oid: object.catalog_id.oid.0,
    }
}

fn encoded(keys: &[(String, String)]) -> Vec<(Bytes<'_>, Bytes<'_>)> {
    keys.iter().map(|(schema, name)| (text::encode(schema), text::encode(name))).collect()
}

fn detail<'a>(database: &'a Database, object: &'a Object) -> Detail<'a> {
    let name = |id: DumpId| text::encode(&database.object(id).name);
    match &object.kind {
        Kind::Function(function) => {
            let keys = &function.argument_sort_keys;
            Detail::Arguments(keys.len(), encoded(keys))
        }
        Kind::Aggregate(aggregate) => {
            let keys = &aggregate.argument_sort_keys;
            Detail::Arguments(keys.len(), encoded(keys))
        }
        Kind::Operator(operator) => {
            Detail::Operands(Reverse(operator.oprkind), encoded(&operator.operand_sort_keys))
        }
        Kind::OperatorClass(class) => Detail::AccessMethod(text::encode(&class.access_method)),
        Kind::OperatorFamily(family) => Detail::AccessMethod(text::encode(&family.access_method)),
        Kind::Collation(collation) => Detail::Number(collation.encoding),
        Kind::PublicationTable(member) => Detail::Publication(name(member.publication)),
        Kind::PublicationSchema(member) => Detail::Publication(name(member.publication)),
        Kind::SubscriptionTable(member) => Detail::Subscription(name(member.subscription)),
        Kind::ColumnDefault(default) => Detail::Number(default.column),
        Kind::Policy(policy) => Detail::Table(name(policy.table)),
        Kind::Rule(rule) => Detail::Table(name(rule.table)),
        Kind::Trigger(trigger) => Detail::Table(name(trigger.table)),
        Kind::ForeignKey(key) => Detail::Constraint(true, name(key.table)),
        Kind::Constraint(constraint) => match constraint.owner {
            ConstraintOwner::Domain(domain) => Detail::Constraint(false, name(domain)),
            ConstraintOwner::Table(table) => Detail::Constraint(true, name(table)),
        },
        Kind::DefaultAcl(_) => Detail::Role(text::encode(object.owner.as_deref().unwrap_or(""))),
        _ => Detail::None,
    }
}
