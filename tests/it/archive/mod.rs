//! The archive layer held against the stock tools and against an independent reader.

mod hostile;
mod independent;
mod script;
mod silent_damage;
mod stock_reads;
mod stored;

use std::path::{Path, PathBuf};

/// The archives that stock pg_dump made of `fixtures/archives/source.sql`.
const FIXTURES: [&str; 6] =
    ["pg15-none", "pg15-gzip", "pg18-none", "pg18-gzip", "pg18-lz4", "pg18-zstd"];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/archives").join(name)
}
