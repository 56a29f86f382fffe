//! Plain scripts cut into statements, meta-commands and rows, as psql would; pure.
//!
//! ```text
//! bytes -- push --> Splitter -- next --> Statement, Rows, EndOfRows, Connect, Encoding, End
//! ```
//!
//! What is held is one statement at most; rows of a COPY pass in pieces as they arrive. Nothing is
//! executed and nothing is expanded here. Whoever executes tells the splitter, before it asks for the
//! next piece, what the server says about strings and encoding ([`Splitter::settings`]).
//!
//! Authority: `mainloop.c`, `copy.c` and `psqlscan.l` of PostgreSQL 18. Differences, all to the safe side:
//! a script that ends inside of a statement or of rows is an error, because dumps end neither way and a
//! file that was cut off does; meta-commands that psql would run are errors.

mod encoding;
mod ending;
mod lexer;
mod meta;
mod proof;
mod source;
#[cfg(test)]
mod tests;

use bytes::{Bytes, BytesMut};
use memchr::{memchr, memchr_iter};
use thiserror::Error;

pub use self::encoding::ClientEncoding;
pub use self::ending::Ending;
use self::lexer::{Lexer, Stop};
pub use self::meta::MetaCommand;
pub use self::proof::ExpectedRows;
pub use self::source::{Opened, ScriptProof, ScriptSource};

/// The server holds a statement in one allocation, of at most this size.
const LONGEST_STATEMENT: usize = 0x3fff_ffff;

/// A line that is kept apart: that of a meta-command, or the rest of that of a COPY.
const LONGEST_LINE: usize = 1024 * 1024;

/// What is wrong with a script.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ScriptError {
    /// A meta-command that pgark does not run, or does not understand.
    #[error("line {line}: the meta-command \\{name} {why}")]
    MetaCommand {
        /// The line.
        line: u64,
        /// The name without its backslash.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// The file ends where no dump ends.
    #[error("the script ends inside {inside} that begins in line {line}: it was cut off")]
    CutOff {
        /// Where that begins.
        line: u64,
        /// What is open.
        inside: &'static str,
    },
    /// A statement that no server would take.
    #[error("the statement that begins in line {line} is longer than the 1 GiB a server takes")]
    TooLong {
        /// Where it begins.
        line: u64,
    },
    /// A line that has no end.
    #[error("line {line} is longer than its kind may be")]
    LineTooLong {
        /// The line.
        line: u64,
    },
    /// A zero byte, which no statement can hold.
    #[error("line {line} holds a zero byte: this is not text")]
    ZeroByte {
        /// The line.
        line: u64,
    },
    /// Text in UTF-16, as some shells of Windows write it.
    #[error("the script is written in UTF-16")]
    Utf16,
}

/// A statement with its semicolon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Its text, without what stands before its first word.
    pub text: Bytes,
    /// The line of its first word, counted from 1.
    pub line: u64,
    /// Whether rows follow in the script.
    pub rows_follow: bool,
}

impl Statement {
    /// Returns name and value of a simple `SET name = value`, both in lower case and without quotes.
    pub fn setting(&self) -> Option<(String, String)> {
        const LONGEST: usize = 1024;
        let head = self.text.get(..self.text.len().min(LONGEST))?;
        let text = std::str::from_utf8(head).ok()?.to_ascii_lowercase();
        let rest = text.strip_prefix("set")?.trim_start();
        let rest = rest.strip_prefix("session ").or(rest.strip_prefix("local ")).unwrap_or(rest);
        let (name, value) = rest.split_once('=').or_else(|| rest.split_once(" to "))?;
        let bare = |text: &str| {
            text.trim_matches(|c: char| c.is_ascii_whitespace() || matches!(c, ';' | '\'' | '"'))
                .to_owned()
        };
        Some((bare(name), bare(value)))
    }
}

/// What comes next in a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// More of the script must be pushed.
    NeedMore,
    /// A statement.
    Statement(Statement),
    /// Rows of the COPY before, cut anywhere.
    Rows(Bytes),
    /// The rows end; the next line has this number.
    EndOfRows(u64),
    /// `\connect` with its arguments.
    Connect {
        /// The arguments, quotes removed.
        arguments: Vec<String>,
        /// The line.
        line: u64,
    },
    /// `\encoding` with the name.
    Encoding {
        /// The name.
        name: String,
        /// The line.
        line: u64,
    },
    /// There is nothing more.
    End,
}

/// What the splitter is in the middle of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The first bytes, which may say how the text is encoded.
    Start,
    /// White space and comments between statements.
    Between,
    /// A statement; this many of its bytes are read.
    Inside(usize),
    /// The rest of the line of a COPY.
    BehindCopy,
    /// Rows; the next byte begins a line or not.
    Rows { line_begins: bool },
}

