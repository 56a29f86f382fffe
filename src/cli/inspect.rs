//! `pgark inspect`: what an archive holds, as a table, as JSON or as pg_restore lists it.

use std::fmt::{self, Display, Formatter};

use chrono::Local;
use serde::Serialize;

use super::arguments::InspectArguments;
use super::cluster;
use super::difference;
use super::extract;
use super::input::Input;
use super::output;
use super::progress::{bytes, count, fitted, visible};
use super::world::World;
use crate::archive::cluster::ClusterManifest;
use crate::archive::listing::{self, ListingDetail};
use crate::archive::selection::{self, RestoreSelection};
use crate::archive::{self, ArchiveHeader, ArchiveReader, ManifestState};
use crate::error::Result;
use crate::model::TocEntry;
use crate::progress::Interrupt;

pub(super) async fn run(
    arguments: &InspectArguments,
    world: &World,
    interrupt: &Interrupt,
) -> Result<()> {
    if ClusterManifest::is_at(&arguments.archive)
        && !arguments.list
        && arguments.extract.is_none()
        && arguments.diff.is_none()
    {
        return cluster::inspect(&arguments.archive, arguments.json);
    }
    let input = Input::open_archive(&arguments.archive, world, interrupt).await?;
    let reader = archive::open(&input.location)?;
    if arguments.list {
        return list(reader.as_ref(), world);
    }
    if let Some(name) = &arguments.extract {
        return extract::run(reader.as_ref(), name, arguments.form, interrupt);
    }
    if let Some(other) = &arguments.diff {
        return difference::run(reader.as_ref(), other, arguments, world).await;
    }
    output::result(&Contents::of(reader.as_ref()), arguments.json, ToString::to_string)
}

/// Prints the table of contents as `pg_restore --list` does.
fn list(reader: &dyn ArchiveReader, world: &World) -> Result<()> {
    let marks = selection::marks(reader.entries(), &RestoreSelection::default());
    output::print_carried(&listing::listing(
        reader.header(),
        reader.entries(),
        &marks,
        &created(reader.header(), world),
        ListingDetail::Selected,
    ))
}

/// Returns when an archive was made, as this place writes times.
pub(super) fn created(header: &ArchiveHeader, world: &World) -> String {
    let time = header.created.to_naive().and_then(|time| time.and_local_timezone(Local).earliest());
    time.map_or_else(|| "[unknown]".to_owned(), |time| world.time_text(time))
}

/// What an archive holds.
#[derive(Debug, Serialize)]
struct Contents {
    path: String,
    database: String,
    format: String,
    archive_version: String,
    compression: String,
    server_version: String,
    made_by: String,
    manifest: &'static str,
    stored_bytes: u64,
    raw_bytes: Option<u64>,
    rows: Option<u64>,
    entries: Vec<EntryLine>,
}

/// One entry of an archive.
#[derive(Debug, Serialize)]
struct EntryLine {
    dump_id: i32,
    section: &'static str,
    kind: String,
    schema: Option<String>,
    name: String,
    owner: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stored_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    raw_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fingerprint: Option<String>,
}

impl EntryLine {
    /// Returns how much smaller the data are stored than they are, such as `4.2x`.
    fn ratio(&self) -> Option<String> {
        let (raw, stored) = (self.raw_bytes?, self.stored_bytes?);
        // The end mark alone says nothing about compression.
        (raw > 100 && stored > 0).then(|| format!("{:.1}x", raw as f64 / stored as f64))
    }
}

impl Contents {
    fn of(reader: &dyn ArchiveReader) -> Contents {
        let header = reader.header();
        let manifest = reader.manifest();
        let line = |entry: &TocEntry| {
            let data = manifest.and_then(|manifest| manifest.data_entry(entry.dump_id));
            EntryLine {
                dump_id: entry.dump_id.0,
                section: entry.section.word(),
                kind: entry.desc.clone(),
                schema: entry.namespace.clone(),
                name: entry.tag.clone(),
                owner: entry.owner.clone().filter(|owner| !owner.is_empty()),
                file: entry.has_data.then(|| entry.file_name.clone()).flatten(),
                stored_bytes: entry.has_data.then(|| reader.data_size(entry)),
                raw_bytes: data.map(|data| data.raw_bytes),
                rows: data.map(|data| data.rows),
                fingerprint: data.map(|data| data.fingerprint.to_string()),
            }
        };
        let entries: Vec<EntryLine> = reader.entries().iter().map(line).collect();
        Contents {
            path: reader.path().display().to_string(),
            database: header.database.clone(),
            format: header.format.name().to_lowercase(),
            archive_version: header.version.to_string(),
            compression: header.algorithm.to_string(),
            server_version: header.server_version.clone(),
            made_by: header.dumper_version.clone(),
            manifest: match reader.manifest_state() {
                ManifestState::Valid(_) => "valid",
                ManifestState::NotExpected => "none",
                ManifestState::Gone => "gone",
                ManifestState::Damaged(_) => "damaged",
            },
            stored_bytes: entries.iter().filter_map(|entry| entry.stored_bytes).sum(),
            raw_bytes: manifest
                .map(|manifest| manifest.data.iter().map(|data| data.raw_bytes).sum()),
            rows: manifest.map(|manifest| manifest.data.iter().map(|data| data.rows).sum()),
            entries,
        }
    }
}

impl Display for Contents {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: database {}", visible(&self.path), visible(&self.database))?;
        writeln!(
            f,
            "  {} format {}, compression {}, made by {} from PostgreSQL {}",
            self.format,
            self.archive_version,
            self.compression,
            visible(&self.made_by),
            visible(&self.server_version)
        )?;
        write!(f, "  {} entries, {} stored", self.entries.len(), bytes(self.stored_bytes))?;
        if let (Some(raw), Some(rows)) = (self.raw_bytes, self.rows) {
            write!(f, ", {} and {} rows unpacked", bytes(raw), count(rows))?;
        }
        writeln!(f, ", manifest {}\n", self.manifest)?;
        writeln!(
            f,
            "{:>7}  {:<22} {:<34} {:>14} {:>11} {:>6}",
            "id", "kind", "name", "rows", "stored", "ratio"
        )?;
        for entry in &self.entries {
            let name = match entry.schema.as_deref().filter(|schema| !schema.is_empty()) {
                Some(schema) => format!("{schema}.{}", entry.name),
                None => entry.name.clone(),
            };
            let line = format!(
                "{:>7}  {} {} {:>14} {:>11} {:>6}",
                entry.dump_id,
                fitted(&entry.kind, 22),
                fitted(&name, 34),
                entry.rows.map(count).unwrap_or_default(),
                entry.stored_bytes.map(bytes).unwrap_or_default(),
                entry.ratio().unwrap_or_default(),
            );
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}
