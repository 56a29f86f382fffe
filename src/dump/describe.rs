//! What an archive says about itself: its header and its manifest.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use chrono::{DateTime, Local, TimeDelta, Utc};

use super::options::{DumpContent, DumpOptions};
use super::plan::PlannedTable;
use crate::archive::statements::partition_root;
use crate::archive::{
    ArchiveHeader, ArchiveTime, ArchiveVersion, DataFileSummary, Manifest, ManifestData,
    ManifestLargeObjects, ManifestSequence, SchemaFingerprint, large_object_remarks,
    own_dumper_version, own_dumper_version_without_manifest,
};
use crate::catalog::LargeObjectMetadata;
use crate::connect::Session;
use crate::ddl::{Fidelity, RowForm};
use crate::error::Result;
use crate::model::{Components, Database, DumpId, Kind, SessionFacts, TocEntry};
use crate::select::{LargeObjectChoice, SelectionRequest};
use crate::sql::Quoting;

/// The settings that decide how a value is written as text. The first group is pinned by every dump, the
/// second is as the server has it and must be set alike before the text can be compared.
const SETTINGS: &str = "select name, setting from pg_catalog.pg_settings where name in (
    'TimeZone', 'DateStyle', 'IntervalStyle', 'bytea_output', 'extra_float_digits',
    'client_encoding', 'lc_monetary', 'server_encoding', 'standard_conforming_strings')";

/// Asks for the settings that shape the text of rows.
pub(super) async fn settings(session: &Session) -> Result<BTreeMap<String, String>> {
    let mut settings = BTreeMap::new();
    for row in &session.query("read the settings that shape text", SETTINGS).await? {
        settings.insert(row.text("name")?.to_owned(), row.text("setting")?.to_owned());
    }
    Ok(settings)
}

/// Returns the values of the sequences that the archive sets.
pub(super) fn sequences(database: &Database, entries: &[TocEntry]) -> Vec<ManifestSequence> {
    let set = entries.iter().filter(|entry| entry.desc == "SEQUENCE SET");
    let set: HashSet<(Option<&str>, &str)> =
        set.map(|entry| (entry.namespace.as_deref(), entry.tag.as_str())).collect();
    let mut sequences = Vec::new();
    for object in database.objects() {
        let Kind::SequenceSet { table } = object.kind else { continue };
        let sequence = database.object(table);
        if !object.emits(Components::DATA)
            || !set.contains(&(sequence.schema.as_deref(), sequence.name.as_str()))
        {
            continue;
        }
        let value = database
            .table(table)
            .and_then(|table| table.sequence.as_ref())
            .and_then(|sequence| sequence.value);
        if let Some((last_value, is_called)) = value {
            sequences.push(ManifestSequence {
                schema: sequence.schema.clone().unwrap_or_default(),
                name: sequence.name.clone(),
                last_value,
                is_called,
            });
        }
    }
    sequences
}

/// What the manifest is made of.
pub(super) struct Facts<'a> {
    pub(super) options: &'a DumpOptions,
    pub(super) session: &'a SessionFacts,
    pub(super) system_identifier: Option<&'a str>,
    pub(super) snapshot_lsn: Option<&'a str>,
    pub(super) elapsed: Duration,
    pub(super) settings: BTreeMap<String, String>,
    pub(super) sequences: Vec<ManifestSequence>,
    pub(super) entries: &'a [TocEntry],
    pub(super) data: Vec<(PlannedTable, DataFileSummary)>,
    pub(super) large_objects: Vec<ManifestLargeObjects>,
    pub(super) large_object_metadata: LargeObjectMetadata,
}

/// Returns the manifest, apart from what the archive writer fills in.
pub(super) fn manifest(mut facts: Facts<'_>) -> Manifest {
    let metadata = facts.large_object_metadata;
    for object in facts.large_objects.iter_mut().flat_map(|entry| &mut entry.objects) {
        object.class = metadata.class_of(object.oid);
    }
    let started = facts.options.started.with_timezone(&Utc);
    let mut roots: HashMap<DumpId, &str> = HashMap::new();
    for entry in facts.entries.iter().filter(|entry| entry.has_data) {
        roots.extend(partition_root(entry).map(|root| (entry.dump_id, root)));
    }
    let data = facts.data.into_iter().map(|(table, summary)| ManifestData {
        loaded_into: roots.get(&table.dump_id).map(|&root| root.to_owned()),
        columns: table.columns,
        filter: table.filter,
        ..ManifestData::new(summary, &table.name.schema, &table.name.name)
    });
    Manifest {
        server_version: facts.session.version_text.clone(),
        server_version_num: facts.session.version.0,
        system_identifier: facts.system_identifier.map(str::to_owned),
        database: facts.session.database.clone(),
        encoding: facts.session.encoding.clone(),
        snapshot_lsn: facts.snapshot_lsn.map(str::to_owned),
        started,
        finished: started + TimeDelta::from_std(facts.elapsed).unwrap_or_default(),
        options: chosen(facts.options),
        settings: facts.settings,
        data: data.collect(),
        sequences: facts.sequences,
        large_objects: facts.large_objects,
        large_object_classes: metadata.classes,
        large_object_remarks: large_object_remarks(facts.entries),
        schema: SchemaFingerprint::of(facts.entries),
        ..Manifest::default()
    }
}

