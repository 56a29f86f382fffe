//! Operator classes and families, from `pg_opclass`, `pg_opfamily`, `pg_amop` and `pg_amproc`
//! (`getOpclasses`, `getOpfamilies`, `dumpOpclass`, `dumpOpfamily` in `pg_dump.c`).
//!
//! Whether a member belongs to a class or is loose in its family is what `pg_depend` says and nothing
//! else; servers from 14 on let the access method decide.
//!
//! pg_dump sorts members by their number only. Where several have the same one, their order is that in which the
//! server happens to find them, which hangs on the shape of the question: for those objects, and only for
//! those, pg_dump's own question is asked again.

use std::collections::HashMap;

use super::type_name::oid_array;
use super::value::{pair, reference};
use super::{Found, Reader};
use crate::error::Result;
use crate::model::operator_class::{
    MemberFunction, MemberOperator, OperatorClass, OperatorFamily, OperatorMembers,
};
use crate::model::{Components, DumpId, Kind, Oid};

pub(super) const CLASSES: &str =
    "select c.tableoid, c.oid, c.opcname, c.opcnamespace, c.opcowner, m.amname,
        pg_catalog.format_type(c.opcintype, null) as input_type,
        c.opckeytype::pg_catalog.regtype as storage_type, c.opcdefault,
        c.opcfamily, n.nspname as family_schema, f.opfname
    from pg_catalog.pg_opclass c
    join pg_catalog.pg_am m on m.oid = c.opcmethod
    left join pg_catalog.pg_opfamily f on f.oid = c.opcfamily
    left join pg_catalog.pg_namespace n on n.oid = f.opfnamespace";

pub(super) const FAMILIES: &str =
    "select f.tableoid, f.oid, f.opfname, f.opfnamespace, f.opfowner, m.amname
    from pg_catalog.pg_opfamily f
    join pg_catalog.pg_am m on m.oid = f.opfmethod";

const OPERATORS: &str = "select d.refobjid, o.amopstrategy, o.amopopr::pg_catalog.regoperator,
        n.nspname as sort_schema, s.opfname as sort_family
    from pg_catalog.pg_amop o
    join pg_catalog.pg_depend d
      on d.classid = 'pg_catalog.pg_amop'::pg_catalog.regclass and d.objid = o.oid
    left join pg_catalog.pg_opfamily s on s.oid = o.amopsortfamily
    left join pg_catalog.pg_namespace n on n.oid = s.opfnamespace
    where d.refclassid = 'pg_catalog.$catalog'::pg_catalog.regclass and d.refobjid = $objects
      and o.amopfamily = $family
    order by $order_by o.amopstrategy";

const FUNCTIONS: &str = "select d.refobjid, p.amprocnum, p.amproc::pg_catalog.regprocedure,
        p.amproclefttype::pg_catalog.regtype as left_type,
        p.amprocrighttype::pg_catalog.regtype as right_type
    from pg_catalog.pg_amproc p
    join pg_catalog.pg_depend d
      on d.classid = 'pg_catalog.pg_amproc'::pg_catalog.regclass and d.objid = p.oid
    where d.refclassid = 'pg_catalog.$catalog'::pg_catalog.regclass and d.refobjid = $objects
    order by $order_by p.amprocnum";

pub(super) async fn read_operator_classes(reader: &mut Reader<'_>) -> Result<()> {
    let rows = reader.ask("read operator classes", CLASSES).await?;
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
            wanted.insert(oid, Owner { id, family: row.oid("opcfamily")? });
        }
    }
    let family = "(select c.opcfamily from pg_catalog.pg_opclass c where c.oid = d.refobjid)";
    read_members(reader, &wanted, "pg_opclass", family).await
}

pub(super) async fn read_operator_families(reader: &mut Reader<'_>) -> Result<()> {
    let rows = reader.ask("read operator families", FAMILIES).await?;
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
        let id = reader.add(found, in_schema, Kind::OperatorFamily(Box::new(family)))?;
        if reader.database.object(id).wanted.contains(Components::DEFINITION) {
            wanted.insert(oid, Owner { id, family: oid });
        }
    }
    read_members(reader, &wanted, "pg_opfamily", "d.refobjid").await
}

/// A class or family whose members are read.
struct Owner {
    id: DumpId,
    /// The family itself, or that of the class.
    family: Oid,
}

async fn read_members(
    reader: &mut Reader<'_>,
    wanted: &HashMap<Oid, Owner>,
    catalog: &str,
    family: &str,
) -> Result<()> {
    if wanted.is_empty() {
        return Ok(());
    }
    let objects = format!("any ({})", oid_array(wanted.keys().copied()));
    let question = |sql: &str| {
        sql.replace("$catalog", catalog)
            .replace("$family", family)
            .replace("$objects", &objects)
            .replace("$order_by", "d.refobjid,")
    };
    add_members(reader, wanted, &question(OPERATORS), &question(FUNCTIONS)).await?;
    for (oid, owner) in wanted {
        let Some(members) = members_mut(reader, owner.id) else { continue };
        let strategies = members.operators.windows(2).any(|two| two[0].strategy == two[1].strategy);
        let numbers = members.functions.windows(2).any(|two| two[0].number == two[1].number);
        if !strategies && !numbers {
            continue;
        }
        *members = OperatorMembers::default();
        let question = |sql: &str| {
            sql.replace("$catalog", catalog)
                .replace("$family", &format!("'{}'::pg_catalog.oid", owner.family))
                .replace("$objects", &format!("'{oid}'::pg_catalog.oid"))
                .replace("$order_by", "")
        };
        add_members(reader, wanted, &question(OPERATORS), &question(FUNCTIONS)).await?;
    }
    Ok(())
}

async fn add_members(
    reader: &mut Reader<'_>,
    wanted: &HashMap<Oid, Owner>,
    operators: &str,
    functions: &str,
) -> Result<()> {
    let rows = reader.session.query("read member operators", operators).await?;
    for row in rows.iter() {
        let operator = MemberOperator {
            strategy: row.integer("amopstrategy")?,
            operator: row.text("amopopr")?.to_owned(),
            sort_family: pair(&row, "sort_schema", "sort_family"),
        };
        let owner = wanted.get(&row.oid("refobjid")?);
        if let Some(members) = owner.and_then(|owner| members_mut(reader, owner.id)) {
            members.operators.push(operator);
        }
    }
    let rows = reader.session.query("read member functions", functions).await?;
    for row in rows.iter() {
        let function = MemberFunction {
            number: row.integer("amprocnum")?,
            operand_types: (row.text("left_type")?.to_owned(), row.text("right_type")?.to_owned()),
            function: row.text("amproc")?.to_owned(),
        };
        let owner = wanted.get(&row.oid("refobjid")?);
        if let Some(members) = owner.and_then(|owner| members_mut(reader, owner.id)) {
            members.functions.push(function);
        }
    }
    Ok(())
}

fn members_mut<'r>(reader: &'r mut Reader<'_>, owner: DumpId) -> Option<&'r mut OperatorMembers> {
    match &mut reader.database.object_mut(owner).kind {
        Kind::OperatorClass(class) => Some(&mut class.members),
        Kind::OperatorFamily(family) => Some(&mut family.members),
        _ => None,
    }
}
