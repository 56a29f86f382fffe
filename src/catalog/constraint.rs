//! Constraints that no index stands behind, from `pg_constraint` (`getTableAttrs`, `getConstraints` in
//! `pg_dump.c`).
//!
//! Primary keys, unique and exclusion constraints are read with their indexes, valid not-null
//! constraints with their columns.

use super::inheritance::interesting_oids;
use super::{Reader, inconsistent, oid_array};
use crate::connect::Row;
use crate::error::Result;
use crate::model::constraint::{Constraint, ConstraintOwner, ForeignKey};
use crate::model::{Components, DumpId, Kind, Oid};

fn invalid_not_nulls(oids: &str) -> String {
    format!(
        "select c.tableoid, c.oid, c.conrelid, c.conname, c.contype, c.conislocal, c.convalidated,
            pg_catalog.pg_get_constraintdef(c.oid) as definition
        from pg_catalog.unnest({oids}) as wanted(oid)
        join pg_catalog.pg_constraint c on c.oid = wanted.oid
        order by c.conrelid, c.conname"
    )
}

/// Reads the not-null constraints that are not validated (18+) and so follow the data.
pub(super) async fn read_invalid_not_nulls(reader: &mut Reader<'_>) -> Result<()> {
    let oids = std::mem::take(&mut reader.invalid_not_nulls);
    if oids.is_empty() {
        return Ok(());
    }
    let sql = invalid_not_nulls(&oid_array(oids));
    let rows = reader.session.query("read not-null constraints", &sql).await?;
    for row in rows.iter() {
        let Some(&table) = reader.tables.get(&row.oid("conrelid")?) else { continue };
        add(reader, &row, table)?;
    }
    Ok(())
}

fn checks(oids: &str) -> String {
    format!(
        "select c.tableoid, c.oid, c.conrelid, c.conname, c.contype, c.conislocal, c.convalidated,
            pg_catalog.pg_get_constraintdef(c.oid) as definition
        from pg_catalog.unnest({oids}) as wanted(oid)
        join pg_catalog.pg_constraint c on c.conrelid = wanted.oid
        where c.contype = 'c'
        order by c.conrelid, c.conname"
    )
}

fn checked(reader: &Reader<'_>) -> Vec<Oid> {
    if !reader.options.schema {
        return Vec::new();
    }
    interesting_oids(reader, |table| table.check_count > 0)
}

/// Returns the question about checks, if any relation that matters has some.
pub(super) fn check_question(reader: &Reader<'_>) -> Option<String> {
    let oids = checked(reader);
    (!oids.is_empty()).then(|| checks(&oid_array(oids)))
}

pub(super) async fn read_checks(reader: &mut Reader<'_>) -> Result<()> {
    let Some(sql) = check_question(reader) else { return Ok(()) };
    let oids = checked(reader);
    let rows = reader.ask("read check constraints", &sql).await?;
    for row in rows.iter() {
        let Some(&table) = reader.tables.get(&row.oid("conrelid")?) else { continue };
        let check = add(reader, &row, table)?;
        if row.boolean("convalidated")? {
            // What the check needs must come before the table; loop repair undoes it where it cannot.
            reader.database.depend(table, check);
        }
        if let Some(table) = reader.database.table_mut(table) {
            table.checks.push(check);
        }
    }
    for oid in oids {
        let Some(&id) = reader.tables.get(&oid) else { continue };
        let Some(table) = reader.database.table(id) else { continue };
        if usize::try_from(table.check_count) != Ok(table.checks.len()) {
            return Err(inconsistent(format!(
                "relation {} should have {} check constraints and has {}",
                reader.database.object(id).name,
                table.check_count,
                table.checks.len()
            )));
        }
    }
    Ok(())
}

