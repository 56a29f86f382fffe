//! Text that ends with its own SHA-256.
//!
//! A sealed text is a JSON object whose last field is the SHA-256 of the text without that field: cut out the
//! comma, the line break and the last field, and what remains is the JSON text that was hashed.

use std::io::{self, Write};

use super::{HashingWriter, Sha256Digest};

/// What stands between the hashed part and the hash, and after it.
const SEAL_START: &str = ",\n\"sha256\": \"";
const SEAL_END: &str = "\"\n}\n";
const BODY_END: &str = "\n}\n";

/// Ends what was written with its hash, and returns that.
///
/// What was written is the object without its end: a line break and the closing brace.
///
/// # Errors
///
/// Those of the writer.
pub fn write_seal<W: Write>(body: HashingWriter<W>) -> io::Result<Sha256Digest> {
    let (mut out, mut hasher) = body.into_parts();
    sha2::Digest::update(&mut hasher, BODY_END);
    let digest = Sha256Digest(sha2::Digest::finalize(hasher).into());
    write!(out, "{SEAL_START}{digest}{SEAL_END}")?;
    Ok(digest)
}

/// Compares the last field with the hash of the rest.
///
/// # Errors
///
/// What is wrong, as the end of a sentence about the text.
pub fn check_seal(bytes: &[u8]) -> Result<(), &'static str> {
    let seal_length = SEAL_START.len() + 64 + SEAL_END.len();
    let cut = "it does not end with its checksum";
    let body = bytes.len().checked_sub(seal_length).map(|length| &bytes[..length]).ok_or(cut)?;
    let seal = &bytes[body.len()..];
    let digest = seal
        .strip_prefix(SEAL_START.as_bytes())
        .and_then(|rest| rest.strip_suffix(SEAL_END.as_bytes()))
        .and_then(|digest| std::str::from_utf8(digest).ok())
        .filter(|digest| !digest.bytes().any(|byte| byte.is_ascii_uppercase()))
        .and_then(|digest| digest.parse::<Sha256Digest>().ok())
        .ok_or(cut)?;
    let mut hasher = HashingWriter::new(io::sink());
    // A sink takes everything.
    let _ = hasher.write_all(body).and_then(|()| hasher.write_all(BODY_END.as_bytes()));
    if hasher.finish().1 != digest {
        return Err("its checksum is wrong");
    }
    Ok(())
}
