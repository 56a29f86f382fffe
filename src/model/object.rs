//! What every dumpable object has, whatever its kind.
//!
//! The components and their meaning are those of PostgreSQL's `pg_dump.h` (`DumpComponents`,
//! `DumpableObject`): an object is emitted when something of it is both wanted and available.

use bitflags::bitflags;

use super::access_method::AccessMethod;
use super::acl::Acl;
use super::aggregate::Aggregate;
use super::binary_upgrade::SubscriptionTable;
use super::cast::Cast;
use super::collation::Collation;
use super::column_default::ColumnDefault;
use super::constraint::{Constraint, ForeignKey};
use super::conversion::Conversion;
use super::default_acl::DefaultAcl;
use super::event_trigger::EventTrigger;
use super::extension::Extension;
use super::foreign_data::{ForeignDataWrapper, ForeignServer};
use super::function::Function;
use super::index::{Index, IndexAttach};
use super::language::Language;
use super::large_object::LargeObjects;
use super::operator::Operator;
use super::operator_class::{OperatorClass, OperatorFamily};
use super::policy::Policy;
use super::publication::{Publication, PublicationSchema, PublicationTable};
use super::relation_statistics::RelationStatistics;
use super::rule::Rule;
use super::schema::Schema;
use super::statistics::Statistics;
use super::subscription::Subscription;
use super::table::{Table, TableAttach};
use super::text_search::{
    TextSearchConfiguration, TextSearchDictionary, TextSearchParser, TextSearchTemplate,
};
use super::transform::Transform;
use super::trigger::Trigger;
use super::types::Type;
use super::{CatalogId, DumpId, Oid};

bitflags! {
    /// The parts of an object that can be dumped or left out one by one.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct Components: u32 {
        /// The definition itself.
        const DEFINITION = 1;
        /// Rows, a sequence value, the content of a large object.
        const DATA = 1 << 1;
        /// Comments on it and its parts.
        const COMMENT = 1 << 2;
        /// Security labels on it and its parts.
        const SECURITY_LABEL = 1 << 3;
        /// Privileges on it and its columns.
        const ACL = 1 << 4;
        /// Row security: the enabled flag and the policies.
        const POLICY = 1 << 5;
        /// User mappings of a foreign server.
        const USER_MAPPING = 1 << 6;
        /// Planner statistics.
        const STATISTICS = 1 << 7;
    }
}

/// An object of the source database, or one that exists only in the dump.
#[derive(Debug, Clone)]
pub struct Object {
    /// Its number, given in the order of discovery beginning with 1.
    pub id: DumpId,
    /// Its place in the catalogs; zeros for objects that exist only in the dump.
    pub catalog_id: CatalogId,
    /// Its raw name, which is also the first key of the pre-sort inside a schema.
    pub name: String,
    /// The raw name of its schema, for kinds that live in one.
    pub schema: Option<String>,
    /// The raw name of the owning role, for kinds that have one.
    pub owner: Option<String>,
    /// Its privileges as the catalog gives them, when there is anything to tell about them.
    pub acl: Option<Box<Acl>>,
    /// What the selection asks for.
    pub wanted: Components,
    /// What there is.
    pub available: Components,
    /// The objects that must come first, in the order the edges were added; may repeat.
    pub dependencies: Vec<DumpId>,
    /// Whether it is a member of an extension.
    pub extension_member: bool,
    /// What it is.
    pub kind: Kind,
}

impl Object {
    /// Makes an object that has no place in the catalogs, of which nothing is wanted and only its definition is there.
    ///
    /// It gets its number when it is added to a database.
    pub fn new(name: String, kind: Kind) -> Object {
        Object {
            id: DumpId(0),
            catalog_id: CatalogId::default(),
            name,
            schema: None,
            owner: None,
            acl: None,
            wanted: Components::empty(),
            available: Components::DEFINITION,
            dependencies: Vec::new(),
            extension_member: false,
            kind,
        }
    }

    /// Returns its privileges.
    pub fn acl(&self) -> &Acl {
        const NONE: &Acl = &Acl { current: None, default: None, initial: None, initial_kind: None };
        self.acl.as_deref().unwrap_or(NONE)
    }

    /// Returns what will be emitted: wanted and available.
    pub fn emitted(&self) -> Components {
        self.wanted & self.available
    }

    /// Tells whether a component will be emitted.
    pub fn emits(&self, component: Components) -> bool {
        self.emitted().contains(component)
    }

    /// Returns the large objects of a group, none for every other kind.
    pub fn large_objects(&self) -> &[Oid] {
        match &self.kind {
            Kind::LargeObjects(group) => &group.oids,
            _ => &[],
        }
    }

