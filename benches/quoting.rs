//! Quoting of identifiers and literals, which every line of a schema goes through.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pgark::sql::{parse_array, quote_identifier, quote_literal};

const NAMES: [&str; 5] =
    ["orders", "Mixed Case", "select", "with\"quote", "customer_address_line_2"];

fn quoting(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("quoting");
    group.throughput(Throughput::Elements(NAMES.len() as u64));
    group.bench_function("identifiers", |bencher| {
        bencher.iter(|| {
            for name in NAMES {
                black_box(quote_identifier(black_box(name)));
            }
        });
    });
    let comment = "It's a comment of the usual length, with a \\ in it. ".repeat(4);
    group.throughput(Throughput::Bytes(comment.len() as u64));
    group.bench_function("a literal", |bencher| {
        bencher.iter(|| black_box(quote_literal(black_box(&comment), true)));
    });
    let options = "{fillfactor=70,autovacuum_enabled=false,\"strange=a \\\"b\\\"\"}";
    group.throughput(Throughput::Bytes(options.len() as u64));
    group.bench_function("an array of options", |bencher| {
        bencher.iter(|| black_box(parse_array(black_box(options))));
    });
    group.finish();
}

criterion_group!(benches, quoting);
criterion_main!(benches);