/// Cuts a script.
#[derive(Debug)]
pub struct Splitter {
    buffer: BytesMut,
    finished: bool,
    place: Place,
    lexer: Lexer,
    /// The line of the first byte in `buffer`.
    line: u64,
    /// The line in which the COPY whose rows are read begins.
    copy_line: u64,
    /// What stood behind the COPY in its line, which is for after its rows.
    behind_copy: Bytes,
    restricted: Option<String>,
}

impl Default for Splitter {
    fn default() -> Self {
        Splitter {
            buffer: BytesMut::new(),
            finished: false,
            place: Place::Start,
            lexer: Lexer::default(),
            line: 1,
            copy_line: 1,
            behind_copy: Bytes::new(),
            restricted: None,
        }
    }
}

impl Splitter {
    /// Adds the next bytes of the script.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Says that nothing more comes.
    pub fn finish(&mut self) {
        self.finished = true;
    }

    /// Takes over what the server says about the session.
    pub fn settings(&mut self, standard_strings: bool, encoding: ClientEncoding) {
        self.lexer.standard_strings = standard_strings;
        self.lexer.encoding = encoding;
    }

    /// Returns the line that is read.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// Returns the next piece.
    ///
    /// # Errors
    ///
    /// When the script is not one that can be run further.
    pub fn next_piece(&mut self) -> Result<Piece, ScriptError> {
        loop {
            let piece = match self.place {
                Place::Start => self.start()?,
                Place::Between => self.between()?,
                Place::Inside(at) => self.inside(at)?,
                Place::BehindCopy => self.behind_copy()?,
                Place::Rows { line_begins } => self.rows(line_begins)?,
            };
            if let Some(piece) = piece {
                return Ok(piece);
            }
        }
    }

    fn start(&mut self) -> Result<Option<Piece>, ScriptError> {
        if self.buffer.len() < 3 && !self.finished {
            return Ok(Some(Piece::NeedMore));
        }
        if self.buffer.starts_with(b"\xff\xfe") || self.buffer.starts_with(b"\xfe\xff") {
            return Err(ScriptError::Utf16);
        }
        if self.buffer.starts_with("\u{feff}".as_bytes()) {
            let _mark = self.buffer.split_to(3);
        }
        self.place = Place::Between;
        Ok(None)
    }

    fn between(&mut self) -> Result<Option<Piece>, ScriptError> {
        let (at, stop) = self.lexer.skip_blank(&self.buffer, 0, self.finished);
        self.drop_front(at);
        if stop == Stop::Token {
            self.place = Place::Inside(0);
            return Ok(None);
        }
        if !self.finished {
            return Ok(Some(Piece::NeedMore));
        }
        match self.lexer.open() {
            Some(inside) => Err(ScriptError::CutOff { line: self.line, inside }),
            None => Ok(Some(Piece::End)),
        }
    }

    fn inside(&mut self, at: usize) -> Result<Option<Piece>, ScriptError> {
        let (at, stop) = self.lexer.scan(&self.buffer, at, self.finished);
        self.place = Place::Inside(at);
        if at > LONGEST_STATEMENT {
            return Err(ScriptError::TooLong { line: self.line });
        }
        match stop {
            Stop::Semicolon => self.statement(at).map(Some),
            Stop::Backslash if at == 0 => self.meta_command(),
            Stop::Backslash => {
                let rest = &self.buffer[at + 1..];
                let length = rest.iter().take_while(|byte| byte.is_ascii_graphic()).count();
                if length == rest.len() && length < meta::LONGEST_NAME && !self.finished {
                    return Ok(Some(Piece::NeedMore));
                }
                let name = rest[..length.min(meta::LONGEST_NAME)].iter().copied().map(char::from);
                Err(ScriptError::MetaCommand {
                    line: self.line + count_lines(&self.buffer[..at]),
                    name: name.collect(),
                    why: "stands inside a statement".to_owned(),
                })
            }
            Stop::NeedMore | Stop::Token if !self.finished => Ok(Some(Piece::NeedMore)),
            Stop::NeedMore | Stop::Token => {
                let inside = self.lexer.open().unwrap_or("a statement");
                Err(ScriptError::CutOff { line: self.line, inside })
            }
        }
    }

    fn statement(&mut self, end: usize) -> Result<Piece, ScriptError> {
        let text = self.buffer.split_to(end).freeze();
        let line = self.line;
        self.line += count_lines(&text);
        if let Some(zero) = memchr(0, &text) {
            return Err(ScriptError::ZeroByte { line: line + count_lines(&text[..zero]) });
        }
        let rows_follow = self.lexer.is_copy_from_stdin();
        self.lexer.reset();
        self.place = if rows_follow { Place::BehindCopy } else { Place::Between };
        self.copy_line = line;
        Ok(Piece::Statement(Statement { text, line, rows_follow }))
    }

    /// Returns the length of the line at the front with its line break; `None` when it is not all there.
    fn whole_line(&self) -> Result<Option<usize>, ScriptError> {
        match memchr(b'\n', &self.buffer) {
            Some(length) => Ok(Some(length + 1)),
            None if self.finished => Ok(Some(self.buffer.len())),
            None if self.buffer.len() > LONGEST_LINE => {
                Err(ScriptError::LineTooLong { line: self.line })
            }
            None => Ok(None),
        }
    }

