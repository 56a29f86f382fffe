//! Bytes at rest: the content of a file, wherever the file is.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// The content of a file that any number of threads read at once, each from a place of its own.
pub trait Content: fmt::Debug + Send + Sync {
    /// Returns how many bytes there are.
    fn bytes(&self) -> u64;

    /// Returns a reader of what stands between two places.
    ///
    /// It may end earlier: a file can have become shorter meanwhile.
    fn open(self: Arc<Self>, from: u64, to: u64) -> Box<dyn Read + Send>;
}

/// The content of a file on disk.
#[derive(Debug)]
pub struct FileContent {
    file: File,
    bytes: u64,
}

impl FileContent {
    /// Takes over an opened file.
    ///
    /// # Errors
    ///
    /// When its size cannot be found out.
    pub fn new(file: File) -> io::Result<Self> {
        let bytes = file.metadata()?.len();
        Ok(FileContent { file, bytes })
    }
}

impl Content for FileContent {
    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn open(self: Arc<Self>, from: u64, to: u64) -> Box<dyn Read + Send> {
        Box::new(FilePart { content: self, offset: from, end: to })
    }
}

/// Reads a part of a file without moving its position.
struct FilePart {
    content: Arc<FileContent>,
    offset: u64,
    end: u64,
}

impl Read for FilePart {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = self.end.saturating_sub(self.offset);
        let wanted = buffer.len().min(usize::try_from(rest).unwrap_or(usize::MAX));
        let count = self.content.file.read_at(&mut buffer[..wanted], self.offset)?;
        self.offset += count as u64;
        Ok(count)
    }
}

/// A part of a content.
#[derive(Debug, Clone)]
pub struct Part {
    content: Arc<dyn Content>,
    from: u64,
    to: u64,
}

impl Part {
    /// Makes the part that is everything.
    pub fn whole(content: Arc<dyn Content>) -> Self {
        let to = content.bytes();
        Part { content, from: 0, to }
    }

    /// Makes the part between two places.
    pub fn between(content: Arc<dyn Content>, from: u64, to: u64) -> Self {
        Part { content, from, to }
    }

    /// Returns how many bytes it has.
    pub fn bytes(&self) -> u64 {
        self.to.saturating_sub(self.from)
    }

    /// Returns the part between two places, which count from its own beginning.
    pub fn part(&self, from: u64, to: u64) -> Part {
        let place = |at: u64| self.from.saturating_add(at).min(self.to);
        Part { content: Arc::clone(&self.content), from: place(from), to: place(to) }
    }

    /// Returns a reader that begins at its beginning.
    pub fn open(&self) -> PartReader {
        PartReader { part: self.clone(), offset: self.from, reader: None }
    }
}

/// Reads a part of a content; places count from the beginning of the content.
pub struct PartReader {
    part: Part,
    /// How far reading has come.
    offset: u64,
    /// What reads on at `offset`; made when it is needed.
    reader: Option<Box<dyn Read + Send>>,
}

impl PartReader {
    /// Returns how far reading has come.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Returns where the part ends.
    pub fn end(&self) -> u64 {
        self.part.to
    }
}

impl Read for PartReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.offset >= self.part.to || buffer.is_empty() {
            return Ok(0);
        }
        let reader = match &mut self.reader {
            Some(reader) => reader,
            none => none.insert(Arc::clone(&self.part.content).open(self.offset, self.part.to)),
        };
        let count = reader.read(buffer)?;
        self.offset += count as u64;
        Ok(count)
    }
}

impl Seek for PartReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::Current(distance) => self.offset.checked_add_signed(distance),
            SeekFrom::End(distance) => self.part.to.checked_add_signed(distance),
        };
        let target = target.ok_or(io::ErrorKind::InvalidInput)?;
        if target != self.offset {
            self.reader = None;
            self.offset = target;
        }
        Ok(self.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(bytes: &[u8]) -> Arc<dyn Content> {
        let folder = tempfile::tempdir().expect("temp");
        let path = folder.path().join("x");
        std::fs::write(&path, bytes).expect("written");
        Arc::new(FileContent::new(File::open(path).expect("opens")).expect("has a size"))
    }

    #[test]
    fn parts_are_read_side_by_side_and_again() {
        let whole = Part::whole(content(b"0123456789"));
        assert_eq!(whole.bytes(), 10);
        let part = whole.part(2, 5);
        let (mut first, mut second) = (part.open(), part.open());
        let mut text = String::new();
        first.read_to_string(&mut text).expect("reads");
        second.read_to_string(&mut text).expect("reads");
        assert_eq!(text, "234234");
        first.seek(SeekFrom::Current(-1)).expect("seeks");
        text.clear();
        first.read_to_string(&mut text).expect("reads");
        assert_eq!(text, "4");
        assert!(first.seek(SeekFrom::Current(-6)).is_err(), "before the beginning");
        assert!(whole.part(8, 100).bytes() == 2 && whole.part(11, 12).bytes() == 0);
    }
}
