//! Types, from `pg_type` and what hangs on it (`getTypes`, `getDomainConstraints`, the parts of `dumpType`
//! in `pg_dump.c`).
//!
//! Every row of `pg_type` becomes an object, because columns, functions and casts refer to built-in types,
//! row types and array types alike; what their definitions need is read for the wanted ones only.

use std::collections::HashMap;

use super::type_name::oid_array;
use super::value::{optional, pair, reference};
use super::{Found, Reader};
use crate::connect::Row;
use crate::error::Result;
use crate::model::constraint::{Constraint, ConstraintOwner};
use crate::model::types::{
    BaseType, CompositeAttribute, Domain, Range, Type, TypeDefault, TypeSort,
};
use crate::model::{CatalogId, Components, DumpId, Kind, Object, Oid, ServerVersion};

pub(super) const LIST: &str =
    "select t.tableoid, t.oid, t.typname, t.typnamespace, t.typowner, t.typacl,
        case when t.typacl is not null or t.oid in (
                select objoid from pg_catalog.pg_init_privs
                where classoid = 'pg_catalog.pg_type'::pg_catalog.regclass)
            then pg_catalog.acldefault('T', t.typowner) end as acldefault, t.typtype, t.typisdefined, t.typrelid,
        c.relkind,
        t.typname like '\\_%' and t.typelem <> 0 and e.typarray = t.oid as is_array
    from pg_catalog.pg_type t
    left join pg_catalog.pg_type e on e.oid = t.typelem
    left join pg_catalog.pg_class c on c.oid = t.typrelid";

const ENUM_LABELS: &str = "select e.enumtypid, e.enumlabel
    from pg_catalog.pg_enum e
    where e.enumtypid = any ($oids)
    order by e.enumtypid, e.enumsortorder";

const COMPOSITE_ATTRIBUTES: &str = "select t.oid, a.attnum, a.attname,
        pg_catalog.format_type(a.atttypid, a.atttypmod) as type_name,
        n.nspname as collation_schema, c.collname
    from pg_catalog.pg_type t
    join pg_catalog.pg_attribute a on a.attrelid = t.typrelid
    left join pg_catalog.pg_type u on u.oid = a.atttypid
    left join pg_catalog.pg_collation c
      on c.oid = a.attcollation and a.attcollation <> u.typcollation
    left join pg_catalog.pg_namespace n on n.oid = c.collnamespace
    where t.oid = any ($oids) and a.attnum > 0 and not a.attisdropped
    order by t.oid, a.attnum";

const DOMAINS: &str =
    "select t.oid, pg_catalog.format_type(t.typbasetype, t.typtypmod) as base_type,
        t.typnotnull,
        pg_catalog.pg_get_expr(t.typdefaultbin, 'pg_catalog.pg_type'::pg_catalog.regclass)
          as default_expression,
        t.typdefault, n.nspname as collation_schema, c.collname
    from pg_catalog.pg_type t
    left join pg_catalog.pg_type b on b.oid = t.typbasetype
    left join pg_catalog.pg_collation c
      on c.oid = t.typcollation and t.typcollation <> b.typcollation
    left join pg_catalog.pg_namespace n on n.oid = c.collnamespace
    where t.oid = any ($oids)";

/// On servers that know no not-null constraints of domains there are no rows with `n`.
const DOMAIN_CONSTRAINTS: &str = "select c.tableoid, c.oid, c.conname, c.contypid, c.contype,
        c.convalidated, pg_catalog.pg_get_constraintdef(c.oid) as definition
    from pg_catalog.pg_constraint c
    where c.contypid = any ($oids) and c.contype in ('c', 'n')
    order by c.contypid, c.conname";

