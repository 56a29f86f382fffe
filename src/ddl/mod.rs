//! The model as SQL text: one file per kind of object, pure.
//!
//! [`entries`] walks the objects in dump order and lets every kind push its [`TocEntry`] values: the
//! definition, then comments, security labels, privileges and what else hangs on it (`dumpDumpableObject`
//! in `pg_dump.c`). The text of the entries is that of PostgreSQL 18's pg_dump, byte for byte.

mod access_method;
pub mod acl;
mod aggregate;
mod binary_upgrade;
mod cast;
pub mod cluster;
mod collation;
mod column;
mod column_default;
mod constraint;
mod conversion;
mod database;
mod default_acl;
mod event_trigger;
mod extension;
mod foreign_data;
mod function;
mod index;
pub mod inserts;
mod language;
mod large_object;
mod operator;
mod operator_class;
mod policy;
mod publication;
mod relation_statistics;
mod rule;
mod schema;
mod sequence;
mod shared;
mod statistics;
mod storage_parameters;
mod subscription;
mod table;
mod table_data;
mod text_search;
mod transform;
mod trigger;
mod types;
mod view;
mod writer;

use std::collections::HashSet;

use crate::error::Result;
use crate::model::constraint::ConstraintOwner;
use crate::model::{Database, DumpId, Kind, Section, TocEntry};
use crate::sql::{Quoting, quote_literal};

pub use large_object::{LargeObjectLayout, large_object_privileges, large_objects_of};
pub use table_data::partition_root;
pub(crate) use writer::{AclTarget, Target, Writer};

/// What is done in the few places where the text of pg_dump 18 is wrong for the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fidelity {
    /// The same text, byte for byte: what the drop-in names promise.
    PgDump,
    /// The text that loads: names are quoted that pg_dump forgets to quote.
    Corrected,
}

/// How the rows of tables are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RowForm {
    /// As COPY text.
    #[default]
    Copy,
    /// As INSERT statements.
    Inserts(Inserts),
}

/// What INSERT statements look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inserts {
    /// How many rows one statement has at most; never 0.
    pub rows: usize,
    /// Whether the columns are named.
    pub columns: bool,
    /// Whether rows that violate a constraint are left out.
    pub on_conflict_do_nothing: bool,
}

/// What the text of a dump depends on besides the database.
#[derive(Debug, Clone)]
pub struct DdlOptions {
    /// When identifiers are quoted.
    pub quoting: Quoting,
    /// The database itself has entries; without them the numbers of the others differ.
    pub database: bool,
    /// Definitions are written.
    pub schema: bool,
    /// Rows are written.
    pub data: bool,
    /// What the planner knows about rows is written.
    pub statistics: bool,
    /// Sequence values are written.
    pub sequence_values: bool,
    /// How rows are written; an entry of INSERT statements has no COPY statement.
    pub row_form: RowForm,
    /// Rows of every partition go to the root of its table.
    pub load_via_partition_root: bool,
    /// How large objects are spread over entries; they are rows in the sense of `data`.
    pub large_objects: LargeObjectLayout,
    /// Comments are written.
    pub comments: bool,
    /// Security labels are written.
    pub security_labels: bool,
    /// Privileges are written.
    pub privileges: bool,
    /// Policies and row security flags are written.
    pub policies: bool,
    /// Column compression methods are written.
    pub toast_compression: bool,
    /// Tablespaces are written into `CREATE DATABASE`.
    pub tablespaces: bool,
    /// Function bodies are quoted with dollars.
    pub dollar_quoting: bool,
    /// What is done where pg_dump's text does not load.
    pub fidelity: Fidelity,
}

impl Default for DdlOptions {
    fn default() -> Self {
        DdlOptions {
            quoting: Quoting::WhenNeeded,
            database: true,
            schema: true,
            data: true,
            statistics: false,
            sequence_values: true,
            row_form: RowForm::Copy,
            load_via_partition_root: false,
            large_objects: LargeObjectLayout::default(),
            comments: true,
            security_labels: true,
            privileges: true,
            policies: true,
            toast_compression: true,
            tablespaces: true,
            dollar_quoting: true,
            fidelity: Fidelity::Corrected,
        }
    }
}

