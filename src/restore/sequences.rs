//! Sequences that lie behind the column they feed: found, and moved in the direction they count.
//!
//! A dump reads sequences after its snapshot, so they are normally ahead. One that lies behind (rows
//! inserted with explicit values, an archive from elsewhere) gives a duplicate key at the next insert.

use super::report::SequenceFinding;
use crate::connect::{Row, Session};
use crate::error::Result;
use crate::sql::{qualified, quote_identifier};

const OWNED_SEQUENCES: &str = "
select sn.nspname as sequence_schema, s.relname as sequence_name,
       tn.nspname as table_schema, t.relname as table_name, a.attname as column_name,
       q.seqincrement as increment, q.seqmin as minimum, q.seqmax as maximum, q.seqcycle as cycles
from pg_catalog.pg_depend d
join pg_catalog.pg_class s on s.oid = d.objid and s.relkind = 'S'
join pg_catalog.pg_namespace sn on sn.oid = s.relnamespace
join pg_catalog.pg_sequence q on q.seqrelid = s.oid
join pg_catalog.pg_class t on t.oid = d.refobjid and t.relkind in ('r', 'p')
join pg_catalog.pg_namespace tn on tn.oid = t.relnamespace
join pg_catalog.pg_attribute a on a.attrelid = t.oid and a.attnum = d.refobjsubid
join pg_catalog.pg_type y on y.oid = a.atttypid
where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
  and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
  and d.deptype in ('a', 'i') and d.refobjsubid > 0
  and y.oid in ('pg_catalog.int2'::pg_catalog.regtype, 'pg_catalog.int4'::pg_catalog.regtype,
                'pg_catalog.int8'::pg_catalog.regtype)
order by 1, 2";

/// Moves every sequence that lies behind the column it belongs to, and returns those found behind.
pub(super) async fn fix(session: &Session) -> Result<Vec<SequenceFinding>> {
    let owned = session.query("list the sequences", OWNED_SEQUENCES).await?;
    let mut findings = Vec::new();
    for row in &owned {
        if let Some(finding) = fix_one(session, row).await? {
            findings.push(finding);
        }
    }
    Ok(findings)
}

async fn fix_one(session: &Session, row: Row<'_>) -> Result<Option<SequenceFinding>> {
    let sequence = qualified(row.text("sequence_schema")?, row.text("sequence_name")?);
    let table = qualified(row.text("table_schema")?, row.text("table_name")?);
    let column = quote_identifier(row.text("column_name")?);
    let increment: i64 = row.integer("increment")?;
    let upwards = increment > 0;
    let outermost = if upwards { "max" } else { "min" };
    let purpose = format!("compare sequence {sequence} with its column");
    let values = session
        .query(
            &purpose,
            &format!(
                "select last_value, is_called, (select pg_catalog.{outermost}({column}) from {table}) as outermost from {sequence}"
            ),
        )
        .await?;
    let values = values.single()?;
    if values.is_null("outermost")? {
        return Ok(None);
    }
    let column_value: i64 = values.integer("outermost")?;
    let last_value: i64 = values.integer("last_value")?;
    let next_value = if values.boolean("is_called")? {
        last_value.saturating_add(increment)
    } else {
        last_value
    };
    let behind = if upwards { next_value <= column_value } else { next_value >= column_value };
    if !behind {
        return Ok(None);
    }
    // A cycling sequence is meant to come round again, and a value outside the limits cannot be set.
    let within =
        (row.integer::<i64>("minimum")?..=row.integer::<i64>("maximum")?).contains(&column_value);
    let moved = within && !row.boolean("cycles")?;
    if moved {
        let literal = crate::sql::quote_literal_for_server(&sequence);
        session
            .execute(
                &format!("move sequence {sequence}"),
                &format!("select pg_catalog.setval({literal}, {column_value}, true)"),
            )
            .await?;
    }
    Ok(Some(SequenceFinding {
        sequence,
        column: format!("{table}.{column}"),
        next_value,
        column_value,
        moved,
    }))
}
