//! Bytes to bytes: compression in independent blocks, strict decompression, checksums, fingerprints.
//!
//! Nothing here knows what the bytes mean or where they live. The codecs are those of PostgreSQL's
//! `src/fe_utils/astreamer_*` and `src/bin/pg_dump/compress_*.c`; what is written here is read by stock
//! `pg_restore`, and what pg_dump writes is read here, with the difference that damage is an error.

mod adler32;
mod compression;
mod decode;
mod encode;
mod fingerprint;
mod lz4_frame;
mod seal;
mod sha256;
mod zlib;

pub use adler32::{ADLER32_START, adler32, adler32_join};
pub use compression::{Algorithm, Compression};
pub use decode::{block_decoder, decoder, list_decoder, stream_decoder};
pub use encode::{BlockEncoder, StreamParts, encode_block, encode_stream_block, stream_parts};
pub use fingerprint::{Fingerprint, LargeObjectHasher, RowHasher};
pub use seal::{check_seal, write_seal};
pub use sha256::{HashingReader, HashingWriter, Sha256Digest, sha256};
