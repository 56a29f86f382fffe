//! The table of contents: header and entries to and from bytes.
//!
//! ```text
//! "PGDMP" | major minor rev | int size | offset size | format
//!         | algorithm (1 byte, 1.15) or level (integer) | 7 integers of local time
//!         | database, server version, dumper version (strings) | number of entries (integer)
//! entry:  dump id, has data (integers) | class oid, oid, tag, desc (strings) | section (integer, 1.11)
//!         | definition, drop statement, copy statement, namespace, tablespace (strings)
//!         | table access method (string, 1.14) | relkind (integer, 1.16) | owner, "false" (strings)
//!         | dependencies (strings, ended by NULL)
//!         | directory and tar: data file (string), custom: flag (1 byte) and position (offset)
//! ```
//!
//! Authority: `WriteHead`, `ReadHead`, `WriteToc` and `ReadToc` of `pg_backup_archiver.c`, and
//! `pg_backup_directory.c` for the last field. Foreign bytes are hostile here: nothing is allocated by
//! a number that was read, ids are unique, and a file name stays in the archive's directory.

use std::collections::{HashMap, HashSet};
use std::io::{self, Read, Write};

use super::primitive::{FormatError, PrimitiveReader, PrimitiveWriter, invalid};
use super::{ArchiveFormat, ArchiveHeader, ArchiveTime, ArchiveVersion};
use crate::codec::Algorithm;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{CatalogId, DumpId, Oid, Section, TocEntry};

/// The file or tar member with the table of contents.
pub(super) const TOC_FILE: &str = "toc.dat";

const MAGIC: [u8; 5] = *b"PGDMP";

/// A header and its entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toc {
    /// The head of the archive.
    pub header: ArchiveHeader,
    /// The entries in the order of the file.
    pub entries: Vec<TocEntry>,
}

/// Reads the whole of `input` as the table of contents of an archive in `format`.
///
/// `name` is the file's name for messages.
///
/// # Errors
///
/// [`ErrorKind::Archive`] with file, offset and entry when the bytes are not a table of contents that
/// can be read here, [`ErrorKind::Storage`] when reading fails.
pub fn read(input: impl Read, format: ArchiveFormat, name: &str) -> Result<Toc> {
    let mut reader = PrimitiveReader::new(input);
    read_located(&mut reader, format, name, End::OfInput).map(|(toc, _)| toc)
}

/// The table of contents of a custom archive, and where it says that data are.
#[derive(Debug)]
pub(super) struct PlacedToc {
    pub(super) toc: Toc,
    /// Where the block of each entry with data begins; `None` when that was not written.
    pub(super) positions: HashMap<DumpId, Option<u64>>,
    /// The length of all that.
    pub(super) bytes: u64,
}

/// Reads the table of contents at the beginning of a custom archive.
///
/// # Errors
///
/// As [`read`].
pub(super) fn read_placed(input: impl Read, name: &str) -> Result<PlacedToc> {
    let mut reader = PrimitiveReader::new(input);
    let (toc, positions) = read_located(&mut reader, ArchiveFormat::Custom, name, End::OfEntries)?;
    let positions = toc.entries.iter().map(|entry| entry.dump_id).zip(positions);
    let with_data = positions.filter_map(|(id, position)| match position {
        Position::NoData => None,
        Position::NotSet => Some((id, None)),
        Position::At(position) => Some((id, Some(position))),
    });
    let positions = with_data.collect();
    Ok(PlacedToc { toc, positions, bytes: reader.offset() })
}

/// What may follow the last entry.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// Nothing.
    OfInput,
    /// Data.
    OfEntries,
}

/// Where an entry's data are in a custom archive.
#[derive(Clone, Copy)]
enum Position {
    NoData,
    NotSet,
    At(u64),
}

