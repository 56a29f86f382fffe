//! Strict decompression of whole files.
//!
//! All members and frames of a file are read; a stream that is cut short, bytes behind the last frame
//! and wrong checksums are errors. pg_restore is silent about cut LZ4 and zstd files; a reader that
//! proves things cannot be. An empty file reads as empty, because pg_dump writes one for an empty large
//! object.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

use super::Algorithm;
use super::lz4_frame::Lz4Reader;
use super::zlib::ZlibReader;

/// 256 KiB: fewer system calls, and small beside one block.
const INPUT_BUFFER_BYTES: usize = 256 * 1024;

/// Returns a reader of the decompressed bytes of `input`.
///
/// Errors have the kind [`io::ErrorKind::UnexpectedEof`] when the input is cut short and
/// [`io::ErrorKind::InvalidData`] or another one when it is damaged. Memory is bounded whatever the
/// input claims: a zstd window of at most 128 MiB (what the format's own tools accept), LZ4 blocks of
/// at most 4 MiB.
pub fn decoder(algorithm: Algorithm, input: impl Read + Send + 'static) -> Box<dyn Read + Send> {
    let input = BufReader::with_capacity(INPUT_BUFFER_BYTES, input);
    match algorithm {
        Algorithm::None => Box::new(input),
        Algorithm::Gzip => Box::new(Checked::new(input, GzipStart)),
        Algorithm::Lz4 => Box::new(Lz4Reader::new(input)),
        Algorithm::Zstd => Box::new(Checked::new(input, ZstdStart)),
    }
}

/// What a list may expand to whatever its size is.
const LIST_BYTES: u64 = 64 << 20;

/// How many times its stored size a list may have besides. Real ones of a thousand partitions have 40.
const LIST_EXPANSION: u64 = 200;

/// Returns a reader as [`decoder`] does, for lists that are kept in memory: of `stored` bytes, they may
/// not expand without end.
pub fn list_decoder(
    algorithm: Algorithm,
    input: impl Read + Send + 'static,
    stored: u64,
) -> Box<dyn Read + Send> {
    let decoder = decoder(algorithm, input);
    match algorithm {
        Algorithm::None => decoder,
        _ => {
            let left = LIST_BYTES.saturating_add(stored.saturating_mul(LIST_EXPANSION));
            Box::new(Bounded { decoder, left })
        }
    }
}

struct Bounded {
    decoder: Box<dyn Read + Send>,
    left: u64,
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.decoder.read(buffer)?;
        self.left = self.left.checked_sub(count as u64).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, "a small file expands without end")
        })?;
        Ok(count)
    }
}

/// Returns a reader of the decompressed bytes of one stream as custom archives hold it: gzip means a
/// single zlib stream there. Otherwise as [`decoder`].
pub fn stream_decoder(
    algorithm: Algorithm,
    input: impl Read + Send + 'static,
) -> Box<dyn Read + Send> {
    match algorithm {
        Algorithm::Gzip => {
            let input = BufReader::with_capacity(INPUT_BUFFER_BYTES, input);
            Box::new(Checked::new(input, ZlibStart))
        }
        _ => decoder(algorithm, input),
    }
}

/// Returns a reader of one block of such a stream, as [`encode_stream_block`](super::encode_stream_block)
/// made it.
pub fn block_decoder(
    algorithm: Algorithm,
    input: impl Read + Send + 'static,
) -> Box<dyn Read + Send> {
    match algorithm {
        Algorithm::Gzip => {
            Box::new(ZlibReader::blocks(BufReader::with_capacity(INPUT_BUFFER_BYTES, input)))
        }
        _ => decoder(algorithm, input),
    }
}

type Input<R> = BufReader<R>;

/// Makes a library's decoder once the first byte is known to exist.
trait Start<R: Read>: Send {
    type Decoder: Read + Send;
    fn start(&self, input: Input<R>) -> io::Result<Self::Decoder>;
}

struct GzipStart;

impl<R: Read + Send> Start<R> for GzipStart {
    type Decoder = MultiGzDecoder<Input<R>>;
    fn start(&self, input: Input<R>) -> io::Result<Self::Decoder> {
        Ok(MultiGzDecoder::new(input))
    }
}

