//! The text of entries that stand for many large objects, pure.
//!
//! Since archive version 1.16 one entry stands for up to a thousand large objects and lists their oids
//! in place of a definition; its privileges are written for the first oid and repeated for all
//! (`pg_backup_db.c`, `IssueCommandPerBlob` and `IssueACLPerBlob`).

use std::collections::HashSet;

use crate::model::TocEntry;

/// Returns the oids that a metadata entry lists in place of a definition.
pub fn oids(definition: &str) -> Vec<u32> {
    definition.lines().filter_map(|line| line.trim().parse().ok()).collect()
}

/// Returns an object that the table of contents names for a data entry and `listed` does not have.
///
/// Whatever is listed is filled, so an object that is not would come back empty.
pub fn not_listed(entries: &[TocEntry], data: &TocEntry, listed: &HashSet<u32>) -> Option<u32> {
    let metadata = entries
        .iter()
        .find(|entry| entry.desc == "BLOB METADATA" && data.dependencies.contains(&entry.dump_id));
    let missing = |oid: &u32| !listed.contains(oid);
    match metadata {
        Some(metadata) => oids(&metadata.definition).into_iter().find(missing),
        // Before 1.16 an entry makes each object, and one holds the data of all.
        None => {
            let single = entries.iter().filter(|entry| entry.desc == "BLOB");
            single.filter_map(|entry| entry.tag.parse().ok()).find(missing)
        }
    }
}

/// A statement about one large object, without its oid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Command<'a> {
    /// What stands before the oid.
    pub before: &'a str,
    /// What stands behind it, without the semicolon.
    pub after: &'a str,
}

/// Returns the statements of a privileges entry, taken apart around the oid; `None` when one of them
/// names no large object.
///
/// Names in double quotes may hold anything, also semicolons and the words that are looked for.
pub fn privileges(definition: &str) -> Option<Vec<Command<'_>>> {
    const MARK: &str = "LARGE OBJECT ";
    let mut commands = Vec::new();
    let mut rest = definition.trim_start();
    while !rest.is_empty() {
        let start = unquoted(rest, MARK)? + MARK.len();
        let digits = rest[start..].bytes().take_while(u8::is_ascii_digit).count();
        let tail = &rest[start + digits..];
        let end = unquoted(tail, ";")?;
        commands.push(Command { before: &rest[..start], after: &tail[..end] });
        rest = tail[end + 1..].trim_start();
    }
    Some(commands)
}

/// Returns where `mark` stands outside double quotes.
fn unquoted(text: &str, mark: &str) -> Option<usize> {
    let mut quoted = false;
    for (at, character) in text.char_indices() {
        if character == '"' {
            quoted = !quoted;
        } else if !quoted && text[at..].starts_with(mark) {
            return Some(at);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DumpId;

    #[test]
    fn objects_without_data_are_noticed() {
        let listed = |oids: &[u32]| oids.iter().copied().collect::<HashSet<u32>>();
        let mut data = TocEntry::new(DumpId(3), "BLOBS", "BLOBS");
        let single = ["7", "9"].map(|oid| TocEntry::new(DumpId(1), "BLOB", oid));
        assert_eq!(not_listed(&single, &data, &listed(&[7, 9, 10])), None);
        assert_eq!(not_listed(&single, &data, &listed(&[7])), Some(9));
        data.dependencies = vec![DumpId(5)];
        let mut groups = [5, 6].map(|id| TocEntry::new(DumpId(id), "BLOB METADATA", ""));
        groups[0].definition = "7\n9\n".into();
        groups[1].definition = "8\n".into();
        assert_eq!(not_listed(&groups, &data, &listed(&[7, 9])), None);
        assert_eq!(not_listed(&groups, &data, &listed(&[9])), Some(7));
    }

    #[test]
    fn privileges_are_taken_apart_around_the_oid() {
        let text = "REVOKE ALL ON LARGE OBJECT 7 FROM \"a;LARGE OBJECT 7\";\nGRANT SELECT ON LARGE OBJECT 7 TO b;\n";
        assert_eq!(
            privileges(text),
            Some(vec![
                Command {
                    before: "REVOKE ALL ON LARGE OBJECT ",
                    after: " FROM \"a;LARGE OBJECT 7\""
                },
                Command { before: "GRANT SELECT ON LARGE OBJECT ", after: " TO b" },
            ])
        );
        assert_eq!(privileges("GRANT SELECT ON TABLE t TO b;\n"), None);
        assert_eq!(privileges("GRANT ALL ON LARGE OBJECT 7 TO \"open"), None);
    }

    #[test]
    fn oids_are_listed_in_lines() {
        assert_eq!(oids("7\n9\n"), [7, 9]);
    }
}
