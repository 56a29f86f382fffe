//! The large objects of an archive against those of a live database: which there are, whose they are,
//! what is said about them, their bytes.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;

use super::against::Comparison;
use super::report::{Finding, VerifyReport};
use crate::archive::{LargeObjectClass, ManifestLargeObject, large_object_remarks};
use crate::catalog::{
    Keeper, LargeObjectMetadata, LargeObjectReading, LargeObjectRow, LargeObjectRows,
    unexpected_large_object,
};
use crate::codec::LargeObjectHasher;
use crate::connect::{Session, server_error};
use crate::ddl::{self, DdlOptions};
use crate::error::{ErrorKind, Result};
use crate::model::{Database, Oid};
use crate::order;

/// How many objects are asked for at once, as many as pg_dump groups.
const TOGETHER: usize = 1_000;

/// After so many of one sort the rest is only counted: when everything is missing, one line says it.
const MOST_NAMED: usize = 100;

/// Compares and adds what differs to the report.
pub(super) async fn compare(
    comparison: &Comparison<'_>,
    keeper: &Keeper,
    report: &mut VerifyReport,
) -> Result<()> {
    let manifest = comparison.manifest;
    let live = LargeObjectMetadata::of(&keeper.database)?;
    let mut archived: Vec<ManifestLargeObject> =
        manifest.large_objects.iter().flat_map(|entry| &entry.objects).copied().collect();
    archived.sort_unstable_by_key(|object| object.oid);
    if archived.is_empty() && live.objects.is_empty() {
        return Ok(());
    }
    let mut findings = Named::default();
    for (oid, _) in &live.objects {
        if archived.binary_search_by_key(oid, |object| object.oid).is_err() {
            findings.add(*oid, "is in the database and not in the archive");
        }
    }
    let remarks = live_remarks(comparison, &keeper.database)?;
    let mut common = Vec::with_capacity(archived.len());
    for object in archived {
        let Ok(place) = live.objects.binary_search_by_key(&object.oid, |(oid, _)| *oid) else {
            findings.add(object.oid, "is in the archive and not in the database");
            continue;
        };
        let ours = manifest.large_object_classes.get(object.class as usize);
        let theirs = live.classes.get(live.objects[place].1 as usize);
        compare_class(comparison, object.oid, ours, theirs, &mut findings);
        if let Some(remarks) = &remarks
            && remarks.get(&object.oid.0) != manifest.large_object_remarks.get(&object.oid.0)
        {
            findings.add(object.oid, "has another comment or security label");
        }
        common.push(object);
    }
    report.large_objects_compared = common.len() as u64;
    compare_bytes(comparison, keeper, &common, &mut findings).await?;
    findings.report(report);
    Ok(())
}

/// Findings about large objects, the first ones of each sort by name.
#[derive(Default)]
struct Named(BTreeMap<String, Vec<Oid>>);

impl Named {
    fn add(&mut self, oid: Oid, what: impl Into<String>) {
        self.0.entry(what.into()).or_default().push(oid);
    }

    fn report(self, report: &mut VerifyReport) {
        for (what, mut oids) in self.0 {
            oids.sort_unstable();
            for oid in oids.iter().take(MOST_NAMED) {
                report.findings.push(Finding::new(format!("large object {oid}"), what.as_str()));
            }
            if let Some(more) = oids.len().checked_sub(MOST_NAMED).filter(|more| *more > 0) {
                let subject = format!("{more} more large objects");
                report.findings.push(Finding::new(subject, what));
            }
        }
    }
}

/// Returns hashes of what the live database says about its large objects, unless the archive holds nothing of
/// the kind to compare it with.
fn live_remarks(
    comparison: &Comparison<'_>,
    live: &Database,
) -> Result<Option<BTreeMap<u32, crate::codec::Sha256Digest>>> {
    let options = &comparison.manifest.options;
    if ["no-comments", "no-security-labels"].iter().any(|name| options.contains_key(*name)) {
        return Ok(None);
    }
    let mut sorted = live.clone();
    let order = order::sort(&mut sorted, &mut |_| {});
    let objects: Vec<_> =
        order.into_iter().filter(|id| !sorted.object(*id).large_objects().is_empty()).collect();
    let entries = ddl::entries(&sorted, &objects, &DdlOptions::default())?;
    Ok(Some(large_object_remarks(&entries)))
}

fn compare_class(
    comparison: &Comparison<'_>,
    oid: Oid,
    ours: Option<&LargeObjectClass>,
    theirs: Option<&LargeObjectClass>,
    findings: &mut Named,
) {
    let (Some(ours), Some(theirs)) = (ours, theirs) else { return };
    if comparison.schema.owners && ours.owner != theirs.owner {
        findings.add(oid, format!("has another owner than {}", ours.owner));
    }
    if comparison.schema.privileges && ours.privileges != theirs.privileges {
        findings.add(oid, "has other privileges");
    }
}

