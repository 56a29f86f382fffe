//! COPY text turned into CSV, in a stream; pure.
//!
//! NULL becomes an empty field, an empty string `""`, as `COPY ... (FORMAT csv)` writes and reads them.
//! Authority for the escapes: the manual's page on COPY, "Text Format".

use std::io::{self, Write};

/// A field longer than this is written quoted without being looked at whole: rows may have 1 GB.
const LONGEST_UNQUOTED: usize = 64 * 1024;

/// Turns COPY text into CSV while it passes.
pub(super) struct CsvWriter<W> {
    output: W,
    state: State,
    /// The beginning of the field, as long as it is not known whether it needs quotes.
    field: Vec<u8>,
    form: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Plain,
    /// Behind a backslash.
    Escape,
    /// Behind `\x` or in an octal escape: base, digits seen, digits allowed, value.
    Number {
        base: u32,
        seen: u8,
        most: u8,
        value: u32,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Still in `field`.
    Undecided,
    /// `field` is the text of NULL.
    Null,
    /// The opening quote is written.
    Quoted,
}

impl<W: Write> CsvWriter<W> {
    /// Makes a converter and writes a line with the names of the columns, when there are any.
    pub(super) fn new(mut output: W, columns: &[String]) -> io::Result<Self> {
        for (position, column) in columns.iter().enumerate() {
            if position > 0 {
                output.write_all(b",")?;
            }
            write_field(&mut output, &crate::sql::text::encode(column))?;
        }
        if !columns.is_empty() {
            output.write_all(b"\n")?;
        }
        Ok(CsvWriter { output, state: State::Plain, field: Vec::new(), form: Form::Undecided })
    }

    /// Takes the next bytes of COPY text.
    pub(super) fn feed(&mut self, text: &[u8]) -> io::Result<()> {
        for &byte in text {
            self.byte(byte)?;
        }
        Ok(())
    }

    /// Returns the output; what was fed must have ended with a row.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.output.flush()?;
        Ok(self.output)
    }

    fn byte(&mut self, byte: u8) -> io::Result<()> {
        match self.state {
            State::Plain => match byte {
                b'\\' => {
                    self.state = State::Escape;
                    Ok(())
                }
                b'\t' => self.end_field(b","),
                b'\n' => self.end_field(b"\n"),
                _ => self.push(byte),
            },
            State::Escape => {
                self.state = State::Plain;
                match byte {
                    b'N' if self.field.is_empty() && self.form == Form::Undecided => {
                        self.form = Form::Null;
                        Ok(())
                    }
                    b'b' => self.push(8),
                    b'f' => self.push(12),
                    b'n' => self.push(b'\n'),
                    b'r' => self.push(b'\r'),
                    b't' => self.push(b'\t'),
                    b'v' => self.push(11),
                    b'x' => {
                        self.state = State::Number { base: 16, seen: 0, most: 2, value: 0 };
                        Ok(())
                    }
                    b'0'..=b'7' => {
                        let value = u32::from(byte - b'0');
                        self.state = State::Number { base: 8, seen: 1, most: 3, value };
                        Ok(())
                    }
                    _ => self.push(byte),
                }
            }
            State::Number { base, seen, most, value } => {
                match char::from(byte).to_digit(base) {
                    Some(digit) if seen < most => {
                        let value = value * base + digit;
                        self.state = State::Number { base, seen: seen + 1, most, value };
                        Ok(())
                    }
                    _ => {
                        self.state = State::Plain;
                        // `\x` without digits is an x.
                        let character = if seen == 0 { b'x' } else { (value & 0xff) as u8 };
                        self.push(character)?;
                        self.byte(byte)
                    }
                }
            }
        }
    }

    fn push(&mut self, byte: u8) -> io::Result<()> {
        if self.form == Form::Quoted {
            if byte == b'"' {
                self.output.write_all(b"\"")?;
            }
            return self.output.write_all(&[byte]);
        }
        self.field.push(byte);
        if self.field.len() > LONGEST_UNQUOTED {
            self.form = Form::Quoted;
            self.output.write_all(b"\"")?;
            for byte in std::mem::take(&mut self.field) {
                self.push(byte)?;
            }
        }
        Ok(())
    }

    fn end_field(&mut self, separator: &[u8]) -> io::Result<()> {
        match self.form {
            Form::Undecided => write_field(&mut self.output, &self.field)?,
            Form::Null => {}
            Form::Quoted => self.output.write_all(b"\"")?,
        }
        self.field.clear();
        self.form = Form::Undecided;
        self.output.write_all(separator)
    }
}

/// Writes a field, in quotes where it needs them; `\.` alone would end a COPY of older servers.
fn write_field(output: &mut dyn Write, field: &[u8]) -> io::Result<()> {
    let special = |byte: &u8| matches!(byte, b',' | b'"' | b'\n' | b'\r');
    if !field.is_empty() && field != b"\\." && !field.iter().any(special) {
        return output.write_all(field);
    }
    output.write_all(b"\"")?;
    for (position, part) in field.split(|&byte| byte == b'"').enumerate() {
        if position > 0 {
            output.write_all(b"\"\"")?;
        }
        output.write_all(part)?;
    }
    output.write_all(b"\"")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn csv(text: &[u8], pieces: usize) -> String {
        let mut writer = CsvWriter::new(Vec::new(), &[]).expect("memory");
        for piece in text.chunks(pieces.max(1)) {
            writer.feed(piece).expect("memory");
        }
        String::from_utf8_lossy(&writer.finish().expect("memory")).into_owned()
    }

    #[test]
    fn fields_are_quoted_when_they_must_be() {
        let cases: &[(&[u8], &str)] = &[
            (b"1\tabc\n", "1,abc\n"),
            (b"\\N\t\t\\\\N\n", ",\"\",\\N\n"),
            (b"a,b\tsay \"hi\"\tx\\ny\n", "\"a,b\",\"say \"\"hi\"\"\",\"x\ny\"\n"),
            (b"\\b\\f\\r\\t\\v\n", "\"\u{8}\u{c}\r\t\u{b}\"\n"),
            (b"\\101\\x42\\x4gz\n", "AB\u{4}gz\n"),
            (b"\\\\.\n", "\"\\.\"\n"),
            (b"\n\n", "\"\"\n\"\"\n"),
        ];
        for (text, expected) in cases {
            for pieces in 1..4 {
                assert_eq!(csv(text, pieces), *expected, "{:?}", String::from_utf8_lossy(text));
            }
        }
    }

    #[test]
    fn long_fields_stream() {
        let mut text = b"\"".repeat(LONGEST_UNQUOTED + 10);
        text.extend_from_slice(b"\tend\n");
        let expected = format!("\"{}\",end\n", "\"\"".repeat(LONGEST_UNQUOTED + 10));
        assert_eq!(csv(&text, 1000), expected);
    }

    #[test]
    fn columns_are_the_first_line() {
        let columns = ["a".to_owned(), "b,c".to_owned()];
        let writer = CsvWriter::new(Vec::new(), &columns).expect("memory");
        assert_eq!(writer.finish().expect("memory"), b"a,\"b,c\"\n");
    }

    proptest! {
        #[test]
        fn noise_never_panics(text in prop::collection::vec(any::<u8>(), 0..200), pieces in 1usize..20) {
            let _ = csv(&text, pieces);
        }
    }
}