/// Adds a check or not-null constraint of a table.
fn add(reader: &mut Reader<'_>, row: &Row<'_>, table: DumpId) -> Result<DumpId> {
    let constraint = Constraint {
        owner: ConstraintOwner::Table(table),
        contype: row.character("contype")?,
        definition: row.text("definition")?.to_owned(),
        index: None,
        deferrable: false,
        deferred: false,
        period: false,
        local: row.boolean("conislocal")?,
        validated: row.boolean("convalidated")?,
        // One that is not validated may be violated by the rows, so it follows them.
        separate: !row.boolean("convalidated")?,
    };
    let wanted = reader.database.object(table).wanted;
    let name = row.text("conname")?.to_owned();
    reader.add_part(row, name, table, wanted, Kind::Constraint(Box::new(constraint)))
}

/// The clones that a partition gets from its parent's foreign key come with it and are left out.
fn foreign_keys(oids: &str) -> String {
    format!(
        "select c.tableoid, c.oid, c.conrelid, c.conname, c.confrelid, c.conindid,
            pg_catalog.pg_get_constraintdef(c.oid) as definition
        from pg_catalog.unnest({oids}) as wanted(oid)
        join pg_catalog.pg_constraint c on c.conrelid = wanted.oid
        where c.contype = 'f' and c.conparentid = 0
        order by c.conrelid, c.conname"
    )
}

/// Returns the question about foreign keys, if any relation that is dumped may have some.
pub(super) fn foreign_key_question(reader: &Reader<'_>) -> Option<String> {
    let oids: Vec<Oid> = reader
        .database
        .objects()
        .iter()
        .filter(|object| object.wanted.contains(Components::DEFINITION))
        .filter(|object| matches!(&object.kind, Kind::Table(table) if matches!(table.relkind, 'r' | 'p' | 'f')))
        .map(|object| object.catalog_id.oid)
        .collect();
    (!oids.is_empty()).then(|| foreign_keys(&oid_array(oids)))
}

pub(super) async fn read_foreign_keys(reader: &mut Reader<'_>) -> Result<()> {
    let Some(sql) = foreign_key_question(reader) else { return Ok(()) };
    let rows = reader.ask("read foreign keys", &sql).await?;
    for row in rows.iter() {
        let Some(&table) = reader.tables.get(&row.oid("conrelid")?) else { continue };
        let key = ForeignKey {
            table,
            definition: row.text("definition")?.to_owned(),
            referenced: row.oid("confrelid")?,
            referenced_index: row.oid("conindid")?,
        };
        let attachments = attachments_below(reader, key.referenced, key.referenced_index);
        let name = row.text("conname")?.to_owned();
        let id = reader.add_part(&row, name, table, Components::all(), Kind::ForeignKey(key))?;
        for attachment in attachments {
            reader.database.depend(id, attachment);
        }
    }
    Ok(())
}

/// Returns the attachments that complete the index behind a key of a partitioned table: only then can
/// the table be referenced.
fn attachments_below(reader: &Reader<'_>, referenced: Oid, index: Oid) -> Vec<DumpId> {
    let database = &reader.database;
    let table = reader.tables.get(&referenced).and_then(|&id| database.table(id));
    let Some(table) = table.filter(|table| table.relkind == 'p') else { return Vec::new() };
    let found = table.indexes.iter().find(|&&id| database.object(id).catalog_id.oid == index);
    let Some(&index) = found else { return Vec::new() };
    let mut attachments = Vec::new();
    collect_attachments(reader, index, &mut attachments);
    attachments
}

/// Adds the attachments to an index and, behind each, those to the attached index.
fn collect_attachments(reader: &Reader<'_>, index: DumpId, attachments: &mut Vec<DumpId>) {
    let Kind::Index(index) = &reader.database.object(index).kind else { return };
    for &attachment in &index.attached {
        attachments.push(attachment);
        if let Kind::IndexAttach(attach) = &reader.database.object(attachment).kind {
            // Partitions nest as deep as their user made them by hand, so recursion is safe.
            collect_attachments(reader, attach.partition, attachments);
        }
    }
}