const BASE_TYPES: &str = "select t.oid, t.typlen, t.typinput, t.typoutput, t.typreceive, t.typsend,
        t.typmodin, t.typmodout, t.typanalyze, t.typcollation <> 0 as collatable,
        pg_catalog.pg_get_expr(t.typdefaultbin, 0) as default_expression, t.typdefault,
        case when t.typelem <> 0 then pg_catalog.format_type(t.typelem, null) end as element,
        t.typcategory, t.typispreferred, t.typdelim, t.typalign, t.typstorage, t.typbyval,
        $subscript as typsubscript
    from pg_catalog.pg_type t
    where t.oid = any ($oids)";

const RANGES: &str = "select r.rngtypid, pg_catalog.format_type(r.rngsubtype, null) as subtype,
        $multirange as multirange,
        on_.nspname as operator_class_schema, o.opcname,
        n.nspname as collation_schema, c.collname, r.rngcanonical, r.rngsubdiff
    from pg_catalog.pg_range r
    join pg_catalog.pg_type s on s.oid = r.rngsubtype
    left join pg_catalog.pg_opclass o on o.oid = r.rngsubopc and not o.opcdefault
    left join pg_catalog.pg_namespace on_ on on_.oid = o.opcnamespace
    left join pg_catalog.pg_collation c
      on c.oid = r.rngcollation and r.rngcollation <> s.typcollation
    left join pg_catalog.pg_namespace n on n.oid = c.collnamespace
    where r.rngtypid = any ($oids)";

pub(super) async fn read_types(reader: &mut Reader<'_>) -> Result<()> {
    let rows = reader.ask("read types", LIST).await?;
    // Half of them are array types, each with the announcement that goes with it.
    reader.database.expect(rows.len() + rows.len() / 2);
    let constraints = read_domain_constraints(reader, rows.iter()).await?;
    let mut wanted = Wanted::default();
    for row in rows.iter() {
        let found = Found::new(&row, "typname")?
            .in_schema(&row, "typnamespace")?
            .owned(&row, "typowner")?
            .with_acl(&row, "typacl")?;
        let oid = found.catalog_id.oid;
        let in_schema = reader.wanted_in_schema(row.oid("typnamespace")?)?;
        let relation = row.oid("typrelid")?;
        let sort = TypeClass::of(&row)?;
        let id = match &sort {
            TypeClass::RowType => {
                // Neither schema nor extension decides about a row type, but its table.
                let in_table = reader
                    .tables
                    .get(&relation)
                    .map_or(Components::empty(), |&table| reader.database.object(table).wanted);
                let id = reader.add(found, in_table, Kind::DummyType)?;
                reader.database.object_mut(id).wanted = in_table;
                id
            }
            TypeClass::Array | TypeClass::Multirange => {
                reader.add(found, in_schema, Kind::DummyType)?
            }
            TypeClass::Printed(sort) => {
                let kind = Type { relation, shell: None, sort: sort.clone() };
                reader.add(found, in_schema, Kind::Type(Box::new(kind)))?
            }
        };
        reader.types.insert(oid, id);
        if !reader.database.object(id).wanted.contains(Components::DEFINITION) {
            continue;
        }
        if let TypeClass::Printed(sort) = &sort {
            wanted.add(sort, oid, id);
            if let TypeSort::Unknown(_) = sort {
                let name = row.text("typname")?;
                reader.warn_of_definition(format!(
                    "typtype of data type \"{name}\" appears to be invalid"
                ));
            }
        }
        if let TypeClass::Printed(TypeSort::Domain(_)) = &sort {
            add_domain_constraints(reader, id, constraints.get(&oid).map_or(&[], Vec::as_slice));
        }
        if sort.needs_shell() {
            add_shell(reader, id);
        }
    }
    read_enum_labels(reader, &wanted.enums).await?;
    read_composite_attributes(reader, &wanted.composites).await?;
    read_domains(reader, &wanted.domains).await?;
    read_ranges(reader, &wanted.ranges).await?;
    read_base_types(reader, &wanted.bases).await
}

