//! Finds the roles that an archive's entries name, so that missing ones are known before anything runs.
//!
//! Owners stand in a field of their own. The roles of privileges, policies and user mappings stand only
//! in SQL text, which is cut into words here: far from a parser, but enough for what pg_dump writes
//! (`dumputils.c`, `buildACLCommands`). A statement it does not understand names no roles; the server
//! then complains when the statement runs.

use std::collections::BTreeSet;

use crate::model::TocEntry;

/// Returns the roles that the text of an entry names, without those that are words of SQL.
pub(super) fn named_in(entry: &TocEntry) -> BTreeSet<String> {
    match entry.desc.as_str() {
        "ACL" | "ACL LANGUAGE" | "DEFAULT ACL" | "POLICY" | "USER MAPPING" => {}
        _ => return BTreeSet::new(),
    }
    let words = words(&entry.definition);
    words.split(|word| *word == Word::Symbol(';')).flat_map(of_statement).collect()
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Word {
    /// An unquoted word, in lower case.
    Plain(String),
    /// A quoted identifier.
    Quoted(String),
    /// A literal or number; its content is of no interest.
    Literal,
    Symbol(char),
}

impl Word {
    fn is(&self, keyword: &str) -> bool {
        matches!(self, Word::Plain(word) if word == keyword)
    }
}

fn of_statement(statement: &[Word]) -> BTreeSet<String> {
    let mut roles = BTreeSet::new();
    let Some(first) = statement.first() else { return roles };
    let is_privilege = first.is("grant")
        || first.is("revoke")
        || (first.is("alter") && statement.get(1).is_some_and(|word| word.is("default")));
    let is_policy = statement.get(1).is_some_and(|word| word.is("policy"));
    let is_mapping = statement.get(1).is_some_and(|word| word.is("user"))
        && statement.get(2).is_some_and(|word| word.is("mapping"));
    let is_session =
        first.is("set") && statement.get(2).is_some_and(|word| word.is("authorization"));
    let mut depth = 0;
    for (at, word) in statement.iter().enumerate() {
        let rest = &statement[at + 1..];
        match word {
            Word::Symbol('(') => depth += 1,
            Word::Symbol(')') => depth -= 1,
            _ if depth > 0 => {}
            word if is_privilege && (word.is("to") || word.is("from")) => {
                add_list(rest, &mut roles)
            }
            word if is_privilege
                && word.is("for")
                && rest.first().is_some_and(|next| next.is("role") || next.is("user")) =>
            {
                add_list(&rest[1..], &mut roles);
            }
            word if is_policy && word.is("to") => {
                add_list(rest, &mut roles);
                break;
            }
            word if is_policy && (word.is("using") || word.is("with")) => break,
            word if is_mapping && word.is("for") => {
                add_list(rest, &mut roles);
                break;
            }
            word if is_session && word.is("authorization") => add_list(rest, &mut roles),
            _ => {}
        }
    }
    roles
}

/// Adds the names of a list separated by commas.
fn add_list(words: &[Word], roles: &mut BTreeSet<String>) {
    for pair in words.chunks(2) {
        match &pair[0] {
            Word::Quoted(name) => {
                roles.insert(name.clone());
            }
            Word::Plain(name) => {
                let special = matches!(
                    name.as_str(),
                    "public"
                        | "current_user"
                        | "current_role"
                        | "session_user"
                        | "user"
                        | "default"
                );
                if !special {
                    roles.insert(name.clone());
                }
            }
            _ => return,
        }
        if pair.get(1) != Some(&Word::Symbol(',')) {
            return;
        }
    }
}

fn words(sql: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        if first.is_whitespace() {
            rest = rest.trim_start();
        } else if rest.starts_with("--") {
            rest = rest.split_once('\n').map_or("", |(_, after)| after);
        } else if first == '"' {
            let (name, after) = quoted(&rest[1..], '"');
            words.push(Word::Quoted(name));
            rest = after;
        } else if first == '\'' {
            rest = quoted(&rest[1..], '\'').1;
            words.push(Word::Literal);
        } else if first.is_alphanumeric() || first == '_' || !first.is_ascii() {
            let end = rest
                .find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$' || !c.is_ascii()))
                .unwrap_or(rest.len());
            words.push(if first.is_ascii_digit() {
                Word::Literal
            } else {
                Word::Plain(rest[..end].to_ascii_lowercase())
            });
            rest = &rest[end..];
        } else {
            words.push(Word::Symbol(first));
            rest = &rest[first.len_utf8()..];
        }
    }
    words
}

/// Returns what stands before the closing quote, doubled ones made single, and what follows it.
fn quoted(text: &str, quote: char) -> (String, &str) {
    let mut content = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(quote) {
        content.push_str(before);
        match after.strip_prefix(quote) {
            Some(more) => {
                content.push(quote);
                rest = more;
            }
            None => return (content, after),
        }
    }
    content.push_str(rest);
    (content, "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DumpId;
    use proptest::prelude::*;

    fn roles(desc: &str, sql: &str) -> Vec<String> {
        let mut entry = TocEntry::new(DumpId(1), desc, "x");
        entry.definition = sql.into();
        named_in(&entry).into_iter().collect()
    }

    #[test]
    fn roles_are_found_in_what_pg_dump_writes() {
        let cases: &[(&str, &str, &[&str])] = &[
            ("ACL", "GRANT SELECT,INSERT ON TABLE public.t TO reader;\n", &["reader"]),
            (
                "ACL",
                "GRANT ALL ON TABLE public.\"to\" TO \"Re\"\"ader\" WITH GRANT OPTION;",
                &["Re\"ader"],
            ),
            (
                "ACL",
                "REVOKE ALL ON SCHEMA public FROM PUBLIC;\nGRANT USAGE ON SCHEMA public TO a;",
                &["a"],
            ),
            ("ACL", "GRANT SELECT(a,\"from\") ON TABLE t TO x, y;", &["x", "y"]),
            (
                "ACL",
                "SET SESSION AUTHORIZATION boss;\nGRANT ALL ON TABLE t TO x;\nRESET SESSION AUTHORIZATION;",
                &["boss", "x"],
            ),
            ("ACL", "GRANT ALL ON FUNCTION public.f(a text, \"to\" text) TO x;", &["x"]),
            (
                "DEFAULT ACL",
                "ALTER DEFAULT PRIVILEGES FOR ROLE boss IN SCHEMA s GRANT SELECT ON TABLES TO x;",
                &["boss", "x"],
            ),
            (
                "POLICY",
                "CREATE POLICY p ON public.t FOR SELECT TO a, b USING ((owner = 'to c'::text));",
                &["a", "b"],
            ),
            ("POLICY", "CREATE POLICY p ON public.t USING ((a to b));", &[]),
            (
                "USER MAPPING",
                "CREATE USER MAPPING FOR alice SERVER s OPTIONS (\n    password 'x; GRANT y TO z'\n);",
                &["alice"],
            ),
            ("USER MAPPING", "CREATE USER MAPPING FOR PUBLIC SERVER s;", &[]),
            ("TABLE", "GRANT x TO y;", &[]),
        ];
        for (desc, sql, expected) in cases {
            assert_eq!(&roles(desc, sql), expected, "{sql}");
        }
    }

    proptest! {
        #[test]
        fn noise_never_panics(sql in ".*") {
            let _ = roles("ACL", &sql);
            let _ = roles("POLICY", &sql);
        }
    }
}
