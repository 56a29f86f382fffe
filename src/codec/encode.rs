//! Compression of table data in blocks that stand on their own.
//!
//! Every block becomes one gzip member, LZ4 frame or zstd frame, so blocks can be compressed out of
//! order on many threads and joined in order: stock `pg_restore` reads concatenated members and frames
//! in a directory archive. Zstd and LZ4 frames carry a content checksum, which pg_dump's do not, so that
//! every reader notices damage and not only one with a manifest.

use std::cell::RefCell;
use std::io::Write;

use flate2::{Compress, FlushCompress};
use libdeflater::{CompressionLvl, Compressor};
use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
use zstd::zstd_safe::{CParameter, compress_bound};

use super::{Algorithm, Compression};
use crate::error::{Context, Error, ErrorKind, Result};

/// Compresses blocks, keeping the algorithm's working memory between them.
pub struct BlockEncoder {
    compression: Compression,
    state: State,
    /// What deflates parts of streams, which libdeflate cannot; made when first needed.
    stream: Option<Compress>,
}

enum State {
    None,
    Gzip(Compressor),
    Lz4,
    Zstd(zstd::bulk::Compressor<'static>),
}

impl BlockEncoder {
    /// Makes an encoder.
    ///
    /// # Errors
    ///
    /// When zstd refuses its settings, which a [`Compression`] read from text never causes.
    pub fn new(compression: &Compression) -> Result<Self> {
        let level = compression.effective_level();
        let state = match compression.algorithm {
            Algorithm::None => State::None,
            Algorithm::Gzip => State::Gzip(Compressor::new(deflate_level(level))),
            Algorithm::Lz4 => State::Lz4,
            Algorithm::Zstd => State::Zstd(
                zstd_compressor(level, compression.long).context(ErrorKind::Internal, || {
                    format!("could not set up compression with {compression}")
                })?,
            ),
        };
        Ok(BlockEncoder { compression: *compression, state, stream: None })
    }

    /// Compresses `raw` and appends one member or frame to `out`; uncompressed bytes are just appended.
    ///
    /// # Errors
    ///
    /// When the compression library fails, for want of memory for example.
    pub fn encode(&mut self, raw: &[u8], out: &mut Vec<u8>) -> Result<()> {
        self.encode_as(Framing::Member, raw, out)
    }

    fn encode_as(&mut self, framing: Framing, raw: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let start = out.len();
        let done = match &mut self.state {
            State::Gzip(_) if framing == Framing::Stream => {
                let level = level_inside(self.compression.effective_level()) as u32;
                let level = flate2::Compression::new(level);
                let deflate = self.stream.get_or_insert_with(|| Compress::new(level, false));
                deflate_blocks(deflate, raw, out)
            }
            State::None => {
                out.extend_from_slice(raw);
                Ok(())
            }
            State::Gzip(deflate) => gzip_member(deflate, raw, out),
            State::Lz4 => lz4_frame(raw, out),
            State::Zstd(compressor) => zstd_frame(compressor, raw, out),
        };
        done.map_err(|source| {
            out.truncate(start);
            Error::new(ErrorKind::Internal, format!("could not compress with {}", self.compression))
                .with_source(source)
        })
    }
}

/// What gzip makes of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    /// A member of its own.
    Member,
    /// Deflate blocks of a stream that goes on.
    Stream,
}

/// What stands before the first block of a stream and after the last one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StreamParts {
    /// Before the first block.
    pub head: Vec<u8>,
    /// After the last block.
    pub tail: Vec<u8>,
}

/// Returns what makes a stream out of blocks by [`encode_stream_block`]; `adler32` is the checksum of
/// all their raw bytes. Empty for other algorithms than gzip: frames need nothing around them.
pub fn stream_parts(compression: &Compression, adler32: u32) -> StreamParts {
    if compression.algorithm != Algorithm::Gzip {
        return StreamParts::default();
    }
    // zlib with a window of 32 KiB at its default level, and an empty last block.
    let mut tail = vec![0x03, 0x00];
    tail.extend_from_slice(&adler32.to_be_bytes());
    StreamParts { head: vec![0x78, 0x9c], tail }
}

fn zstd_compressor(level: i32, long: bool) -> std::io::Result<zstd::bulk::Compressor<'static>> {
    let mut compressor = zstd::bulk::Compressor::new(level)?;
    compressor.set_parameter(CParameter::ChecksumFlag(true))?;
    if long {
        compressor.set_parameter(CParameter::EnableLongDistanceMatching(true))?;
    }
    Ok(compressor)
}

