//! The script with the globals, statement by statement: what exists on the target is left as it is.
//!
//! A role or tablespace that is there already belongs to whoever runs the target: neither its attributes nor
//! its password are touched, and a note says so. Memberships and privileges are granted in any case.

use std::collections::HashSet;

use crate::archive::script_reader::{Piece, Splitter};
use crate::connect::{Session, server_error, sqlstate};
use crate::error::{Error, ErrorKind, Result};
use crate::progress::{FailedPart, Failure, Interrupt, Progress};
use crate::restore::IgnoredError;
use crate::sql::text;

/// What came of the globals.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Statements that ran.
    pub(super) statements: u64,
    /// What was there already, such as `role app`.
    pub(super) existing: Vec<String>,
    /// What failed.
    pub(super) ignored: Vec<IgnoredError>,
}

/// Whether tablespaces are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tablespaces {
    Made,
    LeftOut,
}

/// Runs the statements one by one; CREATE TABLESPACE allows no transaction around it.
pub(super) async fn apply(
    session: &Session,
    script: &[u8],
    tablespaces: Tablespaces,
    exit_on_error: bool,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let mut left_out: HashSet<(Class, String)> = HashSet::new();
    for statement in statements(script)? {
        if interrupt.is_set() {
            return Err(Error::new(ErrorKind::Interrupted, "interrupted"));
        }
        let subject = Subject::of(&statement);
        if let Some(subject) = &subject
            && (left_out.contains(&(subject.class, subject.name.to_owned()))
                || (subject.class == Class::Tablespace && tablespaces == Tablespaces::LeftOut))
        {
            continue;
        }
        let Err(error) = session.execute("restore the globals", &statement).await else {
            outcome.statements += 1;
            continue;
        };
        let Some(refusal) = server_error(&error).filter(|_| !session.is_closed()) else {
            return Err(error);
        };
        let created = subject.as_ref().filter(|subject| subject.creates);
        if let Some(subject) = created {
            left_out.insert((subject.class, subject.name.to_owned()));
        }
        match created {
            Some(subject) if refusal.sqlstate == sqlstate::DUPLICATE_OBJECT => {
                let what = format!("{} {}", subject.class.word(), subject.name);
                progress.info(&format!("{what} exists already and is left as it is"));
                outcome.existing.push(what);
            }
            _ if exit_on_error => return Err(error),
            _ => {
                let ignored = ignored(&statement, subject.as_ref(), &refusal.sqlstate, &error);
                progress.failed(&Failure {
                    entry: &ignored.entry,
                    statement: &ignored.statement,
                    tag: &ignored.entry,
                    listed: &ignored.entry,
                    part: FailedPart::Definition,
                    message: &ignored.message,
                    error: &error,
                });
                outcome.ignored.push(ignored);
            }
        }
    }
    Ok(outcome)
}

/// Cuts the script.
fn statements(script: &[u8]) -> Result<Vec<String>> {
    let wrong =
        |error| Error::new(ErrorKind::Archive, "could not read the globals").with_source(error);
    let mut splitter = Splitter::default();
    splitter.push(script);
    splitter.finish();
    let mut statements = Vec::new();
    loop {
        match splitter.next_piece().map_err(wrong)? {
            Piece::Statement(statement) => statements.push(text::decode(&statement.text)),
            Piece::End => return Ok(statements),
            Piece::Encoding { .. } => {}
            piece => {
                return Err(Error::new(
                    ErrorKind::Archive,
                    format!("the globals hold what globals never do: {piece:?}"),
                ));
            }
        }
    }
}

/// A statement that failed, without the password that may be in it.
fn ignored(
    statement: &str,
    subject: Option<&Subject<'_>>,
    sqlstate: &str,
    error: &Error,
) -> IgnoredError {
    let shown = match statement.split_once(" PASSWORD ") {
        Some((head, _)) => format!("{head} PASSWORD ***"),
        None => statement.trim().to_owned(),
    };
    IgnoredError {
        dump_id: 0,
        entry: match subject {
            Some(subject) => format!("{} {}", subject.class.word(), subject.name),
            None => "globals".to_owned(),
        },
        statement: shown,
        sqlstate: Some(sqlstate.to_owned()),
        message: server_error(error).map_or_else(|| error.to_string(), ToString::to_string),
    }
}