/// Returns the options that decide what is in the archive and differ from a complete dump.
fn chosen(options: &DumpOptions) -> BTreeMap<String, String> {
    let mut chosen = BTreeMap::new();
    let mut set = |name: &str, value: String| chosen.insert(name.to_owned(), value);
    let DumpContent { schema, data, statistics, sequence_values } = options.content;
    let omit = options.omit;
    let switches = [
        ("schema-only", schema && !data && !statistics),
        ("data-only", data && !schema && !statistics),
        ("statistics-only", statistics && !schema && !data),
        ("statistics", statistics && (schema || data)),
        ("sequence-data", sequence_values && !data),
        ("no-owner", omit.owners),
        ("no-privileges", omit.privileges),
        ("no-comments", omit.comments),
        ("no-security-labels", omit.security_labels),
        ("no-policies", omit.policies),
        ("no-publications", omit.publications),
        ("no-subscriptions", omit.subscriptions),
        ("no-toast-compression", omit.toast_compression),
        ("no-tablespaces", omit.tablespaces),
        ("no-table-access-method", omit.access_methods),
        ("no-unlogged-table-data", omit.unlogged_data),
        ("load-via-partition-root", options.load_via_partition_root),
        ("quote-all-identifiers", options.quoting == Quoting::Always),
        ("disable-dollar-quoting", !options.dollar_quoting),
        ("enable-row-security", options.row_security),
        ("inserts", options.row_form != RowForm::Copy),
    ];
    for (name, is_set) in switches {
        if is_set {
            set(name, "true".to_owned());
        }
    }
    match options.large_objects {
        LargeObjectChoice::WithEverything => {}
        LargeObjectChoice::Always => drop(set("large-objects", "true".to_owned())),
        LargeObjectChoice::Never => drop(set("no-large-objects", "true".to_owned())),
    }
    if !options.sections.is_empty() {
        let words: Vec<&str> = options.sections.iter().map(|section| section.word()).collect();
        set("section", words.join(","));
    }
    if let Some(role) = &options.role {
        set("role", role.clone());
    }
    // As JSON, so that a later comparison selects exactly the same.
    if options.selection != SelectionRequest::default()
        && let Ok(selection) = serde_json::to_string(&options.selection)
    {
        set("selection", selection);
    }
    chosen
}

/// The version of pg_dump whose text a stand-in writes.
const STOCK_VERSION: &str = "18.6";

/// Returns the version that a dump names as its origin's.
pub(super) fn dumper_version(options: &DumpOptions, has_manifest: bool) -> String {
    match options.fidelity {
        _ if has_manifest => own_dumper_version(),
        Fidelity::PgDump => STOCK_VERSION.to_owned(),
        Fidelity::Corrected => own_dumper_version_without_manifest(),
    }
}

/// Returns a time as the comments of a verbose script have it.
pub(super) fn moment(time: DateTime<Local>) -> String {
    // The names of time zones are not known here; the offset says as much.
    let zone = match time.offset().local_minus_utc() {
        0 => "UTC".to_owned(),
        _ => time.format("%z").to_string(),
    };
    format!("{} {zone}", time.format("%Y-%m-%d %H:%M:%S"))
}

/// Returns the head of the archive.
pub(super) fn header(
    options: &DumpOptions,
    session: &SessionFacts,
    version: ArchiveVersion,
    has_manifest: bool,
) -> ArchiveHeader {
    ArchiveHeader {
        version,
        int_size: 4,
        offset_size: 8,
        format: options.format,
        algorithm: options.compression.algorithm,
        created: ArchiveTime::from_local(options.started),
        database: session.database.clone(),
        server_version: session.version_text.clone(),
        dumper_version: dumper_version(options, has_manifest),
    }
}
