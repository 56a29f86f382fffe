//! Names of files for things whose names may hold anything.

use crate::codec::sha256;

/// Longer names are cut. Three stages of a name's life need room in the 255 bytes that file systems allow:
/// what a backup adds to the name of its database, and what hides a file in the making.
const NAME_BYTES_MAX: usize = 150;

/// How many digits of a hash tell cut names apart.
const HASH_DIGITS: usize = 16;

/// Returns a file name for any name.
///
/// What is no letter, digit, dash or underscore is written as `%` and two digits. A name that is too long then
/// is cut and ends with `~` and digits of its hash. Names that differ give names that differ, except in case
/// where a file system knows no case.
pub fn file_name_of(name: &str) -> String {
    let mut encoded = String::new();
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    if encoded.len() > NAME_BYTES_MAX {
        let hash = sha256(name.as_bytes()).to_string();
        encoded.truncate(NAME_BYTES_MAX - HASH_DIGITS - 1);
        encoded.push('~');
        encoded.push_str(&hash[..HASH_DIGITS]);
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_stay_readable() {
        assert_eq!(file_name_of("shop-2_x"), "shop-2_x");
        assert_eq!(file_name_of("a/b"), "a%2Fb");
        assert_eq!(file_name_of(".."), "%2E%2E");
        assert_eq!(file_name_of("größe"), "gr%C3%B6%C3%9Fe");
        let (one, other) = ("ä".repeat(31) + "x", "ä".repeat(31) + "y");
        assert_eq!(file_name_of(&one).len(), NAME_BYTES_MAX);
        assert_ne!(file_name_of(&one), file_name_of(&other));
    }

    proptest! {
        #[test]
        fn every_name_is_a_file_name_and_no_other_has_it(
            one in ".{1,80}", other in ".{1,80}"
        ) {
            let name = file_name_of(&one);
            prop_assert!(name.len() <= NAME_BYTES_MAX && !name.is_empty());
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-%~".contains(&byte);
            prop_assert!(name.bytes().all(plain));
            prop_assert_eq!(one == other, name == file_name_of(&other));
        }
    }
}
