//! Columns and the privileges on them, from `pg_attribute` (`getTableAttrs`, `getAdditionalACLs` and
//! `dumpTable` in `pg_dump.c`).

use std::collections::HashMap;
use std::sync::Arc;

use super::inheritance::interesting_oids;
use super::{Reader, inconsistent, oid_array};
use crate::connect::Row;
use crate::error::Result;
use crate::model::acl::Acl;
use crate::model::table::{Column, NotNull, RareColumn};
use crate::model::{Components, Kind, Oid, ServerVersion};

/// Returns the query for the columns of relations.
///
/// The option `pg_attver`, which servers keep for themselves since the minor releases of November 2026
/// (15.20), is left out as in the pg_dump of these releases: no server takes it from a script, and
/// it is another in every database. pg_dump 18.6 does not know it and prints it.
///
/// What few columns have is looked up for these alone: as further joins it doubled the time, because the server
/// then no longer reads the columns in the order of their index.
fn columns(version: ServerVersion, oids: &str) -> String {
    let compression = if version.has_column_compression() { "a.attcompression" } else { "''" };
    let (not_null, constraints) = if version.has_table_not_null_constraints() {
        (
            "case when not co.convalidated then co.oid end as not_null_oid, co.conname as not_null_name,
            co.connoinherit as not_null_no_inherit, co.conislocal as not_null_local,
            co.convalidated as not_null_valid, pt.description as not_null_comment",
            "left join pg_catalog.pg_constraint co on co.conrelid = a.attrelid and co.contype = 'n'
                and co.conkey[1] = a.attnum
            left join pg_catalog.pg_description pt
                on pt.classoid = 'pg_catalog.pg_constraint'::pg_catalog.regclass and pt.objoid = co.oid
                and pt.objsubid = 0 and co.convalidated",
        )
    } else {
        ("a.attnotnull", "")
    };
    format!(
        "select a.attrelid::pg_catalog.int4, a.attnum, a.attname, a.attisdropped, a.attislocal, a.attidentity,
            a.attgenerated, a.attstattarget, a.attstorage, t.typstorage,
            {compression} as attcompression,
            case when a.atttypid <> 0 then pg_catalog.format_type(a.atttypid, a.atttypmod) end as type_name,
            case when a.attoptions is not null then pg_catalog.array_to_string(array(
                select o from pg_catalog.unnest(a.attoptions) o
                where not pg_catalog.starts_with(o, 'pg_attver=')), ', ') end as options,
            case when a.attfdwoptions is not null then pg_catalog.array_to_string(array(
                select pg_catalog.quote_ident(option_name) || ' ' || pg_catalog.quote_literal(option_value)
                from pg_catalog.pg_options_to_table(a.attfdwoptions)
                order by option_name), E',\\n    ') end as fdw_options,
            case when a.attcollation <> t.typcollation then (
                select cn.nspname from pg_catalog.pg_collation c
                join pg_catalog.pg_namespace cn on cn.oid = c.collnamespace
                where c.oid = a.attcollation) end as collation_schema,
            case when a.attcollation <> t.typcollation then (
                select c.collname from pg_catalog.pg_collation c
                where c.oid = a.attcollation) end as collation_name,
            {not_null}
        from pg_catalog.unnest({oids}) as wanted(oid)
        join pg_catalog.pg_attribute a on a.attrelid = wanted.oid
        left join pg_catalog.pg_type t on t.oid = a.atttypid
        {constraints}
        where a.attnum > 0
        order by a.attrelid, a.attnum"
    )
}

/// Returns the question about the columns of the relations that matter, if there are such relations.
pub(super) fn question(reader: &Reader<'_>) -> Option<String> {
    let oids = interesting_oids(reader, |table| table.relkind != 'S');
    (!oids.is_empty()).then(|| columns(reader.version(), &oid_array(oids)))
}

pub(super) async fn read_columns(reader: &mut Reader<'_>) -> Result<()> {
    let Some(sql) = question(reader) else { return Ok(()) };
    let rows = reader.ask("read columns", &sql).await?;
    let mut type_names = HashMap::new();
    for row in rows.iter() {
        let Some(&id) = reader.tables.get(&row.oid("attrelid")?) else { continue };
        let invalid_not_null = row.optional("not_null_valid") == Some("f");
        if invalid_not_null && reader.options.schema {
            reader.invalid_not_nulls.push(row.oid("not_null_oid")?);
        }
        let names_inherited = reader.options.binary_upgrade;
        let object = reader.database.object_mut(id);
        let (relation, Kind::Table(table)) = (&object.name, &mut object.kind) else { continue };
        let names_inherited = names_inherited && !table.is_partition;
        let column = column(&row, relation, names_inherited, &mut type_names)?;
        if usize::try_from(column.number) != Ok(table.columns.len() + 1) {
            return Err(inconsistent(format!("the columns of relation {relation} have gaps")));
        }
        table.columns.push(column);
    }
    drop(type_names);
    drop(rows);
    // Room for more is of no use any more, and of 20,000 tables it is as much as the columns themselves.
    for object in reader.database.objects_mut() {
        if let Kind::Table(table) = &mut object.kind {
            table.columns.shrink_to_fit();
        }
    }
    Ok(())
}

