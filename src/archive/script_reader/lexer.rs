//! Where a statement ends: a lexer that reads SQL only as closely as that takes.
//!
//! It can be stopped at any byte and go on when more have come. What it must know to go on is in its
//! state, or the bytes from the start of the unfinished word on are given to it again.
//!
//! Authority: `src/fe_utils/psqlscan.l` of PostgreSQL 18. One difference: psql reads line by line, and so
//! takes the continuation of an `E''` literal on the next line for an ordinary literal; here it is what
//! it is to the server.

use memchr::{memchr, memchr2, memmem};

use super::ClientEncoding;

/// Words longer than this are no keywords and no dollar quotes, and are not read again from their start.
const LONGEST_WORD: usize = 64 * 1024;

/// What stopped the lexer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// Everything is read that can be read without seeing more.
    NeedMore,
    /// Something that is neither white space nor a comment begins here.
    Token,
    /// A semicolon has ended the statement.
    Semicolon,
    /// A backslash outside of quotes: a meta-command begins here.
    Backslash,
}

/// What the lexer is inside of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
enum State {
    #[default]
    Normal,
    /// A word that is too long to matter.
    LongWord,
    LineComment,
    /// How many comments are open around the innermost.
    BlockComment(u32),
    /// A literal or identifier in which nothing but its quote is special.
    Quoted(u8),
    /// A literal with backslash escapes.
    Escaped,
    /// The end of such a literal, unless it goes on.
    AfterEscaped(Gap),
    /// A dollar-quoted literal, with its delimiter.
    Dollar(Box<[u8]>),
}

/// What has been seen since the quote that may have ended a literal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Gap {
    anything: bool,
    line_break: bool,
    comment: bool,
}

/// Finds the ends of statements.
#[derive(Debug)]
pub(super) struct Lexer {
    state: State,
    parentheses: u32,
    begins: u32,
    words: FirstWords,
    /// Whether a backslash in an ordinary literal is an ordinary character.
    pub(super) standard_strings: bool,
    pub(super) encoding: ClientEncoding,
}

impl Default for Lexer {
    fn default() -> Self {
        Lexer {
            state: State::Normal,
            parentheses: 0,
            begins: 0,
            words: FirstWords::default(),
            standard_strings: true,
            encoding: ClientEncoding::default(),
        }
    }
}

impl Lexer {
    /// Skips white space and comments from `from` on; returns where it stopped and why.
    pub(super) fn skip_blank(&mut self, text: &[u8], from: usize, last: bool) -> (usize, Stop) {
        let mut at = from;
        loop {
            if self.state == State::Normal {
                match text[at..] {
                    [b' ' | b'\t'..=b'\r', ..] => at += 1,
                    [b'-', b'-', ..] => self.state = State::LineComment,
                    [b'/', b'*', ..] => {
                        self.state = State::BlockComment(0);
                        at += 2;
                    }
                    [] => return (at, Stop::NeedMore),
                    [b'-' | b'/'] if !last => return (at, Stop::NeedMore),
                    _ => return (at, Stop::Token),
                }
            } else {
                match self.inside(text, at, last) {
                    (next, true) => at = next,
                    (next, false) => return (next, Stop::NeedMore),
                }
            }
        }
    }