/// Returns the entries of an archive, in order and with their dependencies.
///
/// `order` is the sorted list of objects that [`crate::order::sort`] returns.
pub fn entries(
    database: &Database,
    order: &[DumpId],
    options: &DdlOptions,
) -> Result<Vec<TocEntry>> {
    let mut entries = all_entries(database, order, options)?;
    link(database, &mut entries, options);
    Ok(entries)
}

/// Returns all entries, without the dependencies that depend on which of them are kept.
///
/// Whoever writes an archive of them calls [`link`] for those that it keeps; a script needs no more.
pub fn all_entries(
    database: &Database,
    order: &[DumpId],
    options: &DdlOptions,
) -> Result<Vec<TocEntry>> {
    let mut writer = Writer::new(database, options);
    preamble(&mut writer);
    if options.database {
        database::create_database(&mut writer)?;
    }
    for &id in order {
        let object = database.object(id);
        if object.emitted().is_empty() {
            continue;
        }
        let first = writer.len();
        match &object.kind {
            Kind::Schema(schema) => schema::create_schema(&mut writer, object, schema)?,
            Kind::Extension(extension) => {
                extension::create_extension(&mut writer, object, extension)
            }
            Kind::Type(kind) => types::create_type(&mut writer, object, kind)?,
            Kind::ShellType { .. } => types::create_shell_type(&mut writer, object),
            Kind::Function(function) => function::create_function(&mut writer, object, function)?,
            Kind::Aggregate(aggregate) => {
                aggregate::create_aggregate(&mut writer, object, aggregate)?;
            }
            Kind::Operator(operator) => operator::create_operator(&mut writer, object, operator),
            Kind::AccessMethod(method) => {
                access_method::create_access_method(&mut writer, object, method);
            }
            Kind::OperatorClass(class) => {
                operator_class::create_operator_class(&mut writer, object, class);
            }
            Kind::OperatorFamily(family) => {
                operator_class::create_operator_family(&mut writer, object, family);
            }
            Kind::Collation(collation) => {
                collation::create_collation(&mut writer, object, collation);
            }
            Kind::Conversion(conversion) => {
                conversion::create_conversion(&mut writer, object, conversion);
            }
            Kind::Language(language) => language::create_language(&mut writer, object, language)?,
            Kind::Cast(cast) => cast::create_cast(&mut writer, object, cast),
            Kind::Transform(transform) => {
                transform::create_transform(&mut writer, object, transform);
            }
            Kind::TextSearchParser(parser) => {
                text_search::create_parser(&mut writer, object, parser);
            }
            Kind::TextSearchTemplate(template) => {
                text_search::create_template(&mut writer, object, template);
            }
            Kind::TextSearchDictionary(dictionary) => {
                text_search::create_dictionary(&mut writer, object, dictionary);
            }
            Kind::TextSearchConfiguration(configuration) => {
                text_search::create_configuration(&mut writer, object, configuration);
            }
            Kind::ForeignDataWrapper(wrapper) => {
                foreign_data::create_wrapper(&mut writer, object, wrapper)?;
            }
            Kind::ForeignServer(server) => {
                foreign_data::create_server(&mut writer, object, server)?;
            }
            Kind::EventTrigger(trigger) => {
                event_trigger::create_event_trigger(&mut writer, object, trigger);
            }
            Kind::Publication(publication) => {
                publication::create_publication(&mut writer, object, publication);
            }
            Kind::PublicationTable(member) => {
                publication::add_table(&mut writer, object, member);
            }
            Kind::PublicationSchema(member) => {
                publication::add_schema(&mut writer, object, member);
            }
            Kind::Subscription(subscription) => {
                subscription::create_subscription(&mut writer, object, subscription);
            }
            Kind::Table(table) => table::create_table(&mut writer, object, table)?,
            Kind::TableAttach(attach) => table::attach_table(&mut writer, object, attach),
            Kind::ColumnDefault(default) => {
                column_default::set_default(&mut writer, object, default);
            }
            Kind::Index(index) => index::create_index(&mut writer, object, index),
            Kind::IndexAttach(attach) => index::attach_index(&mut writer, object, attach),
            Kind::Statistics(statistics) => {
                statistics::create_statistics(&mut writer, object, statistics);
            }
            Kind::Rule(rule) => rule::create_rule(&mut writer, object, rule),
            Kind::Trigger(trigger) => trigger::create_trigger(&mut writer, object, trigger),
            Kind::Constraint(constraint) => match constraint.owner {
                ConstraintOwner::Domain(domain) => {
                    types::create_domain_constraint(&mut writer, object, constraint, domain);
                }
                ConstraintOwner::Table(table) => {
                    constraint::create_constraint(&mut writer, object, constraint, table);
                }
            },
            Kind::ForeignKey(key) => constraint::create_foreign_key(&mut writer, object, key),
            Kind::TableData { table, .. } => table_data::copy_table(&mut writer, object, *table),
            Kind::LargeObjects(group) => {
                large_object::create_large_objects(&mut writer, object, group)?;
            }
            Kind::LargeObjectData { .. } => {
                large_object::large_object_data(&mut writer, object);
            }
            Kind::SequenceSet { table } => sequence::set_sequence(&mut writer, *table)?,
            Kind::Policy(policy) => policy::create_policy(&mut writer, object, policy),
            Kind::DefaultAcl(default) => {
                default_acl::create_default_acl(&mut writer, object, default)?;
            }
            Kind::RelationStatistics(statistics) => {
                relation_statistics::restore_statistics(&mut writer, object, statistics)?;
            }
            Kind::MatviewRefresh { table } => table_data::refresh(&mut writer, object, *table),
            Kind::SubscriptionTable(member) => {
                binary_upgrade::subscription_table(&mut writer, object, member);
            }
            Kind::DummyType | Kind::PreDataBoundary | Kind::PostDataBoundary => {}
        }
        binary_upgrade::complete(&mut writer, object, first);
    }
    Ok(writer.finish())
}

