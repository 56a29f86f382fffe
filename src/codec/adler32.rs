//! The checksum at the end of a zlib stream, and that of joined parts from those of the parts.
//!
//! Compressors compute it only for streams that they write from beginning to end.

/// The largest prime below 2^16.
const BASE: u32 = 65_521;

/// The checksum of no bytes.
pub const ADLER32_START: u32 = 1;

pub use libdeflater::adler32;

/// Returns the checksum of two parts joined; `length` is that of the second.
pub fn adler32_join(first: u32, second: u32, length: u64) -> u32 {
    let base = u64::from(BASE);
    let part = |sum: u32| (u64::from(sum & 0xFFFF), u64::from(sum >> 16));
    let ((low, high), (next_low, next_high)) = (part(first), part(second));
    let length = length % base;
    let joined_low = (low + next_low + base - 1) % base;
    let joined_high = (high + next_high + length * low + base * base - length) % base;
    (joined_high as u32) << 16 | joined_low as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_sums() {
        assert_eq!(adler32(b""), ADLER32_START);
        assert_eq!(adler32(b"Wikipedia"), 0x11E6_0398);
    }

    proptest! {
        #[test]
        fn parts_join(
            first in prop::collection::vec(any::<u8>(), 0..9_000),
            second in prop::collection::vec(any::<u8>(), 0..9_000),
        ) {
            let whole = [first.clone(), second.clone()].concat();
            prop_assert_eq!(adler32_join(adler32(&first), adler32(&second), second.len() as u64), adler32(&whole));
        }
    }
}
