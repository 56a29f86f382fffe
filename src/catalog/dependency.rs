//! The edges between objects that the server knows, from `pg_depend` (`getDependencies` in `pg_dump.c`).

use super::Reader;
use crate::error::Result;
use crate::model::{CatalogId, Kind};

/// Every edge apart from pins and extension membership; what belongs to a member of an operator family
/// is charged to the family. Ordered so that the edges of one object come together; those of one object come as
/// the sort of the server leaves them, which is why the cast, that saves a third of the time, stands outside.
pub(super) const QUERY: &str = "select classid::pg_catalog.int4, objid::pg_catalog.int4,
        refclassid::pg_catalog.int4, refobjid::pg_catalog.int4, deptype
    from (select classid, objid, refclassid, refobjid, deptype
    from pg_catalog.pg_depend
    where deptype <> 'p' and deptype <> 'e'
    union all
    select 'pg_catalog.pg_opfamily'::pg_catalog.regclass, o.amopfamily, d.refclassid, d.refobjid, d.deptype
    from pg_catalog.pg_depend d
    join pg_catalog.pg_amop o on d.objid = o.oid
    where d.deptype not in ('p', 'e', 'i')
      and d.classid = 'pg_catalog.pg_amop'::pg_catalog.regclass
      and not (d.refclassid = 'pg_catalog.pg_opfamily'::pg_catalog.regclass and o.amopfamily = d.refobjid)
    union all
    select 'pg_catalog.pg_opfamily'::pg_catalog.regclass, p.amprocfamily, d.refclassid, d.refobjid, d.deptype
    from pg_catalog.pg_depend d
    join pg_catalog.pg_amproc p on d.objid = p.oid
    where d.deptype not in ('p', 'e', 'i')
      and d.classid = 'pg_catalog.pg_amproc'::pg_catalog.regclass
      and not (d.refclassid = 'pg_catalog.pg_opfamily'::pg_catalog.regclass and p.amprocfamily = d.refobjid)
    order by 1, 2) as edge";

/// The extensions that objects depend on without being members. pg_dump asks for them object by object
/// and takes the order of the index, which is that of the rows.
const EXTENSIONS: &str = "select d.classid, d.objid, e.extname
    from pg_catalog.pg_depend d
    join pg_catalog.pg_extension e on e.oid = d.refobjid
    where d.deptype = 'x' and d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
    order by d.classid, d.objid, d.ctid";

/// A row of the answer.
pub(super) struct Edge {
    from: CatalogId,
    to: CatalogId,
    kind: char,
}

/// Takes the answer in before it is needed: it came long ago where a second session gave it, and the client would
/// do nothing but wait for the indexes meanwhile.
pub(super) async fn take_in(reader: &mut Reader<'_>) -> Result<()> {
    if reader.questions.was_asked(QUERY) {
        reader.edges = Some(edges(reader).await?);
    }
    Ok(())
}

async fn edges(reader: &mut Reader<'_>) -> Result<Vec<Edge>> {
    let rows = reader.ask("read dependencies", QUERY).await?;
    let mut edges = Vec::with_capacity(rows.len());
    for row in rows.iter() {
        edges.push(Edge {
            from: CatalogId { class: row.oid("classid")?, oid: row.oid("objid")? },
            to: CatalogId { class: row.oid("refclassid")?, oid: row.oid("refobjid")? },
            kind: row.character("deptype")?,
        });
    }
    Ok(edges)
}

pub(super) async fn read_dependencies(reader: &mut Reader<'_>) -> Result<()> {
    let edges = match reader.edges.take() {
        Some(edges) => edges,
        None => edges(reader).await?,
    };
    for Edge { from, to, kind } in edges {
        let Some(from) = reader.database.find(from) else { continue };
        let Some(to) = reader.database.find(to) else { continue };
        // A relation depends internally on its composite type; a dump needs it the other way round, so
        // that what the columns need comes before the type.
        let reversed = kind == 'i'
            && matches!(reader.database.object(from).kind, Kind::Table(_))
            && matches!(reader.database.object(to).kind, Kind::Type(_));
        if reversed {
            reader.database.depend(to, from);
        } else {
            reader.database.depend(from, to);
        }
    }
    let rows = reader.session.query("read dependencies on extensions", EXTENSIONS).await?;
    for row in rows.iter() {
        let from = CatalogId { class: row.oid("classid")?, oid: row.oid("objid")? };
        let Some(from) = reader.database.find(from) else { continue };
        let extension = row.text("extname")?.to_owned();
        reader.database.depends_on_extensions.entry(from).or_default().push(extension);
    }
    Ok(())
}
