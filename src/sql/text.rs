//! Text that may hold bytes that are not UTF-8, carried in ordinary strings without loss.
//!
//! Archives and SQL_ASCII databases hold names and definitions in any encoding. Inside pgark they are
//! `String`s in which a byte that is not part of valid UTF-8 is carried as one character of the
//! private use plane: byte `b` as `U+10FF00 + b`. Genuine characters of that range are carried byte by
//! byte in the same way, so [`decode`] followed by [`encode`] returns exactly the bytes it began with.

use std::borrow::Cow;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// The first of the 256 characters that stand for raw bytes.
const FIRST: u32 = 0x10_FF00;

/// Returns the string that carries `bytes`.
pub fn decode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if is_carrier(character) {
                let mut buffer = [0; 4];
                text.extend(character.encode_utf8(&mut buffer).bytes().map(carrier));
            } else {
                text.push(character);
            }
        }
        text.extend(chunk.invalid().iter().copied().map(carrier));
    }
    text
}

/// Returns the bytes that `text` carries, without a copy when there is nothing special in it.
pub fn encode(text: &str) -> Cow<'_, [u8]> {
    if !text.chars().any(is_carrier) {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut bytes = Vec::with_capacity(text.len());
    for character in text.chars() {
        if is_carrier(character) {
            bytes.push((character as u32 - FIRST) as u8);
        } else {
            bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
    Cow::Owned(bytes)
}

/// Returns the path that `text` carries.
pub fn path(text: &str) -> PathBuf {
    OsString::from_vec(encode(text).into_owned()).into()
}

fn is_carrier(character: char) -> bool {
    (FIRST..FIRST + 256).contains(&(character as u32))
}

fn carrier(byte: u8) -> char {
    // Every value from FIRST to FIRST + 255 is a Unicode scalar value, so the fallback is unreachable.
    char::from_u32(FIRST + u32::from(byte)).unwrap_or(char::REPLACEMENT_CHARACTER)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn plain_text_is_itself() {
        assert_eq!(decode("größe".as_bytes()), "größe");
        assert!(matches!(encode("größe"), Cow::Borrowed(_)));
        assert_eq!(decode(b"\xe9t\xe9").chars().count(), 3);
    }

    proptest! {
        #[test]
        fn any_bytes_survive(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let text = decode(&bytes);
            prop_assert_eq!(encode(&text).into_owned(), bytes);
        }

        #[test]
        fn carrier_characters_survive(text in "[\u{10ff00}-\u{10ffff}a]{0,8}") {
            let carried = decode(text.as_bytes());
            prop_assert_eq!(encode(&carried).into_owned(), text.into_bytes());
        }
    }
}