fn read_located(
    reader: &mut PrimitiveReader<impl Read>,
    format: ArchiveFormat,
    name: &str,
    end: End,
) -> Result<(Toc, Vec<Position>)> {
    let mut place = Place { entry: None, id: None };
    read_all(reader, format, end, &mut place).map_err(|source| {
        let offset = reader.offset();
        let entry = match (place.entry, place.id) {
            (None, _) => " in the header".to_owned(),
            (Some(entry), None) => format!(" in entry number {entry}"),
            (Some(entry), Some(id)) => format!(" in entry number {entry} (toc entry {id})"),
        };
        let kind = match &source {
            FormatError::Io(error) if !is_damage(error) => ErrorKind::Storage,
            _ => ErrorKind::Archive,
        };
        Error::new(kind, format!("could not read \"{name}\" at offset {offset}{entry}"))
            .with_source(source)
    })
}

/// Tells whether a read error comes from what was read rather than from the disk.
pub(super) fn is_damage(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput
    ) || (error.kind() == io::ErrorKind::Other && error.raw_os_error().is_none())
}

/// Where reading is, for messages.
struct Place {
    entry: Option<i32>,
    id: Option<DumpId>,
}

fn read_all(
    reader: &mut PrimitiveReader<impl Read>,
    format: ArchiveFormat,
    end: End,
    place: &mut Place,
) -> Result<(Toc, Vec<Position>), FormatError> {
    let header = read_header(reader, format)?;
    let count = reader.integer("the number of entries")?;
    if count < 0 {
        return Err(invalid(format!("the number of entries is {count}")));
    }
    let mut entries = Vec::new();
    let mut positions = Vec::new();
    let mut ids = HashSet::new();
    for number in 1..=count {
        *place = Place { entry: Some(number), id: None };
        let id = reader.integer("the entry's id")?;
        if id <= 0 {
            return Err(invalid(format!("entry id {id} is out of range")));
        }
        place.id = Some(DumpId(id));
        if !ids.insert(id) {
            return Err(invalid(format!("entry id {id} occurs twice")));
        }
        let mut entry = read_entry(reader, header.version, DumpId(id))?;
        let position = match format {
            ArchiveFormat::Custom => read_position(reader, header.offset_size)?,
            ArchiveFormat::Plain | ArchiveFormat::Directory | ArchiveFormat::Tar => {
                entry.file_name = read_file_name(reader)?;
                Position::NotSet
            }
        };
        // An entry without data by its position has none, whatever its flag says.
        entry.has_data &= !matches!(position, Position::NoData);
        positions.push(if entry.has_data { position } else { Position::NoData });
        entries.push(entry);
    }
    if end == End::OfInput && !reader.at_end()? {
        return Err(invalid("bytes follow the last entry"));
    }
    Ok((Toc { header, entries }, positions))
}

fn read_header(
    reader: &mut PrimitiveReader<impl Read>,
    format: ArchiveFormat,
) -> Result<ArchiveHeader, FormatError> {
    if reader.bytes("the magic bytes")? != MAGIC {
        return Err(invalid("not an archive: the file does not begin with PGDMP"));
    }
    let [major, minor, revision] = reader.bytes("the version")?;
    let version = ArchiveVersion { major, minor, revision };
    if !version.is_readable() {
        return Err(invalid(format!("unsupported version ({version}) in file header")));
    }
    let [int_size, offset_size, format_byte] = reader.bytes("the sizes")?;
    if !(4..=32).contains(&int_size) || !(1..=32).contains(&offset_size) {
        return Err(invalid(format!(
            "integers of {int_size} bytes and offsets of {offset_size} bytes are not supported"
        )));
    }
    reader.set_int_size(int_size);
    if format_byte != format.header_byte() {
        return Err(invalid(format!(
            "expected format ({}) differs from format found in file ({format_byte})",
            format.header_byte()
        )));
    }
    let algorithm = if version.has_algorithm() {
        match reader.byte("the compression algorithm")? {
            0 => Algorithm::None,
            1 => Algorithm::Gzip,
            2 => Algorithm::Lz4,
            3 => Algorithm::Zstd,
            other => return Err(invalid(format!("unknown compression algorithm {other}"))),
        }
    } else {
        match reader.integer("the compression level")? {
            0 => Algorithm::None,
            _ => Algorithm::Gzip,
        }
    };
    let created = ArchiveTime {
        second: reader.integer("the creation time")?,
        minute: reader.integer("the creation time")?,
        hour: reader.integer("the creation time")?,
        day: reader.integer("the creation time")?,
        month: reader.integer("the creation time")?,
        year: reader.integer("the creation time")?,
        is_dst: reader.integer("the creation time")?,
    };
    Ok(ArchiveHeader {
        version,
        int_size,
        offset_size,
        format,
        algorithm,
        created,
        database: reader.string("the database's name")?.unwrap_or_default(),
        server_version: reader.string("the server's version")?.unwrap_or_default(),
        dumper_version: reader.string("the dumper's version")?.unwrap_or_default(),
    })
}

