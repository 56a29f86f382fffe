//! Where a script gets the data of its entries from, and the form that large objects have in it.

use std::io::{self, Write};

use crate::model::TocEntry;

/// The data behind the entries of a script.
pub trait ScriptSource {
    /// Writes the rows of an entry as the archive holds them, with the end mark and the blank lines
    /// behind it; what goes before them is written already.
    fn write_rows(&mut self, entry: &TocEntry, output: &mut dyn Write) -> io::Result<()>;

    /// Writes the large objects of an entry.
    fn write_large_objects(
        &mut self,
        entry: &TocEntry,
        output: &mut LargeObjectScript<'_>,
    ) -> io::Result<()>;

    /// Tells where the archive keeps the data of an entry, in a line for a verbose script.
    fn place(&self, entry: &TocEntry) -> Option<String> {
        let _ = entry;
        None
    }

    /// Returns the time, as a verbose script ends with it.
    fn now(&self) -> Option<String> {
        None
    }

    /// Hears what is being written.
    fn info(&mut self, message: &str) {
        let _ = message;
    }
}

/// The bytes per statement, those of pg_dump (`LOBBUFSIZE`).
const PIECE_BYTES: usize = 16 * 1024;

/// The flag of `lo_open` for writing (`INV_WRITE`).
const WRITE: u32 = 0x2_0000;

/// Writes large objects as the calls that fill them.
pub struct LargeObjectScript<'a> {
    output: &'a mut dyn Write,
    standard_strings: bool,
    creates: bool,
    drops: bool,
    piece: Vec<u8>,
}

impl<'a> LargeObjectScript<'a> {
    pub(super) fn new(
        output: &'a mut dyn Write,
        standard_strings: bool,
        creates: bool,
        drops: bool,
    ) -> Self {
        let piece = Vec::with_capacity(PIECE_BYTES);
        LargeObjectScript { output, standard_strings, creates, drops, piece }
    }

    /// Begins a large object.
    pub fn begin(&mut self, oid: u32) -> io::Result<()> {
        if self.creates && self.drops {
            let drop = crate::archive::statements::unlink_if_exists(&oid.to_string());
            self.output.write_all(drop.as_bytes())?;
        }
        let object = match self.creates {
            true => format!("pg_catalog.lo_create('{oid}')"),
            false => format!("'{oid}'"),
        };
        writeln!(self.output, "SELECT pg_catalog.lo_open({object}, {WRITE});")
    }

    /// Adds bytes to it.
    pub fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(PIECE_BYTES - self.piece.len()));
            self.piece.extend_from_slice(now);
            bytes = later;
            if self.piece.len() == PIECE_BYTES {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// Ends it.
    pub fn end(&mut self) -> io::Result<()> {
        self.flush()?;
        self.output.write_all(b"SELECT pg_catalog.lo_close(0);\n\n")
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let mut line = Vec::with_capacity(64 + self.piece.len() * 2);
        line.extend_from_slice(b"SELECT pg_catalog.lowrite(0, '\\");
        if !self.standard_strings {
            line.push(b'\\');
        }
        line.push(b'x');
        for byte in self.piece.drain(..) {
            const DIGITS: &[u8; 16] = b"0123456789abcdef";
            line.push(DIGITS[usize::from(byte >> 4)]);
            line.push(DIGITS[usize::from(byte & 15)]);
        }
        line.extend_from_slice(b"');\n");
        self.output.write_all(&line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_objects_are_written_in_pieces_however_the_bytes_come() {
        let bytes: Vec<u8> = (0..40_000_u32).map(|number| number as u8).collect();
        let script = |chunk: usize| {
            let mut output = Vec::new();
            let mut objects = LargeObjectScript::new(&mut output, true, false, false);
            objects.begin(7).expect("writes");
            for chunk in bytes.chunks(chunk) {
                objects.write(chunk).expect("writes");
            }
            objects.end().expect("writes");
            String::from_utf8(output).expect("text")
        };
        let text = script(999);
        assert_eq!(text, script(16 * 1024));
        let lines: Vec<usize> = text.lines().map(str::len).collect();
        let frame = "SELECT pg_catalog.lowrite(0, '\\x');".len();
        let open = "SELECT pg_catalog.lo_open('7', 131072);".len();
        assert_eq!(lines, [open, frame + 32_768, frame + 32_768, frame + 14_464, 30, 0]);
    }
}
