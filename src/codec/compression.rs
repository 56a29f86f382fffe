//! What to compress with: the algorithm, its level, and the text form of both (`-Z`).
//!
//! Authority: `src/common/compression.c` and `parse_compress_options` of `src/fe_utils/option_utils.c`
//! in PostgreSQL 18; the error texts are theirs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};

/// A way to compress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Algorithm {
    /// Bytes as they are.
    None,
    /// Deflate in gzip framing.
    Gzip,
    /// LZ4 frames.
    Lz4,
    /// Zstandard frames.
    Zstd,
}

impl Algorithm {
    /// All of them, in the order in which a reader looks for a file's suffix.
    pub const ALL: [Algorithm; 4] =
        [Algorithm::None, Algorithm::Gzip, Algorithm::Lz4, Algorithm::Zstd];

    /// Returns the name used in options and messages.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::None => "none",
            Algorithm::Gzip => "gzip",
            Algorithm::Lz4 => "lz4",
            Algorithm::Zstd => "zstd",
        }
    }

    /// Returns what is appended to a file's name, with its dot; empty for [`Algorithm::None`].
    pub fn suffix(self) -> &'static str {
        match self {
            Algorithm::None => "",
            Algorithm::Gzip => ".gz",
            Algorithm::Lz4 => ".lz4",
            Algorithm::Zstd => ".zst",
        }
    }

    /// Returns the algorithm that a file's name tells, [`Algorithm::None`] when it tells nothing.
    pub fn from_suffix(file_name: &str) -> Algorithm {
        Algorithm::ALL
            .into_iter()
            .filter(|&algorithm| algorithm != Algorithm::None)
            .find(|algorithm| file_name.ends_with(algorithm.suffix()))
            .unwrap_or(Algorithm::None)
    }

    /// Returns the algorithm that the first bytes of a file tell, [`Algorithm::None`] when they tell nothing.
    pub fn from_first_bytes(bytes: &[u8]) -> Algorithm {
        match bytes {
            [0x1f, 0x8b, ..] => Algorithm::Gzip,
            [0x04, 0x22, 0x4d, 0x18, ..] => Algorithm::Lz4,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Algorithm::Zstd,
            _ => Algorithm::None,
        }
    }

    /// The smallest, largest and default level.
    fn levels(self) -> (i32, i32, i32) {
        match self {
            Algorithm::None => (0, 0, 0),
            Algorithm::Gzip => (1, 9, -1),
            Algorithm::Lz4 => (1, 12, 0),
            Algorithm::Zstd => (
                *zstd::compression_level_range().start(),
                *zstd::compression_level_range().end(),
                zstd::DEFAULT_COMPRESSION_LEVEL,
            ),
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An algorithm with its settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Compression {
    /// How to compress.
    pub algorithm: Algorithm,
    /// How hard to try; `None` is the algorithm's default.
    ///
    /// LZ4 accepts 1 to 12 as pg_dump does and always compresses at its fast level, because its
    /// high-compression mode has no implementation in safe Rust.
    pub level: Option<i32>,
    /// Zstandard's long-distance matching.
    pub long: bool,
    /// A number of worker threads, which pg_dump accepts and does not use; neither does pgark.
    ///
    /// The command line warns about it in pg_dump's words: [`Compression::warning`].
    pub workers: Option<i32>,
}

impl Compression {
    /// No compression.
    pub const NONE: Compression = Compression::new(Algorithm::None);

    /// Makes the default setting of an algorithm.
    pub const fn new(algorithm: Algorithm) -> Self {
        Compression { algorithm, level: None, long: false, workers: None }
    }

    /// Makes a setting with a level.
    pub const fn with_level(algorithm: Algorithm, level: i32) -> Self {
        Compression { algorithm, level: Some(level), long: false, workers: None }
    }

    /// Returns what pg_dump would warn about.
    pub fn warning(&self) -> Option<&'static str> {
        self.workers.map(|_| "compression option \"workers\" is not currently supported by pg_dump")
    }

    /// Returns the level to use, the algorithm's default when none was asked for.
    pub fn effective_level(&self) -> i32 {
        match (self.level, self.algorithm) {
            (Some(level), _) => level,
            (None, Algorithm::Gzip) => 6,
            (None, algorithm) => algorithm.levels().2,
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.algorithm.name())?;
        match (self.level, self.long) {
            (None, false) => Ok(()),
            (Some(level), false) => write!(f, ":{level}"),
            (None, true) => f.write_str(":long"),
            (Some(level), true) => write!(f, ":level={level},long"),
        }
    }
}

impl FromStr for Compression {
    type Err = Error;

    /// Reads a `-Z` specification: `INTEGER` or `METHOD[:DETAIL]`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`] with the text pg_dump would print.
    fn from_str(text: &str) -> Result<Self> {
        let (name, detail) = match (integer(text), text.split_once(':')) {
            (Some(0), _) => ("none", None),
            (Some(_), _) => ("gzip", Some(text)),
            (None, _) if text.is_empty() => ("none", None),
            (None, Some((name, detail))) => (name, Some(detail)),
            (None, None) => (text, None),
        };
        let algorithm = Algorithm::ALL
            .into_iter()
            .find(|algorithm| algorithm.name() == name)
            .ok_or_else(|| {
                Error::new(
                    ErrorKind::Usage,
                    format!("unrecognized compression algorithm: \"{name}\""),
                )
            })?;
        let compression = parse_detail(algorithm, detail).map_err(|reason| {
            Error::new(ErrorKind::Usage, format!("invalid compression specification: {reason}"))
        })?;
        Ok(compression)
    }
}

/// Reads what stands behind the method's colon.
///
/// The ranges are checked after the grammar, because an unknown keyword is reported before a level out
/// of range.
fn parse_detail(algorithm: Algorithm, detail: Option<&str>) -> Result<Compression, String> {
    let mut compression = Compression::new(algorithm);
    let (min, max, default) = algorithm.levels();
    let mut level = default;
    match detail.map(|detail| (detail, integer(detail))) {
        None => {}
        Some((_, Some(bare))) => level = bare,
        Some((detail, None)) => {
            for item in detail.split(',') {
                let (keyword, value) = match item.split_once('=') {
                    Some((keyword, value)) => (keyword, Some(value)),
                    None => (item, None),
                };
                match keyword {
                    "" => {
                        return Err(
                            "found empty string where a compression option was expected".into()
                        );
                    }
                    "level" => level = integer_value(keyword, value)?,
                    "workers" => compression.workers = Some(integer_value(keyword, value)?),
                    "long" => compression.long = boolean_value(keyword, value)?,
                    _ => return Err(format!("unrecognized compression option: \"{keyword}\"")),
                }
            }
        }
    }

    if algorithm == Algorithm::None && level != 0 {
        return Err("compression algorithm \"none\" does not accept a compression level".into());
    }
    if (level < min || level > max) && level != default {
        return Err(format!(
            "compression algorithm \"{algorithm}\" expects a compression level between {min} and {max} (default at {default})"
        ));
    }
    if compression.workers.is_some() && algorithm != Algorithm::Zstd {
        return Err(format!(
            "compression algorithm \"{algorithm}\" does not accept a worker count"
        ));
    }
    if compression.long && algorithm != Algorithm::Zstd {
        return Err(format!(
            "compression algorithm \"{algorithm}\" does not support long-distance mode"
        ));
    }
    if level != default {
        compression.level = Some(level);
    }
    Ok(compression)
}

fn integer_value(keyword: &str, value: Option<&str>) -> Result<i32, String> {
    let value =
        value.ok_or_else(|| format!("compression option \"{keyword}\" requires a value"))?;
    integer(value)
        .ok_or_else(|| format!("value for compression option \"{keyword}\" must be an integer"))
}

fn boolean_value(keyword: &str, value: Option<&str>) -> Result<bool, String> {
    let Some(value) = value else { return Ok(true) };
    match value.to_ascii_lowercase().as_str() {
        "yes" | "on" | "1" => Ok(true),
        "no" | "off" | "0" => Ok(false),
        _ => Err(format!("value for compression option \"{keyword}\" must be a Boolean value")),
    }
}

/// Reads the whole text as an integer in the way of C's `strtol`: leading blanks and a sign are fine,
/// and what does not fit becomes the nearest that does.
fn integer(text: &str) -> Option<i32> {
    let trimmed = text.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '\x0b');
    let (negative, digits) = match trimmed.as_bytes().first()? {
        b'-' => (true, &trimmed[1..]),
        b'+' => (false, &trimmed[1..]),
        _ => (false, trimmed),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let magnitude = digits.parse::<i32>().unwrap_or(i32::MAX);
    Some(if negative { -magnitude } else { magnitude })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn specifications_are_read_as_pg_dump_reads_them() {
        let cases: &[(&str, Result<&str, &str>)] = &[
            ("", Ok("none")),
            ("0", Ok("none")),
            ("none", Ok("none")),
            ("none:0", Ok("none")),
            ("6", Ok("gzip:6")),
            ("-1", Ok("gzip")),
            ("gzip", Ok("gzip")),
            ("gzip:-1", Ok("gzip")),
            ("gzip:level=9", Ok("gzip:9")),
            ("lz4", Ok("lz4")),
            ("lz4:0", Ok("lz4")),
            ("lz4:12", Ok("lz4:12")),
            ("zstd", Ok("zstd")),
            ("zstd:3", Ok("zstd")),
            ("zstd:-5", Ok("zstd:-5")),
            ("zstd:long", Ok("zstd:long")),
            ("zstd:level=7,long=YES", Ok("zstd:level=7,long")),
            ("zstd:long=off", Ok("zstd")),
            ("zstd:workers=4", Ok("zstd")),
            ("none:1", Err("compression algorithm \"none\" does not accept a compression level")),
            (
                "15",
                Err(
                    "compression algorithm \"gzip\" expects a compression level between 1 and 9 (default at -1)",
                ),
            ),
            (
                "gzip:0",
                Err(
                    "compression algorithm \"gzip\" expects a compression level between 1 and 9 (default at -1)",
                ),
            ),
            ("gzip:nonInt", Err("unrecognized compression option: \"nonInt\"")),
            ("gzip:", Err("found empty string where a compression option was expected")),
            (
                "zstd:long,,level=1",
                Err("found empty string where a compression option was expected"),
            ),
            ("zstd:level", Err("compression option \"level\" requires a value")),
            ("zstd:level=x", Err("value for compression option \"level\" must be an integer")),
            ("zstd:level=", Err("value for compression option \"level\" must be an integer")),
            (
                "zstd:long=maybe",
                Err("value for compression option \"long\" must be a Boolean value"),
            ),
            (
                "gzip:workers=2",
                Err("compression algorithm \"gzip\" does not accept a worker count"),
            ),
            ("lz4:long", Err("compression algorithm \"lz4\" does not support long-distance mode")),
        ];
        for (text, expected) in cases {
            let read = text.parse::<Compression>();
            match (read, expected) {
                (Ok(compression), Ok(shown)) => {
                    assert_eq!(&compression.to_string(), shown, "{text}")
                }
                (Err(error), Err(reason)) => assert_eq!(
                    error.message(),
                    format!("invalid compression specification: {reason}"),
                    "{text}"
                ),
                (read, expected) => panic!("{text}: {read:?} is not {expected:?}"),
            }
        }
        let unknown = "GZIP".parse::<Compression>().expect_err("upper case");
        assert_eq!(unknown.message(), "unrecognized compression algorithm: \"GZIP\"");
        assert_eq!(unknown.kind(), ErrorKind::Usage);
    }

    proptest! {
        #[test]
        fn noise_never_panics_and_what_is_read_reads_again(text in "(none|gzip|lz4|zstd)?:?[a-z0-9=,-]{0,12}") {
            if let Ok(compression) = text.parse::<Compression>() {
                let again = compression.to_string().parse::<Compression>().expect("own output");
                prop_assert_eq!(Compression { workers: None, ..compression }, again);
            }
        }
    }
}
