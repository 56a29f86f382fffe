//! The table of contents as people read it (`-l`), and read back to choose and order entries (`-L`).
//!
//! ```text
//! ; Archive created at 2026-11-21 12:00:00 UTC        comments say what the archive is
//! 220; 1259 16391 TABLE public orders alice           id; class oid DESC schema tag owner
//! ```
//!
//! Of a line that is read back only the id counts, so that an edited listing stays valid whatever the
//! names in it look like. Authority: `PrintTOCSummary` and `SortTocFromFile` of `pg_backup_archiver.c`
//! in PostgreSQL 18.

use std::collections::{HashMap, HashSet};

use thiserror::Error;

use super::ArchiveHeader;
use super::selection::Marks;
use crate::model::{DumpId, TocEntry};
use crate::sql::text;

/// How much a listing tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListingDetail {
    /// The entries that would be restored.
    Selected,
    /// All entries, with what they depend on.
    Everything,
}

/// Returns the listing of an archive; `created` is its time as this place writes times.
///
/// `marks` are those of `entries`.
pub fn listing(
    header: &ArchiveHeader,
    entries: &[TocEntry],
    marks: &[Marks],
    created: &str,
    detail: ListingDetail,
) -> String {
    let mut text = format!(
        ";\n\
         ; Archive created at {created}\n\
         ;     dbname: {}\n\
         ;     TOC Entries: {}\n\
         ;     Compression: {}\n\
         ;     Dump Version: {}.{}-{}\n\
         ;     Format: {}\n\
         ;     Integer: {} bytes\n\
         ;     Offset: {} bytes\n",
        one_line(&header.database),
        entries.len(),
        header.algorithm,
        header.version.major,
        header.version.minor,
        header.version.revision,
        header.format.name(),
        header.int_size,
        header.offset_size,
    );
    text += &format!(
        ";     Dumped from database version: {}\n\
         ;     Dumped by pg_dump version: {}\n\
         ;\n;\n; Selected TOC Entries:\n;\n",
        header.server_version, header.dumper_version,
    );
    for (entry, marks) in entries.iter().zip(marks) {
        let is_selected = marks.schema || marks.data || marks.statistics;
        if detail == ListingDetail::Everything || is_selected {
            text += &line(entry);
        }
        if detail == ListingDetail::Everything && !entry.dependencies.is_empty() {
            text += ";\tdepends on:";
            for dependency in &entry.dependencies {
                text += &format!(" {dependency}");
            }
            text.push('\n');
        }
    }
    text
}

/// Returns an entry's line.
fn line(entry: &TocEntry) -> String {
    format!(
        "{}; {} {} {} {} {} {}\n",
        entry.dump_id,
        entry.catalog_id.class,
        entry.catalog_id.oid,
        entry.desc,
        one_line(entry.namespace.as_deref().unwrap_or("-")),
        one_line(&entry.tag),
        one_line(entry.owner.as_deref().unwrap_or_default()),
    )
}

/// Makes a name fit on a line; line breaks become spaces, because only the id is read back.
fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

/// What a list file asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UseList {
    /// The entries to restore, in the order to restore them in.
    pub ids: Vec<DumpId>,
    /// Lines that mean nothing here, without their comments.
    pub ignored: Vec<String>,
}

/// A list file that asks for what is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("could not find entry for ID {0}")]
pub struct UnknownEntry(DumpId);

