//! What `--binary-upgrade` adds to a schema: statements that give every object the oids and files that it
//! has in the old cluster, and make members of extensions one by one.
//!
//! A dump for anybody else has none of it: [`Writer::upgrade`] is `None` then. Authority: the places of
//! `pg_dump.c` in PostgreSQL 18 that ask for `binary_upgrade`.

mod relation;

pub(super) use self::relation::relation;

use super::{Writer, acl};
use crate::model::acl::Acl;
use crate::model::binary_upgrade::{BinaryUpgrade, Horizon, SubscriptionTable};
use crate::model::extension::Extension;
use crate::model::types::{Type, TypeSort};
use crate::model::{Components, Kind, Object, Oid, Section, TocEntry};

/// Returns the statement that chooses an oid or a file for what comes next.
fn set_next(what: &str, oid: Oid) -> String {
    format!("SELECT pg_catalog.binary_upgrade_set_next_{what}('{oid}'::pg_catalog.oid);\n")
}

/// Completes the definition of an object among the entries from `first` on: what precedes it, and its
/// membership in an extension.
pub(super) fn complete(writer: &mut Writer<'_>, object: &Object, first: usize) {
    let Some(upgrade) = writer.upgrade else { return };
    let Some(entry) = writer.entry_since(first, object.id) else { return };
    let drop = entry.drop_statement.clone().unwrap_or_default();
    let before = identities(writer, upgrade, object);
    let member = membership(writer, object, &drop);
    if let Some(entry) = writer.entry_since(first, object.id) {
        entry.definition.insert_str(0, &before);
        entry.definition.push_str(&member);
    }
}

/// Returns the statements that keep the oids and files of an object.
fn identities(writer: &mut Writer<'_>, upgrade: &BinaryUpgrade, object: &Object) -> String {
    let oid = object.catalog_id.oid;
    match &object.kind {
        Kind::Table(table) => {
            let row_type = upgrade.relations.get(&oid).map(|storage| storage.row_type);
            // A sequence's row type is not looked at any more.
            let row_type = row_type.filter(|row_type| !row_type.is_zero() && table.relkind != 'S');
            let types = row_type.map(|row_type| type_oids(upgrade, row_type)).unwrap_or_default();
            types + &relation_oids(upgrade, oid)
        }
        Kind::Type(kind) => match kind.sort {
            TypeSort::Composite(_) => {
                type_oids(upgrade, oid) + &relation_oids(upgrade, kind.relation)
            }
            TypeSort::Range(_) => type_oids(upgrade, oid) + &multirange_oids(writer, upgrade, oid),
            _ => type_oids(upgrade, oid),
        },
        Kind::ShellType { of } => type_oids(upgrade, writer.database.object(*of).catalog_id.oid),
        Kind::Index(_) => relation_oids(upgrade, oid),
        Kind::Constraint(constraint) => match constraint.index {
            Some(index) => relation_oids(upgrade, writer.database.object(index).catalog_id.oid),
            None => String::new(),
        },
        _ => String::new(),
    }
}

fn type_oids(upgrade: &BinaryUpgrade, oid: Oid) -> String {
    let mut text = format!(
        "\n-- For binary upgrade, must preserve pg_type oid\n{}\n",
        set_next("pg_type_oid", oid)
    );
    if let Some(&array) = upgrade.array_types.get(&oid) {
        text.push_str(&format!(
            "\n-- For binary upgrade, must preserve pg_type array oid\n{}\n",
            set_next("array_pg_type_oid", array)
        ));
    }
    text
}

fn multirange_oids(writer: &mut Writer<'_>, upgrade: &BinaryUpgrade, range: Oid) -> String {
    let (multirange, array) = match upgrade.multiranges.get(&range) {
        Some(&oids) => oids,
        // The old server has none, the new one makes them: oids that nothing there has.
        None => (writer.free_type_oid(upgrade), writer.free_type_oid(upgrade)),
    };
    format!(
        "\n-- For binary upgrade, must preserve multirange pg_type oid\n{}\n\
         \n-- For binary upgrade, must preserve multirange pg_type array oid\n{}\n",
        set_next("multirange_pg_type_oid", multirange),
        set_next("multirange_array_pg_type_oid", array)
    )
}

fn relation_oids(upgrade: &BinaryUpgrade, oid: Oid) -> String {
    let Some(storage) = upgrade.relations.get(&oid) else { return String::new() };
    let mut text =
        "\n-- For binary upgrade, must preserve pg_class oids and relfilenodes\n".to_owned();
    if matches!(storage.relkind, 'i' | 'I') {
        text.push_str(&set_next("index_pg_class_oid", oid));
        text.push_str(&set_next("index_relfilenode", storage.file));
    } else {
        text.push_str(&set_next("heap_pg_class_oid", oid));
        if storage.relkind != 'p' {
            if !storage.file.is_zero() {
                text.push_str(&set_next("heap_relfilenode", storage.file));
            }
            if let Some(toast) = &storage.toast {
                text.push_str(&set_next("toast_pg_class_oid", toast.oid));
                text.push_str(&set_next("toast_relfilenode", toast.file));
                text.push_str(&set_next("index_pg_class_oid", toast.index));
                text.push_str(&set_next("index_relfilenode", toast.index_file));
            }
        }
    }
    text.push('\n');
    text
}

