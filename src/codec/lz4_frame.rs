//! A strict reader of LZ4 frames.
//!
//! The frame reader of `lz4_flex` takes the end of input inside a frame for the end of the frame, as
//! liblz4's own file reader does; a cut file would look complete. This one knows where it is:
//!
//! ```text
//! magic (4) | FLG | BD | [content size (8)] | HC     then blocks: size (4) | bytes | [checksum (4)]
//! a size of 0 ends the frame | [content checksum (4)]         the top bit of a size: stored as it is
//! ```
//!
//! Authority: `doc/lz4_Frame_format.md` of LZ4. Legacy frames and dictionaries are refused; skippable
//! frames are skipped.

use std::hash::Hasher;
use std::io::{self, BufRead, Read};

use lz4_flex::block::{decompress_into, decompress_into_with_dict};
use twox_hash::XxHash32;

const MAGIC: u32 = 0x184D_2204;
const SKIPPABLE_MAGIC: u32 = 0x184D_2A50;
/// How far a match may reach back, also into earlier blocks when these are linked.
const WINDOW_BYTES: usize = 64 * 1024;

/// Reads the decompressed bytes of any number of frames.
pub(super) struct Lz4Reader<R> {
    input: R,
    frame: Option<Frame>,
    packed: Vec<u8>,
    block: Vec<u8>,
    position: usize,
    length: usize,
    /// The end of what came before the current block of a frame with linked blocks.
    window: Vec<u8>,
    failed: bool,
}

struct Frame {
    linked: bool,
    block_checksums: bool,
    content_size: Option<u64>,
    content_checksum: Option<XxHash32>,
    block_max: usize,
    produced: u64,
}

impl<R: BufRead> Lz4Reader<R> {
    pub(super) fn new(input: R) -> Self {
        Lz4Reader {
            input,
            frame: None,
            packed: Vec::new(),
            block: Vec::new(),
            position: 0,
            length: 0,
            window: Vec::new(),
            failed: false,
        }
    }

    /// Makes the next block's bytes available; `false` at the end of the input between frames.
    fn advance(&mut self) -> io::Result<bool> {
        loop {
            match self.frame.take() {
                None => match self.read_header()? {
                    None => return Ok(false),
                    Some(frame) => {
                        self.window.clear();
                        if self.block.len() < frame.block_max {
                            // Fresh zeros cost nothing before they are touched, and most large
                            // objects touch little of 4 MiB.
                            self.block = vec![0; frame.block_max];
                        }
                        self.frame = Some(frame);
                    }
                },
                Some(mut frame) => {
                    if self.read_block(&mut frame)? {
                        self.frame = Some(frame);
                        if self.length > 0 {
                            return Ok(true);
                        }
                    }
                }
            }
        }
    }

    fn read_header(&mut self) -> io::Result<Option<Frame>> {
        if self.input.fill_buf()?.is_empty() {
            return Ok(None);
        }
        let magic = self.read_u32()?;
        if magic & 0xFFFF_FFF0 == SKIPPABLE_MAGIC {
            let size = u64::from(self.read_u32()?);
            let skipped = io::copy(&mut self.input.by_ref().take(size), &mut io::sink())?;
            if skipped < size {
                return Err(cut());
            }
            return self.read_header();
        }
        if magic != MAGIC {
            return Err(damaged("not an lz4 frame"));
        }
        let mut descriptor = vec![0; 2];
        self.fill(&mut descriptor)?;
        let (flags, block_descriptor) = (descriptor[0], descriptor[1]);
        if flags >> 6 != 1 || flags & 0b10 != 0 || block_descriptor & 0b1000_1111 != 0 {
            return Err(damaged("unknown lz4 frame header"));
        }
        if flags & 1 != 0 {
            return Err(damaged("lz4 frame needs a dictionary"));
        }
        let block_max = match block_descriptor >> 4 {
            4 => 64 * 1024,
            5 => 256 * 1024,
            6 => 1024 * 1024,
            7 => 4 * 1024 * 1024,
            _ => return Err(damaged("unknown lz4 block size")),
        };
        let content_size = if flags & 0b1000 == 0 {
            None
        } else {
            let mut size = [0; 8];
            self.fill(&mut size)?;
            descriptor.extend_from_slice(&size);
            Some(u64::from_le_bytes(size))
        };
        let mut checksum = [0; 1];
        self.fill(&mut checksum)?;
        if (XxHash32::oneshot(0, &descriptor) >> 8) as u8 != checksum[0] {
            return Err(damaged("wrong checksum of an lz4 frame header"));
        }
        Ok(Some(Frame {
            linked: flags & 0b10_0000 == 0,
            block_checksums: flags & 0b1_0000 != 0,
            content_size,
            content_checksum: (flags & 0b100 != 0).then(|| XxHash32::with_seed(0)),
            block_max,
            produced: 0,
        }))
    }

