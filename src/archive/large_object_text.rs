//! The text of entries that stand for many large objects, pure.
//!
//! Since archive version 1.16 one entry stands for up to a thousand large objects and lists their oids
//! in place of a definition; its privileges are written for the first oid and repeated for all
//! (`pg_backup_db.c`, `IssueCommandPerBlob` and `IssueACLPerBlob`).

/// Returns the oids that a metadata entry lists in place of a definition.
pub fn oids(definition: &str) -> Vec<u32> {
    definition.lines().filter_map(|line| line.trim().parse().ok()).collect()
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
