//! A small archive of several tables, for the tests of every format that is a single file.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use proptest::sample::Index;

use super::check::{Depth, check};
use super::toc::Toc;
use super::{
    ArchiveFormat, ArchiveHeader, ArchiveReader, ArchiveTime, ArchiveWriter, create, open,
    own_dumper_version_without_manifest,
};
use crate::codec::{Algorithm, Compression, RowHasher};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{DumpId, Section, TocEntry};
use crate::progress::{Interrupt, silent};

pub(super) fn toc(format: ArchiveFormat, algorithm: Algorithm, ids: &[i32]) -> Toc {
    let time = ArchiveTime::from_naive(chrono::NaiveDateTime::default());
    let header = ArchiveHeader {
        format,
        dumper_version: own_dumper_version_without_manifest(),
        ..ArchiveHeader::directory(algorithm, time)
    };
    let entry = |&id: &i32| TocEntry {
        section: Section::Data,
        namespace: Some("public".into()),
        copy_statement: Some(format!("COPY public.t{id} (a) FROM stdin;\n")),
        has_data: true,
        file_name: (format != ArchiveFormat::Custom).then(|| format!("{id}.dat")),
        ..TocEntry::new(DumpId(id), "TABLE DATA", format!("t{id}"))
    };
    let mut entries: Vec<TocEntry> = ids.iter().map(entry).collect();
    entries.push(TocEntry::new(DumpId(900), "INDEX", "i"));
    Toc { header, entries }
}

pub(super) fn text_of(id: i32) -> String {
    (0..id * 100).map(|row| format!("{row}\trow {row} of {id}\n")).collect()
}

/// Writes the data of an entry in two pieces, the second one first.
pub(super) fn write_data(writer: &dyn ArchiveWriter, id: i32) {
    let file = writer.data_file(DumpId(id)).expect("file");
    let text = text_of(id);
    let middle = text[..text.len() / 2].rfind('\n').map_or(0, |newline| newline + 1);
    for (index, part) in [(1, &text[middle..]), (0, &text[..middle])] {
        let mut rows = RowHasher::new();
        rows.feed(part.as_bytes());
        let rows = rows.finish();
        let mut piece = file.piece(index).expect("piece");
        let block = piece.codec().encode(part.as_bytes(), rows.rows).expect("encodes");
        piece.write_block(block).expect("writes");
        piece.finish(rows).expect("finishes");
    }
    file.finish(2).expect("finishes");
}

pub(super) fn write(
    format: ArchiveFormat,
    path: &Path,
    algorithm: Algorithm,
    ids: &[i32],
    order: &[i32],
) {
    let compression = Compression::new(algorithm);
    let writer =
        create(&path.into(), Arc::new(toc(format, algorithm, ids)), compression).expect("creates");
    order.iter().for_each(|&id| write_data(&*writer, id));
    writer.finish(None).expect("finishes");
}

pub(super) fn read(reader: &dyn ArchiveReader, id: i32) -> Result<String> {
    let entry = reader.entries().iter().find(|entry| entry.dump_id.0 == id).expect("entry");
    let mut text = String::new();
    let mut data = reader.open_data(entry)?;
    data.read_to_string(&mut text)
        .map_err(|error| Error::new(ErrorKind::Archive, "could not read").with_source(error))?;
    Ok(text)
}

/// Reads everything of an archive that may be anything.
fn read_all(path: &Path) {
    let Ok(reader) = open(path) else { return };
    for entry in reader.entries() {
        reader.data_size(entry);
        if let Ok(data) = reader.open_data(entry) {
            let _ = std::io::copy(&mut data.take(1 << 22), &mut std::io::sink());
        }
        if let Ok(objects) = reader.large_objects(entry) {
            objects.iter().for_each(|object| drop(reader.open_large_object(object)));
        }
    }
    let _ = check(&*reader, Depth::Full, &silent(), &Interrupt::default());
}

/// Changes bytes of an archive, cuts it, adds bytes behind, and reads everything that is left.
pub(super) fn read_mutated(
    path: &Path,
    mut bytes: Vec<u8>,
    changes: &[(Index, u8)],
    cut: Option<Index>,
    more: &[u8],
) {
    for (place, value) in changes {
        let place = place.index(bytes.len());
        bytes[place] = *value;
    }
    if let Some(cut) = cut {
        bytes.truncate(cut.index(bytes.len()));
    }
    bytes.extend(more);
    std::fs::write(path, &bytes).expect("writes");
    read_all(path);
}
