//! Aggregates, from `pg_proc` and `pg_aggregate` (`getAggregates`, `dumpAgg` in `pg_dump.c`).

use super::function::with_members;
use super::type_name::{oid_array, parse_oids};
use super::value::{optional, pair, reference};
use super::{Found, Reader};
use crate::connect::Row;
use crate::error::Result;
use crate::model::aggregate::{Aggregate, AggregateDefinition, Finish, Transition};
use crate::model::{DumpId, Kind, Oid};

/// Those of `pg_catalog` matter only when their privileges were changed.
pub(super) const LIST: &str =
    "select p.tableoid, p.oid, p.proname, p.pronamespace, p.proowner, p.proacl,
        pg_catalog.acldefault('f', p.proowner) as acldefault, p.proargtypes
    from pg_catalog.pg_proc p
    left join pg_catalog.pg_init_privs i
      on i.classoid = 'pg_catalog.pg_proc'::pg_catalog.regclass
        and i.objoid = p.oid and i.objsubid = 0
    where p.prokind = 'a'
      and (p.pronamespace <> 'pg_catalog'::pg_catalog.regnamespace
        or p.proacl is distinct from i.initprivs$members)";

const DEFINITIONS: &str = "select p.oid, pg_catalog.pg_get_function_arguments(p.oid) as arguments,
        pg_catalog.pg_get_function_identity_arguments(p.oid) as identity_arguments,
        a.aggkind, a.aggtransfn, pg_catalog.format_type(a.aggtranstype, null) as aggtranstype,
        a.aggtransspace, a.agginitval, a.aggfinalfn, a.aggfinalextra, a.aggfinalmodify,
        a.aggcombinefn, a.aggserialfn, a.aggdeserialfn,
        a.aggmtransfn, a.aggminvtransfn, pg_catalog.format_type(a.aggmtranstype, null) as aggmtranstype,
        a.aggmtransspace, a.aggminitval, a.aggmfinalfn, a.aggmfinalextra, a.aggmfinalmodify,
        n.nspname as sort_schema, o.oprname as sort_symbol, p.proparallel
    from pg_catalog.pg_proc p
    join pg_catalog.pg_aggregate a on a.aggfnoid = p.oid
    left join pg_catalog.pg_operator o on o.oid = a.aggsortop
    left join pg_catalog.pg_namespace n on n.oid = o.oprnamespace";

pub(super) async fn read_aggregates(reader: &mut Reader<'_>) -> Result<()> {
    let sql = with_members(reader, LIST);
    let rows = reader.ask("read aggregates", &sql).await?;
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
        let aggregate = Aggregate {
            argument_types,
            argument_type_names,
            argument_sort_keys,
            definition: AggregateDefinition::default(),
        };
        let id = reader.add(found, in_schema, Kind::Aggregate(Box::new(aggregate)))?;
        if !reader.database.object(id).emitted().is_empty() {
            wanted.push((oid, id));
        }
    }
    read_definitions(reader, &wanted).await
}

async fn read_definitions(reader: &mut Reader<'_>, wanted: &[(Oid, DumpId)]) -> Result<()> {
    if wanted.is_empty() {
        return Ok(());
    }
    let by_oid: std::collections::HashMap<Oid, DumpId> = wanted.iter().copied().collect();
    let oids = oid_array(wanted.iter().map(|(oid, _)| *oid));
    let sql = format!("{DEFINITIONS} where p.oid = any ({oids})");
    let rows = reader.session.query("read definitions of aggregates", &sql).await?;
    for row in rows.iter() {
        let transition = Transition {
            function: row.text("aggtransfn")?.to_owned(),
            state_type: row.text("aggtranstype")?.to_owned(),
            state_space: row.integer("aggtransspace")?,
            initial: optional(&row, "agginitval"),
            finish: finish(&row, "aggfinalfn", "aggfinalextra", "aggfinalmodify")?,
        };
        let moving = match reference(&row, "aggmtransfn")? {
            Some(moving) => Some((
                Transition {
                    function: moving,
                    state_type: row.text("aggmtranstype")?.to_owned(),
                    state_space: row.integer("aggmtransspace")?,
                    initial: optional(&row, "aggminitval"),
                    finish: finish(&row, "aggmfinalfn", "aggmfinalextra", "aggmfinalmodify")?,
                },
                row.text("aggminvtransfn")?.to_owned(),
            )),
            None => None,
        };
        let definition = AggregateDefinition {
            arguments: row.text("arguments")?.to_owned(),
            identity_arguments: row.text("identity_arguments")?.to_owned(),
            aggkind: row.character("aggkind")?,
            transition,
            combine: reference(&row, "aggcombinefn")?,
            serialize: reference(&row, "aggserialfn")?,
            deserialize: reference(&row, "aggdeserialfn")?,
            moving,
            sort_operator: pair(&row, "sort_schema", "sort_symbol"),
            parallel: row.character("proparallel")?,
        };
        let Some(&id) = by_oid.get(&row.oid("oid")?) else { continue };
        if let Kind::Aggregate(aggregate) = &mut reader.database.object_mut(id).kind {
            aggregate.definition = definition;
        }
    }
    Ok(())
}

fn finish(row: &Row<'_>, name: &str, extra: &str, modify: &str) -> Result<Option<Finish>> {
    match reference(row, name)? {
        Some(function) => Ok(Some(Finish {
            function,
            extra: row.boolean(extra)?,
            modify: row.character(modify)?,
        })),
        None => Ok(None),
    }
}
