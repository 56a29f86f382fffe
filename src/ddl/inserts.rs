//! COPY text as INSERT statements, a stream into a stream (`dumpTableData_insert` in `pg_dump.c`).
//!
//! pg_dump asks for rows with SELECT where it writes INSERTs. The server's COPY text holds the same
//! values, and is one stream: a row of any size passes in constant memory. Only values that are written
//! without quotes are held back until they are complete.

use super::Inserts;

/// What ends the statements of a table.
pub const INSERTS_END: &[u8] = b"\n\n";

/// How the values of a type are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueClass {
    /// Bare, unless it is something like `NaN`.
    Number,
    /// `B'101'`.
    Bits,
    /// `true` or `false`.
    Boolean,
    /// A string.
    Text,
}

/// A column of the statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InsertColumn {
    /// Its value comes from the rows.
    Read(ValueClass),
    /// Generated: the word DEFAULT stands for it.
    Default,
}

/// What the statements of a table look like.
#[derive(Debug, Clone)]
pub struct InsertShape {
    /// The table, qualified and quoted.
    pub table: String,
    /// The columns of a row.
    pub columns: Vec<InsertColumn>,
    /// Their quoted names, for statements that tell them.
    pub names: Vec<String>,
    /// Whether a column is GENERATED ALWAYS AS IDENTITY.
    pub overrides_identity: bool,
    /// Number of rows and what else was chosen.
    pub inserts: Inserts,
    /// Whether backslashes are ordinary characters in literals.
    pub standard_strings: bool,
    /// The encoding of the rows.
    pub encoding: MultiByte,
}

/// Encodings of clients in which a byte of a character can look like an ASCII character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MultiByte {
    /// None of them: a backslash is always a backslash.
    AsciiSafe,
    /// Every character that begins with a high bit has two bytes.
    Two,
    /// As `Two`, and half-width Katakana with one byte.
    ShiftJis,
    /// Two bytes, or four when the second is a digit.
    Gb18030,
}

impl MultiByte {
    /// Returns the form of an encoding, by the server's name for it.
    pub fn of_encoding(name: &str) -> MultiByte {
        match name.to_ascii_uppercase().as_str() {
            "SJIS" | "SHIFT_JIS_2004" => MultiByte::ShiftJis,
            "BIG5" | "GBK" | "UHC" | "JOHAB" => MultiByte::Two,
            "GB18030" => MultiByte::Gb18030,
            _ => MultiByte::AsciiSafe,
        }
    }

    /// Returns how many bytes of a character follow its first one, as far as that one tells.
    fn trailing(self, first: u8) -> u8 {
        match self {
            MultiByte::AsciiSafe => 0,
            _ if first < 0x80 => 0,
            MultiByte::ShiftJis if (0xa1..=0xdf).contains(&first) => 0,
            _ => 1,
        }
    }
}

/// Turns the COPY text of one table into statements.
#[derive(Debug)]
pub struct InsertWriter {
    shape: InsertShape,
    /// The statement up to its first row.
    head: String,
    state: State,
    /// The column whose value comes next.
    column: usize,
    /// A value that is not written before it is complete.
    held: Vec<u8>,
    rows_in_statement: usize,
    in_row: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first byte of a value.
    Start,
    /// Behind a backslash that is the first byte of a value.
    StartEscape,
    /// Inside a value.
    Value,
    /// Behind a backslash inside a value.
    Escape,
    /// Inside a character, of which so many bytes follow; `second` when the next is its second.
    Character { left: u8, second: bool },
    /// Behind `\N`.
    Null,
}

impl InsertWriter {
    /// Begins a table.
    pub fn new(shape: InsertShape) -> Self {
        let mut head = format!("INSERT INTO {} ", shape.table);
        if shape.columns.is_empty() {
            head.push_str("DEFAULT VALUES;\n");
        } else {
            if shape.inserts.columns {
                head.push_str(&format!("({}) ", shape.names.join(", ")));
            }
            if shape.overrides_identity {
                head.push_str("OVERRIDING SYSTEM VALUE ");
            }
            head.push_str("VALUES");
        }
        InsertWriter {
            shape,
            head,
            state: State::Start,
            column: 0,
            held: Vec::new(),
            rows_in_statement: 0,
            in_row: false,
        }
    }