fn read_entry(
    reader: &mut PrimitiveReader<impl Read>,
    version: ArchiveVersion,
    dump_id: DumpId,
) -> Result<TocEntry, FormatError> {
    let has_data = reader.integer("the data flag")? != 0;
    let class = read_oid(reader, "the class oid")?;
    let oid = read_oid(reader, "the oid")?;
    let tag = required(reader.string("the tag")?, "the tag")?;
    let desc = required(reader.string("the desc")?, "the desc")?;
    let section = if version.has_section() {
        match reader.integer("the section")? {
            1 => Section::None,
            2 => Section::PreData,
            3 => Section::Data,
            4 => Section::PostData,
            other => return Err(invalid(format!("unknown section {other}"))),
        }
    } else {
        section_of(&desc)
    };
    let definition = reader.string("the definition")?.unwrap_or_default();
    let drop_statement = reader.string("the drop statement")?;
    let copy_statement = reader.string("the copy statement")?;
    let namespace = reader.string("the namespace")?;
    let tablespace = reader.string("the tablespace")?;
    let table_access_method = if version.has_table_access_method() {
        reader.string("the table access method")?
    } else {
        None
    };
    let relkind = if version.has_relkind() {
        match u8::try_from(reader.integer("the relkind")?) {
            Ok(0) => None,
            Ok(code) if code.is_ascii_graphic() => Some(char::from(code)),
            _ => return Err(invalid("the relkind is not a letter")),
        }
    } else {
        None
    };
    let owner = reader.string("the owner")?;
    // "true" would mean a table WITH OIDS, which no supported server has; the value changes nothing.
    reader.string("the oids flag")?;
    let mut dependencies = Vec::new();
    while let Some(dependency) = reader.string("a dependency")? {
        let id = dependency.trim().parse::<i32>().map_err(|_| {
            invalid(format!("dependency \"{}\" is not a number", dependency.escape_debug()))
        })?;
        dependencies.push(DumpId(id));
    }
    Ok(TocEntry {
        dump_id,
        catalog_id: CatalogId { class, oid },
        tag,
        desc,
        section,
        definition,
        drop_statement,
        copy_statement,
        namespace,
        tablespace,
        table_access_method,
        relkind,
        owner,
        dependencies,
        has_data,
        file_name: None,
    })
}

fn read_file_name(reader: &mut PrimitiveReader<impl Read>) -> Result<Option<String>, FormatError> {
    let file_name = reader.string("the data file's name")?.filter(|name| !name.is_empty());
    if let Some(name) = &file_name
        && !is_plain_file_name(name)
    {
        return Err(invalid(format!(
            "data file \"{}\" is not a plain file name",
            name.escape_debug()
        )));
    }
    Ok(file_name)
}

