//! Defaults and generation expressions of columns, from `pg_attrdef` (`getTableAttrs` in `pg_dump.c`).

use super::inheritance::interesting_oids;
use super::{Reader, inconsistent, oid_array};
use crate::error::Result;
use crate::model::Kind;
use crate::model::column_default::ColumnDefault;

fn defaults(oids: &str) -> String {
    format!(
        "select d.tableoid, d.oid, d.adrelid, d.adnum, pg_catalog.pg_get_expr(d.adbin, d.adrelid) as expression
        from pg_catalog.unnest({oids}) as wanted(oid)
        join pg_catalog.pg_attrdef d on d.adrelid = wanted.oid
        order by d.adrelid, d.adnum"
    )
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
    for row in rows.iter() {
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
        let default = ColumnDefault {
            table: id,
            column: number,
            expression: row.text("expression")?.to_owned(),
            separate,
        };
        let default = reader.add_part(&row, name, id, wanted, Kind::ColumnDefault(default))?;
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