/// The kinds of things that are made by globals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Class {
    Role,
    Tablespace,
}

impl Class {
    fn word(self) -> &'static str {
        match self {
            Class::Role => "role",
            Class::Tablespace => "tablespace",
        }
    }
}

/// What a statement makes or changes.
#[derive(Debug, PartialEq, Eq)]
struct Subject<'a> {
    class: Class,
    /// The name as it stands there, with its quotes.
    name: &'a str,
    creates: bool,
}

impl<'a> Subject<'a> {
    /// Looks at a statement in the form in which pgark writes globals.
    fn of(statement: &'a str) -> Option<Self> {
        for (class, word) in [(Class::Role, "ROLE "), (Class::Tablespace, "TABLESPACE ")] {
            let Some((before, rest)) = statement.split_once(word) else { continue };
            // Keywords, and after FOR the name of a label provider: a name that holds the word is none.
            let is_keywords = before.bytes().all(|byte| matches!(byte, b'A'..=b'Z' | b' ' | b','));
            if is_keywords || before.starts_with("SECURITY LABEL FOR ") {
                let creates = before == "CREATE ";
                return Some(Subject { class, name: identifier(rest)?, creates });
            }
        }
        None
    }
}

/// Returns the identifier that a text begins with.
fn identifier(text: &str) -> Option<&str> {
    let Some(quoted) = text.strip_prefix('"') else {
        return text.split([' ', ';']).next().filter(|name| !name.is_empty());
    };
    let mut from = 0;
    loop {
        let end = from + quoted.get(from..)?.find('"')?;
        if !quoted[end + 1..].starts_with('"') {
            return Some(&text[..end + 2]);
        }
        from = end + 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_known_by_what_they_are_about() {
        let role = |name, creates| Some(Subject { class: Class::Role, name, creates });
        let space = |name, creates| Some(Subject { class: Class::Tablespace, name, creates });
        let cases = [
            ("CREATE ROLE a;", role("a", true)),
            ("CREATE ROLE \"a \"\"b;\";", role("\"a \"\"b;\"", true)),
            ("ALTER ROLE a WITH NOLOGIN;", role("a", false)),
            ("COMMENT ON ROLE \"ROLE x\" IS 'TABLESPACE y';", role("\"ROLE x\"", false)),
            ("SECURITY LABEL FOR \"p\" ON ROLE a IS 'x';", role("a", false)),
            ("CREATE TABLESPACE t OWNER a LOCATION '/x';", space("t", true)),
            ("GRANT ALL ON TABLESPACE t TO \"ON TABLESPACE\";", space("t", false)),
            ("GRANT \"x ON TABLESPACE y\" TO b;", None),
            ("GRANT a TO b WITH ADMIN OPTION;", None),
            ("SET client_encoding = 'UTF8';", None),
            ("ALTER ROLE \"open", None),
        ];
        for (statement, expected) in cases {
            assert_eq!(Subject::of(statement), expected, "{statement}");
        }
    }

    #[test]
    fn scripts_are_cut_and_passwords_are_not_told() {
        let script =
            b"\\restrict k\n\nSET a = 'x;y';\n-- c\nALTER ROLE a WITH PASSWORD 'se;cret';\n\
                       \\unrestrict k\n";
        let found = statements(script).expect("a script");
        assert_eq!(found, ["SET a = 'x;y';", "ALTER ROLE a WITH PASSWORD 'se;cret';"]);
        let error = Error::new(ErrorKind::Server, "no");
        let told = ignored(&found[1], Subject::of(&found[1]).as_ref(), "42501", &error);
        assert_eq!(told.statement, "ALTER ROLE a WITH PASSWORD ***");
        assert_eq!(told.entry, "role a");
        assert!(statements(b"\\connect x\n").is_err());
        assert!(statements(b"COPY t FROM stdin;\n1\n\\.\n").is_err());
    }
}
