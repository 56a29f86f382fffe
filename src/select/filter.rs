//! Filter files: one `include` or `exclude` with a kind of object and a pattern on each line.
//!
//! Authority: `filter.c` in `src/bin/pg_dump` of PostgreSQL 18; the error texts are its own. Which kinds
//! a tool allows is the tool's affair.
//!
//! ```text
//! # a comment
//! include table public.orders
//! exclude table_data "Log 2"     # quoted parts keep their quotes and may span lines
//! ```

use thiserror::Error;

use crate::sql::text;

/// What a line does with what it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilterCommand {
    /// `include`.
    Include,
    /// `exclude`.
    Exclude,
}

impl FilterCommand {
    /// Returns the word of the file.
    pub fn word(self) -> &'static str {
        match self {
            FilterCommand::Include => "include",
            FilterCommand::Exclude => "exclude",
        }
    }
}

/// The kinds of objects that a line can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FilterObject {
    /// Rows of tables.
    TableData,
    /// Rows of tables and of what inherits from them.
    TableDataAndChildren,
    /// Databases.
    Database,
    /// Extensions.
    Extension,
    /// Rows of foreign tables, by server.
    ForeignData,
    /// Functions with their arguments.
    Function,
    /// Indexes.
    Index,
    /// Schemas.
    Schema,
    /// Tables and whatever else `-t` names.
    Table,
    /// Tables and what inherits from them.
    TableAndChildren,
    /// Triggers.
    Trigger,
}

impl FilterObject {
    const WORDS: [(&'static str, FilterObject); 11] = [
        ("table_data", FilterObject::TableData),
        ("table_data_and_children", FilterObject::TableDataAndChildren),
        ("database", FilterObject::Database),
        ("extension", FilterObject::Extension),
        ("foreign_data", FilterObject::ForeignData),
        ("function", FilterObject::Function),
        ("index", FilterObject::Index),
        ("schema", FilterObject::Schema),
        ("table", FilterObject::Table),
        ("table_and_children", FilterObject::TableAndChildren),
        ("trigger", FilterObject::Trigger),
    ];

    /// Returns the kind as messages name it, such as `table data`.
    pub fn described(self) -> String {
        let word = Self::WORDS.iter().find(|(_, object)| *object == self);
        word.map(|(word, _)| word.replace('_', " ")).unwrap_or_default()
    }
}

/// A line of a filter file that says something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterItem {
    /// Where it ends; a pattern may span lines.
    pub line: usize,
    /// What to do.
    pub command: FilterCommand,
    /// With which kind of object.
    pub object: FilterObject,
    /// Which of them, with superfluous blanks taken out.
    pub pattern: String,
}

impl FilterItem {
    /// Returns the complaint of a tool that cannot do this with this kind of object.
    pub fn not_allowed(&self) -> FilterError {
        FilterError {
            line: self.line,
            reason: format!(
                "{} filter for \"{}\" is not allowed",
                self.command.word(),
                self.object.described()
            ),
        }
    }
}

/// What is wrong with a filter file.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("line {line}: {reason}")]
pub struct FilterError {
    /// The line where it was noticed, from 1.
    pub line: usize,
    /// What was noticed.
    pub reason: String,
}

/// Reads a filter file item by item, so that whoever reads can refuse one before the next is looked at.
#[derive(Debug)]
pub struct FilterReader<'a> {
    rest: &'a [u8],
    line: usize,
}

impl<'a> FilterReader<'a> {
    /// Begins at the first line.
    pub fn new(file: &'a [u8]) -> Self {
        FilterReader { rest: file, line: 0 }
    }

    fn error(&self, reason: impl Into<String>) -> FilterError {
        FilterError { line: self.line, reason: reason.into() }
    }

    /// Takes a line without its end; what follows a zero byte is not seen, as in C.
    fn take_line(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let end =
            self.rest.iter().position(|&byte| byte == b'\n').map_or(self.rest.len(), |at| at + 1);
        let (line, rest) = self.rest.split_at(end);
        self.rest = rest;
        self.line += 1;
        line.split(|&byte| byte == 0).next()
    }

    /// Reads what a line says, `None` for a blank one or a comment.
    fn item(&mut self, line: &'a [u8]) -> Result<Option<FilterItem>, FilterError> {
        let line = skip_blanks(line);
        if line.is_empty() || line[0] == b'#' {
            return Ok(None);
        }
        let (word, rest) = take_word(line);
        let command = if word.eq_ignore_ascii_case(b"include") {
            FilterCommand::Include
        } else if word.eq_ignore_ascii_case(b"exclude") {
            FilterCommand::Exclude
        } else {
            return Err(self.error("invalid filter command (expected \"include\" or \"exclude\")"));
        };
        let (word, rest) = take_word(rest);
        if word.is_empty() {
            return Err(self.error("missing filter object type"));
        }
        let known = FilterObject::WORDS
            .iter()
            .find(|(known, _)| word.eq_ignore_ascii_case(known.as_bytes()));
        let Some(&(_, object)) = known else {
            let word = text::decode(word);
            return Err(self.error(format!("unsupported filter object type: \"{word}\"")));
        };
        let rest = skip_blanks(rest);
        if rest.is_empty() {
            return Err(self.error("missing object name pattern"));
        }
        let pattern = self.pattern(rest)?;
        Ok(Some(FilterItem { line: self.line, command, object, pattern: text::decode(&pattern) }))
    }

