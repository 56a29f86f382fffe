//! Whether the large objects of an archive are what its lists and its manifest say.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::atomic::Ordering;

use rayon::prelude::*;

use super::{Check, CheckFinding, DataFile, Depth, FindingKind, Report};
use crate::archive::directory::blob_file_name;
use crate::archive::large_object_text::not_listed;
use crate::archive::{LargeObjectFile, ManifestLargeObject, ManifestLargeObjects, StoredData};
use crate::codec::{LargeObjectHasher, Sha256Digest};
use crate::error::{Result, with_causes};
use crate::model::TocEntry;

/// The large objects of one entry, as they should be.
pub(super) struct Group<'a> {
    entry: &'a TocEntry,
    /// The name of the list.
    list: String,
    manifest: Option<&'a ManifestLargeObjects>,
    objects: Vec<Object<'a>>,
    /// Why the list cannot be used.
    unreadable: Option<String>,
}

/// A large object, as it should be.
struct Object<'a> {
    place: LargeObjectFile,
    manifest: Option<&'a ManifestLargeObject>,
    digest: Option<Sha256Digest>,
}

impl Group<'_> {
    /// Returns how many bytes are stored, as far as it is known.
    pub(super) fn bytes(&self) -> u64 {
        let objects = self.objects.iter().filter_map(|object| object.manifest);
        objects.map(|object| object.stored_bytes).sum()
    }
}