    /// Removes every edge to `target`.
    pub fn remove_dependency(&mut self, target: DumpId) {
        self.dependencies.retain(|&dependency| dependency != target);
    }
}

/// What an object is, with what only this kind has.
///
/// The order of the variants is that of `DumpableObjectType`, which decides between objects of one
/// priority, schema and name. What is large or rare stands in a box: every object has the size of the largest
/// variant, and each table alone makes five of them.
#[derive(Debug, Clone)]
pub enum Kind {
    /// A schema.
    Schema(Schema),
    /// An extension.
    Extension(Box<Extension>),
    /// A type of any sort that is printed.
    Type(Box<Type>),
    /// `CREATE TYPE name;` before the functions of a range or base type; the type it announces.
    ShellType {
        /// The type announced.
        of: DumpId,
    },
    /// A function, procedure or window function.
    Function(Box<Function>),
    /// An aggregate.
    Aggregate(Box<Aggregate>),
    /// An operator.
    Operator(Box<Operator>),
    /// An access method.
    AccessMethod(AccessMethod),
    /// An operator class.
    OperatorClass(Box<OperatorClass>),
    /// An operator family.
    OperatorFamily(Box<OperatorFamily>),
    /// A collation.
    Collation(Box<Collation>),
    /// A conversion between encodings.
    Conversion(Box<Conversion>),
    /// An ordinary, partitioned or foreign table, a view, a materialized view, a sequence, or the
    /// relation behind a composite type.
    Table(Box<Table>),
    /// `ALTER TABLE ... ATTACH PARTITION`.
    TableAttach(TableAttach),
    /// The default of one column, when it is known as an object of its own.
    ColumnDefault(ColumnDefault),
    /// An index.
    Index(Box<Index>),
    /// `ALTER INDEX ... ATTACH PARTITION`.
    IndexAttach(IndexAttach),
    /// Extended statistics.
    Statistics(Statistics),
    /// A rewrite rule.
    Rule(Rule),
    /// A trigger.
    Trigger(Trigger),
    /// A primary key, unique, exclusion, check or not-null constraint of a table or domain.
    Constraint(Box<Constraint>),
    /// A foreign key.
    ForeignKey(ForeignKey),
    /// The rows of a table.
    TableData {
        /// The table.
        table: DumpId,
        /// `WHERE ...` of an extension's configuration table, otherwise empty.
        filter: String,
    },
    /// The value of a sequence.
    SequenceSet {
        /// The sequence.
        table: DumpId,
    },
    /// A group of large objects: owner, privileges, comments.
    LargeObjects(LargeObjects),
    /// The bytes of a group of large objects.
    LargeObjectData {
        /// The group.
        metadata: DumpId,
    },
    /// A procedural language.
    Language(Language),
    /// A cast.
    Cast(Box<Cast>),
    /// A transform.
    Transform(Box<Transform>),
    /// A text search parser.
    TextSearchParser(Box<TextSearchParser>),
    /// A text search dictionary.
    TextSearchDictionary(Box<TextSearchDictionary>),
    /// A text search template.
    TextSearchTemplate(Box<TextSearchTemplate>),
    /// A text search configuration.
    TextSearchConfiguration(Box<TextSearchConfiguration>),
    /// A foreign-data wrapper.
    ForeignDataWrapper(Box<ForeignDataWrapper>),
    /// A foreign server with its user mappings.
    ForeignServer(Box<ForeignServer>),
    /// A row type, array type or multirange type: never printed, known for its dependencies.
    DummyType,
    /// Everything after it is data or later.
    PreDataBoundary,
    /// Everything after it is post-data.
    PostDataBoundary,
    /// A row security policy, or (with no name) that row security is enabled.
    Policy(Box<Policy>),
    /// Default privileges.
    DefaultAcl(DefaultAcl),
    /// An event trigger.
    EventTrigger(Box<EventTrigger>),
    /// A publication.
    Publication(Publication),
    /// A table of a publication.
    PublicationTable(Box<PublicationTable>),
    /// All tables of a schema in a publication.
    PublicationSchema(PublicationSchema),
    /// A subscription.
    Subscription(Box<Subscription>),
    /// A table of a subscription, known only when a cluster is upgraded.
    SubscriptionTable(Box<SubscriptionTable>),
    /// What the planner knows about the rows of a relation.
    RelationStatistics(Box<RelationStatistics>),
    /// `REFRESH MATERIALIZED VIEW`.
    MatviewRefresh {
        /// The materialized view.
        table: DumpId,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_small_because_there_are_many() {
        assert!(size_of::<Kind>() <= 48, "{} bytes", size_of::<Kind>());
        assert!(size_of::<Object>() <= 176, "{} bytes", size_of::<Object>());
    }
}
