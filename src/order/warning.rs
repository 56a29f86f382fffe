//! What a sort tells whoever dumps: loops that no rule repairs (`repairDependencyLoop` and
//! `describeDumpableObject` in `pg_dump_sort.c`).

use std::fmt;

use crate::model::{Database, DumpId, Kind};

/// Something that a person should know about the order of a dump.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    line: String,
    as_pg_dump: String,
}

/// What pg_dump advises when foreign keys form a circle.
const ADVICE: &str = "
hint: You might not be able to restore the dump without using --disable-triggers or temporarily dropping the constraints.
hint: Consider using a full dump instead of a --data-only dump to avoid this problem.";

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)
    }
}

impl From<String> for Warning {
    fn from(line: String) -> Warning {
        Warning { as_pg_dump: line.clone(), line }
    }
}

impl Warning {
    /// Returns pg_dump's words, whose second and later lines begin with `detail: ` or `hint: `.
    pub fn as_pg_dump(&self) -> &str {
        &self.as_pg_dump
    }

    /// The rows of these tables refer to each other.
    pub(super) fn circular_keys(database: &Database, tables: &[DumpId]) -> Warning {
        let which = if tables.len() == 1 { "on this table" } else { "among these tables" };
        let mut as_pg_dump = format!("there are circular foreign-key constraints {which}:");
        for &table in tables {
            as_pg_dump.push_str(&format!("\ndetail: {}", database.object(table).name));
        }
        as_pg_dump.push_str(ADVICE);
        let line = format!(
            "there are circular foreign-key constraints among these tables: {}; the dump may not be \
             restorable without --disable-triggers or dropping the constraints for a while, a full dump avoids this",
            names(database, tables)
        );
        Warning { line, as_pg_dump }
    }

    /// These objects need each other, and the loop was cut somewhere.
    pub(super) fn unresolved(database: &Database, members: &[DumpId]) -> Warning {
        let told = "could not resolve dependency loop among these items:";
        let mut as_pg_dump = told.to_owned();
        for &member in members {
            as_pg_dump.push_str(&format!("\ndetail: {}", describe(database, member)));
        }
        Warning { line: format!("{told} {}", names(database, members)), as_pg_dump }
    }
}

fn names(database: &Database, members: &[DumpId]) -> String {
    let names: Vec<String> = members
        .iter()
        .map(|&id| {
            let object = database.object(id);
            match &object.schema {
                Some(schema) => format!("{schema}.{}", object.name),
                None => object.name.clone(),
            }
        })
        .collect();
    names.join(", ")
}

/// Describes an object as pg_dump does, apart from casts and transforms, which it names by oids.
fn describe(database: &Database, id: DumpId) -> String {
    let object = database.object(id);
    let name = &object.name;
    let named = |kind: &str| format!("{kind} {name} ");
    // One blank or two before the parenthesis: the authority is not of one mind.
    let what = match &object.kind {
        Kind::Schema(_) => named("SCHEMA"),
        Kind::Extension(_) => named("EXTENSION"),
        Kind::Type(_) => named("TYPE"),
        Kind::ShellType { .. } => named("SHELL TYPE"),
        Kind::Function(_) => named("FUNCTION"),
        Kind::Aggregate(_) => named("AGGREGATE"),
        Kind::Operator(_) => named("OPERATOR"),
        Kind::AccessMethod(_) => named("ACCESS METHOD"),
        Kind::OperatorClass(_) => named("OPERATOR CLASS"),
        Kind::OperatorFamily(_) => named("OPERATOR FAMILY"),
        Kind::Collation(_) => named("COLLATION"),
        Kind::Conversion(_) => named("CONVERSION"),
        Kind::Table(_) => named("TABLE"),
        Kind::TableAttach(_) => named("TABLE ATTACH"),
        Kind::ColumnDefault(default) => {
            let table = database.table(default.table);
            let columns = table.map_or(&[][..], |table| table.columns.as_slice());
            let column = columns.iter().find(|column| column.number == default.column);
            format!("ATTRDEF {name}.{} ", column.map_or("", |column| column.name.as_str()))
        }
        Kind::Index(_) => named("INDEX"),
        Kind::IndexAttach(_) => named("INDEX ATTACH"),
        Kind::Statistics(_) => named("STATISTICS"),
        Kind::Rule(_) => named("RULE"),
        Kind::Trigger(_) => named("TRIGGER"),
        Kind::Constraint(_) => named("CONSTRAINT"),
        Kind::ForeignKey(_) => named("FK CONSTRAINT"),
        Kind::TableData { .. } => named("TABLE DATA"),
        Kind::SequenceSet { .. } => named("SEQUENCE SET"),
        Kind::LargeObjects(_) => "LARGE OBJECT ".to_owned(),
        Kind::LargeObjectData { .. } => "LARGE OBJECT DATA ".to_owned(),
        Kind::Language(_) => named("PROCEDURAL LANGUAGE"),
        Kind::Cast(_) => named("CAST"),
        Kind::Transform(_) => named("TRANSFORM"),
        Kind::TextSearchParser(_) => named("TEXT SEARCH PARSER"),
        Kind::TextSearchDictionary(_) => named("TEXT SEARCH DICTIONARY"),
        Kind::TextSearchTemplate(_) => named("TEXT SEARCH TEMPLATE"),
        Kind::TextSearchConfiguration(_) => named("TEXT SEARCH CONFIGURATION"),
        Kind::ForeignDataWrapper(_) => named("FOREIGN DATA WRAPPER"),
        Kind::ForeignServer(_) => named("FOREIGN SERVER"),
        Kind::DummyType => named("DUMMY TYPE"),
        Kind::PreDataBoundary => "PRE-DATA BOUNDARY ".to_owned(),
        Kind::PostDataBoundary => "POST-DATA BOUNDARY ".to_owned(),
        Kind::Policy(_) => "POLICY".to_owned(),
        Kind::DefaultAcl(_) => named("DEFAULT ACL"),
        Kind::EventTrigger(_) => format!("EVENT TRIGGER {name}"),
        Kind::Publication(_) => "PUBLICATION".to_owned(),
        Kind::PublicationTable(_) => "PUBLICATION TABLE".to_owned(),
        Kind::PublicationSchema(_) => "PUBLICATION TABLES IN SCHEMA".to_owned(),
        Kind::Subscription(_) => "SUBSCRIPTION".to_owned(),
        Kind::SubscriptionTable(_) => "SUBSCRIPTION TABLE".to_owned(),
        Kind::RelationStatistics(_) => named("RELATION STATISTICS FOR"),
        Kind::MatviewRefresh { .. } => named("REFRESH MATERIALIZED VIEW"),
    };
    let has_oid = !matches!(
        object.kind,
        Kind::TableAttach(_)
            | Kind::IndexAttach(_)
            | Kind::LargeObjectData { .. }
            | Kind::PreDataBoundary
            | Kind::PostDataBoundary
    );
    if has_oid {
        format!("{what} (ID {} OID {})", id.0, object.catalog_id.oid)
    } else {
        format!("{what} (ID {})", id.0)
    }
}