/// Reads one column; `type_names` are those that were met before.
fn column<'r>(
    row: &Row<'r>,
    relation: &str,
    names_inherited: bool,
    type_names: &mut HashMap<&'r str, Arc<str>>,
) -> Result<Column> {
    let name = row.text("attname")?.to_owned();
    let dropped = row.boolean("attisdropped")?;
    let storage = row.character("attstorage")?;
    let type_name = row.optional("type_name").unwrap_or_default();
    let type_name = Arc::clone(type_names.entry(type_name).or_insert_with(|| type_name.into()));
    Ok(Column {
        number: row.integer("attnum")?,
        dropped,
        type_name,
        local: row.boolean("attislocal")?,
        identity: row.character("attidentity")?,
        generated: row.character("attgenerated")?,
        statistics_target: match row.optional("attstattarget") {
            None => None,
            Some(_) => Some(row.integer::<i32>("attstattarget")?).filter(|target| *target >= 0),
        },
        storage,
        type_storage: if dropped { storage } else { row.character("typstorage")? },
        compression: row.character("attcompression")?,
        rare: rare(row),
        not_null: not_null(row, relation, &name, names_inherited)?,
        default: None,
        name,
    })
}

fn rare(row: &Row<'_>) -> Option<Box<RareColumn>> {
    let text = |column: &str| row.optional(column).unwrap_or_default().to_owned();
    let rare = RareColumn {
        options: text("options"),
        fdw_options: text("fdw_options"),
        collation: row
            .optional("collation_schema")
            .zip(row.optional("collation_name"))
            .map(|(schema, name)| (schema.to_owned(), name.to_owned())),
    };
    (rare != RareColumn::default()).then(|| Box::new(rare))
}

/// Returns the valid not-null constraint of a column.
///
/// Its name is kept only when a restore would choose another one, when a comment refers to it, or, with
/// `names_inherited`, when it comes from a parent. The
/// comparison is with the plain text of the usual name, as in pg_dump: where the server shortened or
/// numbered the name, it is printed.
fn not_null(
    row: &Row<'_>,
    relation: &str,
    column: &str,
    names_inherited: bool,
) -> Result<Option<NotNull>> {
    if let Some(not_null) = row.optional("attnotnull") {
        let constraint = NotNull { local: true, ..NotNull::default() };
        return Ok((not_null == "t").then_some(constraint));
    }
    let Some(name) = row.optional("not_null_name") else { return Ok(None) };
    if !row.boolean("not_null_valid")? {
        return Ok(None);
    }
    let comment = row.optional("not_null_comment");
    let is_usual = name
        .strip_prefix(relation)
        .and_then(|rest| rest.strip_prefix('_')?.strip_prefix(column))
        .is_some_and(|rest| rest == "_not_null");
    let local = row.boolean("not_null_local")?;
    let is_named = comment.is_some() || !is_usual || names_inherited && !local;
    Ok(Some(NotNull {
        name: is_named.then(|| name.into()),
        local,
        no_inherit: row.boolean("not_null_no_inherit")?,
        comment: comment.map(|comment| Box::new((name.to_owned(), comment.to_owned()))),
    }))
}

/// The columns that have privileges, system columns included, with those that `initdb` or an
/// extension's script gave them.
pub(super) const PRIVILEGES: &str = "select a.attrelid, a.attnum, a.attname, a.attacl, p.privtype, p.initprivs
    from (select attrelid, attnum from pg_catalog.pg_attribute where attacl is not null
        union select objoid, objsubid from pg_catalog.pg_init_privs
        where classoid = 'pg_catalog.pg_class'::pg_catalog.regclass and objsubid <> 0) as with_privileges
    join pg_catalog.pg_attribute a using (attrelid, attnum)
    left join pg_catalog.pg_init_privs p on p.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass
        and p.objoid = a.attrelid and p.objsubid = a.attnum
    where not a.attisdropped
    order by a.attrelid, a.attnum";

pub(super) async fn read_column_acls(reader: &mut Reader<'_>) -> Result<()> {
    if !reader.options.privileges {
        return Ok(());
    }
    let rows = reader.ask("read privileges on columns", PRIVILEGES).await?;
    let mut privileges: HashMap<Oid, Vec<(i32, String, Acl)>> = HashMap::new();
    for row in rows.iter() {
        let acl = Acl {
            current: row.optional("attacl").map(str::to_owned),
            default: Some("{}".to_owned()),
            initial: row.optional("initprivs").map(str::to_owned),
            initial_kind: row.optional("privtype").and_then(|kind| kind.chars().next()),
        };
        let entry = (row.integer("attnum")?, row.text("attname")?.to_owned(), acl);
        privileges.entry(row.oid("attrelid")?).or_default().push(entry);
    }
    for (oid, acls) in privileges {
        let Some(&id) = reader.tables.get(&oid) else { continue };
        reader.database.object_mut(id).available |= Components::ACL;
        if let Some(table) = reader.database.table_mut(id) {
            table.column_acls = acls;
        }
    }
    Ok(())
}