/// Reads where data are: a flag and an offset.
fn read_position(
    reader: &mut PrimitiveReader<impl Read>,
    offset_size: u8,
) -> Result<Position, FormatError> {
    let flag = reader.byte("the position flag")?;
    let offset = reader.unsigned(offset_size, "the position of the data")?;
    match flag {
        1 => Ok(Position::NotSet),
        2 => Ok(Position::At(offset)),
        3 => Ok(Position::NoData),
        other => Err(invalid(format!("unknown position flag {other}"))),
    }
}

fn read_oid(
    reader: &mut PrimitiveReader<impl Read>,
    what: &'static str,
) -> Result<Oid, FormatError> {
    let text = required(reader.string(what)?, what)?;
    // Old writers printed oids above 2^31 as negative numbers.
    let parsed =
        text.parse::<u32>().ok().or_else(|| text.parse::<i32>().ok().map(|oid| oid as u32));
    parsed
        .map(Oid)
        .ok_or_else(|| invalid(format!("{what} \"{}\" is not a number", text.escape_debug())))
}

fn required(value: Option<String>, what: &str) -> Result<String, FormatError> {
    value.ok_or_else(|| invalid(format!("{what} is missing")))
}

/// Tells whether a name can only mean a file directly inside the archive's directory.
pub(super) fn is_plain_file_name(name: &str) -> bool {
    !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\0'])
}

/// Returns the section of an entry in archives that do not record it (before 1.11).
fn section_of(desc: &str) -> Section {
    match desc {
        "COMMENT" | "ACL" | "ACL LANGUAGE" => Section::None,
        "TABLE DATA" | "BLOBS" | "BLOB COMMENTS" => Section::Data,
        "CONSTRAINT" | "CHECK CONSTRAINT" | "FK CONSTRAINT" | "INDEX" | "RULE" | "TRIGGER" => {
            Section::PostData
        }
        _ => Section::PreData,
    }
}

/// Writes a table of contents.
///
/// The data file of an entry with data is its `file_name`, or `ID.dat` when that is not set.
///
/// # Errors
///
/// [`io::ErrorKind::InvalidInput`] for what the version cannot hold: a version that is not written here,
/// a codec it has no name for, a NUL byte; else the error of `out`.
pub fn write(out: &mut dyn Write, header: &ArchiveHeader, entries: &[TocEntry]) -> io::Result<()> {
    write_placed(out, header, entries, &HashMap::new())
}

/// Writes the table of contents of a custom archive with the positions that are known; its length does
/// not depend on them.
///
/// # Errors
///
/// As [`write`].
pub(super) fn write_placed(
    out: &mut dyn Write,
    header: &ArchiveHeader,
    entries: &[TocEntry],
    positions: &HashMap<DumpId, u64>,
) -> io::Result<()> {
    let mut writer = PrimitiveWriter::new(out);
    write_header(&mut writer, header)?;
    let count = i32::try_from(entries.len()).map_err(|_| unfit("too many entries"))?;
    writer.integer(count)?;
    for entry in entries {
        write_entry(&mut writer, header, entry, positions.get(&entry.dump_id)).map_err(
            |error| io::Error::new(error.kind(), format!("{}: {error}", entry.describe())),
        )?;
    }
    Ok(())
}

fn unfit(reason: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, reason.into())
}

fn write_header(
    writer: &mut PrimitiveWriter<impl Write>,
    header: &ArchiveHeader,
) -> io::Result<()> {
    let version = header.version;
    if !version.is_writable() {
        return Err(unfit(format!("archive version {version} is not written")));
    }
    writer.bytes(&MAGIC)?;
    writer.bytes(&[version.major, version.minor, version.revision])?;
    writer.bytes(&[4, 8, header.format.header_byte()])?;
    match (version.has_algorithm(), header.algorithm) {
        (true, Algorithm::None) => writer.bytes(&[0])?,
        (true, Algorithm::Gzip) => writer.bytes(&[1])?,
        (true, Algorithm::Lz4) => writer.bytes(&[2])?,
        (true, Algorithm::Zstd) => writer.bytes(&[3])?,
        (false, Algorithm::None) => writer.integer(0)?,
        (false, Algorithm::Gzip) => writer.integer(-1)?,
        (false, algorithm) => {
            return Err(unfit(format!("archive version {version} does not know {algorithm}")));
        }
    }
    let created = header.created;
    for part in [
        created.second,
        created.minute,
        created.hour,
        created.day,
        created.month,
        created.year,
        created.is_dst,
    ] {
        writer.integer(part)?;
    }
    writer.string(Some(&header.database))?;
    writer.string(Some(&header.server_version))?;
    writer.string(Some(&header.dumper_version))
}