/// What a row of `pg_type` is to a dump.
enum TypeClass {
    /// The row type of a table.
    RowType,
    /// The array type that every type brings along.
    Array,
    /// The multirange type that a range type brings along.
    Multirange,
    /// A type with a definition, which is empty here.
    Printed(TypeSort),
}

impl TypeClass {
    fn of(row: &Row<'_>) -> Result<TypeClass> {
        let relation = row.oid("typrelid")?;
        let composite = row.optional("relkind") == Some("c");
        let typtype = row.character("typtype")?;
        Ok(if !relation.is_zero() && !composite {
            TypeClass::RowType
        } else if row.optional("is_array") == Some("t") {
            TypeClass::Array
        } else if typtype == 'm' {
            TypeClass::Multirange
        } else {
            TypeClass::Printed(match typtype {
                'b' => TypeSort::Base(Box::default()),
                'd' => TypeSort::Domain(Domain::default()),
                'c' => TypeSort::Composite(Vec::new()),
                'e' => TypeSort::Enum(Vec::new()),
                'r' => TypeSort::Range(Range::default()),
                'p' if !row.boolean("typisdefined")? => TypeSort::Undefined,
                _ => TypeSort::Unknown(typtype),
            })
        })
    }

    /// Tells whether functions of the type may have to be made between its announcement and its
    /// definition. pg_dump gives array types a shell too, which is never printed.
    fn needs_shell(&self) -> bool {
        matches!(
            self,
            TypeClass::Array | TypeClass::Printed(TypeSort::Base(_) | TypeSort::Range(_))
        )
    }
}

/// The types whose definitions are wanted, by sort.
#[derive(Default)]
struct Wanted {
    enums: HashMap<Oid, DumpId>,
    composites: HashMap<Oid, DumpId>,
    domains: HashMap<Oid, DumpId>,
    ranges: HashMap<Oid, DumpId>,
    bases: HashMap<Oid, DumpId>,
}

impl Wanted {
    fn add(&mut self, sort: &TypeSort, oid: Oid, id: DumpId) {
        let list = match sort {
            TypeSort::Enum(_) => &mut self.enums,
            TypeSort::Composite(_) => &mut self.composites,
            TypeSort::Domain(_) => &mut self.domains,
            TypeSort::Range(_) => &mut self.ranges,
            TypeSort::Base(_) => &mut self.bases,
            TypeSort::Undefined | TypeSort::Unknown(_) => return,
        };
        list.insert(oid, id);
    }
}

/// A domain's constraint as the catalog has it, before its domain has an id.
struct DomainConstraint {
    catalog_id: CatalogId,
    name: String,
    contype: char,
    validated: bool,
    definition: String,
}

/// Reads the constraints of all domains whose schema is wanted.
///
/// They are asked for before the types are added, because every domain is followed by its constraints.
async fn read_domain_constraints(
    reader: &Reader<'_>,
    types: impl Iterator<Item = Row<'_>>,
) -> Result<HashMap<Oid, Vec<DomainConstraint>>> {
    let mut domains = Vec::new();
    for row in types {
        if row.character("typtype")? == 'd'
            && reader.wanted_in_schema(row.oid("typnamespace")?)?.contains(Components::DEFINITION)
        {
            domains.push(row.oid("oid")?);
        }
    }
    let mut constraints: HashMap<Oid, Vec<DomainConstraint>> = HashMap::new();
    if domains.is_empty() {
        return Ok(constraints);
    }
    let sql = DOMAIN_CONSTRAINTS.replace("$oids", &oid_array(domains));
    for row in reader.session.query("read constraints of domains", &sql).await?.iter() {
        constraints.entry(row.oid("contypid")?).or_default().push(DomainConstraint {
            catalog_id: CatalogId { class: row.oid("tableoid")?, oid: row.oid("oid")? },
            name: row.text("conname")?.to_owned(),
            contype: row.character("contype")?,
            validated: row.boolean("convalidated")?,
            definition: row.text("definition")?.to_owned(),
        });
    }
    Ok(constraints)
}