struct ZlibStart;

impl<R: Read + Send> Start<R> for ZlibStart {
    type Decoder = ZlibReader<Input<R>>;
    fn start(&self, input: Input<R>) -> io::Result<Self::Decoder> {
        Ok(ZlibReader::stream(input))
    }
}

struct ZstdStart;

impl<R: Read + Send> Start<R> for ZstdStart {
    type Decoder = zstd::Decoder<'static, Input<R>>;
    fn start(&self, input: Input<R>) -> io::Result<Self::Decoder> {
        zstd::Decoder::with_buffer(input)
    }
}

/// A decoder that accepts an empty file and, once failed, keeps failing.
struct Checked<R: Read, S: Start<R>> {
    state: CheckedState<R, S>,
    starter: S,
}

enum CheckedState<R: Read, S: Start<R>> {
    Fresh(Input<R>),
    Running(S::Decoder),
    Failed,
    Empty,
}

impl<R: Read + Send, S: Start<R>> Checked<R, S> {
    fn new(input: Input<R>, starter: S) -> Self {
        Checked { state: CheckedState::Fresh(input), starter }
    }
}

impl<R: Read + Send, S: Start<R>> Read for Checked<R, S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let CheckedState::Fresh(_) = self.state {
            let CheckedState::Fresh(mut input) =
                std::mem::replace(&mut self.state, CheckedState::Failed)
            else {
                return Err(io::Error::other("decoder state changed"));
            };
            self.state = if input.fill_buf()?.is_empty() {
                CheckedState::Empty
            } else {
                CheckedState::Running(self.starter.start(input)?)
            };
        }
        match &mut self.state {
            CheckedState::Running(decoder) => {
                let result = decoder.read(buffer);
                if let Err(error) = &result
                    && error.kind() != io::ErrorKind::Interrupted
                {
                    self.state = CheckedState::Failed;
                }
                result
            }
            CheckedState::Empty => Ok(0),
            CheckedState::Fresh(_) | CheckedState::Failed => {
                Err(io::Error::new(io::ErrorKind::InvalidData, "reading had failed before"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{
        ADLER32_START, Compression, adler32, adler32_join, encode_block, encode_stream_block,
        stream_parts,
    };
    use proptest::prelude::*;
    use std::io::Cursor;

    fn decode(algorithm: Algorithm, bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        decoder(algorithm, Cursor::new(bytes.to_vec())).read_to_end(&mut out)?;
        Ok(out)
    }

    fn encode(algorithm: Algorithm, raw: &[u8]) -> Vec<u8> {
        encode_block(&Compression::new(algorithm), raw).expect("compresses")
    }

    const PACKED: [Algorithm; 3] = [Algorithm::Gzip, Algorithm::Lz4, Algorithm::Zstd];

    fn sample() -> Vec<u8> {
        (0..40_000)
            .flat_map(|row| format!("{row}\trow number {}\n", row * 7).into_bytes())
            .collect()
    }

    #[test]
    fn several_blocks_read_as_one_stream() {
        let raw = sample();
        for algorithm in Algorithm::ALL {
            let mut joined = Vec::new();
            for block in raw.chunks(100_001) {
                joined.extend(encode(algorithm, block));
            }
            joined.extend(encode(algorithm, b""));
            assert_eq!(decode(algorithm, &joined).expect("reads"), raw, "{algorithm}");
        }
    }

    #[test]
    fn blocks_of_a_stream_join_and_can_be_read_alone() {
        let raw = sample();
        for algorithm in Algorithm::ALL {
            let compression = Compression::new(algorithm);
            let mut sum = ADLER32_START;
            let mut blocks = Vec::new();
            for block in raw.chunks(100_001).chain([&b""[..], b"end\n"]) {
                let packed = encode_stream_block(&compression, block).expect("compresses");
                let mut alone = Vec::new();
                let mut reader = block_decoder(algorithm, Cursor::new(packed.clone()));
                reader.read_to_end(&mut alone).expect("reads alone");
                assert_eq!(alone, block, "{algorithm}");
                sum = adler32_join(sum, adler32(block), block.len() as u64);
                blocks.extend(packed);
            }
            let parts = stream_parts(&compression, sum);
            let whole = [parts.head, blocks, parts.tail].concat();
            let read = |bytes: &[u8]| {
                let mut out = Vec::new();
                stream_decoder(algorithm, Cursor::new(bytes.to_vec())).read_to_end(&mut out)?;
                io::Result::Ok(out)
            };
            assert_eq!(read(&whole).expect("reads"), [&raw[..], b"end\n"].concat(), "{algorithm}");
            if algorithm == Algorithm::Gzip {
                for cut in [1, 3, 5, 200] {
                    let error = read(&whole[..whole.len() - cut]).expect_err("cut");
                    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{cut}");
                }
                let mut other_sum = whole.clone();
                *other_sum.last_mut().expect("a sum") ^= 1;
                read(&other_sum).expect_err("another checksum");
                read(&[&whole[..], b"x"].concat()).expect_err("something follows");
                read(&[&whole[..], &whole].concat()).expect_err("a second stream follows");
            }
        }
    }

    #[test]
    fn an_empty_file_is_empty() {
        for algorithm in Algorithm::ALL {
            assert_eq!(decode(algorithm, b"").expect("reads"), b"", "{algorithm}");
        }
    }

    #[test]
    fn truncation_anywhere_is_an_error() {
        let raw = &sample()[..3_000];
        for algorithm in PACKED {
            let first = encode(algorithm, &raw[..1_500]);
            let whole = [first.clone(), encode(algorithm, &raw[1_500..])].concat();
            for length in 1..whole.len() {
                let result = decode(algorithm, &whole[..length]);
                assert_eq!(result.is_ok(), length == first.len(), "{algorithm} cut to {length}");
            }
        }
    }

    #[test]
    fn a_flipped_byte_anywhere_is_an_error_or_harmless() {
        let raw = &sample()[..3_000];
        for algorithm in PACKED {
            let whole = encode(algorithm, raw);
            for position in 0..whole.len() {
                let mut damaged = whole.clone();
                damaged[position] ^= 0x10;
                if let Ok(read) = decode(algorithm, &damaged) {
                    // Only header bytes that carry no meaning (the time in a gzip header) may change.
                    assert_eq!(read, raw, "{algorithm} flipped at {position}");
                }
            }
        }
    }

    #[test]
    fn bytes_behind_the_last_frame_are_an_error() {
        for algorithm in PACKED {
            for garbage in [&b"\0"[..], b"x", b"garbage", &[0; 512]] {
                let whole = [encode(algorithm, b"a\n").as_slice(), garbage].concat();
                decode(algorithm, &whole).expect_err(algorithm.name());
            }
        }
    }

    #[test]
    fn every_level_is_readable() {
        let raw = &sample()[..50_000];
        for text in
            ["gzip:1", "gzip:9", "lz4:9", "zstd:1", "zstd:-3", "zstd:19", "zstd:level=5,long"]
        {
            let compression: Compression = text.parse().expect("valid");
            let packed = encode_block(&compression, raw).expect("compresses");
            assert_eq!(decode(compression.algorithm, &packed).expect("reads"), raw, "{text}");
        }
    }

    proptest! {
        #[test]
        fn anything_survives_the_way_there_and_back(
            raw in prop::collection::vec(any::<u8>(), 0..5_000),
            algorithm in prop::sample::select(Algorithm::ALL.to_vec()),
        ) {
            prop_assert_eq!(decode(algorithm, &encode(algorithm, &raw)).expect("reads"), raw);
        }

        #[test]
        fn noise_never_panics(
            noise in prop::collection::vec(any::<u8>(), 0..300),
            algorithm in prop::sample::select(PACKED.to_vec()),
            keep in 0usize..16,
        ) {
            let mut bytes = encode(algorithm, b"some rows\n");
            bytes.truncate(keep.min(bytes.len()));
            bytes.extend(noise);
            for open in [decoder, stream_decoder, block_decoder] {
                let mut limited = open(algorithm, Cursor::new(bytes.clone())).take(1 << 20);
                let _ = io::copy(&mut limited, &mut io::sink());
            }
        }
    }
}