fn write_entry(
    writer: &mut PrimitiveWriter<impl Write>,
    header: &ArchiveHeader,
    entry: &TocEntry,
    position: Option<&u64>,
) -> io::Result<()> {
    let version = header.version;
    writer.integer(entry.dump_id.0)?;
    writer.integer(i32::from(entry.has_data))?;
    writer.string(Some(&entry.catalog_id.class.to_string()))?;
    writer.string(Some(&entry.catalog_id.oid.to_string()))?;
    writer.string(Some(&entry.tag))?;
    writer.string(Some(&entry.desc))?;
    writer.integer(match entry.section {
        Section::None => 1,
        Section::PreData => 2,
        Section::Data => 3,
        Section::PostData => 4,
    })?;
    writer.string(Some(entry.definition.as_str()).filter(|text| !text.is_empty()))?;
    writer.string(entry.drop_statement.as_deref())?;
    writer.string(entry.copy_statement.as_deref())?;
    writer.string(entry.namespace.as_deref())?;
    writer.string(entry.tablespace.as_deref())?;
    writer.string(entry.table_access_method.as_deref())?;
    if version.has_relkind() {
        writer.integer(entry.relkind.map_or(0, |relkind| relkind as i32))?;
    }
    writer.string(entry.owner.as_deref())?;
    writer.string(Some("false"))?;
    for dependency in &entry.dependencies {
        writer.string(Some(&dependency.to_string()))?;
    }
    writer.string(None)?;
    match header.format {
        ArchiveFormat::Plain => Err(unfit("a script has no table of contents")),
        ArchiveFormat::Custom => {
            writer.bytes(&[match (entry.has_data, position) {
                (false, _) => 3,
                (true, None) => 1,
                (true, Some(_)) => 2,
            }])?;
            writer.bytes(&position.copied().unwrap_or_default().to_le_bytes())
        }
        ArchiveFormat::Directory | ArchiveFormat::Tar => {
            let name = data_file_name(entry).unwrap_or_default();
            if !name.is_empty() && !is_plain_file_name(&name) {
                return Err(unfit(format!("data file \"{name}\" is not a plain file name")));
            }
            writer.string(Some(&name))
        }
    }
}

