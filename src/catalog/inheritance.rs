//! Who inherits from whom, and what that changes in the columns of the children, from `pg_inherits`
//! (`flagInhTables`, `flagInhAttrs`, `flagInhIndexes` in `common.c`).

use std::collections::HashMap;

use super::table::mark_interesting;
use super::{Reader, inconsistent};
use crate::error::Result;
use crate::model::column_default::ColumnDefault;
use crate::model::table::{Column, Table, TableAttach};
use crate::model::{Components, DumpId, Kind, Oid};

/// pg_dump takes the rows as they lie; the order of `inhseqno` is the one that a restore must repeat.
pub(super) const QUERY: &str = "select inhrelid, inhparent from pg_catalog.pg_inherits
    order by inhrelid, inhseqno";

/// Reads all pairs of child and parent, relations and indexes.
pub(super) async fn read_inheritance(reader: &mut Reader<'_>) -> Result<()> {
    let rows = reader.ask("read inheritance", QUERY).await?;
    for row in rows.iter() {
        let (child_oid, parent_oid) = (row.oid("inhrelid")?, row.oid("inhparent")?);
        let Some(&child) = reader.tables.get(&child_oid) else {
            reader.index_parents.insert(child_oid, parent_oid);
            continue;
        };
        let Some(&parent) = reader.tables.get(&parent_oid) else {
            return Err(inconsistent(format!(
                "the parent {parent_oid} of relation {} does not exist",
                reader.database.object(child).name
            )));
        };
        reader.inheritance.entry(child).or_default().push(parent);
    }
    Ok(())
}

/// Links the relations that matter to their parents and adds the attachments of partitions.
///
/// Parents of wanted relations become interesting, because what a child prints depends on their columns.
/// A sub-partitioned table that is not wanted itself is linked too: the way from a partition up to its
/// root leads through it.
pub(super) fn add_attachments(reader: &mut Reader<'_>) -> Result<()> {
    for id in relations(reader) {
        let object = reader.database.object(id);
        let Some(table) = reader.database.table(id) else { continue };
        let wanted = object.wanted;
        let is_partition = table.is_partition;
        if matches!(table.relkind, 'S' | 'v' | 'm' | 'c')
            || (wanted.is_empty() && !(table.relkind == 'p' && is_partition))
        {
            continue;
        }
        let name = object.name.clone();
        let parents = reader.inheritance.get(&id).cloned().unwrap_or_default();
        if !wanted.is_empty() {
            for &parent in &parents {
                mark_interesting(reader, parent);
            }
        }
        if let Some(table) = reader.database.table_mut(id) {
            table.parents = parents.clone();
        }
        if is_partition && wanted.contains(Components::DEFINITION) {
            let [parent] = parents[..] else {
                return Err(inconsistent(format!(
                    "partition {name} has {} parents instead of one",
                    parents.len()
                )));
            };
            let attach = Kind::TableAttach(TableAttach { parent, partition: id });
            let attach = reader.add_synthetic(name, id, Components::all(), attach);
            reader.database.depend(attach, id);
            reader.database.depend(attach, parent);
        }
    }
    Ok(())
}

fn relations(reader: &Reader<'_>) -> Vec<DumpId> {
    let objects = reader.database.objects().iter();
    objects.filter(|object| matches!(object.kind, Kind::Table(_))).map(|object| object.id).collect()
}

/// Adjusts what is known of the columns of children: which not-null constraints they print themselves,
/// which need an explicit `DEFAULT NULL` against a parent's default, and which generation expressions
/// come with the parent.
pub(super) fn adjust_columns(reader: &mut Reader<'_>) {
    for id in relations(reader) {
        let Some(table) = reader.database.table(id) else { continue };
        if table.parents.is_empty() || reader.database.object(id).wanted.is_empty() {
            continue;
        }
        let adjustments = Parents::of(reader, table).adjustments(reader, table);
        for (position, adjustment) in adjustments {
            apply(reader, id, position, adjustment);
        }
    }
}

/// The columns of a relation's direct parents by name.
struct Parents<'a>(Vec<HashMap<&'a str, &'a Column>>);

/// What inheritance changes in one column.
enum Adjustment {
    /// Its not-null constraint counts as its own, or does not.
    NotNullIsLocal(bool),
    /// It has no default where a parent has one.
    DefaultNull,
    /// Its generation expression comes with its parents.
    InheritedExpression,
}

