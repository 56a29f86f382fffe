//! Large objects in the plan of a dump: who may read them, how they are cut into pieces.

use super::split::{self, Piece, PieceRange};
use crate::catalog::LargeObjectReading;
use crate::connect::Session;
use crate::ddl;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Database, DumpId, Oid, TocEntry};
use crate::sql::quote_identifier;

/// How many oids an error names.
const NAMED: usize = 5;

/// The large objects of an entry.
#[derive(Debug, Clone)]
pub(super) struct PlannedLargeObjects {
    /// The id of their BLOBS entry.
    pub(super) dump_id: DumpId,
    /// The objects, in the order of the archive.
    pub(super) oids: Vec<Oid>,
}

impl PlannedLargeObjects {
    /// Names them for whoever watches.
    pub(super) fn item(&self) -> String {
        match self.oids.as_slice() {
            [first, .., last] => format!("large objects {first}..{last}"),
            [only] => format!("large object {only}"),
            [] => "no large objects".to_owned(),
        }
    }

    /// Returns the objects of a piece.
    pub(super) fn oids_of(&self, range: PieceRange) -> &[Oid] {
        match range {
            PieceRange::LargeObjects { first, end } => {
                self.oids.get(first..end).unwrap_or_default()
            }
            _ => &self.oids,
        }
    }
}

/// Collects the large objects that have a data entry, and refuses those that cannot be read.
pub(super) async fn planned(
    session: &Session,
    database: &Database,
    entries: &[TocEntry],
) -> Result<(Vec<PlannedLargeObjects>, LargeObjectReading)> {
    let planned: Vec<PlannedLargeObjects> = entries
        .iter()
        .filter(|entry| entry.has_data && entry.holds_large_objects())
        .map(|entry| PlannedLargeObjects {
            dump_id: entry.dump_id,
            oids: ddl::large_objects_of(database, entry),
        })
        .collect();
    if planned.is_empty() {
        return Ok((planned, LargeObjectReading::Functions));
    }
    let reading = LargeObjectReading::ask(session).await?;
    if reading == LargeObjectReading::Functions {
        refuse_unreadable(session).await?;
    }
    Ok((planned, reading))
}

/// Returns an error that names the objects that the role may not read, if there are any.
async fn refuse_unreadable(session: &Session) -> Result<()> {
    const QUERY: &str = "select m.oid, count(*) over () as number, current_user as role
        from pg_catalog.pg_largeobject_metadata m
        where not current_setting('lo_compat_privileges')::pg_catalog.bool
            and not exists (select from pg_catalog.aclexplode(
                    coalesce(m.lomacl, pg_catalog.acldefault('L', m.lomowner))) a
                where a.privilege_type = 'SELECT'
                    and (a.grantee = 0 or pg_catalog.pg_has_role(a.grantee, 'usage')))
        order by m.oid limit 5";
    let rows = session.query("ask which large objects can be read", QUERY).await?;
    let Some(row) = rows.first() else { return Ok(()) };
    let number: usize = row.integer("number")?;
    let role = quote_identifier(row.text("role")?);
    let mut oids = Vec::new();
    for row in &rows {
        oids.push(row.oid("oid")?.to_string());
    }
    let oids = oids.join(", ");
    let more = match number.saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} others"),
    };
    Err(Error::new(
        ErrorKind::Refused,
        format!(
            "the role {role} cannot read everything that was asked for: no SELECT privilege on the large \
             objects {oids}{more}"
        ),
    )
    .with_hint(format!(
        "an administrator can allow it: GRANT SELECT ON LARGE OBJECT {oids} TO {role};"
    ))
    .with_hint("or leave all large objects out with --no-large-objects"))
}

/// Cuts the large objects into pieces; their sizes are not known, only that of all of them.
pub(super) async fn pieces(
    session: &Session,
    planned: &[PlannedLargeObjects],
    jobs: usize,
) -> Result<Vec<Piece>> {
    if planned.is_empty() {
        return Ok(Vec::new());
    }
    const QUERY: &str =
        "select coalesce(pg_catalog.pg_relation_size('pg_catalog.pg_largeobject'), 0)
            as bytes";
    let rows = session.query("ask for the size of the large objects", QUERY).await?;
    let bytes: u64 = rows.single()?.integer("bytes")?;
    let counts: Vec<usize> = planned.iter().map(|planned| planned.oids.len()).collect();
    Ok(split::large_objects(&counts, bytes, jobs))
}
