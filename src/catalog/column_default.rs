//! Defaults and generation expressions of columns, from `pg_attrdef` (`getTableAttrs` in `pg_dump.c`).

use std::collections::HashMap;

use super::inheritance::interesting_oids;
use super::{Reader, inconsistent, oid_array};
use crate::connect::Rows;
use crate::error::Result;
use crate::model::column_default::ColumnDefault;
use crate::model::{CatalogId, Kind, Oid};

/// Only an expression that names columns (a generated one) needs its relation, which the server opens and locks
/// for it. The others are asked for without: that takes a quarter of the time, and any session may ask.
fn defaults(oids: &str) -> String {
    format!(
        "select d.oid::pg_catalog.int4, d.adrelid::pg_catalog.int4, d.adnum,
            case when d.adbin::pg_catalog.text not like '%{{VAR %'
                then pg_catalog.pg_get_expr(d.adbin, 0) end as expression
        from pg_catalog.unnest({oids}) as wanted(oid)
        join pg_catalog.pg_attrdef d on d.adrelid = wanted.oid
        order by d.adrelid, d.adnum"
    )
}

/// The expressions that name columns.
fn with_columns(oids: &str) -> String {
    format!(
        "select d.oid, pg_catalog.pg_get_expr(d.adbin, d.adrelid) as expression
        from pg_catalog.unnest({oids}) as wanted(oid)
        join pg_catalog.pg_attrdef d on d.oid = wanted.oid"
    )
}

/// Reads the expressions that the answer about defaults leaves open.
async fn read_open_expressions(reader: &Reader<'_>, rows: &Rows) -> Result<HashMap<Oid, String>> {
    let mut open = Vec::new();
    for row in rows.iter().filter(|row| row.optional("expression").is_none()) {
        open.push(row.oid("oid")?);
    }
    let mut expressions = HashMap::new();
    if open.is_empty() {
        return Ok(expressions);
    }
    let sql = with_columns(&oid_array(open));
    for row in reader.session.query("read expressions of columns", &sql).await?.iter() {
        expressions.insert(row.oid("oid")?, row.text("expression")?.to_owned());
    }
    Ok(expressions)
}

/// Returns the question about the defaults of the relations that matter, if definitions are wanted.
pub(super) fn question(reader: &Reader<'_>) -> Option<String> {
    if !reader.options.schema {
        return None;
    }
    let oids = interesting_oids(reader, |table| table.relkind != 'S');
    (!oids.is_empty()).then(|| defaults(&oid_array(oids)))
}

pub(super) async fn read_defaults(reader: &mut Reader<'_>) -> Result<()> {
    let Some(sql) = question(reader) else { return Ok(()) };
    let rows = reader.ask("read defaults of columns", &sql).await?;
    let mut open = read_open_expressions(reader, &rows).await?;
    for row in rows.iter() {
        let oid = row.oid("oid")?;
        let relation = row.oid("adrelid")?;
        let Some(&id) = reader.tables.get(&relation) else { continue };
        let number: i32 = row.integer("adnum")?;
        let object = reader.database.object(id);
        let wanted = object.wanted;
        let name = object.name.clone();
        let Some(table) = reader.database.table(id) else { continue };
        let position = usize::try_from(number - 1).unwrap_or(usize::MAX);
        let Some(column) = table.columns.get(position) else {
            return Err(inconsistent(format!(
                "relation {name} has a default but no column {number}"
            )));
        };
        if column.dropped {
            continue;
        }
        // A generation expression cannot be added later. Inside a view's CREATE there is no place for a
        // default, nor is there one for a column that is left to inheritance.
        let separate =
            column.generated == ' ' && (table.relkind == 'v' || !table.prints_column(column));
        let expression = match open.remove(&oid) {
            Some(expression) => expression,
            None => row.text("expression")?.to_owned(),
        };
        let default = ColumnDefault { table: id, column: number, expression, separate };
        let place = CatalogId::column_default(oid);
        let default = reader.add_part_at(place, name, id, wanted, Kind::ColumnDefault(default));
        if !separate {
            // What the default needs must come before the table. If that cannot be, the repair of
            // loops makes it a separate one.
            reader.database.depend(id, default);
        }
        if let Some(table) = reader.database.table_mut(id) {
            table.columns[position].default = Some(default);
        }
    }
    Ok(())
}
