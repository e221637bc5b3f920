//! Random digits for ids and secrets, from the operating system.

use std::cell::RefCell;
use std::mem;

/// `0-9A-Za-z`, the alphabet of secrets.
pub(crate) const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// `0-9a-z`, the alphabet of ids, legal in Kubernetes names.
pub(crate) const BASE36: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// Draws `count` digits of `alphabet`, each equally likely (rejection sampling), from the OS generator.
///
/// # Panics
/// Where the operating system cannot give random bytes: nothing here may go on without them.
pub fn random_digits(alphabet: &[u8], count: usize) -> String {
    let limit = 256 - 256 % alphabet.len();
    AHEAD.with_borrow_mut(|ahead| {
        let fair = std::iter::repeat_with(|| usize::from(ahead.take())).filter(|&byte| byte < limit);
        fair.take(count).map(|byte| char::from(alphabet[byte % alphabet.len()])).collect()
    })
}

/// Random bytes that a thread has drawn ahead: to ask the system for those of each id would cost more than all else of it.
struct Ahead {
    bytes: [u8; 512],
    left: usize,
}

thread_local! {
    static AHEAD: RefCell<Ahead> = const { RefCell::new(Ahead { bytes: [0; 512], left: 0 }) };
}

impl Ahead {
    /// The next byte, which is nowhere any more afterwards.
    fn take(&mut self) -> u8 {
        if self.left == 0 {
            fill(&mut self.bytes);
            self.left = self.bytes.len();
        }
        self.left -= 1;
        mem::take(&mut self.bytes[self.left])
    }
}

/// Fills `bytes` from the operating system's generator.
pub(crate) fn fill(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the operating system gives random bytes");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_of_the_alphabet_and_evenly_spread() {
        let digits = random_digits(BASE62, 62_000);

        let mut counts = [0_u32; 128];
        digits.bytes().for_each(|digit| counts[usize::from(digit)] += 1);
        for &letter in BASE62 {
            assert!(
                (800..1_200).contains(&counts[usize::from(letter)]),
                "{letter} {}",
                counts[usize::from(letter)]
            );
        }
        assert_eq!(digits.len(), 62_000);
    }
}