    /// Takes the next bytes of COPY text, cut anywhere, and appends what they become.
    pub fn push(&mut self, text: &[u8], out: &mut Vec<u8>) {
        for &byte in text {
            self.byte(byte, out);
        }
    }

    /// Ends the last statement; [`INSERTS_END`] follows it.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        if self.rows_in_statement > 0 {
            self.end_statement(out);
        }
    }

    fn byte(&mut self, byte: u8, out: &mut Vec<u8>) {
        match self.state {
            State::Character { left, second } => {
                // The second byte of GB18030 tells that there are two more.
                let four =
                    second && self.shape.encoding == MultiByte::Gb18030 && byte.is_ascii_digit();
                let left = if four { 2 } else { left - 1 };
                self.state = match left {
                    0 => State::Value,
                    _ => State::Character { left, second: false },
                };
                self.raw(byte, out);
            }
            State::Start | State::Value | State::Null if byte == b'\t' => {
                self.end_value(out);
                self.state = State::Start;
            }
            State::Start | State::Value | State::Null if byte == b'\n' => self.end_row(out),
            State::Start if byte == b'\\' => {
                self.begin_row(out);
                self.state = State::StartEscape;
            }
            State::StartEscape if byte == b'N' => {
                self.skip_defaults(out);
                out.extend_from_slice(b"NULL");
                self.state = State::Null;
            }
            State::StartEscape => {
                self.begin_value(out);
                self.escaped(byte, out);
                self.state = State::Value;
            }
            State::Escape => {
                self.escaped(byte, out);
                self.state = State::Value;
            }
            State::Value if byte == b'\\' => self.state = State::Escape,
            State::Start | State::Value => {
                if self.state == State::Start {
                    self.begin_row(out);
                    self.begin_value(out);
                    self.state = State::Value;
                }
                self.raw(byte, out);
                if let left @ 1.. = self.shape.encoding.trailing(byte) {
                    self.state = State::Character { left, second: true };
                }
            }
            // The server puts nothing there.
            State::Null => {}
        }
    }

    fn escaped(&mut self, byte: u8, out: &mut Vec<u8>) {
        let byte = match byte {
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'v' => 11,
            other => other,
        };
        match self.class() {
            ValueClass::Text if byte == b'\\' && !self.shape.standard_strings => {
                out.extend_from_slice(b"\\\\");
            }
            _ => self.raw(byte, out),
        }
    }

    /// Adds a byte to the value.
    fn raw(&mut self, byte: u8, out: &mut Vec<u8>) {
        match self.class() {
            ValueClass::Text => {
                if byte == b'\'' {
                    out.push(b'\'');
                }
                out.push(byte);
            }
            ValueClass::Bits => out.push(byte),
            ValueClass::Number | ValueClass::Boolean => self.held.push(byte),
        }
    }

    fn class(&self) -> ValueClass {
        match self.shape.columns.get(self.column) {
            Some(InsertColumn::Read(class)) => *class,
            _ => ValueClass::Text,
        }
    }

    fn begin_row(&mut self, out: &mut Vec<u8>) {
        if self.in_row {
            return;
        }
        self.in_row = true;
        if self.rows_in_statement == 0 {
            out.extend_from_slice(&crate::sql::text::encode(&self.head));
        }
        if self.shape.columns.is_empty() {
            return;
        }
        let heading: &[u8] = match (self.shape.inserts.rows, self.rows_in_statement) {
            (1, _) => b" (",
            (_, 0) => b"\n\t(",
            _ => b",\n\t(",
        };
        out.extend_from_slice(heading);
    }

    /// Writes what stands before the next value that is read.
    fn skip_defaults(&mut self, out: &mut Vec<u8>) {
        while let Some(InsertColumn::Default) = self.shape.columns.get(self.column) {
            self.separate(out);
            out.extend_from_slice(b"DEFAULT");
            self.column += 1;
        }
        if self.column < self.shape.columns.len() {
            self.separate(out);
        }
    }

    fn separate(&self, out: &mut Vec<u8>) {
        if self.column > 0 {
            out.extend_from_slice(b", ");
        }
    }

    fn begin_value(&mut self, out: &mut Vec<u8>) {
        self.skip_defaults(out);
        match self.class() {
            ValueClass::Text => out.push(b'\''),
            ValueClass::Bits => out.extend_from_slice(b"B'"),
            ValueClass::Number | ValueClass::Boolean => {}
        }
    }

    fn end_value(&mut self, out: &mut Vec<u8>) {
        self.begin_row(out);
        if self.state == State::Start {
            self.begin_value(out);
        }
        if self.state != State::Null {
            match self.class() {
                ValueClass::Text | ValueClass::Bits => out.push(b'\''),
                ValueClass::Boolean => {
                    let word = if self.held == b"t" { "true" } else { "false" };
                    out.extend_from_slice(word.as_bytes());
                }
                ValueClass::Number if self.held.iter().all(|b| b"0123456789 +-eE.".contains(b)) => {
                    out.extend_from_slice(&self.held);
                }
                ValueClass::Number => {
                    out.push(b'\'');
                    out.extend_from_slice(&self.held);
                    out.push(b'\'');
                }
            }
        }
        self.held.clear();
        self.column += 1;
    }

    fn end_row(&mut self, out: &mut Vec<u8>) {
        self.begin_row(out);
        let reads = |column: &InsertColumn| matches!(column, InsertColumn::Read(_));
        if self.shape.columns.iter().any(reads) {
            self.end_value(out);
        }
        self.skip_defaults(out);
        self.state = State::Start;
        self.column = 0;
        self.in_row = false;
        if self.shape.columns.is_empty() {
            return;
        }
        out.push(b')');
        self.rows_in_statement += 1;
        if self.rows_in_statement >= self.shape.inserts.rows {
            self.end_statement(out);
        }
    }

    fn end_statement(&mut self, out: &mut Vec<u8>) {
        if self.shape.inserts.on_conflict_do_nothing {
            out.extend_from_slice(b" ON CONFLICT DO NOTHING");
        }
        out.extend_from_slice(b";\n");
        self.rows_in_statement = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shape(columns: &[InsertColumn], rows: usize) -> InsertShape {
        InsertShape {
            table: "public.t".to_owned(),
            columns: columns.to_vec(),
            names: (0..columns.len()).map(|number| format!("c{number}")).collect(),
            overrides_identity: false,
            inserts: Inserts { rows, columns: false, on_conflict_do_nothing: false },
            standard_strings: true,
            encoding: MultiByte::AsciiSafe,
        }
    }

    fn written(shape: InsertShape, copy: &[u8], chunk: usize) -> String {
        let mut writer = InsertWriter::new(shape);
        let mut out = Vec::new();
        for chunk in copy.chunks(chunk) {
            writer.push(chunk, &mut out);
        }
        writer.finish(&mut out);
        out.extend_from_slice(INSERTS_END);
        crate::sql::text::decode(&out)
    }

    use InsertColumn::{Default, Read};
    use ValueClass::{Bits, Boolean, Number, Text};

    #[test]
    fn rows_become_statements() {
        let columns = [Read(Number), Read(Text), Read(Boolean), Read(Bits)];
        let copy =
            b"1\tit's\\n\\\\N\\tx\tt\t101\n\\N\t\\N\t\\N\t\\N\n-1.5e3\t\tf\t\nNaN\t\\\\N\tf\t0\n";
        let expected = "INSERT INTO public.t VALUES (1, 'it''s\n\\N\tx', true, B'101');\n\
            INSERT INTO public.t VALUES (NULL, NULL, NULL, NULL);\n\
            INSERT INTO public.t VALUES (-1.5e3, '', false, B'');\n\
            INSERT INTO public.t VALUES ('NaN', '\\N', false, B'0');\n\n\n";
        for chunk in [1, 2, 7, 1000] {
            assert_eq!(written(shape(&columns, 1), copy, chunk), expected, "{chunk}");
        }
    }

    #[test]
    fn statements_hold_several_rows_names_and_defaults() {
        let columns = [Default, Read(Number), Default, Read(Number), Default];
        let mut three = shape(&columns, 3);
        three.inserts.columns = true;
        three.inserts.on_conflict_do_nothing = true;
        three.overrides_identity = true;
        assert_eq!(
            written(three, b"1\t2\n3\t\\N\n\\N\t6\n7\t8\n", 3),
            "INSERT INTO public.t (c0, c1, c2, c3, c4) OVERRIDING SYSTEM VALUE VALUES\n\
             \t(DEFAULT, 1, DEFAULT, 2, DEFAULT),\n\
             \t(DEFAULT, 3, DEFAULT, NULL, DEFAULT),\n\
             \t(DEFAULT, NULL, DEFAULT, 6, DEFAULT) ON CONFLICT DO NOTHING;\n\
             INSERT INTO public.t (c0, c1, c2, c3, c4) OVERRIDING SYSTEM VALUE VALUES\n\
             \t(DEFAULT, 7, DEFAULT, 8, DEFAULT) ON CONFLICT DO NOTHING;\n\n\n"
        );
    }

    #[test]
    fn tables_without_columns_to_read_have_rows_too() {
        assert_eq!(
            written(shape(&[], 5), b"\n\n", 1),
            "INSERT INTO public.t DEFAULT VALUES;\nINSERT INTO public.t DEFAULT VALUES;\n\n\n"
        );
        assert_eq!(
            written(shape(&[Default], 1), b"\n", 1),
            "INSERT INTO public.t VALUES (DEFAULT);\n\n\n"
        );
        assert_eq!(written(shape(&[Read(Text)], 1), b"", 1), "\n\n");
    }

    #[test]
    fn backslashes_inside_characters_are_no_escapes() {
        let mut sjis = shape(&[Read(Text), Read(Text)], 1);
        sjis.encoding = MultiByte::ShiftJis;
        // Half-width katakana, then a character whose second byte is a backslash.
        let copy = b"\xb1\\n\t\x95\\\n";
        let mut expected = b"INSERT INTO public.t VALUES ('\xb1\n', '\x95\\');\n\n\n".to_vec();
        assert_eq!(written(sjis.clone(), copy, 1), crate::sql::text::decode(&expected));
        sjis.encoding = MultiByte::Gb18030;
        let copy = b"\x810\x81\\\\\\\t\x81\\\n";
        expected = b"INSERT INTO public.t VALUES ('\x810\x81\\\\', '\x81\\');\n\n\n".to_vec();
        assert_eq!(written(sjis, copy, 1), crate::sql::text::decode(&expected));
    }

    #[test]
    fn backslashes_are_doubled_where_they_escape() {
        let mut old = shape(&[Read(Text)], 1);
        old.standard_strings = false;
        assert_eq!(written(old, b"a\\\\b\n", 1), "INSERT INTO public.t VALUES ('a\\\\b');\n\n\n");
    }

    proptest! {
        #[test]
        fn noise_never_panics_and_cuts_do_not_matter(
            copy in prop::collection::vec(any::<u8>(), 0..60),
            chunk in 1_usize..20,
            encoding in 0_usize..4,
        ) {
            let mut shape = shape(&[Read(Number), Default, Read(Text)], 2);
            shape.encoding = [
                MultiByte::AsciiSafe, MultiByte::Two, MultiByte::ShiftJis, MultiByte::Gb18030,
            ][encoding];
            prop_assert_eq!(written(shape.clone(), &copy, chunk), written(shape, &copy, 1000));
        }
    }
}