    fn meta_command(&mut self) -> Result<Option<Piece>, ScriptError> {
        let Some(length) = self.whole_line()? else { return Ok(Some(Piece::NeedMore)) };
        let line = self.line;
        let command = meta::parse(&self.buffer[..length], line)?;
        self.drop_front(length);
        self.lexer.reset();
        self.place = Place::Between;
        let refused = |name: &str, why: &str| {
            Err(ScriptError::MetaCommand { line, name: name.into(), why: why.into() })
        };
        match (command, self.restricted.take()) {
            (MetaCommand::Unrestrict(key), Some(wanted)) if key == wanted => Ok(None),
            (MetaCommand::Unrestrict(_), Some(_)) => refused("unrestrict", "has the wrong key"),
            // pg_restore 18 writes this, with no key to restrict before it.
            (MetaCommand::Unrestrict(key), None) if key == "(null)" => Ok(None),
            (MetaCommand::Unrestrict(_), None) => {
                refused("unrestrict", "comes without \\restrict before it")
            }
            (MetaCommand::Restrict(_), Some(_)) => refused("restrict", RESTRICTED),
            (MetaCommand::Encoding(_), Some(_)) => refused("encoding", RESTRICTED),
            (MetaCommand::Connect(_), Some(_)) => refused("connect", RESTRICTED),
            (MetaCommand::Restrict(key), None) => {
                // What pg_restore writes with "(null)" it never takes back.
                self.restricted = Some(key).filter(|key| key != "(null)");
                Ok(None)
            }
            (MetaCommand::Encoding(name), None) => Ok(Some(Piece::Encoding { name, line })),
            (MetaCommand::Connect(arguments), None) => Ok(Some(Piece::Connect { arguments, line })),
        }
    }

    fn behind_copy(&mut self) -> Result<Option<Piece>, ScriptError> {
        let Some(length) = self.whole_line()? else { return Ok(Some(Piece::NeedMore)) };
        let rest = self.buffer.split_to(length).freeze();
        self.line += count_lines(&rest);
        self.behind_copy = rest;
        self.place = Place::Rows { line_begins: true };
        Ok(None)
    }

    /// Hands on rows up to the line with the end mark.
    fn rows(&mut self, mut line_begins: bool) -> Result<Option<Piece>, ScriptError> {
        let mut at = 0;
        loop {
            if line_begins {
                match end_mark(&self.buffer[at..], self.finished) {
                    Mark::Here(_) | Mark::Unknown if at > 0 => break,
                    Mark::Here(length) => {
                        self.drop_front(length);
                        return Ok(Some(self.end_of_rows()));
                    }
                    Mark::Unknown => break,
                    Mark::No => {}
                }
            }
            let Some(length) = memchr(b'\n', &self.buffer[at..]) else {
                line_begins &= at == self.buffer.len();
                at = self.buffer.len();
                break;
            };
            at += length + 1;
            self.line += 1;
            line_begins = true;
        }
        self.place = Place::Rows { line_begins };
        if at > 0 {
            return Ok(Some(Piece::Rows(self.buffer.split_to(at).freeze())));
        }
        match self.finished {
            true => Err(ScriptError::CutOff { line: self.copy_line, inside: "the rows of a COPY" }),
            false => Ok(Some(Piece::NeedMore)),
        }
    }

    fn end_of_rows(&mut self) -> Piece {
        self.place = Place::Between;
        let next = self.line;
        let behind = std::mem::take(&mut self.behind_copy);
        if !behind.trim_ascii().is_empty() {
            // It counts as a line once more.
            self.line -= count_lines(&behind);
            let rows = std::mem::replace(&mut self.buffer, BytesMut::from(&behind[..]));
            self.buffer.extend_from_slice(&rows);
        }
        Piece::EndOfRows(next)
    }

    fn drop_front(&mut self, length: usize) {
        let gone = self.buffer.split_to(length);
        self.line += count_lines(&gone);
    }
}

const RESTRICTED: &str = "is not allowed between \\restrict and \\unrestrict";

fn count_lines(text: &[u8]) -> u64 {
    memchr_iter(b'\n', text).count() as u64
}

/// Whether a line is the one that ends rows.
enum Mark {
    /// It is, and takes this many bytes.
    Here(usize),
    No,
    /// More of it must be seen.
    Unknown,
}

fn end_mark(line: &[u8], last: bool) -> Mark {
    match line {
        [b'\\', b'.', b'\n', ..] => Mark::Here(3),
        [b'\\', b'.', b'\r', b'\n', ..] => Mark::Here(4),
        [b'\\', b'.'] | [b'\\', b'.', b'\r'] if last => Mark::Here(line.len()),
        [] | [b'\\'] | [b'\\', b'.'] | [b'\\', b'.', b'\r'] => Mark::Unknown,
        _ => Mark::No,
    }
}
