//! Sequences and their values, from `pg_sequence` and the sequences themselves (`collectSequences` in
//! `pg_dump.c`).
//!
//! Values are not part of the snapshot: they are read last and may lie ahead of the rows, never behind.

use std::collections::HashMap;

use super::{Reader, inconsistent};
use crate::connect::Row;
use crate::error::{Error, ErrorKind, Result};
use crate::model::sequence::Sequence;
use crate::model::{DumpId, Kind, Oid};
use crate::sql::qualified;

/// How many sequences one query reads where it must name each of them: the server plans every arm.
const SEQUENCES_PER_QUERY: usize = 200;

fn parameters(with_values: bool) -> String {
    let (columns, from) = if with_values {
        (", v.last_value, v.is_called", ", pg_catalog.pg_get_sequence_data(s.seqrelid) v")
    } else {
        ("", "")
    };
    format!(
        "select s.seqrelid, pg_catalog.format_type(s.seqtypid, null) as type_name, s.seqstart,
            s.seqincrement, s.seqmax, s.seqmin, s.seqcache, s.seqcycle{columns}
        from pg_catalog.pg_sequence s{from}
        order by s.seqrelid"
    )
}

pub(super) async fn read_sequences(reader: &mut Reader<'_>) -> Result<()> {
    let values = reader.options.data || reader.options.sequence_values;
    let by_function = values && reader.version().has_sequence_data_function();
    let sql = parameters(by_function);
    let rows = reader.session.query("read sequences", &sql).await?;
    for row in rows.iter() {
        let Some(&id) = reader.tables.get(&row.oid("seqrelid")?) else { continue };
        let sequence = sequence(&row)?;
        if let Some(table) = reader.database.table_mut(id) {
            table.sequence = Some(sequence);
        }
    }
    if values && !by_function {
        read_values(reader).await?;
    }
    if values {
        check_values(reader)?;
    }
    Ok(())
}

fn sequence(row: &Row<'_>) -> Result<Sequence> {
    Ok(Sequence {
        type_name: row.text("type_name")?.to_owned(),
        start: row.integer("seqstart")?,
        increment: row.integer("seqincrement")?,
        maximum: row.integer("seqmax")?,
        minimum: row.integer("seqmin")?,
        cache: row.integer("seqcache")?,
        cycle: row.boolean("seqcycle")?,
        value: match row.optional("last_value") {
            None => None,
            Some(_) => Some((row.integer("last_value")?, row.boolean("is_called")?)),
        },
    })
}

/// Returns the sequences whose values are dumped.
fn valued(reader: &Reader<'_>) -> Vec<(Oid, DumpId)> {
    let objects = reader.database.objects().iter();
    objects
        .filter_map(|object| match object.kind {
            Kind::SequenceSet { table } => {
                Some((reader.database.object(table).catalog_id.oid, table))
            }
            _ => None,
        })
        .collect()
}

/// Reads the values of servers before 18 from the sequences themselves, many to a query.
///
/// The view `pg_sequences` would be one short query, but it hides the value of a sequence that was set
/// and not used since.
async fn read_values(reader: &mut Reader<'_>) -> Result<()> {
    let sequences: HashMap<Oid, DumpId> = valued(reader).into_iter().collect();
    let mut oids: Vec<Oid> = sequences.keys().copied().collect();
    oids.sort();
    for batch in oids.chunks(SEQUENCES_PER_QUERY) {
        let arms: Vec<String> = batch
            .iter()
            .map(|oid| {
                let object = reader.database.object(sequences[oid]);
                let name = qualified(object.schema.as_deref().unwrap_or_default(), &object.name);
                format!("select {oid}::pg_catalog.oid as oid, last_value, is_called from {name}")
            })
            .collect();
        let sql = arms.join("\nunion all ");
        let rows = reader.session.query("read the values of sequences", &sql).await?;
        for row in rows.iter() {
            let Some(&id) = sequences.get(&row.oid("oid")?) else { continue };
            let value = (row.integer("last_value")?, row.boolean("is_called")?);
            if let Some(sequence) = reader.database.table_mut(id).and_then(|t| t.sequence.as_mut())
            {
                sequence.value = Some(value);
            }
        }
    }
    Ok(())
}

/// Refuses a dump that would lack a sequence's value: `pg_get_sequence_data` gives nothing where the
/// role may not read.
fn check_values(reader: &Reader<'_>) -> Result<()> {
    for (_, id) in valued(reader) {
        let object = reader.database.object(id);
        let name = qualified(object.schema.as_deref().unwrap_or_default(), &object.name);
        match reader.database.table(id).and_then(|table| table.sequence.as_ref()) {
            None => return Err(inconsistent(format!("sequence {name} has no parameters"))),
            Some(sequence) if sequence.value.is_none() => {
                return Err(Error::new(
                    ErrorKind::Refused,
                    format!("could not read the value of sequence {name}"),
                )
                .with_hint(format!(
                    "grant SELECT on it to the role, or leave its value out with --exclude-table-data={name}"
                )));
            }
            Some(_) => {}
        }
    }
    Ok(())
}