impl<'a> Parents<'a> {
    fn of(reader: &'a Reader<'_>, table: &Table) -> Self {
        let parents = table.parents.iter().filter_map(|&parent| reader.database.table(parent));
        Parents(
            parents
                .map(|parent| {
                    parent.columns.iter().map(|column| (column.name.as_str(), column)).collect()
                })
                .collect(),
        )
    }

    fn adjustments(&self, reader: &Reader<'_>, table: &Table) -> Vec<(usize, Adjustment)> {
        let expression = |column: &Column| match column.default.map(|id| reader.database.object(id))
        {
            Some(object) => match &object.kind {
                Kind::ColumnDefault(default) => Some(default.expression.as_str()),
                _ => None,
            },
            None => None,
        };
        // Before 18 a not-null constraint has no row that says whether it is local, so the child's is
        // taken for the parent's; from 18 on it is printed where no parent has a valid one.
        let not_null_is_known = reader.version().has_table_not_null_constraints();
        let mut adjustments = Vec::new();
        for (position, column) in table.columns.iter().enumerate() {
            if column.dropped {
                continue;
            }
            let own = expression(column);
            let mut not_null = false;
            let mut default = false;
            let mut same_expression = false;
            let mut other_expression = false;
            for parent in self.0.iter().filter_map(|parent| parent.get(column.name.as_str())) {
                let expression = expression(parent);
                not_null |= parent.not_null.is_some();
                if parent.generated == ' ' {
                    default |= expression.is_some_and(|expression| expression != "NULL");
                } else if expression.is_some() && expression == own {
                    same_expression = true;
                } else {
                    other_expression = true;
                }
            }
            if not_null_is_known && !not_null {
                adjustments.push((position, Adjustment::NotNullIsLocal(true)));
            }
            if !not_null_is_known && not_null {
                adjustments.push((position, Adjustment::NotNullIsLocal(false)));
            }
            if default && own.is_none() {
                adjustments.push((position, Adjustment::DefaultNull));
            }
            let left_to_parent = !table.is_partition && !table.prints_all_columns;
            if same_expression && !other_expression && left_to_parent {
                adjustments.push((position, Adjustment::InheritedExpression));
            }
        }
        adjustments
    }
}

fn apply(reader: &mut Reader<'_>, id: DumpId, position: usize, adjustment: Adjustment) {
    match adjustment {
        Adjustment::NotNullIsLocal(local) => {
            if let Some(table) = reader.database.table_mut(id)
                && let Some(not_null) = &mut table.columns[position].not_null
            {
                not_null.local = local;
            }
        }
        Adjustment::InheritedExpression => {
            // The column keeps its expression, because its own children are compared with it.
            let column = reader.database.table(id).map(|table| &table.columns[position]);
            if let Some(default) = column.and_then(|column| column.default) {
                reader.database.object_mut(default).wanted = Components::empty();
            }
        }
        Adjustment::DefaultNull => {
            let default = add_default_null(reader, id, position);
            if let Some(table) = reader.database.table_mut(id) {
                table.columns[position].default = default;
            }
        }
    }
}

/// Makes up `DEFAULT NULL`, which keeps a child from taking over its parent's default.
fn add_default_null(reader: &mut Reader<'_>, id: DumpId, position: usize) -> Option<DumpId> {
    let object = reader.database.object(id);
    let (name, wanted) = (object.name.clone(), object.wanted);
    let table = reader.database.table(id)?;
    let column = &table.columns[position];
    let separate = !table.prints_column(column);
    let default =
        ColumnDefault { table: id, column: column.number, expression: "NULL".to_owned(), separate };
    let default = reader.add_synthetic(name, id, wanted, Kind::ColumnDefault(default));
    if separate {
        reader.database.depend(default, id);
    }
    Some(default)
}

/// Returns the oids of the relations of which columns and indexes are read and that pass a test.
pub(super) fn interesting_oids(
    reader: &Reader<'_>,
    mut test: impl FnMut(&Table) -> bool,
) -> Vec<Oid> {
    let objects = reader.database.objects().iter();
    objects
        .filter(
            |object| matches!(&object.kind, Kind::Table(table) if table.interesting && test(table)),
        )
        .map(|object| object.catalog_id.oid)
        .collect()
}
