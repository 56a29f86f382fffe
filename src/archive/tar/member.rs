//! The head of a member, 512 bytes.
//!
//! ```text
//! name 0..100 | mode 100 | uid 108 | gid 116 | size 124 | mtime 136 | checksum 148 | type 156
//! link 157 | "ustar\0" 257 | "00" 263 | user 265 | group 297 | device 329, 337
//! ```
//!
//! Numbers are octal text; a size of 8 GiB or more is binary, with the top bit of its first byte set.

use std::ops::Range;

/// What everything in a tar file is a multiple of.
pub(super) const UNIT: usize = 512;

const NAME: Range<usize> = 0..100;
const SIZE: Range<usize> = 124..136;
const CHECKSUM: Range<usize> = 148..156;
const TYPE: usize = 156;
const MAGIC: Range<usize> = 257..265;

/// The first size that eleven octal digits cannot hold.
const LARGE: u64 = 1 << 33;

/// What a member's head says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) name: String,
    pub(super) bytes: u64,
    /// Whether it is a file, and not a directory, a link or something for tar itself.
    pub(super) is_file: bool,
}

/// Returns the head of a file; `modified` counts seconds since 1970.
pub(super) fn encode(name: &str, bytes: u64, modified: u64) -> Option<[u8; UNIT]> {
    if name.len() >= NAME.len() || !name.is_ascii() {
        return None;
    }
    let mut head = [0; UNIT];
    let mut put =
        |at: usize, text: &str| head[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, "0000600 ");
    put(108, "0004000 ");
    put(116, "0002000 ");
    if bytes < LARGE {
        put(SIZE.start, &format!("{bytes:011o} "));
    }
    put(136, &format!("{:011o} ", modified.min(LARGE - 1)));
    put(TYPE, "0");
    put(MAGIC.start, "ustar\x0000");
    put(265, "postgres");
    put(297, "postgres");
    put(329, "0000000 ");
    put(337, "0000000 ");
    if bytes >= LARGE {
        head[SIZE.start] = 0x80;
        head[SIZE.end - 8..SIZE.end].copy_from_slice(&bytes.to_be_bytes());
    }
    let checksum = format!("{:07o} ", sum(&head));
    head[CHECKSUM].copy_from_slice(checksum.as_bytes());
    Some(head)
}

/// Reads a head; `None` is a block of zeros, which means nothing.
pub(super) fn decode(head: &[u8; UNIT]) -> Result<Option<Head>, &'static str> {
    if head.iter().all(|&byte| byte == 0) {
        return Ok(None);
    }
    let known = [&b"ustar\x0000"[..], b"ustar  \0", b"ustar00\0"];
    if !known.contains(&&head[MAGIC]) {
        return Err("it is no head of a tar member");
    }
    if octal(&head[CHECKSUM]) != Some(sum(head)) {
        return Err("its checksum is wrong");
    }
    let size = &head[SIZE];
    let bytes = if size[0] & 0x80 == 0 {
        octal(size)
    } else {
        let (high, low) = size.split_at(SIZE.len() - 8);
        let fits = high[0] == 0x80 && high[1..].iter().all(|&byte| byte == 0);
        fits.then(|| low.iter().fold(0, |value, &byte| value << 8 | u64::from(byte)))
    };
    let name = head[NAME].split(|&byte| byte == 0).next().unwrap_or_default();
    Ok(Some(Head {
        name: crate::sql::text::decode(name),
        bytes: bytes.ok_or("its size is no number")?,
        is_file: matches!(head[TYPE], b'0' | 0),
    }))
}

/// Returns the sum of all bytes, the checksum's own taken as blanks.
fn sum(head: &[u8; UNIT]) -> u64 {
    let bytes = head.iter().enumerate();
    bytes.map(|(at, &byte)| u64::from(if CHECKSUM.contains(&at) { b' ' } else { byte })).sum()
}

/// Reads octal digits up to a blank or a zero byte.
fn octal(field: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(field).ok()?;
    let digits = text.trim_matches([' ', '\0']);
    u64::from_str_radix(digits, 8).ok()
}

/// Returns how many zeros follow a member of so many bytes.
pub(super) fn padding(bytes: u64) -> usize {
    (bytes.wrapping_neg() % UNIT as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn heads_are_read_again_at_every_size() {
        for bytes in [0, 1, 511, 512, LARGE - 1, LARGE, u64::MAX >> 1] {
            let head = encode("17.dat", bytes, 1_700_000_000).expect("fits");
            let expected = Head { name: "17.dat".into(), bytes, is_file: true };
            assert_eq!(decode(&head), Ok(Some(expected)));
        }
        assert_eq!(encode(&"n".repeat(100), 1, 1), None);
        assert_eq!(decode(&[0; UNIT]), Ok(None));
        assert_eq!([padding(0), padding(1), padding(512), padding(513)], [0, 511, 0, 511]);
    }

    proptest! {
        #[test]
        fn any_flipped_bit_is_found(at in 0..UNIT, bit in 0..8) {
            let mut head = encode("toc.dat", 4321, 1_700_000_000).expect("fits");
            let whole = decode(&head);
            head[at] ^= 1_u8 << bit;
            let read = decode(&head);
            // Zeros and blanks around the checksum mean the same.
            prop_assert!(read.is_err() || (CHECKSUM.contains(&at) && read == whole), "{at}: {read:?}");
        }

        #[test]
        fn noise_never_panics(noise in prop::collection::vec(any::<u8>(), UNIT)) {
            let mut head = [0; UNIT];
            head.copy_from_slice(&noise);
            let _ = decode(&head);
            head[MAGIC].copy_from_slice(b"ustar\x0000");
            let checksum = format!("{:07o} ", sum(&head));
            head[CHECKSUM].copy_from_slice(checksum.as_bytes());
            let _ = decode(&head);
        }
    }
}