    /// Reads a pattern to the end of its line, or to a comment.
    ///
    /// Names must come out as the server writes them: one blank between words, none around dots and
    /// parentheses, one after a comma. A blank before a quoted part stays, which is a quirk of pg_dump.
    fn pattern(&mut self, mut rest: &'a [u8]) -> Result<Vec<u8>, FilterError> {
        let mut pattern = Vec::new();
        let mut skip_blank = true;
        let mut found_blank = false;
        while let Some(&first) = rest.first().filter(|&&byte| byte != b'#') {
            let mut next = first;
            while !next.is_ascii_whitespace() && next != b'\x0b' && !b"#,.()\"".contains(&next) {
                if !skip_blank && found_blank {
                    pattern.push(b' ');
                    skip_blank = true;
                }
                pattern.push(next);
                rest = &rest[1..];
                match rest.first() {
                    Some(&byte) => next = byte,
                    None => return Ok(pattern),
                }
            }
            skip_blank = false;
            match next {
                b'"' => {
                    if found_blank {
                        pattern.push(b' ');
                    }
                    rest = self.quoted(&rest[1..], &mut pattern)?;
                }
                b',' => {
                    pattern.extend_from_slice(b", ");
                    skip_blank = true;
                    rest = &rest[1..];
                }
                b'.' | b'(' | b')' => {
                    pattern.push(next);
                    skip_blank = true;
                    rest = &rest[1..];
                }
                _ => {}
            }
            let after = skip_blanks(rest);
            found_blank = after.len() < rest.len();
            rest = after;
        }
        Ok(pattern)
    }

    /// Reads a quoted part behind its opening quote, taking further lines where it spans them.
    fn quoted(
        &mut self,
        mut rest: &'a [u8],
        pattern: &mut Vec<u8>,
    ) -> Result<&'a [u8], FilterError> {
        pattern.push(b'"');
        loop {
            match rest {
                // The end of the line; what it stands for is added with the next one.
                [b'\r' | b'\n', after @ ..] => rest = after,
                [] => {
                    rest = self.take_line().ok_or_else(|| self.error("unexpected end of file"))?;
                    pattern.push(b'\n');
                }
                [b'"', b'"', after @ ..] => {
                    pattern.extend_from_slice(b"\"\"");
                    rest = after;
                }
                [b'"', after @ ..] => {
                    pattern.push(b'"');
                    return Ok(after);
                }
                [b'\\', escaped, after @ ..] => {
                    match escaped {
                        b'n' => pattern.push(b'\n'),
                        b'\\' => pattern.push(b'\\'),
                        _ => {}
                    }
                    rest = after;
                }
                [byte, after @ ..] => {
                    pattern.push(*byte);
                    rest = after;
                }
            }
        }
    }
}

impl Iterator for FilterReader<'_> {
    type Item = Result<FilterItem, FilterError>;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(line) = self.take_line() {
            if let Some(item) = self.item(line).transpose() {
                return Some(item);
            }
        }
        None
    }
}

/// What C's `isspace` takes for white space; Rust leaves the vertical tab out.
fn skip_blanks(text: &[u8]) -> &[u8] {
    let blank = |byte: &u8| byte.is_ascii_whitespace() || *byte == b'\x0b';
    let end = text.iter().position(|byte| !blank(byte)).unwrap_or(text.len());
    &text[end..]
}

fn take_word(text: &[u8]) -> (&[u8], &[u8]) {
    let text = skip_blanks(text);
    let blank = |byte: &u8| byte.is_ascii_whitespace() || *byte == b'\x0b';
    text.split_at(text.iter().position(blank).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(file: &str) -> Vec<String> {
        FilterReader::new(file.as_bytes())
            .map(|item| match item {
                Ok(item) => {
                    format!(
                        "{} {} <{}>",
                        item.command.word(),
                        item.object.described(),
                        item.pattern
                    )
                }
                Err(error) => error.to_string(),
            })
            .collect()
    }

    #[test]
    fn lines_become_items() {
        let cases = [
            ("", &[][..]),
            ("# comment\n\n  \t\n   # more\n", &[]),
            ("include table t1", &["include table <t1>"]),
            (" INCLUDE Table\tt1#x\n", &["include table <t1>"]),
            ("include table public . t1\n", &["include table <public.t1>"]),
            ("include table public.\"a b\"\n", &["include table <public.\"a b\">"]),
            // The quirk: the blank in front of a quoted part is kept.
            ("include table public . \"a b\"\n", &["include table <public. \"a b\">"]),
            ("include table table  one\n", &["include table <table one>"]),
            (
                "include function foo3 ( double  precision ,   integer) # c\n",
                &["include function <foo3(double precision, integer)>"],
            ),
            (
                "exclude table_data \"one\ntwo\"\nexclude schema \"x\\ny\\\\z\\q\"\"\"\n",
                &["exclude table data <\"one\ntwo\">", "exclude schema <\"x\ny\\z\"\"\">"],
            ),
            ("include table # nothing\n", &["include table <>"]),
        ];
        for (file, expected) in cases {
            assert_eq!(read(file), expected, "{file}");
        }
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        let cases = [
            (
                "\n\nk include table t\n",
                "line 3: invalid filter command (expected \"include\" or \"exclude\")",
            ),
            ("include\n", "line 1: missing filter object type"),
            ("include xxx\n", "line 1: unsupported filter object type: \"xxx\""),
            ("include table-data t\n", "line 1: unsupported filter object type: \"table-data\""),
            ("include table", "line 1: missing object name pattern"),
            ("include table \"a\nb\n", "line 2: unexpected end of file"),
        ];
        for (file, expected) in cases {
            assert_eq!(read(file).last().map(String::as_str), Some(expected), "{file}");
        }
    }

    proptest! {
        #[test]
        fn noise_never_panics(file in "((include|exclude) (table|function) )?[\"\\\\n# ,.()a\r\n\0]*") {
            for item in FilterReader::new(file.as_bytes()) {
                let _ = item;
            }
        }
    }
}