/// Gives the entries that are kept their dependencies.
pub fn link(database: &Database, entries: &mut Vec<TocEntry>, options: &DdlOptions) {
    resolve_dependencies(database, entries);
    trigger::add_origins(database, entries);
    schema::add_usage(database, entries);
    if options.large_objects == LargeObjectLayout::Single {
        large_object::place_single(entries);
    }
}

/// The three entries that every archive begins with; a reader takes its session settings from them.
fn preamble(writer: &mut Writer<'_>) {
    let facts = &writer.database.facts;
    let encoding = quote_literal(&facts.encoding, true);
    let strings = if facts.standard_conforming_strings { "on" } else { "off" };
    let texts = [
        ("ENCODING", format!("SET client_encoding = {encoding};\n")),
        ("STDSTRINGS", format!("SET standard_conforming_strings = '{strings}';\n")),
        ("SEARCHPATH", "SELECT pg_catalog.set_config('search_path', '', false);\n".to_owned()),
    ];
    for (desc, definition) in texts {
        let mut entry = TocEntry::new(writer.next_id(), desc, desc);
        entry.section = Section::PreData;
        entry.definition = definition;
        writer.push(entry);
    }
}

/// Gives every entry without stored dependencies those of its object, as far as they are in the archive.
///
/// A dependency that has no entry is replaced by its own dependencies; the section boundaries are not
/// looked through. Neither order nor duplicates are touched, because pg_dump keeps both
/// (`findDumpableDependencies`).
fn resolve_dependencies(database: &Database, entries: &mut [TocEntry]) {
    let present: HashSet<DumpId> = entries.iter().map(|entry| entry.dump_id).collect();
    for entry in entries.iter_mut() {
        if entry.dump_id.0 <= database.last_id() && entry.dependencies.is_empty() {
            entry.dependencies = present_dependencies(database, entry.dump_id, &present);
        }
    }
}

/// Returns what an object depends on in the archive, looking through objects that are not in it.
///
/// The walk keeps its own stack, because chains of objects may be as long as the database.
fn present_dependencies(database: &Database, id: DumpId, present: &HashSet<DumpId>) -> Vec<DumpId> {
    let mut found = Vec::new();
    let mut path = vec![(id, 0)];
    while let Some((id, next)) = path.last_mut() {
        let Some(&dependency) = database.object(*id).dependencies.get(*next) else {
            path.pop();
            continue;
        };
        *next += 1;
        let is_boundary = matches!(
            database.object(dependency).kind,
            Kind::PreDataBoundary | Kind::PostDataBoundary
        );
        if present.contains(&dependency) {
            found.push(dependency);
        } else if !is_boundary && path.iter().all(|&(ancestor, _)| ancestor != dependency) {
            path.push((dependency, 0));
        }
    }
    found
}
