//! What the INSERT statements of each table look like: asked of the server, because a value's form
//! follows the type that its column has below its domains.

use std::collections::HashMap;

use super::options::DumpOptions;
use super::plan::PlannedTable;
use crate::connect::Session;
use crate::ddl::inserts::{InsertColumn, InsertShape, MultiByte, ValueClass};
use crate::ddl::{Inserts, partition_root};
use crate::error::Result;
use crate::model::{Database, Kind, Object, Oid};

/// The columns whose values are not written as strings, with the name of the type below all domains.
///
/// The types are those of `dumpTableData_insert`, which asks for them by oid.
const CLASSES: &str = "with recursive types as (
        select a.attrelid, a.attname, t.oid, t.typtype, t.typbasetype
        from pg_catalog.pg_attribute a
        join pg_catalog.pg_type t on t.oid = a.atttypid
        where a.attrelid = any ('{OIDS}'::pg_catalog.oid[]) and a.attnum > 0
        union all
        select d.attrelid, d.attname, t.oid, t.typtype, t.typbasetype
        from types d join pg_catalog.pg_type t on t.oid = d.typbasetype
        where d.typtype = 'd'
    )
    select attrelid, attname, case
            when oid = any ('{20,21,23,26,700,701,1700}'::pg_catalog.oid[]) then 'n'
            when oid = 16 then 'b' else 'v' end as class
    from types
    where oid = any ('{16,20,21,23,26,700,701,1700,1560,1562}'::pg_catalog.oid[])";

/// Gives every table the shape of its statements.
pub(super) async fn read(
    session: &Session,
    database: &Database,
    options: &DumpOptions,
    inserts: Inserts,
    tables: &mut [PlannedTable],
) -> Result<()> {
    let oid = |table: &PlannedTable| -> Option<Oid> {
        Some(table_object(database, table)?.catalog_id.oid)
    };
    let oids: Vec<String> =
        tables.iter().filter_map(|table| Some(oid(table)?.to_string())).collect();
    if oids.is_empty() {
        return Ok(());
    }
    let mut classes: HashMap<Oid, HashMap<String, ValueClass>> = HashMap::new();
    let query = CLASSES.replace("{OIDS}", &format!("{{{}}}", oids.join(",")));
    for row in &session.query("read the types of columns", &query).await? {
        let class = match row.character("class")? {
            'n' => ValueClass::Number,
            'b' => ValueClass::Boolean,
            _ => ValueClass::Bits,
        };
        let of_table = classes.entry(row.oid("attrelid")?).or_default();
        of_table.insert(row.text("attname")?.to_owned(), class);
    }
    for planned in tables {
        let classes = oid(planned).and_then(|oid| classes.get(&oid));
        planned.insert = shape(database, options, inserts, planned, classes);
        // A statement of several rows must not end where a range of pages does.
        planned.size.divisible = false;
    }
    Ok(())
}

fn table_object<'a>(database: &'a Database, planned: &PlannedTable) -> Option<&'a Object> {
    match &database.object(planned.dump_id).kind {
        Kind::TableData { table, .. } => Some(database.object(*table)),
        _ => None,
    }
}

fn shape(
    database: &Database,
    options: &DumpOptions,
    inserts: Inserts,
    planned: &PlannedTable,
    classes: Option<&HashMap<String, ValueClass>>,
) -> Option<InsertShape> {
    let object = table_object(database, planned)?;
    let table = database.table(object.id)?;
    let target = partition_root(database, table, options.load_via_partition_root).unwrap_or(object);
    let quoting = options.quoting;
    let mut columns = Vec::new();
    let mut names = Vec::new();
    for column in table.columns.iter().filter(|column| !column.dropped) {
        if column.generated == ' ' {
            let class = classes.and_then(|classes| classes.get(&column.name)).copied();
            columns.push(InsertColumn::Read(class.unwrap_or(ValueClass::Text)));
        } else if inserts.columns {
            continue;
        } else {
            columns.push(InsertColumn::Default);
        }
        names.push(quoting.identifier(&column.name));
    }
    Some(InsertShape {
        table: quoting.qualified(target.schema.as_deref().unwrap_or_default(), &target.name),
        columns,
        names,
        overrides_identity: table
            .columns
            .iter()
            .any(|column| !column.dropped && column.identity == 'a'),
        inserts,
        standard_strings: database.facts.standard_conforming_strings,
        encoding: MultiByte::of_encoding(&database.facts.encoding),
    })
}
