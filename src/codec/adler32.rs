//! The checksum at the end of a zlib stream, and that of joined parts from those of the parts.
//!
//! The library computes it only for streams that one compressor writes from beginning to end.

/// The largest prime below 2^16.
const BASE: u32 = 65_521;

/// How many bytes can be added before 32 bits overflow: zlib's figure, rounded down to whole lanes.
const RUN_BYTES: usize = 5_536;

/// Bytes added at once, so that the compiler can use vector instructions.
const LANES: usize = 32;

/// The checksum of no bytes.
pub const ADLER32_START: u32 = 1;

/// Returns the Adler-32 checksum of some bytes.
pub fn adler32(bytes: &[u8]) -> u32 {
    let (mut low, mut high) = (1_u32, 0_u32);
    for run in bytes.chunks(RUN_BYTES) {
        let (lanes, rest) = run.as_chunks::<LANES>();
        for lane in lanes {
            let (mut sum, mut weighted) = (0_u32, 0_u32);
            for (position, &byte) in lane.iter().enumerate() {
                sum += u32::from(byte);
                weighted += (LANES - position) as u32 * u32::from(byte);
            }
            high += LANES as u32 * low + weighted;
            low += sum;
        }
        for &byte in rest {
            low += u32::from(byte);
            high += low;
        }
        low %= BASE;
        high %= BASE;
    }
    high << 16 | low
}

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
        // The largest sums that can gather before they are reduced.
        assert_eq!(adler32(&[0xFF; 100_000]), slow(&[0xFF; 100_000]));
    }

    fn slow(bytes: &[u8]) -> u32 {
        let (low, high) = bytes.iter().fold((1_u32, 0_u32), |(low, high), &byte| {
            let low = (low + u32::from(byte)) % BASE;
            (low, (high + low) % BASE)
        });
        high << 16 | low
    }

    proptest! {
        #[test]
        fn parts_join(first in prop::collection::vec(any::<u8>(), 0..9_000), second in prop::collection::vec(any::<u8>(), 0..9_000)) {
            let whole = [first.clone(), second.clone()].concat();
            prop_assert_eq!(adler32(&whole), slow(&whole));
            prop_assert_eq!(adler32_join(adler32(&first), adler32(&second), second.len() as u64), adler32(&whole));
        }
    }
}
