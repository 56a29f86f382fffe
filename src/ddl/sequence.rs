//! Sequences, their ownership and their values (`dumpSequence`, `dumpSequenceData` in `pg_dump.c`).

use super::{Fidelity, Writer};
use crate::error::{Error, ErrorKind, Result};
use crate::model::sequence::{OwningColumn, Sequence};
use crate::model::table::Table;
use crate::model::{CatalogId, Components, DumpId, Object, Section};

/// Writes the definition of a sequence, who owns it, its comment and labels; privileges are the caller's.
pub(super) fn create_sequence(writer: &mut Writer<'_>, object: &Object, table: &Table) {
    let Some(sequence) = &table.sequence else { return };
    let owner = table.owned_by.as_ref().and_then(|owned| {
        let class = object.catalog_id.class;
        let id = writer.database.find(CatalogId { class, oid: owned.table })?;
        Some((owned, writer.database.object(id), writer.database.table(id)?))
    });
    let name = writer.qualified(object);
    let mut entry = writer.entry(object, "SEQUENCE", &object.name, Section::PreData);
    match owner {
        Some((owned, owning, relation)) if owned.identity => {
            entry.definition = identity(writer, &name, table, sequence, owned, owning, relation);
            // It comes and goes with its column.
            entry.drop_statement = Some(String::new());
        }
        _ => {
            entry.definition = plain(&name, table, sequence);
            entry.drop_statement = Some(format!("DROP SEQUENCE {name};\n"));
        }
    }
    writer.push(entry);
    if let Some((owned, owning, relation)) = owner
        && !owned.identity
        && owning.emits(Components::DEFINITION)
    {
        let column = column_name(relation, owned.column);
        let mut entry = writer.entry(object, "SEQUENCE OWNED BY", &object.name, Section::PreData);
        entry.dump_id = writer.next_id();
        entry.catalog_id = CatalogId::default();
        entry.definition = format!(
            "ALTER SEQUENCE {name} OWNED BY {}.{};\n",
            writer.qualified(owning),
            writer.identifier(column)
        );
        entry.dependencies = vec![object.id];
        writer.push(entry);
    }
    let target = writer.target(object, "SEQUENCE");
    writer.comment(object, &target);
    writer.security_labels(object, &target);
}

/// Writes the value of a sequence.
///
/// # Errors
///
/// When the value could not be read, for lack of the privilege or because the sequence is gone.
pub(super) fn set_sequence(writer: &mut Writer<'_>, sequence: DumpId) -> Result<()> {
    if !writer.options.data && !writer.options.sequence_values {
        return Ok(());
    }
    let object = writer.database.object(sequence);
    let name = writer.qualified(object);
    let value = writer
        .database
        .table(sequence)
        .and_then(|table| table.sequence.as_ref())
        .and_then(|sequence| sequence.value);
    let Some((last_value, is_called)) = value else {
        return Err(Error::new(
            ErrorKind::Refused,
            format!("could not read the value of sequence {name}"),
        )
        .with_hint(format!(
            "grant SELECT on it: GRANT SELECT ON SEQUENCE {name} TO the dumping role"
        )));
    };
    let mut entry = writer.entry(object, "SEQUENCE SET", &object.name, Section::Data);
    entry.dump_id = writer.next_id();
    entry.catalog_id = CatalogId::default();
    entry.definition = format!(
        "SELECT pg_catalog.setval({}, {last_value}, {is_called});\n",
        writer.literal(&name)
    );
    entry.dependencies = vec![sequence];
    writer.push(entry);
    Ok(())
}

fn plain(name: &str, table: &Table, sequence: &Sequence) -> String {
    let unlogged = if table.persistence == 'u' { "UNLOGGED " } else { "" };
    let mut text = format!("CREATE {unlogged}SEQUENCE {name}\n");
    if sequence.type_name != "bigint" {
        text.push_str(&format!("    AS {}\n", sequence.type_name));
    }
    text.push_str(&parameters(sequence));
    text.push_str(";\n");
    text
}

/// The sequence of an identity column is made by altering the column.
fn identity(
    writer: &Writer<'_>,
    name: &str,
    table: &Table,
    sequence: &Sequence,
    owned: &OwningColumn,
    owning: &Object,
    relation: &Table,
) -> String {
    let column = relation.columns.iter().find(|column| column.number == owned.column);
    let always = column.is_some_and(|column| column.identity == 'a');
    let mut text = format!(
        "ALTER TABLE {} ALTER COLUMN {} ADD GENERATED {} AS IDENTITY (\n    SEQUENCE NAME {name}\n",
        writer.qualified(owning),
        writer.identifier(column_name(relation, owned.column)),
        if always { "ALWAYS" } else { "BY DEFAULT" },
    );
    // Said only where it differs from the table, whose persistence a new sequence takes over.
    // Servers before 15 know no such words, and their sequences are always logged.
    let is_known = writer.database.facts.version.has_unlogged_sequences()
        || writer.options.fidelity == Fidelity::PgDump;
    if table.persistence != relation.persistence && is_known {
        text.push_str(if table.persistence == 'u' { "    UNLOGGED\n" } else { "    LOGGED\n" });
    }
    text.push_str(&parameters(sequence));
    text.push_str("\n);\n");
    text
}

/// Returns the lines that all sequences have, without a newline at the end.
fn parameters(sequence: &Sequence) -> String {
    let (lowest, highest) = match sequence.type_name.as_str() {
        "smallint" => (i64::from(i16::MIN), i64::from(i16::MAX)),
        "integer" => (i64::from(i32::MIN), i64::from(i32::MAX)),
        _ => (i64::MIN, i64::MAX),
    };
    let ascending = sequence.increment >= 0;
    let (default_minimum, default_maximum) = if ascending { (1, highest) } else { (lowest, -1) };
    let limit = |word: &str, value: i64, default: i64| match value == default {
        true => format!("    NO {word}\n"),
        false => format!("    {word} {value}\n"),
    };
    let mut text =
        format!("    START WITH {}\n    INCREMENT BY {}\n", sequence.start, sequence.increment);
    text.push_str(&limit("MINVALUE", sequence.minimum, default_minimum));
    text.push_str(&limit("MAXVALUE", sequence.maximum, default_maximum));
    text.push_str(&format!("    CACHE {}", sequence.cache));
    if sequence.cycle {
        text.push_str("\n    CYCLE");
    }
    text
}

fn column_name(table: &Table, number: i32) -> &str {
    table
        .columns
        .iter()
        .find(|column| column.number == number)
        .map_or("", |column| column.name.as_str())
}