    /// Reads on from `from`; `last` says that nothing comes after `text`.
    pub(super) fn scan(&mut self, text: &[u8], from: usize, last: bool) -> (usize, Stop) {
        let mut at = from;
        loop {
            if self.state != State::Normal {
                match self.inside(text, at, last) {
                    (next, true) => at = next,
                    (next, false) => return (next, Stop::NeedMore),
                }
                continue;
            }
            let Some(&byte) = text.get(at) else { return (at, Stop::NeedMore) };
            match byte {
                b'\'' => {
                    self.state = match self.standard_strings {
                        true => State::Quoted(byte),
                        false => State::Escaped,
                    };
                    at += 1;
                }
                b'"' => {
                    self.state = State::Quoted(byte);
                    at += 1;
                }
                b';' => {
                    at += 1;
                    if self.parentheses == 0 && self.begins == 0 {
                        return (at, Stop::Semicolon);
                    }
                }
                b'\\' => return (at, Stop::Backslash),
                b'(' => {
                    self.parentheses = self.parentheses.saturating_add(1);
                    at += 1;
                }
                b')' => {
                    self.parentheses = self.parentheses.saturating_sub(1);
                    at += 1;
                }
                b'-' | b'/' => match (byte, text.get(at + 1)) {
                    (_, None) if !last => return (at, Stop::NeedMore),
                    (b'-', Some(b'-')) => self.state = State::LineComment,
                    (b'/', Some(b'*')) => {
                        self.state = State::BlockComment(0);
                        at += 2;
                    }
                    _ => at += 1,
                },
                b'$' => match self.dollar(text, at, last) {
                    Some(next) => at = next,
                    None => return (at, Stop::NeedMore),
                },
                b'0'..=b'9' => {
                    let digits = text[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
                    at += digits;
                    // Letters that follow at once belong to the number, also in `1$a$`'s cousin `1a$a$`.
                    if text.get(at).is_some_and(|&byte| starts_word(byte)) {
                        self.state = State::LongWord;
                    } else if at == text.len() && !last {
                        // Whether letters follow is not known; one digit is enough to read again.
                        return (at - 1, Stop::NeedMore);
                    }
                }
                _ if starts_word(byte) => match self.word(text, at, last) {
                    Some(next) => at = next,
                    None => return (at, Stop::NeedMore),
                },
                _ => at += 1,
            }
        }
    }

    /// Begins the next statement.
    pub(super) fn reset(&mut self) {
        self.state = State::Normal;
        self.parentheses = 0;
        self.begins = 0;
        self.words = FirstWords::default();
    }

    /// Tells whether the statement that has just ended is `COPY ... FROM STDIN`.
    pub(super) fn is_copy_from_stdin(&self) -> bool {
        self.words.is_copy_from_stdin()
    }

    /// Names what the lexer is inside of, when that must be closed.
    pub(super) fn open(&self) -> Option<&'static str> {
        match &self.state {
            State::BlockComment(_) => Some("a comment"),
            State::Quoted(b'"') => Some("a quoted identifier"),
            State::Quoted(_) | State::Escaped => Some("a quoted literal"),
            State::Dollar(_) => Some("a dollar-quoted literal"),
            _ => None,
        }
    }

    /// Reads on inside of something; returns where, and whether that was its end.
    fn inside(&mut self, text: &[u8], at: usize, last: bool) -> (usize, bool) {
        match &mut self.state {
            State::Normal => return (at, true),
            State::LongWord => match word_end(text, at, self.encoding) {
                Some(end) if end < text.len() || last => {
                    self.state = State::Normal;
                    return (end.min(text.len()), true);
                }
                Some(end) => return (end, false),
                None if last => return (text.len(), false),
                None => return (at, false),
            },
            State::LineComment => match memchr2(b'\n', b'\r', &text[at..]) {
                None => return (text.len(), false),
                Some(length) => {
                    self.state = State::Normal;
                    return (at + length, true);
                }
            },
            State::Quoted(quote) => match memchr(*quote, &text[at..]) {
                None => return (text.len(), false),
                Some(length) => {
                    // A doubled quote ends the literal and begins it again, which comes to the same.
                    self.state = State::Normal;
                    return (at + length + 1, true);
                }
            },
            State::Dollar(delimiter) => match memmem::find(&text[at..], delimiter) {
                None => {
                    let seen = text.len().saturating_sub(delimiter.len() - 1).max(at);
                    return (if last { text.len() } else { seen }, false);
                }
                Some(length) => {
                    let end = at + length + delimiter.len();
                    self.state = State::Normal;
                    return (end, true);
                }
            },
            State::BlockComment(_) | State::Escaped | State::AfterEscaped(_) => {}
        }
        match self.state {
            State::BlockComment(depth) => self.block_comment(text, at, depth),
            State::AfterEscaped(gap) => self.after_escaped(text, at, last, gap),
            _ => self.escaped(text, at),
        }
    }