    /// Reads one block; `false` when it was the frame's end mark.
    fn read_block(&mut self, frame: &mut Frame) -> io::Result<bool> {
        let size = self.read_u32()?;
        if size == 0 {
            self.finish_frame(frame)?;
            return Ok(false);
        }
        let stored = size & 0x8000_0000 != 0;
        let size = (size & 0x7FFF_FFFF) as usize;
        if size > frame.block_max {
            return Err(damaged("an lz4 block is larger than its frame allows"));
        }
        let mut packed = std::mem::take(&mut self.packed);
        packed.resize(size, 0);
        self.fill(&mut packed)?;
        if frame.block_checksums && self.read_u32()? != XxHash32::oneshot(0, &packed) {
            return Err(damaged("wrong checksum of an lz4 block"));
        }
        self.length = if stored {
            self.block[..size].copy_from_slice(&packed);
            size
        } else if self.window.is_empty() {
            decompress_into(&packed, &mut self.block).map_err(damaged)?
        } else {
            decompress_into_with_dict(&packed, &mut self.block, &self.window).map_err(damaged)?
        };
        self.packed = packed;
        self.position = 0;
        let produced = &self.block[..self.length];
        frame.produced += produced.len() as u64;
        if let Some(hasher) = &mut frame.content_checksum {
            hasher.write(produced);
        }
        if frame.linked {
            if produced.len() >= WINDOW_BYTES {
                self.window.clear();
                self.window.extend_from_slice(&produced[produced.len() - WINDOW_BYTES..]);
            } else {
                let surplus = (self.window.len() + produced.len()).saturating_sub(WINDOW_BYTES);
                self.window.drain(..surplus);
                self.window.extend_from_slice(produced);
            }
        }
        Ok(true)
    }

    fn finish_frame(&mut self, frame: &Frame) -> io::Result<()> {
        if let Some(hasher) = &frame.content_checksum
            && self.read_u32()? != hasher.finish() as u32
        {
            return Err(damaged("wrong checksum of an lz4 frame"));
        }
        if frame.content_size.is_some_and(|size| size != frame.produced) {
            return Err(damaged("wrong content size of an lz4 frame"));
        }
        Ok(())
    }

    fn read_u32(&mut self) -> io::Result<u32> {
        let mut bytes = [0; 4];
        self.fill(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        self.input.read_exact(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => cut(),
            _ => error,
        })
    }
}

impl<R: BufRead> Read for Lz4Reader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if self.failed {
            return Err(damaged("reading had failed before"));
        }
        if self.position == self.length {
            (self.position, self.length) = (0, 0);
            match self.advance() {
                Ok(true) => {}
                Ok(false) => return Ok(0),
                Err(error) => {
                    self.failed = true;
                    self.length = 0;
                    return Err(error);
                }
            }
        }
        let count = buffer.len().min(self.length - self.position);
        buffer[..count].copy_from_slice(&self.block[self.position..self.position + count]);
        self.position += count;
        Ok(count)
    }
}

fn cut() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "lz4 frame is cut short")
}

fn damaged(reason: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}