/// Returns the name of an entry's data file without the codec's suffix, `None` for entries without data.
pub fn data_file_name(entry: &TocEntry) -> Option<String> {
    if !entry.has_data {
        return None;
    }
    Some(entry.file_name.clone().unwrap_or_else(|| format!("{}.dat", entry.dump_id)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::PathBuf;

    const FIXTURES: [(&str, Algorithm); 6] = [
        ("pg15-none", Algorithm::None),
        ("pg15-gzip", Algorithm::Gzip),
        ("pg18-none", Algorithm::None),
        ("pg18-gzip", Algorithm::Gzip),
        ("pg18-lz4", Algorithm::Lz4),
        ("pg18-zstd", Algorithm::Zstd),
    ];

    fn fixture(name: &str) -> Vec<u8> {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        std::fs::read(root.join("fixtures/archives").join(name).join("toc.dat")).expect("fixture")
    }

    fn parse(bytes: &[u8]) -> Result<Toc> {
        read(bytes, ArchiveFormat::Directory, "toc.dat")
    }

    fn bytes(toc: &Toc) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut out, &toc.header, &toc.entries).expect("writes");
        out
    }

    #[test]
    fn what_pg_dump_wrote_is_written_again_byte_by_byte() {
        for (name, algorithm) in FIXTURES {
            let original = fixture(name);
            let toc = parse(&original).expect(name);
            assert_eq!(toc.header.algorithm, algorithm, "{name}");
            assert_eq!(toc.header.database, "archive_fixture");
            assert!(bytes(&toc) == original, "{name} differs");
        }
    }

    #[test]
    fn every_version_reads_what_it_has_room_for() {
        let newest = parse(&fixture("pg18-none")).expect("reads");
        for (minor, keeps_method, keeps_relkind) in
            [(14, true, false), (15, true, false), (16, true, true)]
        {
            let header =
                ArchiveHeader { version: ArchiveVersion::new(1, minor), ..newest.header.clone() };
            let toc =
                parse(&bytes(&Toc { header, entries: newest.entries.clone() })).expect("reads");
            for (read, original) in toc.entries.iter().zip(&newest.entries) {
                let expected = TocEntry {
                    relkind: original.relkind.filter(|_| keeps_relkind),
                    table_access_method: original
                        .table_access_method
                        .clone()
                        .filter(|_| keeps_method),
                    ..original.clone()
                };
                assert_eq!(*read, expected);
            }
        }
        let mut out = Vec::new();
        let old = ArchiveHeader { version: ArchiveVersion::new(1, 13), ..newest.header.clone() };
        write(&mut out, &old, &[]).expect_err("1.13 is not written");
        let zstd = ArchiveHeader {
            version: ArchiveVersion::V1_14,
            algorithm: Algorithm::Zstd,
            ..newest.header
        };
        write(&mut out, &zstd, &[]).expect_err("1.14 has no name for zstd");
    }

    /// Makes an archive of a version that is not written here, field by field.
    fn old_archive(minor: u8, desc: &str) -> Vec<u8> {
        let mut out = Vec::new();
        let mut writer = PrimitiveWriter::new(&mut out);
        let mut steps = || -> io::Result<()> {
            writer.bytes(b"PGDMP")?;
            writer.bytes(&[1, minor, 0, 4, 8, 3])?;
            (0..8).try_for_each(|_| writer.integer(-1))?;
            for text in ["old", "8.4", "8.4"] {
                writer.string(Some(text))?;
            }
            writer.integer(1)?;
            writer.integer(5)?;
            writer.integer(0)?;
            for text in ["1259", "4000000000", "tag", desc] {
                writer.string(Some(text))?;
            }
            if minor >= 11 {
                writer.integer(4)?;
            }
            for _ in 0..5 {
                writer.string(None)?;
            }
            if minor >= 14 {
                writer.string(Some("heap"))?;
            }
            for text in ["owner", "true"] {
                writer.string(Some(text))?;
            }
            writer.string(Some("2147483647"))?;
            writer.string(None)?;
            writer.string(Some(""))
        };
        steps().expect("writes");
        out
    }

    #[test]
    fn archives_of_old_servers_are_read() {
        for (minor, desc, section) in [
            (10, "FK CONSTRAINT", Section::PostData),
            (10, "TABLE DATA", Section::Data),
            (10, "COMMENT", Section::None),
            (10, "TABLE", Section::PreData),
            (11, "TABLE", Section::PostData),
            (12, "TABLE", Section::PostData),
            (13, "TABLE", Section::PostData),
        ] {
            let toc = parse(&old_archive(minor, desc)).expect("reads");
            assert_eq!(toc.header.algorithm, Algorithm::Gzip, "a level of -1 is gzip");
            let entry = &toc.entries[0];
            assert_eq!(entry.section, section, "1.{minor} {desc}");
            assert_eq!(entry.catalog_id.oid, Oid(4_000_000_000));
            assert_eq!(entry.dependencies, [DumpId(i32::MAX)]);
            assert_eq!(entry.owner.as_deref(), Some("owner"));
        }
        for minor in [9, 17] {
            let error = parse(&old_archive(minor, "TABLE")).expect_err("outside");
            let source = std::error::Error::source(&error).expect("source").to_string();
            assert_eq!(source, format!("unsupported version (1.{minor}) in file header"));
        }
    }

    #[test]
    fn errors_name_file_offset_and_entry() {
        let mut damaged = fixture("pg18-none");
        let position = damaged.windows(5).position(|bytes| bytes == b"3410.").expect("file name");
        damaged[position + 3] = b'/';
        let error = parse(&damaged).expect_err("leaves the archive");
        assert_eq!(error.kind(), ErrorKind::Archive);
        assert!(
            error.message().starts_with("could not read \"toc.dat\" at offset ")
                && error.message().ends_with("(toc entry 3410)"),
            "{error}"
        );
        let source = std::error::Error::source(&error).expect("source").to_string();
        assert_eq!(source, "data file \"341/.dat\" is not a plain file name");
    }

    #[test]
    fn truncation_anywhere_is_an_error() {
        let whole = fixture("pg18-none");
        for length in 0..whole.len() {
            let error = parse(&whole[..length]).expect_err("cut");
            assert_eq!(error.kind(), ErrorKind::Archive);
        }
        let longer = [whole.as_slice(), b"\0"].concat();
        parse(&longer).expect_err("bytes behind the end");
    }

    proptest! {
        #[test]
        fn damage_never_panics(
            name in prop::sample::select(FIXTURES.map(|(name, _)| name).to_vec()),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
            cut in prop::option::of(any::<prop::sample::Index>()),
        ) {
            let mut bytes = fixture(name);
            for (position, value) in changes {
                let position = position.index(bytes.len());
                bytes[position] = value;
            }
            if let Some(cut) = cut {
                bytes.truncate(cut.index(bytes.len()));
            }
            if let Ok(toc) = parse(&bytes) {
                // What is accepted can be written again, unless its strings hold what no writer has.
                let _ = write(&mut Vec::new(), &toc.header, &toc.entries);
            }
        }

        #[test]
        fn noise_never_panics(noise in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = parse(&noise);
            let mut head = fixture("pg18-none");
            head.truncate(0x50);
            head.extend(noise);
            let _ = parse(&head);
        }

        #[test]
        fn entries_survive(
            dump_id in 1..=i32::MAX,
            class in any::<u32>(),
            oid in any::<u32>(),
            texts in prop::collection::vec(prop::option::of("[^\0]{0,20}"), 8),
            dependencies in prop::collection::vec(any::<i32>(), 0..5),
            has_data in any::<bool>(),
            relkind in prop::option::of(prop::char::range('a', 'z')),
            section in prop::sample::select(vec![Section::None, Section::PreData, Section::Data, Section::PostData]),
        ) {
            // Readers and writers hold decoded strings.
            let text = |n: usize| texts[n].as_ref().map(|text| crate::sql::text::decode(text.as_bytes()));
            let entry = TocEntry {
                catalog_id: CatalogId { class: Oid(class), oid: Oid(oid) },
                section,
                definition: text(0).unwrap_or_default(),
                drop_statement: text(1),
                copy_statement: text(2),
                namespace: text(3),
                tablespace: text(4),
                table_access_method: text(5),
                relkind,
                owner: text(6),
                dependencies: dependencies.into_iter().map(DumpId).collect(),
                has_data,
                file_name: has_data.then(|| format!("{dump_id}.dat")),
                ..TocEntry::new(DumpId(dump_id), "TABLE", text(7).unwrap_or_default())
            };
            let header = parse(&fixture("pg18-none")).expect("reads").header;
            let toc = Toc { header, entries: vec![entry] };
            prop_assert_eq!(parse(&bytes(&toc)).expect("reads"), toc);
        }
    }
}