    fn block_comment(&mut self, text: &[u8], mut at: usize, mut depth: u32) -> (usize, bool) {
        while let Some(length) = memchr2(b'*', b'/', &text[at..]) {
            match text[at + length..] {
                [_] => {
                    self.state = State::BlockComment(depth);
                    return (at + length, false);
                }
                [b'/', b'*', ..] => {
                    depth = depth.saturating_add(1);
                    at += length + 2;
                }
                [b'*', b'/', ..] => {
                    at += length + 2;
                    if depth == 0 {
                        self.state = State::Normal;
                        return (at, true);
                    }
                    depth -= 1;
                }
                _ => at += length + 1,
            }
        }
        self.state = State::BlockComment(depth);
        (text.len(), false)
    }

    fn escaped(&mut self, text: &[u8], mut at: usize) -> (usize, bool) {
        loop {
            let special = match self.encoding.hides_ascii() {
                false => memchr2(b'\'', b'\\', &text[at..]),
                true => match self.walk(text, at, |byte| byte == b'\'' || byte == b'\\') {
                    Ok(found) => Some(found - at),
                    Err(seen) => return (seen, false),
                },
            };
            let Some(length) = special else { return (text.len(), false) };
            at += length;
            if text[at] == b'\'' {
                self.state = State::AfterEscaped(Gap::default());
                return (at + 1, true);
            }
            // The escaped character may be a long one.
            match self.encoding.width(&text[at + 1..]) {
                Some(width) if width > 0 && at + 1 + width <= text.len() => at += 1 + width,
                _ => return (at, false),
            }
        }
    }

    /// Looks for a byte between whole characters; `Err` tells how far it got.
    fn walk(&self, text: &[u8], from: usize, wanted: impl Fn(u8) -> bool) -> Result<usize, usize> {
        let mut at = from;
        while let Some(&byte) = text.get(at) {
            if wanted(byte) {
                return Ok(at);
            }
            match self.encoding.width(&text[at..]) {
                Some(width) if at + width <= text.len() => at += width,
                _ => return Err(at),
            }
        }
        Err(at)
    }

    /// Decides whether a literal goes on: at once with a second quote, or behind a line break.
    fn after_escaped(
        &mut self,
        text: &[u8],
        from: usize,
        last: bool,
        mut gap: Gap,
    ) -> (usize, bool) {
        let mut at = from;
        while let Some(&byte) = text.get(at) {
            match byte {
                b'\n' | b'\r' => {
                    gap.line_break = true;
                    gap.comment = false;
                }
                _ if gap.comment => {}
                b' ' | b'\t' | 0x0b | 0x0c => {}
                b'\'' if !gap.anything || gap.line_break => {
                    self.state = State::Escaped;
                    return (at + 1, true);
                }
                b'-' if text.get(at + 1) == Some(&b'-') => gap.comment = true,
                b'-' if at + 1 == text.len() && !last => break,
                _ => {
                    self.state = State::Normal;
                    return (at, true);
                }
            }
            gap.anything = true;
            at += 1;
        }
        self.state = if last { State::Normal } else { State::AfterEscaped(gap) };
        (at, last)
    }

    /// Reads what begins with a dollar sign; `None` when more must be seen.
    fn dollar(&mut self, text: &[u8], at: usize, last: bool) -> Option<usize> {
        let inside = at + 1;
        let length = text[inside..]
            .iter()
            .take(LONGEST_WORD)
            .take_while(|&&byte| in_delimiter(byte))
            .count();
        let end = inside + length;
        match text.get(end) {
            None if !last => None,
            Some(b'$') if !text[inside].is_ascii_digit() => {
                self.state = State::Dollar(text[at..=end].into());
                Some(end + 1)
            }
            // A parameter such as $1, or an operator of somebody's.
            _ => Some(inside),
        }
    }

