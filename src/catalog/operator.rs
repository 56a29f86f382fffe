//! Operators, from `pg_operator` (`getOperators`, `dumpOpr` in `pg_dump.c`).

use std::collections::HashMap;

use super::type_name::oid_array;
use super::value::{pair, reference};
use super::{Found, Reader};
use crate::error::Result;
use crate::model::operator::{Operator, OperatorDefinition};
use crate::model::{Components, DumpId, Kind, Oid};

pub(super) const LIST: &str =
    "select o.tableoid, o.oid, o.oprname, o.oprnamespace, o.oprowner, o.oprkind,
        o.oprcode <> 0 as complete, ln.nspname as left_schema, lt.typname as left_name,
        rn.nspname as right_schema, rt.typname as right_name
    from pg_catalog.pg_operator o
    left join pg_catalog.pg_type lt on lt.oid = o.oprleft
    left join pg_catalog.pg_namespace ln on ln.oid = lt.typnamespace
    left join pg_catalog.pg_type rt on rt.oid = o.oprright
    left join pg_catalog.pg_namespace rn on rn.oid = rt.typnamespace";

const DEFINITIONS: &str = "select o.oid, o.oprcode::pg_catalog.regprocedure as signature,
        o.oprleft::pg_catalog.regtype as left_type, o.oprright::pg_catalog.regtype as right_type,
        cn.nspname as commutator_schema, c.oprname as commutator,
        nn.nspname as negator_schema, n.oprname as negator,
        o.oprcanmerge, o.oprcanhash, o.oprrest::pg_catalog.regprocedure as oprrest,
        o.oprjoin::pg_catalog.regprocedure as oprjoin
    from pg_catalog.pg_operator o
    left join pg_catalog.pg_operator c on c.oid = o.oprcom
    left join pg_catalog.pg_namespace cn on cn.oid = c.oprnamespace
    left join pg_catalog.pg_operator n on n.oid = o.oprnegate
    left join pg_catalog.pg_namespace nn on nn.oid = n.oprnamespace";

pub(super) async fn read_operators(reader: &mut Reader<'_>) -> Result<()> {
    let rows = reader.ask("read operators", LIST).await?;
    let mut wanted = HashMap::new();
    for row in rows.iter() {
        let found = Found::new(&row, "oprname")?
            .in_schema(&row, "oprnamespace")?
            .owned(&row, "oprowner")?;
        let oid = found.catalog_id.oid;
        let in_schema = reader.wanted_in_schema(row.oid("oprnamespace")?)?;
        let operator = Operator {
            oprkind: row.character("oprkind")?,
            complete: row.boolean("complete")?,
            operand_sort_keys: [
                pair(&row, "left_schema", "left_name").unwrap_or_default(),
                pair(&row, "right_schema", "right_name").unwrap_or_default(),
            ],
            definition: OperatorDefinition::default(),
        };
        let id = reader.add(found, in_schema, Kind::Operator(Box::new(operator)))?;
        if reader.database.object(id).wanted.contains(Components::DEFINITION) {
            wanted.insert(oid, id);
        }
    }
    read_definitions(reader, &wanted).await
}

async fn read_definitions(reader: &mut Reader<'_>, wanted: &HashMap<Oid, DumpId>) -> Result<()> {
    if wanted.is_empty() {
        return Ok(());
    }
    let sql = format!("{DEFINITIONS} where o.oid = any ({})", oid_array(wanted.keys().copied()));
    let rows = reader.session.query("read definitions of operators", &sql).await?;
    for row in rows.iter() {
        let Some(&id) = wanted.get(&row.oid("oid")?) else { continue };
        let definition = OperatorDefinition {
            function: name_of(row.text("signature")?).to_owned(),
            left: reference(&row, "left_type")?,
            right: reference(&row, "right_type")?,
            commutator: pair(&row, "commutator_schema", "commutator"),
            negator: pair(&row, "negator_schema", "negator"),
            merges: row.boolean("oprcanmerge")?,
            hashes: row.boolean("oprcanhash")?,
            restrict: reference(&row, "oprrest")?.map(|text| name_of(&text).to_owned()),
            join: reference(&row, "oprjoin")?.map(|text| name_of(&text).to_owned()),
        };
        let mut is_postfix = false;
        if let Kind::Operator(operator) = &mut reader.database.object_mut(id).kind {
            is_postfix = operator.complete && operator.oprkind == 'r';
            operator.definition = definition;
        }
        if is_postfix {
            let function = row.text("signature")?;
            reader.warn_of_definition(format!(
                "postfix operators are not supported anymore (operator \"{function}\")"
            ));
        }
    }
    Ok(())
}

/// Returns a function's signature up to its parenthesis.
///
/// `regproc` would qualify the name of an overloaded function also where a signature does not need it.
fn name_of(signature: &str) -> &str {
    let mut quoted = false;
    for (place, character) in signature.char_indices() {
        match character {
            '"' => quoted = !quoted,
            '(' if !quoted => return &signature[..place],
            _ => {}
        }
    }
    signature
}