/// Reads the objects on all connections and compares their hashes.
async fn compare_bytes(
    comparison: &Comparison<'_>,
    keeper: &Keeper,
    objects: &[ManifestLargeObject],
    findings: &mut Named,
) -> Result<()> {
    let bytes = objects.iter().map(|object| object.raw_bytes).sum();
    comparison.progress.phase("comparing large objects", objects.len() as u64, bytes);
    let queue: Mutex<VecDeque<&[ManifestLargeObject]>> =
        Mutex::new(objects.chunks(TOGETHER).collect());
    let jobs = comparison.jobs.clamp(1, objects.len().div_ceil(TOGETHER).max(1));
    let workers = (0..jobs).map(|_| async {
        let session = keeper.recipe.join(&keeper.identity, &keeper.snapshot).await?;
        let mut worker = Worker {
            reading: LargeObjectReading::ask(&session).await?,
            session,
            comparison,
            found: Named::default(),
        };
        loop {
            let next = queue.lock().ok().and_then(|mut queue| queue.pop_front());
            let Some(group) = next else { break };
            worker.read_group(group).await?;
        }
        worker.session.close().await;
        Ok::<Named, crate::Error>(worker.found)
    });
    for found in futures::future::try_join_all(workers).await? {
        for (what, oids) in found.0 {
            findings.0.entry(what).or_default().extend(oids);
        }
    }
    Ok(())
}

struct Worker<'a> {
    session: Session,
    reading: LargeObjectReading,
    comparison: &'a Comparison<'a>,
    found: Named,
}

impl Worker<'_> {
    async fn read_group(&mut self, group: &[ManifestLargeObject]) -> Result<()> {
        let item = match group {
            [first, .., last] => format!("large objects {}..{}", first.oid, last.oid),
            [only] => format!("large object {}", only.oid),
            [] => return Ok(()),
        };
        let bytes = group.iter().map(|object| object.raw_bytes).sum();
        self.comparison.progress.started(&item, bytes);
        self.session
            .execute("prepare to read large objects", LargeObjectReading::preparation())
            .await?;
        match self.hash_group(group, &item).await {
            Err(error) if error.kind() == ErrorKind::Server => {
                let message = server_error(&error).map(|error| error.message.clone());
                let why = message.unwrap_or_else(|| error.to_string());
                for object in group {
                    self.found.add(object.oid, format!("cannot be read: {why}"));
                }
            }
            result => result?,
        }
        self.comparison.progress.finished(&item);
        Ok(())
    }

    async fn hash_group(&mut self, group: &[ManifestLargeObject], item: &str) -> Result<()> {
        let oids: Vec<Oid> = group.iter().map(|object| object.oid).collect();
        let mut rows = LargeObjectRows::default();
        let mut open = Open::new(group[0].oid);
        let mut rest = group.iter();
        let statement = self.reading.statement(&oids);
        let mut copy = self.session.copy_out(&format!("read {item}"), &statement).await?;
        let mut differing = Vec::new();
        let mut judge = |object: &ManifestLargeObject, open: &Open| {
            if open.length != object.raw_bytes {
                differing.push((
                    object.oid,
                    format!(
                        "has {} bytes in the archive and {} in the database",
                        object.raw_bytes, open.length
                    ),
                ));
            } else if open.hasher.finish() != object.hash {
                differing.push((object.oid, "its bytes differ".to_owned()));
            }
        };
        let mut current = rest.next();
        while let Some(chunk) = copy.next().await? {
            self.comparison.interrupt.check()?;
            self.comparison.progress.advanced(item, chunk.len() as u64, 0);
            rows.feed(&chunk);
            while let Some(row) = rows.next_row()? {
                while let Some(object) = current
                    && object.oid != row.oid
                {
                    judge(object, &open);
                    current = rest.next();
                    open = Open::new(current.map_or(Oid::ZERO, |object| object.oid));
                }
                if current.is_none() {
                    return Err(unexpected_large_object("an object comes out of order"));
                }
                open.feed(&row)?;
            }
        }
        rows.finish()?;
        while let Some(object) = current {
            judge(object, &open);
            current = rest.next();
            open = Open::new(current.map_or(Oid::ZERO, |object| object.oid));
        }
        for (oid, what) in differing {
            self.found.add(oid, what);
        }
        Ok(())
    }
}

/// The object that is being read.
struct Open {
    hasher: LargeObjectHasher,
    length: u64,
}

impl Open {
    fn new(oid: Oid) -> Self {
        Open { hasher: LargeObjectHasher::new(oid.0), length: 0 }
    }

    fn feed(&mut self, row: &LargeObjectRow<'_>) -> Result<()> {
        const ZEROS: [u8; 4096] = [0; 4096];
        let mut hole = row
            .offset
            .checked_sub(self.length)
            .ok_or_else(|| unexpected_large_object("a page comes out of order"))?;
        while hole > 0 {
            let now = hole.min(ZEROS.len() as u64);
            self.hasher.feed(&ZEROS[..now as usize]);
            hole -= now;
        }
        self.hasher.feed(row.bytes);
        self.length = row.offset + row.bytes.len() as u64;
        Ok(())
    }
}