    /// Reads a word, which may be a keyword or the prefix of a literal; `None` when more must be seen.
    fn word(&mut self, text: &[u8], at: usize, last: bool) -> Option<usize> {
        let end = match word_end(text, at, self.encoding) {
            Some(end) if end < text.len() => end,
            _ if last => text.len(),
            _ if text.len() - at > LONGEST_WORD => {
                self.state = State::LongWord;
                return Some(at);
            }
            _ => return None,
        };
        let word = &text[at..end];
        if let [letter] = word {
            match (letter.to_ascii_lowercase(), &text[end..]) {
                (b'e', [b'\'', ..]) => {
                    self.state = State::Escaped;
                    return Some(end + 1);
                }
                (b'b' | b'x', [b'\'', ..]) => {
                    self.state = State::Quoted(b'\'');
                    return Some(end + 1);
                }
                (b'u', [b'&', quote @ (b'\'' | b'"'), ..]) => {
                    self.state = State::Quoted(*quote);
                    return Some(end + 2);
                }
                (b'u', [b'&']) if !last => return None,
                _ => {}
            }
        }
        if self.parentheses == 0 {
            self.track(word);
        }
        Some(end)
    }

    /// Follows the bodies of SQL functions, in which semicolons do not end the statement.
    fn track(&mut self, word: &[u8]) {
        self.words.add(word);
        if !self.words.is_create_routine() {
            return;
        }
        if word.eq_ignore_ascii_case(b"begin")
            || (word.eq_ignore_ascii_case(b"case") && self.begins > 0)
        {
            self.begins = self.begins.saturating_add(1);
        } else if word.eq_ignore_ascii_case(b"end") {
            self.begins = self.begins.saturating_sub(1);
        }
    }
}

fn starts_word(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn in_delimiter(byte: u8) -> bool {
    starts_word(byte) || byte.is_ascii_digit()
}

/// Returns where the word at `at` ends, at most the end of `text`; `None` inside of a character.
fn word_end(text: &[u8], mut at: usize, encoding: ClientEncoding) -> Option<usize> {
    while let Some(&byte) = text.get(at) {
        if byte >= 0x80 && encoding.hides_ascii() {
            at += encoding.width(&text[at..])?;
            if at > text.len() {
                return None;
            }
        } else if in_delimiter(byte) || byte == b'$' {
            at += 1;
        } else {
            return Some(at);
        }
    }
    Some(at)
}

/// A word that decides what a statement is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Word {
    #[default]
    Other,
    Create,
    Or,
    Replace,
    Routine,
    Copy,
    From,
    Standard,
}

/// The first words of a statement outside of parentheses.
#[derive(Debug, Clone, Copy, Default)]
struct FirstWords {
    words: [Word; 8],
    count: usize,
}

impl FirstWords {
    fn add(&mut self, word: &[u8]) {
        let Some(place) = self.words.get_mut(self.count) else { return };
        self.count += 1;
        let is = |keyword: &[u8]| word.eq_ignore_ascii_case(keyword);
        *place = match word.len() {
            2 if is(b"or") => Word::Or,
            4 if is(b"copy") => Word::Copy,
            4 if is(b"from") => Word::From,
            5 if is(b"stdin") => Word::Standard,
            // The grammar of the server takes one for the other.
            6 if is(b"stdout") => Word::Standard,
            6 if is(b"create") => Word::Create,
            7 if is(b"replace") => Word::Replace,
            8 if is(b"function") => Word::Routine,
            9 if is(b"procedure") => Word::Routine,
            _ => Word::Other,
        };
    }

    fn is_create_routine(&self) -> bool {
        matches!(
            self.words,
            [Word::Create, Word::Routine, ..]
                | [Word::Create, Word::Or, Word::Replace, Word::Routine, ..]
        )
    }

    /// The name may have three parts, and BINARY may stand before it.
    fn is_copy_from_stdin(&self) -> bool {
        let from = self.words[1..].iter().position(|&word| word == Word::From);
        self.words[0] == Word::Copy
            && from.is_some_and(|place| self.words.get(place + 2) == Some(&Word::Standard))
    }
}