impl Check<'_> {
    /// Lists all large objects; with a manifest those that should be there.
    pub(super) fn large_object_groups(
        &self,
        sums: &BTreeMap<String, Sha256Digest>,
    ) -> Vec<Group<'_>> {
        let entries = self.reader.entries().iter().filter(|entry| entry.holds_large_objects());
        entries.filter(|entry| entry.has_data).map(|entry| self.group(entry, sums)).collect()
    }

    fn group<'a>(
        &'a self,
        entry: &'a TocEntry,
        sums: &BTreeMap<String, Sha256Digest>,
    ) -> Group<'a> {
        let known = self.reader.manifest();
        let manifest = known.and_then(|manifest| manifest.large_objects_of(entry.dump_id));
        let list = self.reader.data_name(entry);
        let mut group = Group { entry, list, manifest, objects: Vec::new(), unreadable: None };
        let listed = self.reader.large_objects(entry);
        let mut places: BTreeMap<u32, LargeObjectFile> = BTreeMap::new();
        match listed {
            Ok(listed) => {
                let same = |manifest: &ManifestLargeObjects| {
                    let listed = listed.iter().map(|object| object.oid);
                    listed.eq(manifest.objects.iter().map(|object| object.oid.0))
                };
                if manifest.is_some_and(|manifest| !same(manifest)) {
                    let what = "it does not list the large objects that the manifest lists";
                    group.unreadable = Some(what.to_owned());
                }
                let oids = listed.iter().map(|object| object.oid).collect();
                if let Some(oid) = not_listed(self.reader.entries(), entry, &oids) {
                    let what = format!("it does not list large object {oid}, which has an entry");
                    group.unreadable.get_or_insert(what);
                }
                places.extend(listed.into_iter().map(|place| (place.oid, place)));
            }
            Err(error) => group.unreadable = Some(with_causes(&error)),
        }
        let Some(manifest) = manifest else {
            group.objects.extend(places.into_values().map(|place| {
                let digest = sums.get(&place.file).copied();
                Object { place, manifest: None, digest }
            }));
            return group;
        };
        group.objects.extend(manifest.objects.iter().map(|object| {
            // Where the list is damaged the name is known all the same.
            let place = places.remove(&object.oid.0).unwrap_or_else(|| LargeObjectFile {
                oid: object.oid.0,
                file: blob_file_name(object.oid),
                position: 0,
            });
            Object { place, manifest: Some(object), digest: Some(object.sha256) }
        }));
        group
    }

    /// Checks an entry: its list, then every object.
    pub(super) fn check_group(&self, group: &Group<'_>, depth: Depth) -> Result<()> {
        let item = group.entry.describe();
        self.progress.started(&item, group.bytes());
        if let Some(why) = &group.unreadable {
            self.report_list(group, FindingKind::LargeObjectsDiffer, why);
        }
        self.check_list(group)?;
        group.objects.par_iter().try_for_each(|object| -> Result<()> {
            self.interrupt.check()?;
            self.check_object(group, object, &item, depth)
        })?;
        self.progress.finished(&item);
        Ok(())
    }

    /// Compares the list with the manifest.
    fn check_list(&self, group: &Group<'_>) -> Result<()> {
        let Some(manifest) = group.manifest else { return Ok(()) };
        let stored = match self.reader.stored_data(group.entry) {
            Ok(Some(stored)) => stored,
            Ok(None) => {
                self.report_list(group, FindingKind::FileMissing, "it is missing");
                return Ok(());
            }
            Err(error) => {
                self.report_list(group, FindingKind::FileUnreadable, &with_causes(&error));
                return Ok(());
            }
        };
        let file = DataFile {
            entry: group.entry,
            table: group.entry.describe(),
            name: group.list.clone(),
            data: None,
            digest: Some(manifest.sha256),
            bytes: manifest.stored_bytes,
        };
        self.check_sum(&file, &stored, Report::No)
    }

    fn report_list(&self, group: &Group<'_>, kind: FindingKind, what: &str) {
        self.report(CheckFinding {
            kind,
            file: group.list.clone(),
            offset: None,
            entry: Some(group.entry.dump_id.0),
            table: None,
            what: what.to_owned(),
        });
    }

    fn check_object(
        &self,
        group: &Group<'_>,
        object: &Object<'_>,
        item: &str,
        depth: Depth,
    ) -> Result<()> {
        self.large_objects.fetch_add(1, Ordering::Relaxed);
        let mut file = DataFile {
            entry: group.entry,
            table: item.to_owned(),
            name: object.place.file.clone(),
            data: None,
            digest: object.digest,
            bytes: object.manifest.map_or(0, |object| object.stored_bytes),
        };
        let stored = match self.reader.stored_large_object(&object.place) {
            Ok(Some(stored)) => stored,
            Ok(None) => {
                file.name.push_str(self.reader.header().algorithm.suffix());
                self.report_data(FindingKind::FileMissing, &file, None, "it is missing");
                return Ok(());
            }
            Err(error) => {
                self.unreadable(&file, &error);
                return Ok(());
            }
        };
        if stored.is_whole_file() {
            file.name.push_str(stored.algorithm.suffix());
            let bytes = stored.bytes();
            self.stored_bytes.fetch_add(bytes, Ordering::Relaxed);
            if let Some(expected) = object.manifest
                && expected.stored_bytes != bytes
            {
                let what =
                    format!("it should have {} bytes and has {bytes}", expected.stored_bytes);
                self.report_data(FindingKind::SizeDiffers, &file, None, &what);
            }
            self.check_sum(&file, &stored, Report::Yes)?;
        }
        match depth {
            Depth::Quick => Ok(()),
            Depth::Full => self.decode_object(object, &file, &stored),
        }
    }

    /// Decompresses an object and compares what comes out.
    fn decode_object(
        &self,
        object: &Object<'_>,
        file: &DataFile<'_>,
        stored: &StoredData,
    ) -> Result<()> {
        let mut input = stored.open();
        let mut hasher = LargeObjectHasher::new(object.place.oid);
        let mut raw_bytes = 0_u64;
        let mut buffer = vec![0; 1 << 16];
        loop {
            self.interrupt.check()?;
            match input.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => {
                    raw_bytes += count as u64;
                    hasher.feed(&buffer[..count]);
                }
                Err(error) => {
                    let what = format!("after {raw_bytes} decompressed bytes: {error}");
                    self.report_data(FindingKind::DataDamaged, file, None, &what);
                    return Ok(());
                }
            }
        }
        self.raw_bytes.fetch_add(raw_bytes, Ordering::Relaxed);
        let Some(expected) = object.manifest else { return Ok(()) };
        if raw_bytes != expected.raw_bytes {
            let what = format!(
                "the large object should have {} bytes and has {raw_bytes}",
                expected.raw_bytes
            );
            self.report_data(FindingKind::RawSizeDiffers, file, None, &what);
        } else if hasher.finish() != expected.hash {
            let what = "the bytes are other ones than were dumped";
            self.report_data(FindingKind::LargeObjectsDiffer, file, None, what);
        }
        Ok(())
    }
}
