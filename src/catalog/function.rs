//! Functions, procedures and window functions, from `pg_proc` (`getFuncs`, `dumpFunc` in `pg_dump.c`).
//!
//! Of the functions in `pg_catalog` only those are read that something of a dump needs: those behind
//! casts and transforms of users, and those whose privileges were changed. Functions that another
//! object brings along, such as the constructors of a range type, depend on it internally and are
//! left out.

use super::type_name::{oid_array, parse_oids};
use super::value::{array, filled, optional};
use super::{Found, Reader};
use crate::error::Result;
use crate::model::function::{Function, FunctionDefinition};
use crate::model::{DumpId, Kind, Oid, ServerVersion};

pub(super) const LIST: &str =
    "select p.tableoid, p.oid, p.proname, p.pronamespace, p.proowner, p.proacl,
        pg_catalog.acldefault('f', p.proowner) as acldefault, p.proargtypes, p.prokind
    from pg_catalog.pg_proc p
    left join pg_catalog.pg_init_privs i
      on i.classoid = 'pg_catalog.pg_proc'::pg_catalog.regclass
        and i.objoid = p.oid and i.objsubid = 0
    where p.prokind <> 'a'
      and not exists (select from pg_catalog.pg_depend d
        where d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
          and d.objid = p.oid and d.deptype = 'i')
      and (p.pronamespace <> 'pg_catalog'::pg_catalog.regnamespace
        or p.proacl is distinct from i.initprivs
        or exists (select from pg_catalog.pg_cast c where c.oid > 16383 and c.castfunc = p.oid)
        or exists (select from pg_catalog.pg_transform t
          where t.oid > 16383 and p.oid in (t.trffromsql, t.trftosql))$members)";

/// Completes a query for functions: those of extensions in `pg_catalog` are wanted one by one, or not at all.
pub(super) fn with_members(reader: &Reader<'_>, query: &str) -> String {
    const MEMBERS: &str = " or exists (select from pg_catalog.pg_depend d
        where d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass and d.objid = p.oid
          and d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass and d.deptype = 'e')";
    query.replace("$members", if reader.options.binary_upgrade { MEMBERS } else { "" })
}

pub(super) async fn read_functions(reader: &mut Reader<'_>) -> Result<()> {
    let sql = with_members(reader, LIST);
    let rows = reader.ask("read functions", &sql).await?;
    let mut arguments = Vec::with_capacity(rows.len());
    for row in rows.iter() {
        arguments.push(parse_oids(row.text("proargtypes")?)?);
    }
    reader.load_type_names(arguments.iter().flatten().copied()).await?;
    let mut wanted = Vec::new();
    for (row, argument_types) in rows.iter().zip(arguments) {
        let found = Found::new(&row, "proname")?
            .in_schema(&row, "pronamespace")?
            .owned(&row, "proowner")?
            .with_acl(&row, "proacl")?;
        let oid = found.catalog_id.oid;
        let in_schema = reader.wanted_in_schema(row.oid("pronamespace")?)?;
        let (argument_type_names, argument_sort_keys) = reader.argument_names(&argument_types)?;
        let function = Function {
            prokind: row.character("prokind")?,
            argument_types,
            argument_type_names,
            argument_sort_keys,
            definition: FunctionDefinition::default(),
            postponed: false,
        };
        let id = reader.add(found, in_schema, Kind::Function(Box::new(function)))?;
        if !reader.database.object(id).emitted().is_empty() {
            wanted.push((oid, id));
        }
    }
    read_definitions(reader, &wanted).await
}

fn definitions(version: ServerVersion) -> String {
    // The function exists on servers with SQL-standard bodies only.
    let sql_body =
        if version.has_sql_bodies() { "pg_catalog.pg_get_function_sqlbody(p.oid)" } else { "null" };
    format!(
        "select p.oid, pg_catalog.pg_get_function_arguments(p.oid) as arguments,
            pg_catalog.pg_get_function_identity_arguments(p.oid) as identity_arguments,
            pg_catalog.pg_get_function_result(p.oid) as result, p.proretset, l.lanname, p.protrftypes,
            p.provolatile, p.proisstrict, p.prosecdef, p.proleakproof, p.procost, p.prorows,
            p.prosupport, p.proparallel, p.proconfig, p.prosrc, p.probin, {sql_body} as sql_body
        from pg_catalog.pg_proc p
        join pg_catalog.pg_language l on l.oid = p.prolang"
    )
}

/// Asks for what only the wanted functions need; the server takes their arguments apart one by one, which
/// is why nothing is asked about the others.
async fn read_definitions(reader: &mut Reader<'_>, wanted: &[(Oid, DumpId)]) -> Result<()> {
    if wanted.is_empty() {
        return Ok(());
    }
    let by_oid: std::collections::HashMap<Oid, DumpId> = wanted.iter().copied().collect();
    let sql = format!(
        "{} where p.oid = any ({})",
        definitions(reader.version()),
        oid_array(wanted.iter().map(|(oid, _)| *oid))
    );
    let rows = reader.session.query("read definitions of functions", &sql).await?;
    let mut transforms = Vec::with_capacity(rows.len());
    for row in rows.iter() {
        transforms.push(parse_oids(row.optional("protrftypes").unwrap_or(""))?);
    }
    reader.load_type_names(transforms.iter().flatten().copied()).await?;
    for (row, transform_types) in rows.iter().zip(transforms) {
        let (transform_types, _) = reader.argument_names(&transform_types)?;
        let definition = FunctionDefinition {
            arguments: row.text("arguments")?.to_owned(),
            identity_arguments: row.text("identity_arguments")?.to_owned(),
            result: optional(&row, "result"),
            returns_set: row.boolean("proretset")?,
            language: row.text("lanname")?.to_owned(),
            transform_types,
            volatility: row.character("provolatile")?,
            strict: row.boolean("proisstrict")?,
            security_definer: row.boolean("prosecdef")?,
            leakproof: row.boolean("proleakproof")?,
            cost: row.text("procost")?.to_owned(),
            rows: row.text("prorows")?.to_owned(),
            support: row.text("prosupport")?.to_owned(),
            parallel: row.character("proparallel")?,
            configuration: array(&row, "proconfig")?,
            source: row.text("prosrc")?.to_owned(),
            binary: filled(&row, "probin"),
            sql_body: optional(&row, "sql_body"),
        };
        let Some(&id) = by_oid.get(&row.oid("oid")?) else { continue };
        if let Kind::Function(function) = &mut reader.database.object_mut(id).kind {
            function.definition = definition;
        }
    }
    Ok(())
}
