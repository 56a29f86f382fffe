//! Operator classes and families, from `pg_opclass`, `pg_opfamily`, `pg_amop` and `pg_amproc`
//! (`getOpclasses`, `getOpfamilies`, `dumpOpclass`, `dumpOpfamily` in `pg_dump.c`).
//!
//! Whether a member belongs to a class or is loose in its family is what `pg_depend` says and nothing
//! else; servers from 14 on let the access method decide.

use std::collections::HashMap;

use super::type_name::oid_array;
use super::value::{pair, reference};
use super::{Found, Reader};
use crate::error::Result;
use crate::model::operator_class::{
    MemberFunction, MemberOperator, OperatorClass, OperatorFamily, OperatorMembers,
};
use crate::model::{Components, DumpId, Kind, Oid};

const CLASSES: &str = "select c.tableoid, c.oid, c.opcname, c.opcnamespace, c.opcowner, m.amname,
        pg_catalog.format_type(c.opcintype, null) as input_type,
        c.opckeytype::pg_catalog.regtype as storage_type, c.opcdefault,
        n.nspname as family_schema, f.opfname
    from pg_catalog.pg_opclass c
    join pg_catalog.pg_am m on m.oid = c.opcmethod
    left join pg_catalog.pg_opfamily f on f.oid = c.opcfamily
    left join pg_catalog.pg_namespace n on n.oid = f.opfnamespace";

const FAMILIES: &str = "select f.tableoid, f.oid, f.opfname, f.opfnamespace, f.opfowner, m.amname
    from pg_catalog.pg_opfamily f
    join pg_catalog.pg_am m on m.oid = f.opfmethod";

const OPERATORS: &str = "select d.refobjid, o.amopstrategy, o.amopopr::pg_catalog.regoperator,
        n.nspname as sort_schema, s.opfname as sort_family
    from pg_catalog.pg_amop o
    join pg_catalog.pg_depend d
      on d.classid = 'pg_catalog.pg_amop'::pg_catalog.regclass and d.objid = o.oid
    left join pg_catalog.pg_opfamily s on s.oid = o.amopsortfamily
    left join pg_catalog.pg_namespace n on n.oid = s.opfnamespace
    where d.refclassid = 'pg_catalog.$catalog'::pg_catalog.regclass and d.refobjid = any ($oids)
      and o.amopfamily = $family
    order by d.refobjid, o.amopstrategy";

const FUNCTIONS: &str = "select d.refobjid, p.amprocnum, p.amproc::pg_catalog.regprocedure,
        p.amproclefttype::pg_catalog.regtype as left_type,
        p.amprocrighttype::pg_catalog.regtype as right_type
    from pg_catalog.pg_amproc p
    join pg_catalog.pg_depend d
      on d.classid = 'pg_catalog.pg_amproc'::pg_catalog.regclass and d.objid = p.oid
    where d.refclassid = 'pg_catalog.$catalog'::pg_catalog.regclass and d.refobjid = any ($oids)
    order by d.refobjid, p.amprocnum";

pub(super) async fn read_operator_classes(reader: &mut Reader<'_>) -> Result<()> {
    let rows = reader.session.query("read operator classes", CLASSES).await?;
    let mut wanted = HashMap::new();
    for row in rows.iter() {
        let found = Found::new(&row, "opcname")?
            .in_schema(&row, "opcnamespace")?
            .owned(&row, "opcowner")?;
        let oid = found.catalog_id.oid;
        let in_schema = reader.wanted_in_schema(row.oid("opcnamespace")?)?;
        let class = OperatorClass {
            access_method: row.text("amname")?.to_owned(),
            input_type: row.text("input_type")?.to_owned(),
            storage_type: reference(&row, "storage_type")?,
            is_default: row.boolean("opcdefault")?,
            family: pair(&row, "family_schema", "opfname").unwrap_or_default(),
            members: OperatorMembers::default(),
        };
        let id = reader.add(found, in_schema, Kind::OperatorClass(Box::new(class)))?;
        if reader.database.object(id).wanted.contains(Components::DEFINITION) {
            wanted.insert(oid, id);
        }
    }
    let family = "(select c.opcfamily from pg_catalog.pg_opclass c where c.oid = d.refobjid)";
    read_members(reader, &wanted, "pg_opclass", family).await
}

pub(super) async fn read_operator_families(reader: &mut Reader<'_>) -> Result<()> {
    let rows = reader.session.query("read operator families", FAMILIES).await?;
    let mut wanted = HashMap::new();
    for row in rows.iter() {
        let found = Found::new(&row, "opfname")?
            .in_schema(&row, "opfnamespace")?
            .owned(&row, "opfowner")?;
        let oid = found.catalog_id.oid;
        let in_schema = reader.wanted_in_schema(row.oid("opfnamespace")?)?;
        let family = OperatorFamily {
            access_method: row.text("amname")?.to_owned(),
            members: OperatorMembers::default(),
        };
        let id = reader.add(found, in_schema, Kind::OperatorFamily(family))?;
        if reader.database.object(id).wanted.contains(Components::DEFINITION) {
            wanted.insert(oid, id);
        }
    }
    read_members(reader, &wanted, "pg_opfamily", "d.refobjid").await
}

async fn read_members(
    reader: &mut Reader<'_>,
    wanted: &HashMap<Oid, DumpId>,
    catalog: &str,
    family: &str,
) -> Result<()> {
    if wanted.is_empty() {
        return Ok(());
    }
    let complete = |sql: &str| {
        sql.replace("$catalog", catalog)
            .replace("$family", family)
            .replace("$oids", &oid_array(wanted.keys().copied()))
    };
    let rows = reader.session.query("read member operators", &complete(OPERATORS)).await?;
    for row in rows.iter() {
        let operator = MemberOperator {
            strategy: row.integer("amopstrategy")?,
            operator: row.text("amopopr")?.to_owned(),
            sort_family: pair(&row, "sort_schema", "sort_family"),
        };
        if let Some(members) = members_mut(reader, wanted, row.oid("refobjid")?) {
            members.operators.push(operator);
        }
    }
    let rows = reader.session.query("read member functions", &complete(FUNCTIONS)).await?;
    for row in rows.iter() {
        let function = MemberFunction {
            number: row.integer("amprocnum")?,
            operand_types: (row.text("left_type")?.to_owned(), row.text("right_type")?.to_owned()),
            function: row.text("amproc")?.to_owned(),
        };
        if let Some(members) = members_mut(reader, wanted, row.oid("refobjid")?) {
            members.functions.push(function);
        }
    }
    Ok(())
}

fn members_mut<'r>(
    reader: &'r mut Reader<'_>,
    wanted: &HashMap<Oid, DumpId>,
    oid: Oid,
) -> Option<&'r mut OperatorMembers> {
    match &mut reader.database.object_mut(*wanted.get(&oid)?).kind {
        Kind::OperatorClass(class) => Some(&mut class.members),
        Kind::OperatorFamily(family) => Some(&mut family.members),
        _ => None,
    }
}