fn add_domain_constraints(reader: &mut Reader<'_>, domain: DumpId, found: &[DomainConstraint]) {
    let mut checks = Vec::new();
    let mut not_null = Vec::new();
    for constraint in found {
        let kind = Kind::Constraint(Box::new(Constraint {
            owner: ConstraintOwner::Domain(domain),
            contype: constraint.contype,
            definition: constraint.definition.clone(),
            index: None,
            deferrable: false,
            deferred: false,
            period: false,
            local: true,
            validated: constraint.validated,
            // One that is not validated holds for new values only; made inside CREATE DOMAIN it would
            // hold for all.
            separate: !constraint.validated,
        }));
        let id = add_beside(reader, domain, constraint.catalog_id, &constraint.name, kind);
        reader.database.object_mut(id).wanted = Components::all();
        if constraint.validated {
            reader.database.depend(domain, id);
        }
        if constraint.contype == 'n' { &mut not_null } else { &mut checks }.push(id);
    }
    checks.append(&mut not_null);
    if let Kind::Type(kind) = &mut reader.database.object_mut(domain).kind
        && let TypeSort::Domain(domain) = &mut kind.sort
    {
        domain.constraints = checks;
    }
}

/// Adds the announcement of a type, which is wanted only when a loop through its functions is found.
fn add_shell(reader: &mut Reader<'_>, of: DumpId) {
    let name = reader.database.object(of).name.clone();
    // Without a place in the catalogs, so that the type's edges are not taken for the shell's.
    let shell = add_beside(reader, of, CatalogId::default(), &name, Kind::ShellType { of });
    if let Kind::Type(kind) = &mut reader.database.object_mut(of).kind {
        kind.shell = Some(shell);
    }
}

/// Adds an object with the schema and the owner of another one, of which nothing is wanted yet.
fn add_beside(
    reader: &mut Reader<'_>,
    like: DumpId,
    catalog_id: CatalogId,
    name: &str,
    kind: Kind,
) -> DumpId {
    let like = reader.database.object(like);
    let object = Object {
        catalog_id,
        schema: like.schema.clone(),
        owner: like.owner.clone(),
        ..Object::new(name.to_owned(), kind)
    };
    reader.database.add(object)
}

fn with_oids(sql: &str, types: &HashMap<Oid, DumpId>) -> String {
    sql.replace("$oids", &oid_array(types.keys().copied()))
}

/// Returns the sort of a type that was added.
fn sort_mut<'r>(
    reader: &'r mut Reader<'_>,
    types: &HashMap<Oid, DumpId>,
    oid: Oid,
) -> Option<&'r mut TypeSort> {
    match &mut reader.database.object_mut(*types.get(&oid)?).kind {
        Kind::Type(kind) => Some(&mut kind.sort),
        _ => None,
    }
}

async fn read_enum_labels(reader: &mut Reader<'_>, types: &HashMap<Oid, DumpId>) -> Result<()> {
    if types.is_empty() {
        return Ok(());
    }
    let sql = with_oids(ENUM_LABELS, types);
    for row in reader.session.query("read labels of enums", &sql).await?.iter() {
        let label = row.text("enumlabel")?.to_owned();
        if let Some(TypeSort::Enum(labels)) = sort_mut(reader, types, row.oid("enumtypid")?) {
            labels.push(label);
        }
    }
    Ok(())
}

async fn read_composite_attributes(
    reader: &mut Reader<'_>,
    types: &HashMap<Oid, DumpId>,
) -> Result<()> {
    if types.is_empty() {
        return Ok(());
    }
    let sql = with_oids(COMPOSITE_ATTRIBUTES, types);
    for row in reader.session.query("read attributes of composite types", &sql).await?.iter() {
        let attribute = CompositeAttribute {
            number: row.integer("attnum")?,
            name: row.text("attname")?.to_owned(),
            type_name: row.text("type_name")?.to_owned(),
            collation: pair(&row, "collation_schema", "collname"),
        };
        if let Some(TypeSort::Composite(attributes)) = sort_mut(reader, types, row.oid("oid")?) {
            attributes.push(attribute);
        }
    }
    Ok(())
}