/// Reads a list file for an archive with these entries.
///
/// # Errors
///
/// When a line names an id that lies among those of the archive and that no entry has.
pub fn read_use_list(file: &[u8], entries: &[TocEntry]) -> Result<UseList, UnknownEntry> {
    let known: HashSet<i32> = entries.iter().map(|entry| entry.dump_id.0).collect();
    let highest = known.iter().copied().max().unwrap_or(0);
    let mut seen = HashSet::new();
    let mut list = UseList::default();
    for whole in file.split_inclusive(|&byte| byte == b'\n') {
        let line = whole.split(|&byte| byte == b';').next().unwrap_or_default();
        if line.iter().all(|byte| b" \t\r\n".contains(byte)) {
            continue;
        }
        let id = leading_integer(line).filter(|id| (1..=i64::from(highest)).contains(id));
        match id.and_then(|id| i32::try_from(id).ok()) {
            Some(id) if !seen.contains(&id) => {
                if !known.contains(&id) {
                    return Err(UnknownEntry(DumpId(id)));
                }
                seen.insert(id);
                list.ids.push(DumpId(id));
            }
            _ => list.ignored.push(text::decode(line.strip_suffix(b"\n").unwrap_or(line))),
        }
    }
    Ok(list)
}

/// Reads the number that a line begins with, whatever follows it, as C's `strtol` does.
fn leading_integer(line: &[u8]) -> Option<i64> {
    let blank = |byte: &u8| byte.is_ascii_whitespace() || *byte == b'\x0b';
    let start = line.iter().position(|byte| !blank(byte))?;
    let line = &line[start..];
    let sign = usize::from(line.first().is_some_and(|byte| b"+-".contains(byte)));
    let digits = line[sign..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let number = std::str::from_utf8(&line[..sign + digits]).ok()?;
    // What does not fit is no id either; -1 says so.
    (digits > 0).then(|| number.parse().unwrap_or(-1))
}

/// Puts the listed entries behind the others, in the order of the list.
pub fn in_listed_order(entries: &[TocEntry], ids: &[DumpId]) -> Vec<TocEntry> {
    let places: HashMap<DumpId, usize> =
        ids.iter().enumerate().map(|(place, id)| (*id, place)).collect();
    let mut ordered = entries.to_vec();
    // The sort is stable, so what is not listed stays as it is.
    ordered.sort_by_key(|entry| places.get(&entry.dump_id).map(|place| place + 1).unwrap_or(0));
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entries(ids: &[i32]) -> Vec<TocEntry> {
        ids.iter().map(|&id| TocEntry::new(DumpId(id), "TABLE", format!("t{id}"))).collect()
    }

    #[test]
    fn a_line_has_one_line_whatever_the_names() {
        let mut entry = TocEntry::new(DumpId(7), "TABLE", "two\nlines");
        assert_eq!(line(&entry), "7; 0 0 TABLE - two lines \n");
        entry.namespace = Some("a\rb".into());
        entry.owner = Some("Anna Maria".into());
        assert_eq!(line(&entry), "7; 0 0 TABLE a b two lines Anna Maria\n");
    }

    #[test]
    fn a_list_chooses_and_orders() {
        let list = b"; a comment\n\n9; 1259 1 TABLE a b c\r\n  3\n;5; no\n 4 x\n";
        let read = read_use_list(list, &entries(&[3, 4, 5, 9])).expect("reads");
        assert_eq!(read.ids, [9, 3, 4].map(DumpId));
        assert!(read.ignored.is_empty());
        let ordered = in_listed_order(&entries(&[1, 3, 4, 5, 9]), &read.ids);
        let ids: Vec<i32> = ordered.iter().map(|entry| entry.dump_id.0).collect();
        assert_eq!(ids, [1, 5, 9, 3, 4]);
    }

    #[test]
    fn lines_that_mean_nothing_are_named() {
        let list = b"3\n3;\nTABLE\n0\n-4\n10\n99999999999999999999 x;\n";
        let read = read_use_list(list, &entries(&[3, 9])).expect("reads");
        assert_eq!(read.ids, [DumpId(3)]);
        assert_eq!(read.ignored, ["3", "TABLE", "0", "-4", "10", "99999999999999999999 x"]);
        let missing = read_use_list(b"4\n", &entries(&[3, 9])).expect_err("4 is not there");
        assert_eq!(missing.to_string(), "could not find entry for ID 4");
    }

    proptest! {
        #[test]
        fn noise_never_panics(noise in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read_use_list(&noise, &entries(&[1, 2, 30]));
        }
    }
}