fn zstd_frame(
    compressor: &mut zstd::bulk::Compressor<'static>,
    raw: &[u8],
    out: &mut Vec<u8>,
) -> std::io::Result<()> {
    // The library writes from the beginning of a vector, so appending needs one of its own.
    if out.is_empty() {
        out.reserve(compress_bound(raw.len()));
        compressor.compress_to_buffer(raw, out)?;
    } else {
        out.extend_from_slice(&compressor.compress(raw)?);
    }
    Ok(())
}

fn lz4_frame(raw: &[u8], out: &mut Vec<u8>) -> std::io::Result<()> {
    // 1 MiB is the size of our blocks; `Auto` would decide by the first write. Independent blocks,
    // because a frame usually is one block.
    let info = FrameInfo::new()
        .block_size(BlockSize::Max1MB)
        .block_mode(BlockMode::Independent)
        .content_checksum(true);
    let mut encoder = FrameEncoder::with_frame_info(info, out);
    encoder.write_all(raw)?;
    encoder.finish().map_err(std::io::Error::other)?;
    Ok(())
}

/// Returns the level of our compressors that stands for one of gzip.
///
/// At level 2 what they write is smaller than what stock zlib writes at level 6, for the tables of
/// `benches/side_by_side` 0.86 to 0.91 of it by libdeflate and 0.97 by zlib-rs (which at level 6 takes 1.4 times as
/// long to come to 0.95). So up to the default the time is what is left to win. Above it more time buys a
/// smaller file, as whoever asks for it expects.
fn level_inside(level: i32) -> i32 {
    match level {
        ..=1 => 1,
        2..=6 => 2,
        7.. => level.min(9),
    }
}

fn deflate_level(level: i32) -> CompressionLvl {
    CompressionLvl::new(level_inside(level)).unwrap_or_default()
}

fn gzip_member(compressor: &mut Compressor, raw: &[u8], out: &mut Vec<u8>) -> std::io::Result<()> {
    let start = out.len();
    out.resize(start + compressor.gzip_compress_bound(raw.len()), 0);
    let written =
        compressor.gzip_compress(raw, &mut out[start..]).map_err(std::io::Error::other)?;
    out.truncate(start + written);
    Ok(())
}

/// Deflates `raw` so that the result ends at a byte and refers to nothing before it.
fn deflate_blocks(deflate: &mut Compress, raw: &[u8], out: &mut Vec<u8>) -> std::io::Result<()> {
    deflate.reset();
    out.reserve(raw.len() / 2 + 64);
    let mut rest = raw;
    loop {
        let before = deflate.total_in();
        deflate.compress_vec(rest, out, FlushCompress::Sync)?;
        rest = &rest[(deflate.total_in() - before) as usize..];
        // Flushing is complete when room was left.
        if rest.is_empty() && out.len() < out.capacity() {
            return Ok(());
        }
        out.reserve(rest.len() / 2 + 4096);
    }
}

thread_local! {
    static ENCODER: RefCell<Option<BlockEncoder>> = const { RefCell::new(None) };
}

/// Compresses one block with this thread's own encoder, which is made on first use and kept.
///
/// To be called on a rayon pool.
///
/// # Errors
///
/// As [`BlockEncoder::encode`].
pub fn encode_block(compression: &Compression, raw: &[u8]) -> Result<Vec<u8>> {
    encode_with_own(compression, Framing::Member, raw)
}

/// Compresses one block of a stream as custom archives hold it: as [`encode_block`], but gzip blocks are
/// parts of one zlib stream, completed by [`stream_parts`].
///
/// # Errors
///
/// As [`BlockEncoder::encode`].
pub fn encode_stream_block(compression: &Compression, raw: &[u8]) -> Result<Vec<u8>> {
    encode_with_own(compression, Framing::Stream, raw)
}

fn encode_with_own(compression: &Compression, framing: Framing, raw: &[u8]) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    ENCODER.with_borrow_mut(|slot| {
        let encoder = match slot {
            Some(encoder) if encoder.compression == *compression => encoder,
            _ => slot.insert(BlockEncoder::new(compression)?),
        };
        encoder.encode_as(framing, raw, &mut out)
    })?;
    // The bound that was reserved is far above the result, and blocks wait in queues.
    if out.capacity() > out.len() * 2 {
        out.shrink_to_fit();
    }
    Ok(out)
}
