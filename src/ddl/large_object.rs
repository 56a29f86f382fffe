//! The entries of large objects (`dumpLO` in `pg_dump.c`), in either of the two layouts that archives know.
//!
//! Grouped (since archive version 1.16), an entry in the data section lists the oids of up to 1,000
//! objects in place of a definition, and its data entry follows it. Single, every object has an
//! entry in the pre-data section, and one data entry has the bytes of all of them (`dumpBlob` of
//! PostgreSQL 15); that is what older `pg_restore` programs read.

use super::writer::{AclTarget, Target};
use super::{Writer, acl};
use crate::error::{Context, ErrorKind, Result};
use crate::model::large_object::LargeObjects;
use crate::model::{CatalogId, Components, Database, DumpId, Kind, Object, Oid, Section, TocEntry};
use crate::sql::Quoting;

/// How large objects are spread over entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LargeObjectLayout {
    /// Groups of objects that share owner and privileges.
    #[default]
    Grouped,
    /// One entry for each object, one for the bytes of all.
    Single,
}

pub(super) fn create_large_objects(
    writer: &mut Writer<'_>,
    object: &Object,
    group: &LargeObjects,
) -> Result<()> {
    // pg_upgrade copies the bytes itself, and nothing of what is known about them.
    if !writer.options.data && writer.upgrade.is_none() {
        return Ok(());
    }
    match writer.options.large_objects {
        LargeObjectLayout::Grouped => create_group(writer, object, group),
        LargeObjectLayout::Single => {
            group.oids.iter().try_for_each(|&oid| create_single(writer, object, oid))
        }
    }
}

fn create_group(writer: &mut Writer<'_>, object: &Object, group: &LargeObjects) -> Result<()> {
    let Some(&first) = group.oids.first() else { return Ok(()) };
    let mut entry = writer.entry(object, "BLOB METADATA", &object.name, Section::Data);
    entry.definition = group.oids.iter().map(|oid| format!("{oid}\n")).collect();
    // Whoever drops takes the oids from the definition, but only when there is something here.
    entry.drop_statement = Some("-- dummy".to_owned());
    writer.push(entry);
    for &oid in &group.oids {
        comment_and_labels(writer, object, oid, object.id);
    }
    let tag = (group.oids.len() > 1).then(|| format!("LARGE OBJECTS {}", object.name));
    privileges(writer, object, first, tag.as_deref(), object.id)
}

fn create_single(writer: &mut Writer<'_>, object: &Object, oid: Oid) -> Result<()> {
    let id = writer.next_id();
    let mut entry = TocEntry::new(id, "BLOB", oid.to_string());
    entry.catalog_id = CatalogId::large_object(oid);
    entry.owner = object.owner.clone();
    entry.definition = format!("SELECT pg_catalog.lo_create('{oid}');\n");
    entry.drop_statement = Some(format!("SELECT pg_catalog.lo_unlink('{oid}');\n"));
    writer.push(entry);
    comment_and_labels(writer, object, oid, id);
    privileges(writer, object, oid, None, id)
}

fn comment_and_labels(writer: &mut Writer<'_>, object: &Object, oid: Oid, entry: DumpId) {
    if !object.emitted().intersects(Components::COMMENT | Components::SECURITY_LABEL) {
        return;
    }
    let place = CatalogId::large_object(oid);
    let target = Target {
        word: "LARGE OBJECT".to_owned(),
        name: oid.to_string(),
        tag: oid.to_string(),
        namespace: None,
        owner: object.owner.clone(),
        entry,
    };
    writer.comment_on_part(place, 0, &target);
    writer.security_labels_at(place, &target);
}

fn privileges(
    writer: &mut Writer<'_>,
    object: &Object,
    oid: Oid,
    tag: Option<&str>,
    entry: DumpId,
) -> Result<()> {
    if !object.emits(Components::ACL) {
        return Ok(());
    }
    let name = oid.to_string();
    let target = AclTarget {
        word: "LARGE OBJECT",
        name: &name,
        schema: None,
        column: None,
        tag,
        owner: object.owner.as_deref(),
        entries: &[entry],
    };
    writer.acl_entry(&target, object.acl()).map(drop)
}

/// Writes the entry for the bytes; in the single layout only once.
pub(super) fn large_object_data(writer: &mut Writer<'_>, object: &Object) {
    if !writer.options.data || !object.emits(Components::DATA) {
        return;
    }
    let mut entry = match writer.options.large_objects {
        LargeObjectLayout::Grouped => {
            let mut entry = writer.entry(object, "BLOBS", &object.name, Section::Data);
            entry.file_name = Some(format!("blobs_{}.toc", object.id));
            // With the boundary, which has no entry: so does pg_dump.
            entry.dependencies = object.dependencies.clone();
            entry
        }
        LargeObjectLayout::Single => {
            if writer.has_entry("BLOBS") {
                return;
            }
            let mut entry = TocEntry::new(writer.next_id(), "BLOBS", "BLOBS");
            entry.section = Section::Data;
            entry.file_name = Some("blobs.toc".to_owned());
            entry
        }
    };
    entry.has_data = true;
    writer.push(entry);
}

/// Moves what makes the large objects to the end of the pre-data section, where the single layout has it.
pub(super) fn place_single(entries: &mut Vec<TocEntry>) {
    let of_large_object =
        |entry: &TocEntry| entry.desc == "BLOB" || entry.tag.starts_with("LARGE OBJECT ");
    let Some(at) = entries.iter().position(|entry| entry.section == Section::Data) else { return };
    if !entries.iter().any(of_large_object) {
        return;
    }
    let (made, mut others): (Vec<_>, Vec<_>) =
        std::mem::take(entries).into_iter().partition(of_large_object);
    let at = others.iter().position(|entry| entry.section == Section::Data).unwrap_or(at);
    others.splice(at..at, made);
    *entries = others;
}

/// Returns the large objects whose bytes belong to a data entry, in their order there.
pub fn large_objects_of(database: &Database, entry: &TocEntry) -> Vec<Oid> {
    if entry.dump_id.0 <= database.last_id() {
        return match database.object(entry.dump_id).kind {
            Kind::LargeObjectData { metadata } => {
                database.object(metadata).large_objects().to_vec()
            }
            _ => Vec::new(),
        };
    }
    let mut all: Vec<Oid> =
        database.objects().iter().flat_map(Object::large_objects).copied().collect();
    all.sort_unstable();
    all
}

/// Returns the statements for the privileges on each large object of a group, with `name` for its oid.
///
/// # Errors
///
/// When the catalogs hold privileges that cannot be understood.
pub fn large_object_privileges(object: &Object, name: &str) -> Result<String> {
    let target = acl::Target {
        quoting: Quoting::WhenNeeded,
        word: "LARGE OBJECT",
        schema: None,
        name,
        column: None,
        owner: object.owner.as_deref().unwrap_or_default(),
        prefix: "",
    };
    acl::statements(&target, object.acl()).context(ErrorKind::Server, || {
        format!("could not understand the privileges on the large objects {}", object.name)
    })
}
