//! The few meta-commands of psql that dumps hold; everything else is refused by its name.
//!
//! Nothing is expanded: no variables, no backquotes. Authority: `src/bin/psql/psqlscanslash.l` and
//! `command.c`; what writes them is `appendPsqlMetaConnect` in `src/fe_utils/string_utils.c`.

use super::ScriptError;
use crate::sql::text;

/// The names of meta-commands are short; what only looks like one may be anything.
pub(super) const LONGEST_NAME: usize = 20;

/// A line that psql would take as a command to itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MetaCommand {
    /// `\restrict KEY`: from here on nothing but `\unrestrict KEY` is allowed.
    Restrict(String),
    /// `\unrestrict KEY`.
    Unrestrict(String),
    /// `\encoding NAME`.
    Encoding(String),
    /// `\connect` with its arguments, quotes removed.
    Connect(Vec<String>),
}

/// Reads a line that begins with a backslash.
pub(super) fn parse(line: &[u8], number: u64) -> Result<MetaCommand, ScriptError> {
    let line = text::decode(line);
    let rest = line.strip_prefix('\\').unwrap_or(&line);
    let end = rest
        .char_indices()
        .find(|(place, character)| is_space(*character) || (*place > 0 && *character == '\\'))
        .map_or(rest.len(), |(place, _)| place);
    let (name, rest) = rest.split_at(end);
    let refused = |why: &str| ScriptError::MetaCommand {
        line: number,
        name: shortened(name),
        why: why.to_owned(),
    };
    match name {
        // The key of a dump is the rest of the line, as psql takes it.
        "unrestrict" => match rest.trim_matches(is_space) {
            "" => Err(refused("has no key")),
            key => Ok(MetaCommand::Unrestrict(key.to_owned())),
        },
        "restrict" => match arguments(rest).map_err(|why| refused(&why))?.as_slice() {
            [key] if !key.is_empty() => Ok(MetaCommand::Restrict(key.clone())),
            _ => Err(refused("must have one key")),
        },
        "encoding" => match arguments(rest).map_err(|why| refused(&why))?.as_slice() {
            [encoding] if !encoding.is_empty() => Ok(MetaCommand::Encoding(encoding.clone())),
            _ => Err(refused("must have the name of an encoding")),
        },
        "c" | "connect" => arguments(rest).map(MetaCommand::Connect).map_err(|why| refused(&why)),
        _ => Err(refused("is not one that pgark runs")),
    }
}

fn shortened(name: &str) -> String {
    name.chars().take(LONGEST_NAME).collect()
}

fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t'..='\r')
}

/// Cuts arguments at white space and takes their quotes away.
fn arguments(text: &str) -> Result<Vec<String>, String> {
    let mut arguments = Vec::new();
    let mut characters = text.chars().peekable();
    loop {
        while characters.next_if(|&character| is_space(character)).is_some() {}
        if characters.peek().is_none() {
            return Ok(arguments);
        }
        let mut argument = String::new();
        // How much of the end is bare, for the semicolons that people write there.
        let mut bare = 0;
        while let Some(&character) = characters.peek() {
            if is_space(character) {
                break;
            }
            characters.next();
            match character {
                '\\' => return Err("is followed by a second command".to_owned()),
                '`' => return Err("runs a program of the shell".to_owned()),
                quote @ ('"' | '\'') => {
                    quoted(&mut characters, quote, &mut argument)?;
                    bare = 0;
                }
                other => {
                    argument.push(other);
                    bare = if other == ';' { bare + 1 } else { 0 };
                }
            }
        }
        argument.truncate(argument.len() - bare);
        arguments.push(argument);
    }
}

fn quoted(
    characters: &mut std::iter::Peekable<std::str::Chars<'_>>,
    quote: char,
    argument: &mut String,
) -> Result<(), String> {
    loop {
        let character = characters.next().ok_or("has a quote that is not closed")?;
        if character == quote {
            if characters.next_if_eq(&quote).is_none() {
                return Ok(());
            }
            argument.push(quote);
        } else if character == '\\' && quote == '\'' {
            // Dumps quote with double quotes, in which a backslash is itself.
            return Err("has an escape in single quotes".to_owned());
        } else {
            argument.push(character);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connect(line: &str) -> Vec<String> {
        match parse(line.as_bytes(), 1) {
            Ok(MetaCommand::Connect(arguments)) => arguments,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn connect_lines_of_all_ages_are_read() {
        assert_eq!(connect("\\connect shop"), ["shop"]);
        assert_eq!(connect("\\c shop;"), ["shop"]);
        assert_eq!(connect("\\connect \"a \"\"b\"\"\""), ["a \"b\""]);
        assert_eq!(connect("\\connect - postgres"), ["-", "postgres"]);
        assert_eq!(
            connect("\\connect -reuse-previous=on \"dbname='a=b \\\\\"\"c'\""),
            ["-reuse-previous=on", "dbname='a=b \\\\\"c'"]
        );
        assert_eq!(connect("\\connect 'it''s'\r"), ["it's"]);
    }

    #[test]
    fn keys_and_encodings_are_read() {
        let key = |key: &str| key.to_owned();
        assert_eq!(parse(b"\\restrict aB3\n", 1), Ok(MetaCommand::Restrict(key("aB3"))));
        assert_eq!(parse(b"\\unrestrict aB3\r", 1), Ok(MetaCommand::Unrestrict(key("aB3"))));
        assert_eq!(parse(b"\\unrestrict (null)", 1), Ok(MetaCommand::Unrestrict(key("(null)"))));
        assert_eq!(parse(b"\\encoding SQL_ASCII", 1), Ok(MetaCommand::Encoding(key("SQL_ASCII"))));
    }

    #[test]
    fn everything_else_is_refused_by_name() {
        for (line, name) in [
            ("\\! rm -rf /", "!"),
            ("\\copy t from 'x'", "copy"),
            ("\\i other.sql", "i"),
            ("\\.", "."),
            ("\\;", ";"),
            ("\\\\", "\\"),
            ("\\", ""),
            ("\\restrict", "restrict"),
            ("\\unrestrict `id`\\", ""),
            ("\\connect `id`", "connect"),
            ("\\connect a \\! id", "connect"),
            ("\\encoding 'a", "encoding"),
        ] {
            match parse(line.as_bytes(), 7) {
                Err(ScriptError::MetaCommand { line: 7, name: found, .. }) => {
                    assert_eq!(found, name, "{line}");
                }
                // The key of \unrestrict is text, whatever it looks like.
                Ok(MetaCommand::Unrestrict(_)) => {}
                other => panic!("{line}: {other:?}"),
            }
        }
    }
}
