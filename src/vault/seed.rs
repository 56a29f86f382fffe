//! Random bytes for names, out of a few that were handed in.

use crate::codec::sha256;

/// Where the random digits of names come from: sixteen random bytes for a run.
#[derive(Debug, Clone)]
pub struct Seed {
    bytes: [u8; 16],
    taken: u64,
}

impl Seed {
    /// Takes random bytes.
    pub fn new(bytes: [u8; 16]) -> Self {
        Seed { bytes, taken: 0 }
    }

    /// Returns bytes for one more name.
    pub fn draw(&mut self) -> [u8; 3] {
        self.taken += 1;
        let mut input = self.bytes.to_vec();
        input.extend(self.taken.to_be_bytes());
        let [first, second, third, ..] = sha256(&input).0;
        [first, second, third]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_draw_is_another_and_another_seed_gives_others() {
        let (mut one, mut other) = (Seed::new([1; 16]), Seed::new([2; 16]));
        let drawn: std::collections::BTreeSet<[u8; 3]> =
            (0..50).flat_map(|_| [one.draw(), other.draw()]).collect();
        assert_eq!(drawn.len(), 100);
    }
}
