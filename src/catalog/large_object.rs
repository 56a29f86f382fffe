//! Large objects, from `pg_largeobject_metadata` (`getLOs` in `pg_dump.c`).

use super::{Found, Reader, inconsistent};
use crate::error::Result;
use crate::model::acl::Acl;
use crate::model::large_object::LargeObjects;
use crate::model::{CatalogId, Components, Kind, Oid};
use crate::sql::parse_array;

/// Each group is one entry of an archive; pg_dump's number (`MAX_BLOBS_PER_ARCHIVE_ENTRY`).
const GROUP: usize = 1_000;

/// One row for each owner and privileges, in pg_dump's order; a row for each of a hundred thousand
/// objects would need more memory than all the rest of most databases.
const QUERY: &str = "select lomowner, lomacl::pg_catalog.text as lomacl,
        pg_catalog.acldefault('L', lomowner) as acldefault,
        pg_catalog.array_agg(oid order by oid) as oids
    from pg_catalog.pg_largeobject_metadata
    group by lomowner, lomacl::pg_catalog.text
    order by lomowner, lomacl::pg_catalog.text";

pub(super) async fn read_large_objects(reader: &mut Reader<'_>) -> Result<()> {
    let options = reader.options;
    // A new cluster gets their bytes as files, and whatever is selected, what is known about them.
    let wanted = options.large_objects.wanted(reader.selection.everything, options.data);
    if !wanted && !options.binary_upgrade {
        return Ok(());
    }
    let rows = reader.session.query("read the list of large objects", QUERY).await?;
    for row in rows.iter() {
        let owner = row.oid("lomowner")?;
        let acl = Acl {
            current: row.optional("lomacl").map(str::to_owned),
            default: row.optional("acldefault").map(str::to_owned),
            ..Acl::default()
        };
        let oids = parse_oids(row.text("oids")?)?;
        for group in oids.chunks(GROUP) {
            add_group(reader, owner, acl.clone(), group)?;
        }
    }
    Ok(())
}

fn parse_oids(array: &str) -> Result<Vec<Oid>> {
    let oids = parse_array(array).and_then(|items| {
        items.iter().map(|item| item.parse().ok().map(Oid)).collect::<Option<Vec<_>>>()
    });
    oids.ok_or_else(|| inconsistent("the list of large objects is not an array of oids"))
}

fn add_group(reader: &mut Reader<'_>, owner: Oid, acl: Acl, oids: &[Oid]) -> Result<()> {
    let (Some(&first), Some(&last)) = (oids.first(), oids.last()) else { return Ok(()) };
    let name = if oids.len() == 1 { first.to_string() } else { format!("{first}..{last}") };
    let found = Found {
        catalog_id: CatalogId::large_object(first),
        name: name.clone(),
        schema: None,
        owner: Some(owner),
        acl,
    };
    let kind = Kind::LargeObjects(LargeObjects { oids: oids.to_vec() });
    // Large objects are data and no schema: whoever asks for them gets all of them.
    let metadata = reader.add(found, Components::all(), kind)?;
    if reader.options.binary_upgrade {
        reader.database.object_mut(metadata).wanted.remove(Components::DATA);
    }
    reader.database.object_mut(metadata).available |= Components::DATA;
    for &oid in &oids[1..] {
        // Comments and security labels are found by the oid of each.
        reader.database.add_place(CatalogId::large_object(oid), metadata);
    }
    let data =
        reader.add_synthetic(name, metadata, Components::all(), Kind::LargeObjectData { metadata });
    reader.database.depend(data, metadata);
    Ok(())
}
