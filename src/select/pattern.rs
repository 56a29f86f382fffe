//! The pattern language of psql and pg_dump, translated to regular expressions that the server matches.
//!
//! Authority: `patternToSQLRegex` in `fe_utils/string_utils.c` of PostgreSQL 18.

use thiserror::Error;

/// How many parts a pattern may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatternShape {
    /// `name`; a dot is an error.
    Name,
    /// `schema`, with a database in front of it as an error of its own.
    Schema,
    /// `name`, `schema.name` or `database.schema.name`.
    Relation,
}

/// A pattern taken apart: each part an anchored regular expression, the database literal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// The database, unquoted and folded, when it was named.
    pub database: Option<String>,
    /// The schema, when it was named.
    pub schema: Option<String>,
    /// The name.
    pub name: String,
}

/// Why a pattern is not one.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PatternError {
    /// A relation pattern with more than three parts.
    #[error("improper relation name (too many dotted names): {0}")]
    TooManyRelationNames(String),
    /// Any other pattern with too many parts.
    #[error("improper qualified name (too many dotted names): {0}")]
    TooManyNames(String),
    /// The pattern names another database than the one connected to.
    #[error("cross-database references are not implemented: {0}")]
    CrossDatabase(String),
}

impl Pattern {
    /// Takes a pattern apart.
    ///
    /// # Errors
    ///
    /// When it has more parts than its shape allows. A schema pattern with one dot is refused as a
    /// cross-database reference even if it names the connected database, as pg_dump does.
    pub fn parse(text: &str, shape: PatternShape) -> Result<Pattern, PatternError> {
        let mut parts = split(text);
        match (shape, parts.len()) {
            (_, 1) => {}
            (PatternShape::Schema, 2) => return Err(PatternError::CrossDatabase(text.to_owned())),
            (PatternShape::Relation, 2 | 3) => {}
            (PatternShape::Relation, _) => {
                return Err(PatternError::TooManyRelationNames(text.to_owned()));
            }
            _ => return Err(PatternError::TooManyNames(text.to_owned())),
        }
        let anchored = |part: Part| format!("^({})$", part.regex);
        let name = parts.pop().map(anchored).unwrap_or_default();
        let schema = parts.pop().map(anchored);
        let database = parts.pop().map(|part| part.literal);
        Ok(Pattern { database, schema, name })
    }
}

#[derive(Default)]
struct Part {
    regex: String,
    literal: String,
}

/// Splits at dots outside quotes and translates every part.
///
/// Unbalanced quotes are not an error: quoting extends to the end.
fn split(text: &str) -> Vec<Part> {
    let mut parts = vec![Part::default()];
    let mut quoted = false;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let last = parts.len() - 1;
        let part = &mut parts[last];
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                part.regex.push('"');
                part.literal.push('"');
            }
            '"' => quoted = !quoted,
            '.' if !quoted => parts.push(Part::default()),
            '*' if !quoted => {
                part.regex.push_str(".*");
                part.literal.push('*');
            }
            '?' if !quoted => {
                part.regex.push('.');
                part.literal.push('?');
            }
            // A dollar is an ordinary letter of identifiers and never an anchor.
            '$' => {
                part.regex.push_str("\\$");
                part.literal.push('$');
            }
            // Array type names make `[]` likely, and an empty bracket is no regular expression.
            '[' if quoted || characters.peek() == Some(&']') => {
                part.regex.push_str("\\[");
                part.literal.push('[');
            }
            '|' | '*' | '+' | '?' | '(' | ')' | ']' | '{' | '}' | '.' | '^' | '\\' if quoted => {
                part.regex.push('\\');
                part.regex.push(character);
                part.literal.push(character);
            }
            _ => {
                let folded = if quoted { character } else { character.to_ascii_lowercase() };
                part.regex.push(folded);
                part.literal.push(folded);
            }
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(text: &str) -> String {
        Pattern::parse(text, PatternShape::Relation).expect("valid").name
    }

    #[test]
    fn patterns_become_anchored_regular_expressions() {
        let cases = [
            ("t1", "^(t1)$"),
            ("T1", "^(t1)$"),
            ("t*", "^(t.*)$"),
            ("t?", "^(t.)$"),
            ("\"T*\"", "^(T\\*)$"),
            ("t[12]", "^(t[12])$"),
            ("t[]", "^(t\\[])$"),
            ("(t1|t2)", "^((t1|t2))$"),
            ("a$b", "^(a\\$b)$"),
            ("\"say \"\"hi\"\"\"", "^(say \"hi\")$"),
            ("\"a.b\"", "^(a\\.b)$"),
            ("\"Mixed \"*", "^(Mixed .*)$"),
            ("\"open", "^(open)$"),
        ];
        for (text, expected) in cases {
            assert_eq!(name(text), expected, "{text}");
        }
    }

    #[test]
    fn dots_separate_and_too_many_are_refused() {
        let pattern = Pattern::parse("Db.S*.t", PatternShape::Relation).expect("valid");
        assert_eq!(pattern.database.as_deref(), Some("db"));
        assert_eq!(pattern.schema.as_deref(), Some("^(s.*)$"));
        for (text, shape, message) in [
            (
                "a.b.c.d",
                PatternShape::Relation,
                "improper relation name (too many dotted names): a.b.c.d",
            ),
            ("a.b", PatternShape::Schema, "cross-database references are not implemented: a.b"),
            (
                "a.b.c",
                PatternShape::Schema,
                "improper qualified name (too many dotted names): a.b.c",
            ),
            ("a.b", PatternShape::Name, "improper qualified name (too many dotted names): a.b"),
        ] {
            assert_eq!(Pattern::parse(text, shape).expect_err("refused").to_string(), message);
        }
    }

    proptest! {
        #[test]
        fn noise_never_panics(text in ".*") {
            let _ = Pattern::parse(&text, PatternShape::Relation);
        }
    }
}