/// Returns the statement that makes an object a member of its extension, empty for every other object.
fn membership(writer: &Writer<'_>, object: &Object, drop: &str) -> String {
    let of_extension = object.dependencies.iter().map(|&id| writer.database.object(id));
    let extension = of_extension
        .filter(|_| object.extension_member)
        .find(|object| matches!(object.kind, Kind::Extension(_)));
    match (extension, member(writer, object, drop)) {
        (Some(extension), Some(member)) => format!(
            "\n-- For binary upgrade, handle extension membership the hard way\n\
             ALTER EXTENSION {} ADD {member};\n",
            writer.identifier(&extension.name)
        ),
        _ => String::new(),
    }
}

/// Returns what an object is called as a member: the same words as where it is dropped.
fn member(writer: &Writer<'_>, object: &Object, drop: &str) -> Option<String> {
    match &object.kind {
        // These are not always dropped by a statement of their own.
        Kind::Schema(_) => return Some(format!("SCHEMA {}", writer.identifier(&object.name))),
        Kind::Language(_) => return Some(format!("LANGUAGE {}", writer.identifier(&object.name))),
        Kind::Table(table) if table.relkind == 'S' => {
            return Some(format!("SEQUENCE {}", writer.qualified(object)));
        }
        _ => {}
    }
    let words = drop.strip_prefix("DROP ")?.strip_suffix(";\n")?;
    Some(words.strip_suffix(" CASCADE").unwrap_or(words).to_owned())
}

/// Returns the definition of an extension without its objects, which follow one by one.
pub(super) fn empty_extension(
    writer: &Writer<'_>,
    upgrade: &BinaryUpgrade,
    object: &Object,
    extension: &Extension,
) -> String {
    let literal = |text: &str| writer.literal(text);
    // An array with something in it.
    let array = |text: &str| if text.len() > 2 { literal(text) } else { "NULL".to_owned() };
    let none = Default::default();
    let (tables, conditions) = upgrade.configurations.get(&object.catalog_id.oid).unwrap_or(&none);
    let required: Vec<String> = object
        .dependencies
        .iter()
        .map(|&id| writer.database.object(id))
        .filter(|required| matches!(required.kind, Kind::Extension(_)))
        .map(|required| literal(&required.name))
        .collect();
    format!(
        "-- For binary upgrade, create an empty extension and insert objects into it\n\
         DROP EXTENSION IF EXISTS {};\n\
         SELECT pg_catalog.binary_upgrade_create_empty_extension({}, {}, {}, {}, {}, {}, \
         ARRAY[{}]::pg_catalog.text[]);\n",
        writer.identifier(&object.name),
        literal(&object.name),
        literal(&extension.install_schema),
        extension.relocatable,
        literal(&extension.version),
        array(tables),
        array(conditions),
        required.join(",")
    )
}

/// Returns the statements that give an enum its labels with their oids.
pub(super) fn enum_labels(
    writer: &Writer<'_>,
    upgrade: &BinaryUpgrade,
    oid: Oid,
    name: &str,
    labels: &[String],
) -> String {
    let mut text = String::new();
    let oids = upgrade.enum_labels.get(&oid).map_or(&[][..], Vec::as_slice);
    for (label, &oid) in labels.iter().zip(oids) {
        if text.is_empty() {
            text.push_str("\n-- For binary upgrade, must preserve pg_enum oids\n");
        }
        text.push_str(&set_next("pg_enum_oid", oid));
        text.push_str(&format!("ALTER TYPE {name} ADD VALUE {};\n\n", writer.literal(label)));
    }
    text
}

/// Returns the statements that drop the attributes of a composite type that its CREATE had to repeat.
pub(super) fn dropped_attributes(
    writer: &Writer<'_>,
    upgrade: &BinaryUpgrade,
    kind: &Type,
    name: &str,
) -> String {
    let columns = upgrade.columns.get(&kind.relation).map_or(&[][..], Vec::as_slice);
    columns
        .iter()
        .filter(|column| column.dropped)
        .map(|column| {
            format!(
                "\n-- For binary upgrade, recreate dropped column.\n\
                 UPDATE pg_catalog.pg_attribute\n\
                 SET attlen = {}, attalign = '{}', attbyval = false\n\
                 WHERE attname = {}\n  AND attrelid = {}::pg_catalog.regclass;\n\
                 ALTER TYPE {name} DROP ATTRIBUTE {};\n",
                column.length,
                column.alignment,
                writer.literal(&column.name),
                writer.literal(name),
                writer.identifier(&column.name)
            )
        })
        .collect()
}