async fn read_domains(reader: &mut Reader<'_>, types: &HashMap<Oid, DumpId>) -> Result<()> {
    if types.is_empty() {
        return Ok(());
    }
    let sql = with_oids(DOMAINS, types);
    for row in reader.session.query("read domains", &sql).await?.iter() {
        if let Some(TypeSort::Domain(domain)) = sort_mut(reader, types, row.oid("oid")?) {
            domain.base_type = row.text("base_type")?.to_owned();
            domain.not_null = row.boolean("typnotnull")?;
            domain.default = default(&row);
            domain.collation = pair(&row, "collation_schema", "collname");
        }
    }
    Ok(())
}

async fn read_ranges(reader: &mut Reader<'_>, types: &HashMap<Oid, DumpId>) -> Result<()> {
    if types.is_empty() {
        return Ok(());
    }
    let multirange = if reader.version().has_multiranges() {
        "pg_catalog.format_type(r.rngmultitypid, null)"
    } else {
        "null"
    };
    let sql = with_oids(&RANGES.replace("$multirange", multirange), types);
    for row in reader.session.query("read range types", &sql).await?.iter() {
        let read = Range {
            subtype: row.text("subtype")?.to_owned(),
            multirange: optional(&row, "multirange"),
            operator_class: pair(&row, "operator_class_schema", "opcname"),
            collation: pair(&row, "collation_schema", "collname"),
            canonical: reference(&row, "rngcanonical")?,
            difference: reference(&row, "rngsubdiff")?,
        };
        if let Some(TypeSort::Range(range)) = sort_mut(reader, types, row.oid("rngtypid")?) {
            *range = read;
        }
    }
    Ok(())
}

async fn read_base_types(reader: &mut Reader<'_>, types: &HashMap<Oid, DumpId>) -> Result<()> {
    if types.is_empty() {
        return Ok(());
    }
    let sql = with_oids(&base_types(reader.version()), types);
    for row in reader.session.query("read base types", &sql).await?.iter() {
        let read = BaseType {
            length: row.integer("typlen")?,
            input: row.text("typinput")?.to_owned(),
            output: row.text("typoutput")?.to_owned(),
            receive: row.text("typreceive")?.to_owned(),
            send: row.text("typsend")?.to_owned(),
            modifier_input: row.text("typmodin")?.to_owned(),
            modifier_output: row.text("typmodout")?.to_owned(),
            analyze: row.text("typanalyze")?.to_owned(),
            subscript: row.text("typsubscript")?.to_owned(),
            collatable: row.boolean("collatable")?,
            default: default(&row),
            element: optional(&row, "element"),
            category: row.character("typcategory")?,
            preferred: row.boolean("typispreferred")?,
            delimiter: row.character("typdelim")?,
            alignment: row.character("typalign")?,
            storage: row.character("typstorage")?,
            passed_by_value: row.boolean("typbyval")?,
        };
        if let Some(TypeSort::Base(base)) = sort_mut(reader, types, row.oid("oid")?) {
            **base = read;
        }
    }
    Ok(())
}

fn base_types(version: ServerVersion) -> String {
    let subscript = if version.has_type_subscript() { "t.typsubscript" } else { "'-'" };
    BASE_TYPES.replace("$subscript", subscript)
}

/// Returns the default, as an expression when the catalog has one.
fn default(row: &Row<'_>) -> Option<TypeDefault> {
    match (row.optional("default_expression"), row.optional("typdefault")) {
        (Some(expression), _) => Some(TypeDefault::Expression(expression.to_owned())),
        (None, Some(text)) => Some(TypeDefault::Text(text.to_owned())),
        (None, None) => None,
    }
}
