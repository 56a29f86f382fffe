//! How the schemas of two archives, or of an archive and a live database, differ.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::archive::{ArchiveReader, SchemaComparison, SchemaDifference, SchemaFingerprint};
use crate::catalog::{CatalogOptions, Keeper, KeeperOptions, SessionSettings};
use crate::connect::ConnectParams;
use crate::ddl::{self, DdlOptions, Fidelity};
use crate::error::Result;
use crate::model::TocEntry;
use crate::order;
use crate::progress::ProgressHandle;

/// Where a schema comes from.
pub enum SchemaSource<'a> {
    /// An opened archive.
    Archive(&'a dyn ArchiveReader),
    /// A live database.
    Database(&'a ConnectParams),
}

/// One definition in which two schemas differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SchemaChange {
    /// The kind, such as `TABLE`.
    pub kind: String,
    /// The schema, empty for kinds that live in none.
    pub schema: String,
    /// The name as the archive shows it.
    pub name: String,
    /// How it differs.
    pub difference: SchemaDifference,
    /// The definition in the first schema, empty when it is not there.
    pub before: String,
    /// The definition in the second schema, empty when it is not there.
    pub after: String,
    /// The owner in the first schema.
    pub owner_before: String,
    /// The owner in the second schema.
    pub owner_after: String,
}

/// Returns every definition in which the schema of an archive differs from another one.
///
/// A database is read as `pgark dump` reads it; for an archive by pg_dump, with pg_dump's wording.
///
/// # Errors
///
/// Everything that connecting to a database and reading its catalogs can meet.
pub async fn schema_changes(
    archive: &dyn ArchiveReader,
    other: SchemaSource<'_>,
    comparison: SchemaComparison,
    progress: &ProgressHandle,
) -> Result<Vec<SchemaChange>> {
    let theirs = match other {
        SchemaSource::Archive(reader) => reader.entries().to_vec(),
        SchemaSource::Database(params) => {
            let by_pgark = archive.header().dumper_version.starts_with("pgark");
            let fidelity = if by_pgark { Fidelity::Corrected } else { Fidelity::PgDump };
            live_entries(params, comparison, fidelity, progress).await?
        }
    };
    Ok(changes(archive.entries(), &theirs, comparison))
}

/// Reads the definitions of a live database.
async fn live_entries(
    params: &ConnectParams,
    comparison: SchemaComparison,
    fidelity: Fidelity,
    progress: &ProgressHandle,
) -> Result<Vec<TocEntry>> {
    let options = KeeperOptions {
        settings: SessionSettings { pinned_text: true, ..SessionSettings::default() },
        catalog: CatalogOptions {
            data: false,
            sequence_values: false,
            privileges: comparison.privileges,
            ..CatalogOptions::default()
        },
        ..KeeperOptions::default()
    };
    let keeper = Keeper::open(params, &options, progress).await?;
    keeper.session.close().await;
    let mut database = keeper.database;
    let sorted = order::sort(&mut database, &mut |warning| progress.info(&warning.to_string()));
    let options = DdlOptions {
        data: false,
        sequence_values: false,
        privileges: comparison.privileges,
        fidelity,
        ..DdlOptions::default()
    };
    ddl::entries(&database, &sorted, &options)
}

fn changes(
    ours: &[TocEntry],
    theirs: &[TocEntry],
    comparison: SchemaComparison,
) -> Vec<SchemaChange> {
    let (before, after) = (texts(ours), texts(theirs));
    let fingerprint = SchemaFingerprint::of(ours);
    let other = SchemaFingerprint::of(theirs);
    fingerprint
        .differences(&other, comparison)
        .into_iter()
        .map(|(item, difference)| {
            let key = (item.desc.as_str(), item.namespace.as_str(), item.tag.as_str());
            let of = |texts: &BTreeMap<_, (String, String)>| {
                texts.get(&key).cloned().unwrap_or_default()
            };
            let (before, owner_before) = of(&before);
            let (after, owner_after) = of(&after);
            SchemaChange {
                kind: item.desc.clone(),
                schema: item.namespace.clone(),
                name: item.tag.clone(),
                difference,
                before,
                after,
                owner_before,
                owner_after,
            }
        })
        .collect()
}

/// Returns definition and owner of everything, several with the same name together, as the fingerprint
/// takes them.
fn texts(entries: &[TocEntry]) -> BTreeMap<(&str, &str, &str), (String, String)> {
    let mut texts: BTreeMap<_, (String, String)> = BTreeMap::new();
    for entry in entries {
        let key =
            (entry.desc.as_str(), entry.namespace.as_deref().unwrap_or(""), entry.tag.as_str());
        let (definition, owner) = texts.entry(key).or_default();
        definition.push_str(&entry.definition);
        *owner = entry.owner.clone().unwrap_or_default();
    }
    texts
}