fn set_horizon(horizon: Horizon, oid: &str) -> String {
    let Horizon { transaction, multixact } = horizon;
    format!(
        "UPDATE pg_catalog.pg_class\n\
         SET relfrozenxid = '{transaction}', relminmxid = '{multixact}'\nWHERE oid = {oid};\n"
    )
}

/// Returns the statement for the horizon of the database.
pub(super) fn database_horizon(writer: &Writer<'_>, upgrade: &BinaryUpgrade) -> String {
    let Horizon { transaction, multixact } = upgrade.horizon;
    format!(
        "\n-- For binary upgrade, set datfrozenxid and datminmxid.\n\
         UPDATE pg_catalog.pg_database\n\
         SET datfrozenxid = '{transaction}', datminmxid = '{multixact}'\nWHERE datname = {};\n",
        writer.literal(&writer.database.facts.database)
    )
}

/// Writes the entry that keeps the files of all large objects.
pub(super) fn large_object_files(writer: &mut Writer<'_>, upgrade: &BinaryUpgrade) {
    let mut files =
        "\n-- For binary upgrade, preserve pg_largeobject and index relfilenodes\n".to_owned();
    let mut horizons =
        "\n-- For binary upgrade, set pg_largeobject relfrozenxid and relminmxid\n".to_owned();
    for (oid, storage) in &upgrade.large_objects {
        let what = if storage.relkind == 'i' { "index_relfilenode" } else { "heap_relfilenode" };
        files.push_str(&set_next(what, storage.file));
        horizons.push_str(&set_horizon(storage.horizon, &oid.to_string()));
    }
    let mut entry = TocEntry::new(writer.next_id(), TocEntry::LARGE_OBJECT_FILES, "pg_largeobject");
    entry.section = Section::PreData;
    entry.definition = format!("{files}TRUNCATE pg_catalog.pg_largeobject;\n{horizons}");
    writer.push(entry);
}

/// Returns the statements that note the privileges an extension's script has left, to precede the others.
///
/// # Errors
///
/// When the catalogs hold privileges that cannot be understood.
pub(super) fn initial_privileges(
    target: &acl::Target<'_>,
    privileges: &Acl,
) -> Result<String, acl::AclError> {
    let initial = privileges.initial.as_deref().unwrap_or_default();
    if privileges.initial_kind != Some('e') || initial.is_empty() {
        return Ok(String::new());
    }
    let by_script =
        Acl { current: privileges.initial.clone(), initial: None, ..privileges.clone() };
    let record = "SELECT pg_catalog.binary_upgrade_set_record_init_privs";
    let statements = acl::statements(target, &by_script)?;
    Ok(format!("{record}(true);\n{statements}{record}(false);\n"))
}

/// Returns what lets a subscription go on where it was.
pub(super) fn running_subscription(
    writer: &Writer<'_>,
    upgrade: &BinaryUpgrade,
    object: &Object,
) -> String {
    let Some(running) = upgrade.subscriptions.get(&object.catalog_id.oid) else {
        return String::new();
    };
    let mut text = String::new();
    if let Some(lsn) = &running.remote_lsn {
        text.push_str(&format!(
            "\n-- For binary upgrade, must preserve the remote_lsn for the subscriber's replication origin.\n\
             SELECT pg_catalog.binary_upgrade_replorigin_advance({}, '{lsn}');\n",
            writer.literal(&object.name)
        ));
    }
    if running.enabled {
        text.push_str(&format!(
            "\n-- For binary upgrade, must preserve the subscriber's running state.\n\
             ALTER SUBSCRIPTION {} ENABLE;\n",
            writer.identifier(&object.name)
        ));
    }
    text
}

/// Writes how far a table of a subscription has come.
pub(super) fn subscription_table(
    writer: &mut Writer<'_>,
    object: &Object,
    member: &SubscriptionTable,
) {
    let subscription = writer.database.object(member.subscription);
    if !writer.options.schema || !object.emits(Components::DEFINITION) {
        return;
    }
    let tag = format!("{} {}", subscription.name, object.name);
    let mut entry = writer.entry(object, "SUBSCRIPTION TABLE", &tag, Section::PostData);
    let lsn = match &member.lsn {
        Some(lsn) => format!("'{lsn}'"),
        None => "NULL".to_owned(),
    };
    entry.definition = format!(
        "\n-- For binary upgrade, must preserve the subscriber table.\n\
         SELECT pg_catalog.binary_upgrade_add_sub_rel_state({}, {}, '{}', {lsn});\n",
        writer.literal(&subscription.name),
        writer.database.object(member.table).catalog_id.oid,
        member.state
    );
    writer.push(entry);
}
