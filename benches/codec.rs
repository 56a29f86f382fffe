//! What a block of COPY text costs: fingerprint, checksum, compression and decompression on one core.
//!
//! The text is made up to compress like that of `side_by_side/mixed.sql`: numbers, times, UUIDs and JSON.

use std::fmt::Write as _;
use std::hint::black_box;
use std::io::{Cursor, Read, sink};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pgark::codec::{BlockEncoder, Compression, RowHasher, decoder, sha256};

/// The size of the blocks that a dump makes.
const BLOCK_BYTES: usize = 1 << 20;

/// Returns a block of rows; the digits come from a multiplication, so that runs are comparable.
fn block() -> Vec<u8> {
    let mut text = String::with_capacity(BLOCK_BYTES + 512);
    let mut row: u64 = 0;
    while text.len() < BLOCK_BYTES {
        row += 1;
        let noise = row.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        writeln!(
            text,
            "{row}\t2026-01-{:02} 12:{:02}:07.{:06}+00\t{noise:016x}-{:04x}\t\\N\t\
             {{\"n\": {row}, \"path\": \"/p/{:08x}\", \"agent\": \"Mozilla/5.0 (X11; Linux x86_64)\"}}",
            1 + row % 28,
            row % 60,
            noise % 1_000_000,
            row % 65_536,
            noise >> 32,
        )
        .expect("memory takes every text");
    }
    text.into_bytes()
}

fn codec(criterion: &mut Criterion) {
    let block = block();
    let mut group = criterion.benchmark_group("codec");
    group.sample_size(20).throughput(Throughput::Bytes(block.len() as u64));
    group.bench_function("fingerprint", |bencher| {
        bencher.iter(|| {
            let mut hasher = RowHasher::new();
            hasher.feed(black_box(&block));
            hasher.finish()
        });
    });
    group.bench_function("SHA-256", |bencher| bencher.iter(|| sha256(black_box(&block))));
    for name in ["gzip:6", "gzip:1", "zstd", "lz4"] {
        let compression: Compression = name.parse().expect("a compression");
        let mut encoder = BlockEncoder::new(&compression).expect("an encoder");
        let mut out = Vec::new();
        group.bench_function(format!("encode {name}"), |bencher| {
            bencher.iter(|| {
                out.clear();
                encoder.encode(black_box(&block), &mut out).expect("encoded");
            });
        });
        out.clear();
        encoder.encode(&block, &mut out).expect("encoded");
        let mut packed = Vec::new();
        group.bench_function(format!("decode {name}"), |bencher| {
            bencher.iter(|| {
                packed.clone_from(&out);
                let input = Cursor::new(std::mem::take(&mut packed));
                let mut reader = decoder(compression.algorithm, input).take(u64::MAX);
                std::io::copy(&mut reader, &mut sink()).expect("decoded")
            });
        });
    }
    group.finish();
}

criterion_group!(benches, codec);
criterion_main!(benches);
